//! The trace of small models of every architecture: one root whoever computes it, every opening and every step under
//! it, and traces that are wrong on purpose.

mod support;

use bisection::trace::{Place, Subtree, TraceProvider, Tree};
use bisection::{Hash, tree};
use executor::engine::EngineError;
use executor::import::source::Architecture;
use executor::kernels::Sampling;
use executor::native::Native;
use executor::program::op::Op;
use executor::reference::Reference;
use executor::trace::{
    Corrupted, Executed, Held, Lie, Published, Source, StepKind, Trace, TraceError, worst_case,
};
use support::items::{Item, model, published};
use support::random::Random;
use support::tiny::{self, Shape};
use support::verifier::Verifier;

/// What is asked of an item's traces.
trait Traced {
    fn held(&self) -> Trace<Held>;
    fn executed(&self, threads: usize, piece: usize) -> Trace<Executed>;
    fn verifier(&self, trace_root: Hash) -> Verifier<'_>;
}

impl Traced for Item {
    fn held(&self) -> Trace<Held> {
        Trace::new(Held::new(self.subject(), &mut Native::new(&self.model, 2, None).unwrap()).unwrap())
    }

    fn executed(&self, threads: usize, piece: usize) -> Trace<Executed> {
        let engine = Box::new(Native::new(&self.model, threads, None).unwrap());
        Trace::new(Executed::in_pieces(self.subject(), engine, piece).unwrap())
    }

    fn verifier(&self, trace_root: Hash) -> Verifier<'_> {
        Verifier {
            program: self.model.program(),
            infos: self.model.infos(),
            trace_root,
            item: *self.subject().item(),
        }
    }
}

#[test]
fn one_root_whoever_computes_it() {
    for case in Item::all() {
        let reference = Reference::new(case.model.clone());
        let want = Trace::new(Executed::new(case.subject(), Box::new(reference)).unwrap()).root();
        assert_eq!(case.held().root(), want);
        for (threads, piece) in [(1, usize::MAX), (2, usize::MAX), (2, 1), (1, 3), (2, 4)] {
            assert_eq!(case.executed(threads, piece).root(), want, "{threads} threads, {piece} at a time");
        }
    }
}

/// Walks down to every chunk of some nodes, as a game does, in a trace that holds only roots.
#[test]
fn every_opening_lies_under_the_root() {
    for case in Item::all() {
        let (mut executed, mut held) = (case.executed(2, usize::MAX), case.held());
        let nodes = executed.nodes();
        assert_eq!(executed.hash(Subtree::whole(Tree::Nodes, nodes.into())), Ok(executed.root()));
        opened(&mut held, Subtree::whole(Tree::Nodes, nodes.into()), nodes.into());
        for node in 0..nodes {
            let shape = held.tensor(node).unwrap();
            let whole = Subtree::whole(Tree::Chunks { node }, shape.chunks());
            let leaf = Subtree { tree: Tree::Nodes, height: 0, index: node.into() };
            assert_eq!(executed.hash(whole), held.hash(leaf), "node {node}");
            if shape.chunks() == 0 {
                assert_eq!(held.hash(leaf), Ok(tree::pad()));
                continue;
            }
            opened(&mut held, whole, shape.chunks());
            for chunk in 0..shape.chunks() {
                let bytes = held.chunk(node, chunk).unwrap();
                assert_eq!(Some(bytes.len()), shape.chunk_len(chunk));
                let leaf = Subtree { tree: whole.tree, height: 0, index: chunk };
                assert_eq!(held.hash(leaf), Ok(tree::chunk_hash(chunk, &bytes)));
            }
            if node % 17 == 3 {
                opened(&mut executed, whole, shape.chunks());
                let last = shape.chunks() - 1;
                assert_eq!(executed.chunk(node, last), held.chunk(node, last));
            }
        }
    }
}

/// Opens a subtree and everything below it.
fn opened(trace: &mut impl TraceProvider<Error = TraceError>, at: Subtree, leaves: u64) {
    let levels = tree::opening_levels(at.height).min(3);
    if levels == 0 {
        return;
    }
    let children = trace.children(at, levels).unwrap();
    assert_eq!(Ok(Verifier::parent(children.clone(), levels)), trace.hash(at), "{at:?}");
    let (first, count) = at.below(levels, leaves);
    assert_eq!(children.len() as u64, count);
    let height = at.height - levels;
    (first..first + count).for_each(|index| opened(trace, Subtree { tree: at.tree, height, index }, leaves));
}

/// A few elements of every node.
fn places(held: &mut Trace<Held>, random: &mut Random) -> Vec<Place> {
    let mut out = Vec::new();
    for node in 0..held.nodes() {
        let shape = held.tensor(node).unwrap();
        if shape.chunks() > 0 {
            for chunk in [0, shape.chunks() - 1, random.below(shape.chunks() as usize) as u64] {
                let slot = random.below(shape.slots(chunk) as usize) as u32;
                out.push(Place::element(node, chunk, slot));
            }
        }
    }
    out
}

#[test]
fn every_step_proves_its_element() {
    for case in Item::all() {
        let mut held = case.held();
        let verifier = case.verifier(held.root());
        let mut random = Random::new(4);
        let costs = worst_case(&case.model, held.subject().item().positions());
        for at in places(&mut held, &mut random) {
            let shape = held.tensor(at.node).unwrap();
            let there = shape.value(&held.chunk(at.node, at.chunk).unwrap(), at.slot).unwrap();
            assert_eq!(held.list(at), Ok(None));
            let (value, data) = held.step(at).unwrap();
            let op = case.model.program().nodes[at.node as usize].op;
            assert_eq!(value, there, "{op:?} {at:?}");
            assert_eq!(verifier.step(at, there, &data), Ok(there), "{op:?} {at:?}");
            let bound = costs.iter().find(|cost| cost.node == at.node).unwrap().witness_bytes;
            assert!(data.witness.len() as u64 <= bound, "{op:?}: {} > {bound}", data.witness.len());
            // Nothing of the witness may change, be missing or be left over.
            let mut other = data.clone();
            let i = random.below(data.witness.len().max(1));
            if let Some(byte) = other.witness.get_mut(i) {
                *byte ^= 1;
                assert!(verifier.step(at, there, &other).is_err(), "{op:?} {at:?}");
            }
            let mut other = data.clone();
            other.witness.push(0);
            assert!(verifier.step(at, there, &other).is_err());
            if matches!(op, Op::Crossing { .. }) {
                assert_ne!(verifier.step(at, there ^ 1, &data), Ok(there ^ 1));
            }
        }
    }
}

/// A trace of which only roots are held gives the same data.
#[test]
fn a_trace_that_is_run_again_gives_the_same_data() {
    for case in Item::all() {
        let (mut executed, mut held) = (case.executed(2, usize::MAX), case.held());
        let mut random = Random::new(9);
        for at in places(&mut held, &mut random).into_iter().step_by(13) {
            assert_eq!(executed.step(at), held.step(at));
        }
        let node = executed.subject().output_node().0;
        assert_eq!(executed.wrong_output(), Ok(None));
        let verifier = case.verifier(held.root());
        for index in 0..held.subject().published().len() as u32 {
            let at = held.subject().output_place(index);
            let data = held.output(index).unwrap();
            assert_eq!(verifier.output(node, at, index, &data), Ok(true));
        }
    }
}

/// An output that is not what an honest trace says is found and cannot be proven.
#[test]
fn a_wrong_output_is_seen() {
    for mut case in Item::all() {
        match &mut case.output {
            Published::Tokens(tokens) => *tokens.last_mut().unwrap() ^= 1,
            Published::Vector(vector) => vector[3] ^= 1,
        }
        let index = match &case.output {
            Published::Tokens(tokens) => tokens.len() as u32 - 1,
            Published::Vector(_) => 3,
        };
        let mut trace = case.held();
        assert_eq!(trace.wrong_output(), Ok(Some(index)));
        let (node, at) = (trace.subject().output_node().0, trace.subject().output_place(index));
        let data = trace.output(index).unwrap();
        assert_eq!(case.verifier(trace.root()).output(node, at, index, &data), Ok(false));
    }
}

/// The first place at which two traces differ.
fn first_difference<A: Source, B: Source>(a: &mut Trace<A>, b: &mut Trace<B>) -> Option<Place> {
    for node in 0..a.nodes() {
        let leaf = Subtree { tree: Tree::Nodes, height: 0, index: node.into() };
        if a.hash(leaf) == b.hash(leaf) {
            continue;
        }
        let shape = a.tensor(node).unwrap();
        for chunk in 0..shape.chunks() {
            let (x, y) = (a.chunk(node, chunk).unwrap(), b.chunk(node, chunk).unwrap());
            let slot = (0..shape.slots(chunk)).find(|s| shape.value(&x, *s) != shape.value(&y, *s));
            if let Some(slot) = slot {
                return Some(Place::element(node, chunk, slot));
            }
        }
    }
    None
}

#[test]
fn a_lie_is_the_first_difference_and_has_no_proof() {
    for case in Item::all() {
        let mut honest = case.held();
        let mut random = Random::new(2);
        for at in places(&mut honest, &mut random).into_iter().step_by(19) {
            let (position, element) =
                honest.subject().tensors()[at.node as usize].element_at(address(at)).unwrap();
            let there = honest.value(at.node, position, element).unwrap();
            let lie = Lie { node: at.node, position, element, value: there ^ 1 };
            let engine = &mut Native::new(&case.model, 1, None).unwrap();
            let alone = Held::new(case.subject(), engine).unwrap();
            let mut alone = Trace::new(Corrupted::element(alone, lie).unwrap());
            let mut tries = vec![(alone.root(), first_difference(&mut alone, &mut honest), alone.step(at))];
            match Held::faulty(case.subject(), lie) {
                Ok(onwards) => {
                    let mut onwards = Trace::new(onwards);
                    let difference = first_difference(&mut onwards, &mut honest);
                    tries.push((onwards.root(), difference, onwards.step(at)));
                }
                // A score above its maximum has no weight.
                Err(TraceError::Engine(EngineError::Arithmetic(_))) => {}
                Err(e) => panic!("{e}"),
            }
            for (root, difference, proof) in tries {
                assert_ne!(root, honest.root());
                assert_eq!(difference, Some(at), "{lie:?}");
                // What the liar could send shows the right value, not the claimed one.
                if let Ok((_, data)) = proof {
                    let got = case.verifier(root).step(at, lie.value, &data);
                    assert_ne!(got, Ok(lie.value), "{lie:?}");
                }
            }
        }
    }
}

fn address(at: Place) -> executor::trace::TensorAddress {
    executor::trace::TensorAddress { chunk: at.chunk, slot: at.slot }
}

#[test]
fn nothing_answers_below_garbage() {
    let case = &Item::all()[0];
    let honest = case.held();
    let node = (0..honest.nodes()).find(|n| honest.tensor(*n).unwrap().chunks() > 8).unwrap();
    let chunks = honest.tensor(node).unwrap().chunks();
    let mut trace = Trace::new(Corrupted::garbage(honest.into_source(), node, 2, 1).unwrap());
    assert_ne!(trace.root(), case.held().root());
    let whole = Subtree::whole(Tree::Chunks { node }, chunks);
    let children = trace.children(whole, whole.height - 2).unwrap();
    assert_eq!(Ok(Verifier::parent(children, whole.height - 2)), trace.hash(whole));
    let garbage = Subtree { height: 2, index: 1, ..whole };
    assert_eq!(trace.children(garbage, 2), Err(TraceError::NoAnswer));
    assert_eq!(trace.chunk(node, 5), Err(TraceError::NoAnswer));
    assert!(trace.chunk(node, 0).is_ok());
}

/// A model's worst dispute is known before anybody plays it.
#[test]
fn disputes_are_bounded() {
    let model = model(Architecture::Llama, Shape { context: 4096, ..Shape::default() }, 16);
    let costs = worst_case(&model, 2048);
    assert_eq!(costs.len(), model.program().nodes.len());
    let mix = costs.iter().find(|c| c.op == "mix").unwrap();
    assert_eq!((mix.terms, mix.rounds), (2048, 7));
    let most = costs.iter().max_by_key(|c| c.floor_gas()).unwrap();
    assert!(most.rounds <= 10 && most.floor_gas() < 2_000_000, "{most:?}");
}

/// Attention over more positions than one step holds, and the best lists of a liar.
#[test]
fn long_reductions_are_lists() {
    let shape = Shape { layers: 1, context: 1024, ..Shape::default() };
    let model = model(Architecture::Llama, shape, 16);
    let prompt = tiny::tokens(5, 600, shape.vocabulary);
    let output = published(&model, &prompt, Sampling::GREEDY, 2);
    let case = Item { model, prompt, sampling: Sampling::GREEDY, output };
    let mut held = case.held();
    let verifier = case.verifier(held.root());
    let nodes = &case.model.program().nodes;
    let node = nodes.iter().position(|n| matches!(n.op, Op::Mix { .. })).unwrap() as u32;
    let tensor = held.subject().tensors()[node as usize];
    let (t, e) = (599, 37);
    let at = tensor.address(t, e).unwrap();
    let at = Place::element(node, at.chunk, at.slot);
    let list = held.list(at).unwrap().unwrap();
    assert_eq!((list.entries.len(), list.segment, list.end), (2, 512, 600));
    let value = held.value(node, t, e).unwrap();
    let data = held.witness(at, StepKind::Finish).unwrap();
    assert_eq!(verifier.combine(at, &list.entries, &data), Ok(value.into()));
    for (i, (from, to)) in [(0, 512), (512, 600)].into_iter().enumerate() {
        let segment = Place { from, to, ..at };
        let (sum, data) = held.step(segment).unwrap();
        assert_eq!(sum, list.entries[i]);
        assert_eq!(verifier.step(segment, sum, &data), Ok(sum));
    }
    let lie = Lie { node, position: t, element: e, value: value + 1 };
    let mut liar = Trace::new(Corrupted::element(held.into_source(), lie).unwrap());
    let told = liar.list(at).unwrap().unwrap();
    let data = liar.witness(at, StepKind::Finish).unwrap();
    let verifier = case.verifier(liar.root());
    assert_eq!(verifier.combine(at, &told.entries, &data), Ok(i128::from(value) + 1));
    assert_eq!(told.entries.iter().zip(&list.entries).filter(|(a, b)| a != b).count(), 1);
}
