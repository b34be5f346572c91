//! Checks a step as a contract does: from roots, an item and bytes, and nothing else of the trace.

use bisection::trace::Place;
use bisection::tree::{CHUNK, chunk_hash};
use bisection::{Hash, proof, tagged, tree};
use executor::program::{ConstantInfo, ElementType, Layout, NodeInfo, Program, record_hash};
use executor::trace::{Fault, Item, Reader, Step, StepData, Stepped, Tensor, TensorAddress};

/// What the witness of a step says.
pub struct Verifier<'a> {
    pub program: &'a Program,
    pub infos: &'a [NodeInfo],
    pub trace_root: Hash,
    pub item: Item,
}

struct Openings<'a> {
    of: &'a Verifier<'a>,
    data: &'a StepData,
    node: u32,
    rest: &'a [u8],
}

fn take<'a>(rest: &mut &'a [u8], n: usize) -> Stepped<&'a [u8]> {
    let (now, later) = rest.split_at_checked(n).ok_or(Fault::Missing)?;
    *rest = later;
    Ok(now)
}

fn hashes(rest: &mut &[u8], n: u64) -> Stepped<Vec<Hash>> {
    Ok(take(rest, 32 * n as usize)?.chunks(32).map(|h| Hash(h.try_into().unwrap())).collect())
}

fn ensure(ok: bool) -> Stepped<()> {
    if ok { Ok(()) } else { Err(Fault::Missing) }
}

fn value(element: ElementType, bytes: &[u8]) -> i64 {
    match (element, bytes) {
        (ElementType::I8, [a]) => i64::from(*a as i8),
        (ElementType::I16, [a, b]) => i64::from(i16::from_le_bytes([*a, *b])),
        (ElementType::U16, [a, b]) => i64::from(u16::from_le_bytes([*a, *b])),
        (ElementType::I32, bytes) => i64::from(i32::from_le_bytes(bytes.try_into().unwrap())),
        (_, bytes) => i64::from_le_bytes(bytes.try_into().unwrap()),
    }
}

impl Openings<'_> {
    /// Bytes of consecutive chunks and the root that they and their proof amount to.
    fn range(&mut self, lo: u64, lengths: &[usize], count: u64) -> Stepped<(Vec<u8>, Hash)> {
        let bytes = take(&mut self.rest, lengths.iter().sum())?.to_vec();
        let hi = lo + lengths.len() as u64;
        let siblings = hashes(&mut self.rest, proof::range_len(count, lo, hi))?;
        let mut at = bytes.as_slice();
        let mut leaves = Vec::new();
        for (i, length) in (lo..).zip(lengths) {
            leaves.push(chunk_hash(i, take(&mut at, *length)?));
        }
        let root = proof::range_root(count, lo, hi, leaves, &mut siblings.into_iter());
        Ok((bytes, root.map_err(|_| Fault::Missing)?))
    }

    fn path(&mut self, leaf: Hash, index: u64, count: u64) -> Stepped<Hash> {
        let siblings = hashes(&mut self.rest, proof::path_len(count, index))?;
        proof::path_root(count, index, leaf, &mut siblings.into_iter()).map_err(|_| Fault::Missing)
    }

    fn elements(&mut self, node: u32, from: (u64, u64), to: (u64, u64)) -> Stepped<Vec<i64>> {
        let tensor = Tensor::new(self.of.infos[node as usize].shape(), &self.of.item);
        let (a, b) = (tensor.address(from.0, from.1), tensor.address(to.0, to.1));
        let (a, b) = (a.ok_or(Fault::Missing)?, b.ok_or(Fault::Missing)?);
        let lengths: Vec<usize> =
            (a.chunk..=b.chunk).map(|c| tensor.chunk_len(c).unwrap() as usize).collect();
        let (bytes, root) = self.range(a.chunk, &lengths, tensor.chunks())?;
        let nodes = self.of.program.nodes.len() as u64;
        ensure(self.path(root, node.into(), nodes)? == self.of.trace_root)?;
        let size = tensor.size() as usize;
        let end = (b.chunk - a.chunk) as usize * CHUNK + (b.slot as usize + 1) * size;
        let elements = bytes[a.slot as usize * size..end].chunks(size);
        Ok(elements.map(|x| value(tensor.shape.element, x)).collect())
    }

    fn input(&self, k: usize) -> (u32, Tensor) {
        let node = self.of.program.nodes[self.node as usize].inputs[k];
        (node.0, Tensor::new(self.of.infos[node.index()].shape(), &self.of.item))
    }

    /// Bits of what was published.
    fn bits(&mut self, of_prompt: bool, start: u64, width: u64, total: u64) -> Stepped<u64> {
        let bytes = total.div_ceil(8);
        let (lo, hi) = (start / 8 / CHUNK as u64, (start + width).div_ceil(8).div_ceil(CHUNK as u64));
        let length = |c: u64| (bytes - c * CHUNK as u64).min(CHUNK as u64) as usize;
        let lengths: Vec<usize> = (lo..hi).map(length).collect();
        let (bytes, root) = self.range(lo, &lengths, bytes.div_ceil(CHUNK as u64))?;
        ensure(root == if of_prompt { self.of.item.prompt_root } else { self.of.item.output_root })?;
        let bit = |i: u64| u64::from(bytes[(i / 8) as usize] >> (7 - i % 8) & 1);
        let first = start - lo * 8 * CHUNK as u64;
        Ok((first..first + width).fold(0, |acc, i| acc << 1 | bit(i)))
    }
}

impl Reader for Openings<'_> {
    fn row(&mut self, input: usize, t: u64, from: u64, count: u64) -> Stepped<Vec<i64>> {
        let (node, tensor) = self.input(input);
        if tensor.shape.layout == Layout::Columns {
            return (from..from + count).map(|e| Ok(self.elements(node, (t, e), (t, e))?[0])).collect();
        }
        self.elements(node, (t, from), (t, from + count - 1))
    }

    fn column(&mut self, input: usize, e: u64, from: u64, count: u64) -> Stepped<Vec<i64>> {
        let (node, tensor) = self.input(input);
        let per = if tensor.shape.layout == Layout::Columns { tensor.per() } else { 1 };
        let (mut out, mut t) = (Vec::new(), from);
        while t < from + count {
            let last = ((t - tensor.first) / per * per + per - 1 + tensor.first).min(from + count - 1);
            out.extend(self.elements(node, (t, e), (last, e))?);
            t = last + 1;
        }
        Ok(out)
    }

    fn constant(&mut self, k: usize, from: u64, count: u64) -> Stepped<Vec<i64>> {
        let id = self.of.program.nodes[self.node as usize].constants[k];
        let info: ConstantInfo = self.of.program.constants[id.index()];
        let mut encoding = Vec::new();
        info.encode(&mut encoding);
        ensure(take(&mut self.rest, encoding.len())? == encoding)?;
        let size = info.element.size();
        let total = info.len() * size as u64;
        let (start, end) = (from * size as u64, (from + count) * size as u64);
        ensure(end <= total)?;
        let (lo, hi) = (start / CHUNK as u64, end.div_ceil(CHUNK as u64));
        let length = |c: u64| (total - c * CHUNK as u64).min(CHUNK as u64) as usize;
        let lengths: Vec<usize> = (lo..hi).map(length).collect();
        let (bytes, root) = self.range(lo, &lengths, total.div_ceil(CHUNK as u64))?;
        let leaf = tagged(b"rf.const", &[&u64::from(id.0).to_be_bytes(), &encoding, &root.0]);
        let constants = self.data.model.constants;
        ensure(self.path(leaf, id.0.into(), constants.into())? == self.data.model.constants_root)?;
        let first = (start - lo * CHUNK as u64) as usize;
        let elements = bytes[first..][..(end - start) as usize].chunks(size);
        Ok(elements.map(|x| value(info.element, x)).collect())
    }

    fn token(&mut self, t: u64) -> Stepped<i64> {
        let item = self.of.item;
        let (bits, prompt) = (u64::from(item.token_bits), u64::from(item.prompt_length));
        let token = if t < prompt {
            self.bits(true, t * bits, bits, prompt * bits)?
        } else {
            self.bits(false, (t - prompt) * bits, bits, u64::from(item.output_length) * bits)?
        };
        Ok(token as i64)
    }

    fn own(&mut self, t: u64, e: u64) -> Stepped<i64> {
        Ok(self.elements(self.node, (t, e), (t, e))?[0])
    }
}

impl Verifier<'_> {
    /// Header and record belong to the item's model, position and element to the place.
    fn check(&self, node: u32, data: &StepData) -> Tensor {
        assert_eq!(data.item, self.item);
        assert_eq!(data.model.id(), self.item.model_id);
        assert_eq!(data.model.nodes as usize, self.program.nodes.len());
        let i = node as usize;
        assert_eq!(data.record, self.program.nodes[i].record(i, self.infos));
        let leaf = record_hash(node, &data.record);
        let mut path = data.path.iter().copied();
        let root = proof::path_root(data.model.nodes.into(), node.into(), leaf, &mut path);
        assert_eq!((root, path.next()), (Ok(data.model.nodes_root), None));
        Tensor::new(self.infos[i].shape(), &self.item)
    }

    fn with<T>(
        &self,
        at: Place,
        claimed: i64,
        data: &StepData,
        f: impl Fn(&Step<'_>, &mut dyn Reader) -> Stepped<T>,
    ) -> Stepped<T> {
        let tensor = self.check(at.node, data);
        let address = TensorAddress { chunk: at.chunk, slot: at.slot };
        let place = tensor.element_at(address).unwrap();
        assert_eq!(place, (data.position.into(), data.element.into()));
        let node = &self.program.nodes[at.node as usize];
        let shape = |x: &executor::program::NodeId| Tensor::new(self.infos[x.index()].shape(), &self.item);
        let inputs: Vec<Tensor> = node.inputs.iter().map(shape).collect();
        let constants: Vec<ConstantInfo> =
            node.constants.iter().map(|c| self.program.constants[c.index()]).collect();
        let step = Step {
            node,
            tensor,
            inputs: &inputs,
            constants: &constants,
            item: &self.item,
            t: place.0,
            e: place.1,
            claimed,
        };
        let mut openings = Openings { of: self, data, node: at.node, rest: &data.witness };
        let y = f(&step, &mut openings)?;
        ensure(openings.rest.is_empty())?;
        Ok(y)
    }

    /// The value of an element or of a segment of it.
    pub fn step(&self, at: Place, claimed: i64, data: &StepData) -> Stepped<i64> {
        self.with(at, claimed, data, |step, from| {
            let terms = step.terms()?;
            let (a, b) = if at.is_whole() { (0, terms) } else { (at.from.into(), at.to.into()) };
            assert!(b - a <= step.node.op.step_terms(), "a step of {} terms", b - a);
            let y = step.partial(from, a, b)?;
            if at.is_whole() { step.finish(from, y.into()) } else { Ok(y) }
        })
    }

    /// What a list amounts to.
    pub fn combine(&self, at: Place, entries: &[i64], data: &StepData) -> Stepped<i128> {
        self.with(at, 0, data, |step, from| {
            let total = step.combine(entries)?;
            if at.is_whole() { Ok(step.finish(from, total)?.into()) } else { Ok(total) }
        })
    }

    /// Is output `index` as published what the trace says.
    pub fn output(&self, node: u32, at: (u64, u64), index: u32, data: &StepData) -> Stepped<bool> {
        self.check(node, data);
        let mut from = Openings { of: self, data, node, rest: &data.witness };
        let length = u32::from_be_bytes(take(&mut from.rest, 4)?.try_into().unwrap());
        let interface = take(&mut from.rest, length as usize)?;
        ensure(tagged(b"rf.iface", &[interface]) == data.model.interface_hash)?;
        let ours = from.elements(node, at, at)?[0];
        let item = self.item;
        let width = if item.vector { 32 } else { u64::from(item.token_bits) };
        let bits =
            from.bits(false, u64::from(index) * width, width, u64::from(item.output_length) * width)?;
        ensure(from.rest.is_empty())?;
        let theirs = if item.vector { i64::from((bits as u32).swap_bytes() as i32) } else { bits as i64 };
        Ok(ours == theirs)
    }

    /// Root over the opened children of a tree, as a contract recomputes it.
    pub fn parent(children: Vec<Hash>, levels: u32) -> Hash {
        tree::subtree_root(children, levels)
    }
}
