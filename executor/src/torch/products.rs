//! Products of digits by `torch._int_mm`: 8 bits times 8 bits, summed in 32, exact.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::failed;
use crate::engine::EngineError;
use crate::kernels::{Constant, ConstantData};
use crate::model::Model;
use crate::native::panels::digits_of;
use crate::native::{Panels, Products, TERMS_MAX};
use crate::program::op::Op;
use crate::program::{ConstantId, NodeId};

/// A matrix of digits (n, k).
#[derive(Debug)]
struct Digits(Tensor);

// SAFETY: the tensor is made once and only read then; libtorch counts references atomically.
unsafe impl Sync for Digits {}

/// Weights as libtorch multiplies them: for each digit a matrix, high one first.
#[derive(Debug)]
struct Weights {
    k: usize,
    digits: Vec<Digits>,
}

impl Weights {
    fn new(panels: &Panels<'_>) -> Result<Self, EngineError> {
        let Panels { n, k, digits, .. } = *panels;
        let mut matrices = vec![vec![0_i8; n * k]; digits];
        for c in 0..n {
            for (j, w) in panels.row(c).enumerate() {
                let cut = digits_of(w);
                // One digit is the low one of two.
                for (matrix, digit) in matrices.iter_mut().zip(&cut[2 - digits..]) {
                    matrix[c * k + j] = *digit;
                }
            }
        }
        let digits = matrices
            .into_iter()
            .map(|matrix| Ok(Digits(Tensor::f_from_slice(&matrix)?.f_reshape([n as i64, k as i64])?)))
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        Ok(Self { k, digits })
    }
}

/// Libtorch's products of a model's `linear` nodes.
#[derive(Debug, Default)]
pub struct LibtorchProducts {
    /// Of each node; `None` where our own kernels multiply.
    nodes: Vec<Option<Arc<Weights>>>,
}

thread_local! {
    /// Has the thread told libtorch that it works alone.
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

impl LibtorchProducts {
    /// Copies the weights of a model into tensors: a byte for each digit.
    ///
    /// # Errors
    /// If a constant is not laid out as weights, or libtorch has no room.
    pub fn new(model: &Model) -> Result<Self, EngineError> {
        let mut known: BTreeMap<ConstantId, Arc<Weights>> = BTreeMap::new();
        let mut nodes = Vec::new();
        for node in &model.program().nodes {
            let weights = match (node.op, node.constants.first()) {
                (Op::Linear { .. }, Some(id)) => {
                    let panels = panels(model, *id)?;
                    if panels.k > TERMS_MAX {
                        None
                    } else if let Some(weights) = known.get(id) {
                        Some(Arc::clone(weights))
                    } else {
                        let weights = Arc::new(Weights::new(&panels)?);
                        known.insert(*id, Arc::clone(&weights));
                        Some(weights)
                    }
                }
                _ => None,
            };
            nodes.push(weights);
        }
        Ok(Self { nodes })
    }

    /// Products of one node, for the self-test.
    pub(super) fn of(panels: &Panels<'_>) -> Result<Self, EngineError> {
        Ok(Self { nodes: vec![Some(Arc::new(Weights::new(panels)?))] })
    }

    fn weights(&self, node: NodeId) -> Option<&Weights> {
        self.nodes.get(node.index())?.as_deref()
    }
}

fn panels(model: &Model, id: ConstantId) -> Result<Panels<'_>, EngineError> {
    match model.constant(id) {
        Some(Constant { info, data: ConstantData::Panels(bytes) }) => {
            Ok(Panels { n: info.rows as usize, k: info.columns as usize, digits: info.element.size(), bytes })
        }
        _ => Err(EngineError::Backend(
            "a constant of linear has a wrong layout: import the model again".into(),
        )),
    }
}

impl Products for LibtorchProducts {
    fn digits(&self, node: NodeId) -> usize {
        self.weights(node).map_or(0, |weights| weights.digits.len())
    }

    fn multiply(
        &self,
        node: NodeId,
        digit: usize,
        x: &[i8],
        channels: Range<usize>,
        sums: &mut [i32],
    ) -> Result<(), EngineError> {
        let found = self.weights(node).and_then(|w| Some((w.k, w.digits.get(digit)?)));
        let Some((k, Digits(digits))) = found else { return Err(wrong()) };
        let (m, n) = (x.len() / k, channels.len());
        if x.len() != m * k || sums.len() != m * n {
            return Err(wrong());
        }
        if m == 0 || n == 0 {
            return Ok(());
        }
        if !ALONE.replace(true) {
            // Our threads share the work: those of libtorch would stand in their way.
            tch::set_num_threads(1);
        }
        let (rows, width) = (m as i64, n as i64);
        let mut multiply = || {
            // SAFETY: both views end before this function does, and are as long as the slices.
            let (x, out) = unsafe {
                let x = Tensor::f_from_blob(
                    x.as_ptr().cast(),
                    &[rows, k as i64],
                    &[k as i64, 1],
                    Kind::Int8,
                    Device::Cpu,
                )?;
                let out = sums.as_mut_ptr().cast_const().cast();
                (x, Tensor::f_from_blob(out, &[rows, width], &[width, 1], Kind::Int, Device::Cpu)?)
            };
            let w = digits.f_narrow(0, channels.start as i64, width)?.f_transpose(0, 1)?;
            x.f_internal_int_mm_out(&out, &w)
        };
        multiply().map(drop).map_err(failed)
    }
}

fn wrong() -> EngineError {
    EngineError::Backend("operands of a product do not fit".into())
}
