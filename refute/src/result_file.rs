//! The result file: a request, its output and the hash that stands for it.

use std::path::Path;

use bisection::Hash;
use executor::generate::Request;
use executor::kernels::Sampling;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::failure::bad_input;

/// Longest result file: a context of 2^17 tokens takes a few megabytes.
const BYTES_MAX: u64 = 64 << 20;

/// What `generate` writes and `verify` reads.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ResultFile {
    /// Which model.
    pub(crate) model_id: Hash,
    /// What it went on from.
    pub(crate) prompt_tokens: Vec<u32>,
    /// What it gave, a stop token included.
    pub(crate) output_tokens: Vec<u32>,
    /// The output as text, up to a stop string if one ended it.
    pub(crate) text: String,
    /// Hash of `output_tokens`.
    pub(crate) output_hash: Hash,
    /// How tokens were chosen.
    pub(crate) sampling: SamplingRecord,
    /// Most tokens of the output. If the output was ended from outside, its length: the tokens are right as far as
    /// they go, and there is nothing to say about what would have come.
    pub(crate) max_tokens: u32,
    /// `stop`, `length`, `stop_string` or `cancelled`.
    pub(crate) finish: String,
    /// Who computed it.
    pub(crate) backend: Option<String>,
    /// With which instructions.
    pub(crate) isa: Option<String>,
    /// With how many threads.
    pub(crate) threads: Option<usize>,
    /// Prompt tokens a second.
    pub(crate) prefill_tokens_per_s: Option<f64>,
    /// Tokens a second after the first.
    pub(crate) decode_tokens_per_s: Option<f64>,
}

/// [`Sampling`] in JSON: integers in units of 2^-16.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SamplingRecord {
    temperature: u32,
    top_k: u32,
    top_p: u32,
    min_p: u32,
    /// 32 bytes in hexadecimal digits.
    seed: Hash,
}

impl From<Sampling> for SamplingRecord {
    fn from(s: Sampling) -> Self {
        let Sampling { temperature, top_k, top_p, min_p, seed } = s;
        Self { temperature, top_k, top_p, min_p, seed: Hash(seed) }
    }
}

impl ResultFile {
    /// Reads a result file.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        read_json(path, "refute generate -o")
    }

    /// Writes it.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        write_json(path, self)
    }

    /// What was asked for.
    pub(crate) fn request(&self) -> Request {
        let SamplingRecord { temperature, top_k, top_p, min_p, seed } = self.sampling;
        Request {
            prompt: self.prompt_tokens.clone(),
            sampling: Sampling { temperature, top_k, top_p, min_p, seed: seed.0 },
            max_tokens: self.max_tokens,
        }
    }
}

/// Reads a file that `command` wrote.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path, command: &str) -> anyhow::Result<T> {
    let shown = path.display();
    let io = |e: std::io::Error| {
        bad_input(format!("cannot read {shown}: {e}; make a result with `{command} {shown}`"))
    };
    if std::fs::metadata(path).map_err(io)?.len() > BYTES_MAX {
        return Err(bad_input(format!("{shown} is too large to be a result of `{command}`")));
    }
    let bytes = std::fs::read(path).map_err(io)?;
    serde_json::from_slice(&bytes)
        .map_err(|e| bad_input(format!("{shown} is no result file ({e}): make one with `{command} {shown}`")))
}

/// Writes a result file.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string(value)? + "\n";
    std::fs::write(path, text)
        .map_err(|e| bad_input(format!("cannot write {}: {e}; name another file with -o", path.display())))
}
