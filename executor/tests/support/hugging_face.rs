//! Writes a model as a Hugging Face folder.

use std::fs;
use std::path::Path;

use executor::import::source::{Architecture, SourceModel};
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::{Value, json};

/// All values of a tensor.
pub fn values(model: &SourceModel, name: &str) -> Vec<f32> {
    let shape = model.tensors.shape(name).unwrap();
    let rows = if shape.len() == 1 { 1 } else { shape[0] };
    let mut values = Vec::new();
    model.tensors.rows(name, 0..rows, &mut values).unwrap();
    values
}

fn config(model: &SourceModel) -> Value {
    let c = &model.config;
    let window = c.layers[0].window;
    let (kind, class) = match c.architecture {
        Architecture::Llama if window.is_some() => ("mistral", "MistralForCausalLM"),
        Architecture::Llama => ("llama", "LlamaForCausalLM"),
        Architecture::Qwen2 => ("qwen2", "Qwen2ForCausalLM"),
        Architecture::Qwen3 => ("qwen3", "Qwen3ForCausalLM"),
        Architecture::Gemma3 => ("gemma3_text", "Gemma3ForCausalLM"),
        Architecture::Bert => ("bert", "BertModel"),
        Architecture::Exported => panic!("an exported program has no folder"),
    };
    let mut config = json!({
        "model_type": kind, "architectures": [class], "torch_dtype": "float32", "vocab_size": c.vocabulary,
        "hidden_size": c.width, "num_hidden_layers": c.layers.len(), "num_attention_heads": c.heads,
        "intermediate_size": c.ffn, "max_position_embeddings": c.context,
    });
    let base = |i: usize| c.ropes[i].frequencies[1].powf(-(c.head_dim as f64) / 2.0).round();
    let more = match c.architecture {
        Architecture::Bert => {
            json!({"hidden_act": "gelu", "layer_norm_eps": c.norm_eps, "type_vocab_size": 2})
        }
        _ => json!({
            "num_key_value_heads": c.kv_heads, "head_dim": c.head_dim, "rms_norm_eps": c.norm_eps,
            "rope_theta": base(0), "tie_word_embeddings": model.tensors.shape("head").is_none(),
            "bos_token_id": c.vocabulary - 2, "eos_token_id": c.vocabulary - 1, "sliding_window": window,
        }),
    };
    let kinds: Vec<&str> = c
        .layers
        .iter()
        .map(|l| if l.window.is_some() { "sliding_attention" } else { "full_attention" })
        .collect();
    let gemma = json!({
        "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": c.head_dim, "layer_types": kinds,
        "rope_local_base_freq": c.ropes.get(1).map(|_| base(1)), "final_logit_softcapping": c.logit_softcap,
    });
    let empty = json!({});
    let last = if c.architecture == Architecture::Gemma3 { &gemma } else { &empty };
    for part in [&more, last] {
        for (key, value) in part.as_object().unwrap() {
            config[key] = value.clone();
        }
    }
    config
}

/// The name in the files, without the model's prefix.
fn stored_name(architecture: Architecture, name: &str) -> String {
    let bert = architecture == Architecture::Bert;
    let (layer, own) = match name.strip_prefix("layers.").and_then(|rest| rest.split_once('.')) {
        Some((i, own)) if bert => (format!("encoder.layer.{i}."), own),
        Some((i, own)) => (format!("model.layers.{i}."), own),
        None => (String::new(), name),
    };
    let (own, part) = match own.strip_suffix("_bias") {
        Some(own) => (own, "bias"),
        None => (own, "weight"),
    };
    let gemma = architecture == Architecture::Gemma3;
    let stored = match (own, bert) {
        ("embed", false) => "model.embed_tokens",
        ("final_norm", _) => "model.norm",
        ("head", _) => "lm_head",
        ("attn_norm", false) => "input_layernorm",
        ("ffn_norm", false) if gemma => "pre_feedforward_layernorm",
        ("ffn_norm", false) => "post_attention_layernorm",
        ("post_attn_norm", _) => "post_attention_layernorm",
        ("post_ffn_norm", _) => "post_feedforward_layernorm",
        ("q_norm", _) => "self_attn.q_norm",
        ("k_norm", _) => "self_attn.k_norm",
        ("embed", true) => "embeddings.word_embeddings",
        ("position_embed", _) => "embeddings.position_embeddings",
        ("type_embed", _) => "embeddings.token_type_embeddings",
        ("embed_norm", _) => "embeddings.LayerNorm",
        ("attn_norm", true) => "attention.output.LayerNorm",
        ("ffn_norm", true) => "output.LayerNorm",
        ("q", true) => "attention.self.query",
        ("k", true) => "attention.self.key",
        ("v", true) => "attention.self.value",
        ("o", true) => "attention.output.dense",
        ("up", true) => "intermediate.dense",
        ("down", true) => "output.dense",
        ("q" | "k" | "v" | "o", false) => return format!("{layer}self_attn.{own}_proj.{part}"),
        _ => return format!("{layer}mlp.{own}_proj.{part}"),
    };
    format!("{layer}{stored}.{part}")
}

/// Every canonical name that the model can have.
fn names(model: &SourceModel) -> Vec<String> {
    let whole = ["embed", "position_embed", "type_embed", "embed_norm", "final_norm", "head"];
    let of_layer = ["attn_norm", "q", "k", "v", "o", "q_norm", "k_norm", "post_attn_norm"];
    let more = ["ffn_norm", "gate", "up", "down", "post_ffn_norm"];
    let layers = (0..model.config.layers.len())
        .flat_map(|i| of_layer.iter().chain(&more).map(move |name| format!("layers.{i}.{name}")));
    let names = whole.map(str::to_owned).into_iter().chain(layers);
    let mut names: Vec<String> = names.flat_map(|name| [format!("{name}_bias"), name]).collect();
    names.retain(|name| model.tensors.shape(name).is_some());
    names
}

/// Writes the folder.
pub fn write(model: &SourceModel, folder: &Path) {
    let architecture = model.config.architecture;
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = names(model)
        .into_iter()
        .map(|name| {
            let gain = architecture == Architecture::Gemma3 && name.ends_with("norm");
            let stored = values(model, &name).into_iter().map(|x| if gain { x - 1.0 } else { x });
            let bytes = stored.flat_map(f32::to_le_bytes).collect();
            (stored_name(architecture, &name), model.tensors.shape(&name).unwrap().to_vec(), bytes)
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    let put = |name: &str, bytes: Vec<u8>| fs::write(folder.join(name), bytes).unwrap();
    fs::create_dir_all(folder).unwrap();
    put("model.safetensors", serialize(views, None).unwrap());
    put("config.json", config(model).to_string().into_bytes());
    put("tokenizer.json", model.tokenizer_json.clone());
    if architecture == Architecture::Bert {
        let module = |i: usize, kind: &str, path: &str| json!({"idx": i, "name": i.to_string(), "path": path, "type": format!("sentence_transformers.models.{kind}")});
        let pooling = ("1_Pooling", json!({"pooling_mode_mean_tokens": true}));
        let modules = json!([
            module(0, "Transformer", ""),
            module(1, "Pooling", pooling.0),
            module(2, "Normalize", "2_Normalize")
        ]);
        fs::create_dir_all(folder.join(pooling.0)).unwrap();
        put("modules.json", modules.to_string().into_bytes());
        put("1_Pooling/config.json", pooling.1.to_string().into_bytes());
    }
}
