//! Making API keys, and what a client must know to sign.

use std::sync::Arc;

use alloy::primitives::Address;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{ApiError, ErrorBody};
use super::extract::{Body, Caller};
use super::text::ReceiptBody;
use crate::book::Refusal;
use crate::flow::Service;
use crate::ledger::{Delegation, Hash, decimals, recover};

/// What a client must know to sign, and whom to believe.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Info {
    /// The EIP-712 domain is name "Refute", version "1", this chain, this contract.
    chain_id: u64,
    inbox: String,
    /// Who posts.
    proposer: String,
    /// Who signs receipts.
    receipt_signer: String,
    epoch: u32,
    /// Are results posted to L1.
    posting: bool,
}

/// A delegation with its signature: amounts are decimal strings of wei.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DelegationBody {
    account: u32,
    /// Above that of the last delegation.
    nonce: u64,
    /// Address of the key. 0 revokes.
    delegate: String,
    /// Most wei to be spent.
    cap: String,
    /// Seconds since 1970.
    expiry: u64,
    /// One model, or 0 for any.
    model: String,
    /// Most wei for a prompt token.
    max_price_in: u64,
    /// Most wei for an output token.
    max_price_out: u64,
    /// 64 bytes, EIP-2098, by the account's owner.
    signature: String,
}

/// A key that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyBody {
    /// Of the delegation.
    hash: String,
    account: u32,
    delegate: String,
    number: u64,
    receipt: ReceiptBody,
}

/// An account. Amounts are decimal strings of wei.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountBody {
    account: u32,
    owner: String,
    balance: String,
    /// A nonce from here on is free.
    next_nonce: u64,
    /// What was spent under the delegation in force.
    spent: String,
}

/// What a client must know to sign
#[utoipa::path(get, path = "/v1/refute/info", responses((status = 200, body = Info)))]
pub(super) async fn info(State(service): State<Arc<Service>>) -> Json<Info> {
    Json(Info {
        chain_id: service.domain.chain_id(),
        inbox: Address::from(service.domain.inbox()).to_string(),
        proposer: service.proposer.to_string(),
        receipt_signer: service.receipt_signer.to_string(),
        epoch: service.epoch,
        posting: service.posting.posts(),
    })
}

/// Make an API key: a delegation to the key's address
#[utoipa::path(post, path = "/v1/refute/keys", request_body = DelegationBody, responses(
    (status = 200, body = KeyBody), (status = "default", body = ErrorBody)))]
pub(super) async fn make(
    State(service): State<Arc<Service>>,
    Body(body): Body<DelegationBody>,
) -> Result<Json<KeyBody>, ApiError> {
    let terms = Delegation {
        account: body.account,
        nonce: body.nonce,
        delegate: field::<Address>("delegate", &body.delegate)?.0.0,
        cap: decimals(&body.cap).ok_or_else(|| ApiError::bad("cap", "cap is a decimal number of wei"))?,
        expiry: body.expiry,
        model: field("model", &body.model)?,
        max_price_in: body.max_price_in,
        max_price_out: body.max_price_out,
    };
    let signature = signature(&body.signature)?;
    let hash = terms.digest(&service.domain);
    let signer = tokio::task::spawn_blocking(move || recover(&hash, &signature)).await;
    let owner = service.book.account(terms.account).ok_or(Refusal::Account(terms.account))?.owner;
    let owner = Address::from(owner);
    if signer.ok().flatten() != Some(owner) {
        let message = format!("this is not a signature of {owner}, who owns account {}", terms.account);
        return Err(ApiError::bad("signature", message));
    }
    let (account, delegate) = (terms.account, Address::from(terms.delegate));
    let sealed = service.sealer.delegate(terms, hash, signature).await?;
    Ok(Json(KeyBody {
        hash: hash.to_string(),
        account,
        delegate: delegate.to_string(),
        number: sealed.receipt.number,
        receipt: ReceiptBody::new(&sealed.receipt, &sealed.signature),
    }))
}

/// The key's account
#[utoipa::path(get, path = "/v1/refute/account", security(("key" = [])), responses(
    (status = 200, body = AccountBody), (status = "default", body = ErrorBody)))]
pub(super) async fn account(
    State(service): State<Arc<Service>>,
    caller: Caller,
) -> Result<Json<AccountBody>, ApiError> {
    let account = service.book.account(caller.account).ok_or(Refusal::Account(caller.account))?;
    Ok(Json(AccountBody {
        account: account.index,
        owner: Address::from(account.owner).to_string(),
        balance: account.balance.to_string(),
        next_nonce: account.window.next,
        spent: account.spent.to_string(),
    }))
}

/// A field of hexadecimal digits; an address or a hash.
pub(super) fn field<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, ApiError> {
    let digits = std::any::type_name::<T>() == std::any::type_name::<Hash>();
    let what = if digits { "64 hexadecimal digits" } else { "an address" };
    text.parse().map_err(|_| ApiError::bad(name, format!("{name} must be {what}")))
}

/// A field of 64 bytes.
pub(super) fn signature(text: &str) -> Result<[u8; 64], ApiError> {
    let bytes = alloy::hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| {
        ApiError::bad("signature", "a signature has 64 bytes: r, then s with the parity on top (EIP-2098)")
    })
}
