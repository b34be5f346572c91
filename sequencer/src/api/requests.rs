//! Signed requests: posted, then fetched by their hash.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ErrorBody};
use super::extract::{Body, HashSegment};
use super::keys::{field, signature};
use super::text::ReceiptBody;
use crate::engine::{Kind, Output};
use crate::flow::{Service, SignedRequest};
use crate::ledger::{Hash, Receipt, Request, Sampling, decimals, decode_request};
use crate::posting::{L1Request, Place};
use crate::store::Found;

/// Longest wait for a result.
const WAIT: u64 = 60;

/// A Request (docs/rollup.md, 6) with its prompt in the place of the prompt's root, and its signature.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestBody {
    account: u32,
    nonce: u64,
    /// The committed model.
    model: String,
    /// Token ids.
    prompt: Vec<u32>,
    /// 0 for a vector.
    max_tokens: u32,
    /// In units of 2^-16; 0 is greedy.
    #[serde(default)]
    temperature: u32,
    #[serde(default)]
    top_k: u32,
    /// In units of 2^-16.
    #[serde(default = "whole")]
    top_p: u32,
    /// In units of 2^-16.
    #[serde(default)]
    min_p: u32,
    /// 32 bytes; nothing or 0 for none.
    seed: Option<String>,
    /// Decimal wei.
    max_fee: String,
    /// Seconds since 1970.
    valid_until: u64,
    /// 64 bytes, EIP-2098, by the account's owner or its delegate.
    signature: String,
}

fn whole() -> u32 {
    65_536
}

/// Where a request is on its way to finality.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    request: String,
    /// `received`, `executed`, `posted`, `challenged`, `final`; `rejected`: what it was posted in was refuted, and it is
    /// posted again under another number; `left_out`: L1's ledger does not take it any more, and it costs nothing;
    /// `failed`: it can be sent again.
    status: &'static str,
    /// The assertion on L1 that it stands in, or stood in if it is `rejected`.
    assertion: Option<String>,
    status_url: String,
    receipt: Option<ReceiptBody>,
    /// Token ids of the output.
    output_tokens: Option<Vec<u32>>,
    /// The output as Fixed, of a model that gives vectors.
    output_vector: Option<Vec<i32>>,
    /// The output as text.
    text: Option<String>,
    /// What it cost, in wei.
    fee: Option<String>,
}

/// How long to wait.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wait {
    /// Seconds to wait for the result, at most 60.
    wait: Option<u64>,
}

/// Post a signed request: it is stored when this answers, and runs whoever waits for it
#[utoipa::path(post, path = "/v1/refute/requests", request_body = RequestBody, params(Wait), responses(
    (status = 200, body = Status), (status = 202, body = Status), (status = "default", body = ErrorBody)))]
pub(super) async fn post(
    State(service): State<Arc<Service>>,
    uri: Uri,
    Body(body): Body<RequestBody>,
) -> Result<Response, ApiError> {
    let wait = wait(&uri)?;
    let request = Request {
        account: body.account,
        nonce: body.nonce,
        model: field("model", &body.model)?,
        // These two follow from the tokens.
        prompt: Hash::default(),
        prompt_length: 0,
        max_tokens: body.max_tokens,
        sampling: Sampling {
            temperature: body.temperature,
            top_k: body.top_k,
            top_p: body.top_p,
            min_p: body.min_p,
        },
        seed: body.seed.map_or(Ok(Hash::default()), |seed| field("seed", &seed))?,
        max_fee: decimals(&body.max_fee)
            .ok_or_else(|| ApiError::bad("max_fee", "max_fee is a decimal number of wei"))?,
        valid_until: body.valid_until,
    };
    let signature = signature(&body.signature)?;
    let hash = service.accept(SignedRequest { request, tokens: body.prompt, signature }).await?;
    let status = status(&service, hash, wait).await?;
    let code = if status.receipt.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((code, Json(status)).into_response())
}

/// Where a request is, with its result and receipt
#[utoipa::path(get, path = "/v1/refute/requests/{hash}", params(("hash" = String, Path), Wait), responses(
    (status = 200, body = Status), (status = "default", body = ErrorBody)))]
pub(super) async fn get(
    State(service): State<Arc<Service>>,
    HashSegment(hash): HashSegment,
    uri: Uri,
) -> Result<Json<Status>, ApiError> {
    Ok(Json(status(&service, hash, wait(&uri)?).await?))
}

fn wait(uri: &Uri) -> Result<Duration, ApiError> {
    let Query(query) =
        Query::<Wait>::try_from_uri(uri).map_err(|_| ApiError::bad("wait", "wait is a number of seconds"))?;
    Ok(Duration::from_secs(query.wait.unwrap_or(0).min(WAIT)))
}

async fn status(service: &Service, hash: Hash, wait: Duration) -> Result<Status, ApiError> {
    if let Some(mut done) = service.flying.get(&hash).filter(|_| !wait.is_zero()) {
        // Whether it is done or the time is up: the store says what there is.
        tokio::select! {
            _ = tokio::time::timeout(wait, done.wait_for(|done| *done)) => {}
            () = service.cut.cancelled() => {}
        }
    }
    let Some(found) = service.db.find(&hash.0).await? else {
        return service
            .posting
            .l1_request(&hash)
            .map(|request| of_l1(service, hash, request))
            .ok_or_else(unknown);
    };
    let place = match &found.receipt {
        Some((epoch, receipt)) if *epoch == service.epoch => service.posting.place(receipt.number),
        _ => Place::Waiting,
    };
    let (status, assertion) = match (&found.receipt, found.status) {
        (None, 2) => ("failed", None),
        (None, _) => ("received", None),
        (Some(_), _) => named(place, "executed"),
    };
    let output = output(service, &found);
    let text = match &output {
        Some((model, Output::Tokens(tokens))) => model.codec.decode(tokens).ok(),
        _ => None,
    };
    let (output_tokens, output_vector) = match output.map(|(_, output)| output) {
        Some(Output::Tokens(tokens)) => (Some(tokens), None),
        Some(Output::Vector(vector)) => (None, Some(vector)),
        None => (None, None),
    };
    Ok(Status {
        request: hash.to_string(),
        status,
        assertion,
        status_url: format!("/v1/refute/requests/{hash}"),
        receipt: found.receipt.as_ref().map(|_| receipt(&found)).transpose()?,
        output_tokens,
        output_vector,
        text,
        fee: found.result.as_ref().map(|(_, _, fee, _)| fee.to_string()),
    })
}

fn unknown() -> ApiError {
    ApiError::not_found("request_not_found", "no such request is known here")
}

/// A place's name, and its assertion.
pub(super) fn named(place: Place, waiting: &'static str) -> (&'static str, Option<String>) {
    match place {
        Place::Waiting => (waiting, None),
        Place::Posted(id) => ("posted", Some(id.to_string())),
        Place::Challenged(id) => ("challenged", Some(id.to_string())),
        Place::Final(id) => ("final", Some(id.to_string())),
        Place::Rejected(id) => ("rejected", Some(id.to_string())),
        Place::LeftOut => ("left_out", None),
    }
}

/// Where a request is that was made on L1.
fn of_l1(service: &Service, hash: Hash, request: L1Request) -> Status {
    let waiting = if request.output.is_some() { "executed" } else { "received" };
    let (status, assertion) = named(request.place, waiting);
    let model = service.model_by_id(&request.model);
    let output = model.zip(request.output).and_then(|(model, (length, bytes))| {
        let vector = matches!(model.kind, Kind::Vector { .. });
        Some((model, Output::unpack(&bytes, length, model.token_bits, vector)?))
    });
    let (text, output_tokens, output_vector) = match output {
        Some((model, Output::Tokens(tokens))) => (model.codec.decode(&tokens).ok(), Some(tokens), None),
        Some((_, Output::Vector(vector))) => (None, None, Some(vector)),
        None => (None, None, None),
    };
    let (request, status_url) = (hash.to_string(), format!("/v1/refute/requests/{hash}"));
    let (receipt, fee) = (None, None);
    Status { request, status, assertion, status_url, receipt, output_tokens, output_vector, text, fee }
}

/// The output, if its model is still served.
fn output<'a>(service: &'a Service, found: &Found) -> Option<(&'a crate::engine::Model, Output)> {
    let request = decode_request(&found.request.as_ref()?.body)?;
    let model = service.model_by_id(&request.model)?;
    let (length, bytes, ..) = found.result.as_ref()?;
    let vector = matches!(model.kind, Kind::Vector { .. });
    Some((model, Output::unpack(bytes, *length, model.token_bits, vector)?))
}

/// The receipt, as it was signed.
pub(super) fn receipt(found: &Found) -> Result<ReceiptBody, ApiError> {
    let missing = || ApiError::not_found("receipt_not_found", "this request has no receipt yet");
    let (epoch, numbered) = found.receipt.as_ref().ok_or_else(missing)?;
    let receipt = Receipt {
        proposer: found.proposer,
        epoch: *epoch,
        number: numbered.number,
        request: Hash(numbered.request),
        output: Hash(numbered.root),
        deadline: numbered.deadline,
        payee: numbered.payee,
    };
    Ok(ReceiptBody::new(&receipt, &numbered.signature))
}
