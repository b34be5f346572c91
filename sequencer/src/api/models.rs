//! `GET /v1/models`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::{ApiError, ErrorBody};
use super::extract::Segment;
use super::text::model;
use crate::engine::{Kind, Model};
use crate::flow::Service;

/// The models.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModelList {
    object: &'static str,
    data: Vec<ModelBody>,
}

/// A model.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModelBody {
    id: String,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
    refute: ModelExtension,
}

/// What Refute says of a model.
#[derive(Debug, Serialize, ToSchema)]
struct ModelExtension {
    /// The committed model.
    model: String,
    /// `tokens` or `vector`.
    kind: &'static str,
    context: u32,
    vocabulary: u32,
    /// Has it a chat template.
    chat: bool,
    /// Wei for a prompt token.
    price_in: String,
    /// Wei for an output token.
    price_out: String,
}

impl ModelBody {
    fn new(service: &Service, model: &Model) -> Self {
        // Without a price in force it is 0, and asking says why nothing is served.
        let price = service.price(model).unwrap_or_default();
        let (kind, chat) = match model.kind {
            Kind::Tokens => ("tokens", model.codec.has_chat()),
            Kind::Vector { .. } => ("vector", false),
        };
        let refute = ModelExtension {
            model: model.id.to_string(),
            kind,
            context: model.context,
            vocabulary: model.vocabulary,
            chat,
            price_in: price.input.to_string(),
            price_out: price.output.to_string(),
        };
        Self { id: model.name.clone(), object: "model", created: 0, owned_by: "refute", refute }
    }
}

/// The models that are served
#[utoipa::path(get, path = "/v1/models", responses((status = 200, body = ModelList)))]
pub(super) async fn list(State(service): State<Arc<Service>>) -> Json<ModelList> {
    let data = service.models.values().map(|m| ModelBody::new(&service, m)).collect();
    Json(ModelList { object: "list", data })
}

/// One of them
#[utoipa::path(get, path = "/v1/models/{name}", params(("name" = String, Path)), responses(
    (status = 200, body = ModelBody), (status = 404, body = ErrorBody)))]
pub(super) async fn get(
    State(service): State<Arc<Service>>,
    Segment(name): Segment,
) -> Result<Json<ModelBody>, ApiError> {
    Ok(Json(ModelBody::new(&service, &*model(&service, &name)?)))
}
