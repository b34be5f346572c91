//! Program bytes from anybody: decoding and validating never panic, and one program has one encoding.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use executor::model::Model;
use executor::program::op::{Index, Op, Range, Span, Target};
use executor::program::{
    ConstantId, ConstantInfo, ElementType, Interface, Layout, Node, NodeId, Output, Program, validate,
};
use proptest::prelude::*;
use support::random::Random;

fn attribute() -> impl Strategy<Value = i64> {
    prop_oneof![-2..70_i64, Just(1 << 31), Just(i64::MAX), Just(i64::MIN), any::<i64>()]
}

/// Bytes of a node that may be one.
fn node_bytes() -> impl Strategy<Value = Vec<u8>> {
    let lists = (
        prop::collection::vec(0..12_u32, 0..6),
        prop::collection::vec(0..6_u32, 0..5),
        prop::collection::vec(attribute(), 0..6),
    );
    (0..36_u8, 0..5_u8, lists).prop_map(|(code, range, (inputs, constants, attributes))| {
        let mut out = vec![code, range, inputs.len() as u8];
        inputs.iter().for_each(|x| out.extend(x.to_be_bytes()));
        out.push(constants.len() as u8);
        constants.iter().for_each(|x| out.extend(x.to_be_bytes()));
        out.push(attributes.len() as u8);
        attributes.iter().for_each(|x| out.extend(x.to_be_bytes()));
        out
    })
}

fn constant() -> impl Strategy<Value = ConstantInfo> {
    let element = prop_oneof![
        Just(ElementType::I8),
        Just(ElementType::I16),
        Just(ElementType::I32),
        Just(ElementType::I64),
        Just(ElementType::U16)
    ];
    let size = || prop_oneof![0..20_u32, Just(4096), Just(1 << 20), any::<u32>()];
    (element, size(), size(), attribute(), attribute())
        .prop_map(|(element, rows, columns, low, high)| ConstantInfo { element, rows, columns, low, high })
}

fn interface() -> impl Strategy<Value = Interface> {
    let output = prop_oneof![
        (0..9_u32, 0..9_u32).prop_map(|(a, b)| Output::Tokens { greedy: NodeId(a), sampled: NodeId(b) }),
        (0..9_u32, any::<i32>()).prop_map(|(a, fraction)| Output::Vector { node: NodeId(a), fraction }),
    ];
    let size = || prop_oneof![0..300_u32, Just(1 << 17), any::<u32>()];
    (size(), size(), prop::collection::vec(any::<u32>(), 0..4), output).prop_map(
        |(vocabulary, context, stop_tokens, output)| Interface {
            vocabulary,
            context,
            stop_tokens,
            output,
            tokenizer: Default::default(),
            chat_template: Default::default(),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_a_program_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(program) = Program::decode(&bytes) {
            prop_assert_eq!(program.encode(), bytes);
            let _ = validate(&program);
        }
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(
        constants in prop::collection::vec(constant(), 0..5),
        nodes in prop::collection::vec(node_bytes(), 0..8),
        interface in interface(),
    ) {
        let mut bytes = (constants.len() as u32).to_be_bytes().to_vec();
        constants.iter().for_each(|c| c.encode(&mut bytes));
        bytes.extend((nodes.len() as u32).to_be_bytes());
        bytes.extend(nodes.concat());
        interface.encode(&mut bytes);
        if let Ok(program) = Program::decode(&bytes) {
            prop_assert_eq!(program.encode(), bytes);
            let _ = validate(&program);
        }
    }

    #[test]
    fn a_damaged_program_is_another_program_or_an_error(seed in any::<u64>(), at in any::<u64>(), byte in any::<u8>()) {
        let mut bytes = sound(seed).encode();
        let at = (at % bytes.len() as u64) as usize;
        bytes[at] = byte;
        if let Ok(program) = Program::decode(&bytes) {
            prop_assert_eq!(program.encode(), bytes.as_slice());
            let _ = validate(&program);
        }
        prop_assert!(Program::decode(&bytes[..at]).is_err());
    }
}

/// A small program with tokens.
fn sound(seed: u64) -> Program {
    let mut r = Random::new(seed);
    let vocabulary = 2 + r.below(300) as u32;
    let constant = |element, rows, columns, low, high| ConstantInfo { element, rows, columns, low, high };
    let node = |op, range, inputs: &[u32], constants: &[u32]| Node {
        op,
        range,
        inputs: inputs.iter().copied().map(NodeId).collect(),
        constants: constants.iter().copied().map(ConstantId).collect(),
    };
    let (all, out, sampled) = (Range::All, Range::Outputs, Range::Sampled);
    let block = 1 + r.below(64) as u32;
    Program {
        constants: vec![
            constant(ElementType::I8, vocabulary, vocabulary, -127, 127),
            constant(ElementType::U16, 1, vocabulary, 1 << 15, 65_535),
            constant(ElementType::I8, 1, vocabulary, 0, 20),
            constant(ElementType::I32, 1, 4096, 1 << 30, i32::MAX.into()),
        ],
        nodes: vec![
            node(Op::Embed { index: Index::Token, shift: 0 }, all, &[], &[0, 1, 2]),
            node(Op::RowExp { bits: 16, groups: 1 }, all, &[0], &[]),
            node(Op::TimeMax { span: Span::Window(3) }, all, &[1], &[]),
            node(Op::Argmax {}, out, &[0], &[]),
            node(Op::RowMax {}, sampled, &[0], &[]),
            node(Op::Distance { shift: 10 }, sampled, &[0, 4], &[]),
            node(Op::Hist { level: 0, mass: 0 }, sampled, &[5], &[]),
            node(Op::CumSum {}, sampled, &[6], &[]),
            node(Op::Crossing { target: Target::TopK }, sampled, &[7], &[]),
            node(Op::Weigh {}, sampled, &[5, 8, 8], &[3]),
            node(Op::BlockSum { block }, sampled, &[9], &[]),
            node(Op::CumSum {}, sampled, &[10], &[]),
            node(Op::Draw {}, sampled, &[11], &[]),
            node(Op::Crossing { target: Target::Draw }, sampled, &[11, 12], &[]),
            node(Op::Pick { block }, sampled, &[9, 11, 13, 12], &[]),
        ],
        interface: Interface {
            vocabulary,
            context: 16,
            stop_tokens: vec![0, 1],
            output: Output::Tokens { greedy: NodeId(3), sampled: NodeId(14) },
            tokenizer: Default::default(),
            chat_template: Default::default(),
        },
    }
}

/// Why a changed program is refused.
fn refusal(change: impl FnOnce(&mut Program)) -> String {
    let mut program = sound(1);
    assert!(validate(&program).is_ok());
    change(&mut program);
    validate(&program).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn what_kernels_cannot_run_is_refused() {
    type Change = fn(&mut Program);
    let cases: [(&str, Change); 9] = [
        ("a greedy request has no temperature", |p| {
            p.nodes[4].range = Range::Outputs;
            p.nodes[5].range = Range::Outputs;
        }),
        ("the window is empty", |p| p.nodes[2].op = Op::TimeMax { span: Span::Window(0) }),
        ("is not a lower node", |p| p.nodes[1].inputs[0] = NodeId(1)),
        ("a weight is below 2^30", |p| p.constants[3].low = 0),
        ("no last position", |p| p.nodes[2].range = Range::Last),
        ("no value where it is read", |p| p.nodes[0].range = Range::Sampled),
        ("too many stop tokens", |p| {
            p.interface.vocabulary = 1 << 20;
            p.interface.stop_tokens = (0..1025).collect();
        }),
        ("no constant 9", |p| p.nodes[9].constants[0] = ConstantId(9)),
        ("not a node of the right kind", |p| {
            p.interface.output = Output::Tokens { greedy: NodeId(4), sampled: NodeId(14) }
        }),
    ];
    for (reason, change) in cases {
        let said = refusal(change);
        assert!(said.contains(reason), "{said} instead of {reason}");
    }
}

/// Bounds that rest on what a value means: the program has to show it.
#[test]
fn a_norm_reads_only_reciprocal_roots() {
    let mut p = sound(1);
    p.interface.vocabulary = 2;
    for c in &mut p.constants[..3] {
        (c.rows, c.columns) = (c.rows.min(2), c.columns.min(2));
    }
    p.constants.push(ConstantInfo { element: ElementType::I32, rows: 1, columns: 2, low: 0, high: 1 });
    let blocksum = Op::BlockSum { block: 1 };
    p.nodes[10].op = blocksum;
    p.nodes[14].op = Op::Pick { block: 1 };
    assert_eq!(validate(&p).err(), None);
    // Two sums of blocks look like a reciprocal root and its exponent.
    p.nodes.push(Node {
        op: Op::Norm { groups: 1, shift: 35, gain_shift: 0 },
        range: Range::Sampled,
        inputs: vec![NodeId(0), NodeId(1), NodeId(10)],
        constants: vec![ConstantId(4)],
    });
    let said = validate(&p).unwrap_err().to_string();
    assert!(said.contains("must be reciprocal roots"), "{said}");
}

#[test]
fn what_a_step_relies_on_is_demanded() {
    let said = refusal(|p| p.nodes[8].inputs[0] = NodeId(6));
    assert!(said.contains("must be cumulative sums"), "{said}");
    for block in [0, 1025] {
        let said = refusal(|p| p.nodes[10].op = Op::BlockSum { block });
        assert!(said.contains("1 to 1,024"), "{said}");
    }
}

/// A record is the node's encoding, its shape and those of its inputs; what is read along time lies in columns.
#[test]
fn records_say_how_a_node_lies() {
    let program = sound(1);
    let infos = validate(&program).unwrap();
    let columns: Vec<usize> = (0..infos.len()).filter(|i| infos[*i].layout == Layout::Columns).collect();
    assert_eq!(columns, [1]);
    let shape = infos[1].shape().encode();
    assert_eq!(shape, [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    let record = program.nodes[2].record(2, &infos);
    let mut want = Vec::new();
    program.nodes[2].encode(&mut want);
    want.extend(infos[2].shape().encode());
    want.extend(shape);
    assert_eq!(record, want);
}

/// What fuzzing starts from is deep enough: whole programs of every operation, and whole artefacts.
#[test]
fn the_fuzz_corpus_is_sound() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/program");
    let mut seen = BTreeSet::new();
    for name in ["tokens", "encoder", "classifier"] {
        let bytes = fs::read(folder.join(name)).unwrap();
        let program = Program::decode(&bytes[1..]).unwrap();
        validate(&program).unwrap_or_else(|e| panic!("{name}: {e}"));
        seen.extend(program.nodes.iter().map(|n| n.op.stem()));
    }
    assert_eq!(seen, Op::STEMS.iter().copied().collect());
    for name in ["artefact_rows", "artefact_panels"] {
        let bytes = fs::read(folder.join(name)).unwrap();
        let model = Model::from_bytes(&bytes[1..]).unwrap_or_else(|e| panic!("{name}: {e}"));
        // The program names another tokenizer than the one that is there.
        let said = model.verify().unwrap_err().to_string();
        assert!(said.contains("tokenizer"), "{said}");
        assert!(Model::from_bytes(&bytes[1..bytes.len() - 64]).is_err(), "{name} cut short");
    }
}

/// What maps, groups and products of groups demand.
#[test]
fn a_wrong_classifier_is_refused() {
    type Change = fn(&mut Program);
    let at = |p: &Program, stem: &str| p.nodes.iter().position(|n| n.op.stem() == stem).unwrap();
    let cases: [(&str, &str, Change); 9] = [
        ("gather", "visible is 0 or 1", |p| p.nodes[1].op = Op::Gather { visible: 2, fill: 0 }),
        ("gather", "leaves what there is", |p| p.constants[3].high = 16),
        ("gather", "leaves what there is", |p| p.constants[3].low = -2),
        ("gather", "no value where it is read", |p| p.nodes[0].range = Range::Last),
        ("linear", "another width", |p| p.constants[4].columns = 8),
        ("linear", "1 x 2", |p| p.constants[7].columns = 32),
        ("clamp", "wrong way round", |p| p.nodes[5].op = Op::Clamp { low: 1, high: 0 }),
        ("groupmax", "do not divide", |p| p.nodes[7].op = Op::GroupMax { groups: 7 }),
        ("mul", "leaves -62 to 62", |p| {
            let mul = p.nodes.iter_mut().find(|n| n.op.stem() == "mul").unwrap();
            mul.op = Op::Mul { shift: 63 };
        }),
    ];
    let model = support::vision::cnn(1, 4, 2);
    assert_eq!((at(model.program(), "gather"), at(model.program(), "groupmax")), (1, 7));
    for (stem, reason, change) in cases {
        let mut program = model.program().clone();
        change(&mut program);
        let said = validate(&program).unwrap_err().to_string();
        assert!(said.contains(stem) && said.contains(reason), "{said} instead of {stem}: {reason}");
    }
    // A sequence of tokens cannot see what comes later.
    assert!(!model.program().is_causal());
}
