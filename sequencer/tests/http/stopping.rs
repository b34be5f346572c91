//! What is left after a stop, and after a crash.

use sequencer::{Running, start};
use serde_json::json;

use crate::support::{Server, chat, config, key};

#[tokio::test]
async fn a_new_start_knows_accounts_keys_and_receipts() {
    let server = Server::new().await;
    let (api_key, _) = server.make_key(0, 1, 1_000_000).await;
    let (status, first) = server.post("/v1/chat/completions", Some(&api_key), &chat("echo", "one")).await;
    assert_eq!(status, 200, "{first}");
    let before = server.service.book.account(0).unwrap();
    let folder = server.stop().await;
    let config = config(&folder);
    let server = Server::with(folder, config).await;
    assert_eq!(server.service.book.account(0).unwrap(), before);
    let (status, second) = server.post("/v1/chat/completions", Some(&api_key), &chat("echo", "two")).await;
    assert_eq!((status, &second["refute"]["number"]), (200, &json!(2)));
    let url = first["refute"]["status_url"].as_str().unwrap();
    assert_eq!(server.get(url).await.1["receipt"], first["refute"]["receipt"]);
    server.stop().await;
}

#[tokio::test]
async fn what_was_received_is_executed_after_a_restart() {
    let server = Server::new().await;
    let (hash, body) = server.signed(0, &[104, 105], &key(0));
    // As if the process had ended between the first commit and the last.
    let signature = body["signature"].as_str().unwrap();
    let signature: [u8; 64] = alloy::hex::decode(signature).unwrap().try_into().unwrap();
    let model = &server.service.models["echo"];
    let request = sequencer::ledger::Request {
        account: 0,
        nonce: 0,
        model: model.id,
        prompt: sequencer::engine::root(&executor::trace::pack_tokens(&[104, 105], model.token_bits)),
        prompt_length: 2,
        max_tokens: 100,
        sampling: sequencer::ledger::Sampling::GREEDY,
        seed: Default::default(),
        max_fee: 1_000_000,
        valid_until: 4_000_000_000,
    };
    assert_eq!(request.digest(server.domain()), hash);
    let row = sequencer::store::Received {
        hash: hash.0,
        account: 0,
        delegated: false,
        body: sequencer::ledger::encode_request(&request),
        prompt: executor::trace::pack_tokens(&[104, 105], model.token_bits),
        signature,
        created: 1,
    };
    server.service.sealer.receive(row).await.unwrap();
    assert_eq!(server.get(&format!("/v1/refute/requests/{hash}")).await.1["status"], "received");
    let folder = server.stop().await;
    let config = config(&folder);
    let server = Server::with(folder, config).await;
    let (_, found) = server.get(&format!("/v1/refute/requests/{hash}?wait=10")).await;
    assert_eq!((&found["status"], &found["text"]), (&json!("executed"), &json!("hi")));
    server.check_receipt(&found["receipt"]);
    server.stop().await;
}

#[tokio::test]
async fn a_second_writer_is_noticed_before_it_promises_anything() {
    let server = Server::new().await;
    let (api_key, _) = server.make_key(0, 1, 1_000_000).await;
    let second: Running = start(config(&server.folder), key(99)).await.unwrap();
    let ask = async |url: &str, text: &str| {
        let url = format!("{url}/v1/chat/completions");
        let sent = server.client.post(url).bearer_auth(&api_key).json(&chat("echo", text)).send().await;
        crate::support::answer(sent.unwrap()).await
    };
    assert_eq!(ask(&server.url, "x").await.0, 200);
    let (status, body) = ask(&format!("http://{}", second.address), "y").await;
    assert_eq!((status, &body["error"]["type"]), (503, &json!("server_error")));
    assert!(second.service.fatal.is_cancelled());
    assert_eq!(ask(&server.url, "z").await.1["refute"]["number"], 2);
    second.stop().await;
    server.stop().await;
}
