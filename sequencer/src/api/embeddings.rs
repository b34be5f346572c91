//! `POST /v1/embeddings`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::completions::{Input, Prompt};
use super::error::{ApiError, ErrorBody};
use super::extract::{Body, Caller};
use super::params::check_rest;
use super::text::{Extension, model, whole};
use crate::engine::{Kind, Output};
use crate::flow::{Order, Service, Wanted};

/// Inputs of one request that run together.
const TOGETHER: usize = 16;
/// Most inputs of one request.
const INPUTS: usize = 2048;

/// A request.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct EmbeddingRequest {
    /// Name of the model.
    model: String,
    /// Texts or token ids. Each is a request of its own for the ledger.
    input: Prompt,
    /// `float`, or `base64` of little-endian f32.
    encoding_format: Option<Encoding>,
    /// Others: ignored or refused, see the document's description.
    #[serde(flatten)]
    #[schema(ignore)]
    rest: Map<String, Value>,
}

/// How a vector is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Encoding {
    /// Numbers.
    #[default]
    Float,
    /// Little-endian f32.
    Base64,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EmbeddingResponse {
    object: &'static str,
    data: Vec<Embedding>,
    model: String,
    usage: EmbeddingUsage,
}

/// One vector with its receipt.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Embedding {
    object: &'static str,
    index: usize,
    embedding: Vector,
    refute: Extension,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum Vector {
    Float(Vec<f32>),
    Base64(String),
}

#[derive(Debug, Serialize, ToSchema)]
struct EmbeddingUsage {
    prompt_tokens: u32,
    total_tokens: u32,
}

/// Embed texts
#[utoipa::path(post, path = "/v1/embeddings", request_body = EmbeddingRequest, security(("key" = [])), responses(
    (status = 200, body = EmbeddingResponse), (status = "default", body = ErrorBody)))]
pub(super) async fn embed(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(request): Body<EmbeddingRequest>,
) -> Result<Json<EmbeddingResponse>, ApiError> {
    check_rest(&request.rest)?;
    let served = model(&service, &request.model)?;
    let Kind::Vector { fraction } = served.kind else {
        let message = format!("{} gives text: use /v1/chat/completions or /v1/completions", request.model);
        return Err(ApiError::bad("model", message));
    };
    let inputs = request.input.inputs();
    if inputs.is_empty() || inputs.len() > INPUTS {
        return Err(ApiError::bad("input", format!("give 1 to {INPUTS} inputs")));
    }
    let (service, served, caller) = (&service, &served, &caller);
    let encoding = request.encoding_format.unwrap_or_default();
    let one = |(index, input): (usize, Input)| async move {
        let prompt = input.tokens(served, "input").await?;
        let length = prompt.len() as u32;
        let order = Order {
            model: Arc::clone(served),
            prompt,
            wanted: Wanted::Vector,
            key: Arc::clone(&caller.key),
            account: caller.account,
            stream: false,
        };
        let pieces = service.start(order).map_err(|e| ApiError::from(e).prompt_is("input"))?;
        let (_, outcome) = whole(pieces).await?;
        let Output::Vector(vector) = &outcome.output else { return Err(ApiError::internal()) };
        let embedding = write(vector, fraction, encoding);
        Ok((length, Embedding { object: "embedding", index, embedding, refute: (&outcome.sealed).into() }))
    };
    let done: Vec<(u32, Embedding)> =
        stream::iter(inputs.into_iter().enumerate()).map(one).buffered(TOGETHER).try_collect().await?;
    let total_tokens = done.iter().map(|(length, _)| length).sum();
    Ok(Json(EmbeddingResponse {
        object: "list",
        data: done.into_iter().map(|(_, embedding)| embedding).collect(),
        model: request.model,
        usage: EmbeddingUsage { prompt_tokens: total_tokens, total_tokens },
    }))
}

/// Decimals of exact numbers: what a client computes with; the receipt is for the exact ones.
fn write(vector: &[i32], fraction: i32, encoding: Encoding) -> Vector {
    let unit = f64::from(-fraction).exp2();
    let floats = vector.iter().map(|x| (f64::from(*x) * unit) as f32);
    match encoding {
        Encoding::Float => Vector::Float(floats.collect()),
        Encoding::Base64 => {
            Vector::Base64(STANDARD.encode(floats.flat_map(f32::to_le_bytes).collect::<Vec<u8>>()))
        }
    }
}
