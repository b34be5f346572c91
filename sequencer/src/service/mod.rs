//! From a configuration to a running sequencer, and back.

mod begin;
mod dev;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use alloy::signers::local::PrivateKeySigner;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::{router, serve};
use crate::config::Config;
use crate::engine::ModelError;
use crate::flow::Service;
use crate::l1::Tasks;
use crate::sealer::SealError;
use crate::store::{Db, StoreError};

/// Why a sequencer does not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something in the configuration.
    #[error("{0}")]
    Config(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A model.
    #[error("the model {name} cannot be served: {source}")]
    Model {
        /// Its name.
        name: String,
        /// Why.
        source: ModelError,
    },
    /// The address.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A first delegation.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// L1.
    #[error("{0}")]
    L1(String),
    /// Somebody else writes to the store.
    #[error("the store's writer has stopped: the log says why")]
    Fatal,
}

/// A sequencer that runs.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it serves.
    pub service: Arc<Service>,
    /// The key of the funded account, in dev mode.
    pub dev_key: Option<String>,
    db: Db,
    drain: Duration,
    server: JoinHandle<()>,
    writer: JoinHandle<()>,
    posting: Option<Tasks>,
}

/// After the cut, for the last results to be stored.
const LAST: Duration = Duration::from_secs(5);

/// Starts a sequencer: it serves when this returns.
pub async fn start(config: Config, signer: PrivateKeySigner) -> Result<Running, StartError> {
    if config.dev && !config.listen.ip().is_loopback() {
        let message = "--dev has a key that everybody knows: listen on 127.0.0.1, or leave it out";
        return Err(StartError::Config(message.into()));
    }
    let listener = TcpListener::bind(config.listen).await;
    let listener = listener.map_err(|source| StartError::Listen { address: config.listen, source })?;
    let address =
        listener.local_addr().map_err(|source| StartError::Listen { address: config.listen, source })?;
    let begin::Begun { service, writer, received, posting } = begin::begin(&config, signer).await?;
    let dev_key = if config.dev && posting.is_none() { Some(dev::key(&service).await?) } else { None };
    if posting.is_none() {
        tracing::warn!(
            "nothing is posted to L1: receipts are signed and stored, and no bond stands behind them"
        );
    }
    let resumed = received.len();
    if resumed > 0 {
        tracing::info!(resumed, "requests that were received before are executed now");
    }
    service.resume(received).await;
    let (stop, cut) = (service.closing.clone(), service.cut.clone());
    let metrics = Arc::clone(&service.metrics);
    let server =
        serve::serve(listener, router(Arc::clone(&service)), config.connections(), metrics, stop, cut);
    let server = tokio::spawn(server);
    let models: Vec<&str> = service.models.keys().map(String::as_str).collect();
    tracing::info!(%address, ?models, epoch = service.epoch, accounts = service.book.len(), "the sequencer serves");
    let (db, drain) = (service.db.clone(), Duration::from_secs(config.drain));
    Ok(Running { address, service, dev_key, db, drain, server, writer, posting })
}

impl Running {
    /// Stops: no new requests, open ones may end, then what is left is cut; nothing that was promised is lost.
    pub async fn stop(self) {
        let Self { service, db, drain, server, writer, posting, .. } = self;
        tracing::info!("stopping: open requests may end");
        service.closing.cancel();
        service.tasks.close();
        if tokio::time::timeout(drain, service.tasks.wait()).await.is_err() {
            tracing::warn!(left = service.tasks.len(), "open requests are cut");
        }
        service.cut.cancel();
        if tokio::time::timeout(LAST, service.tasks.wait()).await.is_err() {
            tracing::error!(left = service.tasks.len(), "requests could not be ended");
        }
        if let Err(error) = server.await {
            tracing::error!(%error, "the server ended badly");
        }
        drop(service);
        if let Some(posting) = posting {
            posting.stop().await;
        }
        let abort = writer.abort_handle();
        if tokio::time::timeout(LAST, writer).await.is_err() {
            // A connection that was cut still holds on to it; it has nothing to write.
            abort.abort();
        }
        db.close().await;
        tracing::info!("stopped");
    }
}

/// Runs a sequencer until `shutdown`.
pub async fn run(
    config: Config,
    signer: PrivateKeySigner,
    shutdown: CancellationToken,
    started: impl FnOnce(&Running),
) -> Result<(), StartError> {
    let running = tokio::select! {
        running = start(config, signer) => running?,
        () = shutdown.cancelled() => return Ok(()),
    };
    started(&running);
    let fatal = running.service.fatal.clone();
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = fatal.cancelled() => {}
    }
    let failed = fatal.is_cancelled();
    running.stop().await;
    if failed { Err(StartError::Fatal) } else { Ok(()) }
}
