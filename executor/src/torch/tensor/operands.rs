//! What an operation works on: the rows of a node, all at once.

use tch::{TchError, Tensor};

use super::constants::{Held, Weights};
use super::fused::Launcher;
use super::math::{Made, Tables};
use super::rows::Rows;

/// An input of a node.
#[derive(Debug)]
pub(super) enum Input {
    /// The own rows: (rows, width), or (rows, groups, seen) where a row has an element for each visible position.
    Own(Tensor),
    /// The rows of all positions, for each group of rows: (parts, seen, width). What lies at positions that are not visible
    /// is masked where it is read.
    Visible(Vec<Tensor>),
}

/// The inputs of one node.
#[derive(Debug)]
pub(super) struct Operands<'a> {
    pub(super) inputs: Vec<Input>,
    pub(super) constants: Vec<&'a Held>,
    pub(super) rows: &'a Rows,
    /// Which positions are visible: (rows, seen), where the operation has a span.
    pub(super) mask: Option<Tensor>,
    /// Are the mantissas of input 0 of 8 bits.
    pub(super) narrow: bool,
    pub(super) tables: &'a Tables,
    /// Who runs our own kernels.
    pub(super) kernels: Option<&'a dyn Launcher>,
}

fn missing(what: &str) -> TchError {
    TchError::Shape(format!("{what} is missing"))
}

impl Operands<'_> {
    /// The own rows of input `k`.
    pub(super) fn own(&self, k: usize) -> Result<&Tensor, TchError> {
        match self.inputs.get(k) {
            Some(Input::Own(rows)) => Ok(rows),
            _ => Err(missing("an input")),
        }
    }

    /// The own rows of input `k` in groups: (rows, groups, width of a group).
    pub(super) fn groups(&self, k: usize, groups: u32) -> Made {
        self.own(k)?.f_reshape([self.rows.len(), groups.into(), -1])
    }

    /// Input `k` at all positions, for each group of rows.
    pub(super) fn visible(&self, k: usize) -> Result<&[Tensor], TchError> {
        match self.inputs.get(k) {
            Some(Input::Visible(groups)) => Ok(groups),
            _ => Err(missing("an input")),
        }
    }

    /// Constant `k`, a matrix.
    pub(super) fn constant(&self, k: usize) -> Result<&Tensor, TchError> {
        match self.constants.get(k) {
            Some(Held::Plain(values)) => Ok(values),
            _ => Err(missing("a constant")),
        }
    }

    pub(super) fn weights(&self) -> Result<&Weights, TchError> {
        match self.constants.first() {
            Some(Held::Weights(weights)) => Ok(weights),
            _ => Err(missing("a matrix of weights")),
        }
    }

    /// Which positions are visible from each row: (rows, seen).
    pub(super) fn mask(&self) -> Result<&Tensor, TchError> {
        self.mask.as_ref().ok_or_else(|| missing("a span"))
    }
}
