//! Requests that their clients have signed themselves: stored before they are run, fetched by their hash.

use std::sync::Arc;

use executor::kernels::Sampling;
use executor::trace::pack_tokens;
use tokio::sync::mpsc::unbounded_channel;

use super::flight::Flight;
use super::order::check_prompt;
use super::{FlowError, Service};
use crate::engine::{Job, Kind, Model, Task, root, unpack_tokens};
use crate::ledger::{
    Hash, InferenceStep, Invalid, Request, decode_request, encode_request, item_seed, recover,
    sampling_is_signable,
};
use crate::sealer::Signed;
use crate::store::Received;

/// A request with its signature. `prompt` and `prompt_length` follow from the tokens.
#[derive(Clone, Debug)]
pub struct SignedRequest {
    /// The signed fields.
    pub request: Request,
    /// The prompt.
    pub tokens: Vec<u32>,
    /// EIP-2098.
    pub signature: [u8; 64],
}

fn bad(field: &'static str, message: impl Into<String>) -> FlowError {
    FlowError::Bad { field, message: message.into() }
}

impl Service {
    /// Admits a signed request: it is on the disk when this returns, and runs whoever waits for it. Gives its hash. The
    /// same request again is the same request.
    pub async fn accept(self: &Arc<Self>, mut signed: SignedRequest) -> Result<Hash, FlowError> {
        if self.closing.is_cancelled() || self.fatal.is_cancelled() {
            return Err(FlowError::Stopping);
        }
        let model = self.model_by_id(&signed.request.model).cloned();
        let model = model.ok_or_else(|| bad("model", "this sequencer does not serve that model"))?;
        check_prompt(&model, &signed.tokens)?;
        let packed = pack_tokens(&signed.tokens, model.token_bits);
        signed.request.prompt = root(&packed);
        signed.request.prompt_length = signed.tokens.len() as u32;
        let request = &signed.request;
        check(request, &model)?;
        let hash = request.digest(&self.domain);
        let digest = hash;
        let signature = signed.signature;
        let signer = tokio::task::spawn_blocking(move || recover(&digest, &signature)).await;
        let signer = signer.ok().flatten().ok_or_else(|| bad("signature", "the signature is not valid"))?;
        let account = self.book.account(request.account);
        let account = account.ok_or(crate::book::Refusal::Account(request.account))?;
        let delegate = (account.owner != signer.0.0).then_some(signer);
        if delegate.is_some() && self.book.delegate(request.account) != delegate {
            let message = format!(
                "{signer} signed this, who is neither the owner nor the delegate of account {}",
                request.account
            );
            return Err(bad("signature", message));
        }
        let created = self.posting.now();
        if request.valid_until < created.saturating_add(self.terms.margin) {
            let seconds = self.terms.margin;
            return Err(bad(
                "valid_until",
                format!("the request must stay valid for {seconds} more seconds"),
            ));
        }
        let Some(done) = self.flying.begin(hash) else { return Ok(hash) };
        let row = Received {
            hash: hash.0,
            account: request.account,
            delegated: delegate.is_some(),
            body: encode_request(request),
            prompt: packed,
            signature,
            created,
        };
        let outcome = self.run(model, signed.request, signed.tokens, delegate, row, done, true).await;
        if outcome.is_err() {
            self.flying.end(&hash);
        }
        outcome.map(|()| hash)
    }

    /// Runs what was received before a restart.
    pub async fn resume(self: &Arc<Self>, received: Vec<Received>) {
        for row in received {
            let hash = Hash(row.hash);
            if let Err(error) = self.resume_one(row).await {
                tracing::warn!(%hash, %error, "a received request cannot be executed any more");
                self.flying.end(&hash);
                self.sealer.give_up(hash).await;
            }
        }
    }

    async fn resume_one(self: &Arc<Self>, row: Received) -> Result<(), FlowError> {
        let request = decode_request(&row.body).ok_or_else(|| bad("request", "it cannot be read"))?;
        let model = self.model_by_id(&request.model).cloned();
        let model = model.ok_or_else(|| bad("model", "it is no longer served"))?;
        let tokens = unpack_tokens(&row.prompt, request.prompt_length, model.token_bits)
            .ok_or_else(|| bad("prompt", "it cannot be read"))?;
        let delegate = row.delegated.then(|| self.book.delegate(request.account)).flatten();
        if row.delegated && delegate != recover(&Hash(row.hash), &row.signature) {
            return Err(crate::book::Refusal::from(Invalid::NotDelegated).into());
        }
        let Some(done) = self.flying.begin(Hash(row.hash)) else { return Ok(()) };
        self.run(model, request, tokens, delegate, row, done, false).await
    }

    #[allow(clippy::too_many_arguments, reason = "one caller each for a new request and a resumed one")]
    async fn run(
        self: &Arc<Self>,
        model: Arc<Model>,
        request: Request,
        tokens: Vec<u32>,
        delegate: Option<alloy::primitives::Address>,
        row: Received,
        done: tokio::sync::watch::Sender<bool>,
        new: bool,
    ) -> Result<(), FlowError> {
        let hash = Hash(row.hash);
        if new && self.db.find(&row.hash).await?.is_some_and(|found| found.status != 2) {
            // It was run before.
            self.flying.end(&hash);
            return Ok(());
        }
        let price = self.dearest(&model)?;
        let step = InferenceStep {
            nonce: request.nonce,
            model: request.model,
            price_in: price.input,
            price_out: price.output,
            prompt_length: request.prompt_length,
            output_length: 0,
            max_tokens: request.max_tokens,
            max_fee: request.max_fee,
            valid_until: request.valid_until,
        };
        let hold =
            self.book.hold(request.account, Some(request.nonce), delegate, &step, self.posting.now())?;
        if new {
            self.sealer.receive(row.clone()).await?;
        }
        let sampling = Self::sampling(&request, hash);
        let task = match model.kind {
            Kind::Tokens => {
                let left = model.context.saturating_sub(request.prompt_length);
                Task::Tokens { sampling, limit: request.max_tokens.min(left) }
            }
            Kind::Vector { .. } => Task::Vector,
        };
        let (events, receiver) = unbounded_channel();
        let flight = Flight {
            service: Arc::clone(self),
            signed: Signed::Given { signature: row.signature, delegate },
            hold,
            packed: row.prompt,
            stop: Vec::new(),
            created: row.created,
            listener: None,
            model: Arc::clone(&model),
            request,
        };
        let job = Job { agent: flight.request.account, prompt: tokens.into(), task, whole: true, events };
        if let Err(error) = model.runner.submit(job) {
            self.sealer.give_up(hash).await;
            return Err(error.into());
        }
        let service = Arc::clone(self);
        self.tasks.spawn(async move {
            match flight.follow(receiver).await {
                // At the next start it is run again.
                Ok(_) | Err(FlowError::Stopping) => {}
                Err(error) => {
                    tracing::warn!(%hash, %error, "a signed request was not executed");
                    service.sealer.give_up(hash).await;
                }
            }
            service.flying.end(&hash);
            // Nobody may be waiting.
            let _ = done.send(true);
        });
        Ok(())
    }

    /// docs/rollup.md, 6: the seed of the item.
    fn sampling(request: &Request, hash: Hash) -> Sampling {
        let s = &request.sampling;
        let seed = item_seed(request.seed, s, hash).0;
        Sampling { temperature: s.temperature, top_k: s.top_k, top_p: s.top_p, min_p: s.min_p, seed }
    }
}

/// What posting would refuse.
fn check(request: &Request, model: &Model) -> Result<(), FlowError> {
    if !sampling_is_signable(request) {
        return Err(bad(
            "temperature",
            "the sampling values are out of range, or a greedy request (temperature 0) has others than top_k 0, \
             top_p 65536, min_p 0, seed 0",
        ));
    }
    match model.kind {
        Kind::Vector { .. } if request.max_tokens != 0 || request.sampling.temperature != 0 => {
            Err(bad("max_tokens", "a vector has max_tokens 0 and is greedy"))
        }
        Kind::Tokens if request.max_tokens == 0 => Err(bad("max_tokens", "at least 1")),
        Kind::Tokens if request.prompt_length >= model.context => {
            Err(FlowError::Context { prompt: request.prompt_length as usize, context: model.context })
        }
        _ => Ok(()),
    }
}
