//! What an operator decides.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy::primitives::{Address, B256, b256};
use alloy::signers::local::PrivateKeySigner;
use executor::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::api::serve::Connections;
use crate::engine::Limits;
use crate::flow::Terms;
use crate::l1::Cheat;
use crate::service::StartError;

/// The second account of anvil and hardhat.
const DEV_SIGNER: B256 = b256!("0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d");

/// Everything about one sequencer but its key. A field that is left out has its default.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// `sqlite:PATH` or `postgres://...`.
    pub store: String,
    /// The chain that signatures are for.
    pub chain_id: u64,
    /// The contract that signatures are for.
    pub inbox: Address,
    /// Whose numbers. A sequencer that has lost its store begins another epoch.
    pub epoch: u32,
    /// Who posts; the signer of receipts if it is not given.
    pub proposer: Option<Address>,
    /// The keystore file of the key that signs receipts.
    pub keystore: Option<PathBuf>,
    /// The file with the keystore's password.
    pub password_file: Option<PathBuf>,
    /// What is served.
    pub models: Vec<ModelConfig>,
    /// Who computes: `native`, `torch` or `reference`; every one gives the same bits.
    pub backend: Backend,
    /// Accounts that exist without a deposit, as long as nothing is posted.
    pub accounts: Vec<AccountConfig>,
    /// Jobs of a model that run together.
    pub sequences: usize,
    /// Jobs of one account that run together.
    pub sequences_per_account: usize,
    /// Positions of all jobs of a model that run together.
    pub positions: usize,
    /// Jobs of a model that wait.
    pub waiting: usize,
    /// Jobs of one account that wait.
    pub waiting_per_account: usize,
    /// Prompt tokens by which running streams may be held up at a time.
    pub prefill: usize,
    /// Most output tokens where a request says nothing.
    pub default_max_tokens: u32,
    /// Most bytes of a body.
    pub body_bytes: usize,
    /// Seconds for which a request that is signed for a key is valid.
    pub validity: u64,
    /// Seconds within which a receipt promises to be posted.
    pub promise: u64,
    /// Connections at once.
    pub connections: usize,
    /// Seconds for a request's head, and for an idle connection.
    pub head_timeout: u64,
    /// Seconds for a reader to take anything.
    pub write_timeout: u64,
    /// Seconds for open requests to end when the sequencer stops.
    pub drain: u64,
    /// A funded account with a known key, for trying things out. Listens to this machine only.
    pub dev: bool,
    /// URL of an Ethereum node. With it batches are posted, and accounts come from deposits on L1 alone.
    pub l1: Option<String>,
    /// The file that says where the rollup is on L1. Chain and inbox are those.
    pub deployment: Option<PathBuf>,
    /// Blocks on top of and including a deposit's, until it counts.
    pub confirmations: u64,
    /// The keystore file of the key that posts; the one that signs receipts if it is not given.
    pub proposer_keystore: Option<PathBuf>,
    /// The file with that keystore's password.
    pub proposer_password_file: Option<PathBuf>,
    /// Who may answer challenges besides the proposer.
    pub defender: Option<Address>,
    /// Seconds that an item waits for others to be posted with.
    pub batch_seconds: u64,
    /// Most signed items of a batch.
    pub batch_items: usize,
    /// Most gas of a batch.
    pub batch_gas: u64,
    /// Most gwei for a gas.
    pub max_fee_gwei: u64,
    /// Seconds without inclusion until a transaction's fee is raised.
    pub raise_seconds: u64,
    /// Milliseconds between two looks at L1.
    pub l1_poll_ms: u64,
    /// Claim what final batches earned.
    pub claim_fees: bool,
    /// Post something wrong, once: on a development chain alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cheat: Option<Cheat>,
}

/// A model.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// What requests call it; the folder's name if it is not given.
    pub name: Option<String>,
    /// Its folder; `echo` or `echo-vector` for a model that echoes.
    pub path: PathBuf,
    /// Wei for a prompt token.
    #[serde(default)]
    pub price_in: u64,
    /// Wei for an output token.
    #[serde(default)]
    pub price_out: u64,
    /// Threads of its engine; all processors if it is not given.
    pub threads: Option<usize>,
    /// Who computes this one.
    pub backend: Option<Backend>,
}

/// An account.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    /// Whose.
    pub owner: Address,
    /// Decimal wei.
    pub balance: String,
}

impl Default for Config {
    fn default() -> Self {
        let limits = Limits::default();
        let connections = Connections::default();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            store: "sqlite:refute-sequencer.db".into(),
            chain_id: 31_337,
            inbox: Address::ZERO,
            epoch: 0,
            proposer: None,
            keystore: None,
            password_file: None,
            models: Vec::new(),
            backend: Backend::default(),
            accounts: Vec::new(),
            sequences: limits.sequences,
            sequences_per_account: limits.per_agent,
            positions: limits.positions,
            waiting: limits.waiting,
            waiting_per_account: limits.waiting_per_agent,
            prefill: limits.prefill,
            default_max_tokens: 1024,
            body_bytes: 2 << 20,
            validity: 86_400,
            promise: 3600,
            connections: connections.most,
            head_timeout: connections.head.as_secs(),
            write_timeout: connections.write.as_secs(),
            drain: 30,
            dev: false,
            l1: None,
            deployment: None,
            confirmations: 12,
            proposer_keystore: None,
            proposer_password_file: None,
            defender: None,
            batch_seconds: 60,
            batch_items: 400,
            batch_gas: 14_000_000,
            max_fee_gwei: 200,
            raise_seconds: 36,
            l1_poll_ms: 2000,
            claim_fees: true,
            cheat: None,
        }
    }
}

/// Opens a keystore; `flag` names the password's file.
fn decrypt(keystore: &Path, file: Option<&PathBuf>, flag: &str) -> Result<PrivateKeySigner, StartError> {
    let wrong = StartError::Config;
    let file = file.ok_or_else(|| wrong(format!("the keystore needs its {flag}")))?;
    let password = std::fs::read_to_string(file)
        .map_err(|e| wrong(format!("cannot read the password file {}: {e}", file.display())))?;
    PrivateKeySigner::decrypt_keystore(keystore, password.trim_end_matches(['\n', '\r']))
        .map_err(|e| wrong(format!("cannot open the keystore {}: {e}", keystore.display())))
}

impl Config {
    /// The key that signs receipts: the keystore's, or in dev mode one that everybody knows.
    pub fn signer(&self) -> Result<PrivateKeySigner, StartError> {
        let wrong = StartError::Config;
        let Some(keystore) = &self.keystore else {
            if self.dev {
                return PrivateKeySigner::from_bytes(&DEV_SIGNER).map_err(|e| wrong(e.to_string()));
            }
            let message = "no key to sign receipts with: name a keystore with --keystore and its password's file with \
                           --password-file (`refute keystore` makes one), or try things out with --dev";
            return Err(wrong(message.into()));
        };
        decrypt(keystore, self.password_file.as_ref(), "--password-file")
    }

    /// The key that posts, if it is another than the one that signs receipts.
    pub fn proposer_signer(&self) -> Result<Option<PrivateKeySigner>, StartError> {
        let file = self.proposer_password_file.as_ref();
        let keystore = self.proposer_keystore.as_ref();
        keystore.map(|keystore| decrypt(keystore, file, "--proposer-password-file")).transpose()
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            sequences: self.sequences.max(1),
            per_agent: self.sequences_per_account.max(1),
            positions: self.positions,
            waiting: self.waiting,
            waiting_per_agent: self.waiting_per_account,
            prefill: self.prefill,
        }
    }

    pub(crate) fn terms(&self) -> Terms {
        Terms {
            default_max_tokens: self.default_max_tokens.max(1),
            validity: self.validity,
            margin: self.promise,
            body_bytes: self.body_bytes,
        }
    }

    pub(crate) fn connections(&self) -> Connections {
        Connections {
            most: self.connections.max(1),
            head: Duration::from_secs(self.head_timeout.max(1)),
            write: Duration::from_secs(self.write_timeout.max(1)),
        }
    }
}
