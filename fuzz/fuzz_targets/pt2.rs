//! A .pt2 file from its directory to the steps of its graph.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = executor::import::pt2::inspect("fuzz", bytes.to_vec());
});
