//! Bodies that nobody would send: an answer in the right shape, and nothing that stops the server.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::support::{Server, answer};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        prop_oneof!["echo", "user", "text", "echo-vector", "<\\|end\\|>"].prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let name = prop_oneof!["role", "content", "type", "text", "include_usage", ".{0,8}"];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..4).prop_map(|m| Value::from(Map::from_iter(m))),
        ]
    })
}

fn body() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        "messages",
        "prompt",
        "input",
        "model",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "max_tokens",
        "stop",
        "seed",
        "stream",
        "stream_options",
        "n",
        "tools",
        "encoding_format",
        "account",
        "nonce",
        "signature",
        "delegate",
        "cap",
        "max_fee",
        "valid_until",
        ".{0,8}",
    ];
    (proptest::collection::vec((name, value()), 0..6), any::<bool>()).prop_map(|(fields, sane)| {
        let mut body = Map::new();
        if sane {
            body.insert("model".into(), json!("echo"));
            body.insert("messages".into(), json!([{"role": "user", "content": "x"}]));
            body.insert("prompt".into(), json!("x"));
        }
        body.extend(fields);
        Value::from(body)
    })
}

#[test]
fn any_body_has_an_answer_in_the_right_shape() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::new());
    let (key, _) = runtime.block_on(server.make_key(0, 1, u128::MAX));
    let routes = [
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/refute/requests",
        "/v1/refute/keys",
    ];
    let strategy = (body(), 0..routes.len(), any::<Option<u16>>());
    let mut runner = TestRunner::new(Config::with_cases(600));
    let outcome = runner.run(&strategy, |(body, route, cut)| {
        let mut bytes = body.to_string().into_bytes();
        if let Some(cut) = cut {
            bytes.truncate(usize::from(cut));
        }
        let request = server.ask(Method::POST, routes[route], Some(&key)).body(bytes);
        let (status, answer) = runtime.block_on(async { answer(request.send().await.unwrap()).await });
        prop_assert!(status < 500, "{status} {answer}");
        let error = &answer["error"];
        prop_assert!(
            status == 200 || (error["message"].is_string() && error["type"].is_string()),
            "{answer}"
        );
        Ok(())
    });
    outcome.unwrap();
    assert_eq!(runtime.block_on(server.get("/readyz")).0, 200);
    runtime.block_on(server.stop());
}
