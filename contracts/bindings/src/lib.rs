//! The contracts for Rust: types, calls, events, errors and creation code, from the checked-in ABI, so that a build needs
//! no Solidity compiler; and [`local`], a chain in memory that runs them.
//!
//! Each contract is a module of its own with its own copies of the structs that it shares with others (`Item`, `StepData`,
//! ...), because that is how an ABI names them; [`recast`] turns one copy into another.

pub mod deployment;
pub mod l1;
pub mod local;

use alloy::sol_types::{SolType, SolValue};

/// One contract: `contract!(module, Name)`.
macro_rules! contract {
    ($(#[$doc:meta])* $module:ident, $name:ident, $path:literal) => {
        $(#[$doc])*
        #[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the contracts' NatSpec says it")]
        pub mod $module {
            alloy::sol!(
                #[sol(all_derives)]
                $name,
                $path
            );
        }
    };
}

contract!(
    /// The machine's twin.
    step_verifier, StepVerifier, "../abi/StepVerifier.json");
contract!(
    /// Steps of tables and elementwise operations.
    tables_prover, TablesProver, "../abi/TablesProver.json");
contract!(
    /// Steps of exponents, mantissas and norms.
    norms_prover, NormsProver, "../abi/NormsProver.json");
contract!(
    /// Steps of products.
    products_prover, ProductsProver, "../abi/ProductsProver.json");
contract!(
    /// Steps of attention.
    attention_prover, AttentionProver, "../abi/AttentionProver.json");
contract!(
    /// Steps of sampling.
    sampling_prover, SamplingProver, "../abi/SamplingProver.json");

contract!(
    /// The dispute.
    dispute_game, DisputeGame, "../abi/DisputeGame.json");
contract!(
    /// Stakes, bonds and what is owed.
    bond_vault, BondVault, "../abi/BondVault.json");
contract!(
    /// The stand-in for the chain of assertions.
    stand_in_assertions, StandInAssertions, "../abi/StandInAssertions.json");

contract!(
    /// Models, their prices, and the public list.
    model_registry, ModelRegistry, "../abi/ModelRegistry.json");
contract!(
    /// The queue on L1: deposits, forced withdrawals, requests.
    inbox, Inbox, "../abi/Inbox.json");
contract!(
    /// Batches in calldata: the source of the chain of assertions.
    batches, Batches, "../abi/Batches.json");
contract!(
    /// The chain of assertions.
    assertions, Assertions, "../abi/Assertions.json");
contract!(
    /// Questions about steps: ledger and shape.
    step_game, StepGame, "../abi/StepGame.json");
contract!(
    /// One step of the ledger.
    ledger_verifier, LedgerVerifier, "../abi/LedgerVerifier.json");
contract!(
    /// Where an output ends.
    shape_verifier, ShapeVerifier, "../abi/ShapeVerifier.json");
contract!(
    /// Withdrawals, refunds, fees.
    exits, Exits, "../abi/Exits.json");
contract!(
    /// Final results, for contracts.
    results, Results, "../abi/Results.json");
contract!(
    /// What a receipt is worth.
    receipts, Receipts, "../abi/Receipts.json");

/// The same struct as another contract's ABI names it. `None` if they are not the same.
pub fn recast<A, B>(a: &A) -> Option<B>
where
    A: SolValue,
    B: SolValue + From<<B::SolType as SolType>::RustType>,
{
    B::abi_decode(&a.abi_encode()).ok()
}
