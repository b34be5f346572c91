//! Wrong on purpose, once: what a devnet shows the dispute with. Never part of a sequencer that earns money: the settings
//! refuse it anywhere but on a development chain.

use std::str::FromStr;

use bisection::ledger::{Built, Context, Parent, Registry, Step};
use executor::trace::pack_tokens;
use serde::{Deserialize, Serialize};

use crate::engine::unpack_tokens;
use crate::ledger::Hash;

/// What is wrong with the next batch that has an inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cheat {
    /// One token of the output.
    Token,
    /// One state root.
    Ledger,
    /// The output ends before its stop token.
    EarlyStop,
    /// A token, and the defender answers with garbage: that is its own doing.
    GarbageTrace,
    /// A token, and the defender does not answer.
    Silence,
}

impl FromStr for Cheat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "token" => Ok(Self::Token),
            "ledger" => Ok(Self::Ledger),
            "early-stop" => Ok(Self::EarlyStop),
            "garbage-trace" => Ok(Self::GarbageTrace),
            "silence" => Ok(Self::Silence),
            _ => Err("token, ledger, early-stop, garbage-trace or silence".into()),
        }
    }
}

impl Cheat {
    /// Changes an inference with tokens of so many bits; says whether it could.
    pub(super) fn spoil(self, step: &mut Step, bits: u8) -> bool {
        let Step::Inference { call, output, .. } = step else { return false };
        let Some(mut tokens) = unpack_tokens(output, call.output_length, bits) else { return false };
        match self {
            Self::Ledger => return false,
            Self::EarlyStop => {
                if tokens.len() < 2 {
                    return false;
                }
                tokens.pop();
                call.output_length -= 1;
            }
            Self::Token | Self::GarbageTrace | Self::Silence => {
                // Not the last one, which may have to be a stop token, if there is another.
                let at = tokens.len().saturating_sub(2);
                let Some(token) = tokens.get_mut(at) else { return false };
                *token ^= 1;
            }
        }
        *output = pack_tokens(&tokens, bits);
        true
    }

    /// Changes the root after the first inference of a batch. Gives its hash and bytes.
    pub(super) fn spoil_root(
        self,
        registry: &Registry,
        parent: Parent,
        built: &Built,
    ) -> Option<(Hash, Vec<u8>)> {
        if self != Self::Ledger {
            return None;
        }
        let mut batch = built.batch.clone();
        let posted = batch.steps.iter_mut().find(|p| matches!(p.step, Step::Inference { .. }))?;
        posted.root.0[31] ^= 1;
        let context = Context { rules: built.replay.ledger().rules(), registry, parent };
        let derived = context.derive(&batch).ok()?;
        Some((derived.batch_hash, batch.encode()))
    }
}

#[cfg(test)]
mod tests {
    use bisection::ledger::request::Sampling;

    use super::*;
    use crate::ledger::Request;

    fn step(tokens: &[u32], bits: u8) -> Step {
        let request = Request {
            account: 0,
            nonce: 0,
            model: Hash::default(),
            prompt: Hash::default(),
            prompt_length: 1,
            max_tokens: 9,
            sampling: Sampling::GREEDY,
            seed: Hash::default(),
            max_fee: 0,
            valid_until: 0,
        };
        let (length, output) = (tokens.len() as u32, pack_tokens(tokens, bits));
        Step::inference(&request, 0, false, [0; 64], vec![0], length, output)
    }

    fn output(step: &Step, bits: u8) -> Vec<u32> {
        let Step::Inference { call, output, .. } = step else { panic!("an inference") };
        unpack_tokens(output, call.output_length, bits).unwrap()
    }

    #[test]
    fn one_token_differs_or_the_last_is_missing() {
        for bits in [3, 8, 9, 17] {
            let mut spoiled = step(&[1, 2, 3, 4], bits);
            assert!(Cheat::Token.spoil(&mut spoiled, bits));
            assert_eq!(output(&spoiled, bits), [1, 2, 2, 4]);
            let mut short = step(&[1, 2, 3, 4], bits);
            assert!(Cheat::EarlyStop.spoil(&mut short, bits));
            assert_eq!(short, step(&[1, 2, 3], bits), "in the one encoding that it has");
        }
        assert!(!Cheat::EarlyStop.spoil(&mut step(&[1], 9), 9));
        assert!(!Cheat::Ledger.spoil(&mut step(&[1, 2], 9), 9));
        assert_eq!("early-stop".parse(), Ok(Cheat::EarlyStop));
        assert!("early".parse::<Cheat>().is_err());
    }
}
