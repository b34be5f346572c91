//! What somebody claims a model gave: a result of `generate` or of `embed`, as a trace is made of it.

use std::path::Path;

use bisection::Hash;
use executor::engine::EngineError;
use executor::generate::output_limit;
use executor::kernels::Sampling;
use executor::model::Model;
use executor::trace::{Published, Subject};
use serde::{Deserialize, Serialize};

use crate::failure::bad_input;
use crate::result_file::{ResultFile, read_json};
use crate::session::Session;

/// What `embed -o` writes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VectorFile {
    /// Which model.
    pub(crate) model_id: Hash,
    /// The text, as tokens.
    pub(crate) prompt_tokens: Vec<u32>,
    /// The vector, as Fixed.
    pub(crate) output_vector: Vec<i32>,
}

/// A claim with the model that it is about.
pub(crate) struct Claim {
    model: Model,
    prompt: Vec<u32>,
    sampling: Sampling,
    output: Published,
}

impl Claim {
    /// Reads a result file of either kind, for the model of a folder.
    pub(crate) fn read(result: &Path, folder: &Path) -> anyhow::Result<Self> {
        let session = Session::open(folder)?;
        let model = session.model.clone();
        let (id, claim) = if session.gives_tokens() {
            let file = ResultFile::read(result)?;
            let request = file.request();
            let output = Published::Tokens(file.output_tokens);
            let claim = Self { model, prompt: request.prompt, sampling: request.sampling, output };
            claim.check_tokens(request.max_tokens)?;
            (file.model_id, claim)
        } else {
            let file: VectorFile = read_json(result, "refute embed -o")?;
            let (prompt, output) = (file.prompt_tokens, Published::Vector(file.output_vector));
            let claim = Self { model, prompt, sampling: Sampling::GREEDY, output };
            claim.check_vector()?;
            (file.model_id, claim)
        };
        let model = session.model;
        if id != model.id() {
            return Err(bad_input(format!(
                "the result was made with the model {id}, but {} holds {}: name that model's folder with --model",
                folder.display(),
                model.id()
            )));
        }
        Ok(claim)
    }

    /// What nobody can post is refused here: lengths, tokens and sampling values that a contract does not take.
    fn check_tokens(&self, max_tokens: u32) -> anyhow::Result<()> {
        let Published::Tokens(output) = &self.output else { return Ok(()) };
        let face = &self.model.program().interface;
        let limit = output_limit(face, self.prompt.len(), max_tokens)?;
        if output.is_empty() || output.len() > limit as usize {
            let length = output.len();
            return Err(bad_input(format!("the output has {length} tokens, 1 to {limit} are possible")));
        }
        if let Some(token) = self.prompt.iter().chain(output).find(|t| **t >= face.vocabulary) {
            return Err(EngineError::Token { token: *token, vocabulary: face.vocabulary }.into());
        }
        if self.sampling.is_valid() { Ok(()) } else { Err(EngineError::Sampling.into()) }
    }

    fn check_vector(&self) -> anyhow::Result<()> {
        let face = &self.model.program().interface;
        if self.prompt.is_empty() || self.prompt.len() > face.context as usize {
            return Err(bad_input(format!("a text has 1 to {} tokens", face.context)));
        }
        if let Some(token) = self.prompt.iter().find(|t| **t >= face.vocabulary) {
            return Err(EngineError::Token { token: *token, vocabulary: face.vocabulary }.into());
        }
        let subject = self.subject();
        let width = subject.tensors().get(subject.output_node().index()).map_or(0, |x| x.row(x.first));
        if subject.published().len() as u64 != width {
            return Err(bad_input(format!("the vector must have {width} elements")));
        }
        Ok(())
    }

    /// The model.
    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    /// What a trace is made of.
    pub(crate) fn subject(&self) -> Subject {
        Subject::new(&self.model, self.sampling, self.prompt.clone(), self.output.clone())
    }
}
