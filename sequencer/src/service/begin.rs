//! What is there before the first request: the store's accounts, the models, the writer.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{StartError, dev, proposer};
use crate::book::Book;
use crate::config::{AccountConfig, Config, ModelConfig};
use crate::engine::{Limits, Model, Price};
use crate::flow::{Flying, Service};
use crate::keys::Keys;
use crate::ledger::{Account, Domain, Hash, Twin, decimals, decode_account, decode_delegation, parameters};
use crate::metrics::Metrics;
use crate::posting::{NotPosting, Posting};
use crate::sealer::{Parts, SealerHandle};
use crate::store::{Db, Group, Received, Snapshot, StoreError};

/// The service, its writer, and what it has to take up again.
pub(super) async fn begin(
    config: &Config,
    signer: PrivateKeySigner,
) -> Result<(Arc<Service>, JoinHandle<()>, Vec<Received>), StartError> {
    let models = open_models(config).await?;
    let db = Db::open(&config.store).await?;
    let snapshot = db.load().await?;
    let domain = Domain::new(config.chain_id, config.inbox.0.0);
    let book = Arc::new(Book::new(Twin(parameters(domain))));
    fill(&book, &snapshot)?;
    let mut accounts = config.accounts.clone();
    if config.dev {
        accounts.push(dev::account());
    }
    add_accounts(&db, &book, &snapshot, &accounts).await?;
    let metrics = Arc::new(Metrics::default());
    let posting: Arc<dyn Posting> = Arc::new(NotPosting { promise: config.promise });
    let proposer = proposer(config, &signer);
    let fatal = CancellationToken::new();
    let receipt_signer = signer.address();
    let parts = Parts {
        db: db.clone(),
        book: Arc::clone(&book),
        domain,
        signer: Arc::new(signer),
        proposer,
        epoch: config.epoch,
        posting: Arc::clone(&posting),
        metrics: Arc::clone(&metrics),
    };
    let (sealer, writer) = SealerHandle::start(parts, fatal.clone()).await?;
    let service = Service {
        models,
        book,
        db,
        sealer,
        domain,
        keys: Keys::default(),
        metrics,
        posting,
        receipt_signer,
        proposer,
        epoch: config.epoch,
        terms: config.terms(),
        tasks: TaskTracker::new(),
        closing: CancellationToken::new(),
        cut: CancellationToken::new(),
        fatal,
        flying: Flying::default(),
    };
    Ok((Arc::new(service), writer, snapshot.received))
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
        let (limits, opened) = (config.limits(), name.clone());
        let opening = tokio::task::spawn_blocking(move || open_model(&opened, &model, limits)).await;
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
    limits: Limits,
) -> Result<Arc<Model>, crate::engine::ModelError> {
    let price = Price { input: model.price_in, output: model.price_out };
    match model.path.to_str() {
        Some("echo") => Model::echo(name, false, price),
        Some("echo-vector") => Model::echo(name, true, price),
        _ => {
            let all = || std::thread::available_parallelism().map_or(1, usize::from);
            Model::open(name, &model.path, model.threads.unwrap_or_else(all), limits, price)
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
