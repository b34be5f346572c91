//! `refute rollup withdraw`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use alloy::eips::BlockId;
use alloy::primitives::utils::format_ether;
use alloy::primitives::{Address, B256, U256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use anyhow::Context;
use bindings::deployment::Deployment;
use bindings::inbox::Inbox;
use bindings::l1::{L1, Sender};
use bisection::ledger::request::{Domain, Withdrawal};
use clap::Args;
use serde_json::json;

use super::deposit::ether;
use crate::api::Api;
use crate::console::Console;
use crate::failure::bad_input;
use crate::wallet::{Wallet, block_on, deployment};

/// For how long the sequencer may post it.
const VALID_SECONDS: u64 = 86_400;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    wallet: Wallet,
    /// File that `refute rollup deploy` wrote
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    deployment: PathBuf,
    /// Ether to take out of the account of the wallet's owner
    #[arg(long, value_name = "ETHER", value_parser = ether)]
    amount: U256,
    /// Who gets it on L1 [default: the owner]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "force")]
    to: Option<Address>,
    /// URL of the sequencer
    #[arg(long, value_name = "URL", env = "REFUTE_API", default_value = "http://127.0.0.1:8080")]
    api: String,
    /// An API key of the account: with it the sequencer says which nonce is free
    #[arg(
        long,
        value_name = "KEY",
        env = "REFUTE_API_KEY",
        hide_env_values = true,
        required_unless_present = "force"
    )]
    api_key: Option<String>,
    /// By the inbox on L1, whatever the sequencer does. Costs the entry fee; takes what the account has, if that is less
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    let of = deployment(&arguments.deployment)?;
    let amount = u128::try_from(arguments.amount)
        .map_err(|_| bad_input("no account has that much: choose a lower amount"))?;
    let (account, to, request) = block_on(async {
        let (l1, sender) = arguments.wallet.sender_for(&of).await?;
        let account = account_of(&l1, &of, sender.account()).await?;
        if arguments.force {
            force(&sender, &of, account, amount).await?;
            return Ok((account, sender.account(), None));
        }
        let api = Api::new(&arguments.api)?;
        let key = arguments.api_key.as_deref().unwrap_or_default();
        let to = arguments.to.unwrap_or(sender.account());
        let order = Order { account, amount, to };
        let request = withdraw(&api, key, &arguments.wallet.key()?, &of, &order).await?;
        Ok((account, to, Some(request)))
    })?;
    let ether = format_ether(arguments.amount);
    let document = json!({"account": account, "to": to, "ether": ether, "request": request,
        "forced": arguments.force});
    let text = format!(
        "{ether} ether of account {account} will go to {to}. Once it is final, whoever runs `refute rollup exit --to {to}` has it paid out"
    );
    console.show(&document, &text)?;
    Ok(ExitCode::SUCCESS)
}

/// The number of an owner's account.
pub(crate) async fn account_of(l1: &L1, of: &Deployment, owner: Address) -> anyhow::Result<u32> {
    let call = Inbox::accountOfCall { owner };
    match l1.call(of.contracts.inbox, &call, BlockId::latest()).await {
        Ok(account) => Ok(account),
        Err(e) if e.revert().is_some() => {
            Err(bad_input(format!("{owner} has no account: pay into one with `refute rollup deposit`")))
        }
        Err(e) => Err(e.into()),
    }
}

/// What is taken out.
pub(crate) struct Order {
    /// Whose money.
    pub(crate) account: u32,
    /// Wei.
    pub(crate) amount: u128,
    /// Who gets it on L1.
    pub(crate) to: Address,
}

/// Asks the sequencer for a withdrawal, signed by the account's owner; its request hash.
pub(crate) async fn withdraw(
    api: &Api,
    key: &str,
    owner: &PrivateKeySigner,
    of: &Deployment,
    order: &Order,
) -> anyhow::Result<B256> {
    let about = api.get_as("/v1/refute/account", key).await?;
    if about["account"] != order.account {
        return Err(bad_input(format!(
            "the API key is of account {}, the wallet's owner has account {}",
            about["account"], order.account
        )));
    }
    let terms = Withdrawal {
        account: order.account,
        nonce: about["next_nonce"].as_u64().context("the sequencer names no nonce")?,
        amount: order.amount,
        to: order.to.0.0,
        valid_until: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + VALID_SECONDS,
    };
    // The domain is that of our own file: a sequencer cannot have something else signed.
    let digest = terms.digest(&Domain::new(of.chain_id, of.contracts.inbox.0.0));
    let signature = owner.sign_hash_sync(&B256::from(digest.0))?.as_erc2098();
    let body = json!({
        "account": terms.account,
        "nonce": terms.nonce,
        "amount": terms.amount.to_string(),
        "to": order.to.to_string(),
        "valid_until": terms.valid_until,
        "signature": alloy::hex::encode_prefixed(signature),
    });
    api.post("/v1/refute/withdrawals", None, &body).await?;
    Ok(B256::from(digest.0))
}

/// Puts a withdrawal into the inbox.
async fn force(sender: &Sender, of: &Deployment, account: u32, amount: u128) -> anyhow::Result<()> {
    let call = Inbox::forceWithdrawalCall { account, amount };
    let fee = U256::from(of.parameters.rollup.entry_fee);
    sender.send(of.contracts.inbox, call.abi_encode().into(), fee).await?;
    Ok(())
}
