//! The time.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970, as L1 counts them.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
