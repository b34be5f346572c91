//! What an operator decides.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What it does with what it finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Says it; sends nothing.
    #[default]
    Watch,
    /// Disputes what is wrong, with its own funds; and answers questions about what is right where that earns something.
    Challenge,
    /// Answers for assertions whose defender or proposer it is.
    Defend,
}

/// How a defender of a wrong assertion answers: for demonstrations on a development chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cheat {
    /// By a trace with a made-up hash where the wrong output is.
    GarbageTrace,
    /// By a trace in which the wrong output is what the model gives.
    FalseElement,
    /// Not at all.
    Silence,
}

/// Everything about one challenger but its key. A field that is left out has its default.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// URL of an Ethereum node.
    pub l1: String,
    /// File of `refute rollup deploy`.
    pub deployment: PathBuf,
    /// Folders of the models that it can check.
    pub models: Vec<PathBuf>,
    /// What it does.
    pub mode: Mode,
    /// The keystore file of the account that pays.
    pub keystore: Option<PathBuf>,
    /// The file with the keystore's password.
    pub password_file: Option<PathBuf>,
    /// Where `/healthz`, `/readyz` and `/metrics` are.
    pub listen: SocketAddr,
    /// First block to read; that of the deployment if it is not given. What lies before it must hold nothing of the rollup.
    pub from_block: Option<u64>,
    /// Threads of an engine; all processors if it is not given.
    pub threads: Option<usize>,
    /// Blocks on top of and including an assertion's, until it is disputed.
    pub confirmations: u64,
    /// Deepest reorganisation that is followed without reading everything again, in blocks.
    pub depth: usize,
    /// Milliseconds between two looks at the node.
    pub poll_ms: u64,
    /// The most that is paid for a gas, in gwei, base fee and tip together.
    pub max_fee_gwei: u32,
    /// Milliseconds without inclusion after which a transaction is replaced by one that pays more, up to that.
    pub raise_after_ms: u64,
    /// Most positions of all sequences that are checked at once.
    pub positions: usize,
    /// Withdraw what the vault owes to the account, whenever no game of its own is open.
    pub sweep: bool,
    /// Development chains only.
    pub cheat: Option<Cheat>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            l1: "http://127.0.0.1:8545".into(),
            deployment: "deployment.json".into(),
            models: Vec::new(),
            mode: Mode::Watch,
            keystore: None,
            password_file: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            from_block: None,
            threads: None,
            confirmations: 1,
            depth: 128,
            poll_ms: 1000,
            max_fee_gwei: 500,
            raise_after_ms: 36_000,
            positions: 4096,
            sweep: false,
            cheat: None,
        }
    }
}
