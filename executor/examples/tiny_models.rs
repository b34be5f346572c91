//! Writes the small models of the tests as files, for other implementations to run:
//! `cargo run -p executor --example tiny_models -- FOLDER`. See `tests/tools/reference_logits.py`.

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::PathBuf;

use serde_json::json;

fn main() -> std::io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: tiny_models FOLDER");
        std::process::exit(2);
    };
    for case in support::cases::all() {
        let model = case.model();
        support::hugging_face::write(&model, &folder.join(case.name));
        if case.gguf {
            support::gguf::write(&model, &folder.join(format!("{}.gguf", case.name)));
        }
        let tokens = json!({"tokens": case.tokens()}).to_string();
        std::fs::write(folder.join(case.name).join("sequence.json"), tokens)?;
    }
    Ok(())
}
