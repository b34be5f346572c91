//! Arithmetic of addresses that cannot wrap.

use crate::numerics::{Exact, OutOfDomain};

const OUTSIDE: OutOfDomain = OutOfDomain("an address");

pub(super) fn add(a: u64, b: u64) -> Exact<u64> {
    a.checked_add(b).ok_or(OUTSIDE)
}

pub(super) fn sub(a: u64, b: u64) -> Exact<u64> {
    a.checked_sub(b).ok_or(OUTSIDE)
}

pub(super) fn mul(a: u64, b: u64) -> Exact<u64> {
    a.checked_mul(b).ok_or(OUTSIDE)
}

pub(super) fn div(a: u64, b: u64) -> Exact<u64> {
    a.checked_div(b).ok_or(OUTSIDE)
}

pub(super) fn rem(a: u64, b: u64) -> Exact<u64> {
    a.checked_rem(b).ok_or(OUTSIDE)
}

/// A value as an index.
pub(super) fn index(x: i64) -> Exact<u64> {
    u64::try_from(x).map_err(|_| OUTSIDE)
}

/// An index as a value.
pub(super) fn value(x: u64) -> Exact<i64> {
    i64::try_from(x).map_err(|_| OUTSIDE)
}
