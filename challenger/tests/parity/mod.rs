//! What the tests of parity share.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

pub mod twin;
pub mod world;
