//! The Solidity side: the verifier with its provers, asked without a transaction.

use alloy::primitives::{Address, I256, U256};
use alloy::sol_types::{Panic, SolError, SolInterface};
use bindings::attention_prover::AttentionProver::AttentionProverErrors;
use bindings::local::{Chain, LocalError};
use bindings::norms_prover::NormsProver::NormsProverErrors;
use bindings::products_prover::ProductsProver::ProductsProverErrors;
use bindings::recast;
use bindings::sampling_prover::SamplingProver::SamplingProverErrors;
use bindings::step_verifier::StepVerifier::{self, StepVerifierErrors};
use bindings::tables_prover::TablesProver::TablesProverErrors;
use bisection::Hash;
use bisection::trace::Place;
use challenger::arena::Arena;
use challenger::calls;
use challenger::view::word;
use executor::trace::StepData;

/// What a transaction of the game leaves for the verifier: its own gas is far below.
const GAS_MAX: u64 = 16_000_000;

/// The deployed verifier.
pub struct Twin {
    pub chain: Chain,
    pub verifier: Address,
}

/// Root of the trace and hash of the item.
#[derive(Clone, Copy, Debug)]
pub struct Committed {
    pub root: Hash,
    pub item: Hash,
}

impl Twin {
    pub fn new() -> Self {
        let Arena { chain, verifier, .. } = Arena::new().unwrap();
        Self { chain, verifier }
    }

    /// The element or the partial result that the contract computes.
    pub fn step(
        &mut self,
        of: Committed,
        at: Place,
        claimed: i64,
        data: &StepData,
    ) -> Result<i128, LocalError> {
        let call = StepVerifier::stepCall {
            _0: word(of.root),
            _1: word(of.item),
            _2: recast(&calls::place(at)).unwrap(),
            _3: claimed,
            data: recast(&calls::step(data.clone())).unwrap(),
        };
        self.chain.call(self.verifier, &call).map(narrow)
    }

    /// What a list amounts to, the terms of a segment, the term after the last.
    pub fn combine(
        &mut self,
        of: Committed,
        at: Place,
        entries: &[i64],
        data: &StepData,
    ) -> Result<(i128, u32, u32), LocalError> {
        let call = StepVerifier::combineCall {
            _0: word(of.root),
            _1: word(of.item),
            _2: recast(&calls::place(at)).unwrap(),
            _3: entries.to_vec(),
            data: recast(&calls::step(data.clone())).unwrap(),
        };
        self.chain.call(self.verifier, &call).map(|y| (narrow(y._0), y._1, y._2))
    }
}

fn narrow(x: I256) -> i128 {
    i128::try_from(x).unwrap()
}

/// The name of the contract's error; `Panic` where checked arithmetic left its range; `None` for a revert without a
/// reason, any other panic, or one out of gas.
pub fn name(error: &LocalError) -> Option<String> {
    let LocalError::Reverted { data, gas } = error else { return None };
    assert!(*gas < GAS_MAX);
    if Panic::abi_decode(data).is_ok_and(|panic| panic.code == U256::from(0x11)) {
        return Some("Panic".into());
    }
    fn of<E: SolInterface + std::fmt::Debug>(data: &[u8]) -> Option<String> {
        E::abi_decode(data).ok().map(|e| format!("{e:?}").split(['(', ' ']).next().unwrap().to_owned())
    }
    of::<StepVerifierErrors>(data)
        .or_else(|| of::<TablesProverErrors>(data))
        .or_else(|| of::<NormsProverErrors>(data))
        .or_else(|| of::<ProductsProverErrors>(data))
        .or_else(|| of::<AttentionProverErrors>(data))
        .or_else(|| of::<SamplingProverErrors>(data))
}
