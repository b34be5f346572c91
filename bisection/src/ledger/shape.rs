//! The Shape question: does an output end where it should, at one token. docs/rollup.md, 10.3.

use super::batch::Step;
use super::body::Body;
use super::derive::DerivedStep;
use super::item::ItemHeader;
use super::packed::{bits_at, byte_length, token};
use super::wire::Reader;
pub use super::witness::Unproven;
use crate::hash::{Hash, tagged};
use crate::proof::{range, range_len, range_root};
use crate::tree::{CHUNK, chunk_hash, chunk_hashes};

/// What a model's id is the hash of, as far as this question reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelProof {
    /// Nodes of the program.
    pub nodes: u32,
    /// Constants of the program.
    pub constants: u32,
    /// Root of the node records.
    pub nodes_root: Hash,
    /// Root of the constants.
    pub constants_root: Hash,
    /// Encoding of the interface: 85 bytes, and 4 a stop token.
    pub interface: Vec<u8>,
}

/// Bytes of an interface without stop tokens, and where their number lies in it.
const FACE: usize = 85;
const STOPS: usize = 81;

impl ModelProof {
    /// The model's id.
    pub fn id(&self) -> Hash {
        tagged(b"rf.model", &[&self.header()])
    }

    /// Vocabulary, context, stop tokens; `None` if that is no interface.
    pub fn face(&self) -> Option<Face> {
        Face::read(&self.interface)
    }

    /// 104 bytes.
    fn header(&self) -> Vec<u8> {
        let mut out = self.nodes.to_be_bytes().to_vec();
        out.extend(self.constants.to_be_bytes());
        out.extend(self.nodes_root.0);
        out.extend(self.constants_root.0);
        out.extend(tagged(b"rf.iface", &[&self.interface]).0);
        out
    }
}

/// What an interface says of outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Face {
    /// Tokens that exist.
    pub vocabulary: u32,
    /// Most positions.
    pub context: u32,
    /// Tokens that end an output.
    pub stops: Vec<u32>,
}

impl Face {
    fn read(interface: &[u8]) -> Option<Self> {
        let from = &mut Reader::new(interface);
        let (vocabulary, context) = (from.u32()?, from.u32()?);
        from.take(STOPS.checked_sub(8)?)?;
        let count = from.u32()?;
        let stops = (0..count).map(|_| from.u32()).collect::<Option<_>>()?;
        from.clone().end(Self { vocabulary, context, stops })
    }

    /// Is a token of an output in its place: it exists, and it is a stop token or the one at the longest length exactly if it is
    /// the last.
    ///
    /// # Errors
    /// How not.
    pub fn check(
        &self,
        header: &ItemHeader,
        max_tokens: u32,
        index: u32,
        token: u32,
    ) -> Result<(), Unproven> {
        let stop = self.stops.contains(&token);
        // None for a prompt beyond the context, which posting refuses.
        let longest = self.context.checked_sub(header.prompt_length).map(|room| room.min(max_tokens));
        let last = index.saturating_add(1) >= header.output_length;
        match (last, stop) {
            _ if token >= self.vocabulary => Err(Unproven::NoToken(token)),
            (false, true) => Err(Unproven::RunsOn(token)),
            (true, _) if longest.is_none() => Err(Unproven::EndsEarly(token)),
            (true, false) if longest != Some(header.output_length) => Err(Unproven::EndsEarly(token)),
            _ => Ok(()),
        }
    }
}

/// The first token of a step's output that has no proof, which is the one to ask about; `None` if the output ends where it
/// should, or is not one of tokens.
pub fn wrong(step: &DerivedStep, posted: &Step, face: &Face) -> Option<u32> {
    let (header, output) = (step.header.filter(|header| !header.vector)?, posted.output()?);
    let max_tokens = max_tokens(&step.leaf.body)?;
    let in_place = |index: u32| {
        let token = token(output, header.token_bits, index);
        token.is_some_and(|token| face.check(&header, max_tokens, index, token).is_ok())
    };
    (0..header.output_length).find(|index| !in_place(*index))
}

/// The witness about a token of a step: nothing, if it has no item; the item's header; and, if there is such a token, the model
/// and the token's opening. `None` if these are not the step's output and model.
pub fn make(step: &DerivedStep, posted: &Step, model: &ModelProof, index: u32) -> Option<Vec<u8>> {
    let Some(header) = step.header else { return Some(Vec::new()) };
    let mut out = header.encode();
    if header.vector || index >= header.output_length {
        return Some(out);
    }
    if model.id() != header.model {
        return None;
    }
    out.extend(model.header());
    out.extend(&model.interface);
    let at = Opening::of(&header, index)?;
    let output = posted.output()?;
    let chunks =
        output.chunks(CHUNK).skip(usize::try_from(at.lo).ok()?).take(usize::try_from(at.width()).ok()?);
    chunks.for_each(|chunk| out.extend(chunk));
    let proof = range(chunk_hashes(0, output.chunks(CHUNK)), at.lo, at.hi).ok()?;
    proof.iter().for_each(|sibling| out.extend(sibling.0));
    Some(out)
}

/// Is an output right at a token, or was there nothing to ask, as the contract decides it.
///
/// # Errors
/// Why not.
pub fn check(body: &Body, index: u32, witness: &[u8]) -> Result<(), Unproven> {
    let mut from = Reader::new(witness);
    let Some((item, max_tokens)) = body.item().zip(max_tokens(body)) else {
        return from.end(()).ok_or(Unproven::Length);
    };
    let header = from.take(ItemHeader::BYTES).ok_or(Unproven::Length)?;
    let header = ItemHeader::read(&mut Reader::new(header)).ok_or(Unproven::Item)?;
    if header.hash() != item {
        return Err(Unproven::Item);
    }
    if header.vector || index >= header.output_length {
        return from.end(()).ok_or(Unproven::Length);
    }
    let face = read_model(&mut from, header.model)?;
    let at = Opening::of(&header, index).ok_or(Unproven::Output)?;
    let bytes = at.read(&mut from, header.output_root)?;
    from.end(()).ok_or(Unproven::Length)?;
    let token = bits_at(bytes, at.bit, header.token_bits).ok_or(Unproven::Output)?;
    face.check(&header, max_tokens, index, token)
}

/// Most tokens that an inference asked for.
fn max_tokens(body: &Body) -> Option<u32> {
    match body {
        Body::Request { entry, .. } => Some(entry.max_tokens),
        Body::Inference { call, .. } => Some(call.max_tokens),
        _ => None,
    }
}

/// Model header and interface, whose length follows from its number of stop tokens.
fn read_model(from: &mut Reader, id: Hash) -> Result<Face, Unproven> {
    let model = |from: &mut Reader| {
        let (nodes, constants) = (from.u32()?, from.u32()?);
        let (nodes_root, constants_root, interface_hash) = (from.hash()?, from.hash()?, from.hash()?);
        let mut ahead = from.clone();
        ahead.take(STOPS)?;
        let stops = usize::try_from(ahead.u32()?).ok()?;
        let interface = from.take(FACE.checked_add(stops.checked_mul(4)?)?)?.to_vec();
        Some((ModelProof { nodes, constants, nodes_root, constants_root, interface }, interface_hash))
    };
    let (model, interface_hash) = model(from).ok_or(Unproven::Length)?;
    if model.id() != id || tagged(b"rf.iface", &[&model.interface]) != interface_hash {
        return Err(Unproven::Model);
    }
    model.face().ok_or(Unproven::Model)
}

/// Where a token lies in its output.
struct Opening {
    /// Chunks that it touches: one or two.
    lo: u64,
    hi: u64,
    /// Chunks and bytes of the output.
    chunks: u64,
    bytes: u64,
    /// Its first bit, from the first of those chunks on.
    bit: u64,
}

impl Opening {
    fn of(header: &ItemHeader, index: u32) -> Option<Self> {
        let (bits, bytes) =
            (u64::from(header.token_bits), byte_length(header.output_length, header.token_bits));
        let per = (CHUNK as u64).checked_mul(8)?;
        let first = u64::from(index).checked_mul(bits)?;
        let last = first.checked_add(bits)?.checked_sub(1)?;
        let (lo, hi) = (first.checked_div(per)?, last.checked_div(per)?.checked_add(1)?);
        Some(Self { lo, hi, chunks: bytes.div_ceil(CHUNK as u64), bytes, bit: first.checked_rem(per)? })
    }

    fn width(&self) -> u64 {
        self.hi.saturating_sub(self.lo)
    }

    /// The bytes of its chunks, which lead to the root.
    fn read<'a>(&self, from: &mut Reader<'a>, root: Hash) -> Result<&'a [u8], Unproven> {
        let end = self.hi.saturating_mul(CHUNK as u64).min(self.bytes);
        let length = end.saturating_sub(self.lo.saturating_mul(CHUNK as u64));
        let length = usize::try_from(length).map_err(|_| Unproven::Length)?;
        let bytes = from.take(length).ok_or(Unproven::Length)?;
        let leaves = (self.lo..).zip(bytes.chunks(CHUNK)).map(|(i, chunk)| chunk_hash(i, chunk)).collect();
        let siblings = (0..range_len(self.chunks, self.lo, self.hi)).map(|_| from.hash());
        let siblings: Vec<Hash> = siblings.collect::<Option<_>>().ok_or(Unproven::Length)?;
        let found = range_root(self.chunks, self.lo, self.hi, leaves, &mut siblings.into_iter());
        if found == Ok(root) { Ok(bytes) } else { Err(Unproven::Output) }
    }
}
