//! One module for each command.

pub(crate) mod bench;
pub(crate) mod challenger;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod devnet;
pub(crate) mod dispute;
pub(crate) mod embed;
pub(crate) mod generate;
pub(crate) mod import;
pub(crate) mod info;
pub(crate) mod keystore;
pub(crate) mod rollup;
pub(crate) mod run;
pub(crate) mod sequencer;
mod source;
pub(crate) mod status;
pub(crate) mod trace;
pub(crate) mod verify;
