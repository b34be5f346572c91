//! An Ethereum node over HTTP, as something that hangs, forgets, lies and reorganises.
//!
//! [`L1`] asks it with a timeout and tries again; [`Sender`] gets one transaction after the other mined, whatever the
//! fees do; [`Follower`] turns heads into blocks that are new and blocks that are gone. What a service decides is a
//! function of blocks that it has seen, so none of them keeps anything that a restart would miss.

mod follow;
mod send;

use std::time::Duration;

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::{Provider, RootProvider};
use alloy::rpc::client::RpcClient;
use alloy::rpc::types::{Filter, Log, TransactionReceipt, TransactionRequest};
use alloy::sol_types::SolCall;
use alloy::transports::{RpcError, TransportErrorKind};

pub use follow::{Block, Follower, Step};
pub use send::{Fees, Included, Policy, SendError, Sender};

/// Why a node gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum L1Error {
    /// It cannot be reached, hangs, or its proxy fails: after all tries.
    #[error("the node at {url} does not answer: {why}; is it running, and is --l1-rpc right?")]
    Unreachable {
        /// Of the node, without its query.
        url: String,
        /// The last failure.
        why: String,
    },
    /// It refused.
    #[error("the node refused {method}: {why}")]
    Refused {
        /// Of JSON-RPC.
        method: &'static str,
        /// Its words.
        why: String,
        /// The contract's error, if a call reverted.
        revert: Option<Bytes>,
    },
    /// It is of another chain than the one that was configured.
    #[error("the node at {url} is of chain {found}, not of {expected}: --l1-rpc names the wrong node")]
    WrongChain {
        /// Of the node.
        url: String,
        /// What it says.
        found: u64,
        /// What was configured.
        expected: u64,
    },
    /// Its answer is not what the contract's ABI says.
    #[error("the answer of {method} cannot be read: {why}; are the contracts' addresses right?")]
    Unreadable {
        /// Of JSON-RPC, or the contract's function.
        method: &'static str,
        /// Why.
        why: String,
    },
}

impl L1Error {
    /// The contract's error, if that is what it was.
    pub fn revert(&self) -> Option<&Bytes> {
        match self {
            Self::Refused { revert, .. } => revert.as_ref(),
            _ => None,
        }
    }
}

/// How patient we are with a node.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For one answer.
    pub timeout: Duration,
    /// Tries after the first.
    pub retries: u32,
    /// Before the second try; doubled before each further one.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), retries: 4, pause: Duration::from_millis(250) }
    }
}

/// A node.
#[derive(Clone, Debug)]
pub struct L1 {
    provider: RootProvider,
    url: String,
    /// The URL's query: never shown.
    secret: String,
    chain_id: u64,
    patience: Patience,
}

impl L1 {
    /// Connects and checks that the node is of the right chain; any chain if `chain_id` is `None`.
    pub async fn connect(url: &str, chain_id: Option<u64>, patience: Patience) -> Result<Self, L1Error> {
        let parsed = url
            .parse()
            .map_err(|e| L1Error::Unreachable { url: url.to_owned(), why: format!("not a URL: {e}") })?;
        let provider = RootProvider::new(RpcClient::new_http(parsed));
        let (shown, secret) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
        let (url, secret) = (shown.to_owned(), if secret.is_empty() { "?" } else { secret }.to_owned());
        let mut node = Self { provider, url, secret, chain_id: 0, patience };
        let found = node.ask("eth_chainId", |p| async move { p.get_chain_id().await }).await?;
        node.chain_id = found;
        match chain_id {
            Some(expected) if expected != found => {
                Err(L1Error::WrongChain { url: node.url, found, expected })
            }
            _ => Ok(node),
        }
    }

    /// Is the node still of the chain that it was of: behind a URL there may be another one now.
    pub async fn check_chain(&self) -> Result<(), L1Error> {
        let found = self.ask("eth_chainId", |p| async move { p.get_chain_id().await }).await?;
        if found == self.chain_id {
            return Ok(());
        }
        Err(L1Error::WrongChain { url: self.url.clone(), found, expected: self.chain_id })
    }

    /// The chain's id.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Asks until there is an answer; a refusal is one.
    async fn ask<T, F>(
        &self,
        method: &'static str,
        question: impl Fn(RootProvider) -> F,
    ) -> Result<T, L1Error>
    where
        F: Future<Output = Result<T, RpcError<TransportErrorKind>>>,
    {
        let mut pause = self.patience.pause;
        let mut tries = self.patience.retries;
        loop {
            let why = match tokio::time::timeout(self.patience.timeout, question(self.provider.clone())).await
            {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(RpcError::ErrorResp(e))) if !e.is_retry_err() => {
                    return Err(L1Error::Refused {
                        method,
                        why: e.message.to_string(),
                        revert: e.as_revert_data(),
                    });
                }
                Ok(Err(e)) => e.to_string(),
                Err(_) => format!("no answer to {method} within {:?}", self.patience.timeout),
            };
            if tries == 0 {
                // The client's errors name the URL, and its query may hold a key.
                let why = why.replace(&self.secret, "");
                return Err(L1Error::Unreachable { url: self.url.clone(), why });
            }
            tries -= 1;
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
    }

    /// Calls a contract as of a block.
    pub async fn call<C: SolCall>(&self, to: Address, call: &C, at: BlockId) -> Result<C::Return, L1Error> {
        let request = TransactionRequest::default().with_to(to).with_input(call.abi_encode());
        let method = C::SIGNATURE;
        let bytes = self
            .ask("eth_call", |p| {
                let request = request.clone();
                async move { p.call(request).block(at).await }
            })
            .await?;
        C::abi_decode_returns(&bytes).map_err(|e| L1Error::Unreadable { method, why: e.to_string() })
    }

    /// A block's header, in short; `None` if the node has no such block.
    pub async fn block(&self, at: BlockId) -> Result<Option<Block>, L1Error> {
        let found = self.ask("eth_getBlock", |p| async move { p.get_block(at).await }).await?;
        Ok(found.map(|block| Block {
            number: block.header.number,
            hash: block.header.hash,
            parent: block.header.parent_hash,
            time: block.header.timestamp,
            base_fee: u128::from(block.header.base_fee_per_gas.unwrap_or_default()),
        }))
    }

    /// The newest block.
    pub async fn head(&self) -> Result<Block, L1Error> {
        let gone = || L1Error::Unreadable { method: "eth_getBlock", why: "no latest block".into() };
        self.block(BlockNumberOrTag::Latest.into()).await?.ok_or_else(gone)
    }

    /// Logs of some contracts in one block, by its hash: never those of another block of the same number.
    pub async fn logs(&self, block: B256, of: &[Address]) -> Result<Vec<Log>, L1Error> {
        let filter = Filter::new().at_block_hash(block).address(of.to_vec());
        let filter = &filter;
        self.ask("eth_getLogs", |p| async move { p.get_logs(filter).await }).await
    }

    /// Logs of some contracts in a range of blocks, in order; nodes refuse ranges that are too long for them. With `about`,
    /// only those with this first indexed field.
    pub async fn logs_between(
        &self,
        blocks: std::ops::RangeInclusive<u64>,
        of: &[Address],
        about: Option<B256>,
    ) -> Result<Vec<Log>, L1Error> {
        let mut filter = Filter::new().select(blocks).address(of.to_vec());
        if let Some(about) = about {
            filter = filter.topic1(about);
        }
        let filter = &filter;
        self.ask("eth_getLogs", |p| async move { p.get_logs(filter).await }).await
    }

    /// The calldata of a transaction.
    pub async fn calldata(&self, hash: B256) -> Result<Option<Bytes>, L1Error> {
        use alloy::consensus::Transaction;
        let found = self
            .ask("eth_getTransactionByHash", |p| async move { p.get_transaction_by_hash(hash).await })
            .await?;
        Ok(found.map(|tx| tx.input().clone()))
    }

    /// An account's balance in wei.
    pub async fn balance(&self, account: Address) -> Result<U256, L1Error> {
        self.ask("eth_getBalance", |p| async move { p.get_balance(account).await }).await
    }

    /// The number of an account's mined transactions: the nonce of its next one.
    pub(crate) async fn nonce(&self, account: Address) -> Result<u64, L1Error> {
        let latest = BlockId::latest();
        self.ask("eth_getTransactionCount", |p| async move {
            p.get_transaction_count(account).block_id(latest).await
        })
        .await
    }

    /// What a transaction needs; an error with the contract's reason if it would revert.
    async fn estimate(&self, request: &TransactionRequest) -> Result<u64, L1Error> {
        let latest = BlockId::latest();
        self.ask("eth_estimateGas", |p| {
            let request = request.clone();
            async move { p.estimate_gas(request).block(latest).await }
        })
        .await
    }

    /// Base fee to allow for and tip to offer, in wei a gas.
    async fn fees(&self) -> Result<(u128, u128), L1Error> {
        let estimate = self.ask("eth_feeHistory", |p| async move { p.estimate_eip1559_fees().await }).await?;
        Ok((estimate.max_fee_per_gas, estimate.max_priority_fee_per_gas))
    }

    async fn send_raw(&self, bytes: &[u8]) -> Result<(), L1Error> {
        self.ask("eth_sendRawTransaction", |p| async move { p.send_raw_transaction(bytes).await.map(|_| ()) })
            .await
    }

    /// A transaction's receipt; `None` if it is not mined, or not any more.
    pub async fn receipt(&self, hash: B256) -> Result<Option<TransactionReceipt>, L1Error> {
        self.ask("eth_getTransactionReceipt", |p| async move { p.get_transaction_receipt(hash).await }).await
    }
}
