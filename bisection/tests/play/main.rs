//! The game played on a toy machine.

mod exhaustive;
mod random;
mod rules;
mod sequence;
mod strategies;
mod toy;
