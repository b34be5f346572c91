//! The families of models, each a short description of its graph.

use super::graph::{Builder, FRACTION_MAX, FormatId, Graph, Head, Operation, RopeId, StepId};
use super::source::{Architecture, ModelConfig, Tensors};
use crate::program::op::{Index, Span};

/// Queries and keys: more bits than their 16-bit mantissas can use would only leave the range of a score's shift.
const FRACTION_MAX_QK: i32 = 16;

/// The graph of a description.
pub fn graph(config: &ModelConfig, tensors: &dyn Tensors) -> Graph {
    let family = Family { config, tensors, b: Builder::default() };
    match config.architecture {
        Architecture::Bert => family.encoder(),
        _ => family.decoder(),
    }
}

struct Family<'a> {
    config: &'a ModelConfig,
    tensors: &'a dyn Tensors,
    b: Builder,
}

impl Family<'_> {
    /// Pre-norm decoder: Llama, Qwen and Gemma differ in which optional tensors they have.
    fn decoder(mut self) -> Graph {
        let c = self.config;
        let stream = self.b.format(FRACTION_MAX);
        let embed = Operation::Embed { table: "embed".into(), index: Index::Token, plus: None };
        let mut x = if c.embed_scale == 1.0 {
            self.b.push_as("embed", c.width, stream, embed)
        } else {
            let x = self.b.push("embed", c.width, embed);
            self.b.push_as("embed_scaled", c.width, stream, Operation::Scale { x, factor: c.embed_scale })
        };
        for (i, layer) in c.layers.iter().enumerate() {
            let at = |name: &str| format!("layers.{i}.{name}");
            let h = self.rms_norm(&at("attn_norm"), x, 1, None);
            let span = layer.window.map_or(Span::Causal, Span::Window);
            let o = self.attention(i, h, span, layer.rope.map(RopeId), stream);
            x = self.b.push_as(at("attn_residual"), c.width, stream, Operation::Add { a: x, b: o });
            let h = self.rms_norm(&at("ffn_norm"), x, 1, None);
            let gate = self.linear(&at("gate"), h, c.ffn, None);
            let up = self.linear(&at("up"), h, c.ffn, None);
            let h = self.b.push(at("glu"), c.ffn, Operation::Glu { gate, up, activation: c.activation });
            let down = self.block_end(i, "down", "post_ffn_norm", h, stream);
            x = self.b.push_as(at("ffn_residual"), c.width, stream, Operation::Add { a: x, b: down });
        }
        self.b.outputs_only();
        let h = self.rms_norm("final_norm", x, 1, None);
        let weights = if self.tensors.shape("head").is_some() { "head" } else { "embed" };
        let mut logits = self.b.push(
            "logits",
            c.vocabulary,
            Operation::Linear { x: h, weights: weights.into(), bias: None },
        );
        if let Some(cap) = c.logit_softcap {
            logits = self.b.push("logits_capped", c.vocabulary, Operation::SoftCap { x: logits, cap });
        }
        self.b.finish(Head::Logits(logits))
    }

    /// Post-norm encoder with mean pooling. An encoder's embedding is compared with others by tiny differences, and most
    /// of its rounding comes from the tables and the second matrix of the feed-forward block: these keep 16 bits.
    fn encoder(mut self) -> Graph {
        let c = self.config;
        self.b.keep_fine("embed");
        self.b.keep_fine("position_embed");
        let sum = self.b.format(FRACTION_MAX);
        let embed = |table: &str, index, plus| Operation::Embed { table: table.into(), index, plus };
        let words = self.b.push_as("embed", c.width, sum, embed("embed", Index::Token, None));
        let types = Some("type_embed".to_owned());
        let places =
            self.b.push_as("position_embed", c.width, sum, embed("position_embed", Index::Position, types));
        let x = self.b.push_as("embed_sum", c.width, sum, Operation::Add { a: words, b: places });
        let mut x = self.layer_norm("embed_norm", x);
        for i in 0..c.layers.len() {
            let at = |name: &str| format!("layers.{i}.{name}");
            // The sum before each norm has the format of the stream that enters it.
            let stream = self.b.format_of(x);
            let o = self.attention(i, x, Span::All, None, stream);
            let r = self.b.push_as(at("attn_residual"), c.width, stream, Operation::Add { a: x, b: o });
            x = self.layer_norm(&at("attn_norm"), r);
            let stream = self.b.format_of(x);
            let h = self.linear(&at("up"), x, c.ffn, None);
            let h = self.b.push(at("act"), c.ffn, Operation::Act { x: h, activation: c.activation });
            self.b.keep_fine(at("down"));
            let h = self.linear(&at("down"), h, c.width, Some(stream));
            let r = self.b.push_as(at("ffn_residual"), c.width, stream, Operation::Add { a: x, b: h });
            x = self.layer_norm(&at("ffn_norm"), r);
        }
        self.b.outputs_only();
        let format = self.b.format_of(x);
        let mut x = self.b.push_as("pool", c.width, format, Operation::Pool { x });
        if c.normalize_embedding {
            x = self.b.push("embedding", c.width, Operation::Normalize { x });
        }
        self.b.finish(Head::Vector(x))
    }

    fn attention(
        &mut self,
        i: usize,
        h: StepId,
        span: Span,
        rope: Option<RopeId>,
        stream: FormatId,
    ) -> StepId {
        let c = self.config;
        let at = |name: &str| format!("layers.{i}.{name}");
        let (wide, narrow) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
        let mut project = |name: &str, heads: usize, width: usize| {
            let format = self.b.format(FRACTION_MAX_QK);
            let mut x = self.linear(&at(name), h, width, Some(format));
            let gain = at(&format!("{name}_norm"));
            if self.tensors.shape(&gain).is_some() {
                let format = self.b.format(FRACTION_MAX_QK);
                x = self.rms_norm(&gain, x, heads, Some(format));
            }
            if let Some(table) = rope {
                let format = self.b.format_of(x);
                let turn = Operation::Rope { x, table, head_dim: c.head_dim };
                x = self.b.push_as(at(&format!("{name}_rope")), width, format, turn);
            }
            x
        };
        let q = project("q", c.heads, wide);
        let k = project("k", c.kv_heads, narrow);
        let v = self.linear(&at("v"), h, narrow, None);
        // YaRN's magnitude turns up in q and in k.
        let magnitude = rope.and_then(|r| c.ropes.get(r.0)).map_or(1.0, |r| r.magnitude * r.magnitude);
        // A weighted mean cannot leave the range of the values: it has their format.
        let format = self.b.format_of(v);
        let attention = Operation::Attention {
            q,
            k,
            v,
            heads: c.heads,
            kv_heads: c.kv_heads,
            span,
            scale: c.attention_scale * magnitude,
        };
        let a = self.b.push_as(at("attention"), wide, format, attention);
        self.block_end(i, "o", "post_attn_norm", a, stream)
    }

    /// The last matrix of a block and, where there is one, the norm after it, in the stream's format.
    fn block_end(&mut self, i: usize, matrix: &str, norm: &str, h: StepId, stream: FormatId) -> StepId {
        let (matrix, norm) = (format!("layers.{i}.{matrix}"), format!("layers.{i}.{norm}"));
        if self.tensors.shape(&norm).is_some() {
            let x = self.linear(&matrix, h, self.config.width, None);
            self.rms_norm(&norm, x, 1, Some(stream))
        } else {
            self.linear(&matrix, h, self.config.width, Some(stream))
        }
    }

    fn linear(&mut self, name: &str, x: StepId, width: usize, format: Option<FormatId>) -> StepId {
        let bias = Some(format!("{name}_bias")).filter(|b| self.tensors.shape(b).is_some());
        let format = format.unwrap_or_else(|| self.b.format(FRACTION_MAX));
        self.b.push_as(name, width, format, Operation::Linear { x, weights: name.into(), bias })
    }

    fn rms_norm(&mut self, name: &str, x: StepId, groups: usize, format: Option<FormatId>) -> StepId {
        let width = self.b.width_of(x);
        let format = format.unwrap_or_else(|| self.b.format(FRACTION_MAX));
        let norm = Operation::RmsNorm { x, groups, gain: name.into(), eps: self.config.norm_eps };
        self.b.push_as(name, width, format, norm)
    }

    fn layer_norm(&mut self, name: &str, x: StepId) -> StepId {
        let width = self.b.width_of(x);
        let norm = Operation::LayerNorm {
            x,
            gain: name.into(),
            bias: format!("{name}_bias"),
            eps: self.config.norm_eps,
        };
        self.b.push(name, width, norm)
    }
}
