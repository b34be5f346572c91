//! Headers of safetensors files and indexes of sharded models; the first byte says which of the two follows.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    if kind.is_multiple_of(2) {
        let _ = executor::import::hf::inspect_weights("fuzz", rest);
    } else if let Ok(files) = executor::import::hf::inspect_index("fuzz", rest) {
        assert!(files.iter().all(|file| !file.contains(['/', '\\']) && !file.starts_with('.')));
    }
});
