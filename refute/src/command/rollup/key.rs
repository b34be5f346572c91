//! `refute rollup key`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use alloy::primitives::utils::format_ether;
use alloy::primitives::{B256, U256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use anyhow::Context;
use bisection::Hash;
use bisection::ledger::request::{Delegation, Domain};
use clap::Args;
use serde_json::json;

use super::deposit::ether;
use crate::api::Api;
use crate::console::Console;
use crate::failure::bad_input;
use crate::wallet::{block_on, open_keystore};

#[derive(Args)]
pub(crate) struct Arguments {
    /// URL of the sequencer
    #[arg(long, value_name = "URL", env = "REFUTE_API", default_value = "http://127.0.0.1:8080")]
    api: String,
    /// Keystore of the account's owner
    #[arg(long, value_name = "FILE", env = "REFUTE_KEYSTORE")]
    keystore: PathBuf,
    /// File with the keystore's password
    #[arg(long, value_name = "FILE", env = "REFUTE_PASSWORD_FILE")]
    password_file: PathBuf,
    /// The account's number, as `refute rollup deposit` says it
    #[arg(long, value_name = "NUMBER")]
    account: u32,
    /// Most ether that the key can spend
    #[arg(long, value_name = "ETHER", value_parser = ether)]
    cap: U256,
    /// Days for which the key works
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// The only model that it works for [default: any]
    #[arg(long, value_name = "ID")]
    model: Option<B256>,
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    let owner = open_keystore(&arguments.keystore, &arguments.password_file)?;
    let cap =
        arguments.cap.try_into().map_err(|_| bad_input("no account has that much: choose a lower cap"))?;
    let order = Order {
        account: arguments.account,
        cap,
        days: arguments.days,
        model: arguments.model.unwrap_or_default(),
    };
    let made = block_on(make(&Api::new(&arguments.api)?, &owner, &order))?;
    let document = json!({"api_key": made, "account": order.account, "cap_wei": order.cap.to_string(),
        "days": order.days});
    let text = format!(
        "{made}\nThe API key of account {}: spends up to {} ether in {} days. Keep it as a password; \
         it replaces the account's last one.",
        order.account,
        format_ether(arguments.cap),
        order.days
    );
    console.show(&document, &text)?;
    Ok(ExitCode::SUCCESS)
}

/// What a key may do.
pub(crate) struct Order {
    /// Whose money.
    pub(crate) account: u32,
    /// Most wei.
    pub(crate) cap: u128,
    /// For how long.
    pub(crate) days: u32,
    /// One model; 0 is any.
    pub(crate) model: B256,
}

/// Makes a random key, delegates to it and registers the delegation.
pub(crate) async fn make(api: &Api, owner: &PrivateKeySigner, order: &Order) -> anyhow::Result<String> {
    let info = api.get("/v1/refute/info").await?;
    let chain_id = info["chain_id"].as_u64().context("the sequencer names no chain")?;
    let inbox: alloy::primitives::Address =
        info["inbox"].as_str().context("the sequencer names no inbox")?.parse()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let delegate = PrivateKeySigner::random();
    let terms = Delegation {
        account: order.account,
        // Rises with time: a new key replaces the last one.
        nonce: u64::try_from(now.as_millis())?,
        delegate: delegate.address().0.0,
        cap: order.cap,
        expiry: now.as_secs() + u64::from(order.days) * 86_400,
        model: Hash(order.model.0),
        max_price_in: u64::MAX,
        max_price_out: u64::MAX,
    };
    let digest = terms.digest(&Domain::new(chain_id, inbox.0.0));
    let signature = owner.sign_hash_sync(&B256::from(digest.0))?.as_erc2098();
    let body = json!({
        "account": terms.account,
        "nonce": terms.nonce,
        "delegate": delegate.address().to_string(),
        "cap": terms.cap.to_string(),
        "expiry": terms.expiry,
        "model": order.model.to_string(),
        "max_price_in": terms.max_price_in,
        "max_price_out": terms.max_price_out,
        "signature": alloy::hex::encode_prefixed(signature),
    });
    api.post("/v1/refute/keys", None, &body).await?;
    Ok(format!("rk-{}", alloy::hex::encode(delegate.to_bytes())))
}
