//! A committed world around one operation: a program of a node over input nodes, constants, an item, and a trace that
//! holds given rows. The contract reads records and hashes, not validity, so any values can be asked about. All that is
//! committed and opened here is written from docs/protocol.md, 2 and 3, without the code that opens real traces.

use bisection::trace::Place;
use bisection::{Hash, proof, tagged, tree};
use executor::kernels::Sampling;
use executor::numerics::OutOfDomain;
use executor::program::op::Op;
use executor::program::{ConstantId, ConstantInfo, ElementType, Layout, Node, NodeId, Shape, record_hash};
use executor::trace::{
    Fault, Item, ModelHeader, Reader, Step, StepData, Stepped, Tensor, TensorAddress, pack_tokens, token_bits,
};

use super::twin::Committed;

const CHUNK: usize = 512;

/// A tree, from its leaves to its root.
struct Levels(Vec<Vec<Hash>>);

impl Levels {
    fn new(leaves: Vec<Hash>) -> Self {
        let mut levels = vec![leaves];
        while levels.last().unwrap().len() > 1 {
            levels.push(tree::parents(levels.last().unwrap()));
        }
        Self(levels)
    }

    fn of_bytes(chunks: &[Vec<u8>]) -> Self {
        Self::new((0..).zip(chunks).map(|(i, chunk)| tree::chunk_hash(i, chunk)).collect())
    }

    fn root(&self) -> Hash {
        self.0.last().unwrap().first().copied().unwrap_or_else(tree::pad)
    }

    /// What proves leaves `lo..hi`.
    fn proof(&self, lo: u64, hi: u64) -> Vec<Hash> {
        let siblings = proof::siblings(self.0[0].len() as u64, lo, hi).unwrap();
        siblings.into_iter().map(|(height, i)| self.0[height as usize][i as usize]).collect()
    }
}

fn bytes_of(element: ElementType, values: &[i64]) -> Vec<u8> {
    let (low, high) = element.limits();
    assert!(values.iter().all(|x| (low..=high).contains(x)));
    let mut bytes = Vec::new();
    element.write(values, &mut bytes);
    bytes
}

fn decode(element: ElementType, bytes: &[u8]) -> i64 {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let shift = 64 - 8 * bytes.len() as u32;
    match element {
        ElementType::U16 => i64::from_le_bytes(wide),
        _ => i64::from_le_bytes(wide) << shift >> shift,
    }
}

/// The shortest type that holds all values.
pub fn narrowest<'a>(values: impl IntoIterator<Item = &'a i64>) -> ElementType {
    use ElementType::{I8, I16, I32, I64};
    let values: Vec<i64> = values.into_iter().copied().collect();
    let holds = |t: &ElementType| values.iter().all(|x| (t.limits().0..=t.limits().1).contains(x));
    [I8, I16, I32, I64].into_iter().find(holds).unwrap()
}

/// A node's rows: `rows[i]` is that of position `first + i`; other positions hold what nobody should read.
pub struct Given {
    pub shape: Shape,
    pub first: u64,
    pub rows: Vec<Vec<i64>>,
}

struct Held {
    tensor: Tensor,
    chunks: Vec<Vec<u8>>,
    levels: Levels,
}

impl Held {
    fn new(given: &Given, item: &Item) -> Self {
        let tensor = Tensor::new(given.shape, item);
        let element = given.shape.element;
        let mut chunks: Vec<Vec<u8>> =
            (0..tensor.chunks()).map(|c| vec![0x55; tensor.chunk_len(c).unwrap() as usize]).collect();
        for (t, row) in (given.first..).zip(&given.rows) {
            assert_eq!(row.len() as u64, tensor.row(t), "a row of position {t}");
            for (e, bytes) in (0..).zip(bytes_of(element, row).chunks(element.size())) {
                let at = tensor.address(t, e).unwrap();
                let start = at.slot as usize * element.size();
                chunks[at.chunk as usize][start..start + element.size()].copy_from_slice(bytes);
            }
        }
        let levels = Levels::of_bytes(&chunks);
        Self { tensor, chunks, levels }
    }
}

struct Fixed {
    info: ConstantInfo,
    chunks: Vec<Vec<u8>>,
    levels: Levels,
}

impl Fixed {
    fn new(info: ConstantInfo, bytes: &[u8]) -> Self {
        let chunks: Vec<Vec<u8>> = bytes.chunks(CHUNK).map(<[u8]>::to_vec).collect();
        let levels = Levels::of_bytes(&chunks);
        Self { info, chunks, levels }
    }
}

/// What a world is made of.
pub struct Plan {
    pub op: Op,
    pub inputs: Vec<Given>,
    pub own: Given,
    pub constants: Vec<(ConstantInfo, Vec<u8>)>,
    pub sampling: Sampling,
    /// The position that is asked about; it is the first whose successor is an output token.
    pub position: u32,
    pub positions: u32,
    pub token: u32,
    /// Nodes and constants that nobody reads stand before, and one node after, so that indices and paths vary.
    pub before: u32,
}

/// A committed trace.
pub struct World {
    pub item: Item,
    pub node: Node,
    index: u32,
    header: ModelHeader,
    record: Vec<u8>,
    record_path: Vec<Hash>,
    held: Vec<Held>,
    roots: Levels,
    constants: Vec<Fixed>,
    constant_levels: Levels,
    prompt: Vec<u8>,
    output: Vec<u8>,
    position: u64,
}

const GONE: Fault = Fault::Domain(OutOfDomain("out of range"));

/// Where nothing is.
fn nothing() -> Shape {
    use executor::program::Width;
    use executor::program::op::Range;
    Shape { element: ElementType::I8, width: Width::Fixed(3), range: Range::Last, layout: Layout::Rows }
}

impl World {
    pub fn new(plan: Plan) -> Self {
        let Plan { op, inputs, own, constants, sampling, position, positions, token, before } = plan;
        let vocabulary = constants.first().map_or(2, |c| c.0.rows).max(token.saturating_add(1));
        let bits = token_bits(vocabulary);
        let mut prompt: Vec<u32> = (0..=position).map(|i| i % vocabulary).collect();
        *prompt.last_mut().unwrap() = token;
        let output: Vec<u32> = (position..positions).map(|i| i.wrapping_mul(7) % vocabulary).collect();
        let (prompt, output) = (pack_tokens(&prompt, bits), pack_tokens(&output, bits));
        // The constants.
        let spare = ConstantInfo { element: ElementType::I16, rows: 1, columns: 300, low: -1, high: 5 };
        let dummies = (0..before).map(|_| (spare, [1, 0].repeat(300)));
        let constants: Vec<Fixed> =
            dummies.chain(constants).map(|(info, bytes)| Fixed::new(info, &bytes)).collect();
        let leaf = |(i, c): (u64, &Fixed)| {
            let mut bytes = i.to_be_bytes().to_vec();
            c.info.encode(&mut bytes);
            tagged(b"rf.const", &[&bytes, &c.levels.root().0])
        };
        let constant_levels = Levels::new((0..).zip(&constants).map(leaf).collect());
        // The program.
        let index = before + inputs.len() as u32;
        let node = Node {
            op,
            range: own.shape.range,
            inputs: (before..index).map(NodeId).collect(),
            constants: (before..constants.len() as u32).map(ConstantId).collect(),
        };
        let mut record = Vec::new();
        node.encode(&mut record);
        for shape in [&own].into_iter().chain(&inputs).map(|given| given.shape) {
            record.extend(shape.encode());
        }
        let nodes = index + 2;
        let mut records: Vec<Hash> = (0..nodes).map(|i| record_hash(i, &i.to_be_bytes())).collect();
        records[index as usize] = record_hash(index, &record);
        let records = Levels::new(records);
        let header = ModelHeader {
            nodes,
            constants: constants.len() as u32,
            nodes_root: records.root(),
            constants_root: constant_levels.root(),
            interface_hash: tagged(b"rf.iface", &[b"whatever"]),
        };
        let item = Item {
            model_id: header.id(),
            vector: false,
            token_bits: bits,
            prompt_length: position + 1,
            output_length: positions - position,
            sampling,
            prompt_root: tree::tensor_root(&prompt),
            output_root: tree::tensor_root(&output),
        };
        assert_eq!(item.positions(), positions);
        // The trace.
        let dummy = || Given { shape: nothing(), first: 0, rows: vec![] };
        let given = (0..before).map(|_| dummy()).chain(inputs).chain([own, dummy()]);
        let held: Vec<Held> = given.map(|given| Held::new(&given, &item)).collect();
        let roots = Levels::new(held.iter().map(|h| h.levels.root()).collect());
        let record_path = records.proof(index.into(), u64::from(index) + 1);
        let position = position.into();
        Self {
            item,
            node,
            index,
            header,
            record,
            record_path,
            held,
            roots,
            constants,
            constant_levels,
            prompt,
            output,
            position,
        }
    }

    pub fn committed(&self) -> Committed {
        Committed { root: self.roots.root(), item: self.item.hash() }
    }

    fn own(&self) -> &Held {
        &self.held[self.index as usize]
    }

    /// Elements of the asked row.
    pub fn row(&self) -> u64 {
        self.own().tensor.row(self.position)
    }

    /// The place of an element of the asked row.
    pub fn place(&self, e: u64) -> Place {
        let TensorAddress { chunk, slot } = self.own().tensor.address(self.position, e).unwrap();
        Place::element(self.index, chunk, slot)
    }

    /// Runs something on the Rust step of an element; gives what it read as a witness.
    pub fn with<T>(
        &self,
        e: u64,
        claimed: i64,
        f: impl FnOnce(&Step<'_>, &mut dyn Reader) -> Stepped<T>,
    ) -> (Stepped<T>, StepData) {
        let inputs: Vec<Tensor> = self.node.inputs.iter().map(|x| self.held[x.index()].tensor).collect();
        let constants: Vec<ConstantInfo> =
            self.node.constants.iter().map(|c| self.constants[c.index()].info).collect();
        let step = Step {
            node: &self.node,
            tensor: self.own().tensor,
            inputs: &inputs,
            constants: &constants,
            item: &self.item,
            t: self.position,
            e,
            claimed,
        };
        let mut opener = Opener { of: self, witness: Vec::new(), outside: false };
        let y = f(&step, &mut opener);
        let y = if opener.outside { Err(GONE) } else { y };
        let data = StepData {
            item: self.item,
            model: self.header,
            record: self.record.clone(),
            path: self.record_path.clone(),
            position: self.position as u32,
            element: e as u32,
            witness: opener.witness,
        };
        (y, data)
    }
}

/// Reads a world and writes the openings of what it reads.
struct Opener<'a> {
    of: &'a World,
    witness: Vec<u8>,
    /// Was something read that is not there.
    outside: bool,
}

impl Opener<'_> {
    fn prove(&mut self, hashes: Vec<Hash>) {
        self.witness.extend(hashes.iter().flat_map(|hash| hash.0));
    }

    /// Elements in the slots from `a` to `b`, opened together.
    fn span(&mut self, node: NodeId, (t, a): (u64, u64), (u, b): (u64, u64)) -> Stepped<Vec<i64>> {
        let Held { tensor, chunks, levels } = &self.of.held[node.index()];
        let a = tensor.address(t, a).ok_or(GONE)?;
        let b = tensor.address(u, b).ok_or(GONE)?;
        let bytes = chunks[a.chunk as usize..=b.chunk as usize].concat();
        self.witness.extend(&bytes);
        self.prove(levels.proof(a.chunk, b.chunk + 1));
        self.prove(self.of.roots.proof(node.0.into(), u64::from(node.0) + 1));
        let size = tensor.size() as usize;
        let end = (b.chunk - a.chunk) as usize * CHUNK + (b.slot as usize + 1) * size;
        Ok(bytes[a.slot as usize * size..end].chunks(size).map(|x| decode(tensor.shape.element, x)).collect())
    }

    fn one(&mut self, node: NodeId, t: u64, e: u64) -> Stepped<i64> {
        Ok(self.span(node, (t, e), (t, e))?[0])
    }

    fn input(&self, k: usize) -> (NodeId, Tensor) {
        let node = self.of.node.inputs[k];
        (node, self.of.held[node.index()].tensor)
    }
}

impl Reader for Opener<'_> {
    fn row(&mut self, input: usize, t: u64, from: u64, count: u64) -> Stepped<Vec<i64>> {
        let (node, tensor) = self.input(input);
        let last = (from + count).checked_sub(1).ok_or(GONE)?;
        match tensor.shape.layout {
            Layout::Rows => self.span(node, (t, from), (t, last)),
            Layout::Columns => (from..=last).map(|e| self.one(node, t, e)).collect(),
        }
    }

    fn column(&mut self, input: usize, e: u64, from: u64, count: u64) -> Stepped<Vec<i64>> {
        let (node, tensor) = self.input(input);
        let end = from + count;
        if tensor.shape.layout == Layout::Rows {
            return (from..end).map(|t| self.one(node, t, e)).collect();
        }
        let (mut t, mut out) = (from, Vec::new());
        while t < end {
            let block = (t - tensor.first) / tensor.per();
            let next = (tensor.first + (block + 1) * tensor.per()).min(end);
            out.extend(self.span(node, (t, e), (next - 1, e))?);
            t = next;
        }
        Ok(out)
    }

    fn constant(&mut self, k: usize, from: u64, count: u64) -> Stepped<Vec<i64>> {
        let id = self.of.node.constants[k];
        let Fixed { info, chunks, levels } = &self.of.constants[id.index()];
        // Where nothing is, the nearest is opened, so that the contract refuses the address and not a short witness.
        let outside = from + count > info.len();
        let from = if outside { info.len() - count } else { from };
        self.outside |= outside;
        let size = info.element.size();
        let (start, end) = (from as usize * size, (from + count) as usize * size);
        let (lo, hi) = (start / CHUNK, end.div_ceil(CHUNK));
        let bytes = chunks[lo..hi].concat();
        info.encode(&mut self.witness);
        self.witness.extend(&bytes);
        self.prove(levels.proof(lo as u64, hi as u64));
        self.prove(self.of.constant_levels.proof(id.0.into(), u64::from(id.0) + 1));
        let elements = bytes[start - lo * CHUNK..end - lo * CHUNK].chunks(size);
        Ok(elements.map(|x| decode(info.element, x)).collect())
    }

    fn token(&mut self, t: u64) -> Stepped<i64> {
        let item = &self.of.item;
        let (i, packed) = match t.checked_sub(item.prompt_length.into()) {
            Some(i) => (i, &self.of.output),
            None => (t, &self.of.prompt),
        };
        let bits = u64::from(item.token_bits);
        let (start, end) = (i * bits, (i + 1) * bits);
        let chunks: Vec<Vec<u8>> = packed.chunks(CHUNK).map(<[u8]>::to_vec).collect();
        let (lo, hi) = (start as usize / 8 / CHUNK, (end as usize).div_ceil(8).div_ceil(CHUNK));
        self.witness.extend(chunks[lo..hi].concat());
        self.prove(Levels::of_bytes(&chunks).proof(lo as u64, hi as u64));
        let bit = |b: u64| i64::from(packed[(b / 8) as usize] >> (7 - b % 8) & 1);
        Ok((start..end).fold(0, |x, b| x << 1 | bit(b)))
    }

    fn own(&mut self, t: u64, e: u64) -> Stepped<i64> {
        self.one(NodeId(self.of.index), t, e)
    }
}
