//! How byte-level models split text before they merge, under the names that GGUF files use (`tokenizer.ggml.pre`).
//!
//! The patterns are those of the published `tokenizer.json` files. llama.cpp has rewritten some for its own regular
//! expressions; where the two differ, the published one is what the model was trained with.

use serde_json::{Value, json};

/// A way to split.
pub(super) struct Split {
    pub(super) normalizer: Value,
    pub(super) pre_tokenizer: Value,
    /// Whether a piece that is a token as a whole is taken as it is.
    pub(super) ignore_merges: bool,
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The way to split that `name` stands for.
pub(super) fn named(name: &str) -> Result<Split, String> {
    let plain = |patterns: &[&str]| Split {
        normalizer: Value::Null,
        pre_tokenizer: sequence(patterns.iter().map(|pattern| split(pattern)).collect()),
        ignore_merges: false,
    };
    Ok(match name {
        "gpt-2" => plain(&[GPT2]),
        "smollm" => Split {
            pre_tokenizer: sequence(vec![json!({"type": "Digits", "individual_digits": true}), split(GPT2)]),
            ..plain(&[])
        },
        // llama.cpp's own: it stands in for whatever the model was trained with.
        "default" => plain(&[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"]),
        "llama3" | "llama-v3" | "llama-bpe" => Split { ignore_merges: true, ..plain(&[LLAMA3]) },
        "smaug-bpe" => plain(&[LLAMA3]),
        "qwen2" => Split { normalizer: json!({"type": "NFC"}), ..plain(&[QWEN2]) },
        "tekken" => Split { ignore_merges: true, ..plain(&[TEKKEN]) },
        other => {
            return Err(format!(
                "pre-tokenizer {other:?} is not supported; default, gpt-2, llama-bpe, qwen2, smaug-bpe, smollm \
                 and tekken are. Import the model from its Hugging Face folder instead"
            ));
        }
    })
}

fn split(pattern: &str) -> Value {
    json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false})
}

fn sequence(mut steps: Vec<Value>) -> Value {
    steps.push(
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}),
    );
    json!({"type": "Sequence", "pretokenizers": steps})
}
