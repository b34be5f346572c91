//! Clients that note what they were promised.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::primitives::{B256, keccak256};
use alloy::signers::local::PrivateKeySigner;
use reqwest::Client;
use sequencer::ledger::{Delegation, Domain, Hash, Request, Sampling};
use serde_json::{Value, json};

use super::key;

/// What a client was told.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) request: [u8; 32],
    pub(crate) receipt: Option<(u64, [u8; 64])>,
}

#[derive(Default)]
pub(crate) struct Traffic {
    pub(crate) held: Vec<Held>,
    nonce: Arc<AtomicU64>,
    has_key: bool,
}

fn domain() -> Domain {
    Domain::new(31_337, [0; 20])
}

fn api_key() -> B256 {
    keccak256(b"a key for the crash test")
}

fn sign(signer: &PrivateKeySigner, digest: &Hash) -> String {
    alloy::hex::encode_prefixed(sequencer::ledger::sign(signer, digest).unwrap())
}

fn receipt(body: &Value) -> Option<(u64, [u8; 64])> {
    let signature = alloy::hex::decode(body["signature"].as_str()?).ok()?;
    Some((body["number"].as_u64()?, signature.try_into().ok()?))
}

fn hash(text: &Value) -> Option<[u8; 32]> {
    text.as_str()?.parse::<Hash>().ok().map(|hash| hash.0)
}

async fn make_key(client: &Client, url: &str) {
    let delegate = PrivateKeySigner::from_bytes(&api_key()).unwrap().address();
    let terms = Delegation {
        account: 0,
        nonce: 1,
        delegate: delegate.0.0,
        cap: u128::MAX,
        expiry: u64::MAX,
        model: Hash::default(),
        max_price_in: 9,
        max_price_out: 9,
    };
    let body = json!({
        "account": 0, "nonce": 1, "delegate": delegate.to_string(), "cap": u128::MAX.to_string(),
        "expiry": u64::MAX, "model": B256::ZERO.to_string(), "max_price_in": 9, "max_price_out": 9,
        "signature": sign(&key(0), &terms.digest(&domain())),
    });
    let sent = client.post(format!("{url}/v1/refute/keys")).json(&body).send().await.unwrap();
    assert_eq!(sent.status(), 200);
}

/// A request by key: answered with a receipt, or not at all.
async fn chat(client: &Client, url: &str, text: &str) -> Option<Held> {
    let body = json!({"model": "echo", "messages": [{"role": "user", "content": text}]});
    let sent =
        client.post(format!("{url}/v1/chat/completions")).bearer_auth(sequencer::keys::text(&api_key()));
    let body: Value = sent.json(&body).send().await.ok()?.json().await.ok()?;
    let refute = &body["refute"];
    Some(Held { request: hash(&refute["request"])?, receipt: receipt(&refute["receipt"]) })
}

/// A signed request: once it is answered it is stored, with or without its receipt.
async fn signed(client: &Client, url: &str, model: Hash, nonce: u64) -> Option<Held> {
    let prompt: Vec<u32> = format!("{nonce}").bytes().map(u32::from).collect();
    let request = Request {
        account: 1,
        nonce,
        model,
        prompt: sequencer::engine::root(&executor::trace::pack_tokens(&prompt, 9)),
        prompt_length: prompt.len() as u32,
        max_tokens: 50,
        sampling: Sampling::GREEDY,
        seed: Hash::default(),
        max_fee: 1000,
        valid_until: 4_000_000_000,
    };
    let body = json!({
        "account": 1, "nonce": nonce, "model": model.to_string(), "prompt": prompt, "max_tokens": 50,
        "max_fee": "1000", "valid_until": 4_000_000_000_u64, "signature": sign(&key(1), &request.digest(&domain())),
    });
    let sent = client.post(format!("{url}/v1/refute/requests")).json(&body).send().await.ok()?;
    let body: Value = sent.json().await.ok()?;
    Some(Held { request: hash(&body["request"])?, receipt: receipt(&body["receipt"]) })
}

impl Traffic {
    /// Sends what it can for some time; then `kill` is called while requests are under way.
    pub(crate) async fn run(&mut self, url: &str, time: Duration, kill: impl FnOnce()) {
        let client = Client::new();
        if !self.has_key {
            make_key(&client, url).await;
            self.has_key = true;
        }
        let model = client.get(format!("{url}/v1/models/echo")).send().await.unwrap();
        let model: Value = model.json().await.unwrap();
        let model: Hash = model["refute"]["model"].as_str().unwrap().parse().unwrap();
        let held = Arc::new(Mutex::new(std::mem::take(&mut self.held)));
        let over = Arc::new(AtomicBool::new(false));
        let mut clients = Vec::new();
        for number in 0..8 {
            let (client, url, held, over) = (client.clone(), url.to_owned(), held.clone(), over.clone());
            let nonce = self.nonce.clone();
            clients.push(tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let answer = if number < 6 {
                        chat(&client, &url, &format!("text {number}")).await
                    } else {
                        signed(&client, &url, model, nonce.fetch_add(1, Ordering::SeqCst)).await
                    };
                    held.lock().unwrap().extend(answer);
                }
            }));
        }
        tokio::time::sleep(time).await;
        kill();
        over.store(true, Ordering::Relaxed);
        for client in clients {
            client.await.unwrap();
        }
        self.held = held.lock().unwrap().clone();
    }

    /// Every request that was stored without a receipt gets one, or is said to have failed.
    pub(crate) async fn finish(&mut self, url: &str) {
        let client = Client::new();
        for held in self.held.iter_mut().filter(|h| h.receipt.is_none()) {
            let hash = Hash(held.request);
            let sent = client.get(format!("{url}/v1/refute/requests/{hash}?wait=10")).send().await.unwrap();
            let body: Value = sent.json().await.unwrap();
            assert!(body["status"] == "executed" || body["status"] == "failed", "{body}");
            held.receipt = receipt(&body["receipt"]);
        }
    }
}
