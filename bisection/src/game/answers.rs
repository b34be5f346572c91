//! The answers: what makes one a fact.

use super::facts::{Answer, Question};
use super::{Action, Ask, Assertion, Game, Judge, Refused};
use crate::hash::Hash;
use crate::trace::{List, Subtree, Tree};
use crate::tree;

impl Assertion {
    /// Checks an answer to the game's ask; of a root, with its first opening.
    pub(super) fn answer(
        &self,
        judge: &impl Judge,
        game: &Game,
        action: Action,
        ours: bool,
    ) -> Result<(Answer, Vec<Hash>), Refused> {
        let root = self.facts.root(game.item);
        let proven = |yes: Option<bool>| match yes {
            Some(true) => Ok((Answer::Proven, Vec::new())),
            _ => Err(Refused::NotProven),
        };
        match (action, game.ask) {
            // INVARIANT: roots and lists are not determined by what is committed, so they are the proposer's alone.
            (Action::PostRoot { .. } | Action::PostList { .. }, _) if !ours => Err(Refused::NotYours),
            (Action::PostRoot { root, children }, Ask::Root) => {
                let leaves = u64::from(judge.nodes(game.item));
                let at = Subtree::whole(Tree::Nodes, leaves);
                let children = if at.height == 0 && children.is_empty() { vec![root] } else { children };
                shown(Ask::Open { hash: root, at, leaves }.question(game.item), &children)?;
                Ok((Answer::Root(root), children))
            }
            (Action::Open { children, .. }, ask @ Ask::Open { .. }) => {
                shown(ask.question(game.item), &children)?;
                Ok((Answer::Children(children), Vec::new()))
            }
            (Action::OpenChunk { bytes, .. }, Ask::Chunk { hash, chunk, length, .. }) => {
                // INVARIANT: a chunk has the length that follows from the program, and never none.
                if bytes.is_empty() || bytes.len() != length || tree::chunk_hash(chunk, &bytes) != hash {
                    return Err(Refused::Hashes);
                }
                Ok((Answer::Bytes(bytes), Vec::new()))
            }
            (Action::Prove { .. }, Ask::Element { place, value }) => {
                proven(root.map(|root| judge.step(game.item, root, place, value)))
            }
            (Action::PostList { entries, .. }, Ask::Element { place, value }) => {
                let root = root.ok_or(Refused::NotDue)?;
                let (segment, end) =
                    judge.list(game.item, root, place, value, &entries).ok_or(Refused::NotProven)?;
                Ok((Answer::List(List { entries, segment, end }), Vec::new()))
            }
            (Action::ProveOutput { .. }, Ask::Output { index }) => {
                proven(root.map(|root| judge.output(game.item, root, index)))
            }
            _ => Err(Refused::NotDue),
        }
    }
}

/// Does the answer name what is asked?
pub(super) fn names_ask(action: &Action, game: &Game) -> Result<(), Refused> {
    let named = match (action, &game.ask) {
        (Action::PostRoot { .. }, Ask::Root) => true,
        (Action::Open { hash, .. }, Ask::Open { hash: asked, .. })
        | (Action::OpenChunk { hash, .. }, Ask::Chunk { hash: asked, .. }) => hash == asked,
        (Action::Prove { place } | Action::PostList { place, .. }, Ask::Element { place: asked, .. }) => {
            place == asked
        }
        (Action::ProveOutput { index }, Ask::Output { index: asked }) => index == asked,
        _ => return Err(Refused::NotDue),
    };
    if named { Ok(()) } else { Err(Refused::Names) }
}

/// An answer to what has been answered: a root or a list must be the first one, all others are determined.
pub(super) fn is_again(action: &Action, answer: Option<&Answer>, ours: bool) -> Result<(), Refused> {
    match (action, answer) {
        (Action::PostRoot { .. } | Action::PostList { .. }, _) if !ours => Err(Refused::NotYours),
        // INVARIANT: the first root and the first list are final.
        (Action::PostRoot { root, .. }, Some(Answer::Root(first))) if root != first => Err(Refused::Names),
        (Action::PostList { entries, .. }, Some(Answer::List(first))) if *entries != first.entries => {
            Err(Refused::Names)
        }
        // One step shows what no list does.
        (Action::PostList { .. }, Some(Answer::Proven)) => Err(Refused::NotProven),
        _ => Ok(()),
    }
}

/// Are these the hashes in range below the asked one?
fn shown(question: Question, children: &[Hash]) -> Result<(), Refused> {
    let Question::Open { levels, count, hash } = question else { return Err(Refused::NotDue) };
    if children.len() as u64 != count {
        return Err(Refused::OutOfRange);
    }
    if tree::subtree_root(children.to_vec(), levels) == hash { Ok(()) } else { Err(Refused::Hashes) }
}
