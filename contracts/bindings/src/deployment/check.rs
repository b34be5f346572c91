//! Is a file's deployment that of a chain.

use alloy::eips::BlockId;
use alloy::primitives::Address;

use super::{Deployment, DeploymentError};
use crate::assertions::Assertions;
use crate::batches::Batches;
use crate::dispute_game::DisputeGame;
use crate::l1::L1;
use crate::step_game::StepGame;

impl Deployment {
    /// Reads the chain's side of what services rely on: that the contracts are there, know each other and have these
    /// parameters.
    pub async fn check(&self, node: &L1) -> Result<(), DeploymentError> {
        let at = &self.contracts;
        let latest = BlockId::latest();
        same("the chain's id", node.chain_id(), self.chain_id)?;
        let registry: Address = node.call(at.batches, &Batches::REGISTRYCall {}, latest).await?;
        same("Batches' registry", registry, at.registry)?;
        let inbox: Address = node.call(at.batches, &Batches::INBOXCall {}, latest).await?;
        same("Batches' inbox", inbox, at.inbox)?;
        let assertions: Address = node.call(at.batches, &Batches::ASSERTIONSCall {}, latest).await?;
        same("Batches' assertions", assertions, at.assertions)?;
        let game: Address = node.call(at.assertions, &Assertions::GAMECall {}, latest).await?;
        same("Assertions' game", game, at.dispute_game)?;
        let steps: Address = node.call(at.assertions, &Assertions::STEP_GAMECall {}, latest).await?;
        same("Assertions' step game", steps, at.step_game)?;
        let vault: Address = node.call(at.assertions, &Assertions::VAULTCall {}, latest).await?;
        same("Assertions' vault", vault, at.vault)?;
        let ledger: Address = node.call(at.step_game, &StepGame::LEDGERCall {}, latest).await?;
        same("StepGame's ledger verifier", ledger, at.ledger_verifier)?;
        let window = node.call(at.dispute_game, &DisputeGame::configCall {}, latest).await?.window;
        same("the window", window, self.parameters.games.window)?;
        let rollup = node.call(at.inbox, &crate::inbox::Inbox::configCall {}, latest).await?;
        same("SLACK", rollup.slack, self.parameters.rollup.slack)?;
        same("FORCE_DELAY", rollup.forceDelay, self.parameters.rollup.force_delay)?;
        same("ENTRY_FEE", rollup.entryFee, self.parameters.rollup.entry_fee)?;
        Ok(())
    }
}

fn same<T: PartialEq + ToString>(what: &'static str, found: T, expected: T) -> Result<(), DeploymentError> {
    if found == expected {
        return Ok(());
    }
    Err(DeploymentError::Differs { what, found: found.to_string(), expected: expected.to_string() })
}
