//! Hashes and signatures of a group, away from the threads that answer.

use std::sync::Arc;

use alloy::primitives::Address;
use alloy::signers::local::Secp256k1Signer;

use super::{Executed, Sealed, Signed};
use crate::engine::root;
use crate::ledger::{Domain, Hash, Receipt, encode_request, sign as sign_digest};
use crate::store::{Inferred, Numbered, Received};

/// Jobs of one portion: smaller ones are not worth another thread's wake-up.
const PORTION: usize = 8;

/// What is the same for a whole group.
#[derive(Clone)]
pub(super) struct Pen {
    pub(super) domain: Domain,
    pub(super) signer: Arc<Secp256k1Signer>,
    pub(super) proposer: Address,
    pub(super) epoch: u32,
    pub(super) deadline: u64,
}

/// An item that has its number.
pub(super) struct Draft {
    pub(super) number: u64,
    pub(super) payee: Address,
    pub(super) fee: u128,
    pub(super) what: What,
}

pub(super) enum What {
    Inference(Box<Executed>),
    Withdrawal { hash: Hash },
    Delegation { hash: Hash },
}

/// An item that is ready to be stored.
pub(super) struct Ready {
    pub(super) sealed: Sealed,
    pub(super) numbered: Numbered,
    pub(super) inferred: Option<Inferred>,
}

/// Signs all of them, on as many threads as it is worth.
pub(super) async fn sign(pen: &Pen, mut drafts: Vec<Draft>) -> Result<Vec<Ready>, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let size = drafts.len().div_ceil(threads).max(PORTION);
    let mut portions = Vec::new();
    while !drafts.is_empty() {
        let rest = drafts.split_off(size.min(drafts.len()));
        let (portion, pen) = (std::mem::replace(&mut drafts, rest), pen.clone());
        portions.push(tokio::task::spawn_blocking(move || {
            portion.into_iter().map(|draft| pen.sign(draft)).collect::<Result<Vec<_>, _>>()
        }));
    }
    let mut ready = Vec::new();
    for portion in portions {
        ready.extend(portion.await.map_err(|e| e.to_string())??);
    }
    Ok(ready)
}

impl Pen {
    fn sign(&self, draft: Draft) -> Result<Ready, String> {
        let Draft { number, payee, fee, what } = draft;
        let op = match &what {
            What::Inference(_) => 3,
            What::Withdrawal { .. } => 4,
            What::Delegation { .. } => 5,
        };
        let (request, output, inferred) = match what {
            What::Withdrawal { hash } | What::Delegation { hash } => (hash, Hash::default(), None),
            What::Inference(executed) => {
                let hash = executed.request.digest(&self.domain);
                let (signature, delegated) = match &executed.signed {
                    Signed::ByKey(key) => (sign_digest(key, &hash)?, true),
                    Signed::Given { signature, delegate } => (*signature, delegate.is_some()),
                };
                let output = executed.output.pack(executed.token_bits);
                let root = root(&output);
                let request = Received {
                    hash: hash.0,
                    account: executed.request.account,
                    delegated,
                    body: encode_request(&executed.request),
                    prompt: executed.prompt,
                    signature,
                    created: executed.created,
                };
                let (length, finish) = (executed.output.length(), executed.finish);
                (hash, root, Some(Inferred { request, number, length, output, fee, finish }))
            }
        };
        let receipt = Receipt {
            proposer: self.proposer.0.0,
            epoch: self.epoch,
            number,
            request,
            output,
            deadline: self.deadline,
            payee: payee.0.0,
        };
        let signature = sign_digest(&self.signer, &receipt.digest(&self.domain))?;
        let numbered = Numbered {
            number,
            op,
            request: request.0,
            root: output.0,
            deadline: self.deadline,
            payee: payee.0.0,
            signature,
        };
        Ok(Ready { sealed: Sealed { receipt, signature, fee }, numbered, inferred })
    }
}
