//! Every command on small models, from import to verification.

use serde_json::{Value, json};

use crate::refute::{file, imported, refute, sources};

fn change(folder: &tempfile::TempDir, from: &Value, edit: impl FnOnce(&mut Value)) {
    let mut changed = from.clone();
    edit(&mut changed);
    file(folder, "changed.json", changed.to_string());
}

#[test]
fn an_import_is_the_same_on_every_back_end_and_says_what_it_made() {
    let folder = sources();
    let import = |output: &str, flags: &[&str]| {
        let arguments = [&["model", "import", "llama.gguf", "--json", "-o", output], flags].concat();
        refute(folder.path(), &arguments).ended(0).json()
    };
    let native = import("native", &[]);
    let reference = import("reference", &["--backend", "reference"]);
    assert_eq!(native["model_id"], reference["model_id"]);
    let wide = import("wide", &["--precision", "w16", "--kv", "i8"]);
    assert_ne!(native["model_id"], wide["model_id"]);
    let info = refute(folder.path(), &["model", "info", "wide", "--verify", "--json"]).ended(0).json();
    assert_eq!(info["model_id"], wide["model_id"]);
    assert_eq!((&info["provenance"]["precision"], &info["provenance"]["kv"]), (&json!("w16"), &json!("i8")));
    assert_eq!(info["id_verified"], true);
    assert_eq!(info["operations"]["argmax"]["nodes"], 1);
    let text = refute(folder.path(), &["model", "info", "wide"]).ended(0).stdout;
    assert!(text.contains(wide["model_id"].as_str().unwrap()) && text.contains("no overflow"), "{text}");
}

#[test]
fn a_generation_is_verified_and_a_changed_one_is_refuted() {
    let folder = imported("llama.gguf");
    let at = folder.path();
    let ask = ["generate", "--model", "model", "--tokens", "5,6,7", "--max-tokens", "24", "--json"];
    let sampled =
        ["--temperature", "0.8", "--top-k", "40", "--top-p", "0.95", "--min-p", "0.01", "--seed", "7"];
    for flags in [&[][..], &sampled] {
        let result = refute(at, &[&ask[..], flags, &["-o", "result.json"]].concat()).ended(0).json();
        assert_eq!(
            result,
            serde_json::from_slice::<Value>(&std::fs::read(at.join("result.json")).unwrap()).unwrap()
        );
        let reference = refute(at, &[&ask[..], flags, &["--backend", "reference"]].concat()).ended(0).json();
        assert_eq!(result["output_hash"], reference["output_hash"]);
        assert_eq!(result["prompt_tokens"], json!([5, 6, 7]));

        for backend in ["native", "reference"] {
            let verify = ["verify", "result.json", "--model", "model", "--json", "--backend", backend];
            assert_eq!(refute(at, &verify).ended(0).json()["right"], true);
        }
        let verify = |json: bool| {
            let arguments = ["verify", "changed.json", "--model", "model", "--json"];
            refute(at, &arguments[..4 + usize::from(json)]).ended(1)
        };
        let right = result["output_tokens"][2].as_u64().unwrap();
        change(&folder, &result, |r| r["output_tokens"][2] = json!(right ^ 1));
        let wrong = &verify(true).json()["wrong"];
        assert_eq!(
            (&wrong["index"], &wrong["claimed"], &wrong["correct"]),
            (&json!(2), &json!(right ^ 1), &json!(right))
        );
        assert!(verify(false).stdout.contains("wrong: token 2"));
        change(&folder, &result, |r| drop(r["output_tokens"].as_array_mut().unwrap().pop()));
        assert!(verify(false).stdout.contains("without a stop token"));
        change(&folder, &result, |r| r["text"] = json!("something else"));
        assert!(verify(false).stdout.contains("text"));
        change(&folder, &result, |r| r["output_hash"] = r["model_id"].clone());
        assert!(verify(false).stdout.contains("hash"));
    }
}

#[test]
fn a_stop_string_ends_text_and_tokens_and_the_result_is_still_verified() {
    let folder = imported("llama.gguf");
    let at = folder.path();
    let ask = ["generate", "--model", "model", "--tokens", "5,6,7", "--max-tokens", "24"];
    let whole = refute(at, &[&ask[..], &["--json"]].concat()).ended(0).json();
    let text = whole["text"].as_str().unwrap();
    let stop: String = text.chars().skip(6).take(2).collect();
    let run = refute(at, &[&ask[..], &["--stop", &stop, "-o", "result.json"]].concat()).ended(0);
    let result: Value = serde_json::from_slice(&std::fs::read(at.join("result.json")).unwrap()).unwrap();
    let kept = &text[..text.find(&stop).unwrap()];
    assert_eq!(run.stdout, format!("{kept}\n"), "the stream is the text");
    assert_eq!((&result["text"], &result["finish"]), (&json!(kept), &json!("stop_string")));
    assert_eq!(result["max_tokens"], result["output_tokens"].as_array().unwrap().len());
    refute(at, &["verify", "result.json", "--model", "model"]).ended(0);
}

#[test]
fn a_decoder_runs_is_compared_and_measured() {
    let folder = imported("llama.gguf");
    let at = folder.path();
    file(&folder, "input.json", r#"[{"tokens": [5, 6, 7]}, {"text": "a word"}]"#);
    let outputs = refute(at, &["run", "--model", "model", "--input", "input.json", "--json"]).ended(0).json();
    let one = ["generate", "--model", "model", "--tokens", "5,6,7", "--max-tokens", "1", "--json"];
    assert_eq!(outputs[0]["output_hash"], refute(at, &one).ended(0).json()["output_hash"]);
    assert_eq!(outputs.as_array().unwrap().len(), 2);

    file(&folder, "text", "a word and another word; ".repeat(20));
    let check = refute(at, &["model", "check", "model", "--text", "text", "--json"]).ended(0).json();
    assert!(check["language"]["divergence_mean"].as_f64().unwrap() < 0.05, "{check}");
    assert!(check["language"]["same_top_share"].as_f64().unwrap() > 0.8, "{check}");
    assert_eq!(check["saturated"], 0);
    let info = refute(at, &["model", "info", "model", "--json"]).ended(0).json();
    assert_eq!(check["steps"].as_array().unwrap().len(), info["steps"].as_array().unwrap().len());

    for (measure, counted) in [("decode", 20), ("prefill", 20), ("batch", 60), ("verify", 20)] {
        let flags =
            ["--measure", measure, "--tokens", "20", "--context", "8", "--sequences", "3", "--threads", "2"];
        let bench =
            refute(at, &[&["bench", "--model", "model", "--json"], &flags[..]].concat()).ended(0).json();
        assert_eq!((&bench["measure"], &bench["tokens"]), (&json!(measure), &json!(counted)));
        assert!(bench["seconds"].as_f64().unwrap() > 0.0 && bench["tokens_per_s"].as_f64().unwrap() > 0.0);
        let caps = ["making_seconds", "mac_per_s_cap", "bytes_per_s_cap"];
        assert!(measure != "verify" || caps.iter().all(|cap| bench[cap].as_f64().unwrap() > 0.0), "{bench}");
    }
}

#[test]
fn an_encoder_runs_embeds_and_is_compared() {
    let folder = imported("bert");
    let at = folder.path();
    file(&folder, "input.json", r#"{"text": "a word"}"#);
    let run = |backend: &str| {
        let arguments = ["run", "--model", "model", "--input", "input.json", "--json", "--backend", backend];
        refute(at, &arguments).ended(0).json()
    };
    let native = run("native");
    assert_eq!(native, run("reference"));
    file(&folder, "lines", "a word\nanother one\n");
    let embed = refute(at, &["embed", "--model", "model", "--file", "lines", "--json"]).ended(0).json();
    assert_eq!(embed["embeddings"][0], native["values"]);
    assert_eq!(embed["embeddings"].as_array().unwrap().len(), 2);
    let check = refute(at, &["model", "check", "model", "--text", "lines", "--json"]).ended(0).json();
    assert!(check["embedding"]["cosine_min"].as_f64().unwrap() > 0.99, "{check}");
}
