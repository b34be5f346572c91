//! What an honest side does next: game, facts and its own trace in, one move or nothing out.
//!
//! The challenger walks to the first place where the posted trace differs from its own, and never asks where they
//! agree. The proposer's side answers what its own trace hashes to, and nothing else.

use crate::game::clock::{Due, Spans, Time};
use crate::game::facts::{Answer, Facts, list_digest};
use crate::game::{Action, Ask, Child, Game, Opened, Outcome};
use crate::hash::Hash;
use crate::proof;
use crate::trace::{Subtree, TraceProvider, Tree};
use crate::tree;

/// Whom the solver plays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The game's challenger.
    Challenger,
    /// The proposer or its defender key.
    Proposer,
    /// Anybody else who wants the assertion to stand: answers all but roots and lists.
    Helper,
}

/// Is there something to challenge in the item whose trace this is?
pub fn should_challenge<P: TraceProvider>(trace: &mut P) -> Result<bool, P::Error> {
    Ok(trace.wrong_output()?.is_some())
}

/// The next move of a side, if it has one now.
pub fn next<P: TraceProvider>(
    game: &Game,
    facts: &Facts,
    spans: &Spans,
    side: Side,
    trace: &mut P,
    now: Time,
) -> Result<Option<Action>, P::Error> {
    if let Some(outcome) = game.outcome {
        let claims = outcome == Outcome::Void && side == Side::Challenger;
        return Ok(claims.then_some(Action::Claim));
    }
    let answer = game.answer(facts, spans);
    let due = game.due(facts, spans);
    match (due, side) {
        (Due::Proposer { deadline }, Side::Challenger) if now > deadline => Ok(Some(Action::Close)),
        (Due::Proposer { deadline }, Side::Proposer | Side::Helper) if now <= deadline => {
            let action = respond(game, facts, trace)?;
            let proposers = matches!(action, Some(Action::PostRoot { .. } | Action::PostList { .. }));
            Ok(action.filter(|_| !proposers || side == Side::Proposer))
        }
        (Due::Challenger { deadline, .. }, Side::Proposer | Side::Helper)
            if now > deadline || answer == Some(&Answer::Proven) =>
        {
            Ok(Some(Action::Close))
        }
        (Due::Challenger { deadline, .. }, Side::Challenger) if now <= deadline => {
            ask(game, facts, answer, trace)
        }
        _ => Ok(None),
    }
}

/// The challenger's move on an answered ask.
fn ask<P: TraceProvider>(
    game: &Game,
    facts: &Facts,
    answer: Option<&Answer>,
    trace: &mut P,
) -> Result<Option<Action>, P::Error> {
    match (game.ask, answer) {
        (Ask::Root, Some(&Answer::Root(root))) if root == own_root(trace)? => {
            // An honest trace under a wrong output has no first difference: the output itself is asked for.
            Ok(trace.wrong_output()?.map(|index| Action::PickOutput { root, index }))
        }
        (Ask::Root | Ask::Open { .. }, Some(_)) => {
            let Some(opened) = game.opened(facts, trace.nodes()) else { return Ok(None) };
            let mine = children(trace, opened.at, opened.levels)?;
            let posted = if opened.children.is_empty() { &[opened.hash] } else { opened.children };
            Ok(first_difference(&mine, posted).and_then(|child| pick(opened, posted, child)))
        }
        (Ask::Chunk { hash, node, chunk, .. }, Some(Answer::Bytes(bytes))) => {
            let shape = trace.tensor(node)?;
            let mine = trace.chunk(node, chunk)?;
            let slot = (0..shape.slots(chunk)).find(|s| shape.value(&mine, *s) != shape.value(bytes, *s));
            Ok(slot.map(|slot| Action::PickElement { hash, slot, bytes: bytes.clone() }))
        }
        (Ask::Element { place, .. }, Some(Answer::List(posted))) => {
            let mine = trace.list(place)?.map(|list| list.entries).unwrap_or_default();
            let segment = first_difference(&mine, &posted.entries).and_then(|i| u32::try_from(i).ok());
            let digest = list_digest(&posted.entries);
            Ok(segment.map(|segment| Action::PickSegment {
                digest,
                entries: posted.entries.clone(),
                segment,
            }))
        }
        _ => Ok(None),
    }
}

/// The answer to an ask, if the trace has one.
fn respond<P: TraceProvider>(game: &Game, facts: &Facts, trace: &mut P) -> Result<Option<Action>, P::Error> {
    let ours = |trace: &mut P| Ok(facts.root(game.item) == Some(own_root(trace)?));
    match game.ask {
        Ask::Root => {
            let whole = Subtree::whole(Tree::Nodes, u64::from(trace.nodes()));
            let root = trace.hash(whole)?;
            let children = match whole.height {
                0 => Vec::new(),
                height => trace.children(whole, tree::opening_levels(height))?,
            };
            Ok(Some(Action::PostRoot { root, children }))
        }
        Ask::Open { hash, at, leaves } => {
            let levels = tree::opening_levels(tree::depth(leaves)).min(at.height);
            if trace.hash(at)? != hash {
                return Ok(None);
            }
            Ok(Some(Action::Open { hash, children: trace.children(at, levels)? }))
        }
        Ask::Chunk { length: 0, .. } => Ok(None),
        Ask::Chunk { hash, node, chunk, .. } => {
            let bytes = trace.chunk(node, chunk)?;
            Ok((tree::chunk_hash(chunk, &bytes) == hash).then_some(Action::OpenChunk { hash, bytes }))
        }
        Ask::Element { place, .. } if ours(trace)? => Ok(Some(match trace.list(place)? {
            None => Action::Prove { place },
            Some(list) => Action::PostList { place, entries: list.entries },
        })),
        Ask::Output { index } if ours(trace)? => {
            let right = trace.wrong_output()?.is_none_or(|wrong| index < wrong);
            Ok(right.then_some(Action::ProveOutput { index }))
        }
        Ask::Element { .. } | Ask::Output { .. } => Ok(None),
    }
}

/// Names a child of an opened hash, with its siblings.
fn pick(opened: Opened<'_>, posted: &[Hash], child: usize) -> Option<Action> {
    let child_hash = *posted.get(child)?;
    let siblings = proof::path(posted.to_vec(), child as u64).ok()?;
    let named = Child { hash: opened.hash, child: child as u64, child_hash, siblings };
    let leaf = opened.at.height == opened.levels;
    Some(if leaf && opened.at.tree == Tree::Nodes { Action::PickNode(named) } else { Action::Pick(named) })
}

/// The first of the posted that is not ours. Their numbers are equal by the rules.
fn first_difference<T: PartialEq>(mine: &[T], posted: &[T]) -> Option<usize> {
    (0..mine.len().max(posted.len())).find(|i| mine.get(*i) != posted.get(*i))
}

fn own_root<P: TraceProvider>(trace: &mut P) -> Result<Hash, P::Error> {
    let nodes = u64::from(trace.nodes());
    trace.hash(Subtree::whole(Tree::Nodes, nodes))
}

/// The own hashes below a subtree; of a leaf, itself.
fn children<P: TraceProvider>(trace: &mut P, at: Subtree, levels: u32) -> Result<Vec<Hash>, P::Error> {
    if levels == 0 { Ok(vec![trace.hash(at)?]) } else { trace.children(at, levels) }
}
