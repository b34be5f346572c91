//! Against a real node: what is promised is posted, confirmed and can be claimed; what L1 takes back is taken back.

#[path = "../../../contracts/bindings/tests/support/anvil.rs"]
mod anvil;
mod crash;
mod inbox;
mod late;
mod liar;
mod life;
#[path = "../store/postgres.rs"]
mod postgres;
#[path = "../../../contracts/bindings/tests/support/proxy.rs"]
mod proxy;
mod rejection;
mod reorganisation;
mod start;
mod stranger;
mod support;
mod trouble;
