//! What is no sound .pt2 file gets one clear error, soon, and never a panic.

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use executor::import::pt2;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::archive::Archive;

const MODEL: &str = "models/model.json";
const WEIGHTS: &str = "model_weights_config.json";

fn file(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pt2").join(name)).unwrap()
}

fn archive(name: &str) -> Archive {
    Archive::read(&file(name))
}

fn refusal(bytes: Vec<u8>) -> String {
    let begin = Instant::now();
    let error = pt2::inspect("test.pt2", bytes).unwrap_err().to_string();
    assert!(begin.elapsed() < Duration::from_secs(2), "{error}");
    assert!(error.len() < 1200, "an error of {} bytes", error.len());
    error
}

/// The refusal of the CNN with a change, which must say `expected`.
fn refused(expected: &str, change: impl FnOnce(&mut Archive)) {
    let mut archive = archive("cnn.pt2");
    change(&mut archive);
    let error = refusal(archive.write());
    assert!(error.contains(expected), "{expected:?} was expected: {error}");
}

fn nodes(model: &mut Value) -> &mut Vec<Value> {
    model["graph_module"]["graph"]["nodes"].as_array_mut().unwrap()
}

#[test]
fn what_the_tests_write_is_read() {
    assert!(pt2::inspect("test.pt2", archive("cnn.pt2").write()).unwrap() > 8);
}

#[test]
fn archives_that_lie_are_refused() {
    refused("no plain path", |a| a.0[0].0 = "cnn/../../etc/passwd".into());
    refused("no plain path", |a| a.0[0].0 = "/cnn/x".into());
    refused("no plain path", |a| a.0[0].0 = "cnn\\x/y".into());
    refused("outside the archive's own folder", |a| a.0[0].0 = "other/x".into());
    refused("twice", |a| a.0[1].0 = a.0[0].0.clone());
    refused("holds no models/model.json", |a| a.0.retain(|(name, _)| !name.ends_with(MODEL)));
    let whole = archive("cnn.pt2").write();
    for cut in [0, 1, 21, 22, 100, whole.len() / 2, whole.len() - 1] {
        refusal(whole[..cut].to_vec());
    }
    let directory = |file: &[u8]| u32::from_le_bytes(*file[file.len() - 6..].first_chunk().unwrap()) as usize;
    let changed = |offset: usize, bytes: &[u8]| {
        let mut file = whole.clone();
        let at = directory(&file) + offset;
        file[at..at + bytes.len()].copy_from_slice(bytes);
        refusal(file)
    };
    assert!(changed(10, &[8]).contains("compressed"));
    assert!(changed(24, &[255, 255, 255, 0]).contains("stored in"));
    assert!(changed(42, &[255, 255, 255, 127]).contains("outside the file"));
    let mut file = whole.clone();
    let count = file.len() - 12;
    file[count..count + 2].copy_from_slice(&[255, 254]);
    refusal(file);
}

#[test]
fn payloads_that_lie_are_refused() {
    let first = |change: fn(&mut Value)| {
        move |a: &mut Archive| a.edit(WEIGHTS, |json| change(&mut json["config"]["first.weight"]))
    };
    refused("pickle", first(|w| w["use_pickle"] = json!(true)));
    refused("there is no such entry", first(|w| w["path_name"] = json!("../weight_0")));
    let meta = |key: &'static str, value: Value| {
        move |a: &mut Archive| {
            a.edit(WEIGHTS, |json| json["config"]["first.weight"]["tensor_meta"][key] = value)
        }
    };
    refused(
        "do not lie in",
        meta("sizes", json!([{"as_int": 12}, {"as_int": 1}, {"as_int": 3}, {"as_int": 4}])),
    );
    refused("do not lie in", meta("storage_offset", json!({"as_int": 1})));
    refused(
        "do not lie in",
        meta("strides", json!([{"as_int": i64::MAX}, {"as_int": 9}, {"as_int": 3}, {"as_int": 1}])),
    );
    refused(
        "is no size",
        meta("strides", json!([{"as_int": -9}, {"as_int": 9}, {"as_int": 3}, {"as_int": 1}])),
    );
    refused("dtype code 9", meta("dtype", json!(9)));
    refused(
        "no elements",
        meta("sizes", json!([{"as_int": 0}, {"as_int": 1}, {"as_int": 3}, {"as_int": 3}])),
    );
    refused("missing: tensor first.weight", |a| {
        a.edit(WEIGHTS, |json| drop(json["config"].as_object_mut().unwrap().remove("first.weight")));
    });
}

#[test]
fn graphs_that_lie_are_refused() {
    refused("schema 9", |a| a.edit(MODEL, |m| m["schema_version"]["major"] = json!(9)));
    refused("no earlier node gives", |a| {
        a.edit(MODEL, |m| nodes(m)[0]["inputs"][0]["arg"]["as_tensor"]["name"] = json!("linear"));
    });
    refused("given twice", |a| {
        a.edit(MODEL, |m| nodes(m)[1]["outputs"][0]["as_tensor"]["name"] = json!("image"));
        a.edit(MODEL, |m| nodes(m)[2]["inputs"][0]["arg"]["as_tensor"]["name"] = json!("image"));
    });
    refused("training mode", |a| {
        a.edit(MODEL, |m| {
            let inputs = nodes(m)[2]["inputs"].as_array_mut().unwrap();
            let training = inputs.iter_mut().find(|input| input["name"] == "training").unwrap();
            training["arg"] = json!({"as_bool": true});
        });
    });
    let more = vec![json!({"target": "x", "inputs": [], "outputs": []}); 65_537];
    refused("more than 65536", |a| a.edit(MODEL, |m| *nodes(m) = more));
    refused("at most", |a| a.entry(MODEL).resize(17 << 20, b' '));
    refused("model.json", |a| *a.entry(MODEL) = vec![b'['; 1 << 20]);
    refused("model.json", |a| {
        let deep = format!("{{\"graph_module\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        *a.entry(MODEL) = deep.into_bytes();
    });
    refused("no place in", |a| {
        a.edit(MODEL, |m| {
            nodes(m)[1]["inputs"]
                .as_array_mut()
                .unwrap()
                .push(json!({"name": "dilation", "arg": {"as_ints": [60000, 60000]}}));
        });
    });
}

#[test]
fn what_is_not_supported_is_named_with_its_node_and_source_line() {
    let error = {
        let mut archive = archive("cnn.pt2");
        archive.edit(MODEL, |m| nodes(m)[3]["target"] = json!("torch.ops.aten.fft_rfft.default"));
        refusal(archive.write())
    };
    for part in ["torch.ops.aten.fft_rfft.default", "node relu", "x = F.relu(self.norm(", "export_pt2.py"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    refused("softmax outside of attention", |a| {
        a.edit(MODEL, |m| nodes(m)[3]["target"] = json!("torch.ops.aten.softmax.int"));
    });
    let mut text = archive("decoder.pt2");
    text.edit(MODEL, |m| {
        m["graph_module"]["graph"]["tensor_values"]["tokens"]["sizes"][1] = json!({"as_int": 20});
    });
    assert!(refusal(text.write()).contains("dynamic_shapes"));
}

#[test]
fn an_operation_in_place_is_read_unless_its_input_is_read_again() {
    let in_place = |reread: bool| {
        let mut archive = archive("cnn.pt2");
        archive.edit(MODEL, |m| {
            nodes(m)[3]["target"] = json!("torch.ops.aten.relu_.default");
            if reread {
                nodes(m)[4]["inputs"][0]["arg"]["as_tensor"]["name"] = json!("batch_norm");
            }
        });
        pt2::inspect("test.pt2", archive.write())
    };
    assert!(in_place(false).is_ok());
    assert!(in_place(true).unwrap_err().to_string().contains("in place"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_do_not_panic(
        name in prop::sample::select(vec!["ops.pt2", "mlp.pt2", "decoder.pt2", "encoder.pt2"]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        numbers in prop::collection::vec((any::<prop::sample::Index>(), b'0'..=b'9'), 0..6),
    ) {
        let mut bytes = file(name);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        // Digits of the graph's JSON: shapes, strides, arguments.
        let digits: Vec<usize> = (0..bytes.len()).filter(|i| bytes[*i].is_ascii_digit()).collect();
        for (at, byte) in numbers {
            bytes[digits[at.index(digits.len())]] = byte;
        }
        let _ = pt2::inspect("test.pt2", bytes);
    }
}
