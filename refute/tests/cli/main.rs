//! The binary as a script sees it: exit codes, messages, documents.

mod bad_input;
mod commands;
mod disputes;
mod refute;
mod services;
#[path = "../../../executor/tests/support/mod.rs"]
mod support;
