//! The challenger's moves: which ask a pick makes of an answered one.

use super::facts::{Answer, list_digest};
use super::{Action, Ask, Assertion, Child, Game, Judge, Refused};
use crate::hash::Hash;
use crate::proof;
use crate::trace::{List, Place, Subtree, Tree};
use crate::tree::{self, pad};

impl Assertion {
    /// The ask that a pick makes of an answered one.
    pub(super) fn next_ask(&self, judge: &impl Judge, game: &Game, action: Action) -> Result<Ask, Refused> {
        let answer = game.answer(&self.facts, &self.rules.spans).ok_or(Refused::NotDue)?;
        match (action, &game.ask, answer) {
            (Action::Pick(child), Ask::Root | Ask::Open { .. }, _) => self.child(judge, game, &child, false),
            (Action::PickNode(child), Ask::Root | Ask::Open { .. }, _) => {
                self.child(judge, game, &child, true)
            }
            (Action::PickOutput { root, index }, Ask::Root, Answer::Root(posted)) => {
                if root != *posted {
                    return Err(Refused::Names);
                }
                // INVARIANT: an impossible question cannot be asked, so it cannot cost the honest side.
                if index >= judge.outputs(game.item) {
                    return Err(Refused::OutOfRange);
                }
                Ok(Ask::Output { index })
            }
            (
                Action::PickElement { hash, slot, bytes },
                Ask::Chunk { hash: asked, node, chunk, .. },
                Answer::Bytes(_),
            ) => {
                if hash != *asked {
                    return Err(Refused::Names);
                }
                if tree::chunk_hash(*chunk, &bytes) != hash {
                    return Err(Refused::Hashes);
                }
                let shape = judge.tensor(game.item, *node).ok_or(Refused::OutOfRange)?;
                let value = shape.value(&bytes, slot).ok_or(Refused::OutOfRange)?;
                Ok(Ask::Element { place: Place::element(*node, *chunk, slot), value })
            }
            (
                Action::PickSegment { digest, entries, segment },
                Ask::Element { place, .. },
                Answer::List(list),
            ) => {
                if digest != list_digest(&list.entries) {
                    return Err(Refused::Names);
                }
                if list_digest(&entries) != digest {
                    return Err(Refused::Hashes);
                }
                segment_ask(*place, list, segment).ok_or(Refused::OutOfRange)
            }
            _ => Err(Refused::NotDue),
        }
    }

    /// The ask that a child of an opened hash makes.
    fn child(&self, judge: &impl Judge, game: &Game, pick: &Child, of_node: bool) -> Result<Ask, Refused> {
        let opened = game.opened(&self.facts, judge.nodes(game.item)).ok_or(Refused::NotDue)?;
        if pick.hash != opened.hash {
            return Err(Refused::Names);
        }
        let (first, count) = opened.at.below(opened.levels, opened.leaves);
        // INVARIANT: a child that covers nothing in range cannot be asked for.
        if pick.child >= count {
            return Err(Refused::OutOfRange);
        }
        let mut siblings = pick.siblings.iter().copied();
        let top = proof::child_root(opened.levels, count, pick.child, pick.child_hash, &mut siblings);
        if top != Ok(opened.hash) || siblings.next().is_some() {
            return Err(Refused::Hashes);
        }
        let height = opened.at.height.saturating_sub(opened.levels);
        let at = Subtree { tree: opened.at.tree, height, index: first.saturating_add(pick.child) };
        match (at.tree, at.height) {
            (Tree::Nodes, 0) if of_node => node_ask(judge, game.item, at.index, pick.child_hash),
            (Tree::Nodes, 0) => Err(Refused::NotDue),
            _ if of_node => Err(Refused::NotDue),
            (Tree::Chunks { node }, 0) => chunk_ask(judge, game.item, node, at.index, pick.child_hash),
            _ => Ok(Ask::Open { hash: pick.child_hash, at, leaves: opened.leaves }),
        }
    }
}

fn node_ask(judge: &impl Judge, item: u32, node: u64, hash: Hash) -> Result<Ask, Refused> {
    let node = u32::try_from(node).map_err(|_| Refused::OutOfRange)?;
    let leaves = judge.tensor(item, node).ok_or(Refused::OutOfRange)?.chunks();
    let at = Subtree::whole(Tree::Chunks { node }, leaves);
    match leaves {
        // INVARIANT: a node without positions is pad. Pad is no question, anything else is one without an answer.
        0 if hash == pad() => Err(Refused::OutOfRange),
        0 => Ok(Ask::Chunk { hash, node, chunk: 0, length: 0 }),
        1 => chunk_ask(judge, item, node, 0, hash),
        _ => Ok(Ask::Open { hash, at, leaves }),
    }
}

fn chunk_ask(judge: &impl Judge, item: u32, node: u32, chunk: u64, hash: Hash) -> Result<Ask, Refused> {
    let shape = judge.tensor(item, node).ok_or(Refused::OutOfRange)?;
    let length = shape.chunk_len(chunk).ok_or(Refused::OutOfRange)?;
    Ok(Ask::Chunk { hash, node, chunk, length })
}

/// The ask for one entry of a list.
fn segment_ask(place: Place, list: &List, segment: u32) -> Option<Ask> {
    let value = *list.entries.get(usize::try_from(segment).ok()?)?;
    let from = place.from.checked_add(segment.checked_mul(list.segment)?)?;
    let to = from.checked_add(list.segment)?.min(list.end);
    Some(Ask::Element { place: Place { from, to, ..place }, value })
}
