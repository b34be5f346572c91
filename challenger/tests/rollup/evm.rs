//! An EVM of the vectors' chain: unlike `bindings::local` it can have any id, put a contract where it is said to be, and write what
//! a history that is not played would have left.

use alloy::primitives::{Address, Bytes, Log, TxKind, U256};
use alloy::sol_types::SolCall;
use revm::bytecode::Bytecode;
use revm::context::result::{ExecutionResult, Output};
use revm::context::{BlockEnv, CfgEnv, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::hardfork::SpecId;
use revm::state::AccountInfo;
use revm::{Context, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext};

pub(crate) const DEPLOYER: Address = Address::repeat_byte(0xde);
/// So much that no call that ends runs out of it.
const GAS: u64 = 1 << 40;

pub(crate) struct Evm {
    db: CacheDB<EmptyDB>,
    chain_id: u64,
    pub(crate) now: u64,
}

impl Evm {
    pub(crate) fn new(chain_id: u64) -> Self {
        Self { db: CacheDB::new(EmptyDB::new()), chain_id, now: 0 }
    }

    fn run(&mut self, from: Address, kind: TxKind, data: Bytes, keep: bool) -> ExecutionResult {
        self.run_with(from, kind, data, U256::ZERO, keep)
    }

    fn run_with(
        &mut self,
        from: Address,
        kind: TxKind,
        data: Bytes,
        wei: U256,
        keep: bool,
    ) -> ExecutionResult {
        let nonce = self.db.cache.accounts.get(&from).map_or(0, |a| a.info.nonce);
        let tx = TxEnv::builder()
            .caller(from)
            .kind(kind)
            .data(data)
            .value(wei)
            .gas_limit(GAS)
            .gas_price(0)
            .chain_id(Some(self.chain_id))
            .nonce(nonce)
            .build()
            .unwrap();
        let block = BlockEnv {
            timestamp: U256::from(self.now),
            basefee: 0,
            gas_limit: u64::MAX,
            ..BlockEnv::default()
        };
        let mut cfg = CfgEnv::new_with_spec(SpecId::OSAKA).with_chain_id(self.chain_id);
        cfg.tx_gas_limit_cap = Some(u64::MAX);
        let mut evm =
            Context::mainnet().with_db(&mut self.db).with_block(block).with_cfg(cfg).build_mainnet();
        if keep { evm.transact_commit(tx).unwrap() } else { evm.transact(tx).unwrap().result }
    }

    /// Deploys a contract wherever it comes to lie.
    pub(crate) fn deploy(&mut self, code: &Bytes, arguments: &[u8]) -> Address {
        match self.run(DEPLOYER, TxKind::Create, [code, arguments].concat().into(), true) {
            ExecutionResult::Success { output: Output::Create(_, Some(at)), .. } => at,
            other => panic!("not deployed: {other:?}"),
        }
    }

    /// Deploys a contract at an address: its constructor runs there, as if it had been created there.
    pub(crate) fn deploy_at(&mut self, at: Address, code: &Bytes, arguments: &[u8]) {
        self.put(at, [code, arguments].concat().into());
        match self.run(DEPLOYER, TxKind::Call(at), Bytes::new(), true) {
            ExecutionResult::Success { output: Output::Call(runtime), .. } => self.put(at, runtime),
            other => panic!("not deployed: {other:?}"),
        }
    }

    fn put(&mut self, at: Address, code: Bytes) {
        let info = AccountInfo { nonce: 1, ..AccountInfo::from_bytecode(Bytecode::new_raw(code)) };
        self.db.insert_account_info(at, info);
    }

    /// Writes a word of storage.
    pub(crate) fn store(&mut self, at: Address, slot: U256, word: U256) {
        self.db.insert_account_storage(at, slot, word).unwrap();
    }

    /// Sends a call with money, and its first event's data; the error's bytes if the contract refuses.
    pub(crate) fn pay<C: SolCall>(
        &mut self,
        from: Address,
        to: Address,
        call: &C,
        wei: U256,
    ) -> Result<(C::Return, Option<Log>), Bytes> {
        let mut info =
            self.db.cache.accounts.get(&from).map(|account| account.info.clone()).unwrap_or_default();
        info.balance += wei;
        self.db.insert_account_info(from, info);
        match self.run_with(from, TxKind::Call(to), call.abi_encode().into(), wei, true) {
            ExecutionResult::Success { output, logs, .. } => {
                Ok((C::abi_decode_returns(output.data()).unwrap(), logs.into_iter().next()))
            }
            ExecutionResult::Revert { output, .. } => Err(output),
            halted => panic!("{}: {halted:?}", C::SIGNATURE),
        }
    }

    /// Sends a call of anybody's.
    pub(crate) fn send<C: SolCall>(&mut self, to: Address, call: &C) -> C::Return {
        match self.run(DEPLOYER, TxKind::Call(to), call.abi_encode().into(), true) {
            ExecutionResult::Success { output, .. } => C::abi_decode_returns(output.data()).unwrap(),
            other => panic!("{}: {other:?}", C::SIGNATURE),
        }
    }

    /// Asks; the error's bytes if the contract refuses. Nothing else is an answer: least of all running out of gas.
    pub(crate) fn ask<C: SolCall>(&mut self, to: Address, call: &C) -> Result<C::Return, Bytes> {
        match self.run(DEPLOYER, TxKind::Call(to), call.abi_encode().into(), false) {
            ExecutionResult::Success { output, .. } => Ok(C::abi_decode_returns(output.data()).unwrap()),
            ExecutionResult::Revert { output, .. } => Err(output),
            halted => panic!("{}: {halted:?}", C::SIGNATURE),
        }
    }
}
