//! What holds for every text, every vocabulary and every file: nothing is lost, nothing is repeated, nothing panics.

use std::sync::LazyLock;

use executor::tokenizer::gguf::{GgufVocabulary, kind, tokenizer_json};
use executor::tokenizer::{Tokenizer, TokenizerOptions};
use proptest::prelude::*;

const CONTROL: [&str; 2] = ["<|start|>", "<|end|>"];

/// GPT-2's alphabet, a few merges, two control tokens, one user-defined.
fn byte_level(pre: &str) -> GgufVocabulary {
    let printable = |b: u32| matches!(b, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    let replaced = (0..256).filter(|b| !printable(*b)).count() as u32;
    let bytes = (0..256).filter(|b| printable(*b)).chain(256..256 + replaced);
    let mut tokens: Vec<String> = bytes.filter_map(char::from_u32).map(String::from).collect();
    let mut merges = Vec::new();
    for (left, right) in
        [("h", "e"), ("l", "l"), ("he", "ll"), ("Ġ", "Ġ"), ("Ġ", "a"), ("ã", "ģ"), ("1", "2"), ("ðŁ", "ĺ")]
    {
        if tokens.iter().any(|t| t == left) {
            tokens.push(format!("{left}{right}"));
            merges.push(format!("{left} {right}"));
        }
    }
    let normal = tokens.len();
    tokens.extend(CONTROL.map(String::from));
    tokens.push("  user  ".into());
    let mut token_types = vec![kind::NORMAL; normal];
    token_types.extend([kind::CONTROL, kind::CONTROL, kind::USER_DEFINED]);
    GgufVocabulary {
        model: "gpt2".into(),
        pre: pre.into(),
        tokens,
        token_types,
        merges,
        ..GgufVocabulary::default()
    }
}

/// Byte tokens and a few pieces.
fn sentencepiece(add_space_prefix: bool) -> GgufVocabulary {
    let mut tokens = vec!["<unk>".to_owned(), "<s>".into(), "</s>".into()];
    let mut token_types = vec![kind::UNKNOWN, kind::CONTROL, kind::CONTROL];
    tokens.extend((0..256).map(|byte| format!("<0x{byte:02X}>")));
    token_types.extend([kind::BYTE; 256]);
    let pieces = ["▁", "a", "b", "ab", "▁a", "▁ab", "</", "s", ">", "s>", "é", "▁▁", "日", "本", "日本"];
    tokens.extend(pieces.map(String::from));
    token_types.extend(pieces.map(|_| kind::NORMAL));
    let scores = (0..tokens.len()).map(|id| -(id as f32)).collect();
    GgufVocabulary {
        model: "llama".into(),
        tokens,
        token_types,
        scores,
        unk: Some(0),
        add_space_prefix,
        ..GgufVocabulary::default()
    }
}

fn load(vocabulary: &GgufVocabulary) -> Tokenizer {
    let json = tokenizer_json(vocabulary).expect("a sound vocabulary");
    Tokenizer::from_json(&json, &TokenizerOptions::default()).expect("a sound tokenizer")
}

fn lossless() -> impl Iterator<Item = GgufVocabulary> {
    let pres = ["gpt-2", "default", "smollm", "llama-bpe", "smaug-bpe", "tekken"];
    pres.into_iter().map(byte_level).chain([true, false].map(sentencepiece))
}

static LOSSLESS: LazyLock<Vec<Tokenizer>> = LazyLock::new(|| lossless().map(|v| load(&v)).collect());
static LIBRARY: LazyLock<Vec<tokenizers::Tokenizer>> = LazyLock::new(|| {
    let json = lossless().map(|v| tokenizer_json(&v).expect("a sound vocabulary"));
    json.map(|json| tokenizers::Tokenizer::from_bytes(json).expect("a sound tokenizer")).collect()
});

/// Text in which the interesting things are likely.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "\\PC{0,8}",
        any::<String>(),
        "[ \\t\\n\\r]{0,6}",
        prop::sample::select(vec![
            "hello",
            "  user  ",
            "<|start|>",
            "<|end|>",
            "</s>",
            "<s>",
            "<unk>",
            "<0x41>",
            "日本",
            "👩‍🚀",
            "it's 1234",
            "▁▁ab",
            "\0"
        ])
        .prop_map(String::from),
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn plain_text_survives_and_makes_no_special_token(text in text()) {
        for tokenizer in LOSSLESS.iter() {
            let ids = tokenizer.encode(&text, false).expect("every text can be encoded");
            prop_assert!(ids.iter().all(|id| !tokenizer.is_special(*id)));
            // SentencePiece writes a space as U+2581, and cannot tell the two apart afterwards.
            let expected = if tokenizer.token_to_id("<0x00>").is_some() { text.replace('▁', " ") } else { text.clone() };
            prop_assert_eq!(tokenizer.decode(&ids).expect("known ids"), expected);
        }
    }

    #[test]
    fn a_stream_gives_what_the_library_gives_at_once(ids in prop::collection::vec(0u32..280, 0..40)) {
        for (tokenizer, library) in LOSSLESS.iter().zip(LIBRARY.iter()) {
            let known = ids.iter().map(|id| id % tokenizer.vocabulary_size() as u32);
            // The library makes all bytes of a run U+FFFD if one is wrong; a stream cannot take back the right ones.
            let sentencepiece = tokenizer.token_to_id("<0x00>").is_some();
            let ids: Vec<u32> = known.filter(|id| !sentencepiece || !(3..259).contains(id)).collect();
            let mut stream = tokenizer.decode_stream();
            let mut text: String = ids.iter().map(|id| stream.push(*id).expect("a known id")).collect();
            text.push_str(&stream.finish());
            prop_assert_eq!(&text, &library.decode(&ids, true).expect("known ids"));
            prop_assert_eq!(text, tokenizer.decode(&ids).expect("known ids"));
        }
    }

    #[test]
    fn a_stream_of_bytes_gives_whole_characters(text in text(), bytes in prop::collection::vec(any::<u8>(), 0..12)) {
        let bytes = [text.as_bytes(), &bytes].concat();
        for tokenizer in LOSSLESS.iter().filter(|t| t.token_to_id("<0x00>").is_some()) {
            let mut stream = tokenizer.decode_stream();
            let mut whole = String::new();
            for (at, byte) in bytes.iter().enumerate() {
                whole.push_str(&stream.push(u32::from(*byte) + 3).expect("a byte"));
                let sent = bytes.get(..=at).expect("in range");
                if let Ok(so_far) = std::str::from_utf8(sent) {
                    prop_assert_eq!(whole.trim_start(), so_far.trim_start());
                }
            }
            whole.push_str(&stream.finish());
            let expected = String::from_utf8_lossy(&bytes);
            prop_assert_eq!(whole.trim_start(), expected.trim_start());
        }
    }

    #[test]
    fn unknown_ids_are_refused_and_leave_a_stream_as_it_was(id in any::<u32>()) {
        for tokenizer in LOSSLESS.iter() {
            let known = (id as usize) < tokenizer.vocabulary_size();
            let mut stream = tokenizer.decode_stream();
            prop_assert_eq!(stream.push(id).is_ok(), known);
            prop_assert_eq!(tokenizer.id_to_token(id).is_some(), known);
        }
    }

    #[test]
    fn any_vocabulary_is_written_or_refused(vocabulary in vocabulary(), text in text()) {
        if let Ok(json) = tokenizer_json(&vocabulary) {
            prop_assert_eq!(&json, &tokenizer_json(&vocabulary).expect("the same again"));
            let tokenizer = Tokenizer::from_json(&json, &TokenizerOptions::default());
            let tokenizer = tokenizer.expect("what is written can be loaded");
            let _ = tokenizer.encode(&text, false);
            let _ = tokenizer.encode(&text, true);
            for id in 0..300 {
                let _ = tokenizer.decode(&[id]);
            }
        }
    }

    #[test]
    fn broken_files_are_refused_or_work(cut in any::<prop::sample::Index>(), byte in any::<u8>(), which in 0usize..3, text in text()) {
        let mut json = BROKEN[which].clone();
        let at = cut.index(json.len());
        json[at] = byte;
        use_anyhow(&json, &text);
        json.truncate(at);
        use_anyhow(&json, &text);
    }

    #[test]
    fn replaced_values_are_refused_or_work(at in any::<prop::sample::Index>(), with in 0usize..10, which in 0usize..3, text in text()) {
        let mut json: serde_json::Value = serde_json::from_slice(&BROKEN[which]).expect("JSON");
        let with = [
            serde_json::json!(null), serde_json::json!(true), serde_json::json!(-1), serde_json::json!(u32::MAX),
            serde_json::json!(0.5), serde_json::json!(""), serde_json::json!("a"), serde_json::json!([]),
            serde_json::json!({}), serde_json::json!("(?:(a+)+)+$"),
        ][with].clone();
        let mut paths = Vec::new();
        // The vocabulary and the merges are long; a few of their entries are enough.
        collect(&json, &mut String::new(), &mut paths);
        *json.pointer_mut(&paths[at.index(paths.len())]).expect("a path") = with;
        use_anyhow(&serde_json::to_vec(&json).expect("JSON"), &text);
    }
}

static BROKEN: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    [byte_level("llama-bpe"), byte_level("smollm"), sentencepiece(true)]
        .map(|v| tokenizer_json(&v).expect("a sound vocabulary"))
        .to_vec()
});

fn use_anyhow(json: &[u8], text: &str) {
    if let Ok(tokenizer) = Tokenizer::from_json(json, &TokenizerOptions::default()) {
        let _ = tokenizer.encode(text, true);
        if let Ok(ids) = tokenizer.encode(text, false) {
            let _ = tokenizer.decode(&ids);
        }
    }
}

fn collect(value: &serde_json::Value, path: &mut String, paths: &mut Vec<String>) {
    let mut below = |key: String, value: &serde_json::Value| {
        let length = path.len();
        path.push('/');
        path.push_str(&key.replace('~', "~0").replace('/', "~1"));
        paths.push(path.clone());
        collect(value, path, paths);
        path.truncate(length);
    };
    match value {
        serde_json::Value::Array(items) => {
            items.iter().take(4).enumerate().for_each(|(i, v)| below(i.to_string(), v))
        }
        serde_json::Value::Object(map) => map.iter().take(12).for_each(|(k, v)| below(k.clone(), v)),
        _ => {}
    }
}

/// Vocabularies that are almost sound, and some that are not at all.
fn vocabulary() -> impl Strategy<Value = GgufVocabulary> {
    let sound = prop_oneof![
        Just(byte_level("gpt-2")),
        Just(byte_level("qwen2")),
        Just(sentencepiece(true)),
        Just(sentencepiece(false))
    ];
    let damage = (any::<prop::sample::Index>(), 0..12, any::<String>(), any::<i32>(), any::<f32>());
    (sound, prop::collection::vec(damage, 0..3)).prop_map(|(mut v, damages)| {
        for (at, what, text, number, score) in damages {
            let (token, typed) = (at.index(v.tokens.len()), at.index(v.token_types.len()));
            match what {
                0 => v.tokens[token] = text,
                1 => v.token_types[typed] = number % 8,
                2 => v.scores = vec![score; v.tokens.len()],
                3 => v.merges.push(text),
                4 => v.merges.push(format!("{} {}", v.tokens[token], v.tokens[0])),
                5 => v.merges = vec![v.merges.concat(); 2],
                6 => {
                    v.token_types.pop();
                }
                7 => v.unk = Some(number as u32),
                8 => v.model = text,
                9 => v.pre = text,
                10 => v.tokens.push(v.tokens[token].clone()),
                _ => v.scores.truncate(token),
            }
            if v.token_types.is_empty() {
                v.token_types.push(number);
            }
        }
        v
    })
}

#[test]
fn special_tokens_are_recognised_only_where_allowed() {
    let tokenizer = load(&byte_level("gpt-2"));
    let start = tokenizer.token_to_id(CONTROL[0]).expect("a token");
    assert_eq!(tokenizer.encode(CONTROL[0], true), Ok(vec![start]));
    assert_eq!(tokenizer.encode(CONTROL[0], false).map(|ids| ids.contains(&start)), Ok(false));
    assert_eq!(tokenizer.decode(&[start]).as_deref(), Ok(""));
}

#[test]
fn tokens_that_frame_turns_are_special_whatever_the_file_says() {
    let mut v = byte_level("gpt-2");
    let user_defined = v.tokens.len() - 1;
    v.eos = Some(user_defined as u32);
    v.tokens.push("<|turn|>".into());
    v.token_types.push(kind::USER_DEFINED);
    let tokenizer = load(&v);
    for id in [user_defined as u32, user_defined as u32 + 1] {
        let text = tokenizer.id_to_token(id).expect("a token");
        assert_eq!(tokenizer.encode(&text, false).map(|ids| ids.contains(&id)), Ok(false));
        assert_eq!(tokenizer.encode(&text, true), Ok(vec![id]));
    }
}

#[test]
fn the_beginning_is_marked_once() {
    let json = tokenizer_json(&byte_level("gpt-2")).expect("a sound vocabulary");
    let bos = load(&byte_level("gpt-2")).token_to_id(CONTROL[0]);
    let options = TokenizerOptions { add_bos: true, bos, ..TokenizerOptions::default() };
    let tokenizer = Tokenizer::from_json(&json, &options).expect("a sound tokenizer");
    assert_eq!(tokenizer.encode("", false), Ok(bos.into_iter().collect()));
    // A chat template writes the token itself.
    assert_eq!(tokenizer.encode(CONTROL[0], true), Ok(bos.into_iter().collect()));
    let options = TokenizerOptions { add_bos: true, bos: Some(u32::MAX), ..TokenizerOptions::default() };
    Tokenizer::from_json(&json, &options).expect_err("no such token");
    let options = TokenizerOptions { special_tokens: vec!["<pad>".into()], ..TokenizerOptions::default() };
    Tokenizer::from_json(&json, &options).expect_err("no such token");
}

#[test]
fn hostile_vocabularies_are_refused() {
    let refused = |change: fn(&mut GgufVocabulary)| {
        for mut v in [byte_level("gpt-2"), sentencepiece(true)] {
            change(&mut v);
            assert!(tokenizer_json(&v).is_err(), "{v:?}");
        }
    };
    refused(|v| v.tokens.clear());
    refused(|v| v.tokens[7] = v.tokens[8].clone());
    refused(|v| v.token_types.truncate(1));
    refused(|v| v.token_types[0] = 0);
    refused(|v| v.bos = Some(1 << 30));
    refused(|v| v.model = "unigram".into());
    refused(|v| v.tokens[0] = "x".repeat(1 << 20));
    refused(|v| v.merges = vec![String::new(); 5_000_000]);
    for merge in ["", "a", "a zzz", "zzz a", "a b"] {
        let mut v = byte_level("gpt-2");
        v.merges.push(merge.into());
        assert!(tokenizer_json(&v).is_err(), "{merge:?}");
    }
    for pre in ["", "gpt-5", "Qwen2"] {
        let error = tokenizer_json(&byte_level(pre)).expect_err("no such way to split");
        assert!(error.contains(&format!("{pre:?}")), "{error}");
    }
    let mut v = sentencepiece(true);
    v.scores[0] = f32::NAN;
    assert!(tokenizer_json(&v).is_err());
}
