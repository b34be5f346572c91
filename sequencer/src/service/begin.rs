//! What is there before the first request: the store's accounts, the models, the writer.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;
use executor::backend::Backend;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{StartError, dev};
use crate::book::Book;
use crate::config::{AccountConfig, Config, ModelConfig};
use crate::engine::{Limits, Model, Price};
use crate::flow::{Flying, Service};
use crate::keys::Keys;
use crate::l1::{Prepared, Settings, Tasks};
use crate::ledger::{Account, Domain, Hash, Twin, decimals, decode_account, decode_delegation, parameters};
use crate::metrics::Metrics;
use crate::posting::{NotPosting, Posting};
use crate::sealer::{Parts, SealerHandle};
use crate::store::{Db, Group, Received, Snapshot, StoreError};

/// What was begun.
pub(super) struct Begun {
    pub(super) service: Arc<Service>,
    pub(super) writer: JoinHandle<()>,
    /// To be taken up again.
    pub(super) received: Vec<Received>,
    /// What follows L1 and posts.
    pub(super) posting: Option<Tasks>,
}

/// The service, its writer, and what it has to take up again.
pub(super) async fn begin(config: &Config, signer: PrivateKeySigner) -> Result<Begun, StartError> {
    let settings = Settings::new(config)?;
    let poster = if settings.is_some() { config.proposer_signer()? } else { None };
    let poster = poster.unwrap_or_else(|| signer.clone());
    let proposer = match (&settings, config.proposer) {
        (Some(_), Some(other)) if other != poster.address() => {
            let message = format!("`proposer` is {other}, and the key that posts is of {}", poster.address());
            return Err(StartError::Config(message));
        }
        (Some(_), _) => poster.address(),
        (None, other) => other.unwrap_or_else(|| signer.address()),
    };
    let models = open_models(config).await?;
    let db = Db::open(&config.store).await?;
    let snapshot = db.load().await?;
    let (chain_id, inbox) = match &settings {
        Some(s) => (s.deployment.chain_id, s.deployment.contracts.inbox),
        None => (config.chain_id, config.inbox),
    };
    let domain = Domain::new(chain_id, inbox.0.0);
    let book = Arc::new(Book::new(Twin(parameters(domain))));
    // Also the check that the store is of this chain, before anything of it is read.
    let sealed = db.begin_epoch(config.epoch, &proposer.0.0, &domain.separator().0).await?;
    let prepared = match settings {
        Some(settings) => Some(Prepared::new(settings, &db, poster).await?),
        None => None,
    };
    let posting: Arc<dyn Posting> = match &prepared {
        Some(prepared) => {
            models.values().try_for_each(|model| prepared.serves(model))?;
            book.replace(&prepared.accounts(&db, sealed).await?);
            prepared.shared()
        }
        None => {
            fill(&book, &snapshot)?;
            let mut accounts = config.accounts.clone();
            if config.dev {
                accounts.push(dev::account());
            }
            add_accounts(&db, &book, &snapshot, &accounts).await?;
            Arc::new(NotPosting { promise: config.promise })
        }
    };
    let metrics = Arc::new(Metrics::default());
    let fatal = CancellationToken::new();
    let receipt_signer = signer.address();
    let parts = Parts {
        db: db.clone(),
        book: Arc::clone(&book),
        domain,
        signer: Arc::new(signer.into_secp256k1()),
        proposer,
        epoch: config.epoch,
        posting: Arc::clone(&posting),
        metrics: Arc::clone(&metrics),
    };
    let (sealer, writer) = SealerHandle::start(parts, fatal.clone()).await?;
    let l1 = prepared.as_ref().map(Prepared::shared);
    let tasks =
        prepared.map(|prepared| prepared.start(db.clone(), Arc::clone(&book), sealer.clone(), &models));
    let mut terms = config.terms();
    if posting.posts() {
        // Until it is posted, in a batch whose time lies ahead; and it takes a while to be executed before.
        terms.margin = terms.margin.saturating_add(posting.slack()).saturating_add(terms.margin / 4);
    }
    let service = Service {
        models,
        book,
        db,
        sealer,
        domain,
        keys: Keys::default(),
        metrics,
        posting,
        l1,
        receipt_signer,
        proposer,
        epoch: config.epoch,
        terms,
        tasks: TaskTracker::new(),
        closing: CancellationToken::new(),
        cut: CancellationToken::new(),
        fatal,
        flying: Flying::default(),
    };
    Ok(Begun { service: Arc::new(service), writer, received: snapshot.received, posting: tasks })
}

async fn open_models(config: &Config) -> Result<BTreeMap<String, Arc<Model>>, StartError> {
    if config.models.is_empty() {
        return Err(StartError::Config("no model is served: name one with --model DIR".into()));
    }
    let mut models = BTreeMap::new();
    for model in config.models.clone() {
        let folder_name = model.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = model.name.clone().or(folder_name).unwrap_or_default();
        if name.is_empty() || models.contains_key(&name) {
            return Err(StartError::Config(format!("each model needs a name of its own, not {name:?}")));
        }
        let (limits, opened, backend) =
            (config.limits(), name.clone(), model.backend.unwrap_or(config.backend));
        let opening = tokio::task::spawn_blocking(move || open_model(&opened, &model, backend, limits)).await;
        let outcome = opening.map_err(|e| StartError::Config(format!("{name}: {e}")))?;
        let opened = outcome.map_err(|source| StartError::Model { name: name.clone(), source })?;
        tracing::info!(name, id = %opened.id, "a model is served");
        models.insert(name, opened);
    }
    Ok(models)
}

fn open_model(
    name: &str,
    model: &ModelConfig,
    backend: Backend,
    limits: Limits,
) -> Result<Arc<Model>, crate::engine::ModelError> {
    let price = Price { input: model.price_in, output: model.price_out };
    match model.path.to_str() {
        Some("echo") => Model::echo(name, false, price),
        Some("echo-vector") => Model::echo(name, true, price),
        _ => {
            let all = || std::thread::available_parallelism().map_or(1, usize::from);
            let machine = (backend, model.threads.unwrap_or_else(all));
            Model::open(name, &model.path, machine, limits, price)
        }
    }
}

/// No delegation.
const ZERO: Hash = Hash([0; 32]);

/// Puts the stored accounts into the book.
fn fill(book: &Book, snapshot: &Snapshot) -> Result<(), StoreError> {
    let delegations: HashMap<[u8; 32], &[u8]> =
        snapshot.delegations.iter().map(|d| (d.hash, d.body.as_slice())).collect();
    for (_, leaf) in &snapshot.accounts {
        let leaf = decode_account(leaf).ok_or(StoreError::Damaged("an account"))?;
        let delegation = match leaf.delegation {
            ZERO => None,
            digest => {
                let body = delegations.get(&digest.0).copied();
                Some(body.and_then(decode_delegation).ok_or(StoreError::Damaged("a delegation"))?)
            }
        };
        book.put(leaf, delegation.filter(|d| d.delegate != [0; 20]));
    }
    Ok(())
}

/// Adds the accounts that the configuration names and the store does not have.
async fn add_accounts(
    db: &Db,
    book: &Book,
    snapshot: &Snapshot,
    accounts: &[AccountConfig],
) -> Result<(), StartError> {
    let known = snapshot.accounts.iter().filter_map(|(_, leaf)| decode_account(leaf));
    let mut owners: HashSet<Address> = known.map(|account| Address::from(account.owner)).collect();
    let mut next = snapshot.accounts.iter().map(|(index, _)| index + 1).max().unwrap_or(0);
    let mut group = Group::default();
    for AccountConfig { owner, balance } in accounts {
        let balance = decimals(balance).ok_or_else(|| {
            StartError::Config(format!("the balance of {owner} must be a decimal number of wei"))
        })?;
        if !owners.insert(*owner) {
            continue;
        }
        let leaf = Account::new(next, owner.0.0, balance);
        group.accounts.push((next, leaf.encode()));
        book.put(leaf, None);
        next += 1;
    }
    if !group.accounts.is_empty() {
        db.commit(&group).await?;
    }
    Ok(())
}
