//! One block of positions through all nodes.

use std::collections::BTreeMap;

use tch::{Device, Tensor};

use super::cache::Cache;
use super::constants::Constants;
use super::fused::Launcher;
use super::math::{Tables, numbers};
use super::operands::{Input, Operands};
use super::ops::apply;
use super::plan::{Plan, outputs};
use super::rows::{Row, Rows};
use crate::engine::{Emission, EngineError, SequenceId, Tap, has_value, output_node};
use crate::kernels::Sampling;
use crate::model::Model;
use crate::program::op::{Range, Span};
use crate::program::{ElementType, Node, NodeId, Output, Width};
use crate::torch::failed;

/// Positions of one sequence.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    /// Index of the feed that they are from.
    pub(super) feed: usize,
    pub(super) sequence: SequenceId,
    /// Where its rows are in the caches.
    pub(super) slot: i64,
    pub(super) sampling: Sampling,
    /// The first position.
    pub(super) first: u32,
    pub(super) tokens: &'a [u32],
    pub(super) outputs_from: u32,
    /// After the last position of the whole feed.
    pub(super) end: u32,
}

impl Part<'_> {
    /// Its rows in a range, and the length of the sequence so far.
    fn rows(&self, index: usize, range: Range) -> (Vec<Row>, usize) {
        let rows = (self.first..).zip(self.tokens);
        let rows =
            rows.filter(|(t, _)| has_value(range, *t, self.outputs_from, self.end - 1, &self.sampling));
        let row = |(position, token): (u32, &u32)| Row {
            part: index,
            position,
            token: *token,
            sampling: self.sampling,
        };
        (rows.map(row).collect(), self.first as usize + self.tokens.len())
    }
}

const RANGES: [Range; 4] = [Range::All, Range::Outputs, Range::Sampled, Range::Last];

/// The rows of one range.
struct Set {
    range: Range,
    rows: Rows,
    /// Slot of each row.
    slots: Tensor,
    /// Slots of the parts of each group.
    groups: Vec<Vec<i64>>,
    /// What is visible, by span.
    masks: Vec<(Span, Tensor)>,
    /// Where its rows are among those of another range; `None` if they are the same.
    places: Vec<(Range, Option<Tensor>)>,
}

/// One block on its way through the nodes.
pub(super) struct Step<'a> {
    model: &'a Model,
    plan: &'a Plan,
    tables: &'a Tables,
    kernels: Option<&'a dyn Launcher>,
    device: Device,
    parts: &'a [Part<'a>],
    /// Of each range that has rows.
    sets: Vec<Set>,
    /// Where each node is computed.
    ranges: Vec<Range>,
    values: Vec<Option<Tensor>>,
}

impl<'a> Step<'a> {
    /// A block. If somebody listens, every node is computed at its whole range, else what the outputs need.
    pub(super) fn new(
        model: &'a Model,
        plan: &'a Plan,
        tables: &'a Tables,
        kernels: Option<&'a dyn Launcher>,
        device: Device,
        parts: &'a [Part<'a>],
        listened: bool,
    ) -> Result<Self, EngineError> {
        let mut sets = Vec::new();
        for range in RANGES {
            let lists: Vec<_> = parts.iter().enumerate().map(|(i, part)| part.rows(i, range)).collect();
            if lists.iter().all(|list| list.0.is_empty()) {
                continue;
            }
            let rows = Rows::new(lists, device).map_err(failed)?;
            let slots: Vec<i64> = rows.list.iter().map(|row| parts[row.part].slot).collect();
            let slots = numbers(&slots, &[rows.len()], device).map_err(failed)?;
            let groups =
                rows.groups.iter().map(|g| g.parts.iter().map(|part| parts[*part].slot).collect()).collect();
            sets.push(Set { range, rows, slots, groups, masks: Vec::new(), places: Vec::new() });
        }
        let nodes = &model.program().nodes;
        let ranges =
            if listened { nodes.iter().map(|node| node.range).collect() } else { plan.needed.clone() };
        let values = nodes.iter().map(|_| None).collect();
        Ok(Self { model, plan, tables, kernels, device, parts, sets, ranges, values })
    }

    /// Computes the nodes in order; gives the emissions with the feeds that they belong to.
    pub(super) fn run(
        &mut self,
        constants: &Constants,
        caches: &mut BTreeMap<NodeId, Cache>,
        tap: &mut Option<&mut dyn Tap>,
    ) -> Result<Vec<(usize, Emission)>, EngineError> {
        let model = self.model;
        for (i, node) in (0..).map(NodeId).zip(&model.program().nodes) {
            let range = self.ranges[i.index()];
            if let Some(set) = self.sets.iter().position(|set| set.range == range) {
                let value = self.evaluate(node, set, constants, caches)?;
                if let Some(cache) = caches.get_mut(&i) {
                    let set = &self.sets[set];
                    cache.write(&set.slots, &set.rows.positions, &value).map_err(failed)?;
                }
                if let Some(tap) = tap.as_deref_mut().filter(|tap| tap.wants(i)) {
                    self.show(i, set, &value, tap)?;
                }
                self.values[i.index()] = Some(value);
            }
            for gone in &self.plan.last_read[i.index()] {
                self.values[gone.index()] = None;
            }
        }
        self.emissions()
    }

    fn evaluate(
        &mut self,
        node: &Node,
        set: usize,
        constants: &Constants,
        caches: &BTreeMap<NodeId, Cache>,
    ) -> Result<Tensor, EngineError> {
        let gone = || EngineError::Backend("an input has no value".into());
        let infos = self.model.infos();
        let mut inputs = Vec::new();
        for (k, input) in node.inputs.iter().enumerate() {
            inputs.push(if node.op.reads_visible(k) {
                let cache = caches.get(input).ok_or_else(gone)?;
                let Set { groups, rows, .. } = &self.sets[set];
                let read = groups.iter().map(|slots| cache.read(slots, rows.seen)).collect::<Result<_, _>>();
                Input::Visible(read.map_err(failed)?)
            } else {
                let places = self.places(set, self.ranges[input.index()])?;
                let value = self.values[input.index()].as_ref().ok_or_else(gone)?;
                Input::Own(match places {
                    Some(places) => value.f_index_select(0, &places).map_err(failed)?,
                    None => value.shallow_clone(),
                })
            });
        }
        let first = node.inputs.first().map(|x| infos[x.index()]);
        let span = match first.map(|info| info.width) {
            Some(Width::PerVisible { span, .. }) => Some(span),
            _ => node.op.span(),
        };
        let mask = span.map(|span| self.mask(set, span)).transpose()?;
        let operands = Operands {
            inputs,
            constants: constants.of(&node.op, &node.constants).ok_or_else(gone)?,
            rows: &self.sets[set].rows,
            mask,
            narrow: first.is_some_and(|info| info.element == ElementType::I8),
            tables: self.tables,
            kernels: self.kernels,
        };
        apply(&node.op, &operands)
    }

    /// Where the rows of a set are among those of `from`, which covers it.
    fn places(&mut self, set: usize, from: Range) -> Result<Option<Tensor>, EngineError> {
        if self.sets[set].range == from {
            return Ok(None);
        }
        if let Some((_, places)) = self.sets[set].places.iter().find(|known| known.0 == from) {
            return Ok(places.as_ref().map(Tensor::shallow_clone));
        }
        let gone = || EngineError::Backend("an input has no value at some position".into());
        let all = self.sets.iter().find(|other| other.range == from).ok_or_else(gone)?;
        let rows = &self.sets[set].rows;
        let places = rows.places_in(&all.rows).ok_or_else(gone)?;
        let places =
            if all.rows.list.len() == places.len() && (0..).zip(&places).all(|(i, place)| i == *place) {
                None
            } else {
                Some(numbers(&places, &[rows.len()], self.device).map_err(failed)?)
            };
        self.sets[set].places.push((from, places.as_ref().map(Tensor::shallow_clone)));
        Ok(places)
    }

    fn mask(&mut self, set: usize, span: Span) -> Result<Tensor, EngineError> {
        let Set { rows, masks, .. } = &mut self.sets[set];
        if let Some((_, mask)) = masks.iter().find(|known| known.0 == span) {
            return Ok(mask.shallow_clone());
        }
        let mask = rows.mask(span).map_err(failed)?;
        masks.push((span, mask.shallow_clone()));
        Ok(mask)
    }

    /// Hands a node's rows to a listener.
    fn show(&self, node: NodeId, set: usize, value: &Tensor, tap: &mut dyn Tap) -> Result<(), EngineError> {
        let rows = &self.sets[set].rows;
        let values = on_host(value)?;
        let width = values.len() / rows.list.len().max(1);
        for (row, values) in rows.list.iter().zip(values.chunks_exact(width.max(1))) {
            let part = &self.parts[row.part];
            let length = part.first as usize + part.tokens.len();
            match self.model.infos()[node.index()].width {
                Width::Fixed(_) => tap.row(part.sequence, node, row.position, values),
                Width::PerVisible { span, .. } => {
                    let visible = span.visible(row.position as usize, length);
                    let groups = values.chunks_exact(rows.seen.max(1) as usize);
                    let seen: Vec<i64> = groups.flat_map(|group| &group[visible.clone()]).copied().collect();
                    tap.row(part.sequence, node, row.position, &seen);
                }
            }
        }
        Ok(())
    }

    fn emissions(&self) -> Result<Vec<(usize, Emission)>, EngineError> {
        let output = self.model.program().interface.output;
        let mut emissions = Vec::new();
        for node in outputs(self.model.program()) {
            let Some(value) = &self.values[node.index()] else { continue };
            let Some(set) = self.sets.iter().find(|set| set.range == self.ranges[node.index()]) else {
                continue;
            };
            let values = on_host(value)?;
            let width = values.len() / set.rows.list.len().max(1);
            for (row, values) in set.rows.list.iter().zip(values.chunks_exact(width.max(1))) {
                if output_node(output, &row.sampling) != node {
                    continue;
                }
                let emission = match output {
                    Output::Tokens { .. } => Emission::Token(values[0] as u32),
                    Output::Vector { .. } => Emission::Vector(values.iter().map(|x| *x as i32).collect()),
                };
                emissions.push((self.parts[row.part].feed, emission));
            }
        }
        Ok(emissions)
    }
}

/// A value's numbers.
fn on_host(value: &Tensor) -> Result<Vec<i64>, EngineError> {
    let read = || Vec::try_from(&value.f_to(Device::Cpu)?.f_contiguous()?.f_reshape([-1])?);
    read().map_err(failed)
}
