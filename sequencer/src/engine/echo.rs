//! A runner without a model: the answer is the prompt. For load tests, and for trying the rest of the sequencer.

use executor::generate::Finish;

use super::{Event, Job, Load, Refused, Runner, Task};

/// Answers at once, on the caller's thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

/// Elements of an echo's vector.
pub(super) const ECHO_WIDTH: usize = 8;

impl Runner for Echo {
    fn submit(&self, job: Job) -> Result<(), Refused> {
        let send = |event| {
            // A receiver that is gone has cancelled.
            let _ = job.events.send(event);
        };
        match job.task {
            Task::Tokens { limit, .. } => {
                let all = job.prompt.iter().chain(&[super::codec::ECHO_STOP]);
                let tokens: Vec<u32> = all.take(limit as usize).copied().collect();
                let stopped = tokens.len() > job.prompt.len();
                send(Event::Tokens(tokens));
                send(Event::End(if stopped { Finish::Stop } else { Finish::Length }));
            }
            Task::Vector => {
                let mut vector = vec![0_i32; ECHO_WIDTH];
                for (i, token) in job.prompt.iter().enumerate() {
                    vector[i % ECHO_WIDTH] = vector[i % ECHO_WIDTH].wrapping_add(*token as i32);
                }
                send(Event::Vector(vector));
            }
        }
        Ok(())
    }

    fn load(&self) -> Load {
        Load { waiting: 0, running: 0, alive: true }
    }
}
