//! Programs that PyTorch exported, from the file to their output, and what is said about those that are none.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bad_input::refused;
use crate::refute::{file, refute};
use crate::support::archive::Archive;
use crate::support::pt2::{self, Digits, Tiny, recorded};
use crate::support::vocabulary;

const TEXTS: [&str; 2] = ["decoder", "encoder"];
const IMAGES: [&str; 4] = ["cnn", "mlp", "ops", "padded"];

/// A folder with the exported programs and, beside those of text, a tokenizer.
fn programs() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    for name in TEXTS.iter().chain(&IMAGES) {
        let name = format!("{name}.pt2");
        std::fs::copy(pt2::data(&name), folder.path().join(&name)).expect("the program is copied");
    }
    file(&folder, "tokenizer.json", vocabulary::tokenizer_json(64));
    folder
}

fn import(folder: &Path, name: &str) -> Value {
    let from = format!("{name}.pt2");
    refute(folder, &["model", "import", &from, "-o", name, "--threads", "1", "--json"]).ended(0).json()
}

fn run(folder: &Path, model: &str) -> Value {
    refute(folder, &["run", "--model", model, "--input", "input.json", "--json"]).ended(0).json()
}

fn numbers(image: &[u32]) -> String {
    image.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_program_is_imported_described_run_and_compared() {
    let folder = programs();
    let at = folder.path();
    let tiny: Tiny = recorded("tiny.json");
    let digits: Digits = recorded("digits.json");
    let of_digits = |of: &[Vec<f64>]| (digits.images[0].clone(), of[0].clone());
    for name in TEXTS.iter().chain(&IMAGES) {
        let made = import(at, name);
        let info = refute(at, &["model", "info", name, "--verify", "--json"]).ended(0).json();
        assert_eq!((&info["model_id"], &info["provenance"]["format"]), (&made["model_id"], &json!("pt2")));
        assert!(refute(at, &["model", "info", name]).ended(0).stdout.contains(" KiB"), "a size of its own");
        let (tokens, expected) = match *name {
            "cnn" => of_digits(&digits.cnn),
            "mlp" => of_digits(&digits.mlp),
            "ops" => (tiny.ops.tokens.clone(), tiny.ops.output.clone()),
            "padded" => (tiny.padded.tokens.clone(), tiny.padded.output.clone()),
            "encoder" => (tiny.encoder.tokens.clone(), tiny.encoder.output.clone()),
            _ => (tiny.decoder.tokens.clone(), tiny.decoder.output.clone()),
        };
        file(&folder, "input.json", json!({"tokens": tokens}).to_string());
        let output = run(at, name);
        if *name == "decoder" {
            assert_eq!(output["output_tokens"], json!([pt2::largest(&expected)]));
        } else {
            let values: Vec<f64> = serde_json::from_value(output["values"].clone()).expect("numbers");
            let error = pt2::distance(&values, &expected);
            assert!(error < 0.03, "{name}: {error}");
        }
        let text = if IMAGES.contains(name) { numbers(&tokens) } else { "A WORD AND ANOTHER WORD".into() };
        file(&folder, "text", text);
        let check = refute(at, &["model", "check", name, "--text", "text", "--json"]).ended(0).json();
        assert_eq!(check["saturated"], 0, "{name}: {check}");
        let steps = check["steps"].as_array().expect("steps");
        assert!(steps.iter().all(|step| step["relative_error"].is_number()), "{name}: {check}");
    }
}

#[test]
fn an_image_is_given_as_tokens_or_as_text_and_always_whole() {
    let folder = programs();
    let at = folder.path();
    import(at, "cnn");
    let digits: Digits = recorded("digits.json");
    let image = &digits.images[0];
    file(&folder, "input.json", json!([{"tokens": image}, {"text": numbers(image)}]).to_string());
    let outputs = run(at, "cnn");
    assert_eq!(outputs[0], outputs[1]);
    let all = numbers(image);
    let embedded = ["embed", "--model", "cnn", "--text", &all, "--json"];
    assert_eq!(refute(at, &embedded).ended(0).json()["embeddings"][0], outputs[0]["values"]);

    let mut large = image.clone();
    large[2] = 256;
    let long = [image.as_slice(), &[1]].concat();
    for (input, words) in [
        (json!({"tokens": image[..10]}), ["has 10 numbers", "reads 64"]),
        (json!({"tokens": long}), ["has 65 numbers", "reads 64"]),
        (json!({"tokens": []}), ["has 0 numbers", "reads 64"]),
        (json!({"tokens": large}), ["item 3", "0 to 255"]),
        (json!({"text": format!("0.5 {all}")}), ["item 1", "0 to 255"]),
    ] {
        file(&folder, "input.json", input.to_string());
        refused(&folder, &["run", "--model", "cnn", "--input", "input.json"], &words);
    }
    refused(&folder, &["embed", "--model", "cnn", "--text", "1 2 3"], &["has 3 numbers"]);
    file(&folder, "text", format!("{all}\n1 2 3\n"));
    refused(&folder, &["model", "check", "cnn", "--text", "text"], &["has 3 numbers"]);
}

#[test]
fn programs_that_are_refused() {
    let folder = programs();
    let at = folder.path();
    let import =
        |source: &str, words: &[&str]| refused(&folder, &["model", "import", source, "-o", "out"], words);
    // As `sum` instead of `max_pool2d` would be exported: the node and the line of the source stay.
    let program = std::fs::read(pt2::data("cnn.pt2")).expect("the program is read");
    let (from, to) = ("torch.ops.aten.max_pool2d.default", "torch.ops.aten.msort_pool.default");
    let at_name = program.windows(from.len()).position(|w| w == from.as_bytes()).expect("a pool");
    let mut unknown = program.clone();
    unknown[at_name..at_name + to.len()].copy_from_slice(to.as_bytes());
    file(&folder, "unknown.pt2", unknown);
    import("unknown.pt2", &[to, "at node max_pool2d", "export_pt2.py", "x = F.max_pool2d(x, 2)"]);

    file(&folder, "cut.pt2", &program[..program.len() / 2]);
    import("cut.pt2", &["cut.pt2 is malformed", "no whole zip archive"]);
    let pickled =
        Archive(vec![("archive/data.pkl".into(), vec![0x80, 2]), ("archive/version".into(), vec![b'3'])]);
    file(&folder, "state.pt2", pickled.write());
    import("state.pt2", &["pickle", "torch.export.save"]);

    // Another model's tokenizer knows more tokens than the table has rows.
    file(&folder, "tokenizer.json", vocabulary::tokenizer_json(300));
    import("encoder.pt2", &["tokenizer", "64 rows", "another model"]);
    std::fs::remove_file(at.join("tokenizer.json")).expect("the tokenizer is removed");
    import("encoder.pt2", &["tokenizer.json", "save_pretrained"]);
    assert!(!at.join("out/model.refute").exists());
}
