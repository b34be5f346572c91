//! The validator: types, order and every overflow bound of a program, before anything runs.
//!
//! What it returns is all that a back end needs to know of a node. Bounds are proved in i128 from the ranges of the
//! inputs and the declared ranges of the constants; no operand of a program that passes can leave its domain.

mod bounds;

use super::op::{Op, Range};
use super::{ElementType, ITEMS_MAX, Layout, NodeId, Output, Program, STOP_TOKENS_MAX, Width};

/// A program that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A node breaks a rule.
    #[error("node {node} ({op}): {reason}")]
    Node {
        /// Its index.
        node: u32,
        /// Its operation's name.
        op: &'static str,
        /// The rule.
        reason: String,
    },
    /// The whole breaks a rule.
    #[error("{0}")]
    Program(String),
}

/// What the validator found out about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Type of the elements.
    pub element: ElementType,
    /// Width of a row.
    pub width: Width,
    /// No element is below.
    pub low: i64,
    /// No element is above.
    pub high: i64,
    /// Where the node has a value.
    pub range: Range,
    /// Where its elements lie in the trace; it follows from who reads them.
    pub layout: Layout,
}

/// Widest row of a node: 2^20 elements.
const WIDTH_MAX: u32 = 1 << 20;
/// Most positions of a sequence. A mix of 31-bit weights and 15-bit mantissas over more would leave an i64.
const CONTEXT_MAX: u32 = 1 << 17;

/// Checks a program and describes its nodes.
pub fn validate(program: &Program) -> Result<Vec<NodeInfo>, Invalid> {
    let whole = |ok: bool, reason: &str| if ok { Ok(()) } else { Err(Invalid::Program(reason.into())) };
    let face = &program.interface;
    whole(program.nodes.len() as u64 <= ITEMS_MAX.into(), "too many nodes")?;
    whole(program.constants.len() as u64 <= ITEMS_MAX.into(), "too many constants")?;
    whole((1..=WIDTH_MAX).contains(&face.vocabulary), "the vocabulary must have 1 to 2^20 entries")?;
    whole((1..=CONTEXT_MAX).contains(&face.context), "the context must have 1 to 2^17 positions")?;
    whole(
        face.stop_tokens.iter().all(|t| *t < face.vocabulary),
        "a stop token is outside of the vocabulary",
    )?;
    whole(face.stop_tokens.len() <= STOP_TOKENS_MAX as usize, "too many stop tokens")?;
    whole(face.stop_tokens.is_sorted_by(|a, b| a < b), "stop tokens must ascend")?;
    for (i, c) in program.constants.iter().enumerate() {
        let (low, high) = c.element.limits();
        let sound = !c.is_empty() && c.low <= c.high && low <= c.low && c.high <= high;
        whole(
            sound && c.columns <= WIDTH_MAX,
            &format!("constant {i}: empty, too wide or with an impossible range"),
        )?;
    }
    let mut infos: Vec<NodeInfo> = Vec::with_capacity(program.nodes.len());
    for (i, node) in (0u32..).zip(&program.nodes) {
        let refuse = |reason: String| Invalid::Node { node: i, op: node.op.stem(), reason };
        let (nodes, constants) = node.op.arity();
        if !nodes.contains(&node.inputs.len()) || !constants.contains(&node.constants.len()) {
            return Err(refuse("wrong number of inputs or constants".into()));
        }
        let inputs = node
            .inputs
            .iter()
            .map(|x| {
                infos
                    .get(x.index())
                    .copied()
                    .ok_or_else(|| refuse(format!("input {} is not a lower node", x.0)))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let constants = node
            .constants
            .iter()
            .map(|x| program.constants.get(x.index()).ok_or_else(|| refuse(format!("no constant {}", x.0))))
            .collect::<Result<Vec<_>, _>>()?;
        for (k, input) in inputs.iter().enumerate() {
            let readable = if node.op.reads_visible(k) {
                input.range == Range::All
            } else {
                input.range.covers(node.range)
            };
            if !readable {
                return Err(refuse(format!("input {k} has no value where it is read")));
            }
        }
        if node.op.reads_request() && node.range != Range::Sampled {
            return Err(refuse("a greedy request has no temperature, threshold or draw".into()));
        }
        let odd = match face.output {
            Output::Tokens { .. } => node.range == Range::Last,
            Output::Vector { .. } => matches!(node.range, Range::Outputs | Range::Sampled),
        };
        if odd {
            return Err(refuse(
                "a program of tokens has no last position, one of a vector no output positions".into(),
            ));
        }
        let facts =
            bounds::Facts { face, node, nodes: &program.nodes, inputs: &inputs, constants: &constants };
        let (element, width, low, high) = facts.infer(&node.op).map_err(refuse)?;
        if width.at(0, 1) > WIDTH_MAX as usize || width.at(0, 1) == 0 {
            return Err(refuse("a row must have 1 to 2^20 elements".into()));
        }
        infos.push(NodeInfo { element, width, low, high, range: node.range, layout: Layout::Rows });
        let along_time = (0..).zip(&node.inputs).filter(|(k, _)| node.op.reads_columns(*k));
        for (_, input) in along_time {
            if let Some(info) = infos.get_mut(input.index()) {
                info.layout = Layout::Columns;
            }
        }
    }
    layouts(program, &infos)?;
    output(program, &infos)?;
    Ok(infos)
}

/// Widest row in columns that a step may read as a row: each element is an opening of its own.
const NEIGHBOURS_MAX: usize = 64;

/// Refuses a node that is read both along time and along its rows: one of the two would not fit a transaction.
fn layouts(program: &Program, infos: &[NodeInfo]) -> Result<(), Invalid> {
    for (i, node) in (0u32..).zip(&program.nodes) {
        for (k, input) in node.inputs.iter().enumerate() {
            let Some(info) = infos.get(input.index()) else { continue };
            let wide = info.width.at(0, 1) > NEIGHBOURS_MAX;
            if info.layout == Layout::Columns && wide && node.op.reads_neighbours(k) {
                let reason = format!("input {k} is also read along time: give it a node of its own");
                return Err(Invalid::Node { node: i, op: node.op.stem(), reason });
            }
        }
    }
    Ok(())
}

fn output(program: &Program, infos: &[NodeInfo]) -> Result<(), Invalid> {
    let is = |node: NodeId, op: fn(&Op) -> bool, range: Range| {
        program.nodes.get(node.index()).is_some_and(|n| op(&n.op) && n.range == range)
    };
    let sound = match program.interface.output {
        Output::Tokens { greedy, sampled } => {
            is(greedy, |op| matches!(op, Op::Argmax {}), Range::Outputs)
                && infos.get(greedy.index()).is_some_and(|i| i.high < program.interface.vocabulary.into())
                && is(sampled, |op| matches!(op, Op::Pick { .. }), Range::Sampled)
                && program.is_causal()
        }
        Output::Vector { node, fraction } => {
            (0..=62).contains(&fraction)
                && is(node, |_| true, Range::Last)
                && infos
                    .get(node.index())
                    .is_some_and(|i| matches!(i.width, Width::Fixed(_)) && i.element == ElementType::I32)
        }
    };
    if sound {
        Ok(())
    } else {
        Err(Invalid::Program("the output is not a node of the right kind and range".into()))
    }
}

impl Op {
    /// Does the operation read its `k`th input at all visible positions (rather than at its own).
    pub fn reads_visible(&self, k: usize) -> bool {
        match self {
            Self::Score { .. } => k == 2 || k == 3,
            Self::Mix { .. } => k == 2 || k == 3,
            Self::TimeMax { .. } | Self::Pool {} | Self::Gather { visible: 1, .. } => true,
            _ => false,
        }
    }

    /// Does the operation depend on what the request says of sampling.
    pub fn reads_request(&self) -> bool {
        matches!(self, Self::Distance { .. } | Self::Crossing { .. } | Self::Keep {} | Self::Draw {})
    }

    /// The span of an operation that reads visible positions.
    pub fn span(&self) -> Option<super::op::Span> {
        match *self {
            Self::Score { span, .. } | Self::TimeMax { span } => Some(span),
            Self::Pool {} | Self::Gather { visible: 1, .. } => Some(super::op::Span::All),
            _ => None,
        }
    }
}

impl Range {
    /// Has a node of this range a value wherever one of `other` has.
    pub fn covers(self, other: Self) -> bool {
        self == Self::All || self == other || (self == Self::Outputs && other == Self::Sampled)
    }
}

impl Program {
    /// Does no position depend on a later one, so that tokens can be generated one after the other.
    pub fn is_causal(&self) -> bool {
        self.nodes.iter().all(|n| n.op.span() != Some(super::op::Span::All))
    }
}
