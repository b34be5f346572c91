//! A trace as the game sees it, and the data of its steps.

use bisection::trace::{Layout as Lying, List, Place, Subtree, TensorShape, TraceProvider, Tree};
use bisection::{Hash, tree};

use super::constants::Constants;
use super::source::{Lie, Source, TraceError, Want};
use super::step::{Fault, Step, Stepped};
use super::witness::{TraceReader, lies_at};
use super::{Item, ModelHeader, Subject, Tensor, TensorAddress, liar, proof};
use crate::program::{ConstantInfo, Layout, Node};

/// A trace with its roots.
pub struct Trace<S> {
    source: S,
    /// Levels of the tree over the nodes' roots.
    roots: Vec<Vec<Hash>>,
    constants: Constants,
}

/// Which data of an element is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// A whole element in one step, or a segment without its finish.
    Step,
    /// The finish of a list.
    Finish,
}

/// Everything that a contract computes a step from: the fields of `StepData` in `contracts/src/Types.sol`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepData {
    /// The item's header.
    pub item: Item,
    /// What the item's model id is the hash of.
    pub model: ModelHeader,
    /// The node's record.
    pub record: Vec<u8>,
    /// Its path.
    pub path: Vec<Hash>,
    /// Position of the element.
    pub position: u32,
    /// Index of the element in its row.
    pub element: u32,
    /// The openings, in the order of the reads.
    pub witness: Vec<u8>,
}

/// What the steps of a node follow from.
struct Parts {
    node: Node,
    tensor: Tensor,
    inputs: Vec<Tensor>,
    constants: Vec<ConstantInfo>,
    item: Item,
}

impl Parts {
    fn step(&self, (t, e): (u64, u64), claimed: i64) -> Step<'_> {
        Step {
            node: &self.node,
            tensor: self.tensor,
            inputs: &self.inputs,
            constants: &self.constants,
            item: &self.item,
            t,
            e,
            claimed,
        }
    }
}

impl<S: Source> Trace<S> {
    /// Over all roots of a source.
    pub fn new(source: S) -> Self {
        let count = source.subject().tensors.len() as u32;
        let roots = proof::levels((0..count).map(|node| source.root(node)).collect());
        Self { source, roots, constants: Constants::default() }
    }

    /// The trace root.
    pub fn root(&self) -> Hash {
        self.roots.last().and_then(|top| top.first()).copied().unwrap_or_else(tree::pad)
    }

    /// What the trace is of.
    pub fn subject(&self) -> &Subject {
        self.source.subject()
    }

    /// Where chunks and hashes come from.
    pub fn into_source(self) -> S {
        self.source
    }

    fn parts(&self, node: u32) -> Result<Parts, TraceError> {
        let subject = self.source.subject();
        let (program, tensors) = (subject.model.program(), &subject.tensors);
        let i = node as usize;
        let (definition, tensor) = program.nodes.get(i).zip(tensors.get(i)).ok_or(TraceError::NoAnswer)?;
        Ok(Parts {
            node: definition.clone(),
            tensor: *tensor,
            inputs: definition.inputs.iter().filter_map(|x| tensors.get(x.index())).copied().collect(),
            constants: definition
                .constants
                .iter()
                .filter_map(|c| program.constants.get(c.index()))
                .copied()
                .collect(),
            item: subject.item,
        })
    }

    /// Runs something that reads the trace, fetching what is not at hand until nothing is missing.
    fn read<T>(
        &mut self,
        node: u32,
        opening: bool,
        read: impl Fn(&mut TraceReader<'_>) -> Stepped<T>,
    ) -> Result<(T, Vec<u8>), TraceError> {
        let definition = self.parts(node)?.node;
        let mut before: Vec<Want> = Vec::new();
        loop {
            let inputs = definition.clone();
            let constants = &mut self.constants;
            let mut reader = TraceReader::new(&self.source, constants, &self.roots, node, inputs, opening);
            let result = read(&mut reader);
            let missing = std::mem::take(&mut reader.missing);
            if missing.is_empty() {
                let witness = reader.into_witness();
                return result.map(|y| (y, witness)).map_err(|fault| TraceError::Step { node, fault });
            }
            if missing == before {
                return Err(TraceError::NoAnswer);
            }
            self.source.fetch(&missing)?;
            before = missing;
        }
    }

    /// Value of an element.
    pub fn value(&mut self, node: u32, t: u64, e: u64) -> Result<i64, TraceError> {
        Ok(self.read(node, false, |from| from.element(node, t, e))?.0)
    }

    fn element_of(&self, at: Place) -> Result<(u64, u64), TraceError> {
        let tensor = self.parts(at.node)?.tensor;
        let address = TensorAddress { chunk: at.chunk, slot: at.slot };
        tensor.element_at(address).ok_or(TraceError::NoAnswer)
    }

    /// What an element, or a segment of it, should be, from the values below it; and the witness of that.
    ///
    /// # Errors
    /// Where the trace below leaves the domain of the step: that is shown by no proof at all.
    pub fn step(&mut self, at: Place) -> Result<(i64, StepData), TraceError> {
        let place = self.element_of(at)?;
        let claimed = self.value(at.node, place.0, place.1)?;
        let parts = self.parts(at.node)?;
        let (value, witness) = self.read(at.node, true, |from| {
            let step = parts.step(place, claimed);
            if at.is_whole() { step.element(from) } else { step.partial(from, at.from.into(), at.to.into()) }
        })?;
        Ok((value, self.data(at.node, place, witness)))
    }

    /// The witness of a list: what its finish reads; nothing for the list of a segment.
    pub fn finish(&mut self, at: Place) -> Result<StepData, TraceError> {
        let place = self.element_of(at)?;
        if !at.is_whole() {
            return Ok(self.data(at.node, place, Vec::new()));
        }
        let parts = self.parts(at.node)?;
        let (_, witness) = self.read(at.node, true, |from| {
            // The reads do not depend on the total; a total out of its domain would only hide the answer.
            let reads = parts.step(place, 0).finish(from, 0);
            match reads {
                Err(Fault::Missing) => Err(Fault::Missing),
                _ => Ok(()),
            }
        })?;
        Ok(self.data(at.node, place, witness))
    }

    /// The data of a step or of a list's finish.
    pub fn witness(&mut self, at: Place, kind: StepKind) -> Result<StepData, TraceError> {
        match kind {
            StepKind::Step => Ok(self.step(at)?.1),
            StepKind::Finish => self.finish(at),
        }
    }

    /// The data that shows that output `index` is the published one.
    pub fn output(&mut self, index: u32) -> Result<StepData, TraceError> {
        let subject = self.source.subject();
        let node = subject.output_node().0;
        let place = subject.output_place(index);
        let mut interface = Vec::new();
        subject.model.program().interface.encode(&mut interface);
        let item = subject.item;
        let width = if item.vector { 32 } else { u64::from(item.token_bits) };
        let start = u64::from(index).saturating_mul(width);
        let (from, to) = (start >> 3, start.saturating_add(width).div_ceil(8));
        let (_, witness) = self.read(node, true, |reader| {
            reader.append(&(interface.len() as u32).to_be_bytes());
            reader.append(&interface);
            reader.element(node, place.0, place.1)?;
            reader.published(false, from as usize, to as usize)
        })?;
        Ok(self.data(node, place, witness))
    }

    fn data(&self, node: u32, (t, e): (u64, u64), witness: Vec<u8>) -> StepData {
        let subject = self.source.subject();
        let (record, path) = subject.record(node);
        StepData {
            item: subject.item,
            model: subject.header(),
            record,
            path,
            position: t as u32,
            element: e as u32,
            witness,
        }
    }

    /// Partial results of the segments of `a..b`.
    fn partials(&mut self, node: u32, place: (u64, u64), a: u64, b: u64) -> Result<Vec<i64>, TraceError> {
        let parts = self.parts(node)?;
        let most = parts.node.op.step_terms();
        let (entries, _) = self.read(node, false, |from| {
            let step = parts.step(place, 0);
            let segments = step.segments(a, b, most)?;
            segments.into_iter().map(|(a, b)| step.partial(from, a, b)).collect::<Stepped<Vec<i64>>>()
        })?;
        Ok(entries)
    }

    /// As [`Self::partials`], so that they amount to what a liar says of the element.
    fn told(&mut self, at: Place, place: (u64, u64), lie: Lie) -> Result<Vec<i64>, TraceError> {
        let parts = self.parts(at.node)?;
        let most = parts.node.op.step_terms();
        let step = parts.step(place, 0);
        let terms = step.terms().map_err(|fault| TraceError::Step { node: at.node, fault })?;
        let finish =
            |total: i128| self.read(at.node, false, |from| step.finish(from, total)).ok().map(|y| y.0);
        let total = liar::total(&parts.node.op, lie.value, finish).ok_or(TraceError::NoAnswer)?;
        let (mut a, mut b, mut total) = (0, terms, total);
        let (from, to) = if at.is_whole() { (0, terms) } else { (at.from.into(), at.to.into()) };
        loop {
            let honest = self.partials(at.node, place, a, b)?;
            let entries =
                liar::entries(parts.node.op.combine(), honest, total).ok_or(TraceError::NoAnswer)?;
            if (a, b) == (from, to) {
                return Ok(entries);
            }
            let segments =
                step.segments(a, b, most).map_err(|fault| TraceError::Step { node: at.node, fault })?;
            let inside = segments.into_iter().zip(entries).find(|((a, b), _)| *a <= from && to <= *b);
            let ((next_a, next_b), entry) = inside.ok_or(TraceError::NoAnswer)?;
            if (next_a, next_b) == (a, b) {
                return Err(TraceError::NoAnswer);
            }
            (a, b, total) = (next_a, next_b, entry.into());
        }
    }
}

impl<S: Source> TraceProvider for Trace<S> {
    type Error = TraceError;

    fn nodes(&self) -> u32 {
        self.source.subject().tensors.len() as u32
    }

    fn tensor(&self, node: u32) -> Result<TensorShape, TraceError> {
        let tensor = self.parts(node)?.tensor;
        let layout = match tensor.shape.layout {
            Layout::Rows => Lying::Rows { bytes: tensor.bytes() },
            Layout::Columns => Lying::Columns { count: tensor.count, width: tensor.row(0) },
        };
        Ok(TensorShape { layout, size: tensor.size() as u32, signed: true })
    }

    fn hash(&mut self, at: Subtree) -> Result<Hash, TraceError> {
        let found = match at.tree {
            Tree::Nodes => {
                let level = self.roots.get(at.height as usize);
                level.zip(usize::try_from(at.index).ok()).and_then(|(level, i)| level.get(i)).copied()
            }
            Tree::Chunks { node } => {
                let chunks = self.parts(node)?.tensor.chunks();
                if chunks == 0 {
                    return Ok(tree::pad());
                }
                if self.source.hash(node, at.height, at.index).is_none() {
                    self.source.fetch(&[below(node, at, chunks)])?;
                }
                self.source.hash(node, at.height, at.index)
            }
        };
        found.ok_or(TraceError::NoAnswer)
    }

    fn children(&mut self, at: Subtree, levels: u32) -> Result<Vec<Hash>, TraceError> {
        let leaves = match at.tree {
            Tree::Nodes => self.nodes().into(),
            Tree::Chunks { node } => self.parts(node)?.tensor.chunks(),
        };
        let (first, count) = at.below(levels, leaves);
        let height = at.height.saturating_sub(levels);
        if let Tree::Chunks { node } = at.tree
            && (first..first.saturating_add(count)).any(|i| self.source.hash(node, height, i).is_none())
        {
            // One run for all of them.
            self.source.fetch(&[below(node, at, leaves)])?;
        }
        let child = |index| self.hash(Subtree { tree: at.tree, height, index });
        (first..first.saturating_add(count)).map(child).collect()
    }

    fn chunk(&mut self, node: u32, chunk: u64) -> Result<Vec<u8>, TraceError> {
        if self.source.chunk(node, chunk).is_none() {
            self.source.fetch(&[Want { node, lo: chunk, hi: chunk.saturating_add(1), bytes: true }])?;
        }
        self.source.chunk(node, chunk).ok_or(TraceError::NoAnswer)
    }

    fn list(&mut self, at: Place) -> Result<Option<List>, TraceError> {
        let place = self.element_of(at)?;
        let parts = self.parts(at.node)?;
        let fault = |fault| TraceError::Step { node: at.node, fault };
        let most = parts.node.op.step_terms();
        let terms = parts.step(place, 0).terms().map_err(fault)?;
        let (a, b) = if at.is_whole() { (0, terms) } else { (at.from.into(), at.to.into()) };
        if b.saturating_sub(a) <= most {
            return Ok(None);
        }
        let entries = match lies_at(self.source.lie(), at.node, place) {
            Some(lie) => self.told(at, place, lie)?,
            None => self.partials(at.node, place, a, b)?,
        };
        let segment = super::segment_terms(b.saturating_sub(a), most);
        Ok(Some(List { entries, segment: segment as u32, end: b as u32 }))
    }

    fn wrong_output(&mut self) -> Result<Option<u32>, TraceError> {
        let subject = self.source.subject();
        let published = subject.published();
        let node = subject.output_node().0;
        let width = subject.tensors.get(node as usize).map_or(0, |x| x.row(x.first));
        if subject.item.vector && published.len() as u64 != width {
            // No vector of another length is the model's: whichever element is asked for, there is no proof.
            return Ok(Some(0));
        }
        let places: Vec<(u64, u64)> =
            (0u32..).take(published.len()).map(|i| subject.output_place(i)).collect();
        let (values, _) = self.read(node, false, |from| {
            places.iter().map(|(t, e)| from.element(node, *t, *e)).collect::<Stepped<Vec<i64>>>()
        })?;
        let wrong = (0u32..).zip(values.iter().zip(&published)).find(|(_, (ours, theirs))| ours != theirs);
        Ok(wrong.map(|(i, _)| i))
    }
}

/// The leaves under a subtree; their bytes too where they are few enough to be asked for next.
fn below(node: u32, at: Subtree, chunks: u64) -> Want {
    let span = 1u64.checked_shl(at.height).unwrap_or(u64::MAX);
    let lo = at.index.saturating_mul(span);
    let hi = lo.saturating_add(span).min(chunks);
    Want { node, lo, hi, bytes: hi.saturating_sub(lo) <= 8192 }
}
