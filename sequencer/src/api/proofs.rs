//! Inclusion proofs by a request's hash.

use std::sync::Arc;

use alloy::hex::encode_prefixed;
use axum::Json;
use axum::extract::State;
use bisection::ledger::ItemHeader;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::{ApiError, ErrorBody};
use super::extract::HashSegment;
use super::requests::named;
use crate::flow::Service;
use crate::l1::{Proof, ProofError};

/// What a step's leaf is the hash of, besides its index.
#[derive(Debug, Serialize, ToSchema)]
struct PartsBody {
    /// State root before.
    pre: String,
    /// State root after.
    post: String,
    /// F || D: docs/rollup.md, 8.2.
    data: String,
}

/// An item's header: docs/protocol.md, 2.1.
#[derive(Debug, Serialize, ToSchema)]
struct ItemBody {
    model: String,
    /// 0 tokens, 1 vector.
    kind: u8,
    token_bits: u8,
    prompt_length: u32,
    output_length: u32,
    temperature: u32,
    top_k: u32,
    top_p: u32,
    min_p: u32,
    seed: String,
    prompt_root: String,
    output_root: String,
}

/// That a step stands in a posted batch: a StepProof of the contracts, as `Results`, `Exits` and `Receipts` take it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProofBody {
    /// `posted`, `challenged` or `final`: only what is final proves an inference to `Results`.
    status: &'static str,
    assertion: String,
    /// Index of the step in its batch.
    step: u32,
    parts: PartsBody,
    /// Siblings of the step's leaf, from the bottom, those out of range left out.
    path: Vec<String>,
    /// Of a withdrawal or delegation there is none.
    item: Option<ItemBody>,
}

impl From<ItemHeader> for ItemBody {
    fn from(item: ItemHeader) -> Self {
        Self {
            model: item.model.to_string(),
            kind: item.vector.into(),
            token_bits: item.token_bits,
            prompt_length: item.prompt_length,
            output_length: item.output_length,
            temperature: item.sampling.temperature,
            top_k: item.sampling.top_k,
            top_p: item.sampling.top_p,
            min_p: item.sampling.min_p,
            seed: item.seed.to_string(),
            prompt_root: item.prompt_root.to_string(),
            output_root: item.output_root.to_string(),
        }
    }
}

impl From<Proof> for ProofBody {
    fn from(proof: Proof) -> Self {
        let parts = PartsBody {
            pre: proof.pre.to_string(),
            post: proof.post.to_string(),
            data: encode_prefixed(&proof.data),
        };
        Self {
            status: named(proof.place, "posted").0,
            assertion: proof.assertion.to_string(),
            step: proof.step,
            parts,
            path: proof.path.iter().map(ToString::to_string).collect(),
            item: proof.item.map(Into::into),
        }
    }
}

/// The proof that a request, withdrawal or delegation is in a posted batch
#[utoipa::path(get, path = "/v1/refute/proofs/{hash}", params(("hash" = String, Path)), responses(
    (status = 200, body = ProofBody), (status = "default", body = ErrorBody)))]
pub(super) async fn get(
    State(service): State<Arc<Service>>,
    HashSegment(hash): HashSegment,
) -> Result<Json<ProofBody>, ApiError> {
    let found = service.db.find(&hash.0).await?;
    let unknown = || ApiError::not_found("request_not_found", "no such request is known here");
    let Some(l1) = &service.l1 else {
        return Err(found.map_or_else(unknown, |_| ProofError::NotPosted.into()));
    };
    let proof = match found {
        None if service.posting.l1_request(&hash).is_none() => return Err(unknown()),
        None => l1.prove_l1(&service.db, &hash).await?,
        Some(found) => match found.receipt {
            Some((epoch, receipt)) if epoch == service.epoch => l1.prove(&service.db, receipt.number).await?,
            _ => return Err(ProofError::NotPosted.into()),
        },
    };
    Ok(Json(proof.into()))
}
