//! A model that is served.

use std::path::Path;
use std::sync::Arc;

use bisection::Hash;
use executor::artefact::ArtefactError;
use executor::backend::Backend;
use executor::engine::EngineError;
use executor::program::Output;
use executor::tokenizer::TokenizerError;
use executor::tokenizer::chat::ChatError;
use executor::trace::{ModelHeader, token_bits};

use super::codec::of_echo;
use super::echo::{CONTEXT, ECHO_WIDTH, FRACTION, VOCABULARY, announcement};
use super::{Codec, Echo, Limits, Runner, Scheduler};

/// A model that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The artefact.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
    /// Its tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// Its chat template.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// The back end.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The thread.
    #[error("the model's thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// What comes out of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Tokens.
    Tokens,
    /// One vector, in units of 2^-fraction.
    Vector {
        /// Fractional bits.
        fraction: i32,
    },
}

/// What a token costs, in wei.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// Of the prompt.
    pub input: u64,
    /// Of the output.
    pub output: u64,
}

/// A model with its runner.
pub struct Model {
    /// What requests call it.
    pub name: String,
    /// What everybody else calls it.
    pub id: Hash,
    /// What comes out.
    pub kind: Kind,
    /// Token ids are below.
    pub vocabulary: u32,
    /// Most positions of a sequence.
    pub context: u32,
    /// Bits of a packed token.
    pub token_bits: u8,
    /// What a token costs.
    pub price: Price,
    /// Its tokenizer.
    pub codec: Codec,
    /// Who computes.
    pub runner: Box<dyn Runner>,
}

impl Model {
    /// Opens the model of a folder and starts its engine.
    pub fn open(
        name: &str,
        folder: &Path,
        (backend, threads): (Backend, usize),
        limits: Limits,
        price: Price,
    ) -> Result<Arc<Self>, ModelError> {
        let model = executor::model::Model::open(folder)?;
        let codec = Codec::of_model(&model)?;
        let engine = backend.start(&model, threads, None)?;
        let face = &model.program().interface;
        let kind = match face.output {
            Output::Tokens { .. } => Kind::Tokens,
            Output::Vector { fraction, .. } => Kind::Vector { fraction },
        };
        Ok(Arc::new(Self {
            name: name.to_owned(),
            id: model.id(),
            kind,
            vocabulary: face.vocabulary,
            context: face.context,
            token_bits: token_bits(face.vocabulary),
            price,
            codec,
            runner: Box::new(Scheduler::start(name, engine, limits)?),
        }))
    }

    /// A model that echoes.
    pub fn echo(name: &str, vector: bool, price: Price) -> Result<Arc<Self>, ModelError> {
        Ok(Arc::new(Self {
            name: name.to_owned(),
            id: announcement(vector).0.id(),
            kind: if vector { Kind::Vector { fraction: FRACTION } } else { Kind::Tokens },
            vocabulary: VOCABULARY,
            context: CONTEXT,
            token_bits: token_bits(VOCABULARY),
            price,
            codec: of_echo()?,
            runner: Box::new(Echo),
        }))
    }

    /// An echo's header and its interface's encoding: what a registry on L1 is shown.
    pub fn echo_announcement(vector: bool) -> (ModelHeader, Vec<u8>) {
        announcement(vector)
    }

    /// Elements of an echo's vector, which tests compare.
    pub const ECHO_WIDTH: usize = ECHO_WIDTH;
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Model({} {})", self.name, self.id)
    }
}
