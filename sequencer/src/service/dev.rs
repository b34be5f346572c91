//! An account for trying things out, with keys that everybody knows.

use std::sync::Arc;

use alloy::primitives::{B256, b256, keccak256};
use alloy::signers::local::PrivateKeySigner;

use super::StartError;
use crate::config::AccountConfig;
use crate::flow::Service;
use crate::keys;
use crate::ledger::{Delegation, Hash, sign};

/// The first account of anvil and hardhat.
const OWNER: B256 = b256!("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
const BALANCE: &str = "1000000000000000000000";

fn signer(secret: &B256) -> Result<PrivateKeySigner, StartError> {
    PrivateKeySigner::from_bytes(secret).map_err(|e| StartError::Config(e.to_string()))
}

/// The funded account.
pub(super) fn account() -> AccountConfig {
    let owner = signer(&OWNER).map(|owner| owner.address()).unwrap_or_default();
    AccountConfig { owner, balance: BALANCE.into() }
}

/// The account's API key; makes it if it is not there yet.
pub(super) async fn key(service: &Arc<Service>) -> Result<String, StartError> {
    let secret = keccak256(b"refute development key");
    let (key, owner) = (signer(&secret)?, signer(&OWNER)?);
    let text = keys::text(&secret);
    if service.book.account_of(key.address()).is_some() {
        return Ok(text);
    }
    let mut accounts = (0..service.book.len() as u32).filter_map(|i| service.book.account(i));
    let account = accounts.find(|a| a.owner == owner.address().0.0);
    let account = account.ok_or_else(|| StartError::Config("the development account is missing".into()))?;
    let terms = Delegation {
        account: account.index,
        nonce: account.delegation_nonce + 1,
        delegate: key.address().0.0,
        cap: u128::MAX,
        expiry: u64::MAX,
        model: Hash::default(),
        max_price_in: u64::MAX,
        max_price_out: u64::MAX,
    };
    let hash = terms.digest(&service.domain);
    let signature = sign(&owner, &hash).map_err(StartError::Config)?;
    service.sealer.delegate(terms, hash, signature).await?;
    Ok(text)
}
