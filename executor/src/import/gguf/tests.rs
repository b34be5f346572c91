//! Files built by hand: read, refused, damaged.

use std::sync::Arc;

use proptest::prelude::*;

use super::model::understand;
use super::testing::{Tensor, Writer, text, tiny};
use super::*;
use crate::import::source::{Activation, Architecture};

fn read(file: &Writer) -> Result<SourceModel, ImportError> {
    let bytes: files::Bytes = Arc::new(file.bytes());
    understand("tiny.gguf".as_ref(), &bytes).map(|(model, _)| model)
}

fn refusal(file: &Writer) -> String {
    read(file).expect_err("the file must be refused").to_string()
}

fn rows(model: &SourceModel, name: &str) -> Vec<f32> {
    let shape = model.tensors.shape(name).unwrap_or_else(|| panic!("no {name}"));
    let count = if shape.len() == 1 { 1 } else { shape[0] };
    let mut out = Vec::new();
    model.tensors.rows(name, 0..count, &mut out).unwrap();
    out
}

#[test]
fn llama_is_read_with_its_rotary_rows_put_back() {
    let model = read(&tiny("llama", 2)).unwrap();
    let config = &model.config;
    assert_eq!((config.architecture, config.width, config.heads), (Architecture::Llama, 8, 2));
    assert_eq!((config.kv_heads, config.head_dim, config.ffn), (1, 4, 16));
    assert_eq!((config.vocabulary, config.context, config.layers.len()), (12, 64, 2));
    assert_eq!((config.attention_scale, config.activation), (0.5, Activation::Silu));
    assert_eq!(config.ropes[0].frequencies, [1.0, 0.01]);
    // Row r of q begins with 8 r; stored pairs (0, 1), (2, 3) come out as 0, 2, 1, 3.
    let firsts: Vec<f32> = rows(&model, "layers.1.q").chunks(8).map(|row| row[0]).collect();
    assert_eq!(firsts, [0.0, 16.0, 8.0, 24.0, 32.0, 48.0, 40.0, 56.0]);
    assert_eq!(rows(&model, "layers.1.v")[8], 8.0);
    assert!(model.tensors.shape("head").is_none());
    assert_eq!((model.name.as_str(), model.format, &model.stop_tokens[..]), ("Tiny", "gguf", &[10, 11][..]));
    let special = [("bos_token", "<|endoftext|>"), ("eos_token", "<|im_end|>")];
    assert_eq!(model.special_tokens, special.map(|(a, b)| (a.to_string(), b.to_string())));
    assert!(!model.add_bos);
}

#[test]
fn qwens_keep_their_rows_biases_and_norms() {
    let model = read(&tiny("qwen2", 1)).unwrap();
    assert_eq!(rows(&model, "layers.0.q")[8], 8.0);
    assert_eq!(rows(&model, "layers.0.k_bias"), [0.0, 1.0, 2.0, 3.0]);
    assert!(refusal(tiny("qwen2", 1).drop_tensor("blk.0.attn_v.bias")).contains("attn_v.bias"));
    let model = read(&tiny("qwen3", 1)).unwrap();
    assert_eq!(model.tensors.shape("layers.0.q_norm"), Some(&[4][..]));
}

#[test]
fn gemma_sees_everything_in_each_sixth_layer() {
    let mut file = tiny("gemma3", 7);
    file.text("gemma3.rope.scaling.type", "linear").float("gemma3.rope.scaling.factor", 8.0);
    let model = read(&file).unwrap();
    let windows: Vec<_> = model.config.layers.iter().map(|layer| (layer.window, layer.rope)).collect();
    let local = (Some(16), Some(1));
    assert_eq!(windows, [local, local, local, local, local, (None, Some(0)), local]);
    assert_eq!(model.config.ropes[0].frequencies, [0.125, 0.000_125]);
    assert_eq!(model.config.ropes[1].frequencies, [1.0, 0.01]);
    assert_eq!(model.config.embed_scale, 8f64.sqrt());
    assert_eq!(rows(&model, "layers.0.post_ffn_norm")[1], 1.0, "GGUF stores the gain itself");
}

#[test]
fn llama3s_divisors_are_applied() {
    let mut file = tiny("llama", 1);
    file.counted("rope_freqs.weight", &[2]);
    let divisors = [1f32, 8.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    file.tensor("rope_freqs.weight").bytes = divisors;
    assert_eq!(read(&file).unwrap().config.ropes[0].frequencies, [1.0, 0.00125]);
    file.text("llama.rope.scaling.type", "linear").float("llama.rope.scaling.factor", 2.0);
    assert!(refusal(&file).contains("rope_freqs"));
}

#[test]
fn yarn_is_what_hugging_face_computes() {
    let mut file = tiny("qwen3", 1);
    file.text("qwen3.rope.scaling.type", "yarn").float("qwen3.rope.scaling.factor", 4.0);
    file.int("qwen3.rope.scaling.original_context_length", 32);
    let rope = read(&file).unwrap().config.ropes.remove(0);
    // Pair 0 turns 5.1 times in 32 positions and lies before the ramp, pair 1 never turns round.
    assert_eq!(rope.frequencies, [1.0, 0.0025]);
    assert!((rope.magnitude - 1.138_629_436).abs() < 1e-9);
    file.float("qwen3.rope.scaling.attn_factor", 0.5);
    assert!(refusal(&file).contains("attn_factor"));
}

#[test]
fn version_2_is_read_and_1_is_not() {
    let mut file = tiny("llama", 1);
    file.version = Some(2);
    assert!(read(&file).is_ok());
    file.version = Some(1);
    assert!(refusal(&file).contains("version 1"));
    file.version = Some(3u32.swap_bytes());
    assert!(refusal(&file).contains("big-endian"));
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let with = |change: fn(&mut Writer)| {
        let mut file = tiny("llama", 1);
        change(&mut file);
        refusal(&file)
    };
    type Change = fn(&mut Writer);
    let cases: [(Change, &str); 14] = [
        (
            |f| {
                f.text("general.architecture", "mamba");
            },
            "architecture mamba",
        ),
        (
            |f| {
                f.text("general.architecture", "bert");
            },
            "architecture bert",
        ),
        (
            |f| {
                f.int("llama.expert_count", 8);
            },
            "llama.expert_count = 8",
        ),
        (
            |f| {
                f.int("llama.something_new", 1);
            },
            "llama.something_new",
        ),
        (
            |f| {
                f.text("llama.rope.scaling.type", "longrope");
            },
            "longrope",
        ),
        (
            |f| {
                f.float("llama.attn_logit_softcapping", 50.0);
            },
            "attn_logit_softcapping",
        ),
        (
            |f| {
                f.counted("blk.0.extra.weight", &[8]);
            },
            "blk.0.extra.weight",
        ),
        (
            |f| {
                f.tensor("blk.0.attn_q.weight").kind = 16;
            },
            "IQ2_XXS",
        ),
        (
            |f| {
                f.tensor("blk.0.attn_q.weight").kind = 99;
            },
            "type 99",
        ),
        (|f| f.tensor("blk.0.ffn_up.weight").dimensions = vec![16, 8], "blk.0.ffn_up.weight"),
        (
            |f| {
                f.drop_tensor("blk.0.ffn_up.weight");
            },
            "blk.0.ffn_up.weight",
        ),
        (
            |f| {
                f.int("llama.block_count", 1 << 20);
            },
            "layers = 1048576",
        ),
        (
            |f| {
                f.int("llama.attention.head_count", 0);
            },
            "head_count",
        ),
        (
            |f| {
                f.float("llama.rope.freq_base", f32::NAN);
            },
            "rope base",
        ),
    ];
    for (change, expected) in cases {
        let message = with(change);
        assert!(message.contains(expected), "{message} does not say {expected}");
    }
}

#[test]
fn what_lies_about_itself_is_refused() {
    let mut file = tiny("llama", 1);
    file.metadata.push(("general.name".into(), [&8u32.to_le_bytes()[..], &text("again")].concat()));
    assert!(refusal(&file).contains("occurs twice"));

    let mut file = tiny("llama", 1);
    let twin = Tensor { ..file.tensor("output_norm.weight").clone() };
    file.tensors.push(twin);
    assert!(refusal(&file).contains("occurs twice"));

    let mut file = tiny("llama", 1);
    file.tensor("blk.0.ffn_down.weight").dimensions = vec![u64::MAX / 8, 64];
    assert!(refusal(&file).contains("no possible size"));

    let mut file = tiny("llama", 1);
    file.tensor("blk.0.attn_q.weight").bytes.truncate(64);
    assert!(refusal(&file).contains("overlap"));

    let mut file = tiny("llama", 1);
    let many = [&9u32.to_le_bytes()[..], &8u32.to_le_bytes(), &u64::MAX.to_le_bytes()].concat();
    file.set("tokenizer.ggml.tokens", many);
    assert!(refusal(&file).contains("malformed"));

    let mut file = tiny("llama", 1);
    file.texts("tokenizer.ggml.tokens", &["a"]);
    assert!(refusal(&file).contains("embedding 12 rows"));

    let ballast = [tiny("llama", 1).bytes(), vec![0; 2 << 20]].concat();
    assert!(from_bytes("x", ballast).unwrap_err().to_string().contains("belong to no tensor"));

    for bytes in [&b""[..], b"GGUF", b"PK\x03\x04 is a zip file"] {
        assert!(matches!(from_bytes("x", bytes.to_vec()), Err(ImportError::Malformed { .. })));
    }
}

#[test]
fn weights_that_are_no_numbers_are_named() {
    let mut file = tiny("llama", 1);
    file.tensor("blk.0.ffn_up.weight").bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let model = read(&file).unwrap();
    let error = model.tensors.rows("layers.0.up", 0..1, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("layers.0.up"), "{error}");
}

proptest! {
    #[test]
    fn no_truncation_panics(architecture in prop::sample::select(vec!["llama", "gemma3"]), at in 0.0..1.0) {
        let bytes = tiny(architecture, 1).bytes();
        let cut = (bytes.len() as f64 * at) as usize;
        prop_assert!(from_bytes("cut", bytes[..cut].to_vec()).is_err());
    }

    #[test]
    fn no_flip_panics(
        architecture in prop::sample::select(vec!["llama", "qwen2", "qwen3", "gemma3"]),
        flips in prop::collection::vec((0.0..1.0, 1u8..=255), 1..6),
    ) {
        let mut bytes = tiny(architecture, 1).bytes();
        for (at, mask) in flips {
            let at = (bytes.len() as f64 * at) as usize;
            bytes[at] ^= mask;
        }
        let bytes: files::Bytes = Arc::new(bytes);
        if let Ok((model, _)) = understand("flip".as_ref(), &bytes) {
            let _ = model.tensors.rows("layers.0.q", 0..8, &mut Vec::new());
        }
    }

    #[test]
    fn no_noise_panics(noise in prop::collection::vec(any::<u8>(), 0..256)) {
        prop_assert!(from_bytes("noise", [b"GGUF\x03\0\0\0".to_vec(), noise].concat()).is_err());
    }
}
