//! What a step reads, from a trace: values, and the openings that prove them. docs/protocol.md, 3.

use bisection::tree::CHUNK;
use bisection::{Hash, tree};

use super::constants::Constants;
use super::source::{Lie, Source, Want};
use super::step::{Fault, Reader, Stepped};
use super::{Tensor, proof};
use crate::numerics::OutOfDomain;
use crate::program::{ElementType, Layout, Node};

const GONE: OutOfDomain = OutOfDomain("an opening");

/// Reads a trace for the steps of one node. What is not at hand is read as zeros and noted, so that one run of the
/// model can fetch all of it.
pub(super) struct TraceReader<'a> {
    source: &'a dyn Source,
    constants: &'a mut Constants,
    /// Levels of the tree over the nodes' roots.
    roots: &'a [Vec<Hash>],
    node: u32,
    inputs: Node,
    /// The openings so far, if they are wanted.
    witness: Option<Vec<u8>>,
    pub(super) missing: Vec<Want>,
}

/// An element of stored bytes.
pub(super) fn decode(element: ElementType, bytes: &[u8]) -> i64 {
    let mut wide = [0; 8];
    for (to, from) in wide.iter_mut().zip(bytes) {
        *to = *from;
    }
    let x = i64::from_le_bytes(wide);
    match element {
        ElementType::I8 => i64::from(x as i8),
        ElementType::I16 => i64::from(x as i16),
        ElementType::I32 => i64::from(x as i32),
        ElementType::I64 | ElementType::U16 => x,
    }
}

impl<'a> TraceReader<'a> {
    pub(super) fn new(
        source: &'a dyn Source,
        constants: &'a mut Constants,
        roots: &'a [Vec<Hash>],
        node: u32,
        inputs: Node,
        opening: bool,
    ) -> Self {
        Self { source, constants, roots, node, inputs, witness: opening.then(Vec::new), missing: Vec::new() }
    }

    /// The openings, in the order of the reads.
    pub(super) fn into_witness(self) -> Vec<u8> {
        self.witness.unwrap_or_default()
    }

    /// Appends what is no opening.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        if let Some(witness) = &mut self.witness {
            witness.extend(bytes);
        }
    }

    fn tensor(&self, node: u32) -> Stepped<Tensor> {
        self.source.subject().tensors.get(node as usize).copied().ok_or(GONE.into())
    }

    /// Node of an input.
    fn input(&self, k: usize) -> Stepped<u32> {
        self.inputs.inputs.get(k).map(|node| node.0).ok_or(GONE.into())
    }

    /// The bytes of chunks `lo..hi`, which are opened together.
    fn open(&mut self, node: u32, lo: u64, hi: u64) -> Stepped<Vec<u8>> {
        let tensor = self.tensor(node)?;
        let mut bytes = Vec::new();
        let mut proof = Vec::new();
        let mut missing = false;
        for chunk in lo..hi {
            let length = tensor.chunk_len(chunk).ok_or(GONE)? as usize;
            match self.source.chunk(node, chunk) {
                Some(chunk) => bytes.extend(chunk),
                None => {
                    missing = true;
                    bytes.resize(bytes.len().saturating_add(length), 0);
                }
            }
        }
        if self.witness.is_some() {
            let siblings = bisection::proof::siblings(tensor.chunks(), lo, hi).map_err(|_| GONE)?;
            for (height, i) in siblings {
                match self.source.hash(node, height, i) {
                    Some(hash) => proof.push(hash),
                    None => missing = true,
                }
            }
            proof.extend(proof::path(self.roots, node.into()).ok_or(GONE)?);
        }
        if missing {
            self.missing.push(Want { node, lo, hi, bytes: true });
        }
        if let Some(witness) = &mut self.witness {
            witness.extend(&bytes);
            witness.extend(proof.iter().flat_map(|hash| hash.0));
        }
        Ok(bytes)
    }

    /// One opening for elements that lie in consecutive slots.
    fn span(&mut self, node: u32, tensor: &Tensor, first: (u64, u64), last: (u64, u64)) -> Stepped<Vec<i64>> {
        let (a, b) = (tensor.address(first.0, first.1), tensor.address(last.0, last.1));
        let (a, b) = (a.ok_or(GONE)?, b.ok_or(GONE)?);
        let bytes = self.open(node, a.chunk, b.chunk.saturating_add(1))?;
        let size = tensor.size() as usize;
        let start = size.saturating_mul(a.slot as usize);
        let before = b.chunk.saturating_sub(a.chunk).saturating_mul(CHUNK as u64) as usize;
        let end = before.saturating_add(size.saturating_mul((b.slot as usize).saturating_add(1)));
        let elements = bytes.get(start..end).ok_or(GONE)?.chunks_exact(size);
        Ok(elements.map(|x| decode(tensor.shape.element, x)).collect())
    }

    /// One element of a node's row.
    pub(super) fn element(&mut self, node: u32, t: u64, e: u64) -> Stepped<i64> {
        let tensor = self.tensor(node)?;
        self.span(node, &tensor, (t, e), (t, e))?.first().copied().ok_or(GONE.into())
    }

    /// Bytes `from..to` of the published tokens or vector, with their opening.
    pub(super) fn published(&mut self, of_prompt: bool, from: usize, to: usize) -> Stepped<Vec<u8>> {
        let bytes = self.source.subject().published_bytes(of_prompt);
        let wanted = bytes.get(from..to).ok_or(GONE)?.to_vec();
        let lo = from.checked_div(CHUNK).unwrap_or(0);
        let hi = to.div_ceil(CHUNK);
        let opened = bytes.chunks(CHUNK).skip(lo).take(hi.saturating_sub(lo)).flatten().copied();
        let opened: Vec<u8> = opened.collect();
        if let Some(witness) = &mut self.witness {
            let levels = proof::levels(tree::chunk_hashes(0, bytes.chunks(CHUNK)));
            let siblings = proof::range(&levels, lo as u64, hi as u64).ok_or(GONE)?;
            witness.extend(opened);
            witness.extend(siblings.iter().flat_map(|hash| hash.0));
        }
        Ok(wanted)
    }
}

impl Reader for TraceReader<'_> {
    fn row(&mut self, input: usize, t: u64, from: u64, count: u64) -> Stepped<Vec<i64>> {
        let node = self.input(input)?;
        let tensor = self.tensor(node)?;
        let end = from.checked_add(count).filter(|end| *end > from).ok_or(GONE)?;
        if tensor.shape.layout == Layout::Columns {
            return (from..end).map(|e| self.element(node, t, e)).collect();
        }
        self.span(node, &tensor, (t, from), (t, end.saturating_sub(1)))
    }

    fn column(&mut self, input: usize, e: u64, from: u64, count: u64) -> Stepped<Vec<i64>> {
        let node = self.input(input)?;
        let tensor = self.tensor(node)?;
        let end = from.checked_add(count).filter(|end| *end > from).ok_or(GONE)?;
        if tensor.shape.layout == Layout::Rows {
            return (from..end).map(|t| self.element(node, t, e)).collect();
        }
        let mut out = Vec::new();
        let mut t = from;
        while t < end {
            let into = t.checked_sub(tensor.first).and_then(|i| i.checked_rem(tensor.per())).ok_or(GONE)?;
            let last = t.saturating_add(tensor.per().saturating_sub(into)).min(end).saturating_sub(1);
            out.extend(self.span(node, &tensor, (t, e), (last, e))?);
            t = last.saturating_add(1);
        }
        Ok(out)
    }

    fn constant(&mut self, k: usize, from: u64, count: u64) -> Stepped<Vec<i64>> {
        let id = *self.inputs.constants.get(k).ok_or(GONE)?;
        let subject = self.source.subject();
        if let Some(witness) = &mut self.witness {
            self.constants.open(subject, id, from, count, witness)?;
        }
        self.constants.values(subject, id, from, count)
    }

    fn token(&mut self, t: u64) -> Stepped<i64> {
        let item = self.source.subject().item;
        let of_prompt = t < u64::from(item.prompt_length);
        let i = if of_prompt { t } else { t.saturating_sub(item.prompt_length.into()) };
        let start = i.checked_mul(item.token_bits.into()).ok_or(GONE)?;
        let end = start.saturating_add(item.token_bits.into());
        let (from, to) = (start >> 3, end.div_ceil(8));
        let bytes = self.published(of_prompt, from as usize, to as usize)?;
        let stream = bytes.iter().fold(0u64, |acc, byte| (acc << 8) | u64::from(*byte));
        let excess = to.saturating_mul(8).saturating_sub(end);
        let mask = 1u64.checked_shl(item.token_bits.into()).unwrap_or(0).wrapping_sub(1);
        Ok(((stream >> excess) & mask) as i64)
    }

    fn own(&mut self, t: u64, e: u64) -> Stepped<i64> {
        self.element(self.node, t, e)
    }
}

/// Does a lie change what stands at a place.
pub(super) fn lies_at(lie: Option<Lie>, node: u32, (t, e): (u64, u64)) -> Option<Lie> {
    lie.filter(|lie| lie.node == node && (lie.position, lie.element) == (t, e))
}

impl From<Fault> for OutOfDomain {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Domain(outside) => outside,
            Fault::Missing => GONE,
        }
    }
}
