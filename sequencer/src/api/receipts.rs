//! Receipts and inclusion proofs by a request's hash.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::error::{ApiError, ErrorBody};
use super::extract::HashSegment;
use super::requests::receipt;
use super::text::ReceiptBody;
use crate::flow::Service;

/// The receipt of a request or a delegation
#[utoipa::path(get, path = "/v1/refute/receipts/{hash}", params(("hash" = String, Path)), responses(
    (status = 200, body = ReceiptBody), (status = "default", body = ErrorBody)))]
pub(super) async fn get(
    State(service): State<Arc<Service>>,
    HashSegment(hash): HashSegment,
) -> Result<Json<ReceiptBody>, ApiError> {
    let found = service.db.find(&hash.0).await?;
    let found =
        found.ok_or_else(|| ApiError::not_found("request_not_found", "no such request is known here"))?;
    receipt(&found).map(Json)
}
