//! What the two routes that give text have in common.

use std::sync::Arc;

use alloy::primitives::Address;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ApiError;
use crate::engine::{Kind, Model};
use crate::flow::{Ended, FlowError, Outcome, Piece, Service};
use crate::sealer::Sealed;

/// Tokens that were paid for.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(super) struct Usage {
    /// Of the prompt.
    pub prompt_tokens: u32,
    /// Of the output, its stop token included.
    pub completion_tokens: u32,
    /// Together.
    pub total_tokens: u32,
}

impl Usage {
    pub(crate) fn new(prompt_tokens: u32, completion_tokens: u32) -> Self {
        let total_tokens = prompt_tokens.saturating_add(completion_tokens);
        Self { prompt_tokens, completion_tokens, total_tokens }
    }
}

/// A receipt: docs/rollup.md, 6 and 12. The signature is EIP-2098 over its EIP-712 digest.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct ReceiptBody {
    /// Who posts.
    pub proposer: String,
    /// Whose numbers.
    pub epoch: u32,
    /// The number.
    pub number: u64,
    /// The request's hash.
    pub request: String,
    /// The output's root.
    pub output: String,
    /// Posted by then, in seconds since 1970.
    pub deadline: u64,
    /// Who is compensated if it is not.
    pub payee: String,
    /// 64 bytes.
    pub signature: String,
}

/// What Refute adds to a response.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Extension {
    /// The request's hash, by which it is known on L1.
    pub request: String,
    /// The receipt's number.
    pub number: u64,
    /// The promise.
    pub receipt: ReceiptBody,
    /// What it cost, in wei.
    pub fee: String,
    /// Where its way to finality can be watched.
    pub status_url: String,
}

impl From<&Sealed> for Extension {
    fn from(sealed: &Sealed) -> Self {
        let receipt = ReceiptBody::new(&sealed.receipt, &sealed.signature);
        let request = receipt.request.clone();
        let status_url = format!("/v1/refute/requests/{request}");
        Self { number: receipt.number, fee: sealed.fee.to_string(), request, receipt, status_url }
    }
}

impl ReceiptBody {
    pub(crate) fn new(receipt: &crate::ledger::Receipt, signature: &[u8; 64]) -> Self {
        Self {
            proposer: Address::from(receipt.proposer).to_string(),
            epoch: receipt.epoch,
            number: receipt.number,
            request: receipt.request.to_string(),
            output: receipt.output.to_string(),
            deadline: receipt.deadline,
            payee: Address::from(receipt.payee).to_string(),
            signature: alloy::hex::encode_prefixed(signature),
        }
    }
}

/// The model of that name that gives text.
pub(crate) fn text_model(service: &Service, name: &str) -> Result<Arc<Model>, ApiError> {
    let model = model(service, name)?;
    match model.kind {
        Kind::Tokens => Ok(model),
        Kind::Vector { .. } => {
            Err(ApiError::bad("model", format!("{name} gives vectors: use /v1/embeddings")))
        }
    }
}

/// The model of that name.
pub(crate) fn model(service: &Service, name: &str) -> Result<Arc<Model>, ApiError> {
    service.models.get(name).cloned().ok_or_else(|| {
        let names: Vec<&str> = service.models.keys().map(String::as_str).collect();
        let message = format!("the model {name:?} is not served here; there are: {}", names.join(", "));
        ApiError::not_found("model_not_found", message).about("model")
    })
}

/// Tokens of a text: long ones away from the threads that answer.
pub(crate) async fn tokens<T: Send + 'static>(
    model: &Arc<Model>,
    bytes: usize,
    encode: impl FnOnce(&Model) -> T + Send + 'static,
) -> Result<T, ApiError> {
    const SHORT: usize = 2048;
    if bytes <= SHORT {
        return Ok(encode(model));
    }
    let model = Arc::clone(model);
    tokio::task::spawn_blocking(move || encode(&model)).await.map_err(|error| {
        tracing::error!(%error, "a tokenizer failed");
        ApiError::internal()
    })
}

/// OpenAI's word for it.
pub(crate) fn reason(ended: Ended) -> &'static str {
    match ended {
        Ended::Stop => "stop",
        Ended::Length => "length",
    }
}

/// A whole answer.
pub(crate) async fn whole(
    mut pieces: tokio::sync::mpsc::UnboundedReceiver<Piece>,
) -> Result<(String, Box<Outcome>), ApiError> {
    let mut text = String::new();
    while let Some(piece) = pieces.recv().await {
        match piece {
            Piece::Text(more) => text.push_str(&more),
            Piece::Done(outcome) => return Ok((text, outcome)),
            Piece::Failed(error) => return Err(error.into()),
        }
    }
    Err(FlowError::Stopping.into())
}

/// A name for an answer, the same in all its chunks.
pub(crate) fn answer_id(prefix: &str) -> String {
    let mut bytes = [0; 12];
    // Nothing depends on it: an answer's true name is its request hash.
    let _ = getrandom::fill(&mut bytes);
    format!("{prefix}-{}", alloy::hex::encode(bytes))
}
