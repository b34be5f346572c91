//! Getting transactions mined: one at a time, each at one nonce, with fees that rise until it is.

use std::time::Duration;

use alloy::eips::eip2718::Encodable2718;
use alloy::network::{EthereumWallet, NetworkTransactionBuilder, TransactionBuilder};
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{L1, L1Error};
use crate::local::TRANSACTION_GAS_MAX;

/// What to offer for a gas, in wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// Base fee and tip together, at most.
    pub max: u128,
    /// The tip.
    pub tip: u128,
}

impl Fees {
    /// Both a little more than a node asks of a replacement (10 %), within a limit.
    fn raised(self, limit: Self) -> Self {
        let more = |x: u128| x.saturating_add(x / 8).saturating_add(1);
        Self { max: more(self.max), tip: more(self.tip) }.within(limit)
    }

    fn within(self, limit: Self) -> Self {
        let max = self.max.min(limit.max);
        Self { max, tip: self.tip.min(limit.tip).min(max) }
    }

    fn at_least(self, other: Self) -> Self {
        Self { max: self.max.max(other.max), tip: self.tip.max(other.tip) }
    }
}

/// How a sender goes about it.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Never more than this.
    pub limit: Fees,
    /// Without inclusion for so long, fees rise by an eighth.
    pub raise_after: Duration,
    /// Blocks on top of and including the transaction's, until it counts as included; at least 1.
    pub confirmations: u64,
    /// Between two looks.
    pub poll: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            limit: Fees { max: 500_000_000_000, tip: 10_000_000_000 },
            raise_after: Duration::from_secs(36),
            confirmations: 1,
            poll: Duration::from_secs(2),
        }
    }
}

/// Looks at an account whose earlier transactions are gone, before what comes after them is given up.
const LOOKS_BEHIND: u32 = 5;

/// Why a transaction is not included.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It would revert, so it was not sent, or not any more: plan again from the chain's state.
    #[error("it would revert: {why}")]
    WouldRevert {
        /// The contract's error, if it gave one.
        data: Option<Bytes>,
        /// The node's words.
        why: String,
    },
    /// It was included and reverted: the state had changed since it was planned.
    #[error("it was included in {transaction} and reverted")]
    Reverted {
        /// Which.
        transaction: B256,
    },
    /// Another transaction of the account has its nonce: of an earlier life of this process, or of somebody with the
    /// same key. Plan again.
    #[error("another transaction of {account} took nonce {nonce}")]
    NonceTaken {
        /// Of the sender.
        account: Address,
        /// Which.
        nonce: u64,
    },
    /// A reorganisation took earlier transactions of the account, so that this one waits for a nonce that may never come.
    /// Plan again.
    #[error("earlier transactions of {account} are gone with a reorganisation")]
    NonceAhead {
        /// Of the sender.
        account: Address,
    },
    /// The account cannot pay.
    #[error("{account} cannot pay for it: {why}; send it some ether")]
    Funds {
        /// Of the sender.
        account: Address,
        /// The node's words.
        why: String,
    },
    /// The node refuses it for good, or does not answer.
    #[error(transparent)]
    Node(#[from] L1Error),
}

/// A transaction on the chain.
#[derive(Clone, Debug)]
pub struct Included {
    /// Its receipt.
    pub receipt: TransactionReceipt,
    /// How many times it was signed: 1, and 1 for each raise.
    pub signed: usize,
}

/// One account's transactions, one after the other.
///
/// Nothing is kept between transactions. Whoever drops a `send` under way, or is killed, plans again from the chain: the
/// next one has the same nonce if the first was not mined, and replaces it.
#[derive(Debug)]
pub struct Sender {
    node: L1,
    wallet: EthereumWallet,
    account: Address,
    policy: Policy,
    turn: Mutex<()>,
}

/// What the node said of a raw transaction.
enum Said {
    Taken,
    TooCheap,
    NonceLow,
}

impl Sender {
    /// For one key. Two senders with one key only delay each other.
    pub fn new(node: L1, key: PrivateKeySigner, policy: Policy) -> Self {
        let account = key.address();
        Self { node, wallet: EthereumWallet::from(key), account, policy, turn: Mutex::new(()) }
    }

    /// The account.
    pub fn account(&self) -> Address {
        self.account
    }

    /// Gets a call mined.
    ///
    /// Simulated first, and again before every raise: what would revert is not paid for.
    pub async fn send(&self, to: Address, data: Bytes, value: U256) -> Result<Included, SendError> {
        self.carry(TxKind::Call(to), data, value).await
    }

    /// Makes a contract of its creation code with the arguments behind it, and says where it is.
    pub async fn create(&self, code: Bytes) -> Result<(Address, Included), SendError> {
        let included = self.carry(TxKind::Create, code, U256::ZERO).await?;
        let none = || L1Error::Unreadable { method: "eth_getTransactionReceipt", why: "no address".into() };
        Ok((included.receipt.contract_address.ok_or_else(none)?, included))
    }

    async fn carry(&self, to: TxKind, data: Bytes, value: U256) -> Result<Included, SendError> {
        let _turn = self.turn.lock().await;
        let nonce = self.node.nonce(self.account).await?;
        let request = TransactionRequest::default()
            .with_from(self.account)
            .with_kind(to)
            .with_input(data)
            .with_value(value)
            .with_nonce(nonce)
            .with_chain_id(self.node.chain_id());
        let mut fees = self.market().await?;
        let mut sent: Vec<B256> = Vec::new();
        loop {
            let gas = match self.gas(&request).await {
                Ok(gas) => gas,
                // Replaced or mined meanwhile, a simulation says nothing of what is already on its way.
                Err(_) if !sent.is_empty() && self.node.nonce(self.account).await? > nonce => {
                    return self.included(&sent, nonce).await;
                }
                Err(e) => return Err(e),
            };
            let (hash, raw) = self.sign(&request, gas, fees).await?;
            // An answer may be lost after the node has acted: whatever was offered may be mined.
            sent.push(hash);
            match self.offer(&raw).await? {
                Said::Taken => {}
                Said::TooCheap if fees != fees.raised(self.policy.limit) => {
                    // Something of an earlier life is in its way: pay more than that.
                    fees = fees.raised(self.policy.limit);
                    continue;
                }
                Said::TooCheap => {}
                Said::NonceLow => return self.included(&sent, nonce).await,
            }
            if let Some(included) = self.watch(&sent, nonce, &raw).await? {
                return Ok(included);
            }
            fees = fees.raised(self.policy.limit).at_least(self.market().await?).within(self.policy.limit);
        }
    }

    /// What others pay now, within the limit.
    async fn market(&self) -> Result<Fees, SendError> {
        let (max, tip) = self.node.fees().await?;
        Ok(Fees { max, tip }.within(self.policy.limit))
    }

    /// Gas to allow, with a fifth to spare: state may change before it is mined.
    async fn gas(&self, request: &TransactionRequest) -> Result<u64, SendError> {
        match self.node.estimate(request).await {
            Ok(gas) => Ok(gas.saturating_add(gas / 5).min(TRANSACTION_GAS_MAX)),
            Err(L1Error::Refused { why, .. }) if is_about_funds(&why) => {
                Err(SendError::Funds { account: self.account, why })
            }
            Err(L1Error::Refused { why, revert, .. }) => Err(SendError::WouldRevert { data: revert, why }),
            Err(e) => Err(e.into()),
        }
    }

    async fn sign(
        &self,
        request: &TransactionRequest,
        gas: u64,
        fees: Fees,
    ) -> Result<(B256, Vec<u8>), SendError> {
        let tx = request
            .clone()
            .with_gas_limit(gas)
            .with_max_fee_per_gas(fees.max)
            .with_max_priority_fee_per_gas(fees.tip);
        let signed = tx
            .build(&self.wallet)
            .await
            .map_err(|e| L1Error::Unreadable { method: "signing", why: e.to_string() })?;
        Ok((*signed.tx_hash(), signed.encoded_2718()))
    }

    async fn offer(&self, raw: &[u8]) -> Result<Said, SendError> {
        match self.node.send_raw(raw).await {
            Ok(()) => Ok(Said::Taken),
            Err(L1Error::Refused { why, .. }) if is_known(&why) => Ok(Said::Taken),
            Err(L1Error::Refused { why, .. }) if is_too_cheap(&why) => Ok(Said::TooCheap),
            Err(L1Error::Refused { why, .. }) if is_nonce_low(&why) => Ok(Said::NonceLow),
            Err(L1Error::Refused { why, .. }) if is_about_funds(&why) => {
                Err(SendError::Funds { account: self.account, why })
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Waits for any of the transactions; `None` when it is time to raise the fees.
    async fn watch(&self, sent: &[B256], nonce: u64, raw: &[u8]) -> Result<Option<Included>, SendError> {
        let end = Instant::now() + self.policy.raise_after;
        let mut behind = 0;
        loop {
            tokio::time::sleep(self.policy.poll).await;
            if let Some((receipt, depth)) = self.find(sent).await? {
                if depth >= self.policy.confirmations.max(1) {
                    return outcome(receipt, sent.len()).map(Some);
                }
                // Mined: it needs time, not money.
                continue;
            }
            let next = self.node.nonce(self.account).await?;
            if next > nonce {
                return self.included(sent, nonce).await.map(Some);
            }
            // The node may still put them back.
            behind = if next < nonce { behind + 1 } else { 0 };
            if behind == LOOKS_BEHIND {
                return Err(SendError::NonceAhead { account: self.account });
            }
            if Instant::now() >= end {
                return Ok(None);
            }
            // A node forgets: what it has, it says it knows.
            self.offer(raw).await?;
        }
    }

    /// The nonce is used: by one of ours, or by another. A node may know the nonce before the receipt.
    async fn included(&self, sent: &[B256], nonce: u64) -> Result<Included, SendError> {
        let mut looks = 5;
        loop {
            match self.find(sent).await? {
                Some((receipt, depth)) if depth >= self.policy.confirmations.max(1) => {
                    return outcome(receipt, sent.len());
                }
                Some(_) => {}
                None if looks == 0 => {
                    return Err(SendError::NonceTaken { account: self.account, nonce });
                }
                None => looks -= 1,
            }
            tokio::time::sleep(self.policy.poll).await;
        }
    }

    /// The receipt of the one that was mined, if its block is still of the chain, and how deep it lies.
    async fn find(&self, sent: &[B256]) -> Result<Option<(TransactionReceipt, u64)>, SendError> {
        for hash in sent.iter().rev() {
            let Some(receipt) = self.node.receipt(*hash).await? else { continue };
            let (Some(number), Some(block)) = (receipt.block_number, receipt.block_hash) else { continue };
            // A receipt of a block that a reorganisation took is worth nothing.
            if self.node.block(number.into()).await?.is_none_or(|there| there.hash != block) {
                continue;
            }
            let head = self.node.head().await?.number;
            return Ok(Some((receipt, head.saturating_sub(number).saturating_add(1))));
        }
        Ok(None)
    }
}

fn outcome(receipt: TransactionReceipt, signed: usize) -> Result<Included, SendError> {
    if receipt.status() {
        Ok(Included { receipt, signed })
    } else {
        Err(SendError::Reverted { transaction: receipt.transaction_hash })
    }
}

// Nodes say the same in different words: geth, Nethermind, Besu, Erigon, reth, anvil.

fn says(why: &str, words: &[&str]) -> bool {
    let why = why.to_lowercase();
    words.iter().any(|word| why.contains(word))
}

fn is_known(why: &str) -> bool {
    says(why, &["already known", "already imported", "alreadyknown", "known transaction"])
}

fn is_too_cheap(why: &str) -> bool {
    says(
        why,
        &[
            "underpriced",
            "replacement",
            "fee too low",
            "feetoolow",
            "below base fee",
            "less than block base fee",
        ],
    )
}

fn is_nonce_low(why: &str) -> bool {
    says(why, &["nonce too low", "nonce is too low", "oldnonce", "nonce too small"])
}

fn is_about_funds(why: &str) -> bool {
    says(
        why,
        &["insufficient funds", "insufficientfunds", "insufficient balance", "doesn't have enough funds"],
    )
}
