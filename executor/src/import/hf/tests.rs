//! Folders written by the tests: read, refused, damaged.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::testing::Model;
use super::*;
use crate::import::source::Activation;

fn rows(model: &SourceModel, name: &str, count: usize) -> Vec<f32> {
    let mut out = Vec::new();
    model.tensors.rows(name, 0..count, &mut out).unwrap();
    out
}

#[test]
fn llama_is_read_as_it_lies() {
    let folder = Model::llama();
    let model = folder.open().unwrap();
    assert_eq!((model.config.width, model.config.head_dim, model.config.vocabulary), (8, 4, 12));
    assert_eq!(model.config.ropes[0].frequencies, [1.0, 0.01]);
    assert_eq!(rows(&model, "layers.0.q", 2)[8], 8.0);
    assert!(model.tensors.shape("head").is_none());
    assert_eq!((model.stop_tokens.as_slice(), model.add_bos, model.format), (&[2][..], false, "huggingface"));
    assert_eq!(model.digest, folder.open().unwrap().digest);
    folder.write("generation_config.json", &json!({"eos_token_id": [5, 3, 5]}));
    let other = folder.open().unwrap();
    assert_eq!(other.stop_tokens, [3, 5]);
    assert_ne!(other.digest, model.digest);
}

#[test]
fn shards_are_one_model() {
    let folder = Model::llama();
    let whole = folder.open().unwrap();
    std::fs::remove_file(folder.path("model.safetensors")).unwrap();
    let first = |name: &str| name.contains("mlp");
    std::fs::write(folder.path("a.safetensors"), folder.weights(first)).unwrap();
    std::fs::write(folder.path("b.safetensors"), folder.weights(|name| !first(name))).unwrap();
    let place =
        |name: &String| (name.clone(), json!(if first(name) { "a.safetensors" } else { "b.safetensors" }));
    let map: serde_json::Map<_, _> = folder.tensors.keys().map(place).collect();
    folder.write("model.safetensors.index.json", &json!({"weight_map": map}));
    let sharded = folder.open().unwrap();
    assert_eq!(sharded.config, whole.config);
    assert_eq!(rows(&sharded, "layers.0.down", 8), rows(&whole, "layers.0.down", 8));
    std::fs::remove_file(folder.path("b.safetensors")).unwrap();
    assert!(folder.refusal().contains("b.safetensors"));
}

#[test]
fn an_index_cannot_leave_its_folder() {
    let outside =
        ["../a.safetensors", "/a.safetensors", "sub/a.safetensors", "..\\a.safetensors", "c:a.safetensors"];
    for name in outside.into_iter().chain(["", ".a.safetensors", "a.bin", "a\u{0}.safetensors"]) {
        let index = json!({"weight_map": {"x": name}}).to_string();
        assert!(inspect_index("index", index.as_bytes()).is_err(), "{name}");
    }
    assert_eq!(
        inspect_index("index", br#"{"weight_map":{"x":"a.safetensors"}}"#).unwrap(),
        ["a.safetensors"]
    );
}

#[test]
fn gemma_gains_are_one_more_than_stored() {
    let mut folder = Model::gemma();
    let model = folder.open().unwrap();
    assert_eq!(rows(&model, "layers.0.k_norm", 1), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(rows(&model, "layers.0.post_ffn_norm", 1)[0], 1.0);
    let config = &model.config;
    assert_eq!((config.attention_scale, config.activation), (0.25, Activation::GeluTanh));
    assert_eq!((config.layers[0].window, config.layers[0].rope), (Some(16), Some(1)));
    assert_eq!(config.ropes[1].frequencies, [1.0, 0.01]);
    folder.set("layer_types", json!(["full_attention"]));
    let parameters = json!({
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    });
    folder.set("rope_parameters", parameters);
    let config = folder.open().unwrap().config;
    assert_eq!((config.layers[0].window, config.layers[0].rope), (None, Some(0)));
    assert_eq!(config.ropes[0].frequencies, [0.125, 0.001 / 8.0]);
}

#[test]
fn a_window_is_mistrals_and_not_llamas() {
    let mut folder = Model::llama();
    folder.set("sliding_window", json!(16));
    assert_eq!(folder.open().unwrap().config.layers[0].window, None);
    folder.set("model_type", json!("mistral"));
    assert_eq!(folder.open().unwrap().config.layers[0].window, Some(16));
    folder.set("sliding_window", json!(64));
    assert_eq!(folder.open().unwrap().config.layers[0].window, None, "it holds the whole context");
    folder.set("sliding_window", json!(16)).set("layer_types", json!(["full_attention"]));
    assert!(folder.refusal().contains("layer_types"));
    let qwen = |use_window: bool| {
        let mut folder = Model::llama();
        for (name, rows) in [("q", 8), ("k", 4), ("v", 4)] {
            folder.tensor(&format!("model.layers.0.self_attn.{name}_proj.bias"), &[rows]);
        }
        folder.set("model_type", json!("qwen2")).set("sliding_window", json!(16));
        folder.set("max_window_layers", json!(0)).set("use_sliding_window", json!(use_window));
        folder.open().unwrap().config.layers[0].window
    };
    assert_eq!((qwen(false), qwen(true)), (None, Some(16)));
}

#[test]
fn bert_says_how_it_pools() {
    let folder = Model::bert();
    let model = folder.open().unwrap();
    assert!(model.config.normalize_embedding && model.config.ropes.is_empty());
    assert_eq!(model.tensors.shape("layers.0.up_bias"), Some(&[16][..]));
    assert_eq!(model.tensors.shape("layers.0.ffn_norm_bias"), Some(&[8][..]));
    folder.write("1_Pooling/config.json", &json!({"pooling_mode_cls_token": true}));
    assert!(folder.refusal().contains("pooling_mode_cls_token"));
    std::fs::remove_file(folder.path("modules.json")).unwrap();
    assert!(folder.refusal().contains("modules.json"));
}

#[test]
fn both_styles_of_rope_settings_say_the_same() {
    let llama3 = json!({
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32, "rope_theta": 10000.0,
    });
    let old = Model::llama().set("rope_scaling", llama3.clone()).rope();
    assert_eq!(old, Model::llama().set("rope_parameters", llama3).rope());
    assert_eq!(old.frequencies[1], 0.01 / 8.0);
    let yarn = json!({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64});
    let yarn = Model::llama().set("rope_scaling", yarn).rope();
    assert!((yarn.magnitude - 1.138_629_436).abs() < 1e-9);
    for kind in ["dynamic", "longrope", "mrope"] {
        let mut folder = Model::llama();
        folder.set("rope_scaling", json!({"rope_type": kind, "factor": 2.0}));
        assert!(folder.refusal().contains(kind));
    }
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let cases: [(&str, Value, &str); 9] = [
        ("model_type", json!("mixtral"), "model_type mixtral"),
        ("model_type", json!("gemma3"), "gemma3"),
        ("hidden_act", json!("relu"), "relu"),
        ("quantization_config", json!({}), "quantization_config"),
        ("num_experts", json!(8), "num_experts = 8"),
        ("num_hidden_layers", json!(1 << 20), "layers"),
        ("hidden_size", json!(-1), "hidden_size"),
        ("vocab_size", json!(13), "model.embed_tokens.weight"),
        ("eos_token_id", json!(12), "eos_token_id"),
    ];
    for (key, value, expected) in cases {
        let message = Model::llama().set(key, value).refusal();
        assert!(message.contains(expected), "{message} does not say {expected}");
    }
    assert!(Model::llama().tensor("model.extra", &[2]).refusal().contains("model.extra"));
    assert!(Model::llama().set("tie_word_embeddings", json!(false)).refusal().contains("lm_head.weight"));
}

#[test]
fn a_tied_head_may_be_stored_twice_but_not_differ() {
    let mut folder = Model::llama();
    folder.tensor("lm_head.weight", &[12, 8]);
    assert!(folder.open().unwrap().tensors.shape("head").is_none());
    let mut weights = folder.weights(|_| true);
    let begin =
        weights.len() - folder.tensors.values().map(|s| s.iter().product::<usize>() * 4).sum::<usize>();
    weights[begin] ^= 1;
    std::fs::write(folder.path("model.safetensors"), &weights).unwrap();
    assert!(open(folder.folder.path()).unwrap_err().to_string().contains("lm_head.weight"));
}

#[test]
fn the_tokenizers_files_are_read() {
    let folder = Model::llama();
    let begin =
        json!({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}]});
    folder.write("tokenizer.json", &json!({"post_processor": {"type": "Sequence", "processors": [begin]}}));
    let settings = json!({
        "bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>", "pad_token": null,
        "chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}],
    });
    folder.write("tokenizer_config.json", &settings);
    let model = folder.open().unwrap();
    assert!(model.add_bos);
    assert_eq!(model.chat_template.as_deref(), Some("d"));
    let special = [("bos_token", "<s>"), ("eos_token", "</s>")];
    assert_eq!(model.special_tokens, special.map(|(a, b)| (a.to_string(), b.to_string())));
    std::fs::write(folder.path("chat_template.jinja"), "{{ j }}").unwrap();
    folder.write("tokenizer_config.json", &json!({"add_bos_token": false, "chat_template": "x"}));
    let model = folder.open().unwrap();
    assert_eq!((model.chat_template.as_deref(), model.add_bos), (Some("{{ j }}"), false));
}

#[test]
fn what_is_missing_is_named_with_a_way_out() {
    let folder = Model::llama();
    folder.open().unwrap();
    std::fs::remove_file(folder.path("tokenizer.json")).unwrap();
    let error = open(folder.folder.path()).unwrap_err();
    assert!(matches!(&error, ImportError::Missing(what) if what.contains("save_pretrained")), "{error}");
    std::fs::rename(folder.path("model.safetensors"), folder.path("pytorch_model.bin")).unwrap();
    let error = open(folder.folder.path()).unwrap_err().to_string();
    assert!(error.contains("safe_serialization"), "{error}");
    assert!(matches!(open("no such folder".as_ref()), Err(ImportError::Missing(_))));
}

#[test]
fn hostile_json_is_refused() {
    let folder = Model::llama();
    folder.open().unwrap();
    for text in
        ["[".repeat(100_000), " ".repeat(2 << 20), "{\"a\":".repeat(1_000), "[]".into(), String::new()]
    {
        std::fs::write(folder.path("config.json"), text).unwrap();
        assert!(matches!(open(folder.folder.path()), Err(ImportError::Malformed { .. })));
    }
}

#[test]
fn headers_that_lie_are_refused() {
    let header = |json: &str, data: usize| {
        [&(json.len() as u64).to_le_bytes()[..], json.as_bytes(), &vec![0; data]].concat()
    };
    let good = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    assert_eq!(inspect_weights("x", &header(good, 8)).unwrap(), 1);
    let bad = [
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,12]}}"#,
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
        r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#,
        r#"{"a":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,8]}}"#,
        r#"{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}}"#,
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
        "{",
    ];
    for json in bad {
        assert!(inspect_weights("x", &header(json, 8)).is_err(), "{json}");
    }
    assert!(inspect_weights("x", &header(good, 9)).is_err());
    assert!(inspect_weights("x", &u64::MAX.to_le_bytes()).is_err());
}

proptest! {
    #[test]
    fn no_damage_to_weights_panics(flips in prop::collection::vec((0.0..1.0, any::<u8>()), 0..6), keep in 0.0..1.0) {
        let mut bytes = Model::llama().weights(|_| true);
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        for (at, value) in flips {
            let at = (bytes.len().min(2_000) as f64 * at) as usize;
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        let _ = inspect_weights("x", &bytes);
        let _ = inspect_index("x", &bytes);
    }
}
