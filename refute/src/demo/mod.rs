//! A scripted tour that ends by itself: a question, its receipt, finality; then proposers that lie, and what becomes of them.

mod lies;
mod narrator;
mod table;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use alloy::primitives::{B256, I256, U256};
use anyhow::Context;
use bindings::l1::Sender;
use executor::backend::Backend;
use serde_json::{Value, json};

use crate::command::rollup::{
    Promise, WithdrawalOrder, account_of, breach, claim, draw, due, final_output, pay, withdraw,
};
use crate::console::Console;
use crate::devnet::{Devnet, Options, Role};
use crate::wallet::patient;
pub(crate) use lies::Kind;
use narrator::{Narrator, Seen, in_vault, short};
use table::{Honest, Refuted, Summary};

/// Longest wait for anything on L1: windows of the devnet are seconds, and two slow cores have other work too.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the agent takes out of its account, in wei.
const WITHDRAWN: u128 = 1_000_000_000_000_000_000;

/// Plays the tour with the lies of these kinds.
pub(crate) async fn run(options: Options, kinds: &[Kind], console: &Console) -> anyhow::Result<Summary> {
    let (start, backend) = (Instant::now(), options.backend);
    let say = |line: &str| {
        if !console.is_json() {
            println!("{line}");
        }
    };
    let devnet = Devnet::start(options, |stage| say(&format!("... {stage}"))).await?;
    let mut names = BTreeMap::new();
    for role in Role::ALL {
        names.insert(role.address()?, role.name());
    }
    say(&format!(
        " sequencer  computes on {backend}; challenger and defender compute on {}",
        Backend::Native
    ));
    let narrator = Narrator::new(&devnet.l1, &devnet.deployment, names).await?;
    let mut tour = Tour { devnet, narrator, say: &say };
    let honest = tour.honest().await?;
    let mut refuted = Vec::new();
    for kind in kinds {
        refuted.push(tour.lie(*kind).await?);
    }
    let (gas, batches) = tour.narrator.posting;
    Ok(Summary {
        backend,
        honest,
        refuted,
        posting_gas: gas,
        batches,
        seconds: start.elapsed().as_secs_f64(),
    })
}

struct Tour<'a> {
    devnet: Devnet,
    narrator: Narrator,
    say: &'a dyn Fn(&str),
}

/// An answer and when it came.
struct Answer {
    request: String,
    body: Value,
    asked: Instant,
    receipt_seconds: f64,
}

impl Tour<'_> {
    /// A question on its way to finality.
    async fn honest(&mut self) -> anyhow::Result<Honest> {
        (self.say)("\n--- An agent asks, and has its answer with a receipt at once");
        self.withdraw().await?;
        let answer = self.ask("Why is the sky blue?", 48).await?;
        let receipt = &answer.body["refute"]["receipt"];
        (self.say)(&format!(
            "     agent  receipt {} promises output {} by {}, {:.2} s after the question",
            receipt["number"],
            receipt["output"].as_str().unwrap_or_default(),
            receipt["deadline"],
            answer.receipt_seconds
        ));
        let posted = self.until(&answer, &["posted", "challenged", "final"]).await?;
        let last = self.until(&answer, &["final"]).await?;
        let output = self.verify_on_chain(&answer.request).await?;
        anyhow::ensure!(receipt["output"] == output.to_string(), "L1 has another output than the receipt");
        (self.say)(&format!("     agent  verifyInference on L1 returns output {}: final", short(output)));
        self.exit().await?;
        let fee = answer.body["refute"]["fee"].as_str().unwrap_or_default().to_owned();
        Ok(Honest { receipt: answer.receipt_seconds, posted, last, fee })
    }

    /// The agent asks for some of its money back.
    async fn withdraw(&self) -> anyhow::Result<()> {
        let (devnet, owner) = (&self.devnet, Role::Agent.key()?);
        let account = account_of(&devnet.l1, &devnet.deployment, owner.address()).await?;
        let order = WithdrawalOrder { account, amount: WITHDRAWN, to: owner.address() };
        withdraw(&devnet.api, &devnet.key, &owner, &devnet.deployment, &order).await?;
        (self.say)("     agent  takes an ether out of its account");
        Ok(())
    }

    /// And has it in its wallet.
    async fn exit(&mut self) -> anyhow::Result<()> {
        let (l1, of) = (&self.devnet.l1, &self.devnet.deployment);
        let agent = Sender::new(l1.clone(), Role::Agent.key()?, patient());
        // It was asked for before the question, whose batch is final.
        for one in due(l1, of, agent.account()).await? {
            anyhow::ensure!(one.is_final, "a withdrawal is not final with what came after it");
            pay(&agent, of, &one).await?;
        }
        let drawn = draw(l1, &agent, of, None, agent.account()).await?;
        anyhow::ensure!(drawn == U256::from(WITHDRAWN), "the agent has {drawn} wei instead of an ether");
        (self.say)("     agent  has its ether back in its wallet on L1");
        self.listen().await
    }

    /// A proposer that lies, until the truth is final.
    async fn lie(&mut self, kind: Kind) -> anyhow::Result<Refuted> {
        (self.say)(&format!("\n--- The proposer cheats: {}", kind.description()));
        let before = self.worths().await?;
        self.devnet.start_services(Some(kind.lie())).await?;
        self.narrator.forget();
        let answer = self.ask("Name the capital of France.", 24).await?;
        self.wait("a rejection", |seen| matches!(seen, Seen::Rejected(_))).await?;
        let seconds = self.narrator.dispute.opened.map_or(0.0, |opened| opened.elapsed().as_secs_f64());
        let dispute = self.narrator.dispute;
        let last = self.until(&answer, &["final"]).await?;
        let output = self.verify_on_chain(&answer.request).await?;
        let promised = &answer.body["refute"]["receipt"]["output"];
        anyhow::ensure!(*promised == output.to_string(), "what became final is not what was computed");
        (self.say)(&format!("     agent  the honest result {} is final after all", short(output)));
        if kind.breaks_receipt() {
            self.claim(&answer).await?;
        }
        let after = self.worths().await?;
        let [proposer, challenger, agent] = std::array::from_fn(|i| change(before[i], after[i]));
        anyhow::ensure!(proposer < I256::ZERO, "the proposer has lost nothing");
        anyhow::ensure!(challenger > I256::ZERO, "the challenger was not paid");
        anyhow::ensure!(
            !kind.breaks_receipt() || agent > I256::ZERO,
            "the agent was not paid for its receipt"
        );
        Ok(Refuted { kind, dispute, seconds, last, proposer, challenger, agent })
    }

    /// Ether and vault of proposer, challenger and agent, in wei.
    async fn worths(&self) -> anyhow::Result<[U256; 3]> {
        let (l1, deployment) = (&self.devnet.l1, &self.devnet.deployment);
        let mut worths = [U256::ZERO; 3];
        for (worth, role) in worths.iter_mut().zip([Role::Sequencer, Role::Challenger, Role::Agent]) {
            let who = role.address()?;
            *worth = l1.balance(who).await?.saturating_add(in_vault(l1, deployment, who).await?);
        }
        Ok(worths)
    }

    async fn ask(&self, question: &str, max_tokens: u32) -> anyhow::Result<Answer> {
        (self.say)(&format!("     agent  asks: {question}"));
        let body = json!({"model": "smollm2", "max_tokens": max_tokens, "temperature": 0,
            "messages": [{"role": "user", "content": question}]});
        let asked = Instant::now();
        let body = self.devnet.api.post("/v1/chat/completions", Some(&self.devnet.key), &body).await?;
        let receipt_seconds = asked.elapsed().as_secs_f64();
        let text = body["choices"][0]["message"]["content"].as_str().context("an answer without text")?;
        (self.say)(&format!(" sequencer  answers: {}", text.replace('\n', " ")));
        let request = body["refute"]["request"].as_str().context("an answer without a receipt")?.to_owned();
        Ok(Answer { request, body, asked, receipt_seconds })
    }

    /// Waits for a status of a request; seconds since the question.
    async fn until(&mut self, answer: &Answer, statuses: &[&str]) -> anyhow::Result<f64> {
        let end = Instant::now() + PATIENCE;
        loop {
            self.listen().await?;
            let found = self.devnet.api.get(&format!("/v1/refute/requests/{}", answer.request)).await?;
            if found["status"].as_str().is_some_and(|status| statuses.contains(&status)) {
                return Ok(answer.asked.elapsed().as_secs_f64());
            }
            anyhow::ensure!(Instant::now() < end, "{} is still {}", answer.request, found["status"]);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits for something on L1.
    async fn wait(&mut self, what: &str, is_it: impl Fn(&Seen) -> bool) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            self.listen().await?;
            if self.narrator.seen.iter().any(&is_it) {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < end, "waited {} s for {what}", PATIENCE.as_secs());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn listen(&mut self) -> anyhow::Result<()> {
        self.devnet.check()?;
        for line in self.narrator.listen().await? {
            (self.say)(&line);
        }
        Ok(())
    }

    /// Asks the contract for a final result, as another contract would.
    async fn verify_on_chain(&self, request: &str) -> anyhow::Result<B256> {
        let found = final_output(&self.devnet.l1, &self.devnet.deployment, request.parse()?).await?;
        let found = found.context("the request is not on L1")?;
        anyhow::ensure!(found.is_final, "verifyInference does not take {request} as final");
        Ok(found.output)
    }

    /// Is paid for a receipt that the posted batch contradicts.
    async fn claim(&mut self, answer: &Answer) -> anyhow::Result<()> {
        let (l1, deployment) = (&self.devnet.l1, &self.devnet.deployment);
        let promise = Promise::of(&answer.body)?;
        let found = breach(l1, deployment, &promise).await?.context("the receipt is not broken")?;
        let agent = Sender::new(l1.clone(), Role::Agent.key()?, patient());
        claim(&agent, deployment, &promise, &found).await?;
        (self.say)(&format!("     agent  claims for its receipt: {}", found.words));
        self.listen().await
    }
}

/// The difference of two amounts of wei.
fn change(before: U256, after: U256) -> I256 {
    let amount = |wei: U256| I256::try_from(wei).unwrap_or(I256::MAX);
    amount(after).saturating_sub(amount(before))
}
