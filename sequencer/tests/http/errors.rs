//! Bad requests: the right status, OpenAI's shape, the field named.

use std::time::Duration;

use reqwest::Method;
use sequencer::config::Config;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Server, answer, chat, config, key};

fn shape(status: u16, body: &Value, expected: u16, param: Value, code: &str) {
    assert_eq!(status, expected, "{body}");
    let error = &body["error"];
    assert!(error["message"].as_str().is_some_and(|m| !m.is_empty()), "{body}");
    assert!(error["type"].is_string(), "{body}");
    assert_eq!((&error["param"], error["code"].as_str()), (&param, Some(code)), "{body}");
}

#[tokio::test]
async fn what_is_wrong_with_a_body_is_named() {
    let server = Server::new().await;
    let (key, _) = server.make_key(0, 1, 1_000_000).await;
    let with = |name: &str, value: Value| {
        let mut body = chat("echo", "x");
        body[name] = value;
        body
    };
    let cases = [
        (with("model", json!("gpt-9")), 404, json!("model"), "model_not_found"),
        (with("model", json!("echo-vector")), 400, json!("model"), "invalid_value"),
        (with("messages", json!([])), 400, json!("messages"), "invalid_value"),
        (with("messages", json!("hi")), 400, json!("messages"), "invalid_json"),
        (with("messages", json!([{"role": 1}])), 400, json!("messages[0].role"), "invalid_json"),
        (
            with("messages", json!([{"role": "tool", "content": ""}])),
            400,
            json!("messages[0].role"),
            "invalid_value",
        ),
        (with("messages", json!([{"role": "user"}])), 400, json!("messages[0].content"), "invalid_value"),
        (
            with("messages", json!([{"role": "user", "content": [{"type": "image_url"}]}])),
            400,
            json!("messages[0].content"),
            "invalid_value",
        ),
        (with("messages", json!([{"role": "user", "content": ""}])), 400, json!("messages"), "invalid_value"),
        (with("temperature", json!(-1)), 400, json!("temperature"), "invalid_value"),
        (with("temperature", json!(1e300)), 400, json!("temperature"), "invalid_value"),
        (with("temperature", json!("hot")), 400, json!("temperature"), "invalid_json"),
        (with("top_p", json!(0)), 400, json!("top_p"), "invalid_value"),
        (with("min_p", json!(2)), 400, json!("min_p"), "invalid_value"),
        (with("max_tokens", json!(0)), 400, json!("max_tokens"), "invalid_value"),
        (with("max_completion_tokens", json!(-5)), 400, json!("max_completion_tokens"), "invalid_json"),
        (with("n", json!(2)), 400, json!("n"), "unsupported_parameter"),
        (with("tools", json!([{}])), 400, json!("tools"), "unsupported_parameter"),
        (with("logprobs", json!(true)), 400, json!("logprobs"), "unsupported_parameter"),
        (with("stop", json!(["a", ""])), 400, json!("stop"), "invalid_value"),
        (with("stop", json!(["a", "b", "c", "d", "e"])), 400, json!("stop"), "invalid_value"),
        (with("colour", json!("red")), 400, json!("colour"), "unknown_parameter"),
        (chat("echo", &"x".repeat(8192)), 400, json!("messages"), "context_length_exceeded"),
    ];
    for (body, expected, param, code) in cases {
        let (status, answer) = server.post("/v1/chat/completions", Some(&key), &body).await;
        shape(status, &answer, expected, param, code);
    }
    for (url, field, model) in [("completions", "prompt", "echo"), ("embeddings", "input", "echo-vector")] {
        let body = json!({"model": model, field: "x".repeat(8193)});
        let (status, answer) = server.post(&format!("/v1/{url}"), Some(&key), &body).await;
        shape(status, &answer, 400, json!(field), "context_length_exceeded");
    }
    let raw = server.ask(Method::POST, "/v1/chat/completions", Some(&key)).body("{\"model\":");
    let (status, body) = answer(raw.send().await.unwrap()).await;
    shape(status, &body, 400, Value::Null, "invalid_json");
    // Nothing of all that has cost anything or taken a number.
    assert_eq!(server.service.book.account(0).unwrap().balance, 1_000_000_000_000);
    assert_eq!(server.service.db.next_number(0).await.unwrap(), 1);
    server.stop().await;
}

#[tokio::test]
async fn keys_balances_and_caps() {
    let server = Server::new().await;
    let url = "/v1/chat/completions";
    for wrong in [None, Some("rk-00"), Some("sk-abc")] {
        let (status, body) = server.post(url, wrong, &chat("echo", "x")).await;
        shape(status, &body, 401, Value::Null, "invalid_api_key");
    }
    let unknown = sequencer::keys::text(&alloy::primitives::B256::repeat_byte(3));
    let (status, body) = server.post(url, Some(&unknown), &chat("echo", "x")).await;
    shape(status, &body, 401, Value::Null, "invalid_api_key");

    let (poor, _) = server.make_key(1, 1, 1_000_000).await;
    let mut body = chat("echo", "x");
    body["max_tokens"] = json!(50);
    let (status, refused) = server.post(url, Some(&poor), &body).await;
    shape(status, &refused, 402, Value::Null, "insufficient_balance");
    body["max_tokens"] = json!(49);
    assert_eq!(server.post(url, Some(&poor), &body).await.0, 200);

    let (capped, _) = server.make_key(0, 1, 99).await;
    body["max_tokens"] = json!(50);
    let (status, refused) = server.post(url, Some(&capped), &body).await;
    shape(status, &refused, 402, Value::Null, "delegation_cap");
    // A new key of the account takes the place of the old one.
    let (next, _) = server.make_key(0, 2, 1_000_000).await;
    let (status, refused) = server.post(url, Some(&capped), &body).await;
    shape(status, &refused, 401, Value::Null, "invalid_api_key");
    assert_eq!(server.post(url, Some(&next), &body).await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn delegations_are_checked() {
    let server = Server::new().await;
    let terms = sequencer::ledger::Delegation {
        account: 0,
        nonce: 1,
        delegate: key(50).address().0.0,
        cap: 1,
        expiry: 1,
        model: Default::default(),
        max_price_in: 1,
        max_price_out: 1,
    };
    let url = "/v1/refute/keys";
    let (status, body) = server.post(url, None, &server.delegation(&terms, &key(1))).await;
    shape(status, &body, 400, json!("signature"), "invalid_value");
    let good = server.delegation(&terms, &key(0));
    for (name, value) in [("cap", json!("x")), ("delegate", json!("0x12")), ("signature", json!("0x00"))] {
        let mut body = good.clone();
        body[name] = value;
        let (status, answer) = server.post(url, None, &body).await;
        shape(status, &answer, 400, json!(name), "invalid_value");
    }
    assert_eq!(server.post(url, None, &good).await.0, 200);
    let (status, body) = server.post(url, None, &good).await;
    shape(status, &body, 409, json!("nonce"), "nonce_used");
    server.stop().await;
}

#[tokio::test]
async fn routes_methods_and_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { body_bytes: 10_000, ..config(&folder) };
    let server = Server::with(folder, config).await;
    let (key, _) = server.make_key(0, 1, 1_000_000).await;
    let (status, body) = server.get("/v2/nothing").await;
    shape(status, &body, 404, Value::Null, "unknown_url");
    let (status, body) = server.get("/v1/chat/completions").await;
    shape(status, &body, 405, Value::Null, "method_not_allowed");
    let (status, body) = server.get("/v1/models/none").await;
    shape(status, &body, 404, json!("model"), "model_not_found");
    let (status, body) = server.get("/v1/refute/requests/0x12").await;
    shape(status, &body, 400, json!("hash"), "invalid_value");
    let (status, body) = server.get(&format!("/v1/refute/receipts/{}", "0".repeat(64))).await;
    shape(status, &body, 404, Value::Null, "request_not_found");
    let large = chat("echo", &"x".repeat(20_000));
    let (status, body) = server.post("/v1/chat/completions", Some(&key), &large).await;
    shape(status, &body, 413, Value::Null, "body_too_large");
    let (status, ready) = server.get("/readyz").await;
    assert_eq!((status, &ready["ready"], &ready["posting"]), (200, &json!(true), &json!(false)));
    assert_eq!(server.get("/healthz").await.0, 200);
    let (_, metrics) = server.get("/metrics").await;
    assert!(metrics.as_str().unwrap().contains("refute_sequencer_next_number"), "{metrics}");
    let (status, document) = server.get("/openapi.json").await;
    assert_eq!((status, &document["openapi"].is_string()), (200, &true));
    server.stop().await;
}

#[tokio::test]
async fn a_slow_head_loses_its_connection_and_idle_ones_harm_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { head_timeout: 1, ..config(&folder) };
    let server = Server::with(folder, config).await;
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(TcpStream::connect(&address).await.unwrap());
    }
    let mut slow = TcpStream::connect(&address).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    assert_eq!(server.get("/healthz").await.0, 200);
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(5), slow.read_to_end(&mut rest)).await.unwrap().unwrap();
    let mut byte = [0];
    let ended = idle[0].read(&mut byte);
    assert_eq!(tokio::time::timeout(Duration::from_secs(5), ended).await.unwrap().unwrap(), 0);
    server.stop().await;
}
