//! `refute dispute`: one side lies about one number, and loses.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use challenger::arena::{Arena, Move, Party, Report, ether, price};
use clap::{Args, ValueEnum};
use executor::trace::{
    Corrupted, Executed, Held, Lie, Random, Source, Subject, Trace, TraceError, another, random_place,
};
use serde_json::{Value, json};

use crate::backend::BackendArguments;
use crate::claim::Claim;
use crate::console::Console;
use crate::failure::{WRONG, bad_input};
use crate::progress::Progress;

/// Which number is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Random,
    At { position: u64, node: u32, element: u64 },
}

impl FromStr for Where {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "random" {
            return Ok(Self::Random);
        }
        let parts: Vec<&str> = text.split(',').collect();
        let [position, node, element] = parts.as_slice() else {
            return Err("name a place as POSITION,NODE,ELEMENT, or say random".into());
        };
        let number = |x: &str| x.trim().parse::<u64>().map_err(|e| format!("{x:?}: {e}"));
        let node = u32::try_from(number(node)?).map_err(|e| e.to_string())?;
        Ok(Self::At { position: number(position)?, node, element: number(element)? })
    }
}

/// What the liar does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum How {
    /// Changes that number and nothing else
    Changed,
    /// Gets it wrong and computes everything after it from that (held in memory, with the reference kernels: slow)
    Recomputed,
    /// Commits to a hash of nothing in the place of its chunk
    Garbage,
}

/// Whose trace is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Liar {
    /// Who asserted the result
    Proposer,
    /// Who disputes it
    Challenger,
}

#[derive(Args)]
pub(crate) struct Arguments {
    /// What `refute generate -o RESULT.json` or `refute embed -o RESULT.json` wrote
    #[arg(value_name = "RESULT.json")]
    result: PathBuf,
    /// Folder of the model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The wrong number: POSITION,NODE,ELEMENT or `random`. Without it the result itself is disputed
    #[arg(long, value_name = "PLACE")]
    corrupt: Option<Where>,
    /// What the liar does with it
    #[arg(long, value_enum, default_value = "changed")]
    how: How,
    /// Whose trace is wrong
    #[arg(long, value_enum, default_value = "proposer")]
    liar: Liar,
    /// Seed of `--corrupt random` [default: the clock]
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    backend: BackendArguments,
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    arguments.backend.refuse_impossible()?;
    let claim = Claim::read(&arguments.result, &arguments.model)?;
    let executed = || -> anyhow::Result<Executed> {
        Ok(Executed::new(claim.subject(), arguments.backend.start(claim.model())?.engine)?)
    };
    let begin = Instant::now();
    let mut honest = {
        let _progress = Progress::spinner("tracing the honest side");
        Trace::new(executed()?)
    };
    let trace_ms = begin.elapsed().as_secs_f64() * 1e3;
    let seed = arguments.seed.unwrap_or_else(clock);
    let lie = match arguments.corrupt {
        Some(place) => Some(choose(place, seed, &mut honest)?),
        None => None,
    };
    let wrong = bisection::trace::TraceProvider::wrong_output(&mut honest)?;
    let right_side = match (lie, wrong, arguments.liar) {
        (None, None, _) => {
            return Err(bad_input(
                "the result is right, so there is nothing to refute: give --corrupt PLACE to make one side lie",
            ));
        }
        (_, Some(_), _) | (Some(_), None, Liar::Proposer) => Party::Challenger,
        (Some(_), None, Liar::Challenger) => Party::Proposer,
    };
    let text = |m: &Move| {
        if !console.is_json() {
            println!(
                "{:>6} s  {:<10} {:<12} {:>8} gas {:>6} bytes  {}",
                m.at,
                m.by.name(),
                m.name,
                m.gas,
                m.bytes,
                m.about
            );
        }
    };
    let table = Table { arena: Arena::new()?, liar: arguments.liar, show: &text };
    let report = match lie {
        // A proposer whose result is wrong as it stands traces it honestly.
        None => table.play(claim.subject(), Trace::new(executed()?), &mut honest),
        Some(lie) => match arguments.how {
            How::Changed => {
                table.play(claim.subject(), Trace::new(Corrupted::element(executed()?, lie)?), &mut honest)
            }
            How::Recomputed => {
                table.play(claim.subject(), Trace::new(Held::faulty(claim.subject(), lie)?), &mut honest)
            }
            How::Garbage => {
                let chunk = chunk_of(honest.subject(), lie)?;
                table.play(
                    claim.subject(),
                    Trace::new(Corrupted::garbage(executed()?, lie.node, 0, chunk)?),
                    &mut honest,
                )
            }
        },
    }?;
    let leaves: u64 = honest.subject().tensors().iter().map(|x| x.chunks()).sum();
    let document = document(&report, lie, honest.subject(), seed, leaves, trace_ms, honest.root());
    console.show(&document, &summary(&report, lie, honest.subject(), seed))?;
    Ok(if report.winner == right_side { ExitCode::SUCCESS } else { ExitCode::from(WRONG) })
}

fn clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

/// Who plays against whom.
struct Table<'a> {
    arena: Arena,
    liar: Liar,
    show: &'a dyn Fn(&Move),
}

impl Table<'_> {
    fn play<S: Source>(
        mut self,
        subject: Subject,
        mut liar: Trace<S>,
        honest: &mut Trace<Executed>,
    ) -> anyhow::Result<Report> {
        let assertion = self.arena.post(&subject)?;
        let show = |m: &Move| (self.show)(m);
        Ok(match self.liar {
            Liar::Proposer => self.arena.dispute(assertion, &mut liar, honest, show)?,
            Liar::Challenger => self.arena.dispute(assertion, honest, &mut liar, show)?,
        })
    }
}

/// The place, checked, and a wrong value for it.
fn choose(place: Where, seed: u64, honest: &mut Trace<Executed>) -> anyhow::Result<Lie> {
    let tensors = honest.subject().tensors().to_vec();
    let mut random = Random::new(seed);
    let (node, position, element, by) = match place {
        Where::At { position, node, element } => (node, position, element, 0),
        Where::Random => {
            let place = random_place(honest.subject(), &mut random);
            let (node, position, element) = place.context("the program has no rows at these positions")?;
            (node, position, element, random.bits())
        }
    };
    let tensor = tensors.get(node as usize).ok_or_else(|| {
        bad_input(format!("node {node} does not exist: the program has nodes 0 to {}", tensors.len() - 1))
    })?;
    if tensor.address(position, element).is_none() {
        let (first, last) = (tensor.first, (tensor.first + tensor.count).saturating_sub(1));
        return Err(bad_input(if tensor.count == 0 {
            format!("node {node} has no positions in this result")
        } else {
            format!(
                "node {node} has positions {first} to {last}, with {} elements at the last",
                tensor.row(last)
            )
        }));
    }
    let value = honest.value(node, position, element)?;
    Ok(Lie { node, position, element, value: another(tensor.shape.element, value, by) })
}

fn chunk_of(subject: &Subject, lie: Lie) -> Result<u64, TraceError> {
    let address = subject.tensors().get(lie.node as usize).and_then(|x| x.address(lie.position, lie.element));
    Ok(address.ok_or(TraceError::NoAnswer)?.chunk)
}

fn stem(subject: &Subject, node: u32) -> &'static str {
    subject.model().program().nodes.get(node as usize).map_or("", |node| node.op.stem())
}

fn document(
    report: &Report,
    lie: Option<Lie>,
    subject: &Subject,
    seed: u64,
    leaves: u64,
    trace_ms: f64,
    root: bisection::Hash,
) -> Value {
    let moves: Vec<Value> = report
        .moves
        .iter()
        .map(|m| json!({"by": m.by.name(), "move": m.name, "gas": m.gas, "bytes": m.bytes, "at_s": m.at}))
        .collect();
    let credits: Value =
        report.credits.iter().map(|(party, wei)| (party.name().to_owned(), json!(wei.to_string()))).collect();
    json!({
        "winner": report.winner.name(),
        "rounds": report.rounds,
        "gas_total": report.gas(),
        "gas_largest": report.largest(),
        "gas_moves": moves,
        "calldata_bytes": report.bytes(),
        "leaves": leaves,
        "trace_root": root,
        "trace_ms": trace_ms,
        "corrupted": lie.map(|lie| json!({
            "position": lie.position,
            "node": lie.node,
            "op": stem(subject, lie.node),
            "element": lie.element,
            "value": lie.value,
        })),
        "seed": seed,
        "bond_wei": report.bond.to_string(),
        "stake_wei": report.stake.to_string(),
        "burned_wei": report.burned.to_string(),
        "credits_wei": credits,
    })
}

fn summary(report: &Report, lie: Option<Lie>, subject: &Subject, seed: u64) -> String {
    let place = lie.map_or_else(String::new, |lie| {
        let op = stem(subject, lie.node);
        format!(
            "wrong: position {}, node {} ({op}), element {} (seed {seed})\n",
            lie.position, lie.node, lie.element
        )
    });
    let paid: String = report
        .credits
        .iter()
        .map(|(party, wei)| format!("  {:<10} can withdraw {} ether\n", party.name(), ether(*wei)))
        .collect();
    format!(
        "{place}the {} wins after {} rounds: {} gas in {} transactions ({} ether at 10 gwei), the largest {}; {} bytes\n\
         bond {} ether, stake {} ether, burned {} ether\n{paid}",
        report.winner.name(),
        report.rounds,
        report.gas(),
        report.moves.len(),
        ether(price(report.gas(), 10)),
        report.largest(),
        report.bytes(),
        ether(report.bond),
        ether(report.stake),
        ether(report.burned),
    )
}
