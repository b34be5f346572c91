//! Programs that PyTorch exported: the float side is what PyTorch computed, the integer program is as good.

mod support;

use std::collections::BTreeMap;

use executor::engine::Emission;
use executor::import::{hf, pt2};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use support::archive::Archive;
use support::models::model_source;
use support::pt2::{
    Digits, Tiny, data, distance, emission, float, imported, largest, last_row, model, native, recorded,
    with_tokenizer,
};

#[test]
fn the_float_side_is_what_pytorch_computes() {
    let folder = tempfile::tempdir().unwrap();
    let tiny: Tiny = recorded("tiny.json");
    for (name, told) in [
        ("decoder.pt2", &tiny.decoder),
        ("encoder.pt2", &tiny.encoder),
        ("ops.pt2", &tiny.ops),
        ("padded.pt2", &tiny.padded),
    ] {
        let source = with_tokenizer(name, folder.path(), 64);
        let y = float(&source).forward(&told.tokens, &mut |_, _| {}).unwrap();
        let error = distance(&last_row(&y, told.output.len()), &told.output);
        assert!(error < 1e-5, "{name}: {error}");
    }
    let digits: Digits = recorded("digits.json");
    for (name, logits) in [("cnn.pt2", &digits.cnn), ("mlp.pt2", &digits.mlp)] {
        let model = float(&pt2::open(&data(name)).unwrap());
        for (image, expected) in digits.images.iter().zip(logits).take(50) {
            let y = model.forward(image, &mut |_, _| {}).unwrap();
            let error = distance(&last_row(&y, 10), expected);
            assert!(error < 2e-5, "{name}: {error}");
        }
    }
}

#[test]
fn a_decoder_becomes_a_program_of_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let tiny: Tiny = recorded("tiny.json");
    let source = with_tokenizer("decoder.pt2", folder.path(), 64);
    let mut engine = imported(&source);
    let face = &engine.program().interface;
    assert_eq!((face.vocabulary, face.context), (64, 32));
    assert_eq!(
        emission(engine.as_mut(), &tiny.decoder.tokens),
        Emission::Token(largest(&tiny.decoder.output) as u32)
    );
}

/// all-MiniLM-L6-v2 as `tools/export_pt2.py minilm` exports it: the graph is checked in, the weights are the folder's.
fn minilm_archive() -> Vec<u8> {
    let weights = std::fs::read(model_source("minilm").join("model.safetensors")).unwrap();
    let weights = SafeTensors::deserialize(&weights).unwrap();
    let graph: Value = recorded("minilm-graph.json");
    let mut entries = vec![("minilm/models/model.json".to_string(), serde_json::to_vec(&graph).unwrap())];
    let mut config = BTreeMap::new();
    let specs = graph["graph_module"]["signature"]["input_specs"].as_array().unwrap();
    for (i, spec) in specs.iter().enumerate() {
        let named = ["parameter", "buffer", "tensor_constant"]
            .iter()
            .find_map(|kind| spec.get(kind)?.get(format!("{kind}_name")));
        let Some(name) = named.and_then(Value::as_str) else { continue };
        let plain = name.strip_prefix("encoder.").unwrap();
        let (bytes, sizes, dtype) = match plain {
            "embeddings.position_ids" => ((0..512i64).flat_map(i64::to_le_bytes).collect(), vec![1, 512], 5),
            "embeddings.token_type_ids" => (vec![0; 4096], vec![1, 512], 5),
            "lifted_tensor_0" => (1.0f32.to_le_bytes().to_vec(), vec![], 7),
            _ => {
                let tensor = weights.tensor(plain).unwrap();
                (tensor.data().to_vec(), tensor.shape().to_vec(), 7)
            }
        };
        let strides = (0..sizes.len()).map(|i| json!({"as_int": sizes[i + 1..].iter().product::<usize>()}));
        let meta = json!({
            "dtype": dtype,
            "strides": strides.collect::<Vec<_>>(),
            "sizes": sizes.iter().map(|n| json!({"as_int": n})).collect::<Vec<_>>(),
            "storage_offset": {"as_int": 0},
        });
        config.insert(
            name,
            json!({"path_name": format!("weight_{i}"), "use_pickle": false, "tensor_meta": meta}),
        );
        entries.push((format!("minilm/data/weights/weight_{i}"), bytes));
    }
    let config = json!({"config": config}).to_string().into_bytes();
    entries.push(("minilm/data/weights/model_weights_config.json".into(), config));
    Archive(entries).write()
}

#[test]
fn minilm_exported_is_the_program_of_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("minilm.pt2");
    std::fs::write(&path, minilm_archive()).unwrap();
    std::fs::copy(model_source("minilm").join("tokenizer.json"), folder.path().join("tokenizer.json"))
        .unwrap();
    let exported = pt2::open(&path).unwrap();
    let of_folder = hf::open(&model_source("minilm")).unwrap();
    assert_eq!(model(&exported, &native).id(), model(&of_folder, &native).id());
}
