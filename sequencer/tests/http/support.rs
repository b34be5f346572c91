//! A server of its own for each test, and a client.

use std::path::PathBuf;
use std::sync::Arc;

use alloy::primitives::{Address, keccak256};
use alloy::signers::local::PrivateKeySigner;
use reqwest::{Client, Method, RequestBuilder, Response};
use sequencer::config::{AccountConfig, Config, ModelConfig};
use sequencer::flow::Service;
use sequencer::ledger::{Delegation, Domain, Hash, Request, Sampling, recover, sign};
use sequencer::{Running, start};
use serde_json::{Value, json};

/// Where models are that `make model` and `make model-minilm` have made.
pub(crate) fn model_folder(name: &str, make: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.cache/models").join(name);
    assert!(folder.is_dir(), "{} is missing: run `{make}` first", folder.display());
    folder
}

pub(crate) fn key(seed: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&keccak256([seed])).unwrap()
}

pub(crate) fn model(name: &str, path: impl Into<PathBuf>) -> ModelConfig {
    ModelConfig {
        name: Some(name.into()),
        path: path.into(),
        price_in: 1,
        price_out: 2,
        threads: None,
        backend: None,
    }
}

/// Account 0 belongs to `key(0)` and has much, account 1 to `key(1)` and has 100 wei.
pub(crate) fn config(folder: &tempfile::TempDir) -> Config {
    let account = |seed, balance: &str| AccountConfig { owner: key(seed).address(), balance: balance.into() };
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        store: format!("sqlite:{}", folder.path().join("store.db").display()),
        models: vec![model("echo", "echo"), model("echo-vector", "echo-vector")],
        accounts: vec![account(0, "1000000000000"), account(1, "100")],
        drain: 5,
        ..Config::default()
    }
}

pub(crate) struct Server {
    pub(crate) running: Option<Running>,
    pub(crate) service: Arc<Service>,
    pub(crate) url: String,
    pub(crate) client: Client,
    pub(crate) folder: tempfile::TempDir,
}

impl Server {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder);
        Self::with(folder, config).await
    }

    pub(crate) async fn with(folder: tempfile::TempDir, config: Config) -> Self {
        let running = start(config, key(99)).await.unwrap();
        let url = format!("http://{}", running.address);
        let service = Arc::clone(&running.service);
        Self { running: Some(running), service, url, client: Client::new(), folder }
    }

    /// Stops it, and gives its folder.
    pub(crate) async fn stop(mut self) -> tempfile::TempDir {
        drop(self.service);
        self.running.take().unwrap().stop().await;
        self.folder
    }

    pub(crate) fn ask(&self, method: Method, path: &str, key: Option<&str>) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        match key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    pub(crate) async fn post(&self, path: &str, key: Option<&str>, body: &Value) -> (u16, Value) {
        answer(self.ask(Method::POST, path, key).json(body).send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.ask(Method::GET, path, None).send().await.unwrap()).await
    }

    pub(crate) fn domain(&self) -> &Domain {
        &self.service.domain
    }

    /// A key for an account that belongs to `key(account)`.
    pub(crate) async fn make_key(&self, account: u32, nonce: u64, cap: u128) -> (String, Value) {
        let secret = keccak256([account as u8, nonce as u8, 77]);
        let delegate = PrivateKeySigner::from_bytes(&secret).unwrap().address().0.0;
        let terms = Delegation {
            account,
            nonce,
            delegate,
            cap,
            expiry: u64::MAX,
            model: Hash::default(),
            max_price_in: 10,
            max_price_out: 10,
        };
        let body = self.delegation(&terms, &key(account as u8));
        let (status, made) = self.post("/v1/refute/keys", None, &body).await;
        assert_eq!(status, 200, "{made}");
        (sequencer::keys::text(&secret), made)
    }

    pub(crate) fn delegation(&self, terms: &Delegation, owner: &PrivateKeySigner) -> Value {
        let signature = sign(owner, &terms.digest(self.domain())).unwrap();
        json!({
            "account": terms.account, "nonce": terms.nonce, "delegate": Address::from(terms.delegate).to_string(),
            "cap": terms.cap.to_string(), "expiry": terms.expiry, "model": terms.model.to_string(),
            "max_price_in": terms.max_price_in, "max_price_out": terms.max_price_out,
            "signature": alloy::hex::encode_prefixed(signature),
        })
    }

    /// A signed request of account 0 for the echo.
    pub(crate) fn signed(&self, nonce: u64, prompt: &[u32], signer: &PrivateKeySigner) -> (Hash, Value) {
        let model = &self.service.models["echo"];
        let packed = executor::trace::pack_tokens(prompt, model.token_bits);
        let request = Request {
            account: 0,
            nonce,
            model: model.id,
            prompt: sequencer::engine::root(&packed),
            prompt_length: prompt.len() as u32,
            max_tokens: 100,
            sampling: Sampling::GREEDY,
            seed: Hash::default(),
            max_fee: 1_000_000,
            valid_until: 4_000_000_000,
        };
        let hash = request.digest(self.domain());
        let signature = sign(signer, &hash).unwrap();
        let body = json!({
            "account": 0, "nonce": nonce, "model": request.model.to_string(), "prompt": prompt, "max_tokens": 100,
            "max_fee": "1000000", "valid_until": 4_000_000_000_u64,
            "signature": alloy::hex::encode_prefixed(signature),
        });
        (hash, body)
    }

    /// Is this a receipt that the sequencer has signed for that request.
    pub(crate) fn check_receipt(&self, receipt: &Value) {
        let text = |name: &str| receipt[name].as_str().unwrap();
        let signed = sequencer::ledger::Receipt {
            proposer: text("proposer").parse::<Address>().unwrap().0.0,
            epoch: receipt["epoch"].as_u64().unwrap() as u32,
            number: receipt["number"].as_u64().unwrap(),
            request: text("request").parse().unwrap(),
            output: text("output").parse().unwrap(),
            deadline: receipt["deadline"].as_u64().unwrap(),
            payee: text("payee").parse::<Address>().unwrap().0.0,
        };
        let signature: [u8; 64] = alloy::hex::decode(text("signature")).unwrap().try_into().unwrap();
        let digest = signed.digest(self.domain());
        assert_eq!(recover(&digest, &signature), Some(key(99).address()));
    }
}

pub(crate) async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub(crate) fn chat(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}], "temperature": 0})
}

/// The JSON events of a stream, and whether it ended as it must.
pub(crate) fn events(text: &str) -> (Vec<Value>, bool) {
    let data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let done = data.last() == Some(&"[DONE]");
    let json = data.iter().filter(|d| **d != "[DONE]").map(|d| serde_json::from_str(d).unwrap());
    (json.collect(), done)
}
