//! The contracts for Rust.
pub mod local;
