//! The ledger along the chain of assertions, which goes back where the chain does.

use alloy::primitives::{B256, Signature};
use bisection::Hash;
use bisection::ledger::{Address, Derived, Ledger, Parent, Rules, Undo, Why, WrongStep};

/// An assertion whose steps have been taken.
struct Taken {
    assertion: B256,
    undos: Vec<Undo>,
    end: Parent,
}

/// Own state, computed from genesis.
pub(super) struct Book {
    ledger: Ledger,
    genesis: Parent,
    taken: Vec<Taken>,
    /// How many of them cannot be taken back.
    settled: usize,
}

/// Who signed a digest.
pub(super) fn recover(digest: Hash, signature: &[u8; 64]) -> Option<Address> {
    let signature = Signature::from_erc2098(signature);
    signature.recover_address_from_prehash(&B256::from(digest.0)).ok().map(|address| address.0.0)
}

impl Book {
    /// Before the first assertion.
    pub(super) fn new(rules: Rules) -> Self {
        let ledger = Ledger::genesis(rules);
        let genesis = Parent { root: ledger.root(), cursor: 0, inbox: Hash::default() };
        Self { ledger, genesis, taken: Vec::new(), settled: 0 }
    }

    /// Where the first `height` assertions ended.
    pub(super) fn end_of(&self, height: usize) -> Parent {
        let last = height.checked_sub(1).and_then(|i| self.taken.get(i));
        last.map_or(self.genesis, |taken| taken.end)
    }

    /// Assertions whose steps were taken.
    pub(super) fn height(&self) -> usize {
        self.taken.len()
    }

    /// Goes back until only the first `height` assertions are taken; `false` if it cannot.
    #[must_use]
    pub(super) fn truncate(&mut self, height: usize) -> bool {
        if height < self.settled {
            return false;
        }
        while self.taken.len() > height {
            let Some(taken) = self.taken.pop() else { break };
            taken.undos.into_iter().rev().for_each(|undo| self.ledger.undo(undo));
        }
        true
    }

    /// Goes back to where the chain still is as it was; `false` if it cannot.
    #[must_use]
    pub(super) fn agree(&mut self, chain: impl Iterator<Item = B256>) -> bool {
        let same = self.taken.iter().zip(chain).take_while(|(taken, id)| taken.assertion == *id).count();
        self.truncate(same)
    }

    /// Drops what is needed to go back below a height: no reorganisation reaches that deep.
    pub(super) fn settle(&mut self, height: usize) {
        for taken in self.taken.iter_mut().take(height).skip(self.settled) {
            taken.undos = Vec::new();
        }
        self.settled = self.settled.max(height.min(self.taken.len()));
    }

    /// Takes all steps of the next assertion.
    ///
    /// # Errors
    /// The first wrong step; nothing has changed.
    pub(super) fn take(&mut self, assertion: B256, derived: &Derived, end: Parent) -> Result<(), WrongStep> {
        let undos = self.steps(derived, u32::MAX)?;
        self.taken.push(Taken { assertion, undos, end });
        Ok(())
    }

    /// The witness of a step of the next assertion, if all before it are right.
    pub(super) fn witness(&mut self, derived: &Derived, step: u32) -> Option<Vec<u8>> {
        let body = derived.step(step)?.leaf.body;
        let undos = self.steps(derived, step).ok()?;
        let witness = self.ledger.witness(&body);
        undos.into_iter().rev().for_each(|undo| self.ledger.undo(undo));
        witness
    }

    /// Takes the first `count` steps.
    fn steps(&mut self, derived: &Derived, count: u32) -> Result<Vec<Undo>, WrongStep> {
        let mut undos = Vec::new();
        for (index, step) in (0..count).zip(&derived.steps) {
            let taken = self.ledger.apply(&step.leaf.body, derived.time, &recover).map_err(Why::from);
            let taken = taken.and_then(|undo| match self.ledger.root() {
                due if due == step.leaf.post => Ok(undo),
                due => {
                    self.ledger.undo(undo);
                    Err(Why::Root { due })
                }
            });
            match taken {
                Ok(undo) => undos.push(undo),
                Err(why) => {
                    undos.into_iter().rev().for_each(|undo| self.ledger.undo(undo));
                    return Err(WrongStep { step: index, why });
                }
            }
        }
        Ok(undos)
    }
}
