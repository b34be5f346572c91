//! A chain of one machine, in memory: every transaction is a block of its own, the clock is moved by hand.
//!
//! For whole games without a node (`refute dispute`), for tests, and for trying a move before paying for it. Gas is what
//! a mainnet node would charge: intrinsic cost, the calldata floor, refunds.

use alloy::primitives::{Address, Bytes, Log, TxKind, U256};
use alloy::sol_types::{SolCall, SolInterface};
use revm::context::result::{ExecutionResult, Output};
use revm::context::{BlockEnv, CfgEnv, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::hardfork::SpecId;
use revm::state::AccountInfo;
use revm::{Context, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext};

/// Most gas of a transaction (EIP-7825).
pub const TRANSACTION_GAS_MAX: u64 = 16_777_216;
/// Base fee of every block, in wei.
pub const BASE_FEE: u64 = 1_000_000_000;

/// A transaction that did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    /// The contract refused, with the error's encoding.
    #[error("reverted: {data} (gas {gas})")]
    Reverted {
        /// Selector and arguments of the contract's error.
        data: Bytes,
        /// Gas used.
        gas: u64,
    },
    /// The EVM stopped it.
    #[error("halted: {0}")]
    Halted(String),
    /// It could not be a transaction at all.
    #[error("invalid transaction: {0}")]
    Invalid(String),
    /// The contract's answer is not what its ABI says.
    #[error("the answer cannot be decoded: {0}")]
    Decode(String),
}

impl LocalError {
    /// The contract's error, if it is one of `E`.
    pub fn reason<E: SolInterface>(&self) -> Option<E> {
        match self {
            Self::Reverted { data, .. } => E::abi_decode(data).ok(),
            _ => None,
        }
    }
}

/// What a transaction did.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// Gas charged.
    pub gas: u64,
    /// Bytes of calldata.
    pub calldata: usize,
    /// Its events.
    pub logs: Vec<Log>,
    /// What the call returned.
    pub output: Bytes,
    /// The contract that it made, if any.
    pub created: Option<Address>,
}

/// The chain.
#[derive(Clone, Debug)]
pub struct Chain {
    db: CacheDB<EmptyDB>,
    number: u64,
    now: u64,
}

impl Default for Chain {
    fn default() -> Self {
        Self { db: CacheDB::new(EmptyDB::new()), number: 1, now: 1_800_000_000 }
    }
}

impl Chain {
    /// The present block's timestamp in seconds.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Moves the clock.
    pub fn advance(&mut self, seconds: u64) {
        self.now = self.now.saturating_add(seconds);
        self.number = self.number.saturating_add(1);
    }

    /// Gives an account its balance.
    pub fn fund(&mut self, account: Address, wei: U256) {
        let mut info: AccountInfo = self.account(account);
        info.balance = wei;
        self.db.insert_account_info(account, info);
    }

    /// An account's balance in wei.
    pub fn balance(&self, account: Address) -> U256 {
        self.account(account).balance
    }

    fn account(&self, account: Address) -> AccountInfo {
        self.db.cache.accounts.get(&account).map(|a| a.info.clone()).unwrap_or_default()
    }

    /// Deploys a contract: creation code with its arguments appended.
    pub fn deploy(&mut self, from: Address, code: Bytes) -> Result<(Address, u64), LocalError> {
        let receipt = self.transact(from, TxKind::Create, code, U256::ZERO, true)?;
        let address = receipt.created.ok_or_else(|| LocalError::Decode("no contract".into()))?;
        Ok((address, receipt.gas))
    }

    /// Sends a call and keeps what it did.
    pub fn send<C: SolCall>(
        &mut self,
        from: Address,
        to: Address,
        call: &C,
        value: U256,
    ) -> Result<Receipt, LocalError> {
        self.send_raw(from, to, call.abi_encode().into(), value)
    }

    /// Sends bytes and keeps what they did.
    pub fn send_raw(
        &mut self,
        from: Address,
        to: Address,
        data: Bytes,
        value: U256,
    ) -> Result<Receipt, LocalError> {
        self.transact(from, TxKind::Call(to), data, value, true)
    }

    /// Sends bytes and forgets what they did: what a move would cost, and whether it would revert.
    pub fn simulate(
        &mut self,
        from: Address,
        to: Address,
        data: Bytes,
        value: U256,
    ) -> Result<Receipt, LocalError> {
        self.transact(from, TxKind::Call(to), data, value, false)
    }

    /// Asks without a transaction.
    pub fn call<C: SolCall>(&mut self, to: Address, call: &C) -> Result<C::Return, LocalError> {
        let receipt = self.simulate(Address::ZERO, to, call.abi_encode().into(), U256::ZERO)?;
        C::abi_decode_returns(&receipt.output).map_err(|e| LocalError::Decode(e.to_string()))
    }

    fn transact(
        &mut self,
        from: Address,
        kind: TxKind,
        data: Bytes,
        value: U256,
        keep: bool,
    ) -> Result<Receipt, LocalError> {
        let calldata = data.len();
        let free = from == Address::ZERO;
        let tx = TxEnv::builder()
            .caller(from)
            .kind(kind)
            .data(data)
            .value(value)
            .gas_limit(TRANSACTION_GAS_MAX)
            .gas_price(if free { 0 } else { u128::from(BASE_FEE) })
            .nonce(self.account(from).nonce)
            .build()
            .map_err(|e| LocalError::Invalid(format!("{e:?}")))?;
        let block = BlockEnv {
            number: U256::from(self.number),
            timestamp: U256::from(self.now),
            basefee: if free { 0 } else { BASE_FEE },
            gas_limit: 4 * TRANSACTION_GAS_MAX,
            ..BlockEnv::default()
        };
        let mut evm = Context::mainnet()
            .with_db(&mut self.db)
            .with_block(block)
            .with_cfg(CfgEnv::new_with_spec(SpecId::OSAKA))
            .build_mainnet();
        let result = if keep {
            evm.transact_commit(tx).map_err(|e| LocalError::Invalid(e.to_string()))?
        } else {
            evm.transact(tx).map_err(|e| LocalError::Invalid(e.to_string()))?.result
        };
        if keep {
            self.number = self.number.saturating_add(1);
        }
        receipt(result, calldata)
    }
}

fn receipt(result: ExecutionResult, calldata: usize) -> Result<Receipt, LocalError> {
    let gas = result.tx_gas_used();
    match result {
        ExecutionResult::Success { logs, output, .. } => {
            let created = match &output {
                Output::Create(_, address) => *address,
                Output::Call(_) => None,
            };
            Ok(Receipt { gas, calldata, logs, output: output.into_data(), created })
        }
        ExecutionResult::Revert { output, .. } => Err(LocalError::Reverted { data: output, gas }),
        ExecutionResult::Halt { reason, .. } => Err(LocalError::Halted(format!("{reason:?}"))),
    }
}
