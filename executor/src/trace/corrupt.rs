//! Traces that are wrong on purpose: what tests and `refute dispute --corrupt` play against.

use bisection::{Hash, tagged, tree};

use super::Subject;
use super::source::{Lie, Source, TraceError, Want};

/// A trace in which one place of one node's tree is another's: a chunk with one element changed and nothing computed
/// anew, or a made-up hash in the place of a subtree.
pub struct Corrupted<S> {
    of: S,
    node: u32,
    /// Height of the changed place; what lies below it is unchanged for a chunk and unknown for a subtree.
    height: u32,
    index: u64,
    chunk: Option<Vec<u8>>,
    lie: Option<Lie>,
    /// Hashes from the changed place up to the root.
    path: Vec<Hash>,
}

impl<S: Source> Corrupted<S> {
    /// One element says something else.
    pub fn element(mut of: S, lie: Lie) -> Result<Self, TraceError> {
        let tensor = of.subject().tensors.get(lie.node as usize).copied().ok_or(TraceError::NoAnswer)?;
        let at = tensor.address(lie.position, lie.element).ok_or(TraceError::NoAnswer)?;
        let hi = at.chunk.saturating_add(1);
        of.fetch(&[Want { node: lie.node, lo: at.chunk, hi, bytes: true }])?;
        let mut bytes = of.chunk(lie.node, at.chunk).ok_or(TraceError::NoAnswer)?;
        let mut element = Vec::new();
        tensor.shape.element.write(&[lie.value], &mut element);
        let start = element.len().saturating_mul(at.slot as usize);
        if let Some(to) = bytes.get_mut(start..start.saturating_add(element.len())) {
            to.copy_from_slice(&element);
        }
        let leaf = tree::chunk_hash(at.chunk, &bytes);
        let mut this = Self::at(of, lie.node, 0, at.chunk, leaf)?;
        this.chunk = Some(bytes);
        this.lie = Some(lie);
        Ok(this)
    }

    /// Nobody knows what is below a hash.
    pub fn garbage(mut of: S, node: u32, height: u32, index: u64) -> Result<Self, TraceError> {
        let lo = index.checked_shl(height).ok_or(TraceError::NoAnswer)?;
        of.fetch(&[Want { node, lo, hi: lo.saturating_add(1), bytes: false }])?;
        Self::at(of, node, height, index, tagged(b"rf.waste", &[&index.to_be_bytes()]))
    }

    /// A root that is not pad for a node without positions.
    pub fn bait(of: S, node: u32) -> Self {
        let path = vec![tagged(b"rf.waste", &[&node.to_be_bytes()])];
        Self { of, node, height: 0, index: 0, chunk: None, lie: None, path }
    }

    fn at(of: S, node: u32, height: u32, index: u64, hash: Hash) -> Result<Self, TraceError> {
        let chunks = of.subject().tensors.get(node as usize).map_or(0, |x| x.chunks());
        if index >= tree::width(chunks, height) {
            return Err(TraceError::NoAnswer);
        }
        let (mut path, mut i, mut own) = (vec![hash], index, hash);
        for h in height..tree::depth(chunks) {
            let sibling = i ^ 1;
            let other = if sibling < tree::width(chunks, h) {
                of.hash(node, h, sibling).ok_or(TraceError::NoAnswer)?
            } else {
                tree::pad()
            };
            own = if i & 1 == 0 { tree::node_hash(&own, &other) } else { tree::node_hash(&other, &own) };
            path.push(own);
            i >>= 1;
        }
        Ok(Self { of, node, height, index, chunk: None, lie: None, path })
    }

    /// Does a subtree lie below the changed place.
    fn covers(&self, node: u32, height: u32, index: u64) -> bool {
        let down = self.height.checked_sub(height);
        node == self.node && down.is_some_and(|down| index.checked_shr(down) == Some(self.index))
    }
}

impl<S: Source> Source for Corrupted<S> {
    fn subject(&self) -> &Subject {
        self.of.subject()
    }

    fn root(&self, node: u32) -> Hash {
        match self.path.last() {
            Some(root) if node == self.node => *root,
            _ => self.of.root(node),
        }
    }

    fn hash(&self, node: u32, height: u32, index: u64) -> Option<Hash> {
        let up = height.checked_sub(self.height);
        if node == self.node
            && let Some(up) = up
            && self.index.checked_shr(up).unwrap_or(0) == index
        {
            return self.path.get(up as usize).copied();
        }
        if self.covers(node, height, index) && self.chunk.is_none() {
            return None;
        }
        self.of.hash(node, height, index)
    }

    fn chunk(&self, node: u32, chunk: u64) -> Option<Vec<u8>> {
        if self.covers(node, 0, chunk) {
            return self.chunk.clone();
        }
        self.of.chunk(node, chunk)
    }

    fn fetch(&mut self, wants: &[Want]) -> Result<(), TraceError> {
        self.of.fetch(wants)
    }

    fn lie(&self) -> Option<Lie> {
        self.lie
    }
}
