//! The transactions that make a rollup.

use alloy::primitives::{Address, B256, Bytes};
use alloy::sol_types::SolValue;

use super::{Contracts, Deployment, Parameters};
use crate::assertions::Assertions;
use crate::dispute_game::DisputeGame;
use crate::inbox::Inbox;
use crate::l1::{L1, L1Error, SendError, Sender};

/// Why there is no rollup.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// A transaction failed.
    #[error("deploying {contract}: {why}")]
    Send {
        /// Which contract.
        contract: &'static str,
        /// Why.
        why: SendError,
    },
    /// The account sent something else meanwhile, so that contracts do not know each other.
    #[error(
        "{contract} is at {found} instead of {expected}: use an account that sends nothing else meanwhile"
    )]
    Elsewhere {
        /// Which.
        contract: &'static str,
        /// Where it is.
        found: Address,
        /// Where others look for it.
        expected: Address,
    },
    /// The node gives no answer.
    #[error(transparent)]
    Node(#[from] L1Error),
}

/// Contracts that others name before they exist: how many contracts of this account come before them.
const BATCHES: u64 = 10;
const DISPUTE_GAME: u64 = 11;
const STEP_GAME: u64 = 14;
const EXITS: u64 = 15;

struct Deployer<'a> {
    sender: &'a Sender,
    first: Option<u64>,
}

impl Deployer<'_> {
    async fn create(
        &mut self,
        contract: &'static str,
        code: &Bytes,
        arguments: Vec<u8>,
    ) -> Result<Address, DeployError> {
        let code: Vec<u8> = code.iter().copied().chain(arguments).collect();
        let sent = self.sender.create(code.into()).await;
        let (address, included) = sent.map_err(|why| DeployError::Send { contract, why })?;
        self.first = self.first.or(included.receipt.block_number);
        Ok(address)
    }
}

/// Deploys a rollup: 18 transactions, some 30 million gas. `owner` sets models' prices and the public list, `sequencer` may
/// always post.
pub async fn deploy(
    node: &L1,
    sender: &Sender,
    parameters: &Parameters,
    owner: Address,
    sequencer: Address,
) -> Result<Deployment, DeployError> {
    let nonce = node.nonce(sender.account()).await?;
    let ahead = |count: u64| sender.account().create(nonce + count);
    let mut to = Deployer { sender, first: None };
    let provers = [
        &crate::tables_prover::TablesProver::BYTECODE,
        &crate::norms_prover::NormsProver::BYTECODE,
        &crate::products_prover::ProductsProver::BYTECODE,
        &crate::attention_prover::AttentionProver::BYTECODE,
        &crate::sampling_prover::SamplingProver::BYTECODE,
    ];
    let mut prover = [Address::ZERO; 5];
    for (at, code) in prover.iter_mut().zip(provers) {
        *at = to.create("a prover", code, Vec::new()).await?;
    }
    let code = &crate::step_verifier::StepVerifier::BYTECODE;
    let step_verifier = to.create("StepVerifier", code, prover.abi_encode()).await?;
    let vault = to.create("BondVault", &crate::bond_vault::BondVault::BYTECODE, Vec::new()).await?;
    let p = &parameters.registry;
    let arguments = (owner, p.price_delay, p.list_delay, p.min_price).abi_encode_params();
    let code = &crate::model_registry::ModelRegistry::BYTECODE;
    let registry = to.create("ModelRegistry", code, arguments).await?;
    let rollup = crate::inbox::Inbox::RollupConfig::from(parameters.rollup);
    let arguments = (rollup, registry, vault, ahead(EXITS)).abi_encode_params();
    let inbox = to.create("Inbox", &Inbox::BYTECODE, arguments).await?;
    let arguments = (ahead(DISPUTE_GAME), ahead(STEP_GAME), inbox, vault, vec![ahead(BATCHES)], sequencer)
        .abi_encode_params();
    let assertions = to.create("Assertions", &Assertions::BYTECODE, arguments).await?;
    let arguments = (registry, inbox, assertions).abi_encode_params();
    let batches = to.create("Batches", &crate::batches::Batches::BYTECODE, arguments).await?;
    let config = DisputeGame::Config::from(parameters.games);
    let arguments = (config, assertions, vault, step_verifier).abi_encode_params();
    let dispute_game = to.create("DisputeGame", &DisputeGame::BYTECODE, arguments).await?;
    let domain = domain(node, inbox).await?;
    let entry_fee = alloy::primitives::U256::from(parameters.rollup.entry_fee);
    let code = &crate::ledger_verifier::LedgerVerifier::BYTECODE;
    let ledger_verifier = to.create("LedgerVerifier", code, (domain, entry_fee).abi_encode_params()).await?;
    let code = &crate::shape_verifier::ShapeVerifier::BYTECODE;
    let shape_verifier = to.create("ShapeVerifier", code, Vec::new()).await?;
    let arguments = (dispute_game, assertions, vault, ledger_verifier, shape_verifier).abi_encode_params();
    let step_game = to.create("StepGame", &crate::step_game::StepGame::BYTECODE, arguments).await?;
    let arguments = (assertions, inbox).abi_encode_params();
    let exits = to.create("Exits", &crate::exits::Exits::BYTECODE, arguments).await?;
    let results = to.create("Results", &crate::results::Results::BYTECODE, assertions.abi_encode()).await?;
    let p = &parameters.receipts;
    let arguments = (assertions, inbox, vault, p.penalty, p.exit_delay).abi_encode_params();
    let receipts = to.create("Receipts", &crate::receipts::Receipts::BYTECODE, arguments).await?;
    for (contract, found, count) in [
        ("Batches", batches, BATCHES),
        ("DisputeGame", dispute_game, DISPUTE_GAME),
        ("StepGame", step_game, STEP_GAME),
        ("Exits", exits, EXITS),
    ] {
        let expected = ahead(count);
        if found != expected {
            return Err(DeployError::Elsewhere { contract, found, expected });
        }
    }
    Ok(Deployment {
        chain_id: node.chain_id(),
        block: to.first.unwrap_or_default(),
        sequencer,
        contracts: Contracts {
            vault,
            registry,
            inbox,
            assertions,
            batches,
            dispute_game,
            step_game,
            step_verifier,
            ledger_verifier,
            shape_verifier,
            exits,
            results,
            receipts,
        },
        parameters: *parameters,
    })
}

async fn domain(node: &L1, inbox: Address) -> Result<B256, L1Error> {
    node.call(inbox, &Inbox::DOMAINCall {}, alloy::eips::BlockId::latest()).await
}
