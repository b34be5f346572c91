//! Requests that clients sign themselves.

use serde_json::json;

use crate::support::{Server, key};

#[tokio::test]
async fn a_signed_request_is_executed_once_and_found_by_its_hash() {
    let server = Server::new().await;
    let (hash, body) = server.signed(0, &[104, 105], &key(0));
    let (status, answer) = server.post("/v1/refute/requests?wait=10", None, &body).await;
    assert!(status == 200 || status == 202, "{answer}");
    let (status, found) = server.get(&format!("/v1/refute/requests/{hash}?wait=10")).await;
    assert_eq!((status, &found["status"], &found["text"]), (200, &json!("executed"), &json!("hi")));
    assert_eq!((&found["output_tokens"], &found["fee"]), (&json!([104, 105, 256]), &json!("8")));
    assert_eq!(found["receipt"]["number"], 0);
    server.check_receipt(&found["receipt"]);
    // The same request again is the same request.
    let (status, again) = server.post("/v1/refute/requests", None, &body).await;
    assert_eq!((status, &again["receipt"]), (200, &found["receipt"]));
    // Its nonce is used up for any other.
    let (_, other) = server.signed(0, &[7], &key(0));
    let (status, refused) = server.post("/v1/refute/requests", None, &other).await;
    assert_eq!((status, &refused["error"]["param"]), (409, &json!("nonce")));
    assert_eq!(server.service.db.next_number(0).await.unwrap(), 1);
    server.stop().await;
}

#[tokio::test]
async fn strangers_cannot_sign_and_fields_are_checked() {
    let server = Server::new().await;
    let url = "/v1/refute/requests";
    let (_, stranger) = server.signed(0, &[1], &key(5));
    let (status, body) = server.post(url, None, &stranger).await;
    assert_eq!((status, &body["error"]["param"]), (400, &json!("signature")));
    let (_, good) = server.signed(0, &[1], &key(0));
    for (name, value, status) in [
        ("prompt", json!([300]), 400),
        ("prompt", json!([]), 400),
        ("max_tokens", json!(0), 400),
        ("top_k", json!(1), 400),
        ("max_fee", json!("-1"), 400),
        ("model", json!(format!("0x{}", "1".repeat(64))), 400),
        ("valid_until", json!(1), 400),
        ("extra", json!(1), 400),
        ("account", json!(77), 400),
    ] {
        let mut body = good.clone();
        body[name] = value;
        let (code, answer) = server.post(url, None, &body).await;
        assert_eq!(code, status, "{name}: {answer}");
        assert!(answer["error"]["param"].is_string(), "{answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_delegate_may_sign_and_keys_and_signatures_share_nonces() {
    let server = Server::new().await;
    let (api_key, _) = server.make_key(0, 1, 100_000).await;
    let secret = api_key.strip_prefix("rk-").unwrap().parse().unwrap();
    let delegate = alloy::signers::local::PrivateKeySigner::from_bytes(&secret).unwrap();
    let (hash, body) = server.signed(3, &[104], &delegate);
    let (status, answer) = server.post("/v1/refute/requests?wait=10", None, &body).await;
    assert!(status == 200 || status == 202, "{answer}");
    let (_, found) = server.get(&format!("/v1/refute/requests/{hash}?wait=10")).await;
    assert_eq!(found["status"], "executed");
    let chat = crate::support::chat("echo", "x");
    assert_eq!(server.post("/v1/chat/completions", Some(&api_key), &chat).await.0, 200);
    let account = server.service.book.account(0).unwrap();
    assert_eq!((account.window.next, account.window.used), (5, [0, 0b11]));
    server.stop().await;
}
