//! The models that can be checked: each with its engine, and what an inference of it gives.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bisection::Hash;
use bisection::ledger::ItemHeader;
use executor::artefact::ArtefactError;
use executor::engine::{Emission, Engine, EngineError, Feed};
use executor::kernels::Sampling;
use executor::model::Model;
use executor::native::Native;
use executor::trace::Published;

/// An inference to check.
pub(super) struct Claim {
    /// The step of the batch.
    pub(super) step: u32,
    pub(super) sampling: Sampling,
    pub(super) prompt: Vec<u32>,
    pub(super) output: Published,
}

impl Claim {
    /// Positions that are run.
    pub(super) fn positions(&self) -> usize {
        match &self.output {
            Published::Tokens(output) => self.prompt.len() + output.len().saturating_sub(1),
            Published::Vector(_) => self.prompt.len(),
        }
    }
}

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The artefact.
    #[error("{}: {source}", .path.display())]
    Artefact {
        /// Its folder.
        path: PathBuf,
        /// Why.
        source: ArtefactError,
    },
    /// The back end.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What an item says of sampling.
pub(super) fn sampling(header: &ItemHeader) -> Sampling {
    let s = &header.sampling;
    let (temperature, top_k, top_p, min_p) = (s.temperature, s.top_k, s.top_p, s.min_p);
    Sampling { temperature, top_k, top_p, min_p, seed: header.seed.0 }
}

/// Models by id.
pub(super) struct Models {
    models: HashMap<Hash, Model>,
    /// The engine of the model that was checked last: one at a time, so that memory is bounded.
    engine: Option<(Hash, Native)>,
    threads: usize,
}

impl Models {
    /// Opens and verifies artefacts: what disbelieves must not believe its own files.
    pub(super) fn open(paths: &[PathBuf], threads: usize) -> Result<Self, ModelError> {
        let open = |path: &PathBuf| {
            let fail = |source| ModelError::Artefact { path: path.clone(), source };
            let model = Model::open(Path::new(path)).map_err(fail)?;
            model.verify().map_err(fail)?;
            Ok((model.id(), model))
        };
        let models = paths.iter().map(open).collect::<Result<_, ModelError>>()?;
        Ok(Self { models, engine: None, threads })
    }

    /// A model, if it is there.
    pub(super) fn get(&self, id: &Hash) -> Option<&Model> {
        self.models.get(id)
    }

    /// An engine of its own, for a trace.
    pub(super) fn engine(&self, model: &Model) -> Result<Native, EngineError> {
        Native::new(model, self.threads, None)
    }

    /// Which of some claims about a model is the first wrong one: its index. Runs all of them together.
    pub(super) fn check(&mut self, model: &Hash, claims: &[Claim]) -> Result<Option<usize>, ModelError> {
        let Some(found) = self.models.get(model) else { return Ok(None) };
        let engine = match self.engine.take() {
            Some((id, engine)) if id == *model => engine,
            _ => Native::new(found, self.threads, None)?,
        };
        let (_, engine) = self.engine.insert((*model, engine));
        let vocabulary = engine.program().interface.vocabulary;
        let mut open = Vec::new();
        let mut fed = Vec::new();
        for claim in claims {
            // A token that the model does not have is wrong at its place; what comes before it may be wrong earlier.
            let output: Vec<u32> = match &claim.output {
                Published::Tokens(tokens) => {
                    tokens.iter().take_while(|t| **t < vocabulary).copied().collect()
                }
                Published::Vector(_) => Vec::new(),
            };
            let wanted = match &claim.output {
                Published::Tokens(tokens) => tokens.len().saturating_sub(1),
                Published::Vector(_) => 0,
            };
            let tokens: Vec<u32> =
                claim.prompt.iter().copied().chain(output.into_iter().take(wanted)).collect();
            open.push(engine.open(claim.sampling)?);
            fed.push(tokens);
        }
        let feeds: Vec<Feed<'_>> = (open.iter().zip(&fed).zip(claims))
            .map(|((sequence, tokens), claim)| Feed {
                sequence: *sequence,
                tokens,
                outputs_from: (claim.prompt.len() as u32).saturating_sub(1),
            })
            .collect();
        let emitted = engine.step(&feeds, None);
        open.iter().for_each(|sequence| engine.close(*sequence));
        let emitted = emitted?;
        Ok(claims.iter().zip(&emitted).position(|(claim, emitted)| !agrees(&claim.output, emitted)))
    }
}

/// Is an output what was emitted.
fn agrees(output: &Published, emitted: &[Emission]) -> bool {
    match output {
        Published::Tokens(tokens) => {
            let given = emitted.iter().map(|e| match e {
                Emission::Token(token) => Some(*token),
                Emission::Vector(_) => None,
            });
            given.eq(tokens.iter().map(|token| Some(*token)))
        }
        Published::Vector(vector) => matches!(emitted, [Emission::Vector(given)] if given == vector),
    }
}
