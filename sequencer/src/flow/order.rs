//! What is asked for with an API key, and the request that the sequencer signs for it.

use std::sync::Arc;

use alloy::signers::local::Secp256k1Signer;
use executor::kernels::Sampling;
use executor::trace::pack_tokens;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::flight::Flight;
use super::{FlowError, Piece, Service};
use crate::engine::{Kind, Model, Task, root};
use crate::ledger::{Hash, InferenceStep, Request, Sampling as Sampled};
use crate::sealer::Signed;

/// What is wanted of a model.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// Text.
    Text {
        /// How tokens are chosen.
        sampling: Sampling,
        /// Most tokens.
        max_tokens: Option<u32>,
        /// Strings that end it.
        stop: Vec<String>,
    },
    /// A vector.
    Vector,
}

/// A request of the holder of a key.
#[derive(Clone, Debug)]
pub struct Order {
    /// Of which model.
    pub model: Arc<Model>,
    /// Its tokens.
    pub prompt: Vec<u32>,
    /// What.
    pub wanted: Wanted,
    /// The key.
    pub key: Arc<Secp256k1Signer>,
    /// Whose.
    pub account: u32,
    /// Is every token shown as it comes. Then what was shown is paid for, even if the reader goes away.
    pub stream: bool,
}

impl Service {
    /// Admits an order and starts it. Dropping the receiver cancels it.
    pub fn start(self: &Arc<Self>, order: Order) -> Result<UnboundedReceiver<Piece>, FlowError> {
        if self.closing.is_cancelled() || self.fatal.is_cancelled() {
            return Err(FlowError::Stopping);
        }
        let Order { model, prompt, wanted, key, account, stream } = order;
        let (task, stop) = self.task(&model, &prompt, wanted)?;
        let created = self.posting.now();
        let (sampling, max_tokens) = match task {
            Task::Tokens { sampling, limit } => (sampling, limit),
            Task::Vector => (Sampling::GREEDY, 0),
        };
        let price = self.dearest(&model)?;
        let step = InferenceStep {
            nonce: 0,
            model: model.id,
            price_in: price.input,
            price_out: price.output,
            prompt_length: prompt.len() as u32,
            output_length: 0,
            max_tokens,
            max_fee: u128::MAX,
            valid_until: created.saturating_add(self.terms.validity),
        };
        let hold = self.book.hold(account, None, Some(key.address()), &step, created)?;
        let packed = pack_tokens(&prompt, model.token_bits);
        let request = Request {
            account,
            nonce: hold.nonce,
            model: step.model,
            prompt: root(&packed),
            prompt_length: step.prompt_length,
            max_tokens,
            sampling: Sampled {
                temperature: sampling.temperature,
                top_k: sampling.top_k,
                top_p: sampling.top_p,
                min_p: sampling.min_p,
            },
            seed: Hash(sampling.seed),
            max_fee: step.limit(),
            valid_until: step.valid_until,
        };
        let (pieces, receiver) = unbounded_channel();
        let flight = Flight {
            service: Arc::clone(self),
            model,
            request,
            signed: Signed::ByKey(key),
            hold,
            packed,
            stop,
            created,
            listener: Some((pieces, stream)),
        };
        flight.launch(prompt.into(), task)?;
        Ok(receiver)
    }

    /// Checks what is wanted against the model.
    fn task(&self, model: &Model, prompt: &[u32], wanted: Wanted) -> Result<(Task, Vec<String>), FlowError> {
        let context = model.context;
        check_prompt(model, prompt)?;
        match (wanted, model.kind) {
            (Wanted::Vector, Kind::Vector { .. }) => Ok((Task::Vector, Vec::new())),
            (Wanted::Text { sampling, max_tokens, stop }, Kind::Tokens) => {
                let left = context.saturating_sub(prompt.len() as u32);
                if left == 0 {
                    return Err(FlowError::Context { prompt: prompt.len(), context });
                }
                let limit = max_tokens.unwrap_or(self.terms.default_max_tokens).min(left);
                let sampling = if sampling.is_greedy() { Sampling::GREEDY } else { sampling };
                Ok((Task::Tokens { sampling, limit }, stop))
            }
            (Wanted::Vector, Kind::Tokens) => Err(FlowError::Bad {
                field: "model",
                message: format!("{} gives text: use /v1/chat/completions or /v1/completions", model.name),
            }),
            (Wanted::Text { .. }, Kind::Vector { .. }) => Err(FlowError::Bad {
                field: "model",
                message: format!("{} gives vectors: use /v1/embeddings", model.name),
            }),
        }
    }
}

/// Is this a prompt for the model.
pub(super) fn check_prompt(model: &Model, prompt: &[u32]) -> Result<(), FlowError> {
    if prompt.is_empty() {
        let message = "the prompt is empty: give a text of at least one token".into();
        return Err(FlowError::Bad { field: "prompt", message });
    }
    if prompt.len() > model.context as usize {
        return Err(FlowError::Context { prompt: prompt.len(), context: model.context });
    }
    if let Some(token) = prompt.iter().find(|t| **t >= model.vocabulary) {
        let message = format!("token {token} is not in the vocabulary of {} tokens", model.vocabulary);
        return Err(FlowError::Bad { field: "prompt", message });
    }
    Ok(())
}
