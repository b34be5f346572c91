//! A batch from entries and promised items.

use bisection::ledger::{Choice, Draft, Ledger, Opening, Parent, Registry, Step, inbox};

use super::cheat::Cheat;
use crate::ledger::{Hash, curve, decode_delegation, decode_request, decode_withdrawal};
use crate::store::{Promised, Signed};

/// An entry to be taken, with the output if it is a request that was executed.
pub(super) struct Taken {
    pub(super) entry: inbox::Entry,
    pub(super) output: Option<(u32, Vec<u8>)>,
}

/// What a batch is made of.
pub(super) struct Material<'a> {
    pub(super) registry: &'a Registry,
    pub(super) parent: Parent,
    /// In the state of the parent.
    pub(super) ledger: Ledger,
    pub(super) time: u64,
    pub(super) epoch: u32,
    pub(super) first_number: u64,
    pub(super) entries: &'a [Taken],
    pub(super) items: &'a [Promised],
    pub(super) cheat: Option<Cheat>,
}

/// A batch.
pub(super) struct Made {
    /// Batch hash.
    pub(super) hash: Hash,
    pub(super) bytes: Vec<u8>,
    /// Where it ends.
    pub(super) parent: Parent,
    pub(super) ledger: Ledger,
    /// Receipts whose items the ledger does not take.
    pub(super) left_out: Vec<u64>,
    /// It is not what was promised to accounts: items are left out, or cost something else.
    pub(super) differs: bool,
    pub(super) steps: usize,
    /// Something in it is wrong on purpose.
    pub(super) cheated: bool,
}

/// Makes a batch; `None` if nothing is left to be in it.
pub(super) fn make(material: Material<'_>) -> Result<Option<Made>, String> {
    let Material { registry, parent, ledger, time, epoch, first_number, entries, items, cheat } = material;
    let table = table(registry, entries, items, time);
    let fees = ledger.state().fees;
    let opening = Opening { time, epoch, first_number, table };
    let entry_fee = ledger.rules().entry_fee;
    let mut draft = Draft::new(registry, parent, ledger, opening).map_err(|e| e.to_string())?;
    let mut due = fees;
    for (index, taken) in (parent.cursor..).zip(entries) {
        due = due.saturating_add(entry_fees(taken, entry_fee));
        let step =
            entry_step(&draft, taken).ok_or_else(|| format!("the model of entry {index} has no price"))?;
        draft.push(step, &curve).map_err(|e| format!("entry {index}: {e}"))?;
    }
    let (mut left_out, mut cheat, mut cheated) = (Vec::new(), cheat, false);
    for item in items {
        let mut taken = false;
        if let Some(mut step) = item_step(&draft, item) {
            if let (Some(kind), Step::Inference { .. }) = (cheat, &step)
                && kind.spoil(&mut step, token_bits(registry, item).unwrap_or(0))
            {
                (cheat, cheated) = (None, true);
            }
            match draft.push(step, &curve) {
                Ok(_) => taken = true,
                Err(why) => {
                    tracing::warn!(number = item.number, %why, "the ledger does not take a promised item")
                }
            }
        }
        match (taken, &item.what) {
            (false, _) => left_out.push(item.number),
            (true, Signed::Inference { fee, .. }) => due = due.saturating_add(*fee),
            (true, _) => {}
        }
    }
    if draft.steps().is_empty() {
        return Ok(None);
    }
    let mut built = draft.finish().map_err(|e| e.to_string())?;
    let mut hash = built.replay.derived().batch_hash;
    if let Some(spoiled) = cheat.and_then(|kind| kind.spoil_root(registry, parent, &built)) {
        (hash, built.bytes) = spoiled;
        cheated = true;
    }
    let derived = built.replay.derived();
    let parent =
        Parent { root: derived.state_root, cursor: derived.cursor, inbox: built.batch.head.inbox_hash };
    let (bytes, steps) = (built.bytes, derived.steps.len());
    let ledger = built.replay.into_ledger();
    let differs = !left_out.is_empty() || ledger.state().fees != due;
    Ok(Some(Made { hash, bytes, parent, ledger, left_out, differs, steps, cheated }))
}

/// What an entry earns its proposer.
fn entry_fees(taken: &Taken, entry_fee: u128) -> u128 {
    match (&taken.entry, &taken.output) {
        (inbox::Entry::Deposit(_), _) | (inbox::Entry::Request(_), None) => 0,
        (inbox::Entry::Forced(_), _) => entry_fee,
        (inbox::Entry::Request(r), Some((length, _))) => {
            let tokens = u128::from(r.price_in) * u128::from(r.prompt_length)
                + u128::from(r.price_out) * u128::from((*length).min(r.max_tokens));
            entry_fee.saturating_add(tokens)
        }
    }
}

/// The models that are needed and have a price then.
fn table(registry: &Registry, entries: &[Taken], items: &[Promised], time: u64) -> Vec<Choice> {
    let of_entry = |taken: &Taken| match &taken.entry {
        inbox::Entry::Request(request) => Some(request.model),
        _ => None,
    };
    let mut models: Vec<Hash> = entries.iter().filter_map(of_entry).collect();
    models.extend(items.iter().filter_map(model));
    models.sort_unstable();
    models.dedup();
    let choice = |model| Some(Choice { model, version: registry.price_at(&model, time)?.0 });
    // Items of more models than a table holds are left out, and posted again.
    models.into_iter().filter_map(choice).take(255).collect()
}

fn model(item: &Promised) -> Option<Hash> {
    match &item.what {
        Signed::Inference { body, .. } => decode_request(body).map(|request| request.model),
        _ => None,
    }
}

fn token_bits(registry: &Registry, item: &Promised) -> Option<u8> {
    let model = registry.model(&model(item)?)?;
    (!model.vector).then_some(model.token_bits)
}

fn entry_step(draft: &Draft, taken: &Taken) -> Option<Step> {
    Some(match &taken.entry {
        inbox::Entry::Deposit(deposit) => Step::Deposit(*deposit),
        inbox::Entry::Forced(forced) => draft.forced(*forced),
        inbox::Entry::Request(request) => {
            let (output_length, output) = taken.output.clone().unwrap_or_default();
            let model = draft.model(&request.model)?;
            Step::Request { entry: *request, model, output_length, output }
        }
    })
}

/// `None` if its model has no price, or the store's bytes are none of it.
fn item_step(draft: &Draft, item: &Promised) -> Option<Step> {
    Some(match &item.what {
        Signed::Inference { body, delegated, signature, prompt, length, output, .. } => {
            let request = decode_request(body)?;
            let model = draft.model(&request.model)?;
            let (prompt, output) = (prompt.clone(), output.clone());
            Step::inference(&request, model, *delegated, *signature, prompt, *length, output)
        }
        Signed::Withdrawal { body, signature } => {
            Step::Withdrawal { order: decode_withdrawal(body)?, signature: *signature }
        }
        Signed::Delegation { body, signature } => {
            Step::Delegation { order: decode_delegation(body)?, signature: *signature }
        }
    })
}

/// Bytes that an item takes in a batch, its root included.
pub(super) fn item_bytes(item: &Promised) -> usize {
    match &item.what {
        Signed::Inference { prompt, output, .. } => 195 + prompt.len() + output.len(),
        Signed::Withdrawal { .. } => 153,
        Signed::Delegation { .. } => 201,
    }
}

/// The same of an entry.
pub(super) fn entry_bytes(taken: &Taken) -> usize {
    match &taken.entry {
        inbox::Entry::Request(_) => 206 + taken.output.as_ref().map_or(0, |(_, output)| output.len()),
        _ => 97,
    }
}
