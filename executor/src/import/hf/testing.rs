//! Writes folders for tests. The weights are written by the `safetensors` crate.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ::safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::{Value, json};

use crate::import::error::ImportError;
use crate::import::source::{Rope, SourceModel};

/// A folder in the making: a Llama of width 8, 2 heads of 4, 1 key head, 12 tokens, one layer.
pub(super) struct Model {
    pub(super) folder: tempfile::TempDir,
    pub(super) config: Value,
    pub(super) tensors: BTreeMap<String, Vec<usize>>,
}

impl Model {
    pub(super) fn llama() -> Self {
        let config = json!({
            "model_type": "llama", "num_hidden_layers": 1, "hidden_size": 8, "num_attention_heads": 2,
            "num_key_value_heads": 1, "intermediate_size": 16, "vocab_size": 12, "max_position_embeddings": 64,
            "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": true, "eos_token_id": 2,
        });
        let mut model = Self { folder: tempfile::tempdir().unwrap(), config, tensors: BTreeMap::new() };
        model.tensor("model.embed_tokens.weight", &[12, 8]).tensor("model.norm.weight", &[8]);
        for (name, shape) in [
            ("input_layernorm", &[8][..]),
            ("self_attn.q_proj", &[8, 8]),
            ("self_attn.k_proj", &[4, 8]),
            ("self_attn.v_proj", &[4, 8]),
            ("self_attn.o_proj", &[8, 8]),
            ("post_attention_layernorm", &[8]),
            ("mlp.gate_proj", &[16, 8]),
            ("mlp.up_proj", &[16, 8]),
            ("mlp.down_proj", &[8, 16]),
        ] {
            model.tensor(&format!("model.layers.0.{name}.weight"), shape);
        }
        model
    }

    pub(super) fn gemma() -> Self {
        let mut model = Self::llama();
        model
            .set("model_type", json!("gemma3_text"))
            .set("head_dim", json!(4))
            .set("sliding_window", json!(16));
        model.set("query_pre_attn_scalar", json!(16)).set("rope_theta", json!(1e6));
        for norm in ["pre_feedforward_layernorm", "post_feedforward_layernorm"] {
            model.tensor(&format!("model.layers.0.{norm}.weight"), &[8]);
        }
        for norm in ["q_norm", "k_norm"] {
            model.tensor(&format!("model.layers.0.self_attn.{norm}.weight"), &[4]);
        }
        model
    }

    pub(super) fn bert() -> Self {
        let config = json!({
            "model_type": "bert", "num_hidden_layers": 1, "hidden_size": 8, "num_attention_heads": 2,
            "intermediate_size": 16, "vocab_size": 12, "max_position_embeddings": 16, "type_vocab_size": 2,
            "hidden_act": "gelu", "position_embedding_type": "absolute",
        });
        let mut model = Self { folder: tempfile::tempdir().unwrap(), config, tensors: BTreeMap::new() };
        let kinds =
            |kind: &str| json!({"type": format!("sentence_transformers.models.{kind}"), "path": "1_Pooling"});
        model.write("modules.json", &json!([kinds("Transformer"), kinds("Pooling"), kinds("Normalize")]));
        model.write("1_Pooling/config.json", &json!({"pooling_mode_mean_tokens": true}));
        for (name, rows) in [("word", 12), ("position", 16), ("token_type", 2)] {
            model.tensor(&format!("embeddings.{name}_embeddings.weight"), &[rows, 8]);
        }
        for norm in ["embeddings", "encoder.layer.0.attention.output", "encoder.layer.0.output"] {
            model
                .tensor(&format!("{norm}.LayerNorm.weight"), &[8])
                .tensor(&format!("{norm}.LayerNorm.bias"), &[8]);
        }
        for (name, out, input) in [
            ("attention.self.query", 8, 8),
            ("attention.self.key", 8, 8),
            ("attention.self.value", 8, 8),
            ("attention.output.dense", 8, 8),
            ("intermediate.dense", 16, 8),
            ("output.dense", 8, 16),
        ] {
            model.tensor(&format!("encoder.layer.0.{name}.weight"), &[out, input]);
            model.tensor(&format!("encoder.layer.0.{name}.bias"), &[out]);
        }
        model.tensor("pooler.dense.weight", &[8, 8]).tensor("pooler.dense.bias", &[8]);
        model
    }

    pub(super) fn set(&mut self, key: &str, value: Value) -> &mut Self {
        self.config[key] = value;
        self
    }

    pub(super) fn tensor(&mut self, name: &str, shape: &[usize]) -> &mut Self {
        self.tensors.insert(name.into(), shape.to_vec());
        self
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn write(&self, name: &str, value: &Value) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, value.to_string()).unwrap();
    }

    /// The tensors whose names `wanted` accepts, each with the numbers 0, 1, 2, ...
    pub(super) fn weights(&self, wanted: impl Fn(&str) -> bool) -> Vec<u8> {
        let numbers = |shape: &[usize]| -> Vec<u8> {
            (0..shape.iter().product::<usize>()).flat_map(|n| (n as f32).to_le_bytes()).collect()
        };
        let chosen = self.tensors.iter().filter(|(name, _)| wanted(name));
        let bytes: Vec<_> =
            chosen.map(|(name, shape)| (name.clone(), shape.clone(), numbers(shape))).collect();
        let view = |bytes, shape: &Vec<usize>| TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap();
        serialize(bytes.iter().map(|(name, shape, bytes)| (name, view(bytes, shape))), None).unwrap()
    }

    /// Writes what is not there yet and opens the folder.
    pub(super) fn open(&self) -> Result<SourceModel, ImportError> {
        self.write("config.json", &self.config);
        if !self.path("tokenizer.json").exists() {
            self.write("tokenizer.json", &json!({"version": "1.0", "model": {"type": "BPE"}}));
        }
        if !self.path("model.safetensors.index.json").exists() {
            std::fs::write(self.path("model.safetensors"), self.weights(|_| true)).unwrap();
        }
        super::open(self.folder.path())
    }

    pub(super) fn refusal(&self) -> String {
        self.open().expect_err("the folder must be refused").to_string()
    }

    pub(super) fn rope(&self) -> Rope {
        self.open().unwrap().config.ropes[0].clone()
    }
}
