//! Traces of disputed items: made by running the model again, a few of them kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use alloy::primitives::B256;
use bisection::Hash;
use executor::trace::{Corrupted, Executed, Held, Lie, Published, Source, Subject, Trace, TraceError, Want};

use super::config::Cheat;
use super::models::Models;

/// Traces that are kept. Another is made again when its game goes on.
const KEPT: usize = 2;
/// Bytes of a trace that is held whole rather than run again where it is asked for.
const HELD_MAX: u64 = 64 << 20;

/// A trace of whatever source.
pub(super) struct Any(Box<dyn Source + Send>);

impl Source for Any {
    fn subject(&self) -> &Subject {
        self.0.subject()
    }

    fn root(&self, node: u32) -> Hash {
        self.0.root(node)
    }

    fn hash(&self, node: u32, height: u32, index: u64) -> Option<Hash> {
        self.0.hash(node, height, index)
    }

    fn chunk(&self, node: u32, chunk: u64) -> Option<Vec<u8>> {
        self.0.chunk(node, chunk)
    }

    fn fetch(&mut self, wants: &[Want]) -> Result<(), TraceError> {
        self.0.fetch(wants)
    }

    fn lie(&self) -> Option<Lie> {
        self.0.lie()
    }
}

/// An item whose trace is wanted.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) assertion: B256,
    pub(super) item: u32,
    pub(super) model: Hash,
    pub(super) sampling: executor::kernels::Sampling,
    pub(super) prompt: Vec<u32>,
    pub(super) output: Published,
    pub(super) cheat: Option<Cheat>,
}

/// Why there is no trace.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The model.
    #[error("the model {0} is not here: its games cannot be played")]
    NoModel(Hash),
    /// The machine.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The thread that computes failed.
    #[error("a trace ended badly: {0}")]
    Thread(String),
}

/// Which trace: assertion, item, and how it lies.
type Key = (B256, u32, Option<Cheat>);
type Kept = VecDeque<(Key, Trace<Any>)>;

/// The traces that were used last.
pub(super) struct Traces {
    models: Arc<Mutex<Models>>,
    kept: Arc<Mutex<Kept>>,
}

impl Traces {
    pub(super) fn new(models: Arc<Mutex<Models>>) -> Self {
        Self { models, kept: Arc::default() }
    }

    /// Does something with the trace of an item, on a thread that may compute for long.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        wanted: Wanted,
        work: impl FnOnce(&mut Trace<Any>) -> Result<T, TraceError> + Send + 'static,
    ) -> Result<T, TracesError> {
        let (models, kept) = (Arc::clone(&self.models), Arc::clone(&self.kept));
        let done = tokio::task::spawn_blocking(move || {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (wanted.assertion, wanted.item, wanted.cheat);
            let known = kept.iter().position(|(k, _)| *k == key).and_then(|i| kept.remove(i));
            let mut trace = match known {
                Some((_, trace)) => trace,
                None => {
                    // Room first: two large traces and a third one are more than was asked for.
                    kept.truncate(KEPT.saturating_sub(1));
                    make(&models, &wanted)?
                }
            };
            let done = work(&mut trace);
            kept.push_front((key, trace));
            Ok(done?)
        });
        done.await.map_err(|e| TracesError::Thread(e.to_string()))?
    }
}

fn make(models: &Mutex<Models>, wanted: &Wanted) -> Result<Trace<Any>, TracesError> {
    let (model, mut engine) = {
        let models = models.lock().unwrap_or_else(PoisonError::into_inner);
        let model = models.get(&wanted.model).ok_or(TracesError::NoModel(wanted.model))?.clone();
        let engine = models.engine(&model).map_err(TraceError::from)?;
        (model, engine)
    };
    let (prompt, output) = (wanted.prompt.clone(), wanted.output.clone());
    let subject = Subject::new(&model, wanted.sampling, prompt, output);
    let bytes = subject.tensors().iter().fold(0u64, |sum, x| sum.saturating_add(x.bytes()));
    let honest = if bytes <= HELD_MAX {
        Any(Box::new(Held::new(subject, &mut engine)?))
    } else {
        Any(Box::new(Executed::new(subject, Box::new(engine))?))
    };
    Ok(Trace::new(match wanted.cheat {
        None | Some(Cheat::Silence) => honest,
        Some(cheat) => corrupted(honest, cheat)?,
    }))
}

/// A trace that is wrong where the published output is wrong first; where it begins, if it is right.
fn corrupted(honest: Any, cheat: Cheat) -> Result<Any, TraceError> {
    use bisection::trace::TraceProvider;
    let mut trace = Trace::new(honest);
    let wrong = trace.wrong_output()?.unwrap_or(0);
    let honest = trace.into_source();
    let subject = honest.subject();
    let node = subject.output_node().0;
    let (position, element) = subject.output_place(wrong);
    let value = subject.published().get(wrong as usize).copied().unwrap_or(0);
    let tensor = subject.tensors().get(node as usize).copied().ok_or(TraceError::NoAnswer)?;
    let chunk = tensor.address(position, element).ok_or(TraceError::NoAnswer)?.chunk;
    Ok(Any(match cheat {
        Cheat::GarbageTrace => Box::new(Corrupted::garbage(honest, node, 0, chunk)?),
        _ => Box::new(Corrupted::element(honest, Lie { node, position, element, value })?),
    }))
}
