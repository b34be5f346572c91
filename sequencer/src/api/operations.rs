//! For those who run it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::flow::Service;
use crate::metrics::Of;

/// Is it able to serve.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ready {
    ready: bool,
    /// Why not.
    reason: Option<String>,
    /// Are results posted to L1.
    posting: bool,
    /// What that means.
    remark: Option<&'static str>,
    store: &'static str,
}

/// Is the process alive
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = String)))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Can it serve
#[utoipa::path(get, path = "/readyz", responses((status = 200, body = Ready), (status = 503, body = Ready)))]
pub(super) async fn readyz(State(service): State<Arc<Service>>) -> Response {
    let mut reason = service.unready();
    if reason.is_none() && service.db.next_number(service.epoch).await.is_err() {
        reason = Some("the store does not answer".into());
    }
    let status = if reason.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let posting = service.posting.posts();
    let remark = (!posting).then_some("nothing is posted to L1: receipts have no bond behind them");
    let ready = Ready { ready: reason.is_none(), reason, posting, remark, store: service.db.kind() };
    (status, Json(ready)).into_response()
}

/// Counters for Prometheus
#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String)))]
pub(super) async fn metrics(State(service): State<Arc<Service>>) -> Response {
    for model in service.models.values() {
        let of = Of { model: model.name.clone() };
        let load = model.runner.load();
        service.metrics.waiting.get_or_create(&of).set(load.waiting as i64);
        service.metrics.running.get_or_create(&of).set(load.running as i64);
        service.metrics.alive.get_or_create(&of).set(i64::from(load.alive));
    }
    if let Some(report) = service.posting.report() {
        service.metrics.report(&report);
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], service.metrics.text()).into_response()
}
