//! The small models whose logits are checked in.

use executor::import::source::{Architecture, SourceModel};

use super::tiny::{self, Shape};

/// A small model and a sequence for it.
pub struct Case {
    /// Name of its files.
    pub name: &'static str,
    architecture: Architecture,
    shape: Shape,
    /// Can a GGUF file say everything about it that llama.cpp honours.
    pub gguf: bool,
}

const SEED: u64 = 7;
/// Longer than every window.
const POSITIONS: usize = 40;

impl Case {
    /// The model.
    pub fn model(&self) -> SourceModel {
        tiny::model(self.architecture, SEED, self.shape)
    }

    /// The sequence.
    pub fn tokens(&self) -> Vec<u32> {
        tiny::tokens(SEED, POSITIONS, self.shape.vocabulary)
    }
}

/// All of them.
pub fn all() -> Vec<Case> {
    let shape = Shape::default();
    let case = |name, architecture, shape| Case { name, architecture, shape, gguf: true };
    vec![
        case("llama", Architecture::Llama, Shape { heads: 6, head_dim: 8, ..shape }),
        case("llama_untied", Architecture::Llama, Shape { tied: false, kv_heads: 1, ..shape }),
        // llama.cpp knows no window in this family.
        Case { gguf: false, ..case("mistral", Architecture::Llama, Shape { window: Some(9), ..shape }) },
        case("qwen2", Architecture::Qwen2, Shape { heads: 6, head_dim: 8, ..shape }),
        case("qwen3", Architecture::Qwen3, Shape { tied: false, head_dim: 24, ..shape }),
        case("gemma3", Architecture::Gemma3, Shape { window: Some(9), layers: 7, ..shape }),
        case(
            "gemma3_capped",
            Architecture::Gemma3,
            Shape { layers: 6, softcap: Some(5.0), kv_heads: 4, ..shape },
        ),
        Case { gguf: false, ..case("bert", Architecture::Bert, shape) },
    ]
}
