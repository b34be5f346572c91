//! A model's constants as the kernels want them.

use crate::engine::EngineError;
use crate::kernels::{Constant, ConstantData};
use crate::model::Model;
use crate::program::ConstantId;
use crate::program::op::Op;

use super::linear::LinearWeights;
use super::panels::Panels;

/// Constants of one node.
pub(super) enum Loaded {
    /// Nothing, or nothing that needs preparation.
    None,
    /// A product.
    Linear(Box<LinearWeights<'static>>),
    /// A table of rows: weights, multipliers, shifts.
    Embed { panels: Panels<'static>, mult: &'static [u16], shift: &'static [i8] },
    /// Gains and perhaps biases.
    Norm { gain: &'static [i32], bias: Option<&'static [i32]> },
    /// A table of a non-linear function.
    Table(&'static super::rows::Table),
    /// Weights 2^-x.
    Exp(&'static [i32; 4096]),
    /// Where a map leads.
    Map(&'static [i32]),
    /// Cosines and sines, by index of the engine's rotary tables.
    Rope(usize),
}

/// The constants of all nodes. References point into the model's storage, which `model` keeps alive.
pub(super) struct Constants {
    pub(super) nodes: Vec<Loaded>,
    /// Upper and lower constants of each distinct rotary table.
    pub(super) ropes: Vec<(ConstantId, ConstantId)>,
    pub(super) model: Model,
}

fn damaged(what: &str) -> EngineError {
    EngineError::Backend(format!("a constant of {what} has a wrong layout: import the model again"))
}

/// The bytes of a constant for as long as the model lives.
///
/// # Safety
/// The result must not outlive the model's storage.
unsafe fn constant(model: &Model, id: ConstantId) -> Option<Constant<'static>> {
    let c = model.constant(id)?;
    // SAFETY: only the lifetime changes; the caller keeps the model.
    Some(unsafe { std::mem::transmute::<Constant<'_>, Constant<'static>>(c) })
}

/// Elements of a row-major constant. Sections begin at multiples of 64 bytes of a page-aligned map; if they should
/// not, the model is refused.
fn elements<T>(c: Option<Constant<'static>>) -> Option<&'static [T]> {
    let Constant { info, data: ConstantData::Rows(bytes) } = c? else { return None };
    // SAFETY: T is a plain integer for which every bit pattern is a value.
    let (before, elements, after) = unsafe { bytes.align_to::<T>() };
    let whole = before.is_empty() && after.is_empty() && size_of::<T>() == info.element.size();
    (whole && cfg!(target_endian = "little")).then_some(elements)
}

impl Constants {
    pub(super) fn new(model: &Model) -> Result<Self, EngineError> {
        let mut ropes = Vec::new();
        let mut nodes = Vec::new();
        for node in &model.program().nodes {
            let what = node.op.stem();
            // SAFETY: `Self` keeps a handle of the model, and nothing of `nodes` leaves it for longer.
            let at = |k: usize| node.constants.get(k).and_then(|id| unsafe { constant(model, *id) });
            let panels = || match at(0)? {
                Constant { info, data: ConstantData::Panels(bytes) } => Some(Panels {
                    n: info.rows as usize,
                    k: info.columns as usize,
                    digits: info.element.size(),
                    bytes,
                }),
                _ => None,
            };
            let matrix = || Some((panels()?, elements::<u16>(at(1))?, elements::<i8>(at(2))?));
            nodes.push(match node.op {
                Op::Linear { .. } => {
                    let (panels, mult, shift) = matrix().ok_or_else(|| damaged(what))?;
                    let bias = match node.constants.len() {
                        4 => Some(elements::<i32>(at(3)).ok_or_else(|| damaged(what))?),
                        _ => None,
                    };
                    let weights = LinearWeights::new(panels, mult, shift, bias)
                        .map_err(|e| EngineError::Backend(e.to_string()))?;
                    Loaded::Linear(Box::new(weights))
                }
                Op::Embed { .. } => {
                    let (panels, mult, shift) = matrix().ok_or_else(|| damaged(what))?;
                    Loaded::Embed { panels, mult, shift }
                }
                Op::Norm { .. } => Loaded::Norm {
                    gain: elements(at(0)).ok_or_else(|| damaged(what))?,
                    bias: match node.constants.len() {
                        2 => Some(elements(at(1)).ok_or_else(|| damaged(what))?),
                        _ => None,
                    },
                },
                Op::Lut { .. } | Op::Act { .. } | Op::Glu { .. } => {
                    let table = elements::<i64>(at(0).map(in_pairs)).and_then(|t| t.try_into().ok());
                    Loaded::Table(table.ok_or_else(|| damaged(what))?)
                }
                Op::Exp2W {} | Op::Weigh {} => {
                    let table = elements::<i32>(at(0)).and_then(|t| t.try_into().ok());
                    Loaded::Exp(table.ok_or_else(|| damaged(what))?)
                }
                Op::Gather { .. } => Loaded::Map(elements(at(0)).ok_or_else(|| damaged(what))?),
                Op::Rope { .. } => match node.constants.as_slice() {
                    [upper, lower] => {
                        let pair = (*upper, *lower);
                        let i = ropes.iter().position(|known| *known == pair).unwrap_or_else(|| {
                            ropes.push(pair);
                            ropes.len() - 1
                        });
                        Loaded::Rope(i)
                    }
                    _ => return Err(damaged(what)),
                },
                _ => Loaded::None,
            });
        }
        Ok(Self { nodes, ropes, model: model.clone() })
    }
}

/// A table of two columns of I32 read as rows of 8 bytes.
fn in_pairs(mut c: Constant<'static>) -> Constant<'static> {
    c.info.element = crate::program::ElementType::I64;
    c
}

/// The turned angles of one rotary table for each position so far.
#[derive(Default)]
pub(super) struct Angles {
    pub(super) pairs: usize,
    /// For each position the cosines, then the sines.
    pub(super) values: Vec<i32>,
}

impl Angles {
    /// Makes the angles of all positions below `positions`.
    pub(super) fn extend(
        &mut self,
        model: &Model,
        (upper, lower): (ConstantId, ConstantId),
        positions: u32,
    ) -> Result<(), EngineError> {
        let (Some(upper), Some(lower)) = (model.constant(upper), model.constant(lower)) else {
            return Err(damaged("rope"));
        };
        self.pairs = upper.info.columns as usize / 2;
        if self.pairs == 0 {
            return Ok(());
        }
        let pairs = self.pairs as i64;
        for t in (self.values.len() / (2 * self.pairs)) as i64..i64::from(positions) {
            let mut sines = Vec::with_capacity(self.pairs);
            for i in 0..pairs {
                let (ch, sh) = (upper.at(t >> 8, i)?, upper.at(t >> 8, i + pairs)?);
                let (cl, sl) = (lower.at(t & 255, i)?, lower.at(t & 255, i + pairs)?);
                let round = |x: i64| ((x + (1 << 28)) >> 29) as i32;
                self.values.push(round(ch * cl - sh * sl));
                sines.push(round(ch * sl + sh * cl));
            }
            self.values.append(&mut sines);
        }
        Ok(())
    }

    /// Cosines and sines at a position.
    pub(super) fn at(&self, position: u32) -> (&[i32], &[i32]) {
        let start = position as usize * 2 * self.pairs;
        self.values[start..start + 2 * self.pairs].split_at(self.pairs)
    }
}
