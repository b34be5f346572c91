//! Reading a posted batch, with every check of docs/rollup.md, 8.4 that needs nothing but data, models and parent.

use super::batch::{Batch, Choice, Head, Posted, Step, VERSION};
use super::body::{self, Inference};
use super::inbox::{self, L1Request, Transfer};
use super::models::{Line, Model};
use super::packed::{below, byte_length, tight};
use super::refused::{Fault, Refused};
use super::request::{Delegation, Sampling, Withdrawal};
use super::rules::Context;
use super::wire::Reader;
use crate::hash::Hash;

/// Most steps of a batch.
pub(super) const MAX_STEPS: u64 = 65_535;

impl Context<'_> {
    /// The batch of some bytes.
    ///
    /// # Errors
    /// Whatever would make posting revert, but what depends on L1 at that moment ([`super::Posting`]).
    pub fn decode(&self, bytes: &[u8]) -> Result<Batch, Refused> {
        let from = &mut Reader::new(bytes);
        let (mut head, models, signed) = read_head(from)?;
        let to = self.parent.cursor.saturating_add(MAX_STEPS);
        let refused = Refused::Cursor { from: self.parent.cursor, to };
        let entries = head.cursor.checked_sub(self.parent.cursor).ok_or(refused)?;
        let steps = entries.saturating_add(signed.into());
        if !(1..=MAX_STEPS).contains(&steps) {
            return Err(Refused::StepCount(steps));
        }
        for _ in 0..models {
            let choice = |from: &mut Reader| Some(Choice { model: from.hash()?, version: from.u32()? });
            head.table.push(choice(from).ok_or(Refused::ShortHead)?);
        }
        let reading = Reading {
            lines: &self.registry.lines(&head.table, head.time)?,
            time: head.time,
            expire: self.rules.expire,
        };
        let mut batch = Batch { head, steps: Vec::new() };
        let mut acc = self.parent.inbox;
        for (step, index) in (0u32..).zip(self.parent.cursor..batch.head.cursor) {
            let posted = reading.posted(from, true).map_err(|fault| Refused::Step { step, fault })?;
            acc = posted.step.entry().map_or(acc, |entry| inbox::accumulate(acc, entry.hash(index)));
            batch.steps.push(posted);
        }
        if acc != batch.head.inbox_hash {
            return Err(Refused::Entries { due: acc });
        }
        for step in (0u32..).skip(batch.steps.len()).take(signed.into()) {
            batch.steps.push(reading.posted(from, false).map_err(|fault| Refused::Step { step, fault })?);
        }
        match from.left() {
            0 => Ok(batch),
            left => Err(Refused::Leftover(left as u64)),
        }
    }
}

/// The head without its table, the number of models, the number of signed items.
fn read_head(from: &mut Reader) -> Result<(Head, u8, u16), Refused> {
    let version = from.u8().ok_or(Refused::ShortHead)?;
    if version != VERSION {
        return Err(Refused::Version(version));
    }
    let head = |from: &mut Reader| {
        let head = Head {
            time: from.u64()?,
            epoch: from.u32()?,
            first_number: from.u64()?,
            cursor: from.u64()?,
            inbox_hash: from.hash()?,
            table: Vec::new(),
        };
        Some((head, from.u8()?, from.u16()?))
    };
    head(from).ok_or(Refused::ShortHead)
}

/// What steps are read with.
pub(super) struct Reading<'a> {
    pub(super) lines: &'a [Line],
    pub(super) time: u64,
    pub(super) expire: u64,
}

impl Reading<'_> {
    fn posted(&self, from: &mut Reader, entry: bool) -> Result<Posted, Fault> {
        Ok(Posted { root: from.hash().ok_or(Fault::Short)?, step: self.step(from, entry)? })
    }

    /// One step, of the first part or the second.
    pub(super) fn step(&self, from: &mut Reader, entry: bool) -> Result<Step, Fault> {
        let op = from.u8().ok_or(Fault::Short)?;
        match (entry, op) {
            (true, body::DEPOSIT) => Transfer::read(from).map(Step::Deposit).ok_or(Fault::Short),
            (true, body::FORCED) => forced(from).ok_or(Fault::Short),
            (true, body::L1_REQUEST) => self.request(from),
            (false, body::INFERENCE) => self.inference(from),
            (false, body::WITHDRAWAL) => withdrawal(from).ok_or(Fault::Short),
            (false, body::DELEGATION) => delegation(from).ok_or(Fault::Short),
            _ => Err(Fault::Op(op)),
        }
    }

    fn request(&self, from: &mut Reader) -> Result<Step, Fault> {
        let fields = |from: &mut Reader| Some((L1Request::read(from)?, from.u8()?, from.u32()?));
        let (entry, model, output_length) = fields(from).ok_or(Fault::Short)?;
        let line = self.line(model)?;
        if line.id != entry.model {
            return Err(Fault::Model);
        }
        if output_length == 0 {
            let due = u128::from(entry.time).saturating_add(self.expire.into());
            if due > u128::from(self.time) {
                return Err(Fault::Young { due });
            }
            return Ok(Step::Request { entry, model, output_length, output: Vec::new() });
        }
        lengths(&line.model, entry.prompt_length, output_length, entry.max_tokens)?;
        let output = take_packed(from, output_length, output_bits(&line.model))?;
        Ok(Step::Request { entry, model, output_length, output })
    }

    fn inference(&self, from: &mut Reader) -> Result<Step, Fault> {
        let call = Inference::read(from).ok_or(Fault::Short)?;
        let model = self.line(call.model)?.model;
        let (sampling, seed) = sampling(from, call.flags, model.vector)?;
        lengths(&model, call.prompt_length, call.output_length, call.max_tokens)?;
        let prompt = take_packed(from, call.prompt_length, model.token_bits)?;
        below(&prompt, call.prompt_length, model.token_bits, model.vocabulary)?;
        let output = take_packed(from, call.output_length, output_bits(&model))?;
        Ok(Step::Inference { call, sampling, seed, prompt, output })
    }

    pub(super) fn line(&self, index: u8) -> Result<&Line, Fault> {
        self.lines.get(usize::from(index)).ok_or(Fault::Model)
    }
}

fn forced(from: &mut Reader) -> Option<Step> {
    Some(Step::Forced { entry: Transfer::read(from)?, paid: from.u128()? })
}

fn withdrawal(from: &mut Reader) -> Option<Step> {
    Some(Step::Withdrawal { order: Withdrawal::read(from)?, signature: from.signature()? })
}

fn delegation(from: &mut Reader) -> Option<Step> {
    Some(Step::Delegation { order: Delegation::read(from)?, signature: from.signature()? })
}

/// Sampling values and seed as the flags say.
fn sampling(from: &mut Reader, flags: u8, vector: bool) -> Result<(Sampling, Hash), Fault> {
    let (sampled, seeded) = (flags & Inference::SAMPLED != 0, flags & Inference::SEEDED != 0);
    if flags > 7 || seeded && !sampled || vector && sampled {
        return Err(Fault::Flags(flags));
    }
    if !sampled {
        return Ok((Sampling::GREEDY, Hash::default()));
    }
    let sampling = Sampling::read(from).ok_or(Fault::Short)?;
    if !sampling.is_sampled() {
        return Err(Fault::Sampling);
    }
    let seed = if seeded { from.hash().ok_or(Fault::Short)? } else { Hash::default() };
    if seeded && seed == Hash::default() {
        return Err(Fault::Seed);
    }
    Ok((sampling, seed))
}

/// Has every item a position, can a model run it, and is it no longer than was asked for.
fn lengths(model: &Model, prompt: u32, output: u32, max_tokens: u32) -> Result<(), Fault> {
    let positions = if model.vector { 0 } else { u64::from(output) }.saturating_add(prompt.into());
    let allowed = if model.vector { max_tokens == 0 } else { output <= max_tokens };
    if prompt >= 1 && output >= 1 && allowed && positions <= u64::from(model.context) {
        Ok(())
    } else {
        Err(Fault::Length)
    }
}

/// Bits of an element of the output.
pub(super) fn output_bits(model: &Model) -> u8 {
    if model.vector { 32 } else { model.token_bits }
}

fn take_packed(from: &mut Reader, count: u32, bits: u8) -> Result<Vec<u8>, Fault> {
    let length = usize::try_from(byte_length(count, bits)).map_err(|_| Fault::Short)?;
    let packed = from.take(length).ok_or(Fault::Short)?;
    tight(packed, count, bits)?;
    Ok(packed.to_vec())
}
