//! Compares a tokenizer with a file of `[text, special, ids]` lines.

use executor::tokenizer::{Tokenizer, TokenizerError};

/// A line on which the tokenizer differs.
#[derive(Debug)]
pub(crate) struct Mismatch {
    pub(crate) text: String,
    pub(crate) ids: Result<Vec<u32>, TokenizerError>,
    pub(crate) expected: Vec<u32>,
}

/// Every line on which the tokenizer differs, and the number of lines.
pub(crate) fn mismatches(tokenizer: &Tokenizer, lines: &str) -> (Vec<Mismatch>, usize) {
    let mut wrong = Vec::new();
    for line in lines.lines() {
        let (text, special, expected): (String, u8, Vec<u32>) =
            serde_json::from_str(line).expect("a line of vectors");
        let ids = tokenizer.encode(&text, special == 1);
        if ids.as_ref() != Ok(&expected) {
            wrong.push(Mismatch { text, ids, expected });
        }
    }
    (wrong, lines.lines().count())
}

/// The differences, one a line.
pub(crate) fn listed<'a>(wrong: impl IntoIterator<Item = &'a Mismatch>) -> String {
    let line = |m: &Mismatch| format!("{:?}: {:?}, expected {:?}\n", m.text, m.ids, m.expected);
    wrong.into_iter().map(line).collect()
}
