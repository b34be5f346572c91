//! What the rollup's contracts say in their logs, and how a block's are kept.

use alloy::primitives::{Address, B256, Bytes};
use alloy::sol_types::{SolCall, SolEvent, SolValue};
use bindings::assertions::Assertions;
use bindings::batches::Batches;
use bindings::deployment::Contracts;
use bindings::dispute_game::DisputeGame;
use bindings::exits::Exits;
use bindings::inbox::Inbox;
use bindings::l1::{Block, L1, L1Error};
use bindings::model_registry::ModelRegistry;
use bindings::step_game::StepGame;
use bisection::ledger::inbox::{Entry, L1Request, Transfer};
use bisection::ledger::{Model, Price};
use executor::trace::token_bits;

use crate::ledger::{Fields, Hash, Sampling};
use crate::store::{BlockRow, StoreError};

/// Something of the rollup happened on L1.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// The inbox has another entry; a request comes with its packed prompt.
    Entered { index: u64, entry: Entry, prompt: Vec<u8> },
    /// A model is known.
    Announced { model: Hash, is: Model },
    /// A model has another price.
    Priced { model: Hash, price: Price },
    /// A batch was posted.
    Posted(Box<Assertion>),
    /// An assertion is final.
    Confirmed(Hash),
    /// An assertion was refuted.
    Rejected(Hash),
    /// A game about an assertion was opened.
    Asked { assertion: Hash, game: B256 },
    /// Its challenger lost.
    Answered(B256),
    /// The stake of a void assertion went back.
    Reclaimed(Hash),
    /// An assertion's fees were paid.
    FeesPaid(Hash),
}

/// A posted batch.
#[derive(Clone, Debug)]
pub(super) struct Assertion {
    pub(super) id: Hash,
    pub(super) parent: Hash,
    pub(super) proposer: Address,
    pub(super) height: u64,
    pub(super) batch: Hash,
    pub(super) state_root: Hash,
    pub(super) cursor: u64,
    pub(super) epoch: u32,
    /// The next number in the epoch.
    pub(super) next_number: u64,
    /// The batch; nothing if it was not found.
    pub(super) data: Vec<u8>,
}

/// Address, topics, data, and the batch if it is of a posting.
type Raw = (Address, Vec<B256>, Bytes, Bytes);

/// Reads the logs of a block, with the data of what was posted in it.
pub(super) async fn read_block(node: &L1, at: &Contracts, block: &Block) -> Result<BlockRow, L1Error> {
    let of = [at.inbox, at.registry, at.assertions, at.batches, at.dispute_game, at.step_game, at.exits];
    let logs = node.logs(block.hash, &of).await?;
    let mut raws: Vec<Raw> = Vec::with_capacity(logs.len());
    for log in &logs {
        let topics = log.topics().to_vec();
        let mut batch = Bytes::new();
        if log.address() == at.assertions
            && topics.first() == Some(&Assertions::AssertionPosted::SIGNATURE_HASH)
        {
            // Whoever is no plain account has the data in a log of the same block.
            let logged = logs.iter().filter(|other| other.address() == at.batches).find_map(|other| {
                let event = Batches::BatchData::decode_log(&other.inner).ok()?;
                (Some(&event.assertion) == topics.get(1)).then(|| event.data.data.clone())
            });
            batch = match (logged, log.transaction_hash) {
                (Some(data), _) => data,
                (None, Some(transaction)) => {
                    let calldata = node.calldata(transaction).await?.unwrap_or_default();
                    Batches::postCall::abi_decode(&calldata).map(|call| call.data).unwrap_or_default()
                }
                (None, None) => Bytes::new(),
            };
        }
        raws.push((log.address(), topics, log.data().data.clone(), batch));
    }
    let logs = if raws.is_empty() { Vec::new() } else { raws.abi_encode() };
    Ok(BlockRow { number: block.number, hash: block.hash.0, parent: block.parent.0, time: block.time, logs })
}

/// What happened in a block, in order.
pub(super) fn events(at: &Contracts, row: &BlockRow) -> Result<Vec<Event>, StoreError> {
    if row.logs.is_empty() {
        return Ok(Vec::new());
    }
    let raws = Vec::<Raw>::abi_decode(&row.logs).map_err(|_| StoreError::Damaged("a block of L1"))?;
    Ok(raws.into_iter().filter_map(|raw| event(at, raw)).collect())
}

/// `None` for what nobody here needs.
fn event(at: &Contracts, (address, topics, data, batch): Raw) -> Option<Event> {
    let kind = *topics.first()?;
    let topics = || topics.iter().copied();
    macro_rules! decode {
        ($event:ty) => {
            <$event>::decode_raw_log(topics(), &data).ok()?
        };
    }
    let hash = |word: B256| Hash(word.0);
    match kind {
        Inbox::Entered::SIGNATURE_HASH if address == at.inbox => {
            let event = decode!(Inbox::Entered);
            let entry = entry(&event.entry)?;
            Some(Event::Entered { index: event.index, entry, prompt: event.prompt.to_vec() })
        }
        ModelRegistry::ModelAnnounced::SIGNATURE_HASH if address == at.registry => {
            let event = decode!(ModelRegistry::ModelAnnounced);
            let mut from = Fields(&event.encoded);
            let (vocabulary, context, [kind]) = (from.u32()?, from.u32()?, from.take::<1>()?);
            let is = Model { vector: kind == 1, token_bits: token_bits(vocabulary), context, vocabulary };
            Some(Event::Announced { model: hash(event.model), is })
        }
        ModelRegistry::PriceScheduled::SIGNATURE_HASH if address == at.registry => {
            let event = decode!(ModelRegistry::PriceScheduled);
            let price = Price { from: event.from, price_in: event.priceIn, price_out: event.priceOut };
            Some(Event::Priced { model: hash(event.model), price })
        }
        Assertions::AssertionPosted::SIGNATURE_HASH if address == at.assertions => {
            let event = decode!(Assertions::AssertionPosted);
            let d = event.derived;
            let signed = u64::from(d.steps).saturating_sub(d.entries.into());
            Some(Event::Posted(Box::new(Assertion {
                id: hash(event.assertion),
                parent: hash(event.parent),
                proposer: event.proposer,
                height: event.height.try_into().ok()?,
                batch: hash(d.batchHash),
                state_root: hash(d.stateRoot),
                cursor: d.cursor,
                epoch: d.epoch,
                next_number: d.firstNumber.saturating_add(signed),
                data: batch.to_vec(),
            })))
        }
        Assertions::AssertionConfirmed::SIGNATURE_HASH if address == at.assertions => {
            Some(Event::Confirmed(hash(decode!(Assertions::AssertionConfirmed).assertion)))
        }
        Assertions::AssertionRejected::SIGNATURE_HASH if address == at.assertions => {
            Some(Event::Rejected(hash(decode!(Assertions::AssertionRejected).assertion)))
        }
        Assertions::Reclaimed::SIGNATURE_HASH if address == at.assertions => {
            Some(Event::Reclaimed(hash(decode!(Assertions::Reclaimed).assertion)))
        }
        Exits::FeesPaid::SIGNATURE_HASH if address == at.exits => {
            Some(Event::FeesPaid(hash(decode!(Exits::FeesPaid).assertion)))
        }
        DisputeGame::Challenged::SIGNATURE_HASH if address == at.dispute_game => {
            let event = decode!(DisputeGame::Challenged);
            Some(Event::Asked { assertion: hash(event.assertion), game: event.id })
        }
        DisputeGame::ChallengerLost::SIGNATURE_HASH if address == at.dispute_game => {
            Some(Event::Answered(decode!(DisputeGame::ChallengerLost).id))
        }
        StepGame::Challenged::SIGNATURE_HASH if address == at.step_game => {
            let event = decode!(StepGame::Challenged);
            Some(Event::Asked { assertion: hash(event.assertion), game: event.key })
        }
        StepGame::ChallengerLost::SIGNATURE_HASH if address == at.step_game => {
            Some(Event::Answered(decode!(StepGame::ChallengerLost).key))
        }
        _ => None,
    }
}

/// An entry as the inbox logs it: F of docs/rollup.md, 8.2.
pub(super) fn entry(bytes: &[u8]) -> Option<Entry> {
    let mut from = Fields(bytes);
    let [op] = from.take()?;
    let entry = match op {
        0 | 1 => {
            let transfer = Transfer {
                time: from.u64()?,
                account: from.u32()?,
                owner: from.take()?,
                amount: from.u128()?,
            };
            if op == 0 { Entry::Deposit(transfer) } else { Entry::Forced(transfer) }
        }
        2 => Entry::Request(L1Request {
            time: from.u64()?,
            sender: from.take()?,
            model: from.word()?,
            prompt: from.word()?,
            prompt_length: from.u32()?,
            max_tokens: from.u32()?,
            sampling: Sampling {
                temperature: from.u32()?,
                top_k: from.u32()?,
                top_p: from.u32()?,
                min_p: from.u32()?,
            },
            seed: from.word()?,
            price_in: from.u64()?,
            price_out: from.u64()?,
            callback_gas: from.u32()?,
        }),
        _ => return None,
    };
    from.end(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back() {
        let transfer = Transfer { time: 1, account: 2, owner: [3; 20], amount: 4 };
        let request = L1Request {
            time: 1,
            sender: [2; 20],
            model: Hash([3; 32]),
            prompt: Hash([4; 32]),
            prompt_length: 5,
            max_tokens: 6,
            sampling: Sampling { temperature: 7, top_k: 8, top_p: 9, min_p: 10 },
            seed: Hash([11; 32]),
            price_in: 12,
            price_out: 13,
            callback_gas: 14,
        };
        for case in [Entry::Deposit(transfer), Entry::Forced(transfer), Entry::Request(request)] {
            assert_eq!(entry(&case.encode()), Some(case));
            assert_eq!(entry(&case.encode()[1..]), None);
        }
        assert_eq!(entry(&[9]), None);
    }
}
