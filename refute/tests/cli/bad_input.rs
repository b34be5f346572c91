//! Whatever is wrong with what a user gives ends with exit code 2 and one message that says what to do.

use serde_json::json;

use crate::refute::{file, imported, refute, sources};
use tempfile::TempDir;

/// Runs, expects exit code 2 and a message with these words, as text and as JSON.
pub(crate) fn refused(folder: &TempDir, arguments: &[&str], words: &[&str]) {
    let run = refute(folder.path(), arguments).ended(2);
    assert_eq!(run.stdout, "", "{arguments:?}");
    assert!(run.stderr.starts_with("error: "), "{}", run.stderr);
    for word in words {
        assert!(run.stderr.contains(word), "{arguments:?} should say {word:?}: {}", run.stderr);
    }
    assert!(!run.stderr.contains("panicked") && !run.stderr.contains("backtrace"), "{}", run.stderr);
    let run = refute(folder.path(), &[arguments, &["--json"]].concat()).ended(2);
    let document = run.json();
    assert_eq!(document["exit_code"], 2);
    let message = document["error"].as_str().unwrap();
    assert!(run.stderr.contains(message), "{message} is not {}", run.stderr);
}

#[test]
fn sources_that_are_none() {
    let folder = sources();
    let gguf = std::fs::read(folder.path().join("llama.gguf")).unwrap();
    file(&folder, "short.gguf", &gguf[..gguf.len() / 2]);
    file(&folder, "header.gguf", &gguf[..30]);
    file(&folder, "magic.gguf", [b"FUGG", &gguf[4..]].concat());
    file(&folder, "empty.gguf", "");
    std::fs::create_dir(folder.path().join("nothing")).unwrap();
    let import =
        |source: &str, words: &[&str]| refused(&folder, &["model", "import", source, "-o", "out"], words);
    import("absent.gguf", &["cannot read absent.gguf", "name a GGUF file"]);
    import("magic.gguf", &["is no GGUF file", "Hugging Face"]);
    import("empty.gguf", &["is no GGUF file"]);
    import("short.gguf", &["short.gguf is malformed"]);
    import("header.gguf", &["header.gguf is malformed"]);
    import("nothing", &["config.json"]);
    assert!(!folder.path().join("out/model.refute").exists());
    file(&folder, "in_the_way", "");
    refused(
        &folder,
        &["model", "import", "llama.gguf", "-o", "in_the_way/model"],
        &["cannot make the folder", "-o"],
    );
}

#[test]
fn models_that_are_none() {
    let folder = imported("llama.gguf");
    let artefact = std::fs::read(folder.path().join("model/model.refute")).unwrap();
    file(&folder, "short.refute", &artefact[..artefact.len() / 2]);
    file(&folder, "magic.refute", &artefact[1..]);
    let mut forged = artefact.clone();
    let last = forged.len() - 1;
    // A constant is last; zero padding follows it, so that the last byte that is not zero is one of its values.
    let value = (0..last).rev().find(|i| forged[*i] != 0).unwrap();
    forged[value] ^= 1;
    file(&folder, "forged.refute", &forged);
    refused(&folder, &["model", "info", "absent"], &["cannot read absent", "refute model import"]);
    refused(&folder, &["model", "info", "short.refute"], &["cut short"]);
    refused(&folder, &["model", "info", "magic.refute"], &["no model of Refute", "import"]);
    refused(&folder, &["model", "info", "forged.refute", "--verify"], &["corrupted"]);
}

#[test]
fn requests_that_cannot_be() {
    let folder = imported("llama.gguf");
    let generate = |arguments: &[&str], words: &[&str]| {
        refused(&folder, &[&["generate", "--model", "model"], arguments].concat(), words);
    };
    generate(&["--prompt", "a", "--backend", "abacus"], &["abacus", "native", "reference"]);
    generate(&["--prompt", "a", "--device", "cpu"], &["--device belongs to the torch back end"]);
    generate(&["--prompt", "a", "--backend", "torch", "--device", "gpu"], &["cuda:0"]);
    generate(&["--prompt", "a", "--backend", "torch", "--device", "cuda:9"], &["native"]);
    generate(&["--prompt", "a", "--isa", "sse9"], &["sse9", "portable"]);
    generate(&["--prompt", "a", "--isa", "portable", "--backend", "reference"], &["leave it out"]);
    generate(&["--prompt", "a", "--threads", "0"], &["--threads"]);
    generate(&["--prompt", "a", "--temperature", "0.001"], &["--temperature", "0.01 to 100"]);
    generate(&["--prompt", "a", "--temperature", "-1"], &["--temperature"]);
    generate(&["--prompt", "a", "--temperature", "nan"], &["--temperature"]);
    generate(&["--prompt", "a", "--top-p", "0"], &["--top-p"]);
    generate(&["--prompt", "a", "--min-p", "1.5"], &["--min-p"]);
    generate(&["--prompt", "a", "--max-tokens", "0"], &["--max-tokens"]);
    generate(&["--prompt", "a", "--chat"], &["no chat template", "--chat"]);
    generate(&["--prompt", "a", "--stop", ""], &["--stop"]);
    generate(&["--prompt", "a", "-o", "nowhere/result.json"], &["nowhere", "-o"]);
    generate(&["--prompt", ""], &["empty"]);
    generate(&["--prompt-file", "absent"], &["cannot read absent"]);
    generate(&["--tokens", "1,4000000"], &["4000000", "vocabulary"]);
    generate(&["--tokens", "1,x"], &["--tokens"]);
    generate(&["--tokens", &["1"; 300].join(",")], &["context", "shorten the prompt"]);
    generate(&[], &["--prompt"]);
    refused(&folder, &["embed", "--model", "model", "--text", "a"], &["refute generate"]);
    refused(&folder, &["no-such-command"], &["no-such-command"]);
}

#[test]
fn results_that_are_none() {
    let folder = imported("llama.gguf");
    let run =
        refute(folder.path(), &["generate", "--model", "model", "--tokens", "5,6", "-o", "result.json"])
            .ended(0);
    assert_eq!(run.stderr, "", "nothing is drawn where there is no terminal");
    let good: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("result.json")).unwrap()).unwrap();
    let verify = |words: &[&str]| refused(&folder, &["verify", "bad.json", "--model", "model"], words);
    verify(&["cannot read bad.json", "refute generate"]);
    for text in ["", "{", "[]", "{\"model_id\": 3}", &"[".repeat(100_000)] {
        file(&folder, "bad.json", text);
        verify(&["no result file", "refute generate"]);
    }
    let with = |name: &str, value: serde_json::Value| {
        let mut bad = good.clone();
        bad[name] = value;
        file(&folder, "bad.json", bad.to_string());
    };
    with("model_id", json!(format!("0x{}", "0".repeat(64))));
    verify(&["was made with the model 0x0000", "--model"]);
    with(
        "sampling",
        json!({"temperature": 1, "top_k": 0, "top_p": 65536, "min_p": 0, "seed": "0".repeat(64)}),
    );
    verify(&["out of range"]);
    with("prompt_tokens", json!([]));
    verify(&["at least one token"]);
    with("output_tokens", json!([4_000_000_000u32]));
    verify(&["outside of the vocabulary"]);
}

#[test]
fn inputs_of_run_and_check() {
    let folder = imported("bert");
    let run = |text: &str, words: &[&str]| {
        file(&folder, "input.json", text);
        refused(&folder, &["run", "--model", "model", "--input", "input.json"], words);
    };
    run("{", &["holds no input"]);
    run("{\"words\": 1}", &["words", "tokens"]);
    run("[{\"tokens\": [-1]}]", &["holds no input"]);
    run("{\"tokens\": []}", &["at least one token"]);
    run("{\"tokens\": [4000000]}", &["outside of the vocabulary"]);
    refused(&folder, &["run", "--model", "model", "--input", "absent"], &["cannot read absent"]);
    refused(&folder, &["generate", "--model", "model", "--prompt", "a"], &["refute embed"]);
    file(&folder, "text", "");
    file(&folder, "latin", [0xE9]);
    refused(&folder, &["model", "check", "model", "--text", "text"], &["too short"]);
    refused(&folder, &["model", "check", "model", "--text", "latin"], &["UTF-8"]);
    file(&folder, "text", "words and more words");
    let other = ["model", "check", "model", "--text", "text", "--source", "llama.gguf"];
    refused(&folder, &other, &["is not what the model was imported from", "--source"]);
    std::fs::remove_file(folder.path().join("model/source.json")).unwrap();
    refused(&folder, &["model", "check", "model", "--text", "text"], &["--source"]);
}

#[test]
fn disputes_about_nothing() {
    let folder = imported("llama.gguf");
    let generate =
        ["generate", "--model", "model", "--tokens", "5,6", "--max-tokens", "6", "-o", "result.json"];
    refute(folder.path(), &generate).ended(0);
    let dispute = |flags: &[&str], words: &[&str]| {
        refused(&folder, &[&["dispute", "result.json", "--model", "model"], flags].concat(), words);
    };
    dispute(&[], &["the result is right", "--corrupt"]);
    dispute(&["--corrupt", "1,2"], &["POSITION,NODE,ELEMENT"]);
    dispute(&["--corrupt", "1,99999,0"], &["node 99999 does not exist"]);
    dispute(&["--corrupt", "99,1,0"], &["node 1 has positions 0 to"]);
    dispute(&["--corrupt", "0,0,999999"], &["elements at the last"]);
    let text = std::fs::read_to_string(folder.path().join("result.json")).unwrap();
    let mut result: serde_json::Value = serde_json::from_str(&text).unwrap();
    result["prompt_tokens"][0] = json!(4_000_000_000_u32);
    file(&folder, "outside.json", result.to_string());
    refused(&folder, &["trace", "outside.json", "--model", "model"], &["outside of the vocabulary"]);
    file(&folder, "none.json", "{}");
    refused(&folder, &["trace", "none.json", "--model", "model"], &["is no result file"]);
    refused(&folder, &["model", "info", "model", "--positions", "4000000000"], &["context", "fewer"]);
}
