//! The native CPU back end.
//!
//! A [`Team`] of threads runs one closure at a time; inside it each [`Worker`] calls kernels on its share of the
//! work. Every kernel gives the bits of the scalar formulas in [`crate::numerics`] on every instruction set
//! ([`Isa`]), and [`self_test`] shows it on extreme values before a model is served.
//!
//! Kernels assume the bounds that the program validator has proved, and assert them in debug builds only.

// Layouts and tables that only the x86 kernels read are compiled, and unused, elsewhere.
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, unused_imports))]

pub mod aligned;
pub mod attention;
mod cells;
mod emit;
mod engine;
mod gate;
pub mod isa;
pub mod linear;
mod listen;
mod loaded;
mod order;
pub mod packed;
pub mod panels;
mod pattern;
mod plan;
mod products;
mod row;
mod rows;
mod run;
mod sample;
pub(crate) mod scalar;
mod self_test;
pub mod shared;
mod shift;
mod strips;
pub mod team;
#[cfg(test)]
mod tests;

pub use attention::{HeadCache, attend};
pub use engine::Native;
pub use isa::Isa;
pub use linear::{LinearWeights, Output, linear};
pub use packed::{PackedBuffer, PackedRows};
pub use panels::Panels;
pub use products::{Products, TERMS_MAX};
pub use self_test::{WrongBackEnd, self_test};
pub use shared::SharedMut;
pub use team::{Team, Worker};
