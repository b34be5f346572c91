//! Taking money out, with the account owner's signature.

use std::sync::Arc;

use alloy::primitives::Address;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{ApiError, ErrorBody};
use super::extract::Body;
use super::keys::{field, signature};
use super::text::ReceiptBody;
use crate::book::Refusal;
use crate::flow::Service;
use crate::ledger::{Withdrawal, decimals, recover};

/// A Withdrawal (docs/rollup.md, 6) with its signature.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WithdrawalBody {
    account: u32,
    nonce: u64,
    /// Decimal wei; 0 only uses the nonce up.
    amount: String,
    /// Who gets it on L1.
    to: String,
    /// Seconds since 1970.
    valid_until: u64,
    /// 64 bytes, EIP-2098, by the account's owner.
    signature: String,
}

/// A withdrawal that will be posted. Once it is final, anyone can have it paid: `Exits.withdrawal` with its proof.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Withdrawing {
    /// Its hash, by which its proof is asked for.
    hash: String,
    receipt: ReceiptBody,
}

/// Withdraw from an account
#[utoipa::path(post, path = "/v1/refute/withdrawals", request_body = WithdrawalBody, responses(
    (status = 200, body = Withdrawing), (status = "default", body = ErrorBody)))]
pub(super) async fn post(
    State(service): State<Arc<Service>>,
    Body(body): Body<WithdrawalBody>,
) -> Result<Json<Withdrawing>, ApiError> {
    let amount =
        decimals(&body.amount).ok_or_else(|| ApiError::bad("amount", "amount is a decimal number of wei"))?;
    let order = Withdrawal {
        account: body.account,
        nonce: body.nonce,
        amount,
        to: field::<Address>("to", &body.to)?.0.0,
        valid_until: body.valid_until,
    };
    let signature = signature(&body.signature)?;
    let hash = order.digest(&service.domain);
    let signer = tokio::task::spawn_blocking(move || recover(&hash, &signature)).await;
    let owner = service.book.account(order.account).ok_or(Refusal::Account(order.account))?.owner;
    let owner = Address::from(owner);
    if signer.ok().flatten() != Some(owner) {
        let message = format!("this is not a signature of {owner}, who owns account {}", order.account);
        return Err(ApiError::bad("signature", message));
    }
    let sealed = service.sealer.withdraw(order, hash, signature).await?;
    let receipt = ReceiptBody::new(&sealed.receipt, &sealed.signature);
    Ok(Json(Withdrawing { hash: hash.to_string(), receipt }))
}
