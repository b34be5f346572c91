//! `refute trace` and `refute dispute`, on small models.

use serde_json::{Value, json};

use crate::refute::{file, imported, refute};

/// A folder with the model and its right result.
fn with_result(source: &str) -> tempfile::TempDir {
    let folder = imported(source);
    let generate =
        ["generate", "--model", "model", "--tokens", "5,6,7", "--max-tokens", "12", "-o", "result.json"];
    let embed = ["embed", "--model", "model", "--text", "hello there", "-o", "result.json"];
    refute(folder.path(), if source == "bert" { &embed } else { &generate }).ended(0);
    folder
}

fn dispute(folder: &tempfile::TempDir, flags: &[&str]) -> Value {
    let arguments = [&["dispute", "result.json", "--model", "model", "--json"], flags].concat();
    refute(folder.path(), &arguments).ended(0).json()
}

#[test]
fn a_trace_is_the_same_on_every_back_end() {
    for source in ["llama.gguf", "bert"] {
        let folder = with_result(source);
        let trace = |flags: &[&str]| {
            let arguments = [&["trace", "result.json", "--model", "model", "--json"], flags].concat();
            refute(folder.path(), &arguments).ended(0).json()
        };
        let (native, reference) = (trace(&["--threads", "2"]), trace(&["--backend", "reference"]));
        for key in ["trace_root", "item_hash", "leaves", "rows", "bytes"] {
            assert_eq!(native[key], reference[key], "{key}");
        }
        assert!(native["trace_ms"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn whoever_lies_loses() {
    for source in ["llama.gguf", "bert"] {
        let folder = with_result(source);
        let root =
            refute(folder.path(), &["trace", "result.json", "--model", "model", "--json"]).ended(0).json();
        for how in ["changed", "recomputed", "garbage"] {
            let game = dispute(&folder, &["--corrupt", "1,4,3", "--how", how]);
            assert_eq!(game["winner"], "challenger", "{how}: {game}");
            assert_eq!(game["trace_root"], root["trace_root"]);
            assert_eq!(game["leaves"], root["leaves"]);
        }
        let game = dispute(&folder, &["--corrupt", "random", "--seed", "5", "--liar", "challenger"]);
        assert_eq!((&game["winner"], &game["seed"]), (&json!("proposer"), &json!(5)));
        let moves = game["gas_moves"].as_array().unwrap();
        let sum: u64 = moves.iter().map(|m| m["gas"].as_u64().unwrap()).sum();
        assert_eq!(game["gas_total"].as_u64(), Some(sum));
        assert_eq!(moves.last().unwrap()["move"], "prove");
        let asked = moves.iter().filter(|m| m["by"] == "challenger").count();
        assert_eq!(game["rounds"].as_u64(), Some(asked as u64));
    }
}

#[test]
fn a_wrong_result_is_refuted_as_it_stands() {
    let folder = with_result("llama.gguf");
    let path = folder.path().join("result.json");
    let mut result: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let token = result["output_tokens"][2].as_u64().unwrap();
    result["output_tokens"][2] = json!(token ^ 1);
    file(&folder, "result.json", result.to_string());
    assert_eq!(dispute(&folder, &[])["winner"], "challenger");
    let told = refute(folder.path(), &["dispute", "result.json", "--model", "model"]).ended(0).stdout;
    assert!(told.contains("pickOutput") && told.contains("the challenger wins"), "{told}");
}

#[test]
fn info_tells_the_worst_dispute() {
    let folder = imported("llama.gguf");
    let info =
        refute(folder.path(), &["model", "info", "model", "--positions", "40", "--json"]).ended(0).json();
    let worst = &info["worst_dispute"];
    assert_eq!(worst["positions"], 40);
    assert!((3..=10).contains(&worst["rounds_max"].as_u64().unwrap()), "{worst}");
    assert!(worst["calldata_bytes_max"].as_u64() > worst["witness_bytes_max"].as_u64());
}
