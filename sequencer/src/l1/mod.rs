//! Posting to L1: what was promised becomes batches, batches become final, and what L1 says is taken in.
//!
//! `events` and `view` fold blocks into the rollup's state, `checkpoint` keeps what old ones come to, `follow` reads them and
//! takes reorganisations back, `plan` and `make` say what the next batch is, `post` sends it and settles what is over,
//! `requests` executes what was asked on L1.
//! Nothing here decides by memory alone: after a crash the store and L1 say the same again.

mod cheat;
mod checkpoint;
mod events;
mod follow;
mod make;
mod plan;
mod post;
mod proof;
mod requests;
mod settings;
mod state;
mod view;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::eips::BlockId;
use alloy::signers::local::PrivateKeySigner;
use bindings::dispute_game::DisputeGame;
use bindings::l1::{Fees, L1, Patience, Policy, Sender};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::book::Book;
use crate::engine::Model;
use crate::ledger::{Account, Delegation, Hash};
use crate::sealer::SealerHandle;
use crate::service::StartError;
use crate::store::Db;

pub use cheat::Cheat;
pub use proof::{Proof, ProofError};
pub use settings::Settings;
pub use state::Shared;

use follow::{History, Reader};
use plan::{Limits, outlook};
use post::{Poster, Terms, accounts};
use state::{Fixed, Span, State};

/// What was read of L1, before anything is promised.
pub struct Prepared {
    shared: Arc<Shared>,
    reader: Reader,
    settings: Settings,
    key: PrivateKeySigner,
    last: Option<crate::store::BatchRow>,
    terms: Terms,
}

/// Tasks that follow and post.
pub struct Tasks {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// How long the tasks may take to stop: what they send is found again.
const LAST: Duration = Duration::from_secs(5);

impl Tasks {
    /// Stops them.
    pub async fn stop(self) {
        self.stop.cancel();
        for mut task in self.tasks {
            if tokio::time::timeout(LAST, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

fn wrong(error: impl ToString) -> StartError {
    StartError::L1(error.to_string())
}

impl Prepared {
    /// Connects to L1 and reads it up to its head.
    pub async fn new(settings: Settings, db: &Db, key: PrivateKeySigner) -> Result<Self, StartError> {
        let patience =
            Patience { pause: settings.poll.min(Patience::default().pause), ..Patience::default() };
        let deployment = Arc::clone(&settings.deployment);
        let node = L1::connect(&settings.url, Some(deployment.chain_id), patience).await.map_err(wrong)?;
        deployment.check(&node).await.map_err(wrong)?;
        let (history, view) = History::load(&deployment, db).await?;
        let last = db.last_batch(settings.epoch).await?;
        let rows = db.spans(settings.epoch).await?.into_iter();
        let spans =
            rows.map(|row| (Hash(row.hash), Span { from: row.from, to: row.to, left_out: row.left_out }));
        let results = db.l1_results().await?;
        let state = State {
            view,
            synced: None,
            seen: Instant::now(),
            marks: db.marks(settings.epoch).await?,
            results: results.into_iter().map(|(hash, n, output)| (Hash(hash), (n, output))).collect(),
            spans: spans.collect(),
            taken: 0,
            failing: None,
            balance: None,
        };
        let fixed = Fixed {
            proposer: key.address(),
            epoch: settings.epoch,
            promise: settings.promise,
            silence: (settings.poll * 10).max(Duration::from_secs(60)),
        };
        let shared = Arc::new(Shared::new(fixed, state));
        let mut reader =
            Reader::new(node.clone(), Arc::clone(&deployment), db.clone(), history).await.map_err(wrong)?;
        let begin = Instant::now();
        while !reader.step(&shared).await.map_err(wrong)? {
            if begin.elapsed() > Duration::from_secs(10) && shared.read().view.block.is_multiple_of(1000) {
                tracing::info!(block = shared.read().view.block, "L1 is being read");
            }
        }
        let game = deployment.contracts.dispute_game;
        let stake =
            node.call(game, &DisputeGame::leastStakeCall {}, BlockId::latest()).await.map_err(wrong)?;
        let terms = Terms {
            confirmations: settings.confirmations,
            age: settings.batch_age,
            limits: Limits { items: settings.batch_items, bytes: settings.batch_bytes },
            defender: settings.defender.unwrap_or_else(|| key.address()),
            stake,
            claim_fees: settings.claim_fees,
            poll: settings.poll,
        };
        Ok(Self { shared, reader, settings, key, last, terms })
    }

    /// What the rest asks.
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Has a model a price.
    pub fn serves(&self, model: &Model) -> Result<(), StartError> {
        let state = self.shared.read();
        let Some(known) = state.view.registry.model(&model.id) else {
            let message =
                format!("{} is not announced on L1: `refute rollup announce` does that", model.name);
            return Err(StartError::L1(message));
        };
        if (known.context, known.vocabulary) != (model.context, model.vocabulary) {
            return Err(StartError::L1(format!("{} is another model on L1", model.name)));
        }
        if state.view.registry.price_at(&model.id, state.batch_time()).is_none() {
            tracing::warn!(
                model = model.name,
                "the model has no price in force on L1 yet: it is not served until then"
            );
        }
        Ok(())
    }

    /// What accounts have, after L1 and everything that was promised below `sealed`.
    pub async fn accounts(
        &self,
        db: &Db,
        sealed: u64,
    ) -> Result<Vec<(Account, Option<Delegation>)>, StartError> {
        let (ledger, taken) = outlook(&self.shared, db, sealed, self.terms.limits).await.map_err(wrong)?;
        self.shared.write().taken = taken;
        Ok(accounts(&ledger))
    }

    /// Begins to follow and to post.
    pub fn start(
        self,
        db: Db,
        book: Arc<Book>,
        sealer: SealerHandle,
        models: &BTreeMap<String, Arc<Model>>,
    ) -> Tasks {
        let Self { shared, reader, settings, key, last, terms } = self;
        let stop = CancellationToken::new();
        let (news, heard) = watch::channel(0);
        let watching = watch_balance(reader.node.clone(), Arc::clone(&shared), stop.clone());
        let models = models.values().map(|model| (model.id, Arc::clone(model))).collect();
        let requests = requests::run(Arc::clone(&shared), db.clone(), models, heard.clone(), stop.clone());
        let policy = Policy {
            limit: Fees { max: settings.max_fee, tip: settings.max_fee.min(10_000_000_000) },
            poll: settings.poll,
            raise_after: settings.raise_after,
            ..Policy::default()
        };
        let head = shared.read().view.right().last().map(|node| node.id).unwrap_or_default();
        let poster = Poster {
            node: reader.node.clone(),
            sender: Sender::new(reader.node.clone(), key, policy),
            deployment: Arc::clone(&reader.deployment),
            shared: Arc::clone(&shared),
            db,
            book,
            sealer,
            terms,
            cheat: settings.cheat,
            head,
            last,
            leaving: HashMap::new(),
            waiting: None,
            differing: HashSet::new(),
            cheats: HashSet::new(),
            failures: 0,
            tried: HashMap::new(),
            drawn: 0,
        };
        let following = reader.run(shared, settings.poll, news, stop.clone());
        let tasks = vec![
            tokio::spawn(following),
            tokio::spawn(poster.run(heard, stop.clone())),
            tokio::spawn(requests),
            tokio::spawn(watching),
        ];
        Tasks { stop, tasks }
    }
}

/// Between two looks at what the proposer has.
const BALANCE_PERIOD: Duration = Duration::from_secs(30);

/// Keeps the proposer's balance for the metrics: a proposer without ether for stakes breaks its promises.
async fn watch_balance(node: L1, shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        if let Ok(wei) = node.balance(shared.fixed.proposer).await {
            shared.write().balance = Some(f64::from(wei));
        }
        tokio::select! {
            () = tokio::time::sleep(BALANCE_PERIOD) => {}
            () = stop.cancelled() => return,
        }
    }
}
