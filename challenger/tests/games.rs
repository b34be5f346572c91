//! Whole games on the real contracts over small models of every architecture: whoever lies loses.

#[path = "../../executor/tests/support/mod.rs"]
mod support;

use bindings::local::TRANSACTION_GAS_MAX;
use challenger::arena::{Arena, Party, Report};
use executor::native::Native;
use executor::trace::{Corrupted, Held, Lie, Trace};
use support::items::Item;

fn held(item: &Item) -> Held {
    Held::new(item.subject(), &mut Native::new(&item.model, 2, None).unwrap()).unwrap()
}

fn game<A: executor::trace::Source, B: executor::trace::Source>(
    arena: &Arena,
    item: &Item,
    mut posted: Trace<A>,
    mut own: Trace<B>,
) -> Report {
    let mut arena = arena.clone();
    let assertion = arena.post(&item.subject()).unwrap();
    let report = arena.dispute(assertion, &mut posted, &mut own, |_| {}).unwrap();
    assert!(report.largest() < TRANSACTION_GAS_MAX);
    report
}

/// One element of every node is changed and nothing computed anew.
#[test]
fn a_changed_element_of_any_node_is_refuted() {
    let arena = Arena::new().unwrap();
    for item in Item::all() {
        let nodes = item.model.program().nodes.len() as u32;
        for node in 0..nodes {
            let tensor = item.subject().tensors()[node as usize];
            if tensor.count == 0 {
                continue;
            }
            let position = tensor.first + u64::from(node) % tensor.count;
            let element = tensor.row(position) / 2;
            let mut honest = Trace::new(held(&item));
            let value = honest.value(node, position, element).unwrap();
            let lie = Lie { node, position, element, value: value ^ 1 };
            let posted = Trace::new(Corrupted::element(held(&item), lie).unwrap());
            let report = game(&arena, &item, posted, honest);
            println!(
                "{} {} rounds {} gas {}",
                item.model.program().nodes[node as usize].op.stem(),
                node,
                report.rounds,
                report.gas()
            );
            assert_eq!(report.winner, Party::Challenger, "node {node}");
        }
    }
}

/// The challenger's own trace is the wrong one.
#[test]
fn a_wrong_challenge_of_any_node_fails() {
    let arena = Arena::new().unwrap();
    for item in Item::all() {
        let nodes = item.model.program().nodes.len() as u32;
        for node in 0..nodes {
            let tensor = item.subject().tensors()[node as usize];
            if tensor.count == 0 {
                continue;
            }
            let position = tensor.first + u64::from(node) % tensor.count;
            let element = tensor.row(position) / 2;
            let mut honest = Trace::new(held(&item));
            let value = honest.value(node, position, element).unwrap();
            let lie = Lie { node, position, element, value: value ^ 1 };
            let own = Trace::new(Corrupted::element(held(&item), lie).unwrap());
            let report = game(&arena, &item, honest, own);
            let op = item.model.program().nodes[node as usize].op.stem();
            println!("{op} {node}: {} rounds, {} gas", report.rounds, report.gas());
            for m in &report.moves {
                println!("   {:?} {} {} gas {} bytes", m.by, m.name, m.gas, m.bytes);
            }
            assert_eq!(report.winner, Party::Proposer, "node {node} {op}");
        }
    }
}
