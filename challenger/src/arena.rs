//! Whole games on the real contracts, on a chain in memory: what `refute dispute` shows and what tests play.

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::{SolCall, SolInterface, SolValue};
use bindings::dispute_game::DisputeGame::Config;
use bindings::dispute_game::DisputeGame::{self, DisputeGameErrors};
use bindings::local::{Chain, LocalError, Receipt};
use bindings::stand_in_assertions::StandInAssertions::{self, PostedItem};
use bindings::{bond_vault, dispute_game, recast, stand_in_assertions, step_verifier};
use bisection::game::clock::{Span, Spans};
use bisection::game::facts::Facts;
use bisection::solver::Side;
use bisection::trace::TraceProvider;
use executor::trace::{Source, Subject, Trace, TraceError};

use crate::calls::{self, Table};
use crate::player::{self, Planned};
use crate::view;

/// Why a game could not be played to its end.
#[derive(Debug, thiserror::Error)]
pub enum ArenaError {
    /// A contract refused what should have been right.
    #[error("{call} failed: {why}")]
    Call {
        /// Which call.
        call: &'static str,
        /// The contract's error, if it is one that it declares.
        why: String,
    },
    /// The machine failed.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The contract and the machine disagree about the program.
    #[error("the game asks for what the item's program does not have (phase {0})")]
    Stuck(u8),
}

/// Who plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// Who asserted.
    Proposer,
    /// Who asks.
    Challenger,
    /// Anybody: closes games for the fee.
    Bystander,
}

impl Party {
    /// Its account.
    pub fn address(self) -> Address {
        Address::repeat_byte(match self {
            Self::Proposer => 0xaa,
            Self::Challenger => 0xcc,
            Self::Bystander => 0xbb,
        })
    }

    /// For people and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proposer => "proposer",
            Self::Challenger => "challenger",
            Self::Bystander => "anyone",
        }
    }
}

/// One transaction of a game.
#[derive(Clone, Debug)]
pub struct Move {
    /// Who sent it.
    pub by: Party,
    /// The contract's name of it.
    pub name: &'static str,
    /// What it was about.
    pub about: String,
    /// Gas charged, intrinsic cost and calldata included.
    pub gas: u64,
    /// Bytes of calldata.
    pub bytes: usize,
    /// Seconds since the challenge.
    pub at: u64,
}

/// A game that has ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// All transactions in order.
    pub moves: Vec<Move>,
    /// Who won: proposer or challenger.
    pub winner: Party,
    /// Challenger's moves, each with its answer if it got one.
    pub rounds: usize,
    /// The bond of the challenger, in wei.
    pub bond: U256,
    /// The stake of the assertion, in wei.
    pub stake: U256,
    /// What each party can withdraw afterwards, in wei.
    pub credits: Vec<(Party, U256)>,
    /// What was burned, in wei.
    pub burned: U256,
}

impl Report {
    /// Gas of all transactions.
    pub fn gas(&self) -> u64 {
        self.moves.iter().map(|m| m.gas).sum()
    }

    /// The dearest transaction.
    pub fn largest(&self) -> u64 {
        self.moves.iter().map(|m| m.gas).max().unwrap_or(0)
    }

    /// Calldata of all transactions.
    pub fn bytes(&self) -> usize {
        self.moves.iter().map(|m| m.bytes).sum()
    }
}

/// The deployed contracts.
#[derive(Clone, Debug)]
pub struct Arena {
    /// The chain.
    pub chain: Chain,
    /// The dispute.
    pub game: Address,
    /// The machine's twin.
    pub verifier: Address,
    /// Stakes and bonds.
    pub vault: Address,
    /// The stand-in for the chain of assertions.
    pub assertions: Address,
    config: Config,
}

const GWEI: u128 = 1_000_000_000;
const ETHER: u128 = GWEI * GWEI;

/// Parameters of a game among friends: a window of a day, an hour a move.
pub fn config() -> Config {
    Config {
        window: 86_400,
        proposerBudget: 43_200,
        moveMinimum: 3_600,
        traceMinimum: 7_200,
        bondBase: ETHER / 2,
        bondPerToken: ETHER / 10_000,
        bounty: ETHER / 10,
        closerFee: ETHER / 1_000,
        gasRepaid: ETHER / 4,
        gasPriceCap: 100 * GWEI as u64,
        gasTip: 2 * GWEI as u64,
    }
}

const DEPLOYER: Address = Address::repeat_byte(0xdd);

fn fail(call: &'static str, error: &LocalError) -> ArenaError {
    let reason = error.reason::<DisputeGameErrors>().map(|e| format!("{e:?}"));
    let known = |data: &Bytes| {
        let of_game = DisputeGameErrors::abi_decode(data).map(|e| format!("{e:?}")).ok();
        let of_step = step_verifier::StepVerifier::StepVerifierErrors::abi_decode(data);
        of_game.or_else(|| of_step.map(|e| format!("{e:?}")).ok())
    };
    let data = match error {
        LocalError::Reverted { data, .. } => known(data),
        _ => None,
    };
    ArenaError::Call { call, why: reason.or(data).unwrap_or_else(|| error.to_string()) }
}

impl Arena {
    /// Deploys all contracts.
    pub fn new() -> Result<Self, ArenaError> {
        let mut this = Self::with(config())?;
        this.settle_in()?;
        Ok(this)
    }

    /// Deploys all contracts with these parameters.
    pub fn with(config: Config) -> Result<Self, ArenaError> {
        let mut chain = Chain::default();
        let rich = U256::from(1_000_000 * ETHER);
        chain.fund(DEPLOYER, rich);
        for party in [Party::Proposer, Party::Challenger, Party::Bystander] {
            chain.fund(party.address(), rich);
        }
        let mut nonce = 0;
        let mut deploy = |code: &Bytes, args: Vec<u8>| {
            nonce += 1;
            let code: Vec<u8> = code.iter().copied().chain(args).collect();
            chain.deploy(DEPLOYER, code.into()).map(|(at, _)| at).map_err(|e| fail("deploy", &e))
        };
        let provers = [
            &bindings::tables_prover::TablesProver::BYTECODE,
            &bindings::norms_prover::NormsProver::BYTECODE,
            &bindings::products_prover::ProductsProver::BYTECODE,
            &bindings::attention_prover::AttentionProver::BYTECODE,
            &bindings::sampling_prover::SamplingProver::BYTECODE,
        ];
        let mut at = [Address::ZERO; 5];
        for (to, code) in at.iter_mut().zip(provers) {
            *to = deploy(code, Vec::new())?;
        }
        let verifier = deploy(&step_verifier::StepVerifier::BYTECODE, at.abi_encode())?;
        let vault = deploy(&bond_vault::BondVault::BYTECODE, Vec::new())?;
        // The game and its assertions name each other: the second address is known before it is made.
        let expected = DEPLOYER.create(8);
        let assertions =
            deploy(&stand_in_assertions::StandInAssertions::BYTECODE, (expected, vault).abi_encode())?;
        let args = (config.clone(), assertions, vault, verifier).abi_encode_params();
        let game = deploy(&dispute_game::DisputeGame::BYTECODE, args)?;
        debug_assert_eq!(game, expected, "the ninth contract of this account");
        Ok(Self { chain, game, verifier, vault, assertions, config })
    }

    /// Gives everybody a balance, and burns something: gas is told as it is in the middle of a system's life, where a
    /// payment changes a balance and does not make the first one.
    fn settle_in(&mut self) -> Result<(), ArenaError> {
        let dust = U256::from(1);
        for party in [Party::Proposer, Party::Challenger, Party::Bystander] {
            let deposit = bond_vault::BondVault::depositCall { to: party.address() };
            self.send("deposit", party, self.vault, &deposit, U256::from(2) * dust)?;
            self.send(
                "burn",
                party,
                self.vault,
                &bond_vault::BondVault::burnCall { amount: dust },
                U256::ZERO,
            )?;
        }
        Ok(())
    }

    fn spans(&self) -> Spans {
        Spans {
            window: Span(self.config.window.into()),
            budget: Span(self.config.proposerBudget.into()),
            trace: Span(self.config.traceMinimum.into()),
            turn: Span(self.config.moveMinimum.into()),
        }
    }

    fn send<C: SolCall>(
        &mut self,
        name: &'static str,
        by: Party,
        to: Address,
        call: &C,
        value: U256,
    ) -> Result<(Receipt, C::Return), ArenaError> {
        let receipt = self.chain.send(by.address(), to, call, value).map_err(|e| fail(name, &e))?;
        let back = C::abi_decode_returns(&receipt.output)
            .map_err(|e| ArenaError::Call { call: name, why: e.to_string() })?;
        Ok((receipt, back))
    }

    fn ask<C: SolCall>(
        &mut self,
        name: &'static str,
        to: Address,
        call: &C,
    ) -> Result<C::Return, ArenaError> {
        self.chain.call(to, call).map_err(|e| fail(name, &e))
    }

    /// Announces the model and posts one item with the proposer's stake. Gives the assertion's id.
    pub fn post(&mut self, subject: &Subject) -> Result<B256, ArenaError> {
        let mut interface = Vec::new();
        subject.model().program().interface.encode(&mut interface);
        let header = calls::model(&subject.header());
        let header = recast(&header)
            .ok_or(ArenaError::Call { call: "announce", why: "another ABI of the model's header".into() })?;
        let announce = StandInAssertions::announceCall { header, encoded: interface.into() };
        self.send("announce", Party::Proposer, self.assertions, &announce, U256::ZERO)?;
        let x = subject.item();
        let (prompt, output) = (subject.published_bytes(true), subject.published_bytes(false));
        let item = PostedItem {
            modelId: view::word(x.model_id),
            promptLength: x.prompt_length,
            outputLength: x.output_length,
            temperature: x.sampling.temperature,
            topK: x.sampling.top_k,
            topP: x.sampling.top_p,
            minP: x.sampling.min_p,
            seed: B256::from(x.sampling.seed),
            prompt: prompt.into(),
            output: output.into(),
        };
        let stake = self.ask("leastStake", self.game, &DisputeGame::leastStakeCall {})?;
        let defender = Address::repeat_byte(0xde);
        let post = StandInAssertions::postCall { parent: B256::ZERO, defender, items: vec![item] };
        Ok(self.send("post", Party::Proposer, self.assertions, &post, stake)?.1)
    }

    /// Plays a game on the first item of an assertion until it ends: each side by its own trace.
    pub fn dispute<A: Source, B: Source>(
        &mut self,
        assertion: B256,
        proposer: &mut Trace<A>,
        challenger: &mut Trace<B>,
        mut show: impl FnMut(&Move),
    ) -> Result<Report, ArenaError> {
        let began = self.chain.now();
        let header = calls::item(challenger.subject().item());
        let bond = self.ask("bondOf", self.game, &DisputeGame::bondOfCall { item: header.clone() })?;
        let stake = self.ask("leastStake", self.game, &DisputeGame::leastStakeCall {})?;
        let call = DisputeGame::challengeCall { assertion, item: 0, counter: 0, header, path: Vec::new() };
        let (receipt, id) = self.send("challenge", Party::Challenger, self.game, &call, bond)?;
        let mut moves = Vec::new();
        let mut record = |by, name, about: String, receipt: &Receipt, at: u64| {
            let made = Move { by, name, about, gas: receipt.gas, bytes: receipt.calldata, at };
            show(&made);
            moves.push(made);
        };
        record(Party::Challenger, "challenge", "item 0".into(), &receipt, 0);
        let table = Table { assertion, item: 0, game: id, credit: B256::ZERO };
        let mut facts = Facts::default();
        loop {
            self.chain.advance(12);
            let stored = self.ask("gameOf", self.game, &DisputeGame::gameOfCall { id })?;
            if stored.cursor.phase == view::phase::OVER {
                break;
            }
            let game = view::game(&stored, false, |node| challenger.tensor(node).ok())
                .ok_or(ArenaError::Stuck(stored.cursor.phase))?;
            let (now, spans) = (self.chain.now(), self.spans());
            let mut planned = player::plan(table, &game, &facts, &spans, Side::Challenger, challenger, now)
                .or_else(leave)?
                .map(|p| (Party::Challenger, p));
            if planned.is_none() {
                planned = player::plan(table, &game, &facts, &spans, Side::Proposer, proposer, now)
                    .or_else(leave)?
                    .map(|p| (Party::Proposer, p));
            }
            let sent = planned.map(|(by, p)| self.play(by, &p).map(|receipt| (by, p, receipt)));
            match sent {
                Some(Ok((by, p, receipt))) => {
                    let at = self.chain.now();
                    receipt.logs.iter().for_each(|log| view::learn(&mut facts, assertion, log, at));
                    record(by, p.name, p.about, &receipt, at.saturating_sub(began));
                }
                Some(Err((Party::Challenger, error))) => return Err(error),
                // What a liar claims, the contract refuses.
                Some(Err(_)) | None => {
                    self.expire();
                    let timeout = Planned {
                        name: "timeout",
                        about: String::new(),
                        data: DisputeGame::timeoutCall { id }.abi_encode().into(),
                    };
                    let receipt = self.play(Party::Bystander, &timeout).map_err(|(_, e)| e)?;
                    let at = self.chain.now().saturating_sub(began);
                    record(Party::Bystander, timeout.name, timeout.about, &receipt, at);
                }
            }
        }
        let tally = self.ask("tallyOf", self.game, &DisputeGame::tallyOfCall { assertion })?;
        let winner = if tally.rejected { Party::Challenger } else { Party::Proposer };
        let mut credits = Vec::new();
        for party in [Party::Proposer, Party::Challenger, Party::Bystander] {
            let call = bond_vault::BondVault::balanceOfCall { account: party.address() };
            credits.push((party, self.ask("balanceOf", self.vault, &call)?));
        }
        let burned = self.ask("burned", self.vault, &bond_vault::BondVault::burnedCall {})?;
        let rounds = moves.iter().filter(|m| m.by == Party::Challenger).count();
        Ok(Report { moves, winner, rounds, bond, stake, credits, burned })
    }

    /// Sends a planned call. A transaction that would revert is not sent.
    fn play(&mut self, by: Party, planned: &Planned) -> Result<Receipt, (Party, ArenaError)> {
        let (from, data) = (by.address(), &planned.data);
        self.chain
            .simulate(from, self.game, data.clone(), U256::ZERO)
            .and_then(|_| self.chain.send_raw(from, self.game, data.clone(), U256::ZERO))
            .map_err(|e| (by, fail(planned.name, &e)))
    }

    /// Lets the longest possible turn pass.
    fn expire(&mut self) {
        let c = &self.config;
        let longest = c.window.max(c.proposerBudget).max(c.traceMinimum).max(c.moveMinimum);
        self.chain.advance(u64::from(longest).saturating_add(1));
    }
}

/// A liar has no answer to everything: what it has none to, it leaves.
fn leave(error: TraceError) -> Result<Option<Planned>, TraceError> {
    match error {
        TraceError::NoAnswer | TraceError::Step { .. } => Ok(None),
        other => Err(other),
    }
}

/// An amount in ether, for people.
pub fn ether(wei: U256) -> String {
    alloy::primitives::utils::format_ether(wei)
}

/// What gas costs at a price in gwei, in wei.
pub fn price(gas: u64, gwei: u64) -> U256 {
    U256::from(gas) * U256::from(gwei) * U256::from(GWEI)
}
