//! Jobs that wait: one line for each agent, and turns between the lines.

use std::collections::{BTreeMap, VecDeque};

use super::{Job, Refused};

/// How much a runner takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Jobs that run together.
    pub sequences: usize,
    /// Jobs of one agent that run together.
    pub per_agent: usize,
    /// Positions, prompt and longest output, of all jobs that run together: bounds the memory of their caches.
    pub positions: usize,
    /// Jobs that wait.
    pub waiting: usize,
    /// Jobs of one agent that wait.
    pub waiting_per_agent: usize,
    /// Prompt tokens that a step may add to running streams: how long a stream may be held up by somebody's prompt.
    pub prefill: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sequences: 32,
            per_agent: 8,
            positions: 65_536,
            waiting: 4096,
            waiting_per_agent: 128,
            prefill: 64,
        }
    }
}

/// The lines.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lines: BTreeMap<u32, VecDeque<Job>>,
    /// Agents with a line, the next one first.
    turns: VecDeque<u32>,
    length: usize,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn push(&mut self, job: Job, limits: &Limits) -> Result<(), Refused> {
        if self.length >= limits.waiting {
            self.forget_cancelled();
        }
        if self.length >= limits.waiting {
            return Err(Refused::Full);
        }
        let line = self.lines.entry(job.agent).or_default();
        if line.len() >= limits.waiting_per_agent {
            return Err(Refused::Agent);
        }
        if line.is_empty() {
            self.turns.push_back(job.agent);
        }
        line.push_back(job);
        self.length += 1;
        Ok(())
    }

    /// The next job that `may` run. An agent whose turn it is but whose job may not run yet keeps its turn only if
    /// `waits` says so; then nobody passes it.
    pub(super) fn pop(
        &mut self,
        mut may: impl FnMut(&Job) -> bool,
        mut waits: impl FnMut(&Job) -> bool,
    ) -> Option<Job> {
        for _ in 0..self.turns.len() {
            let agent = self.turns.pop_front()?;
            let Some(line) = self.lines.get_mut(&agent) else { continue };
            while line.front().is_some_and(|job| job.events.is_closed()) {
                line.pop_front();
                self.length -= 1;
            }
            let Some(first) = line.front() else {
                self.lines.remove(&agent);
                continue;
            };
            if may(first) {
                let job = line.pop_front();
                self.length -= 1;
                if line.is_empty() {
                    self.lines.remove(&agent);
                } else {
                    self.turns.push_back(agent);
                }
                return job;
            }
            if waits(first) {
                self.turns.push_front(agent);
                return None;
            }
            self.turns.push_back(agent);
        }
        None
    }

    fn forget_cancelled(&mut self) {
        for line in self.lines.values_mut() {
            line.retain(|job| !job.events.is_closed());
        }
        self.lines.retain(|_, line| !line.is_empty());
        self.turns.retain(|agent| self.lines.contains_key(agent));
        self.length = self.lines.values().map(VecDeque::len).sum();
    }

    /// All jobs, for a runner that gives up.
    pub(super) fn drain(&mut self) -> Vec<Job> {
        self.turns.clear();
        self.length = 0;
        std::mem::take(&mut self.lines).into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::super::{Event, Task};
    use super::*;

    fn job(agent: u32, name: u32) -> (Job, UnboundedReceiver<Event>) {
        let (events, receiver) = unbounded_channel();
        (Job { agent, prompt: vec![name].into(), task: Task::Vector, whole: false, events }, receiver)
    }

    #[test]
    fn agents_take_turns_whatever_they_have_asked_for() {
        let limits = Limits::default();
        let mut queue = Queue::default();
        let mut open = Vec::new();
        for (agent, name) in [(1, 10), (1, 11), (1, 12), (2, 20), (3, 30), (3, 31)] {
            let (job, receiver) = job(agent, name);
            queue.push(job, &limits).unwrap();
            open.push(receiver);
        }
        let order: Vec<u32> =
            std::iter::from_fn(|| queue.pop(|_| true, |_| false)).map(|j| j.prompt[0]).collect();
        assert_eq!(order, [10, 20, 30, 11, 31, 12]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn an_agent_at_its_cap_is_passed_and_one_that_waits_for_room_is_not() {
        let limits = Limits::default();
        let mut queue = Queue::default();
        let (a, _ra) = job(1, 10);
        let (b, _rb) = job(2, 20);
        queue.push(a, &limits).unwrap();
        queue.push(b, &limits).unwrap();
        assert!(queue.pop(|j| j.agent == 2, |j| j.agent == 1).is_none());
        assert_eq!(queue.pop(|j| j.agent == 2, |_| false).unwrap().agent, 2);
        assert_eq!(queue.pop(|_| true, |_| false).unwrap().agent, 1);
    }

    #[test]
    fn limits_hold_and_cancelled_jobs_make_room() {
        let limits = Limits { waiting: 3, waiting_per_agent: 2, ..Limits::default() };
        let mut queue = Queue::default();
        let (a, gone) = job(1, 1);
        let (b, _rb) = job(1, 2);
        let (c, _rc) = job(1, 3);
        let (d, _rd) = job(2, 4);
        let (e, _re) = job(3, 5);
        let (f, _rf) = job(3, 6);
        queue.push(a, &limits).unwrap();
        queue.push(b, &limits).unwrap();
        assert_eq!(queue.push(c, &limits), Err(Refused::Agent));
        queue.push(d, &limits).unwrap();
        assert_eq!(queue.push(e, &limits), Err(Refused::Full));
        drop(gone);
        queue.push(f, &limits).unwrap();
        let order: Vec<u32> =
            std::iter::from_fn(|| queue.pop(|_| true, |_| false)).map(|j| j.prompt[0]).collect();
        assert_eq!(order.len(), 3);
        assert!(!order.contains(&1));
    }
}
