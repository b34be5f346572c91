//! The binary as a script sees it: exit codes, messages, documents.

#[path = "../../../contracts/bindings/tests/support/anvil.rs"]
mod anvil;
mod bad_input;
mod commands;
mod disputes;
mod exported;
mod inbox;
mod refute;
mod rollup;
mod services;
#[path = "../../../executor/tests/support/mod.rs"]
mod support;
