//! Writes a model as a GGUF file of F32 tensors, as llama.cpp's converter would.

use std::fs;
use std::path::Path;

use executor::import::source::{Architecture, SourceModel};

use super::vocabulary;

const ALIGNMENT: usize = 32;
/// Key, type, value.
#[derive(Default)]
struct Metadata {
    count: u64,
    bytes: Vec<u8>,
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

impl Metadata {
    fn put(&mut self, key: &str, kind: u32) -> &mut Vec<u8> {
        self.count += 1;
        text(&mut self.bytes, key);
        self.bytes.extend(kind.to_le_bytes());
        &mut self.bytes
    }

    fn count(&mut self, key: &str, value: usize) {
        self.put(key, 4).extend((value as u32).to_le_bytes());
    }

    fn real(&mut self, key: &str, value: f64) {
        self.put(key, 6).extend((value as f32).to_le_bytes());
    }

    fn bool(&mut self, key: &str, value: bool) {
        self.put(key, 7).push(u8::from(value));
    }

    fn text(&mut self, key: &str, value: &str) {
        text(self.put(key, 8), value);
    }

    fn texts(&mut self, key: &str, values: &[String]) {
        let bytes = self.put(key, 9);
        bytes.extend(8u32.to_le_bytes());
        bytes.extend((values.len() as u64).to_le_bytes());
        values.iter().for_each(|value| text(bytes, value));
    }

    fn counts(&mut self, key: &str, values: &[i32]) {
        let bytes = self.put(key, 9);
        bytes.extend(5u32.to_le_bytes());
        bytes.extend((values.len() as u64).to_le_bytes());
        values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    }
}

fn metadata(model: &SourceModel) -> Metadata {
    let c = &model.config;
    let architecture = match c.architecture {
        Architecture::Llama => "llama",
        Architecture::Qwen2 => "qwen2",
        Architecture::Qwen3 => "qwen3",
        Architecture::Gemma3 => "gemma3",
        Architecture::Bert | Architecture::Exported => panic!("only decoders are written as GGUF"),
    };
    let base = |i: usize| c.ropes[i].frequencies[1].powf(-(c.head_dim as f64) / 2.0).round();
    let at = |key: &str| format!("{architecture}.{key}");
    let mut m = Metadata::default();
    m.text("general.architecture", architecture);
    m.text("general.name", &model.name);
    m.count(&at("block_count"), c.layers.len());
    m.count(&at("context_length"), c.context);
    m.count(&at("embedding_length"), c.width);
    m.count(&at("feed_forward_length"), c.ffn);
    m.count(&at("attention.head_count"), c.heads);
    m.count(&at("attention.head_count_kv"), c.kv_heads);
    m.count(&at("attention.key_length"), c.head_dim);
    m.count(&at("attention.value_length"), c.head_dim);
    m.count(&at("rope.dimension_count"), c.head_dim);
    m.real(&at("rope.freq_base"), base(0));
    m.real(&at("attention.layer_norm_rms_epsilon"), c.norm_eps);
    if let Some(window) = c.layers[0].window {
        m.count(&at("attention.sliding_window"), window as usize);
    }
    if let Some(cap) = c.logit_softcap {
        m.real(&at("final_logit_softcapping"), cap);
    }
    m.text("tokenizer.ggml.model", "gpt2");
    m.text("tokenizer.ggml.pre", "gpt-2");
    m.texts("tokenizer.ggml.tokens", &vocabulary::tokens(c.vocabulary));
    // 1: ordinary, 3: control.
    let kinds: Vec<i32> = (0..c.vocabulary).map(|id| if id + 2 < c.vocabulary { 1 } else { 3 }).collect();
    m.counts("tokenizer.ggml.token_type", &kinds);
    m.texts("tokenizer.ggml.merges", &vocabulary::merges(c.vocabulary));
    m.count("tokenizer.ggml.bos_token_id", c.vocabulary - 2);
    m.count("tokenizer.ggml.eos_token_id", c.vocabulary - 1);
    m.bool("tokenizer.ggml.add_bos_token", model.add_bos);
    m
}

/// Canonical names and those of the files.
fn names(model: &SourceModel) -> Vec<(String, String)> {
    let mut names: Vec<(String, String)> =
        [("embed", "token_embd.weight"), ("final_norm", "output_norm.weight"), ("head", "output.weight")]
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .to_vec();
    let of_layer = [
        ("attn_norm", "attn_norm.weight"),
        ("q", "attn_q.weight"),
        ("k", "attn_k.weight"),
        ("v", "attn_v.weight"),
        ("o", "attn_output.weight"),
        ("q_bias", "attn_q.bias"),
        ("k_bias", "attn_k.bias"),
        ("v_bias", "attn_v.bias"),
        ("q_norm", "attn_q_norm.weight"),
        ("k_norm", "attn_k_norm.weight"),
        ("post_attn_norm", "post_attention_norm.weight"),
        ("ffn_norm", "ffn_norm.weight"),
        ("gate", "ffn_gate.weight"),
        ("up", "ffn_up.weight"),
        ("down", "ffn_down.weight"),
        ("post_ffn_norm", "post_ffw_norm.weight"),
    ];
    for i in 0..model.config.layers.len() {
        names.extend(of_layer.map(|(a, b)| (format!("layers.{i}.{a}"), format!("blk.{i}.{b}"))));
    }
    names.retain(|(name, _)| model.tensors.shape(name).is_some());
    names
}

/// The values of a tensor as the file holds them: Llama's q and k rows interleave the rotary pairs.
fn values(model: &SourceModel, name: &str) -> Vec<f32> {
    let c = &model.config;
    let values = super::hugging_face::values(model, name);
    if c.architecture != Architecture::Llama || !(name.ends_with(".q") || name.ends_with(".k")) {
        return values;
    }
    let rows: Vec<&[f32]> = values.chunks(c.width).collect();
    let half = c.head_dim / 2;
    let row = |r: usize| {
        let (head, i) = (r / c.head_dim, r % c.head_dim);
        rows[head * c.head_dim + i / 2 + i % 2 * half]
    };
    (0..rows.len()).flat_map(row).copied().collect()
}

/// Writes the file.
pub fn write(model: &SourceModel, path: &Path) {
    let metadata = metadata(model);
    let names = names(model);
    let mut out = b"GGUF".to_vec();
    out.extend(3u32.to_le_bytes());
    out.extend((names.len() as u64).to_le_bytes());
    out.extend(metadata.count.to_le_bytes());
    out.extend(metadata.bytes);
    let mut data: Vec<u8> = Vec::new();
    for (name, stored) in &names {
        let shape = model.tensors.shape(name).unwrap();
        text(&mut out, stored);
        out.extend((shape.len() as u32).to_le_bytes());
        shape.iter().rev().for_each(|n| out.extend((*n as u64).to_le_bytes()));
        out.extend(0u32.to_le_bytes());
        out.extend((data.len() as u64).to_le_bytes());
        values(model, name).iter().for_each(|x| data.extend(x.to_le_bytes()));
        data.resize(data.len().next_multiple_of(ALIGNMENT), 0);
    }
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    out.extend(data);
    fs::write(path, out).unwrap();
}
