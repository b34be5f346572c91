//! Readers that go away, and the sequencer going away under them; with a model that takes its time.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Server, chat, config, events, model, model_folder};

async fn slow() -> (Server, String) {
    draining(1).await
}

/// A server that gives open requests some seconds when it stops.
async fn draining(seconds: u64) -> (Server, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&folder);
    config.models = vec![model("smollm2", model_folder("smollm2-135m-w8", "make model"))];
    config.drain = seconds;
    let server = Server::with(folder, config).await;
    let (key, _) = server.make_key(0, 1, u128::MAX).await;
    (server, key)
}

fn long() -> Value {
    let mut body = chat("smollm2", "Count from one to a thousand in words.");
    body["stream"] = json!(true);
    body["max_tokens"] = json!(1500);
    body
}

async fn next_number(server: &Server, number: u64) {
    for _ in 0..100 {
        if server.service.db.next_number(0).await.unwrap() == number {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("number {number} never came");
}

#[tokio::test]
async fn what_a_reader_has_seen_before_it_went_is_paid_and_the_rest_is_not_made() {
    let (server, key) = slow().await;
    let request = server.ask(Method::POST, "/v1/chat/completions", Some(&key)).json(&long());
    let mut stream = request.send().await.unwrap().bytes_stream();
    for _ in 0..5 {
        stream.next().await.unwrap().unwrap();
    }
    drop(stream);
    next_number(&server, 2).await;
    let receipt = server.service.db.receipts_from(0, 1, 1).await.unwrap().remove(0);
    let found = server.service.db.find(&receipt.request).await.unwrap().unwrap();
    let (length, ..) = found.result.unwrap();
    assert!((1..200).contains(&length), "{length}");
    let request = sequencer::ledger::decode_request(&found.request.unwrap().body).unwrap();
    assert_eq!(request.max_tokens, length);
    for _ in 0..100 {
        if server.service.models["smollm2"].runner.load().running == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(server.service.models["smollm2"].runner.load().running, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_cut_by_a_stop_ends_with_its_receipt() {
    let (server, key) = draining(0).await;
    let request = server.ask(Method::POST, "/v1/chat/completions", Some(&key)).json(&long());
    let mut response = request.send().await.unwrap();
    let mut text = String::new();
    // The role, and some of the answer: what has no token yet is an error and has no receipt.
    while text.matches("data: ").count() < 4 {
        text.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
    }
    let reader = tokio::spawn(async move { response.text().await.unwrap() });
    let folder = server.stop().await;
    text.push_str(&tokio::time::timeout(Duration::from_secs(10), reader).await.unwrap().unwrap());
    let (chunks, done) = events(&text);
    assert!(done);
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "length");
    assert_eq!(last["refute"]["number"], 1);
    drop(folder);
}

#[tokio::test]
async fn streams_of_two_accounts_run_together_and_do_not_change_each_other() {
    let (server, first) = slow().await;
    let ask = |text: &str| {
        let mut body = chat("smollm2", text);
        body["max_tokens"] = json!(24);
        body
    };
    let texts = ["What is a cat?", "Name three colours.", "Who wrote Hamlet?", "Why is the sky blue?"];
    let mut alone = Vec::new();
    for text in texts {
        let (status, body) = server.post("/v1/chat/completions", Some(&first), &ask(text)).await;
        assert_eq!(status, 200, "{body}");
        alone.push(body["choices"][0]["message"]["content"].clone());
    }
    let bodies: Vec<Value> = texts.iter().map(|text| ask(text)).collect();
    let together = bodies.iter().map(|body| server.post("/v1/chat/completions", Some(&first), body));
    for ((status, body), alone) in futures_util::future::join_all(together).await.into_iter().zip(alone) {
        assert_eq!((status, &body["choices"][0]["message"]["content"]), (200, &alone));
    }
    server.stop().await;
}
