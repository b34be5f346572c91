//! A toy machine: a few nodes of small integers that has everything that the game must cope with, and ways to lie.
//!
//! `embed` of tokens in rows; `scale`, elementwise, in columns; `sum`, a reduction over all of a node so far whose finish adds,
//! halves and saturates, too long for one step, its segments too; `cumsum`, which reads its own row; a node
//! without positions; `sample`, whose values are the published tokens.

pub(crate) mod lies;
mod referee;

use std::collections::BTreeMap;
use std::rc::Rc;

use bisection::trace::{Layout, List, Place, Subtree, TensorShape, TraceProvider, Tree};
use bisection::{Hash, tree};

pub(crate) use referee::Referee;

/// Most terms of one step.
const STEP: u32 = 2;
/// Most entries of a list.
const FAN: u32 = 3;
/// Where `sum` saturates.
const LIMIT: i64 = 60;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
    Embed,
    Scale { of: u32 },
    Sum { of: u32, bias: u32 },
    Cumsum { of: u32 },
    Void,
    Sample { of: u32 },
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) width: u32,
    pub(crate) size: u32,
    pub(crate) columns: bool,
}

/// Nodes, and the tokens that are published with every item.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) nodes: Vec<Node>,
    pub(crate) prompt: u32,
    pub(crate) vocabulary: i64,
}

impl Program {
    /// Six nodes. `width` is that of the node in columns, so that its tree can be made deep.
    pub(crate) fn small(width: u32, prompt: u32) -> Rc<Self> {
        let node = |op, width, size, columns| Node { op, width, size, columns };
        Rc::new(Self {
            nodes: vec![
                node(Op::Embed, 4, 2, false),
                node(Op::Scale { of: 0 }, width, 4, true),
                node(Op::Sum { of: 0, bias: 1 }, 1, 1, false),
                node(Op::Cumsum { of: 2 }, 3, 8, false),
                node(Op::Void, 2, 4, true),
                node(Op::Sample { of: 3 }, 1, 4, false),
            ],
            prompt,
            vocabulary: 7,
        })
    }

    /// As [`Program::small`], but a chain of `more` further nodes before the last, so that the tree of nodes is deep.
    pub(crate) fn large(more: u32, prompt: u32) -> Rc<Self> {
        let mut program = (*Self::small(70, prompt)).clone();
        let sample = program.nodes.pop().unwrap();
        for i in 0..more {
            let op = [Op::Cumsum { of: 3 }, Op::Void, Op::Scale { of: 2 }][i as usize % 3];
            program.nodes.push(Node { op, width: 2, size: 8, columns: i % 3 == 2 });
        }
        program.nodes.push(sample);
        Rc::new(program)
    }

    /// First position and number of positions.
    fn range(&self, node: u32, tokens: &[u32]) -> (u32, u32) {
        let n = tokens.len() as u32 - 1;
        match self.nodes[node as usize].op {
            Op::Void => (0, 0),
            Op::Sample { .. } => (self.prompt - 1, n + 1 - self.prompt),
            _ => (0, n),
        }
    }

    pub(crate) fn shape(&self, node: u32, tokens: &[u32]) -> TensorShape {
        let Node { width, size, columns, .. } = self.nodes[node as usize];
        let (count, width) = (u64::from(self.range(node, tokens).1), u64::from(width));
        let layout = match columns {
            true => Layout::Columns { count, width },
            false => Layout::Rows { bytes: count * width * u64::from(size) },
        };
        TensorShape { layout, size, signed: true }
    }

    /// Position and element of a slot.
    pub(crate) fn locate(&self, tokens: &[u32], place: Place) -> (u32, u32) {
        let Node { width, size, columns, .. } = self.nodes[place.node as usize];
        let (per, chunk) = (512 / size, place.chunk as u32);
        let first = self.range(place.node, tokens).0;
        match columns {
            true => (first + chunk / width * per + place.slot, chunk % width),
            false => ((chunk * per + place.slot) / width + first, (chunk * per + place.slot) % width),
        }
    }

    /// Chunk and slot of an element.
    pub(crate) fn place(&self, tokens: &[u32], node: u32, t: u32, e: u32) -> Place {
        let Node { width, size, columns, .. } = self.nodes[node as usize];
        let (per, row) = (512 / size, t - self.range(node, tokens).0);
        let (chunk, slot) = match columns {
            true => (row / per * width + e, row % per),
            false => ((row * width + e) / per, (row * width + e) % per),
        };
        Place::element(node, chunk.into(), slot)
    }

    /// Terms of a node's reduction at position t.
    pub(crate) fn terms(&self, node: u32, t: u32) -> u32 {
        match self.nodes[node as usize].op {
            Op::Sum { of, .. } => self.nodes[of as usize].width * (t + 1),
            _ => 1,
        }
    }

    /// The right value of an element, from what `read` gives; `None` if it cannot be read.
    fn element(&self, tokens: &[u32], node: u32, t: u32, e: u32, read: &Read) -> Option<i64> {
        let wrap = |x: i64| x.rem_euclid(self.vocabulary);
        Some(match self.nodes[node as usize].op {
            Op::Void => unreachable!("it has no positions"),
            // A token outside of the vocabulary has no row: no step is valid.
            Op::Embed if i64::from(tokens[t as usize]) >= self.vocabulary => return None,
            Op::Embed => i64::from(tokens[t as usize]) * 3 + i64::from(e) - 4,
            Op::Scale { of } => 3 * read(of, t, e % self.nodes[of as usize].width)? + i64::from(e),
            Op::Sum { .. } => {
                self.finish(node, t, self.partial(node, 0, self.terms(node, t), read)?, read)?
            }
            Op::Cumsum { of } => {
                let before = if e > 0 { read(node, t, e - 1)? } else { 0 };
                before + read(of, t, e % self.nodes[of as usize].width)?
            }
            Op::Sample { of } => wrap(read(of, t, self.nodes[of as usize].width - 1)?),
        })
    }

    fn partial(&self, node: u32, a: u32, b: u32, read: &Read) -> Option<i64> {
        let Op::Sum { of, .. } = self.nodes[node as usize].op else { panic!("no reduction") };
        let width = self.nodes[of as usize].width;
        (a..b).map(|k| read(of, k / width, k % width)).sum()
    }

    fn finish(&self, node: u32, t: u32, sum: i64, read: &Read) -> Option<i64> {
        let Op::Sum { bias, .. } = self.nodes[node as usize].op else { panic!("no reduction") };
        Some(((sum + read(bias, t, 0)? + 1) >> 1).clamp(-LIMIT, LIMIT))
    }
}

/// Element e of a node at position t, if it can be had.
type Read<'a> = dyn Fn(u32, u32, u32) -> Option<i64> + 'a;

/// Segments of a range of terms: the terms of each, and the term after the last. `None` if one step suffices.
fn segments(place: Place, terms: u32) -> Option<(u32, u32)> {
    let (from, to) = if place.is_whole() { (0, terms) } else { (place.from, place.to) };
    let mut segment = STEP;
    while to - from > FAN * segment {
        segment *= FAN;
    }
    (to - from > STEP).then_some((segment, to))
}

/// A trace, honest or not.
#[derive(Clone, Debug)]
pub(crate) struct Toy {
    pub(crate) program: Rc<Program>,
    pub(crate) tokens: Rc<Vec<u32>>,
    /// By node, position and element.
    pub(crate) values: Vec<Vec<Vec<i64>>>,
    /// Hashes that nothing hashes to, by where they lie.
    pub(crate) garbage: BTreeMap<Subtree, Hash>,
}

impl Toy {
    /// The honest trace over published tokens. What embeds a token outside of the vocabulary is zero.
    pub(crate) fn run(program: &Rc<Program>, tokens: &[u32]) -> Self {
        let mut toy = Self {
            program: program.clone(),
            tokens: Rc::new(tokens.to_vec()),
            values: Vec::new(),
            garbage: BTreeMap::new(),
        };
        for node in 0..program.nodes.len() as u32 {
            let count = program.range(node, tokens).1;
            toy.values.push(vec![vec![0; program.nodes[node as usize].width as usize]; count as usize]);
        }
        toy.recompute(0, 0, 0);
        toy
    }

    /// The prompt and what the honest trace continues it with.
    pub(crate) fn generate(program: &Rc<Program>, prompt: &[u32], outputs: usize) -> Vec<u32> {
        let mut tokens = prompt.to_vec();
        for _ in 0..outputs {
            let mut longer = tokens.clone();
            longer.push(0);
            let toy = Self::run(program, &longer);
            tokens.push(toy.values.last().unwrap().last().unwrap()[0] as u32);
        }
        tokens
    }

    /// Computes everything anew from element e of a row on.
    pub(crate) fn recompute(&mut self, node: u32, row: u32, e: u32) {
        let program = self.program.clone();
        for k in node..program.nodes.len() as u32 {
            let (first, count) = program.range(k, &self.tokens);
            for r in 0..count {
                for i in 0..program.nodes[k as usize].width {
                    if (k, r, i) >= (node, row, e) {
                        let read = |node, t, e| Some(self.read(node, t, e));
                        let value = program.element(&self.tokens, k, first + r, i, &read).unwrap_or(0);
                        self.values[k as usize][r as usize][i as usize] = value;
                    }
                }
            }
        }
    }

    fn read(&self, node: u32, t: u32, e: u32) -> i64 {
        let first = self.program.range(node, &self.tokens).0;
        self.values[node as usize][(t - first) as usize][e as usize]
    }

    /// As [`Toy::read`], but only what the committed hashes lead to.
    fn open(&self, node: u32, t: u32, e: u32) -> Option<i64> {
        let place = self.program.place(&self.tokens, node, t, e);
        let tree = Tree::Chunks { node };
        let above = |tree, leaves, i: u64| {
            (0..=tree::depth(leaves)).map(move |height| Subtree { tree, height, index: i >> height })
        };
        let chunks = self.program.shape(node, &self.tokens).chunks();
        let nodes = above(Tree::Nodes, self.program.nodes.len() as u64, node.into());
        let hidden = above(tree, chunks, place.chunk).chain(nodes).any(|at| self.garbage.contains_key(&at));
        (!hidden).then(|| self.read(node, t, e))
    }

    pub(crate) fn root(&mut self) -> Hash {
        self.hash(Subtree::whole(Tree::Nodes, self.program.nodes.len() as u64)).unwrap()
    }

    fn leaves(&self, tree: Tree) -> u64 {
        match tree {
            Tree::Nodes => self.program.nodes.len() as u64,
            Tree::Chunks { node } => self.program.shape(node, &self.tokens).chunks(),
        }
    }

    /// Every subtree with a leaf in range, and those of nodes without positions.
    pub(crate) fn subtrees(&self) -> Vec<Subtree> {
        let trees = (0..self.program.nodes.len() as u32).map(|node| Tree::Chunks { node });
        let all = trees.chain([Tree::Nodes]).flat_map(|tree| {
            let leaves = self.leaves(tree);
            (0..=tree::depth(leaves)).flat_map(move |height| {
                (0..tree::width(leaves, height)).map(move |index| Subtree { tree, height, index })
            })
        });
        all.collect()
    }
}

impl TraceProvider for Toy {
    type Error = std::convert::Infallible;

    fn nodes(&self) -> u32 {
        self.program.nodes.len() as u32
    }

    fn tensor(&self, node: u32) -> Result<TensorShape, Self::Error> {
        Ok(self.program.shape(node, &self.tokens))
    }

    fn hash(&mut self, at: Subtree) -> Result<Hash, Self::Error> {
        if let Some(hash) = self.garbage.get(&at) {
            return Ok(*hash);
        }
        match at {
            Subtree { tree: Tree::Nodes, height: 0, index } => {
                let tree = Tree::Chunks { node: index as u32 };
                match self.leaves(tree) {
                    0 => Ok(tree::pad()),
                    leaves => self.hash(Subtree::whole(tree, leaves)),
                }
            }
            Subtree { tree: Tree::Chunks { node }, height: 0, index } => {
                Ok(tree::chunk_hash(index, &self.chunk(node, index)?))
            }
            _ => Ok(tree::subtree_root(self.children(at, 1)?, 1)),
        }
    }

    fn children(&mut self, at: Subtree, levels: u32) -> Result<Vec<Hash>, Self::Error> {
        let (first, count) = at.below(levels, self.leaves(at.tree));
        (first..first + count)
            .map(|index| self.hash(Subtree { height: at.height - levels, index, ..at }))
            .collect()
    }

    fn chunk(&mut self, node: u32, chunk: u64) -> Result<Vec<u8>, Self::Error> {
        let shape = self.program.shape(node, &self.tokens);
        let bytes = (0..shape.slots(chunk)).flat_map(|slot| {
            let (t, e) = self.program.locate(&self.tokens, Place::element(node, chunk, slot));
            self.read(node, t, e).to_le_bytes().into_iter().take(shape.size as usize)
        });
        Ok(bytes.collect())
    }

    fn list(&mut self, at: Place) -> Result<Option<List>, Self::Error> {
        let terms = self.program.terms(at.node, self.program.locate(&self.tokens, at).0);
        Ok(segments(at, terms).map(|(segment, end)| {
            let starts = (at.from..end).step_by(segment as usize);
            let read = |node, t, e| Some(self.read(node, t, e));
            let entry = |a| self.program.partial(at.node, a, end.min(a + segment), &read).unwrap();
            List { entries: starts.map(entry).collect(), segment, end }
        }))
    }

    fn wrong_output(&mut self) -> Result<Option<u32>, Self::Error> {
        let published = self.tokens.iter().skip(self.program.prompt as usize);
        let sampled = self.values.last().unwrap();
        Ok(published.zip(sampled).position(|(token, row)| i64::from(*token) != row[0]).map(|i| i as u32))
    }
}
