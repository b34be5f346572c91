//! One side's next call: the solver's move with what the contract needs to check it.

use alloy::primitives::Bytes;
use bisection::game::clock::{Spans, Time};
use bisection::game::facts::Facts;
use bisection::game::{Action, Ask, Game};
use bisection::solver::{self, Side};
use bisection::trace::{Subtree, TraceProvider, Tree};
use executor::trace::{Source, Trace, TraceError};

use crate::calls::{self, Table};

/// A call that a side wants to make now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The contract's name of the move.
    pub name: &'static str,
    /// What it is about, for people.
    pub about: String,
    /// Its calldata.
    pub data: Bytes,
}

/// Where the asked hash lies, and the leaves of its tree.
fn asked(game: &Game, nodes: u32) -> Option<(Subtree, u64)> {
    match game.ask {
        Ask::Root => Some((Subtree::whole(Tree::Nodes, nodes.into()), nodes.into())),
        Ask::Open { at, leaves, .. } => Some((at, leaves)),
        Ask::Chunk { node, chunk, .. } => {
            Some((Subtree { tree: Tree::Chunks { node }, height: 0, index: chunk }, 0))
        }
        Ask::Element { .. } | Ask::Output { .. } => None,
    }
}

/// What a move is about.
fn about(action: &Action) -> String {
    match action {
        Action::PostRoot { root, children } => format!("root {root}, {} children", children.len()),
        Action::Open { children, .. } => format!("{} children", children.len()),
        Action::OpenChunk { bytes, .. } => format!("{} bytes", bytes.len()),
        Action::Prove { place } => {
            format!("node {}, chunk {}, element {}", place.node, place.chunk, place.slot)
        }
        Action::PostList { entries, .. } => format!("{} partial results", entries.len()),
        Action::ProveOutput { index } | Action::PickOutput { index, .. } => format!("output {index}"),
        Action::Pick(c) | Action::PickNode(c) => format!("child {}", c.child),
        Action::PickElement { slot, .. } => format!("element {slot} of the chunk"),
        Action::PickSegment { segment, entries, .. } => format!("segment {segment} of {}", entries.len()),
        Action::Close | Action::Claim => String::new(),
    }
}

/// The next call of a side in a game, if it has one now.
pub fn plan<S: Source>(
    table: Table,
    game: &Game,
    facts: &Facts,
    spans: &Spans,
    side: Side,
    trace: &mut Trace<S>,
    now: u64,
) -> Result<Option<Planned>, TraceError> {
    let Some(action) = solver::next(game, facts, spans, side, trace, Time(now))? else { return Ok(None) };
    let (name, about) = (calls::name(&action), about(&action));
    let data = calls::encode(table, action, asked(game, trace.nodes()), trace)?;
    Ok(Some(Planned { name, about, data }))
}
