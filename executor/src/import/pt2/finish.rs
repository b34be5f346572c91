//! From translated steps to a graph: what is not needed is left out, formats are shared, tables keep their precision.

use std::collections::BTreeSet;

use crate::import::graph::{FormatId, Graph, Head, Operation, StepId};
use crate::program::op::Index;

use super::translate::Translator;

/// The graph of what `head` needs.
pub(super) fn graph(mut t: Translator<'_>, head: Head) -> (Graph, super::weights::Weights) {
    move_row(&mut t);
    let needed = needed(&t, head);
    let roots = roots(&t, &needed);
    let mut place = vec![None; t.steps.len()];
    let mut formats: Vec<(usize, i32)> = Vec::new();
    let mut steps = Vec::new();
    for (i, step) in t.steps.iter().enumerate().filter(|(i, _)| needed[*i]) {
        let mut step = step.clone();
        place[i] = Some(StepId(steps.len()));
        for input in step.operation.inputs_mut() {
            *input = place[input.0].unwrap_or(*input);
        }
        // Both are the same either way round: the earlier step comes first, as the other readers have it.
        if let Operation::Add { a, b } | Operation::Mul { a, b } = &mut step.operation
            && a > b
        {
            std::mem::swap(a, b);
        }
        let limit = t.limits[i];
        let format = match formats.iter().position(|(root, _)| *root == roots[i]) {
            Some(format) => format,
            None => {
                formats.push((roots[i], limit));
                formats.len() - 1
            }
        };
        formats[format].1 = formats[format].1.min(limit);
        step.format = FormatId(format);
        steps.push(step);
    }
    let at = |x: StepId| place[x.0].unwrap_or(x);
    let head = match head {
        Head::Logits(x) => Head::Logits(at(x)),
        Head::Vector(x) => Head::Vector(at(x)),
    };
    let fine = fine(&steps, head);
    let mut graph =
        Graph { steps, formats: formats.into_iter().map(|(_, limit)| limit).collect(), head, fine };
    if let Head::Logits(x) = head {
        outputs_only(&mut graph, x);
    }
    (graph, t.weights)
}

/// A row that is added to a table of tokens and then to one of positions belongs to the smaller one, the positions'.
fn move_row(t: &mut Translator<'_>) {
    let uses = |t: &Translator<'_>, x: StepId| {
        t.steps.iter().flat_map(|step| step.operation.inputs()).filter(|input| *input == x).count()
    };
    for i in 0..t.steps.len() {
        let Operation::Add { a, b } = t.steps[i].operation else { continue };
        let (
            Operation::Embed { index: Index::Token, plus, .. },
            Operation::Embed { index: Index::Position, plus: None, .. },
        ) = (&t.steps[a.0].operation, &t.steps[b.0].operation)
        else {
            continue;
        };
        let row = plus.clone();
        if uses(t, a) != 1 || uses(t, b) != 1 {
            continue;
        }
        if let Operation::Embed { plus, .. } = &mut t.steps[a.0].operation {
            *plus = None;
        }
        if let Operation::Embed { plus, .. } = &mut t.steps[b.0].operation {
            *plus = row;
        }
    }
}

fn needed(t: &Translator<'_>, head: Head) -> Vec<bool> {
    let (Head::Logits(last) | Head::Vector(last)) = head;
    let mut needed = vec![false; t.steps.len()];
    needed[last.0] = true;
    for i in (0..t.steps.len()).rev().filter(|i| *i <= last.0) {
        if needed[i] {
            t.steps[i].operation.inputs().into_iter().for_each(|input| needed[input.0] = true);
        }
    }
    needed
}

/// For each step the first one of those that share its format.
fn roots(t: &Translator<'_>, needed: &[bool]) -> Vec<usize> {
    fn root(of: &mut [usize], i: usize) -> usize {
        let mut i = i;
        while of[i] != i {
            of[i] = of[of[i]];
            i = of[i];
        }
        i
    }
    let mut of: Vec<usize> = (0..t.steps.len()).collect();
    for (a, b) in t.alike.iter().filter(|(a, b)| needed[a.0] && needed[b.0]) {
        let (a, b) = (root(&mut of, a.0), root(&mut of, b.0));
        of[a.max(b)] = a.min(b);
    }
    (0..of.len()).map(|i| root(&mut of, i)).collect()
}

/// Tensors that keep 16 bits: what numbers become, and in an encoder of text, whose vectors are compared by tiny
/// differences, the tables and the products of activations.
fn fine(steps: &[crate::import::graph::Step], head: Head) -> BTreeSet<String> {
    let mut fine = BTreeSet::new();
    for step in steps {
        match &step.operation {
            Operation::Embed { table, .. } if step.width == 1 || matches!(head, Head::Vector(_)) => {
                fine.insert(table.clone());
            }
            Operation::Linear { x, weights, .. }
                if matches!(head, Head::Vector(_))
                    && matches!(steps[x.0].operation, Operation::Act { .. }) =>
            {
                fine.insert(weights.clone());
            }
            _ => {}
        }
    }
    fine
}

/// What only the logits need is computed where a token is made: all that no attention reads.
fn outputs_only(graph: &mut Graph, logits: StepId) {
    let mut everywhere = vec![false; graph.steps.len()];
    for i in (0..graph.steps.len()).rev() {
        let step = &graph.steps[i];
        let attends = matches!(step.operation, Operation::Attention { .. });
        everywhere[i] |= attends;
        if everywhere[i] {
            step.operation.inputs().into_iter().for_each(|input| everywhere[input.0] = true);
        }
    }
    for (i, step) in graph.steps.iter_mut().enumerate().filter(|(i, _)| *i <= logits.0) {
        step.outputs_only = !everywhere[i];
    }
}
