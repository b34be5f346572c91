//! A whole rollup on this machine: an L1 node, the contracts, models, a sequencer, a challenger, a defender and an agent
//! with money; each service a process of its own, started as operators start it.

mod keys;
mod node;
mod processes;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use alloy::primitives::U256;
use anyhow::Context;
use bindings::deployment::{Deployment, Parameters, deploy};
use bindings::l1::{L1, Sender};
use executor::backend::Backend;
use executor::model::Model;

pub(crate) use keys::Role;
use keys::{keystore, password_file};
pub(crate) use node::Node;
use node::free_port;
use processes::Process;

use crate::api::Api;
use crate::command::rollup::{Order, announce_model, bond, deposit, make_key};
use crate::failure::bad_input;
use crate::wallet::{connect, patient};

const ETHER: u64 = 1_000_000_000_000_000_000;
/// Wei for a prompt token and an output token.
const PRICES: (u64, u64) = (2_000_000_000, 4_000_000_000);
/// Seconds between blocks.
const BLOCK_SECONDS: u64 = 1;

/// What a devnet is made of.
#[derive(Clone)]
pub(crate) struct Options {
    /// State and logs; emptied at the start.
    pub(crate) folder: PathBuf,
    /// Name and folder of each model.
    pub(crate) models: Vec<(String, PathBuf)>,
    /// The node's program.
    pub(crate) anvil: Option<PathBuf>,
    /// Who computes in the sequencer. The challenger is always `native`.
    pub(crate) backend: Backend,
    /// The sequencer's port; any free one if 0.
    pub(crate) port: u16,
    /// The node's.
    pub(crate) l1_port: u16,
}

/// What the proposer does wrong, once, with the first inference that it posts; and what its defender does then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lie {
    /// `--cheat` of the sequencer.
    pub(crate) sequencer: &'static str,
    /// `--cheat` of the defender.
    pub(crate) defender: Option<&'static str>,
}

/// A running devnet. Everything ends with it.
pub(crate) struct Devnet {
    options: Options,
    pub(crate) node: Node,
    pub(crate) l1: L1,
    pub(crate) deployment: Deployment,
    pub(crate) api: Api,
    pub(crate) url: String,
    /// The agent's API key.
    pub(crate) key: String,
    sequencer: Option<Process>,
    challenger: Option<Process>,
    defender: Option<Process>,
    port: u16,
}

impl Devnet {
    /// Starts everything, and returns when questions can be asked.
    pub(crate) async fn start(options: Options, mut say: impl FnMut(&str)) -> anyhow::Result<Self> {
        empty(&options.folder)?;
        let models = open_models(&options.models)?;
        keys::write_all(&options.folder)?;
        let l1_port = if options.l1_port == 0 { free_port()? } else { options.l1_port };
        let port = if options.port == 0 { free_port()? } else { options.port };
        say("starting the L1 node");
        let node = Node::start(&options.folder, options.anvil.as_deref(), l1_port).await?;
        let l1 = connect(&node.url, None).await?;
        let owner = Sender::new(l1.clone(), Role::Owner.key()?, patient());
        say("deploying the contracts");
        let (owns, proposes) = (Role::Owner.address()?, Role::Sequencer.address()?);
        let deployment = deploy(&l1, &owner, &Parameters::devnet(), owns, proposes).await?;
        deployment.save(&options.folder.join("deployment.json"))?;
        say("announcing the models");
        for model in &models {
            announce_model(&owner, &deployment, model, PRICES).await?;
        }
        let proposer = Sender::new(l1.clone(), Role::Sequencer.key()?, patient());
        bond(&proposer, &deployment, U256::from(5) * U256::from(ETHER), None).await?;
        let agent = Sender::new(l1.clone(), Role::Agent.key()?, patient());
        let ten = U256::from(10) * U256::from(ETHER);
        let account = deposit(&l1, &agent, &deployment, agent.account(), ten).await?;
        node.every(BLOCK_SECONDS).await?;
        let url = format!("http://127.0.0.1:{port}");
        let api = Api::new(&url)?;
        let mut this = Self {
            options,
            node,
            l1,
            deployment,
            api,
            url,
            key: String::new(),
            sequencer: None,
            challenger: None,
            defender: None,
            port,
        };
        this.wait_for_prices().await?;
        say("starting sequencer, challenger and defender");
        this.start_services(None).await?;
        let order = Order { account, cap: 5 * u128::from(ETHER), days: 30, model: Default::default() };
        say("waiting until the sequencer counts the agent's deposit");
        this.key = this.make_key(&order).await?;
        Ok(this)
    }

    /// Prices are in force a delay after they were named.
    async fn wait_for_prices(&self) -> anyhow::Result<()> {
        let from = self.l1.head().await?.time + self.deployment.parameters.registry.price_delay;
        while self.l1.head().await?.time <= from {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        Ok(())
    }

    async fn make_key(&mut self, order: &Order) -> anyhow::Result<String> {
        let owner = Role::Agent.key()?;
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            match make_key(&self.api, &owner, order).await {
                Ok(key) => return Ok(key),
                Err(e) if Instant::now() > end => return Err(e),
                Err(_) => {}
            }
            self.check()?;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Starts the services, or starts them again with another lie.
    pub(crate) async fn start_services(&mut self, lie: Option<Lie>) -> anyhow::Result<()> {
        for old in [self.sequencer.take(), self.challenger.take(), self.defender.take()].into_iter().flatten()
        {
            old.stop();
        }
        let folder = self.options.folder.clone();
        let program = std::env::current_exe().context("where is this program")?;
        let common = |role: Role, service: &str| {
            let mut command = Command::new(&program);
            command.arg(service).arg("--keystore").arg(keystore(&folder, role));
            command.arg("--password-file").arg(password_file(&folder));
            command
        };
        let mut sequencer = common(Role::Sequencer, "sequencer");
        sequencer.arg("--config").arg(self.sequencer_config(lie)?);
        let mut challenger = common(Role::Challenger, "challenger");
        let mut defender = common(Role::Defender, "challenger");
        for (command, mode) in [(&mut challenger, "challenge"), (&mut defender, "defend")] {
            command.args(["--l1", &self.node.url, "--mode", mode]);
            command.arg("--deployment").arg(folder.join("deployment.json"));
            command.args(["--listen", &format!("127.0.0.1:{}", free_port()?)]);
            for (_, path) in &self.options.models {
                command.arg("--model").arg(path);
            }
        }
        if let Some(kind) = lie.and_then(|lie| lie.defender) {
            defender.args(["--cheat", kind]);
        }
        self.sequencer = Some(Process::start("sequencer", &folder, &mut sequencer)?);
        self.challenger = Some(Process::start("challenger", &folder, &mut challenger)?);
        self.defender = Some(Process::start("defender", &folder, &mut defender)?);
        let end = Instant::now() + Duration::from_secs(60);
        while self.api.get("/readyz").await.is_err() {
            self.check()?;
            anyhow::ensure!(Instant::now() < end, "the sequencer is not ready after a minute: see its log");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// The sequencer's settings, as a file that an operator would write.
    fn sequencer_config(&self, lie: Option<Lie>) -> anyhow::Result<PathBuf> {
        let folder = &self.options.folder;
        let mut text = format!(
            "l1 = \"{}\"\ndeployment = \"{}\"\nlisten = \"127.0.0.1:{}\"\nstore = \"sqlite:{}\"\nconfirmations = 1\nbatch_seconds = 4\nl1_poll_ms = 250\ndefender = \"{}\"\n",
            self.node.url,
            folder.join("deployment.json").display(),
            self.port,
            folder.join("sequencer.db").display(),
            Role::Defender.address()?,
        );
        if let Some(lie) = lie {
            text.push_str(&format!("cheat = \"{}\"\n", lie.sequencer));
        }
        for (name, path) in &self.options.models {
            let path = path.display();
            text.push_str(&format!("\n[[models]]\nname = \"{name}\"\npath = \"{path}\"\n"));
            text.push_str(&format!("price_in = {}\nprice_out = {}\n", PRICES.0, PRICES.1));
            text.push_str(&format!("threads = 1\nbackend = \"{}\"\n", self.options.backend));
        }
        let path = folder.join("sequencer.toml");
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// An error if a process has ended by itself.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        self.node.process.check()?;
        for process in [&mut self.sequencer, &mut self.challenger, &mut self.defender].into_iter().flatten() {
            process.check()?;
        }
        Ok(())
    }
}

/// A folder for state: only one that a devnet made is emptied.
fn empty(folder: &Path) -> anyhow::Result<()> {
    let mark = folder.join("devnet");
    if folder.exists() {
        let used = folder.read_dir()?.next().is_some();
        if used && !mark.exists() {
            return Err(bad_input(format!("{} has other files: name an empty folder", folder.display())));
        }
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)?;
    Ok(std::fs::write(mark, "made by `refute devnet`; emptied by its next start\n")?)
}

fn open_models(models: &[(String, PathBuf)]) -> anyhow::Result<Vec<Model>> {
    if models.is_empty() {
        return Err(bad_input(
            "no model is served: name one with --model NAME=DIR (`make model` imports one)",
        ));
    }
    models.iter().map(|(_, path)| Ok(Model::open(path)?)).collect()
}
