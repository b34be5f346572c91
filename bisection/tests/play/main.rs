//! The game played on a toy machine.

mod exhaustive;
mod rules;
mod sequence;
mod toy;
