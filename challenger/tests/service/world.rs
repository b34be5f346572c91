//! A chain with a rollup on it, a model, and services that can be started and killed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, U256};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use bindings::assertions::Assertions;
use bindings::bond_vault::BondVault;
use bindings::deployment::{Deployment, Games, Parameters, Registry, Rollup, announce, deploy};
use bindings::inbox::Inbox;
use bindings::l1::{L1, Patience, Policy, Sender};
use bindings::model_registry::ModelRegistry::ModelHeader;
use challenger::service::{Cheat, Config, Metrics, Mode, run};
use executor::import::source::Architecture;
use executor::model::Model;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::anvil::Anvil;
use crate::support::items;
use crate::support::tiny::Shape;
use crate::ticking::Ticking;

/// Who is who among the node's accounts.
pub(crate) const OWNER: usize = 0;
pub(crate) const PROPOSER: usize = 1;
pub(crate) const CHALLENGER: usize = 2;
pub(crate) const AGENT: usize = 3;
pub(crate) const DEFENDER: usize = 4;
pub(crate) const RIVAL: usize = 5;

/// Wei for a prompt token and an output token.
pub(crate) const PRICES: (u64, u64) = (2_000_000_000, 4_000_000_000);

pub(crate) const PENDING: u8 = 1;
pub(crate) const CONFIRMED: u8 = 2;
pub(crate) const REJECTED: u8 = 3;

/// Everything.
pub(crate) struct World {
    pub(crate) anvil: Anvil,
    pub(crate) node: L1,
    pub(crate) deployment: Deployment,
    pub(crate) model: Model,
    /// Time of the deposit that made account 0.
    pub(crate) deposited: u64,
    folder: TempDir,
    ticking: Arc<AtomicBool>,
}

/// A challenger under way; it is killed with the value.
pub(crate) struct Service {
    pub(crate) metrics: Arc<Metrics>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Service {
    /// What it answers over HTTP: head and body.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Service {
    /// The last block that it has read.
    pub(crate) fn block(&self) -> u64 {
        let text = self.get("/metrics");
        text.split("\nrefute_challenger_block ").nth(1).unwrap().split('\n').next().unwrap().parse().unwrap()
    }
}

impl Drop for Service {
    /// As a kill does: between any two instructions that wait.
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn parameters() -> Parameters {
    let games = Games {
        window: 3600,
        proposer_budget: 1800,
        move_minimum: 900,
        trace_minimum: 1800,
        ..Games::default()
    };
    Parameters {
        games,
        rollup: Rollup { slack: 300, ..Rollup::default() },
        registry: Registry { price_delay: 400, list_delay: 400, ..Registry::default() },
        ..Parameters::default()
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Architecture::Llama).await
    }

    /// With a small model of an architecture.
    pub(crate) async fn with(architecture: Architecture) -> Self {
        let anvil = Anvil::start(&[]);
        let node = L1::connect(&anvil.url, None, Patience::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let shape = Shape { layers: 1, ..Shape::default() };
        let model = items::model(architecture, shape, 16);
        std::fs::write(folder.path().join("model.refute"), items::artefact(architecture, shape, 16)).unwrap();
        let owner = sender(&node, anvil.key(OWNER));
        let (owns, proposes) = (owner.account(), anvil.key(PROPOSER).address());
        let deployment = deploy(&node, &owner, &parameters(), owns, proposes).await.unwrap();
        deployment.save(&folder.path().join("deployment.json")).unwrap();
        let mut encoded = Vec::new();
        model.program().interface.encode(&mut encoded);
        let header = model.header().unwrap();
        let word = |x: bisection::Hash| B256::from(x.0);
        let header = ModelHeader {
            nodes: header.nodes,
            constants: header.constants,
            nodesRoot: word(header.nodes_root),
            constantsRoot: word(header.constants_root),
            interfaceHash: word(header.interface_hash),
        };
        let (registry, id) = (deployment.contracts.registry, word(model.id()));
        announce(&owner, registry, header, encoded.into(), id, PRICES).await.unwrap();
        let agent = sender(&node, anvil.key(AGENT));
        let deposit = Inbox::depositCall { owner: agent.account() }.abi_encode();
        let ether = U256::from(10).pow(U256::from(18));
        let made = agent.send(deployment.contracts.inbox, deposit.into(), ether).await.unwrap();
        let block = made.receipt.block_number.unwrap();
        let deposited = node.block(block.into()).await.unwrap().unwrap().time;
        let this = Self {
            anvil,
            node,
            deployment,
            model,
            deposited,
            folder,
            ticking: Arc::new(AtomicBool::new(true)),
        };
        this.jump(500);
        this
    }

    /// A sender of one of the accounts.
    pub(crate) fn sender(&self, account: usize) -> Sender {
        sender(&self.node, self.anvil.key(account))
    }

    pub(crate) fn address(&self, account: usize) -> Address {
        self.anvil.key(account).address()
    }

    /// A token that is another one and does not end an output.
    pub(crate) fn another(&self, token: u32) -> u32 {
        let stops = &self.model.program().interface.stop_tokens;
        (0..).find(|t| *t != token && !stops.contains(t)).unwrap()
    }

    /// Time passes.
    pub(crate) fn jump(&self, seconds: u64) {
        self.anvil.ask("evm_increaseTime", &format!("[{seconds}]"));
        self.anvil.ask("evm_mine", "[]");
    }

    /// From now on a block comes four times a second, and takes twelve seconds of the chain's time.
    pub(crate) fn tick(&self) -> Ticking {
        Ticking::new(self.anvil.port)
    }

    /// What an account has, in the vault and outside.
    pub(crate) async fn wealth(&self, account: Address) -> U256 {
        let call = BondVault::balanceOfCall { account };
        let vault = self.deployment.contracts.vault;
        let owed: U256 = self.node.call(vault, &call, BlockId::latest()).await.unwrap();
        self.node.balance(account).await.unwrap() + owed
    }

    /// The time of the newest block.
    pub(crate) async fn now(&self) -> u64 {
        self.node.head().await.unwrap().time
    }

    /// Settings of a service.
    pub(crate) fn config(&self, mode: Mode) -> Config {
        Config {
            l1: self.anvil.url.clone(),
            deployment: self.folder.path().join("deployment.json"),
            models: vec![PathBuf::from(self.folder.path())],
            mode,
            listen: ([127, 0, 0, 1], 0).into(),
            threads: Some(1),
            poll_ms: 40,
            ..Config::default()
        }
    }

    /// Starts a service with an account's key.
    pub(crate) async fn start(&self, account: usize, config: Config) -> Service {
        let (started, running) = tokio::sync::oneshot::channel();
        let key = Some(self.anvil.key(account));
        let task = tokio::spawn(async move {
            let begun = |running: &challenger::service::Running| drop(started.send(running.clone()));
            run(config, key, CancellationToken::new(), begun).await.unwrap();
        });
        let running = running.await.expect("it starts");
        Service { metrics: running.metrics, address: running.address, task }
    }

    pub(crate) async fn challenger(&self) -> Service {
        self.start(CHALLENGER, self.config(Mode::Challenge)).await
    }

    pub(crate) async fn defender(&self, cheat: Option<Cheat>) -> Service {
        self.start(DEFENDER, Config { cheat, ..self.config(Mode::Defend) }).await
    }

    /// Where an assertion stands on L1.
    pub(crate) async fn status(&self, assertion: B256) -> u8 {
        let call = Assertions::assertionOfCall { assertion };
        self.node.call(self.deployment.contracts.assertions, &call, BlockId::latest()).await.unwrap().status
    }

    /// Transactions of an account that were mined.
    pub(crate) fn transactions(&self, account: usize) -> u64 {
        self.count(account, "latest")
    }

    /// Those that wait to be mined.
    pub(crate) fn pending(&self, account: usize) -> u64 {
        self.count(account, "pending") - self.count(account, "latest")
    }

    fn count(&self, account: usize, at: &str) -> u64 {
        let address = self.address(account);
        let answer = self.anvil.ask("eth_getTransactionCount", &format!("[\"{address}\",\"{at}\"]"));
        let hex = answer.split("\"result\":\"0x").nth(1).unwrap().split('"').next().unwrap();
        u64::from_str_radix(hex, 16).unwrap()
    }

    /// Waits for something; whenever the chain is quiet, time passes on it.
    pub(crate) async fn play_until(&self, what: &str, mut done: impl AsyncFnMut() -> bool) {
        let (end, mut last, mut quiet) = (Instant::now() + Duration::from_secs(240), 0, 0);
        while !done().await {
            assert!(Instant::now() < end, "{what}: not within four minutes");
            tokio::time::sleep(Duration::from_millis(150)).await;
            let block = self.node.head().await.unwrap().number;
            quiet = if block == last { quiet + 1 } else { 0 };
            if quiet == 10 {
                if self.ticking.load(Ordering::Relaxed) {
                    self.jump(170);
                }
                quiet = 0;
            }
            last = self.node.head().await.unwrap().number;
        }
    }

    /// Waits until an assertion is settled so.
    pub(crate) async fn settles(&self, assertion: B256, status: u8) {
        let wrong = if status == REJECTED { CONFIRMED } else { REJECTED };
        self.play_until("the assertion is settled", async || {
            let now = self.status(assertion).await;
            assert_ne!(now, wrong, "it ended the other way");
            now == status
        })
        .await;
    }

    /// Waits for something without time passing on the chain.
    pub(crate) async fn wait(&self, what: &str, mut done: impl AsyncFnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(120);
        while !done().await {
            assert!(Instant::now() < end, "{what}: not within two minutes");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Confirms an assertion after its window.
    pub(crate) async fn confirm(&self, assertion: B256) {
        self.jump(3700);
        let data = Assertions::confirmCall { assertion }.abi_encode();
        let sender = self.sender(RIVAL);
        sender.send(self.deployment.contracts.assertions, data.into(), U256::ZERO).await.unwrap();
        assert_eq!(self.status(assertion).await, CONFIRMED);
    }
}

fn sender(node: &L1, key: PrivateKeySigner) -> Sender {
    Sender::new(node.clone(), key, Policy { poll: Duration::from_millis(20), ..Policy::default() })
}
