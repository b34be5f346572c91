//! The challenger as a service: follows a rollup on L1, computes everything again, and disputes or defends.
//!
//! Nothing is stored. What it does is a function of the chain up to a block (`view`), of the models that it has
//! (`models`), and of its key: after a restart, or a reorganisation, it plans the same moves again, and one that is made
//! already would revert and is not paid for.

mod batch;
mod book;
mod config;
mod games;
mod hand;
mod heads;
mod http;
mod judge;
mod metrics;
mod models;
mod player;
mod questions;
mod traces;
mod turns;
mod view;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::primitives::B256;
use alloy::signers::local::PrivateKeySigner;
use bindings::assertions::Assertions;
use bindings::deployment::{Deployment, DeploymentError};
use bindings::l1::{Block, Fees, L1, L1Error, Patience, Policy, Sender};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use batch::BatchError;
pub use config::{Cheat, Config, Mode};
use hand::Hand;
use heads::Heads;
use judge::Judge;
pub use judge::JudgeError;
pub use metrics::Metrics;
pub use models::ModelError;
use models::Models;
pub use player::PlayError;
use player::{Now, Player};
use traces::Traces;
pub use traces::TracesError;
use view::View;

/// The chain of anvil and hardhat: the only one on which a defender may cheat.
const DEVELOPMENT_CHAIN: u64 = 31_337;

/// Blocks that are read again when a node withholds logs; when that is not enough, all of them are.
const AGAIN: [usize; 2] = [4, 64];

const GWEI: u128 = 1_000_000_000;
/// Raises of the fees after which what can wait is left, so that what cannot is made.
const FAVOUR_RAISES: u32 = 3;

/// Why a challenger does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something in the configuration.
    #[error("{0}")]
    Config(String),
    /// The deployment.
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
    /// A model.
    #[error("a model cannot be used: {0}")]
    Model(#[from] ModelError),
    /// The node.
    #[error(transparent)]
    Node(#[from] L1Error),
    /// The address.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// A challenger that runs.
#[derive(Clone, Debug)]
pub struct Running {
    /// Where `/healthz`, `/readyz` and `/metrics` are.
    pub address: SocketAddr,
    /// What it has counted.
    pub metrics: Arc<Metrics>,
}

/// Runs a challenger until `shutdown`. `key` is the account that pays; only a watcher needs none.
pub async fn run(
    config: Config,
    key: Option<PrivateKeySigner>,
    shutdown: CancellationToken,
    started: impl FnOnce(&Running),
) -> Result<(), StartError> {
    let service = tokio::select! {
        service = Service::start(&config, key) => service?,
        () = shutdown.cancelled() => return Ok(()),
    };
    let listener = TcpListener::bind(config.listen).await;
    let fail = |source| StartError::Listen { address: config.listen, source };
    let listener = listener.map_err(fail)?;
    let running =
        Running { address: listener.local_addr().map_err(fail)?, metrics: Arc::clone(&service.metrics) };
    let stop = shutdown.clone().cancelled_owned();
    let routes = http::router(Arc::clone(&service.metrics));
    let server = tokio::spawn(axum::serve(listener, routes).with_graceful_shutdown(stop).into_future());
    tracing::info!(address = %running.address, mode = ?config.mode, "the challenger runs");
    started(&running);
    tokio::select! {
        () = service.work(&config) => {}
        // A transaction under way is left where it is: the next life finds it mined, or replaces it.
        () = shutdown.cancelled() => {}
    }
    if let Ok(Err(error)) = server.await {
        tracing::warn!(%error, "the listener ended badly");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Does the log that was read end where the chain of assertions does: a node without its whole index, or one that lies,
/// gives no logs, and an assertion that is not seen is not disputed.
async fn has_tip(node: &L1, deployment: &Deployment, view: &View, block: Block) -> Result<(), PlayError> {
    let at = deployment.contracts.assertions;
    let tip = node.call(at, &Assertions::tipCall {}, block.hash.into()).await?.assertion;
    let same = match view.chain.last() {
        Some(last) => last.id == tip,
        None => {
            let place = Assertions::placeOfCall { assertion: tip };
            node.call(at, &place, block.hash.into()).await?.height.is_zero()
        }
    };
    if same { Ok(()) } else { Err(PlayError::Withheld { about: "the posting", assertion: tip }) }
}

/// How its transactions are paid.
fn policy(config: &Config) -> Policy {
    let default = Policy::default();
    Policy {
        limit: Fees { max: u128::from(config.max_fee_gwei).saturating_mul(GWEI), ..default.limit },
        raise_after: Duration::from_millis(config.raise_after_ms.max(1)),
        poll: Duration::from_millis(config.poll_ms.max(1)),
        ..default
    }
}

/// All parts of a challenger.
struct Service {
    node: L1,
    deployment: Deployment,
    judge: Judge,
    player: Option<Player>,
    metrics: Arc<Metrics>,
    /// The last block whose log was found to have the chain of assertions as the contracts have it.
    checked: Option<B256>,
    /// The last block of which all moves have been made.
    acted: Option<B256>,
    /// How many times in a row the node was found to withhold logs.
    withheld: usize,
}

impl Service {
    async fn start(config: &Config, key: Option<PrivateKeySigner>) -> Result<Self, StartError> {
        if key.is_none() && config.mode != Mode::Watch {
            let message = "who disputes or defends pays for moves: name a keystore with --keystore and its password's \
                           file with --password-file (`refute keystore` makes one), or only --mode watch";
            return Err(StartError::Config(message.into()));
        }
        let deployment = Deployment::load(&config.deployment)?;
        if config.cheat.is_some() && (deployment.chain_id != DEVELOPMENT_CHAIN || config.mode != Mode::Defend)
        {
            let message = "only a defender on a development chain (31337) may cheat";
            return Err(StartError::Config(message.into()));
        }
        let node = L1::connect(&config.l1, Some(deployment.chain_id), Patience::default()).await?;
        deployment.check(&node).await?;
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let (paths, threads) = (config.models.clone(), config.threads.unwrap_or_else(processors));
        let models = tokio::task::spawn_blocking(move || Models::open(&paths, threads.max(1))).await;
        let models = models.map_err(|e| StartError::Config(format!("opening the models failed: {e}")))??;
        let models = Arc::new(Mutex::new(models));
        let metrics = Arc::new(Metrics::new());
        let bounds = (config.positions.max(1), config.depth as u64);
        let rules = batch::rules(&deployment);
        let judge = Judge::new(rules, Arc::clone(&models), bounds, Arc::clone(&metrics));
        let policy = policy(config);
        let player = key.filter(|_| config.mode != Mode::Watch).map(|key| {
            let patience = policy.raise_after.saturating_mul(FAVOUR_RAISES);
            let hand = Hand::new(Sender::new(node.clone(), key, policy), patience, Arc::clone(&metrics));
            let terms = (config.mode, config.cheat, config.confirmations, config.sweep);
            let traces = Traces::new(models);
            Player::new(node.clone(), deployment.clone(), terms, hand, traces, Arc::clone(&metrics))
        });
        Ok(Self { node, deployment, judge, player, metrics, checked: None, acted: None, withheld: 0 })
    }

    /// Looks, judges and plays, for ever. What fails is done again.
    async fn work(mut self, config: &Config) {
        let from = config.from_block.unwrap_or(self.deployment.block);
        let mut heads = None;
        loop {
            let more = match self.round(&mut heads, from, config.depth).await {
                Ok(more) => more,
                Err(error) => {
                    tracing::warn!(%error, "a round failed; it is repeated");
                    self.metrics.errors.inc();
                    self.metrics.not_ready(Some(error.to_string()));
                    false
                }
            };
            if !more {
                tokio::time::sleep(Duration::from_millis(config.poll_ms.max(1))).await;
            }
        }
    }

    /// After what a node withheld: the last blocks first, whose logs it may not have found yet, then more, then everything.
    fn read_again(&mut self, heads: &mut Option<Heads>, error: &PlayError) {
        if let PlayError::Withheld { .. } = error {
            let kept = AGAIN.get(self.withheld).zip(heads.as_mut()).is_some_and(|(n, heads)| heads.again(*n));
            self.withheld = if kept { self.withheld.saturating_add(1) } else { 0 };
            if !kept {
                *heads = None;
            }
            (self.checked, self.acted) = (None, None);
        }
    }

    /// One round. Is there more to do at once.
    async fn round(&mut self, heads: &mut Option<Heads>, from: u64, depth: usize) -> Result<bool, PlayError> {
        let mut current = match heads.take() {
            Some(heads) => heads,
            None => Heads::new(self.node.clone(), self.deployment.contracts, from, depth).await?,
        };
        let looked = match current.look().await {
            Ok(looked) => looked,
            // Deeper than what is kept: everything is read again.
            Err(error @ L1Error::Unreadable { method: "eth_getBlock", .. }) => return Err(error.into()),
            Err(error) => {
                *heads = Some(current);
                return Err(error.into());
            }
        };
        let current = heads.insert(current);
        let block = current.block();
        self.metrics.block.set(i64::try_from(block.number).unwrap_or(i64::MAX));
        if looked.gone > 0 {
            if let Some(player) = &self.player {
                player.turns.forget();
            }
            tracing::warn!(blocks = looked.gone, "a reorganisation");
            self.metrics.gone.inc_by(looked.gone as u64);
        }
        let view = current.view();
        if looked.done && self.checked != Some(block.hash) {
            if let Err(error) = has_tip(&self.node, &self.deployment, view, block).await {
                self.read_again(heads, &error);
                return Err(error);
            }
            self.checked = Some(block.hash);
            self.judge.forget(view);
        }
        let judged = self.judge.advance(&self.node, view, block.number).await;
        if !looked.done {
            judged?;
            return Ok(true);
        }
        let played = match &self.player {
            Some(player) if self.acted != Some(block.hash) => {
                player.act(&mut self.judge, Now { view, block }).await
            }
            _ => Ok(false),
        };
        // All that is planned from a block is planned once, unless there is another verdict meanwhile.
        let done = matches!((&played, &judged), (Ok(false), Ok(false)));
        self.acted = done.then_some(block.hash);
        let played = match played {
            Ok(more) => more,
            Err(error) => {
                self.read_again(heads, &error);
                return Err(error);
            }
        };
        self.withheld = 0;
        let more = played | judged?;
        let missing = self.judge.missing();
        self.metrics.missing.set(i64::try_from(missing.len()).unwrap_or(i64::MAX));
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        let why = (!missing.is_empty()).then(|| format!("models are missing: {}", missing.join(", ")));
        self.metrics.not_ready(why);
        Ok(more)
    }
}
