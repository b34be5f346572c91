//! Random elements of random models: the step in Rust and in Solidity, and witnesses that somebody has changed.

mod parity;
#[path = "../../executor/tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bisection::trace::{Place, TraceProvider};
use executor::import::source::Architecture;
use executor::kernels::Sampling;
use executor::native::Native;
use executor::program::op::Op;
use executor::trace::{Held, StepData, Trace};
use parity::twin::{Committed, Twin, name};
use support::items::{self, Item};
use support::random::Random;
use support::tiny::{self, Shape};

/// How long it looks for something.
const LASTS: Duration = Duration::from_secs(20);
/// Set it to the seed that a run has printed to see that run again.
const SEED: &str = "REFUTE_PARITY_SEED";

/// A small model of any architecture, a prompt and a request, all by chance.
fn item(dice: &mut Random) -> Item {
    use Architecture::{Bert, Gemma3, Llama, Qwen2, Qwen3};
    let architecture = [Llama, Qwen2, Qwen3, Gemma3, Bert][dice.below(5)];
    let window = matches!(architecture, Llama | Gemma3).then(|| 2 + dice.below(9) as u32);
    let vocabulary = [288, 1_300, 2_500][dice.below(3)];
    let softcap = (architecture == Gemma3 && dice.below(2) == 0).then_some(5.0);
    let shape = Shape { layers: 1 + dice.below(2), window, vocabulary, softcap, ..Shape::default() };
    let model = items::model(architecture, shape, [8, 16][dice.below(2)]);
    let sampling = Sampling {
        temperature: 10_000 + dice.below(200_000) as u32,
        top_k: dice.below(90) as u32,
        top_p: 1 + dice.below(65_536) as u32,
        min_p: dice.below(20_000) as u32,
        seed: std::array::from_fn(|_| dice.below(256) as u8),
    };
    let sampling = if architecture == Bert || dice.below(5) == 0 { Sampling::GREEDY } else { sampling };
    let prompt = tiny::tokens(dice.bits(), 1 + dice.below(30), shape.vocabulary);
    let output = items::published(&model, &prompt, sampling, 1 + dice.below(12) as u32);
    Item { model, prompt, sampling, output }
}

#[derive(Debug, Default)]
struct Count {
    steps: BTreeMap<&'static str, usize>,
    lists: usize,
    tampered: BTreeMap<String, usize>,
}

/// A changed witness is refused, and the contract says why.
#[allow(clippy::too_many_arguments, reason = "a test")]
fn tamper(
    twin: &mut Twin,
    of: Committed,
    at: Place,
    claimed: i64,
    data: &StepData,
    dice: &mut Random,
    count: &mut Count,
) {
    let mut other = data.clone();
    let n = other.witness.len();
    match dice.below(5) {
        // Nothing is read: there is nothing to change.
        _ if n == 0 => other.witness.push(0),
        0 | 1 => other.witness[dice.below(n)] ^= 1 << dice.below(8),
        2 => other.witness.truncate(dice.below(n)),
        3 => other.witness.extend(vec![0; 1 + dice.below(40)]),
        _ => match dice.below(5) {
            0 => {
                let i = dice.below(other.record.len());
                other.record[i] ^= 1 << dice.below(8);
            }
            1 => other.position ^= 1 << dice.below(6),
            2 => other.element ^= 1 << dice.below(6),
            3 => other.item.sampling.top_k ^= 1,
            _ => drop(other.path.pop()),
        },
    }
    if other == *data {
        return;
    }
    let error = twin.step(of, at, claimed, &other).expect_err("a changed witness");
    let why = name(&error).unwrap_or_else(|| panic!("{at:?}: {error:?}"));
    assert_ne!(why, "Panic", "{at:?}");
    *count.tampered.entry(why).or_default() += 1;
}

fn element(twin: &mut Twin, trace: &mut Trace<Held>, node: u32, dice: &mut Random, count: &mut Count) {
    let tensor = trace.subject().tensors()[node as usize];
    if tensor.count == 0 {
        return;
    }
    let t = tensor.first + dice.below(tensor.count as usize) as u64;
    let e = dice.below(tensor.row(t) as usize) as u64;
    let address = tensor.address(t, e).unwrap();
    let at = Place::element(node, address.chunk, address.slot);
    let of = Committed { root: trace.root(), item: trace.subject().item().hash() };
    let claimed = trace.value(node, t, e).unwrap();
    let op: Op = trace.subject().model().program().nodes[node as usize].op;
    let mut at = at;
    let mut value = claimed;
    if let Some(list) = trace.list(at).unwrap() {
        let data = trace.finish(at).unwrap();
        let said = twin.combine(of, at, &list.entries, &data).unwrap();
        assert_eq!(said, (claimed.into(), list.segment, list.end), "{} {at:?}", op.stem());
        count.lists += 1;
        let i = dice.below(list.entries.len());
        let from = i as u32 * list.segment;
        at = Place { from, to: (from + list.segment).min(list.end), ..at };
        value = list.entries[i];
    }
    let (rust, data) = trace.step(at).unwrap();
    assert_eq!(rust, value, "{} {at:?}", op.stem());
    let said = twin.step(of, at, value, &data).unwrap_or_else(|error| panic!("{at:?}: {error:?}"));
    assert_eq!(said, rust.into(), "{} {at:?}", op.stem());
    *count.steps.entry(op.stem()).or_default() += 1;
    tamper(twin, of, at, value, &data, dice, count);
}

#[test]
fn random_elements_are_the_same_and_changed_witnesses_are_refused() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = std::env::var(SEED).map_or(now, |seed| seed.parse().unwrap());
    println!("{SEED}={seed}");
    let (mut dice, mut twin, mut count) = (Random::new(seed), Twin::new(), Count::default());
    let began = Instant::now();
    while began.elapsed() < LASTS {
        let item = item(&mut dice);
        let held = Held::new(item.subject(), &mut Native::new(&item.model, 2, None).unwrap()).unwrap();
        let mut trace = Trace::new(held);
        for node in 0..trace.nodes() {
            for _ in 0..3 {
                element(&mut twin, &mut trace, node, &mut dice, &mut count);
            }
        }
    }
    println!("{count:?}");
    assert!(count.steps.values().sum::<usize>() >= 100 && count.tampered.values().sum::<usize>() >= 100);
}
