//! A runner without a model: the answer is the prompt. For load tests, and for trying the rest of the sequencer.

use bisection::{keccak256, tagged, tree};
use executor::generate::Finish;
use executor::program::{Interface, NodeId, Output};
use executor::trace::ModelHeader;

use super::{Event, Job, Load, Refused, Runner, Task};

/// Answers at once, on the caller's thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

/// An echo as L1 knows it: it has no program, so nobody can play a game about it.
pub(super) fn announcement(vector: bool) -> (ModelHeader, Vec<u8>) {
    let face = Interface {
        vocabulary: VOCABULARY,
        context: CONTEXT,
        stop_tokens: if vector { Vec::new() } else { vec![super::codec::ECHO_STOP] },
        output: if vector {
            Output::Vector { node: NodeId(0), fraction: FRACTION }
        } else {
            Output::Tokens { greedy: NodeId(0), sampled: NodeId(0) }
        },
        tokenizer: keccak256(b"refute echo"),
        chat_template: keccak256(b""),
    };
    let mut encoded = Vec::new();
    face.encode(&mut encoded);
    let header = ModelHeader {
        nodes: 1,
        constants: 0,
        nodes_root: tree::pad(),
        constants_root: tree::pad(),
        interface_hash: tagged(b"rf.iface", &[&encoded]),
    };
    (header, encoded)
}

/// Token ids are bytes, and one that ends a text.
pub(super) const VOCABULARY: u32 = 257;
/// Most positions.
pub(super) const CONTEXT: u32 = 8192;
/// Fractional bits of a vector.
pub(super) const FRACTION: i32 = 8;

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
