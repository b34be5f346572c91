//! An artefact, or a bare program: the first byte says which of the two follows.

#![no_main]

use executor::model::Model;
use executor::program::{Program, validate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    if kind.is_multiple_of(2) {
        if let Ok(program) = Program::decode(rest) {
            assert_eq!(program.encode(), rest, "one program has one encoding");
            let _ = validate(&program);
        }
    } else if let Ok(model) = Model::from_bytes(rest) {
        let _ = model.verify();
        let _ = model.chat_template();
    }
});
