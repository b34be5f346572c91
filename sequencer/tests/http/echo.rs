//! Answers and their receipts, with a model that echoes.

use base64::Engine as _;
use sequencer::ledger::{Hash, decode_request};
use serde_json::json;

use crate::support::{Server, chat, events};

#[tokio::test]
async fn a_chat_has_an_answer_a_receipt_and_a_status() {
    let server = Server::new().await;
    let (key, made) = server.make_key(0, 1, 10_000).await;
    assert_eq!(made["number"], 0);
    server.check_receipt(&made["receipt"]);
    let (status, body) = server.post("/v1/chat/completions", Some(&key), &chat("echo", "hello")).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["choices"][0]["message"]["content"], "hello");
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert_eq!(body["usage"], json!({"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}));
    let refute = &body["refute"];
    assert_eq!((refute["number"].as_u64(), refute["fee"].as_str()), (Some(1), Some("17")));
    server.check_receipt(&refute["receipt"]);
    let (status, stored) = server.get(refute["status_url"].as_str().unwrap()).await;
    assert_eq!((status, &stored["status"]), (200, &json!("executed")));
    assert_eq!((&stored["text"], &stored["receipt"]), (&json!("hello"), &refute["receipt"]));
    let hash = refute["request"].as_str().unwrap();
    let (status, receipt) = server.get(&format!("/v1/refute/receipts/{hash}")).await;
    assert_eq!((status, &receipt), (200, &refute["receipt"]));
    let (status, proof) = server.get(&format!("/v1/refute/proofs/{hash}")).await;
    assert_eq!((status, &proof["error"]["code"]), (404, &json!("not_posted")));
    assert_eq!(server.service.book.account(0).unwrap().balance, 1_000_000_000_000 - 17);
    server.stop().await;
}

#[tokio::test]
async fn limits_and_stop_strings_end_a_text() {
    let server = Server::new().await;
    let (key, _) = server.make_key(0, 1, 10_000).await;
    let ask = async |more: serde_json::Value| {
        let mut body = json!({"model": "echo", "prompt": "one two three", "temperature": 0});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, body) = server.post("/v1/completions", Some(&key), &body).await;
        assert_eq!(status, 200, "{body}");
        let choice = &body["choices"][0];
        let used = body["usage"]["completion_tokens"].as_u64().unwrap();
        (
            choice["text"].as_str().unwrap().to_owned(),
            choice["finish_reason"].as_str().unwrap().to_owned(),
            used,
        )
    };
    assert_eq!(ask(json!({"max_tokens": 3})).await, ("one".into(), "length".into(), 3));
    // Paid up to the token that completes the string, and nothing of the string is shown.
    assert_eq!(ask(json!({"stop": "two"})).await, ("one ".into(), "stop".into(), 7));
    assert_eq!(ask(json!({"stop": ["x", "e t"]})).await, ("on".into(), "stop".into(), 5));
    assert_eq!(ask(json!({"prompt": [104, 105]})).await, ("hi".into(), "stop".into(), 3));
    server.stop().await;
}

#[tokio::test]
async fn a_stream_has_the_order_that_clients_expect() {
    let server = Server::new().await;
    let (key, _) = server.make_key(0, 1, 10_000).await;
    let mut body = chat("echo", "héllo");
    body["stream"] = json!(true);
    body["stream_options"] = json!({"include_usage": true});
    let request = server.ask(reqwest::Method::POST, "/v1/chat/completions", Some(&key)).json(&body);
    let response = request.send().await.unwrap();
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    let (chunks, done) = events(&response.text().await.unwrap());
    assert!(done);
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
    assert_eq!(chunks[0]["usage"], json!(null));
    let text: String = chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "héllo");
    let last = &chunks[chunks.len() - 2];
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    server.check_receipt(&last["refute"]["receipt"]);
    let usage = &chunks[chunks.len() - 1];
    assert_eq!((&usage["choices"], &usage["usage"]["total_tokens"]), (&json!([]), &json!(13)));
    assert!(chunks.iter().all(|c| c["id"] == chunks[0]["id"] && c["object"] == "chat.completion.chunk"));
    server.stop().await;
}

#[tokio::test]
async fn embeddings_are_numbers_or_base64() {
    let server = Server::new().await;
    let (key, _) = server.make_key(0, 1, 10_000).await;
    let ask = |format: &'static str| json!({"model": "echo-vector", "input": ["ab", "c"], "encoding_format": format});
    let (status, floats) = server.post("/v1/embeddings", Some(&key), &ask("float")).await;
    assert_eq!(status, 200, "{floats}");
    assert_eq!(floats["data"][0]["embedding"][1].as_f64().unwrap(), 98.0 / 256.0);
    assert_eq!((&floats["data"][1]["index"], &floats["usage"]["prompt_tokens"]), (&json!(1), &json!(3)));
    server.check_receipt(&floats["data"][1]["refute"]["receipt"]);
    let (_, coded) = server.post("/v1/embeddings", Some(&key), &ask("base64")).await;
    let bytes = coded["data"][0]["embedding"].as_str().unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(bytes).unwrap();
    assert_eq!(bytes[..4], (97.0_f32 / 256.0).to_le_bytes());
    server.stop().await;
}

#[tokio::test]
async fn the_same_seed_gives_the_same_request() {
    let server = Server::new().await;
    let (key, _) = server.make_key(0, 1, 10_000).await;
    let mut body = chat("echo", "x");
    body["temperature"] = json!(0.7);
    let mut seeds = Vec::new();
    for seed in [json!(5), json!(5), json!(null), json!(null)] {
        body["seed"] = seed;
        let (status, answer) = server.post("/v1/chat/completions", Some(&key), &body).await;
        assert_eq!(status, 200, "{answer}");
        let hash: Hash = answer["refute"]["request"].as_str().unwrap().parse().unwrap();
        let found = server.service.db.find(&hash.0).await.unwrap().unwrap();
        seeds.push(decode_request(&found.request.unwrap().body).unwrap().seed);
    }
    assert_eq!(seeds[0], seeds[1]);
    assert_ne!(seeds[2], seeds[3]);
    server.stop().await;
}
