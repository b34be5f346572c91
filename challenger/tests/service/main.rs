//! The challenger as a service, on a real node: what is right is confirmed without it, and whatever is wrong is rejected by
//! it, whoever answers, whoever else asks, and whatever happens to it or to the chain meanwhile.

mod anvil;
mod proxy;
#[path = "../../../executor/tests/support/mod.rs"]
mod support;

mod defence;
mod disputes;
mod hostile;
mod interruptions;
mod many;
mod operation;
mod proposer;
mod rival;
mod sources;
mod ticking;
mod world;
