//! The one description that every reader produces and the rest of the importer works from.

use std::ops::Range;

use super::architecture;
use super::error::ImportError;
use super::graph::Graph;

/// The family of graphs that a model belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// Llama, and with the same graph Mistral and SmolLM.
    Llama,
    /// Qwen2: Llama with biases on q, k and v.
    Qwen2,
    /// Qwen3: Llama with a norm on each head of q and k.
    Qwen3,
    /// Gemma 3, text: norms after each block too, scaled embeddings, sliding windows, GELU.
    Gemma3,
    /// BERT: encoder with LayerNorm and GELU.
    Bert,
    /// None of these: the source holds the graph itself.
    Exported,
}

/// How the feed-forward block bends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x * sigmoid(x)
    Silu,
    /// x * Phi(x), exact
    Gelu,
    /// x/2 * (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
    GeluTanh,
}

/// Rotary embedding of one kind of layer; pair i turns by position * frequency(i).
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// One angular frequency (radians per position) per rotated pair, all scaling already applied.
    /// Its length is half the number of rotated dimensions; the rest of the head passes unchanged.
    pub frequencies: Vec<f64>,
    /// Factor on the rotated values (YaRN's attention factor), 1 without.
    pub magnitude: f64,
}

/// What differs from layer to layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Sliding window: position t sees t - window + 1 ..= t. None: everything before.
    pub window: Option<u32>,
    /// Index into [`ModelConfig::ropes`]; None for a layer without rotary embedding.
    pub rope: Option<usize>,
}

/// Everything about a model but its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// The family of graphs.
    pub architecture: Architecture,
    /// Width of the residual stream.
    pub width: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Width of the feed-forward block.
    pub ffn: usize,
    /// Entries of the vocabulary (rows of the embedding).
    pub vocabulary: usize,
    /// Longest sequence that the model was made for.
    pub context: usize,
    /// Added to the mean square (RMSNorm) or variance (LayerNorm).
    pub norm_eps: f64,
    /// The bend of the feed-forward block.
    pub activation: Activation,
    /// Factor on q.k before the softmax, usually 1/sqrt(head_dim).
    pub attention_scale: f64,
    /// Factor on the embedding (Gemma: sqrt(width)), usually 1.
    pub embed_scale: f64,
    /// Logits become c * tanh(logits / c).
    pub logit_softcap: Option<f64>,
    /// The rotary tables that layers refer to.
    pub ropes: Vec<Rope>,
    /// One entry a layer.
    pub layers: Vec<Layer>,
    /// BERT: are the pooled embeddings divided by their length.
    pub normalize_embedding: bool,
}

impl ModelConfig {
    /// Of an exported program, whose graph says all the rest.
    pub fn exported(vocabulary: usize, context: usize) -> Self {
        Self {
            architecture: Architecture::Exported,
            width: 0,
            heads: 0,
            kv_heads: 0,
            head_dim: 0,
            ffn: 0,
            vocabulary,
            context,
            norm_eps: 0.0,
            activation: Activation::Gelu,
            attention_scale: 1.0,
            embed_scale: 1.0,
            logit_softcap: None,
            ropes: Vec::new(),
            layers: Vec::new(),
            normalize_embedding: false,
        }
    }
}

/// A graph that a source holds itself.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The graph.
    pub graph: Graph,
    /// What the pilot runs; empty for a model of text.
    pub pilot: Vec<Vec<u32>>,
}

/// Tensors as f32, whatever they are stored as. Names and layouts are the same for every reader:
///
/// | name | shape |
/// |---|---|
/// | `embed` | `[vocabulary, width]` |
/// | `position_embed` (BERT) | `[context, width]` |
/// | `type_embed` (BERT) | `[types, width]` |
/// | `embed_norm`, `embed_norm_bias` (BERT) | `[width]` |
/// | `layers.{i}.attn_norm` (+`_bias`) | `[width]` |
/// | `layers.{i}.{q,k,v,o}` | `[out, in]`, row-major, heads outermost in q, k, v rows |
/// | `layers.{i}.{q,k,v,o}_bias` (optional) | `[out]` |
/// | `layers.{i}.{q,k}_norm` (Qwen3, Gemma3) | `[head_dim]` |
/// | `layers.{i}.post_attn_norm`, `layers.{i}.post_ffn_norm` (Gemma3) | `[width]` |
/// | `layers.{i}.ffn_norm` (+`_bias`) | `[width]` |
/// | `layers.{i}.{gate,up,down}` | `[out, in]` (BERT has `up` and `down` only, with biases) |
/// | `final_norm` | `[width]` |
/// | `head` (absent when tied to `embed`) | `[vocabulary, width]` |
///
/// For BERT `attn_norm` is the norm *after* attention and `ffn_norm` the one *after* the feed-forward block.
/// Rotary pairs are (i, i + rotated/2) within a head, as Hugging Face stores them: a reader of files that
/// interleave the pairs (GGUF's Llama) puts the rows back. Norm gains are the factor itself (Gemma's stored
/// `w` with gain `1 + w` is given as `1 + w`).
pub trait Tensors: Send + Sync {
    /// The shape, outermost dimension first, or None if there is no such tensor.
    fn shape(&self, name: &str) -> Option<&[usize]>;
    /// Appends the rows `rows` of a tensor to `out` (a one-dimensional tensor is one row).
    /// NaN and infinity are an error that names the tensor.
    fn rows(&self, name: &str, rows: Range<usize>, out: &mut Vec<f32>) -> Result<(), ImportError>;
}

/// A model as a reader found it.
pub struct SourceModel {
    /// Everything but the weights.
    pub config: ModelConfig,
    /// The graph, where it does not follow from `config`.
    pub exported: Option<Exported>,
    /// The weights.
    pub tensors: Box<dyn Tensors>,
    /// The tokenizer in the `tokenizer.json` format of the `tokenizers` library.
    pub tokenizer_json: Vec<u8>,
    /// The chat template (Jinja), if the source has one.
    pub chat_template: Option<String>,
    /// Text of the special tokens that chat templates name (`bos_token`, `eos_token`, ...).
    pub special_tokens: Vec<(String, String)>,
    /// Does an encoded prompt begin with the beginning-of-sequence token.
    pub add_bos: bool,
    /// Token ids that end a generation, ascending.
    pub stop_tokens: Vec<u32>,
    /// What the source calls itself.
    pub name: String,
    /// `gguf`, `huggingface` or `pt2`.
    pub format: &'static str,
    /// keccak256 over the source's bytes (a folder: over name and keccak256 of each file read, sorted by name).
    pub digest: [u8; 32],
}

impl SourceModel {
    /// The model as its authors mean it.
    pub fn graph(&self) -> Graph {
        match &self.exported {
            Some(exported) => exported.graph.clone(),
            None => architecture::graph(&self.config, self.tensors.as_ref()),
        }
    }
}

impl std::fmt::Debug for SourceModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceModel")
            .field("config", &self.config)
            .field("name", &self.name)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}
