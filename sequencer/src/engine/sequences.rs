//! The jobs that run together, and one step of all of them.

use std::collections::BTreeMap;

use executor::engine::{Emission, Engine, EngineError, Feed, SequenceId};
use executor::generate::Finish;
use executor::kernels::Sampling;

use super::queue::Limits;
use super::{Event, Job, Task};

/// Prompt tokens of a step that holds up no stream.
const PREFILL_ALONE: usize = 512;

/// A job that runs.
struct Running {
    job: Job,
    sequence: SequenceId,
    /// Prompt tokens that were fed.
    fed: usize,
    /// Tokens that came out.
    made: u32,
    /// The last of them.
    last: u32,
    /// Those that were not sent yet.
    kept: Vec<u32>,
}

impl Running {
    fn decodes(&self) -> bool {
        self.fed == self.job.prompt.len()
    }

    /// The rest of the prompt, as far as there is room, or the last token.
    fn tokens(&self, room: usize) -> &[u32] {
        if self.decodes() {
            return std::slice::from_ref(&self.last);
        }
        let rest = &self.job.prompt[self.fed..];
        // A vector's prompt goes in whole.
        let whole = matches!(self.job.task, Task::Vector);
        if whole { rest } else { &rest[..rest.len().min(room)] }
    }
}

/// All that run on one engine.
pub(super) struct Sequences {
    engine: Box<dyn Engine>,
    running: Vec<Running>,
    stop_tokens: Vec<u32>,
}

impl Sequences {
    pub(super) fn new(engine: Box<dyn Engine>) -> Self {
        let stop_tokens = engine.program().interface.stop_tokens.clone();
        Self { engine, running: Vec::new(), stop_tokens }
    }

    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    /// Is there room for one more, and may this agent have it.
    pub(super) fn may_join(&self, job: &Job, limits: &Limits) -> bool {
        self.has_room(job, limits) && !self.at_cap(job, limits)
    }

    /// Does its agent run as many as it may.
    pub(super) fn at_cap(&self, job: &Job, limits: &Limits) -> bool {
        self.running.iter().filter(|r| r.job.agent == job.agent).count() >= limits.per_agent
    }

    fn has_room(&self, job: &Job, limits: &Limits) -> bool {
        let positions = |job: &Job| job.task.positions(job.prompt.len());
        let taken: usize = self.running.iter().map(|r| positions(&r.job)).sum();
        self.running.is_empty()
            || (self.running.len() < limits.sequences && taken + positions(job) <= limits.positions)
    }

    pub(super) fn join(&mut self, job: Job) {
        let sampling = match job.task {
            Task::Tokens { sampling, .. } => sampling,
            Task::Vector => Sampling::GREEDY,
        };
        match self.engine.open(sampling) {
            Ok(sequence) => {
                self.running.push(Running { job, sequence, fed: 0, made: 0, last: 0, kept: Vec::new() })
            }
            Err(error) => send(&job, Event::Failed(error.to_string())),
        }
    }

    /// One step of everything that runs: a token for each stream, and prompts as far as they hold up nobody for long.
    /// An error says that the engine itself can no longer be used.
    pub(super) fn step(&mut self, limits: &Limits) -> Result<(), EngineError> {
        self.drop_cancelled();
        let streams = self.running.iter().any(Running::decodes);
        let mut room = if streams { limits.prefill.max(1) } else { PREFILL_ALONE };
        let count = self.running.len();
        // Prompts that were admitted first end first, so that a step's room is not crumbled.
        let mut feeds: Vec<Feed<'_>> = Vec::with_capacity(count);
        for running in &self.running {
            let tokens = running.tokens(room);
            if tokens.is_empty() {
                continue;
            }
            if !running.decodes() {
                room = room.saturating_sub(tokens.len());
            }
            let outputs_from = running.job.prompt.len() as u32 - 1;
            feeds.push(Feed { sequence: running.sequence, tokens, outputs_from });
            if room == 0 && !streams {
                break;
            }
        }
        if feeds.is_empty() {
            return Ok(());
        }
        let fed: Vec<(SequenceId, usize)> = feeds.iter().map(|f| (f.sequence, f.tokens.len())).collect();
        let outcome = match self.engine.step(&feeds, None) {
            Ok(emissions) => emissions.into_iter().map(Ok).collect(),
            // One feed may have spoilt it for all; a refused step changes nothing, so each is tried alone.
            Err(_) => feeds
                .iter()
                .map(|feed| Ok(self.engine.step(std::slice::from_ref(feed), None)?.concat()))
                .collect::<Vec<Result<Vec<Emission>, EngineError>>>(),
        };
        let all_failed = outcome.iter().all(Result::is_err);
        let mut results: BTreeMap<SequenceId, (usize, Result<Vec<Emission>, EngineError>)> =
            fed.into_iter().zip(outcome).map(|((id, n), result)| (id, (n, result))).collect();
        let mut fatal = None;
        let mut kept = Vec::with_capacity(count);
        for mut running in self.running.drain(..) {
            let goes_on = match results.remove(&running.sequence) {
                None => true,
                Some((n, Ok(emissions))) => running.take(n, emissions, &self.stop_tokens),
                Some((_, Err(error))) => {
                    send(&running.job, Event::Failed(error.to_string()));
                    fatal = Some(error);
                    false
                }
            };
            if goes_on {
                kept.push(running);
            } else {
                self.engine.close(running.sequence);
            }
        }
        self.running = kept;
        match fatal {
            Some(error @ EngineError::Backend(_)) if all_failed => Err(error),
            _ => Ok(()),
        }
    }

    fn drop_cancelled(&mut self) {
        let (gone, kept) = self.running.drain(..).partition(|r: &Running| r.job.events.is_closed());
        self.running = kept;
        let gone: Vec<Running> = gone;
        gone.iter().for_each(|r| self.engine.close(r.sequence));
    }

    /// Tells everybody that it is over.
    pub(super) fn fail_all(&mut self, reason: &str) {
        for running in self.running.drain(..) {
            send(&running.job, Event::Failed(reason.to_owned()));
        }
    }
}

impl Running {
    /// Takes what a step gave; says whether there is more to come.
    fn take(&mut self, fed: usize, emissions: Vec<Emission>, stop_tokens: &[u32]) -> bool {
        if !self.decodes() {
            self.fed += fed;
        }
        for emission in emissions {
            let (token, limit) = match (emission, self.job.task) {
                (Emission::Vector(vector), _) => {
                    send(&self.job, Event::Vector(vector));
                    return false;
                }
                (Emission::Token(token), Task::Tokens { limit, .. }) => (token, limit),
                (Emission::Token(_), Task::Vector) => {
                    send(&self.job, Event::Failed("this model gives tokens, not vectors".into()));
                    return false;
                }
            };
            (self.last, self.made) = (token, self.made + 1);
            self.kept.push(token);
            let finish = match stop_tokens.contains(&token) {
                true => Some(Finish::Stop),
                false => (self.made >= limit).then_some(Finish::Length),
            };
            if finish.is_some() || !self.job.whole {
                send(&self.job, Event::Tokens(std::mem::take(&mut self.kept)));
            }
            if let Some(finish) = finish {
                send(&self.job, Event::End(finish));
                return false;
            }
        }
        true
    }
}

/// A receiver that is gone has cancelled, which the next step sees.
fn send(job: &Job, event: Event) {
    let _ = job.events.send(event);
}
