//! Writes GGUF files for tests.

/// A file in the making.
#[derive(Clone, Default)]
pub(super) struct Writer {
    pub(super) version: Option<u32>,
    pub(super) metadata: Vec<(String, Vec<u8>)>,
    pub(super) tensors: Vec<Tensor>,
}

/// A tensor: dimensions innermost first, kind, bytes.
#[derive(Clone)]
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) dimensions: Vec<u64>,
    pub(super) kind: u32,
    pub(super) bytes: Vec<u8>,
}

pub(super) fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

fn array(kind: u32, count: usize, elements: Vec<u8>) -> Vec<u8> {
    [&9u32.to_le_bytes()[..], &kind.to_le_bytes(), &(count as u64).to_le_bytes(), &elements].concat()
}

impl Writer {
    /// Sets a key to a value with its kind in front, replacing an earlier one.
    pub(super) fn set(&mut self, key: &str, value: Vec<u8>) -> &mut Self {
        self.metadata.retain(|(other, _)| other != key);
        self.metadata.push((key.into(), value));
        self
    }

    pub(super) fn int(&mut self, key: &str, value: u32) -> &mut Self {
        self.set(key, [4u32.to_le_bytes(), value.to_le_bytes()].concat())
    }

    pub(super) fn float(&mut self, key: &str, value: f32) -> &mut Self {
        self.set(key, [6u32.to_le_bytes(), value.to_le_bytes()].concat())
    }

    pub(super) fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.set(key, [&8u32.to_le_bytes()[..], &text(value)].concat())
    }

    pub(super) fn texts(&mut self, key: &str, values: &[&str]) -> &mut Self {
        let elements = values.iter().flat_map(|value| text(value)).collect();
        self.set(key, array(8, values.len(), elements))
    }

    pub(super) fn ints(&mut self, key: &str, values: &[i32]) -> &mut Self {
        let elements = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.set(key, array(5, values.len(), elements))
    }

    /// Adds an F32 tensor with the numbers 0, 1, 2, ... as bytes say; shape outermost first.
    pub(super) fn counted(&mut self, name: &str, shape: &[u64]) -> &mut Self {
        let numbers = shape.iter().product::<u64>();
        let bytes = (0..numbers).flat_map(|n| (n as f32).to_le_bytes()).collect();
        let dimensions = shape.iter().rev().copied().collect();
        self.tensors.push(Tensor { name: name.into(), dimensions, kind: 0, bytes });
        self
    }

    /// The tensor of this name.
    pub(super) fn tensor(&mut self, name: &str) -> &mut Tensor {
        self.tensors.iter_mut().find(|tensor| tensor.name == name).unwrap()
    }

    pub(super) fn drop_tensor(&mut self, name: &str) -> &mut Self {
        self.tensors.retain(|tensor| tensor.name != name);
        self
    }

    /// The file.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.unwrap_or(3).to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            out.extend(text(key));
            out.extend(value);
        }
        let mut offset = 0u64;
        for tensor in &self.tensors {
            out.extend(text(&tensor.name));
            out.extend((tensor.dimensions.len() as u32).to_le_bytes());
            tensor.dimensions.iter().for_each(|n| out.extend(n.to_le_bytes()));
            out.extend(tensor.kind.to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset += (tensor.bytes.len() as u64).next_multiple_of(32);
        }
        for tensor in &self.tensors {
            out.resize(out.len().next_multiple_of(32), 0);
            out.extend(&tensor.bytes);
        }
        out
    }
}

/// A whole model of one architecture: width 8, 2 heads of 4, 1 key head, 12 tokens, `layers` layers.
pub(super) fn tiny(architecture: &str, layers: u32) -> Writer {
    let mut file = Writer::default();
    let key = |key: &str| format!("{architecture}.{key}");
    file.text("general.architecture", architecture).text("general.name", "Tiny");
    for (name, value) in [
        ("block_count", layers),
        ("context_length", 64),
        ("embedding_length", 8),
        ("feed_forward_length", 16),
        ("attention.head_count", 2),
        ("attention.head_count_kv", 1),
    ] {
        file.int(&key(name), value);
    }
    file.float(&key("attention.layer_norm_rms_epsilon"), 1e-5);
    file.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", "smollm");
    let tokens = ["a", "b", "c", "d", "e", "f", "g", "h", "ab", "cd", "<|im_end|>", "<|endoftext|>"];
    file.texts("tokenizer.ggml.tokens", &tokens).texts("tokenizer.ggml.merges", &["a b", "c d"]);
    file.ints("tokenizer.ggml.token_type", &[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3]);
    file.int("tokenizer.ggml.eos_token_id", 10).int("tokenizer.ggml.bos_token_id", 11);
    file.counted("token_embd.weight", &[12, 8]).counted("output_norm.weight", &[8]);
    for layer in 0..layers {
        let block = |name: &str| format!("blk.{layer}.{name}");
        for (name, shape) in [
            ("attn_norm", &[8][..]),
            ("attn_q", &[8, 8]),
            ("attn_k", &[4, 8]),
            ("attn_v", &[4, 8]),
            ("attn_output", &[8, 8]),
            ("ffn_norm", &[8]),
            ("ffn_gate", &[16, 8]),
            ("ffn_up", &[16, 8]),
            ("ffn_down", &[8, 16]),
        ] {
            file.counted(&block(&format!("{name}.weight")), shape);
        }
        if architecture == "qwen2" {
            file.counted(&block("attn_q.bias"), &[8]).counted(&block("attn_k.bias"), &[4]);
            file.counted(&block("attn_v.bias"), &[4]);
        }
        if matches!(architecture, "qwen3" | "gemma3") {
            file.counted(&block("attn_q_norm.weight"), &[4]);
            file.counted(&block("attn_k_norm.weight"), &[4]);
        }
        if architecture == "gemma3" {
            file.counted(&block("post_attention_norm.weight"), &[8]);
            file.counted(&block("post_ffw_norm.weight"), &[8]);
        }
    }
    if architecture == "gemma3" {
        file.int(&key("attention.sliding_window"), 16).float(&key("rope.freq_base"), 1e6);
    }
    file
}
