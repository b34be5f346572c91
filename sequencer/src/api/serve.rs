//! Connections: how many, how slow, and how they end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// How connections are treated.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    /// Open at once; others wait to be accepted.
    pub most: usize,
    /// For a request's head to come, and for an idle connection to stay.
    pub head: Duration,
    /// For a reader to take anything at all.
    pub write: Duration,
}

impl Default for Connections {
    fn default() -> Self {
        Self { most: 16_384, head: Duration::from_secs(75), write: Duration::from_secs(30) }
    }
}

/// Serves until `stop`, then lets open requests end until `cut` is cancelled, and a little longer.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    connections: Connections,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    cut: CancellationToken,
) {
    raise_file_limit(connections.most);
    let room = Arc::new(Semaphore::new(connections.most));
    let graceful = GracefulShutdown::new();
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(connections.head).max_buf_size(64 << 10);
    loop {
        let next = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            () = stop.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, or a connection that was gone before it was taken.
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        let io = TokioIo::new(Box::pin(patient(stream, connections.write)));
        let connection = graceful.watch(builder.serve_connection(io, service));
        let metrics = Arc::clone(&metrics);
        metrics.connections.inc();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            metrics.connections.dec();
            drop(permit);
        });
    }
    drop(listener);
    let last = async {
        cut.cancelled().await;
        // Time to write the last chunks of what was cut.
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    tokio::select! {
        () = graceful.shutdown() => {}
        () = last => tracing::warn!("connections are cut that did not end in time"),
    }
}

/// A reader that takes nothing for too long loses its connection.
fn patient(stream: TcpStream, write: Duration) -> TimeoutStream<TcpStream> {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "small packets will wait");
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(write));
    stream
}

/// Each connection is a file.
fn raise_file_limit(connections: usize) {
    let wanted = connections as u64 + 256;
    match rlimit::increase_nofile_limit(wanted) {
        Ok(limit) if limit < wanted => {
            tracing::warn!(
                limit,
                wanted,
                "the system allows fewer open files than connections: raise ulimit -n"
            );
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
    }
}
