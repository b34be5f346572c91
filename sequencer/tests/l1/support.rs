//! A chain, a rollup on it, and a sequencer that posts to it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use bindings::deployment::{Deployment, Parameters, announce, deploy};
use bindings::inbox::Inbox;
use bindings::l1::{Included, L1, Patience, Policy, Sender};
use bindings::model_registry::ModelRegistry::ModelHeader;
use bindings::results::Results;
use reqwest::Client;
use sequencer::config::{Config, ModelConfig};
use sequencer::engine::Model;
use sequencer::flow::Service;
use sequencer::ledger::{Delegation, Domain, Hash, Withdrawal, sign};
use sequencer::{Running, start};
use serde_json::{Value, json};

use crate::anvil::Anvil;

pub(crate) const PRICE: u64 = 1_000_000_000;
pub(crate) const ETHER: u128 = 1_000_000_000_000_000_000;

/// A rollup with the echo in its registry.
pub(crate) struct Rollup {
    pub(crate) anvil: Anvil,
    pub(crate) node: L1,
    /// Owner of the registry, and whoever else needs ether.
    pub(crate) sender: Sender,
    pub(crate) made: Deployment,
    pub(crate) folder: tempfile::TempDir,
}

pub(crate) fn policy() -> Policy {
    Policy { poll: Duration::from_millis(20), ..Policy::default() }
}

/// Windows of minutes, so that nothing ends before a test moves the clock.
pub(crate) fn parameters() -> Parameters {
    let mut parameters = Parameters::devnet();
    parameters.games.window = 600;
    parameters.games.proposer_budget = 300;
    parameters.games.move_minimum = 60;
    parameters.games.trace_minimum = 120;
    parameters.rollup.slack = 40;
    parameters.registry.price_delay = 60;
    parameters.registry.list_delay = 60;
    parameters.rollup.force_delay = 7200;
    parameters
}

impl Rollup {
    pub(crate) async fn new(parameters: Parameters) -> Self {
        let anvil = Anvil::start(&[]);
        let node = L1::connect(&anvil.url, None, Patience::default()).await.unwrap();
        let sender = Sender::new(node.clone(), anvil.key(0), policy());
        let (owner, sequencer) = (anvil.key(0).address(), anvil.key(1).address());
        let made = deploy(&node, &sender, &parameters, owner, sequencer).await.unwrap();
        let (header, encoded) = Model::echo_announcement(false);
        let id = B256::from(header.id().0);
        let word = |hash: Hash| B256::from(hash.0);
        let header = ModelHeader {
            nodes: header.nodes,
            constants: header.constants,
            nodesRoot: word(header.nodes_root),
            constantsRoot: word(header.constants_root),
            interfaceHash: word(header.interface_hash),
        };
        let prices = (PRICE, 2 * PRICE);
        announce(&sender, made.contracts.registry, header, encoded.into(), id, prices).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        made.save(&folder.path().join("deployment.json")).unwrap();
        let rollup = Self { anvil, node, sender, made, folder };
        rollup.pass(parameters.registry.price_delay + 1);
        rollup
    }

    /// Lets time pass on L1.
    pub(crate) fn pass(&self, seconds: u64) {
        self.anvil.ask("evm_increaseTime", &format!("[{seconds}]"));
        self.anvil.ask("anvil_mine", "[]");
    }

    pub(crate) fn mine(&self, blocks: u64) {
        self.anvil.ask("anvil_mine", &format!("[{blocks}]"));
    }

    pub(crate) async fn send<C: SolCall>(&self, to: Address, call: &C, value: u128) -> Included {
        self.sender.send(to, call.abi_encode().into(), U256::from(value)).await.unwrap()
    }

    pub(crate) async fn call<C: SolCall>(&self, to: Address, call: &C) -> C::Return {
        self.node.call(to, call, BlockId::latest()).await.unwrap()
    }

    pub(crate) async fn deposit(&self, owner: Address, amount: u128) {
        self.send(self.made.contracts.inbox, &Inbox::depositCall { owner }, amount).await;
    }

    pub(crate) fn config(&self, store: &str) -> Config {
        let model = ModelConfig {
            name: Some("echo".into()),
            path: "echo".into(),
            price_in: 0,
            price_out: 0,
            threads: None,
            backend: None,
        };
        Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            store: store.into(),
            models: vec![model],
            l1: Some(self.anvil.url.clone()),
            deployment: Some(self.folder.path().join("deployment.json")),
            confirmations: 2,
            batch_seconds: 0,
            l1_poll_ms: 20,
            raise_seconds: 3,
            drain: 2,
            ..Config::default()
        }
    }

    pub(crate) fn sqlite(&self) -> String {
        sqlite(self.folder.path())
    }

    pub(crate) fn domain(&self) -> Domain {
        Domain::new(31_337, self.made.contracts.inbox.0.0)
    }

    pub(crate) fn proposer(&self) -> PrivateKeySigner {
        self.anvil.key(1)
    }
}

pub(crate) fn sqlite(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("store.db").display())
}

pub(crate) fn key(seed: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&keccak256([seed])).unwrap()
}

/// A sequencer with a client.
pub(crate) struct Server {
    running: Option<Running>,
    pub(crate) service: Arc<Service>,
    pub(crate) url: String,
    pub(crate) client: Client,
}

impl Server {
    pub(crate) async fn new(rollup: &Rollup, config: Config) -> Self {
        let running = start(config, rollup.proposer()).await.unwrap();
        let url = format!("http://{}", running.address);
        let service = Arc::clone(&running.service);
        Self { running: Some(running), service, url, client: Client::new() }
    }

    pub(crate) async fn stop(mut self) {
        drop(self.service);
        self.running.take().unwrap().stop().await;
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, key: Option<&B256>, body: &Value) -> (u16, Value) {
        let mut request = self.client.post(format!("{}{path}", self.url)).json(body);
        if let Some(key) = key {
            request = request.bearer_auth(sequencer::keys::text(key));
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Waits until an account has as much.
    pub(crate) async fn balance(&self, account: u32, wei: u128) {
        let have = || self.service.book.account(account).map(|a| a.balance);
        until(&format!("account {account} has {wei}"), async || have() == Some(wei)).await;
    }

    /// An API key of `key(owner)`, who has an account.
    pub(crate) async fn make_key(&self, rollup: &Rollup, account: u32, owner: u8, nonce: u64) -> B256 {
        let secret = keccak256([owner, 200, nonce as u8]);
        let delegate = PrivateKeySigner::from_bytes(&secret).unwrap().address();
        let terms = Delegation {
            account,
            nonce,
            delegate: delegate.0.0,
            cap: u128::MAX,
            expiry: u64::MAX,
            model: Hash::default(),
            max_price_in: u64::MAX,
            max_price_out: u64::MAX,
        };
        let body = json!({
            "account": account, "nonce": nonce, "delegate": delegate.to_string(), "cap": u128::MAX.to_string(),
            "expiry": u64::MAX, "model": B256::ZERO.to_string(), "max_price_in": u64::MAX,
            "max_price_out": u64::MAX, "signature": signature(&key(owner), &terms.digest(&rollup.domain())),
        });
        let (status, answer) = self.post("/v1/refute/keys", None, &body).await;
        assert_eq!(status, 200, "{answer}");
        secret
    }

    /// A text; its request's hash, and the receipt's number.
    pub(crate) async fn chat(&self, key: &B256, text: &str) -> (String, u64) {
        // While L1 is read again, nothing is promised.
        let posting = &self.service.posting;
        until("receipts are given", async || posting.deadline(posting.now()).is_ok()).await;
        let body = json!({"model": "echo", "messages": [{"role": "user", "content": text}]});
        let (status, answer) = self.post("/v1/chat/completions", Some(key), &body).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["choices"][0]["message"]["content"], text);
        let refute = &answer["refute"];
        (refute["request"].as_str().unwrap().to_owned(), refute["number"].as_u64().unwrap())
    }

    pub(crate) async fn withdraw(&self, rollup: &Rollup, owner: u8, order: Withdrawal) -> String {
        let body = json!({
            "account": order.account, "nonce": order.nonce, "amount": order.amount.to_string(),
            "to": Address::from(order.to).to_string(), "valid_until": order.valid_until,
            "signature": signature(&key(owner), &order.digest(&rollup.domain())),
        });
        let (status, answer) = self.post("/v1/refute/withdrawals", None, &body).await;
        assert_eq!(status, 200, "{answer}");
        answer["hash"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn status(&self, hash: &str) -> String {
        let answer = self.get(&format!("/v1/refute/requests/{hash}")).await;
        answer["status"].as_str().unwrap_or("none").to_owned()
    }

    /// Until a request has got as far as that; what is final was posted.
    pub(crate) async fn wait_for(&self, hash: &str, status: &str) {
        let is = async || {
            let now = self.status(hash).await;
            now == status || (status == "posted" && now == "final")
        };
        until(&format!("{hash} is {status}"), is).await;
    }

    pub(crate) async fn proof(&self, hash: &str) -> Results::StepProof {
        let proof = self.get(&format!("/v1/refute/proofs/{hash}")).await;
        let word = |value: &Value| value.as_str().unwrap().parse::<B256>().unwrap();
        let number = |value: &Value| value.as_u64().unwrap() as u32;
        let item = &proof["item"];
        let item = if item.is_null() {
            Results::Item::default()
        } else {
            Results::Item {
                modelId: word(&item["model"]),
                kind: number(&item["kind"]) as u8,
                tokenBits: number(&item["token_bits"]) as u8,
                promptLength: number(&item["prompt_length"]),
                outputLength: number(&item["output_length"]),
                temperature: number(&item["temperature"]),
                topK: number(&item["top_k"]),
                topP: number(&item["top_p"]),
                minP: number(&item["min_p"]),
                seed: word(&item["seed"]),
                promptRoot: word(&item["prompt_root"]),
                outputRoot: word(&item["output_root"]),
            }
        };
        Results::StepProof {
            assertion: word(&proof["assertion"]),
            step: number(&proof["step"]),
            parts: Results::StepParts {
                pre: word(&proof["parts"]["pre"]),
                post: word(&proof["parts"]["post"]),
                data: proof["parts"]["data"].as_str().unwrap().parse::<Bytes>().unwrap(),
            },
            path: proof["path"].as_array().unwrap().iter().map(word).collect(),
            item,
        }
    }
}

pub(crate) fn signature(key: &PrivateKeySigner, digest: &Hash) -> String {
    alloy::hex::encode_prefixed(sign(key, digest).unwrap())
}

/// Waits for something, not for ever.
pub(crate) async fn until(what: &str, is: impl AsyncFn() -> bool) {
    let begin = Instant::now();
    while !is().await {
        assert!(begin.elapsed() < Duration::from_secs(30), "it never came that {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
