//! A GGUF file from its magic to the first rows of its weights.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(model) = executor::import::gguf::from_bytes("fuzz", bytes.to_vec()) {
        let _ = model.tensors.rows("embed", 0..1, &mut Vec::new());
        let _ = model.tensors.rows("layers.0.q", 0..1, &mut Vec::new());
    }
});
