//! The rollup's contracts on a chain where the twin's rules and models hold: the inbox is at the rules' address, prices are in force
//! from the registry's times on. Inbox and chain of assertions are the real ones; of their history only the result is written.

use alloy::primitives::{Address, B256, Bytes, FixedBytes, U256, keccak256};
use alloy::sol_types::SolValue;
use bindings::assertions::Assertions;
use bindings::batches::Batches::{self, Derived};
use bindings::inbox::Inbox::{self, RollupConfig};
use bindings::ledger_verifier::LedgerVerifier::{self, StepParts};
use bindings::model_registry::ModelRegistry::{self, ModelHeader};
use bindings::shape_verifier::ShapeVerifier;
use bisection::ledger::shape::ModelProof;
use bisection::ledger::{Parent, Price, Rules, StepLeaf};
use bisection::{Hash, tagged};

use crate::evm::{DEPLOYER, Evm};

const PRICE_DELAY: u64 = 1_000;
const PARENT_ID: B256 = B256::repeat_byte(0xa5);

pub(crate) struct Stage {
    pub(crate) evm: Evm,
    pub(crate) rules: Rules,
    pub(crate) registry: Address,
    pub(crate) inbox: Address,
    assertions: Address,
    batches: Address,
    ledger: Address,
    shape: Address,
    /// Index whose time was written last.
    left: u64,
}

/// What the inbox holds: all that posting reads of it.
pub(crate) struct Queue {
    /// Entries.
    pub(crate) count: u64,
    /// Accumulators by index.
    pub(crate) accumulators: Vec<(u64, Hash)>,
    /// Time of the entry at an index; 0 if there is none.
    pub(crate) left: (u64, u64),
}

impl Stage {
    /// `models`: each with its prices in order.
    pub(crate) fn new(rules: Rules, models: &[(ModelProof, Vec<Price>)]) -> Self {
        let mut evm = Evm::new(rules.domain.chain_id());
        let registry =
            evm.deploy(&ModelRegistry::BYTECODE, &(DEPLOYER, PRICE_DELAY, PRICE_DELAY, 0u64).abi_encode());
        for (model, prices) in models {
            let id = announce(&mut evm, registry, model);
            for price in prices {
                evm.now = price.from - PRICE_DELAY;
                let call = ModelRegistry::scheduleCall {
                    model: id,
                    priceIn: price.price_in,
                    priceOut: price.price_out,
                };
                evm.send(registry, &call);
            }
        }
        let inbox = Address::from(rules.domain.inbox());
        let config = RollupConfig {
            slack: rules.slack,
            forceDelay: rules.force_delay,
            grace: 3_600,
            expire: rules.expire,
            forcedEntries: rules.forced_entries as u32,
            entryTokens: 8_192,
            tokensPerHour: 200_000,
            entryFee: rules.entry_fee,
            minDeposit: 1,
        };
        let arguments = (config, registry, Address::ZERO, Address::ZERO).abi_encode_params();
        evm.deploy_at(inbox, &Inbox::BYTECODE, &arguments);
        let arguments = (
            Address::repeat_byte(1),
            Address::repeat_byte(2),
            inbox,
            Address::repeat_byte(3),
            Vec::<Address>::new(),
            DEPLOYER,
        );
        let assertions = evm.deploy(&Assertions::BYTECODE, &arguments.abi_encode_params());
        let batches = evm.deploy(&Batches::BYTECODE, &(registry, inbox, assertions).abi_encode());
        let domain = evm.ask(inbox, &Inbox::DOMAINCall {}).unwrap();
        assert_eq!(domain.0, rules.domain.separator().0, "the inbox signs in another domain");
        let fee = U256::from(rules.entry_fee);
        let ledger = evm.deploy(&LedgerVerifier::BYTECODE, &(domain, fee).abi_encode());
        let shape = evm.deploy(&ShapeVerifier::BYTECODE, &[]);
        Self { evm, rules, registry, inbox, assertions, batches, ledger, shape, left: 0 }
    }

    /// What the registry holds of a model: kind, bits of a token, context, vocabulary.
    pub(crate) fn model(&mut self, id: Hash) -> (u8, u8, u32, u32) {
        let m = self.evm.ask(self.registry, &ModelRegistry::modelsCall { model: id.0.into() }).unwrap();
        assert!(m.announced);
        (m.kind, m.tokenBits, m.context, m.vocabulary)
    }

    /// The head of the chain and the inbox.
    pub(crate) fn set(&mut self, parent: &Parent, queue: &Queue) {
        let at = self.assertions;
        let height = 1u64;
        self.evm.store(at, U256::from(5), U256::from(height));
        self.evm.store(at, slot(U256::from(height), 1), U256::from_be_bytes(PARENT_ID.0));
        let derived = slot(U256::from_be_bytes(PARENT_ID.0), 2) + U256::from(2);
        self.evm.store(at, derived + U256::from(3), U256::from_be_bytes(parent.root.0));
        self.evm.store(at, derived + U256::from(4), U256::from(parent.cursor) << 48);
        let tip = self.evm.ask(at, &Assertions::tipCall {}).unwrap();
        assert_eq!((tip.assertion, tip.stateRoot.0, tip.cursor), (PARENT_ID, parent.root.0, parent.cursor));

        let at = self.inbox;
        self.evm.store(at, U256::ZERO, U256::from(queue.count));
        for (index, acc) in [(parent.cursor, parent.inbox)].iter().chain(&queue.accumulators) {
            self.evm.store(at, slot(U256::from(*index), 1), U256::from_be_bytes(acc.0));
            let there = self.evm.ask(at, &Inbox::accumulatorCall { index: *index }).unwrap();
            assert_eq!(there.0, acc.0);
        }
        let before = std::mem::replace(&mut self.left, queue.left.0);
        self.evm.store(at, slot(U256::from(before), 2), U256::ZERO);
        let (index, time) = queue.left;
        self.evm.store(at, slot(U256::from(index), 2), U256::from(time));
        assert_eq!(self.evm.ask(at, &Inbox::timeOfCall { index }).unwrap(), time);
        assert_eq!(self.evm.ask(at, &Inbox::countCall {}).unwrap(), queue.count);
    }

    /// What posting some bytes on the parent derives at a time; or the error.
    pub(crate) fn derive(&mut self, now: u64, data: &[u8]) -> Result<Derived, Bytes> {
        self.derive_on(PARENT_ID, now, data)
    }

    /// The genesis of the chain.
    pub(crate) fn genesis(&mut self) -> B256 {
        self.evm.ask(self.assertions, &Assertions::chainCall { height: U256::ZERO }).unwrap()
    }

    /// The same on the head that is named.
    pub(crate) fn derive_on(&mut self, parent: B256, now: u64, data: &[u8]) -> Result<Derived, Bytes> {
        self.evm.now = now;
        let call = Batches::deriveCall { parent, data: data.to_vec().into() };
        self.evm.ask(self.batches, &call)
    }

    /// The state root after a step.
    pub(crate) fn execute(
        &mut self,
        pre: Hash,
        body: &[u8],
        time: u64,
        witness: &[u8],
    ) -> Result<Hash, Bytes> {
        let (pre, data, witness) = (pre.0.into(), body.to_vec().into(), witness.to_vec().into());
        let call = LedgerVerifier::executeCall { pre, data, time, witness };
        self.evm.ask(self.ledger, &call).map(|root| Hash(root.0))
    }

    /// Is a step proven.
    pub(crate) fn prove(&mut self, leaf: &StepLeaf, time: u64, witness: &[u8]) -> Result<(), Bytes> {
        let (pre, post) = (leaf.pre.0.into(), leaf.post.0.into());
        let parts = StepParts { pre, post, data: leaf.body.encode().into() };
        let call = LedgerVerifier::proveCall { parts, time, witness: witness.to_vec().into() };
        self.evm.ask(self.ledger, &call).map(|_| ())
    }

    /// Is a token proven.
    pub(crate) fn shape(&mut self, body: &[u8], index: u32, witness: &[u8]) -> Result<(), Bytes> {
        let (data, witness) = (body.to_vec().into(), witness.to_vec().into());
        self.evm.ask(self.shape, &ShapeVerifier::proveCall { data, index, witness }).map(|_| ())
    }
}

fn announce(evm: &mut Evm, registry: Address, model: &ModelProof) -> FixedBytes<32> {
    let header = ModelHeader {
        nodes: model.nodes,
        constants: model.constants,
        nodesRoot: model.nodes_root.0.into(),
        constantsRoot: model.constants_root.0.into(),
        interfaceHash: tagged(b"rf.iface", &[&model.interface]).0.into(),
    };
    let encoded = model.interface.clone().into();
    let id = evm.send(registry, &ModelRegistry::announceCall { header, encoded });
    assert_eq!(id.0, model.id().0);
    id
}

/// Where a mapping at a slot has a key.
fn slot(key: U256, mapping: u64) -> U256 {
    U256::from_be_bytes(keccak256((key, U256::from(mapping)).abi_encode()).0)
}

/// The fields of both derivations that are stored.
pub(crate) fn same(ours: &bisection::ledger::Derived, theirs: &Derived) -> bool {
    let hashes = [ours.batch_hash, ours.items_root, ours.steps_root, ours.state_root];
    let others = [theirs.batchHash, theirs.itemsRoot, theirs.stepsRoot, theirs.stateRoot];
    hashes.map(|hash| hash.0) == others.map(|hash| hash.0)
        && (ours.time, ours.cursor, ours.epoch, ours.first_number)
            == (theirs.time.to::<u64>(), theirs.cursor, theirs.epoch, theirs.firstNumber)
        && (ours.items, ours.steps.len(), ours.entries)
            == (theirs.items.into(), theirs.steps.into(), theirs.entries.into())
}
