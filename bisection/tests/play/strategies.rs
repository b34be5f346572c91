//! Everything that a dishonest side could do in a state of a game: what is legal, and much that is not.

use bisection::game::facts::{Answer, Facts, list_digest};
use bisection::game::{Action, Ask, Child, Game};
use bisection::proof;
use bisection::solver::{self, Side};
use bisection::trace::TraceProvider;

use crate::sequence::RULES;
use crate::toy::{Toy, lies};

/// Is it the challenger's?
pub(crate) fn is_pick(action: &Action) -> bool {
    matches!(
        action,
        Action::Pick(_)
            | Action::PickNode(_)
            | Action::PickElement { .. }
            | Action::PickSegment { .. }
            | Action::PickOutput { .. }
    )
}

/// What its trace answers, its own lists, and proofs and outputs that there may not be.
pub(crate) fn answers(game: &Game, facts: &Facts, theirs: &Toy) -> Vec<Action> {
    let mut theirs = theirs.clone();
    let (spans, side) = (&RULES.spans, Side::Proposer);
    let mut out: Vec<Action> =
        solver::next(game, facts, spans, side, &mut theirs, game.clock.asked).unwrap().into_iter().collect();
    match game.ask {
        Ask::Element { place, value } => {
            out.push(Action::Prove { place });
            if let Some(list) = theirs.list(place).unwrap() {
                // Lists that add up but are wrong, in every entry and by several amounts: the claimed value may be
                // a finished one, so the total is searched for.
                for wrong in -8..=8 {
                    for i in 0..list.entries.len() {
                        for shift in [0, 5] {
                            let mut entries = list.entries.clone();
                            entries[i] += wrong - shift;
                            let other = (i + 1) % entries.len();
                            entries[other] += shift;
                            out.push(Action::PostList { place, entries });
                        }
                    }
                }
                let rest = vec![0; list.entries.len() - 1];
                out.push(Action::PostList { place, entries: [vec![value], rest].concat() });
                out.push(Action::PostList { place, entries: vec![value] });
            }
        }
        Ask::Output { index } => out.push(Action::ProveOutput { index }),
        Ask::Chunk { hash, node, chunk, .. } => {
            let bytes = theirs.chunk(node, chunk).unwrap();
            out.extend(lies::lengths_of(&bytes).into_iter().map(|bytes| Action::OpenChunk { hash, bytes }));
            out.push(Action::OpenChunk { hash, bytes });
        }
        _ => {}
    }
    out
}

/// Every question that can be asked of the honest trace, and some that cannot.
pub(crate) fn questions(game: &Game, facts: &Facts, nodes: u32) -> Vec<Action> {
    let mut out = Vec::new();
    if let Some(opened) = game.opened(facts, nodes) {
        let posted = if opened.children.is_empty() { &[opened.hash] } else { opened.children };
        for (i, child_hash) in posted.iter().enumerate() {
            let siblings = proof::path(posted.to_vec(), i as u64).unwrap();
            let child = Child { hash: opened.hash, child: i as u64, child_hash: *child_hash, siblings };
            let beyond = Child { child: i as u64 + posted.len() as u64, ..child.clone() };
            let false_hash = Child { child_hash: opened.hash, ..child.clone() };
            for child in [child, beyond, false_hash] {
                out.extend([Action::Pick(child.clone()), Action::PickNode(child)]);
            }
        }
    }
    match (game.ask, game.answer(facts, &RULES.spans)) {
        (Ask::Root, Some(Answer::Root(root))) => {
            out.extend((0..4).map(|index| Action::PickOutput { root: *root, index }));
        }
        (Ask::Chunk { hash, .. }, Some(Answer::Bytes(bytes))) => {
            out.extend((0..=600).map(|slot| Action::PickElement { hash, slot, bytes: bytes.clone() }));
            let mut other = bytes.clone();
            other[0] ^= 1;
            out.push(Action::PickElement { hash, slot: 0, bytes: other });
        }
        (Ask::Element { .. }, Some(Answer::List(list))) => {
            let digest = list_digest(&list.entries);
            let entries = list.entries.clone();
            out.extend((0..9).map(|segment| Action::PickSegment {
                digest,
                entries: entries.clone(),
                segment,
            }));
        }
        _ => {}
    }
    out
}
