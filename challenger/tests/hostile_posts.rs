//! What a liar can post besides wrong numbers, on the real contracts: it is refused, or refuted.

#[path = "../../executor/tests/support/mod.rs"]
mod support;

use challenger::arena::{Arena, ArenaError, Party};
use executor::import::source::Architecture;
use executor::kernels::Sampling;
use executor::native::Native;
use executor::trace::{Corrupted, Held, Published, Source, Subject, Trace};
use support::items::Item;

fn held(item: &Item) -> Held {
    Held::new(item.subject(), &mut Native::new(&item.model, 2, None).unwrap()).unwrap()
}

fn posted(subject: &Subject) -> Result<(), String> {
    match Arena::new().unwrap().post(subject) {
        Ok(_) => Ok(()),
        Err(ArenaError::Call { why, .. }) => Err(why),
        Err(other) => panic!("{other}"),
    }
}

/// A root where a node has no positions differs from the honest one, and nothing below it can be asked for.
#[test]
fn bait_in_a_node_without_positions_is_refuted() {
    let mut item = Item::new(Architecture::Llama, Sampling::GREEDY, 9);
    if let Published::Tokens(tokens) = &mut item.output {
        *tokens.last_mut().unwrap() ^= 1;
    }
    let held = held(&item);
    let empty = held.subject().tensors().iter().position(|x| x.count == 0).unwrap();
    let mut arena = Arena::new().unwrap();
    let assertion = arena.post(held.subject()).unwrap();
    let mut liar = Trace::new(Corrupted::bait(&held, empty as u32));
    let report = arena.dispute(assertion, &mut liar, &mut Trace::new(&held), |_| {}).unwrap();
    assert_eq!(report.winner, Party::Challenger);
}

/// Sampling values that no machine runs would be items that nobody honest can trace.
#[test]
fn sampling_values_out_of_range_are_not_posted() {
    let item = Item::new(Architecture::Llama, Sampling::GREEDY, 9);
    let of = |sampling| Subject::new(&item.model, sampling, item.prompt.clone(), item.output.clone());
    let greedy = Sampling::GREEDY;
    assert_eq!(posted(&of(greedy)), Ok(()));
    for sampling in [
        Sampling { top_p: 0, ..greedy },
        Sampling { top_p: 65_537, ..greedy },
        Sampling { min_p: 65_537, ..greedy },
        Sampling { temperature: 1, ..greedy },
        Sampling { temperature: 6_553_601, ..greedy },
    ] {
        assert!(posted(&of(sampling)).is_err(), "{sampling:?}");
    }
}

/// A vector that is too short or too long is a wrong output, and there is no proof of any of its elements.
#[test]
fn a_vector_of_another_length_is_refuted() {
    let right = Item::new(Architecture::Bert, Sampling::GREEDY, 21);
    let Published::Vector(vector) = right.output.clone() else { panic!("a vector") };
    for length in [1, vector.len() - 1, vector.len() + 1] {
        let mut values = vector.clone();
        values.resize(length, 5);
        let item =
            Item { output: Published::Vector(values), ..Item::new(Architecture::Bert, Sampling::GREEDY, 21) };
        let held = held(&item);
        let mut arena = Arena::new().unwrap();
        let assertion = arena.post(held.subject()).unwrap();
        let report =
            arena.dispute(assertion, &mut Trace::new(&held), &mut Trace::new(&held), |_| {}).unwrap();
        assert_eq!(report.winner, Party::Challenger, "{length} elements");
    }
}
