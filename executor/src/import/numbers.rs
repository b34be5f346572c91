//! Inputs that are numbers, each a token of its own: 0 to 255, as the bytes of an image.

use serde_json::{Map, Value, json};

/// The `tokenizer.json` of numbers below `count`, written in decimals with blanks between: "0 16 255". What is no such
/// number becomes token `count`, which is outside of the vocabulary and so refused by every program.
pub fn tokenizer(count: u32) -> Vec<u8> {
    let unknown = "[UNK]";
    let numbers = (0..count).map(|n| (n.to_string(), json!(n)));
    let vocabulary: Map<String, Value> = numbers.chain([(unknown.to_string(), json!(count))]).collect();
    let tokenizer = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [],
        "normalizer": null,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": null,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": false},
        "model": {
            "type": "WordPiece",
            "unk_token": unknown,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    });
    tokenizer.to_string().into_bytes()
}

/// Does a model with this `tokenizer.json` read numbers below `count` rather than text.
pub fn are_read(tokenizer_json: &[u8], count: u32) -> bool {
    // What is longer was not made here.
    tokenizer_json.len() < 1 << 14 && tokenizer_json == tokenizer(count)
}

/// Inputs of `length` numbers below `count` for the pilot run: all the lowest, all the highest, halves of both, and noise
/// (splitmix64 from state 1, the upper 32 bits times `count`, shifted).
pub fn pilot(length: usize, count: u32) -> Vec<Vec<u32>> {
    let highest = count.saturating_sub(1);
    let halves = (0..length).map(|i| if i < length / 2 { 0 } else { highest }).collect();
    let mut state = 1u64;
    let noise = (0..length)
        .map(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            (((z >> 32) * u64::from(count)) >> 32) as u32
        })
        .collect();
    vec![vec![0; length], vec![highest; length], halves, noise]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::Tokenizer;

    #[test]
    fn numbers_are_their_own_tokens_and_anything_else_is_outside() {
        let tokenizer = Tokenizer::of_model(&tokenizer(256), false, &[]).unwrap();
        assert_eq!(tokenizer.encode("0 16\n255  7", false).unwrap(), [0, 16, 255, 7]);
        assert_eq!(tokenizer.encode("256 -1 x", false).unwrap(), [256, 256, 256]);
        assert!(are_read(&self::tokenizer(256), 256));
        assert!(!are_read(&self::tokenizer(255), 256) && !are_read(b"{}", 256));
    }

    #[test]
    fn the_pilot_reaches_both_ends() {
        let inputs = pilot(64, 256);
        assert!(inputs.iter().all(|input| input.len() == 64 && input.iter().all(|n| *n < 256)));
        assert!(inputs[3].iter().max() > Some(&200) && inputs[3].iter().min() < Some(&50));
    }
}
