//! Small models of every architecture with pseudo-random weights, in memory.
//!
//! Their sizes are toys, their features are not: shared key heads, heads that do not add up to the width, sliding
//! windows, two rotary tables, biases, norms on heads, and a few channels that are far larger than the others.

use std::collections::BTreeMap;
use std::ops::Range;

use executor::import::error::ImportError;
use executor::import::source::{Activation, Architecture, Layer, ModelConfig, Rope, SourceModel, Tensors};

use super::random::Random;
use super::vocabulary;

/// The sizes of a model.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub width: usize,
    pub heads: usize,
    /// BERT has as many as `heads`, whatever this says.
    pub kv_heads: usize,
    /// BERT's is `width / heads`, whatever this says.
    pub head_dim: usize,
    pub ffn: usize,
    pub vocabulary: usize,
    pub layers: usize,
    pub context: usize,
    /// Llama: of every layer (Mistral). Gemma: of every layer but each `full_every`-th, 16 without.
    pub window: Option<u32>,
    pub full_every: usize,
    /// Is the head the embedding again. Gemma's always is.
    pub tied: bool,
    pub softcap: Option<f64>,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            width: 48,
            heads: 4,
            kv_heads: 2,
            head_dim: 16,
            ffn: 80,
            vocabulary: 288,
            layers: 3,
            context: 256,
            window: None,
            full_every: 6,
            tied: true,
            softcap: None,
        }
    }
}

/// A model; the same arguments give the same bits.
pub fn model(architecture: Architecture, seed: u64, shape: Shape) -> SourceModel {
    let config = config(architecture, &shape);
    let bos = vocabulary::bos();
    let eos = vocabulary::eos();
    let decoder = architecture != Architecture::Bert;
    SourceModel {
        exported: None,
        tensors: Box::new(tensors(&config, seed, shape.tied)),
        tokenizer_json: vocabulary::tokenizer_json(config.vocabulary),
        chat_template: None,
        special_tokens: vec![("bos_token".into(), bos), ("eos_token".into(), eos)],
        add_bos: false,
        stop_tokens: if decoder { vec![vocabulary::eos_id(config.vocabulary)] } else { vec![] },
        name: "tiny".into(),
        format: "huggingface",
        digest: [0; 32],
        config,
    }
}

/// A sequence of ordinary tokens.
pub fn tokens(seed: u64, count: usize, vocabulary: usize) -> Vec<u32> {
    let mut random = Random::named(seed, "tokens");
    (0..count).map(|_| random.below(vocabulary - 2) as u32).collect()
}

/// GGUF files hold f32, so that all reals that come from a file are.
fn single(x: f32) -> f64 {
    f64::from(x)
}

fn rope(base: f64, rotated: usize) -> Rope {
    let frequency = |i: usize| 1.0 / libm::pow(base, (2 * i) as f64 / rotated as f64);
    Rope { frequencies: (0..rotated / 2).map(frequency).collect(), magnitude: 1.0 }
}

fn config(architecture: Architecture, shape: &Shape) -> ModelConfig {
    let gemma = architecture == Architecture::Gemma3;
    let bert = architecture == Architecture::Bert;
    let head_dim = if bert { shape.width / shape.heads } else { shape.head_dim };
    let bases: &[f64] = match architecture {
        Architecture::Gemma3 => &[1e6, 1e4],
        Architecture::Bert => &[],
        Architecture::Llama => &[1e4],
        _ => &[1e6],
    };
    let layer = |i: usize| {
        let local = !gemma || !(i + 1).is_multiple_of(shape.full_every);
        let window = if gemma { Some(shape.window.unwrap_or(16)) } else { shape.window };
        let windowed = matches!(architecture, Architecture::Gemma3 | Architecture::Llama) && local;
        Layer { window: window.filter(|_| windowed), rope: (!bert).then_some(usize::from(gemma && local)) }
    };
    ModelConfig {
        architecture,
        width: shape.width,
        heads: shape.heads,
        kv_heads: if bert { shape.heads } else { shape.kv_heads },
        head_dim,
        ffn: shape.ffn,
        vocabulary: shape.vocabulary,
        context: shape.context,
        norm_eps: if bert { single(1e-12) } else { single(1e-5) },
        activation: match architecture {
            Architecture::Gemma3 => Activation::GeluTanh,
            Architecture::Bert => Activation::Gelu,
            _ => Activation::Silu,
        },
        attention_scale: 1.0 / libm::sqrt(head_dim as f64),
        embed_scale: if gemma { libm::sqrt(shape.width as f64) } else { 1.0 },
        logit_softcap: shape.softcap.filter(|_| gemma),
        ropes: bases.iter().map(|base| rope(*base, head_dim)).collect(),
        layers: (0..shape.layers).map(layer).collect(),
        normalize_embedding: bert,
    }
}

/// Tensors in memory.
pub struct Memory(BTreeMap<String, (Vec<usize>, Vec<f32>)>);

impl Tensors for Memory {
    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.0.get(name).map(|(shape, _)| shape.as_slice())
    }

    fn rows(&self, name: &str, rows: Range<usize>, out: &mut Vec<f32>) -> Result<(), ImportError> {
        let (shape, values) = self.0.get(name).ok_or_else(|| ImportError::Missing(name.to_owned()))?;
        let width = shape[shape.len() - 1];
        out.extend_from_slice(&values[rows.start * width..rows.end * width]);
        Ok(())
    }
}

/// What a tensor is to the model decides how its values are spread.
#[derive(Clone, Copy)]
enum Role {
    /// Rows of a table, a few columns of them large.
    Table,
    /// A matrix that keeps magnitudes, a few rows of it large.
    Matrix,
    /// Around 1 in steps of 1/1024, so that Gemma's w = gain - 1 is exact; a few large.
    Gain,
    /// Small.
    Bias,
}

fn tensors(c: &ModelConfig, seed: u64, tied: bool) -> Memory {
    let mut memory = Memory(BTreeMap::new());
    let mut put = |name: String, shape: &[usize], role: Role| {
        let mut random = Random::named(seed, &name);
        let inner = shape[shape.len() - 1];
        let count = shape.iter().product();
        let value = |i: usize| {
            let x = random.normal();
            match role {
                Role::Table => x * if (i % inner).is_multiple_of(19) { 0.8 } else { 0.1 },
                Role::Matrix if (i / inner) % 23 == 3 => x * 3.0 / (inner as f32).sqrt(),
                Role::Matrix => x / (inner as f32).sqrt(),
                Role::Gain if i % 17 == 5 => 4.0,
                Role::Gain => 1.0 + (x * 200.0).round() / 1024.0,
                Role::Bias => x * 0.2,
            }
        };
        let values = (0..count).map(value).collect();
        memory.0.insert(name, (shape.to_vec(), values));
    };
    let bert = c.architecture == Architecture::Bert;
    let gemma = c.architecture == Architecture::Gemma3;
    let (query, narrow) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
    put("embed".into(), &[c.vocabulary, c.width], Role::Table);
    for i in 0..c.layers.len() {
        let at = |name: &str| format!("layers.{i}.{name}");
        let mut matrix = |name: &str, out: usize, inner: usize, biased: bool| {
            put(at(name), &[out, inner], Role::Matrix);
            if biased {
                put(at(&format!("{name}_bias")), &[out], Role::Bias);
            }
        };
        let biased = bert || c.architecture == Architecture::Qwen2;
        matrix("q", query, c.width, biased);
        matrix("k", narrow, c.width, biased);
        matrix("v", narrow, c.width, biased);
        matrix("o", c.width, query, bert);
        if !bert {
            matrix("gate", c.ffn, c.width, false);
        }
        matrix("up", c.ffn, c.width, bert);
        matrix("down", c.width, c.ffn, bert);
        for name in ["attn_norm", "ffn_norm"] {
            put(at(name), &[c.width], Role::Gain);
            if bert {
                put(at(&format!("{name}_bias")), &[c.width], Role::Bias);
            }
        }
        if gemma || c.architecture == Architecture::Qwen3 {
            put(at("q_norm"), &[c.head_dim], Role::Gain);
            put(at("k_norm"), &[c.head_dim], Role::Gain);
        }
        if gemma {
            put(at("post_attn_norm"), &[c.width], Role::Gain);
            put(at("post_ffn_norm"), &[c.width], Role::Gain);
        }
    }
    if bert {
        put("position_embed".into(), &[c.context, c.width], Role::Table);
        put("type_embed".into(), &[2, c.width], Role::Table);
        put("embed_norm".into(), &[c.width], Role::Gain);
        put("embed_norm_bias".into(), &[c.width], Role::Bias);
        return memory;
    }
    put("final_norm".into(), &[c.width], Role::Gain);
    if !tied && !gemma {
        put("head".into(), &[c.vocabulary, c.width], Role::Matrix);
    }
    memory
}
