//! An engine of arithmetic, which notes what it was fed: the token after a position is the sum of all before it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use executor::engine::{Emission, Engine, EngineError, Feed, SequenceId, Tap};
use executor::kernels::Sampling;
use executor::program::{Interface, NodeId, Output, Program};

/// Tokens fed to each sequence in each step.
pub(super) type Fed = Arc<Mutex<Vec<Vec<(usize, usize)>>>>;

pub(super) struct Fake {
    program: Program,
    sequences: BTreeMap<SequenceId, Vec<u32>>,
    opened: usize,
    fed: Fed,
}

/// Sums are below.
const VOCABULARY: u32 = 1000;
/// No sum is, as long as a test does not want it.
pub(super) const STOP: u32 = 999;
/// A token that breaks the step that it is in.
pub(super) const POISON: u32 = 998;

impl Fake {
    pub(super) fn new(fed: Fed) -> Self {
        let interface = Interface {
            vocabulary: VOCABULARY,
            context: 4096,
            stop_tokens: vec![STOP],
            output: Output::Tokens { greedy: NodeId(0), sampled: NodeId(0) },
            tokenizer: Default::default(),
            chat_template: Default::default(),
        };
        let program = Program { nodes: Vec::new(), constants: Vec::new(), interface };
        Self { program, sequences: BTreeMap::new(), opened: 0, fed }
    }

    /// What comes after some tokens.
    pub(super) fn after(tokens: &[u32]) -> u32 {
        tokens.iter().sum::<u32>() % 900
    }
}

impl Engine for Fake {
    fn open(&mut self, _: Sampling) -> Result<SequenceId, EngineError> {
        self.opened += 1;
        self.sequences.insert(SequenceId(self.opened), Vec::new());
        Ok(SequenceId(self.opened))
    }

    fn close(&mut self, sequence: SequenceId) {
        assert!(self.sequences.remove(&sequence).is_some(), "closed once");
    }

    fn step(
        &mut self,
        feeds: &[Feed<'_>],
        _: Option<&mut dyn Tap>,
    ) -> Result<Vec<Vec<Emission>>, EngineError> {
        if feeds.iter().any(|f| f.tokens.contains(&POISON)) {
            return Err(EngineError::Sampling);
        }
        self.fed.lock().unwrap().push(feeds.iter().map(|f| (f.sequence.0, f.tokens.len())).collect());
        std::thread::sleep(std::time::Duration::from_micros(200));
        let one = |feed: &Feed<'_>| {
            let tokens = self.sequences.get_mut(&feed.sequence).ok_or(EngineError::Sequence(0))?;
            let mut out = Vec::new();
            for token in feed.tokens {
                tokens.push(*token);
                if tokens.len() > feed.outputs_from as usize {
                    out.push(Emission::Token(Self::after(tokens)));
                }
            }
            Ok(out)
        };
        feeds.iter().map(one).collect()
    }

    fn program(&self) -> &Program {
        &self.program
    }
}
