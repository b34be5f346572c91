//! `.pt2` files: programs that `torch.export.save` of PyTorch 2.x has written.
//!
//! The file is a zip archive of a graph as JSON and of raw storages. Its operations become steps of the same graph
//! that the other readers describe, so lowering, pilot run and check are the same. What has no integer form is refused
//! with its name, its node and the line of the Python source that it comes from. Pickles in the archive are not read.

mod affine;
mod archive;
mod bounded;
mod call;
mod finish;
mod images;
mod layers;
mod pointwise;
mod schema;
mod translate;
mod view;
mod views;
mod weights;

use std::path::Path;
use std::sync::Arc;

use super::error::ImportError;
use super::files::{self, Bytes, malformed};
use super::graph::{Head, Operation};
use super::source::{Exported, ModelConfig, SourceModel};
use super::{digest, hf, numbers};
use crate::program::op::Span;

use archive::Archive;
use schema::{MAJOR, Program};
use translate::{Input, NUMBERS, Translator};
use view::View;

const MODEL: &str = "models/model.json";
/// Where the other formats of PyTorch have their objects.
const PICKLE: &str = "data.pkl";
/// Bytes of the graph as JSON: a layer takes about 40,000.
const MODEL_BYTES_MAX: usize = 16 << 20;

/// Opens a file. A program that reads text has its `tokenizer.json` in the same folder.
pub fn open(path: &Path) -> Result<SourceModel, ImportError> {
    let bytes = files::map(path)?;
    let read = read(path, &bytes)?;
    let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let digest = digest::keccak256((*bytes).as_ref());
    match read.input {
        Input::Numbers(_) => Ok(read.of_numbers(name, digest)),
        Input::Tokens => {
            let tokenizer = hf::tokenizer_beside(path, read.vocabulary)?;
            Ok(read.of_text(name, digest, tokenizer))
        }
    }
}

/// Reads a file in memory without its tokenizer and counts the steps; `name` stands for its path.
pub fn inspect(name: &str, bytes: Vec<u8>) -> Result<usize, ImportError> {
    let bytes: Bytes = Arc::new(bytes);
    read(name.as_ref(), &bytes).map(|read| read.exported.graph.steps.len())
}

/// A program that was read.
struct Read {
    exported: Exported,
    weights: weights::Weights,
    input: Input,
    vocabulary: usize,
    context: usize,
}

fn read(path: &Path, bytes: &Bytes) -> Result<Read, ImportError> {
    let wrong = |reason: String| malformed(path, reason);
    let archive = Archive::read(path, (**bytes).as_ref())?;
    let range = archive.range(MODEL).ok_or_else(|| {
        let found: Vec<&str> = archive.names().filter(|name| name.starts_with("models/")).take(4).collect();
        match found.as_slice() {
            [] if archive.names().any(|name| name == PICKLE) => wrong(
                "it is a pickle of torch.save or torch.jit.save, which is never read; export the model with \
                 torch.export.export and save it with torch.export.save"
                    .into(),
            ),
            [] => wrong(format!("it holds no {MODEL}; save the program with torch.export.save")),
            found => wrong(format!("it holds {found:?} instead of one program at {MODEL}")),
        }
    })?;
    if range.len() > MODEL_BYTES_MAX {
        return Err(wrong(format!(
            "{MODEL} has {} bytes; at most {MODEL_BYTES_MAX} are accepted",
            range.len()
        )));
    }
    let json = (**bytes).as_ref().get(range).unwrap_or_default();
    let program: Program = serde_json::from_slice(json).map_err(|e| wrong(format!("{MODEL}: {e}")))?;
    if program.schema_version.major != MAJOR {
        return Err(ImportError::Unsupported(format!(
            "schema {} of torch.export; {MAJOR} is read, which PyTorch 2.8 and later write",
            program.schema_version.major
        )));
    }
    let weights = weights::Weights::read(path, bytes, &archive)?;
    let mut t = Translator::new(&program, weights)?;
    let output = t.run()?;
    let input = t.input.ok_or_else(|| ImportError::Unsupported("a program without an input".into()))?;
    let head = head(&mut t, &output)?;
    let (vocabulary, context) = match input {
        Input::Numbers(n) => (NUMBERS, n),
        Input::Tokens => {
            let missing =
                || ImportError::Unsupported("a program of text without an embedding of its tokens".into());
            (t.vocabulary.ok_or_else(missing)?, t.context.unwrap_or(2048))
        }
    };
    let (graph, weights) = finish::graph(t, head);
    Ok(Read { exported: Exported { graph, pilot: pilot(input) }, weights, input, vocabulary, context })
}

/// Logits at every position, or one vector.
fn head(t: &mut Translator<'_>, output: &View) -> Result<Head, ImportError> {
    let refused = |reason: String| ImportError::Unsupported(format!("the program's output: {reason}"));
    let x = t.output_rows(output).map_err(refused)?;
    if output.length_axis().is_none() {
        return Ok(Head::Vector(x));
    }
    let sees_all = |operation: &Operation| matches!(operation, Operation::Attention { span: Span::All, .. });
    if t.steps.iter().any(|step| sees_all(&step.operation)) {
        return Err(refused(
            "an encoder that gives a row for each position; return one vector, as x.mean(1) or x[:, 0]"
                .into(),
        ));
    }
    Ok(Head::Logits(x))
}

/// What the pilot runs on where the input is numbers: all of one value, and noise.
fn pilot(input: Input) -> Vec<Vec<u32>> {
    match input {
        Input::Tokens => vec![],
        Input::Numbers(n) => numbers::pilot(n, NUMBERS as u32),
    }
}

impl Read {
    fn config(&self) -> ModelConfig {
        ModelConfig::exported(self.vocabulary, self.context)
    }

    fn of_numbers(self, name: String, digest: [u8; 32]) -> SourceModel {
        SourceModel {
            config: self.config(),
            exported: Some(self.exported),
            tensors: Box::new(self.weights),
            tokenizer_json: numbers::tokenizer(NUMBERS as u32),
            chat_template: None,
            special_tokens: vec![],
            add_bos: false,
            stop_tokens: vec![],
            name,
            format: "pt2",
            digest,
        }
    }

    fn of_text(self, name: String, digest: [u8; 32], tokenizer: hf::Tokenizer) -> SourceModel {
        let encoder = matches!(self.exported.graph.head, Head::Vector(_));
        SourceModel {
            config: self.config(),
            exported: Some(self.exported),
            tensors: Box::new(self.weights),
            tokenizer_json: tokenizer.json,
            chat_template: tokenizer.chat_template,
            special_tokens: tokenizer.special_tokens,
            // An encoder's post-processor frames a text by itself.
            add_bos: tokenizer.add_bos && !encoder,
            stop_tokens: tokenizer.stop_tokens,
            name,
            format: "pt2",
            digest,
        }
    }
}
