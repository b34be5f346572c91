//! What the contracts check, with every trace that anybody has committed to at hand.

use std::collections::BTreeMap;
use std::rc::Rc;

use bisection::Hash;
use bisection::game::Judge;
use bisection::trace::{Place, TensorShape};

use super::{Program, Toy, segments};

/// What the contracts check, over every trace that has been committed to.
#[derive(Default)]
pub(crate) struct Referee {
    traces: BTreeMap<(u32, Hash), Toy>,
    items: BTreeMap<u32, (Rc<Program>, Rc<Vec<u32>>)>,
}

impl Referee {
    /// Knows a trace of an item, and so can judge under its root.
    pub(crate) fn learn(&mut self, item: u32, trace: &Toy) {
        self.items.insert(item, (trace.program.clone(), trace.tokens.clone()));
        self.traces.insert((item, trace.clone().root()), trace.clone());
    }

    pub(crate) fn about(toy: &Toy) -> Self {
        let mut referee = Self::default();
        referee.learn(0, toy);
        referee
    }
}

impl Judge for Referee {
    fn nodes(&self, item: u32) -> u32 {
        self.items[&item].0.nodes.len() as u32
    }

    fn tensor(&self, item: u32, node: u32) -> Option<TensorShape> {
        let (program, tokens) = &self.items[&item];
        (node < self.nodes(item)).then(|| program.shape(node, tokens))
    }

    fn outputs(&self, item: u32) -> u32 {
        let (program, tokens) = &self.items[&item];
        tokens.len() as u32 - program.prompt
    }

    fn step(&self, item: u32, root: Hash, at: Place, value: i64) -> bool {
        let Some(toy) = self.traces.get(&(item, root)) else { return false };
        let (program, tokens) = (&toy.program, &toy.tokens);
        let (t, e) = program.locate(tokens, at);
        if segments(at, program.terms(at.node, t)).is_some() {
            return false;
        }
        let read = |node, t, e| toy.open(node, t, e);
        let right = match at.is_whole() {
            true => program.element(tokens, at.node, t, e, &read),
            false => program.partial(at.node, at.from, at.to, &read),
        };
        right == Some(value)
    }

    fn list(&self, item: u32, root: Hash, at: Place, value: i64, entries: &[i64]) -> Option<(u32, u32)> {
        let toy = self.traces.get(&(item, root))?;
        let t = toy.program.locate(&toy.tokens, at).0;
        let (segment, end) = segments(at, toy.program.terms(at.node, t))?;
        let sum = entries.iter().map(|e| i128::from(*e)).sum::<i128>();
        let total = i64::try_from(sum).ok()?;
        let read = |node, t, e| toy.open(node, t, e);
        let result = if at.is_whole() { toy.program.finish(at.node, t, total, &read)? } else { total };
        let count = (end - at.from).div_ceil(segment);
        (entries.len() as u32 == count && result == value).then_some((segment, end))
    }

    fn output(&self, item: u32, root: Hash, index: u32) -> bool {
        let Some(toy) = self.traces.get(&(item, root)) else { return false };
        let node = self.nodes(item) - 1;
        let token = toy.tokens[(toy.program.prompt + index) as usize];
        toy.open(node, toy.program.prompt - 1 + index, 0) == Some(i64::from(token))
    }
}
