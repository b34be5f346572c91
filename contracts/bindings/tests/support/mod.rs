//! A real node and what can go wrong on the way to it.

pub(crate) mod anvil;
pub(crate) mod proxy;
