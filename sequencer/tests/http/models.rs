//! Real models: what comes over HTTP is what the executor gives, and anybody can check it.

use executor::generate::{Request, verify};
use executor::kernels::Sampling;
use executor::native::Native;
use serde_json::json;

use crate::support::{Server, chat, config, model, model_folder};

#[tokio::test]
async fn an_answer_of_smollm2_is_right_and_its_receipt_is_for_it() {
    let path = model_folder("smollm2-135m-w8", "make model");
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&folder);
    config.models = vec![model("smollm2", path.clone())];
    let server = Server::with(folder, config).await;
    let (key, _) = server.make_key(0, 1, u128::MAX).await;
    let mut body = chat("smollm2", "What is the capital of France?");
    body["max_tokens"] = json!(32);
    let (status, answer) = server.post("/v1/chat/completions", Some(&key), &body).await;
    assert_eq!(status, 200, "{answer}");
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.contains("Paris"), "{text}");
    server.check_receipt(&answer["refute"]["receipt"]);
    let (_, stored) = server.get(answer["refute"]["status_url"].as_str().unwrap()).await;
    let tokens: Vec<u32> = serde_json::from_value(stored["output_tokens"].clone()).unwrap();
    assert_eq!(answer["usage"]["completion_tokens"], tokens.len());

    let hash: sequencer::ledger::Hash = answer["refute"]["request"].as_str().unwrap().parse().unwrap();
    let found = server.service.db.find(&hash.0).await.unwrap().unwrap().request.unwrap();
    let request = sequencer::ledger::decode_request(&found.body).unwrap();
    let bits = server.service.models["smollm2"].token_bits;
    let prompt = sequencer::engine::unpack_tokens(&found.prompt, request.prompt_length, bits).unwrap();
    server.stop().await;
    let opened = executor::model::Model::open(&path).unwrap();
    let mut engine = Native::new(&opened, 2, None).unwrap();
    let claim = Request { prompt, sampling: Sampling::GREEDY, max_tokens: request.max_tokens };
    assert_eq!(verify(&mut engine, &claim, &tokens).unwrap(), None);
}

#[tokio::test]
async fn an_embedding_of_minilm_is_near_what_is_like_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&folder);
    config.models = vec![model("minilm", model_folder("all-minilm-l6-v2-w8", "make model-minilm"))];
    let server = Server::with(folder, config).await;
    let (key, _) = server.make_key(0, 1, u128::MAX).await;
    let input = ["A cat sits on the mat.", "A kitten is on a rug.", "The stock market fell."];
    let (status, body) =
        server.post("/v1/embeddings", Some(&key), &json!({"model": "minilm", "input": input})).await;
    assert_eq!(status, 200, "{body}");
    let vector =
        |i: usize| -> Vec<f64> { serde_json::from_value(body["data"][i]["embedding"].clone()).unwrap() };
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let like = |a: &[f64], b: &[f64]| product(a, b) / (product(a, a) * product(b, b)).sqrt();
    let (cat, kitten, market) = (vector(0), vector(1), vector(2));
    assert!(like(&cat, &kitten) > 0.5 && like(&cat, &market) < 0.3);
    server.stop().await;
}
