//! `refute rollup ask`

use std::path::PathBuf;
use std::process::ExitCode;

use alloy::eips::BlockId;
use alloy::primitives::utils::format_ether;
use alloy::primitives::{B256, U256};
use alloy::sol_types::{SolCall, SolEvent};
use anyhow::Context;
use bindings::deployment::Deployment;
use bindings::inbox::Inbox;
use bindings::l1::{L1, Sender};
use bindings::model_registry::ModelRegistry;
use bisection::ledger::inbox::entry_hash;
use bisection::ledger::request::Domain;
use clap::Args;
use executor::kernels::Sampling;
use executor::trace::{pack_tokens, token_bits};
use serde_json::json;

use crate::console::Console;
use crate::failure::bad_input;
use crate::prompt::PromptArguments;
use crate::sampling::SamplingArguments;
use crate::session::Session;
use crate::wallet::{Wallet, block_on, deployment};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    wallet: Wallet,
    /// File that `refute rollup deploy` wrote
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    deployment: PathBuf,
    /// Folder of the model: one that is on the public list
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    #[command(flatten)]
    prompt: PromptArguments,
    /// Most tokens of the output: all of them are paid for now, and `refute rollup exit` brings back what was not used
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: u32,
    #[command(flatten)]
    sampling: SamplingArguments,
}

/// What is asked.
struct Question {
    model: B256,
    tokens: Vec<u32>,
    bits: u8,
    max_tokens: u32,
    sampling: Sampling,
}

/// What became of it.
struct Entered {
    request: B256,
    index: u64,
    paid: U256,
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    let of = deployment(&arguments.deployment)?;
    let sampling = arguments.sampling.to_integers()?;
    let session = Session::open(&arguments.model)?;
    let text = session.gives_tokens();
    let question = Question {
        model: B256::from(session.model.id().0),
        tokens: arguments.prompt.to_tokens(&session)?,
        bits: token_bits(session.model.program().interface.vocabulary),
        max_tokens: if text { arguments.max_tokens } else { 0 },
        // Greedy requests have one form, whatever the seed.
        sampling: if text && !sampling.is_greedy() { sampling } else { Sampling::GREEDY },
    };
    let entered = block_on(async {
        let (l1, sender) = arguments.wallet.sender_for(&of).await?;
        ask(&l1, &sender, &of, &question).await
    })?;
    let Entered { request, index, paid } = entered;
    let document = json!({"request": request, "entry": index, "paid": paid.to_string(),
        "prompt_tokens": question.tokens.len(), "max_tokens": question.max_tokens});
    let hours = of.parameters.rollup.force_delay as f64 / 3600.0;
    let said = format!(
        "{request} is entry {index} of the inbox, for {} ether. A batch has to take it within {hours:.1} hours; `refute rollup proof {request}` says when it is final",
        format_ether(paid)
    );
    console.show(&document, &said)?;
    Ok(ExitCode::SUCCESS)
}

/// Puts a request into the inbox, at the price of now.
async fn ask(l1: &L1, sender: &Sender, of: &Deployment, question: &Question) -> anyhow::Result<Entered> {
    let model = question.model;
    let quote = ModelRegistry::quoteCall { model };
    let terms = match l1.call(of.contracts.registry, &quote, BlockId::latest()).await {
        Ok(terms) => terms,
        Err(e) if e.revert().is_some() => {
            return Err(bad_input(format!(
                "model {model} is not on the public list: ask the registry's owner to `refute rollup list` it"
            )));
        }
        Err(e) => return Err(e.into()),
    };
    let length = u32::try_from(question.tokens.len())?;
    let rollup = &of.parameters.rollup;
    let tokens = u64::from(length) + u64::from(question.max_tokens);
    if tokens > rollup.entry_tokens.into() {
        return Err(bad_input(format!(
            "prompt and output have {tokens} tokens together and an entry takes {}: shorten the prompt, or lower --max-tokens",
            rollup.entry_tokens
        )));
    }
    let price = |each: u64, tokens: u32| U256::from(each) * U256::from(tokens);
    let paid = U256::from(rollup.entry_fee)
        + price(terms.priceIn, length)
        + price(terms.priceOut, question.max_tokens);
    let s = &question.sampling;
    let sampling = Inbox::Sampling {
        temperature: s.temperature,
        topK: s.top_k,
        topP: s.top_p,
        minP: s.min_p,
        seed: B256::from(s.seed),
    };
    let call = Inbox::requestCall {
        model,
        prompt: pack_tokens(&question.tokens, question.bits).into(),
        promptLength: length,
        maxTokens: question.max_tokens,
        sampling,
        callbackGas: 0,
    };
    let included = sender.send(of.contracts.inbox, call.abi_encode().into(), paid).await?;
    let entry = included.receipt.logs().iter().find_map(|log| Inbox::Entered::decode_log(&log.inner).ok());
    let entry = entry.context("the inbox says nothing of the entry")?.data;
    let hash = entry_hash(entry.index, &entry.entry);
    let request = Domain::new(of.chain_id, of.contracts.inbox.0.0).l1_request(hash);
    Ok(Entered { request: B256::from(request.0), index: entry.index, paid })
}
