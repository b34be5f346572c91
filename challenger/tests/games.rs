//! Whole games on the real contracts over small models of every architecture, with a wrong number in each of their
//! nodes: whoever lies loses.

#[path = "../../executor/tests/support/mod.rs"]
mod support;

use bisection::trace::TraceProvider;
use challenger::arena::{Arena, Party, Report};
use executor::native::Native;
use executor::trace::{Corrupted, Held, Lie, Published, Source, Trace, TraceError, another};
use support::items::Item;

/// The largest transaction of a dispute.
const GAS_MAX: u64 = 1_000_000;

fn held(item: &Item) -> Held {
    Held::new(item.subject(), &mut Native::new(&item.model, 2, None).unwrap()).unwrap()
}

/// One element of every node that has a value, the positions and elements differing.
fn lies(held: &Held) -> Vec<Lie> {
    let mut honest = Trace::new(held);
    let tensors = held.subject().tensors();
    let places = (0u32..).zip(tensors).filter(|(_, tensor)| tensor.count > 0).map(|(node, tensor)| {
        let position = tensor.first + u64::from(node) * 7 % tensor.count;
        let element = u64::from(node) * 5 % tensor.row(position);
        let value = honest.value(node, position, element).unwrap();
        Lie { node, position, element, value: another(tensor.shape.element, value, node.into()) }
    });
    places.collect()
}

fn play<A: Source, B: Source>(arena: &Arena, held: &Held, mut posted: Trace<A>, mut own: Trace<B>) -> Report {
    let mut arena = arena.clone();
    let assertion = arena.post(held.subject()).unwrap();
    let report = arena.dispute(assertion, &mut posted, &mut own, |_| {}).unwrap();
    assert!(report.largest() < GAS_MAX, "{} gas", report.largest());
    report
}

#[test]
fn a_changed_element_of_any_node_is_refuted() {
    let arena = Arena::new().unwrap();
    for item in Item::all() {
        let held = held(&item);
        for lie in lies(&held) {
            let liar = Trace::new(Corrupted::element(&held, lie).unwrap());
            let report = play(&arena, &held, liar, Trace::new(&held));
            assert_eq!(report.winner, Party::Challenger, "{lie:?}");
        }
    }
}

#[test]
fn hashes_of_nothing_in_any_node_are_refuted() {
    let arena = Arena::new().unwrap();
    for item in Item::all() {
        let held = held(&item);
        for lie in lies(&held) {
            let address = held.subject().tensors()[lie.node as usize].address(lie.position, lie.element);
            let liar = Corrupted::garbage(&held, lie.node, 0, address.unwrap().chunk).unwrap();
            let report = play(&arena, &held, Trace::new(liar), Trace::new(&held));
            assert_eq!(report.winner, Party::Challenger, "{lie:?}");
        }
    }
}

/// A machine that computes on from its mistake. Where the mistake leads out of the arithmetic's domain there is no such
/// trace; that is rare.
#[test]
fn a_mistake_that_is_computed_on_from_is_refuted() {
    let arena = Arena::new().unwrap();
    for item in Item::all() {
        let held = held(&item);
        let (mut played, mut impossible) = (0, 0);
        for lie in lies(&held) {
            let faulty = match Held::faulty(item.subject(), lie) {
                Ok(faulty) => faulty,
                Err(TraceError::Engine(_)) => {
                    impossible += 1;
                    continue;
                }
                Err(error) => panic!("{lie:?}: {error}"),
            };
            let report = play(&arena, &held, Trace::new(faulty), Trace::new(&held));
            assert_eq!(report.winner, Party::Challenger, "{lie:?}");
            played += 1;
        }
        assert!(played > 4 * impossible, "{played} played, {impossible} impossible");
    }
}

#[test]
fn a_wrong_challenge_of_any_node_fails() {
    let arena = Arena::new().unwrap();
    for item in Item::all() {
        let held = held(&item);
        for lie in lies(&held) {
            let own = Trace::new(Corrupted::element(&held, lie).unwrap());
            let report = play(&arena, &held, Trace::new(&held), own);
            assert_eq!(report.winner, Party::Proposer, "{lie:?}");
        }
    }
}

/// The published output is wrong, and the trace under it is honest.
#[test]
fn a_wrong_output_over_an_honest_trace_is_refuted() {
    let arena = Arena::new().unwrap();
    for item in Item::all() {
        let mut wrong = item;
        match &mut wrong.output {
            Published::Tokens(tokens) => *tokens.last_mut().unwrap() ^= 1,
            Published::Vector(vector) => vector[3] ^= 1,
        }
        let held = held(&wrong);
        assert!(Trace::new(&held).wrong_output().unwrap().is_some());
        let report = play(&arena, &held, Trace::new(&held), Trace::new(&held));
        assert_eq!(report.winner, Party::Challenger);
        assert_eq!(report.rounds, 2, "the root, and the output");
    }
}

/// Whoever disputes a right output of an honest trace finds nothing to ask.
#[test]
fn an_honest_claim_stands_against_an_honest_challenger() {
    let arena = Arena::new().unwrap();
    for item in Item::all() {
        let held = held(&item);
        let report = play(&arena, &held, Trace::new(&held), Trace::new(&held));
        assert_eq!(report.winner, Party::Proposer);
    }
}
