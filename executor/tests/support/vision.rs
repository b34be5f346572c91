//! Small classifiers of pictures with pseudo-random weights: a convolutional network and a perceptron.
//!
//! A picture is a sequence of its numbers, one token each. Feature maps are channels-last: [y][x][channel].

use bisection::{keccak256, tree};
use executor::kernels::{Constant, ConstantData, panel_bytes, panel_offset};
use executor::model::Model;
use executor::program::op::{Index, Op, Range};
use executor::program::{
    ConstantId, ConstantInfo, ElementType, Interface, Node, NodeId, Output, Program, validate,
};
use executor::trace::ModelHeader;
use serde_json::{Value, json};

use super::random::Random;

/// Values of a pixel.
pub const VOCABULARY: u32 = 17;
const ALIGNMENT: usize = 64;

/// A feature map: its node and its size.
#[derive(Clone, Copy)]
struct Map {
    node: NodeId,
    height: usize,
    width: usize,
    channels: usize,
}

impl Map {
    /// Index of an element, or -1 outside.
    fn at(&self, y: i64, x: i64, channel: usize) -> i64 {
        let inside = (0..self.height as i64).contains(&y) && (0..self.width as i64).contains(&x);
        if inside { (y * self.width as i64 + x) * self.channels as i64 + channel as i64 } else { -1 }
    }
}

/// A program in the making.
struct Net {
    random: Random,
    nodes: Vec<Node>,
    constants: Vec<(ConstantInfo, Vec<i64>)>,
}

impl Net {
    fn push(&mut self, op: Op, inputs: &[NodeId], constants: &[ConstantId]) -> NodeId {
        let range = if matches!(op, Op::Embed { .. }) { Range::All } else { Range::Last };
        self.nodes.push(Node { op, range, inputs: inputs.into(), constants: constants.into() });
        NodeId(self.nodes.len() as u32 - 1)
    }

    fn constant(&mut self, element: ElementType, rows: usize, values: Vec<i64>) -> ConstantId {
        let (rows, columns) = (rows as u32, (values.len() / rows) as u32);
        let (low, high) = (*values.iter().min().unwrap(), *values.iter().max().unwrap());
        self.constants.push((ConstantInfo { element, rows, columns, low, high }, values));
        ConstantId(self.constants.len() as u32 - 1)
    }

    fn values(&mut self, count: usize, most: i64) -> Vec<i64> {
        (0..count).map(|_| self.random.below(2 * most as usize + 1) as i64 - most).collect()
    }

    /// Weights of 8 or 16 bits with multipliers, shifts and biases; a row keeps magnitudes, more or less.
    fn matrix(&mut self, rows: usize, columns: usize, wide: bool) -> Vec<ConstantId> {
        let (element, most, shift) =
            if wide { (ElementType::I16, 32_639, 31) } else { (ElementType::I8, 127, 23) };
        let weights = self.values(rows * columns, most);
        let multipliers = (0..rows).map(|_| 32_768 + self.random.below(32_768) as i64).collect();
        let spread = columns.ilog2() as i64 / 2;
        let shifts = (0..rows).map(|r| shift + spread - 1 - (r % 3) as i64 / 2).collect();
        let biases = self.values(rows, 1 << 16);
        vec![
            self.constant(element, rows, weights),
            self.constant(ElementType::U16, 1, multipliers),
            self.constant(ElementType::I8, 1, shifts),
            self.constant(ElementType::I32, 1, biases),
        ]
    }

    /// The numbers of a picture, a Fixed each, at every position.
    fn pixels(&mut self) -> NodeId {
        let rows = VOCABULARY as usize;
        let constants = [
            self.constant(ElementType::I8, rows, (0..VOCABULARY.into()).map(|i: i64| 7 * i - 56).collect()),
            self.constant(ElementType::U16, 1, vec![40_000; rows]),
            self.constant(ElementType::I8, 1, vec![6; rows]),
        ];
        self.push(Op::Embed { index: Index::Token, shift: 0 }, &[], &constants)
    }

    fn gather(&mut self, x: NodeId, visible: u32, fill: i32, map: Vec<i64>) -> NodeId {
        let map = self.constant(ElementType::I32, 1, map);
        self.push(Op::Gather { visible, fill }, &[x], &[map])
    }

    /// Mantissas with an exponent for each of some groups, as (mantissas, exponents).
    fn mantissas(&mut self, x: NodeId, bits: u32, groups: usize) -> (NodeId, NodeId) {
        let groups = groups as u32;
        let e = self.push(Op::RowExp { bits, groups }, &[x], &[]);
        (self.push(Op::Quantise { bits, groups }, &[x, e], &[]), e)
    }

    fn linear(&mut self, (m, e): (NodeId, NodeId), rows: usize, columns: usize, wide: bool) -> NodeId {
        let constants = self.matrix(rows, columns, wide);
        self.push(Op::Linear { shift: 0 }, &[m, e], &constants)
    }

    /// A convolution of 3 x 3 with padding. Each patch has its exponent, or (`whole`) all have the map's: then the
    /// mantissas are what is copied.
    fn conv(&mut self, x: Map, visible: bool, whole: bool, channels: usize) -> Map {
        let mut map = Vec::new();
        for y in 0..x.height as i64 {
            for column in 0..x.width as i64 {
                for tap in 0..9 {
                    let (y, column) = (y + tap / 3 - 1, column + tap % 3 - 1);
                    map.extend((0..x.channels).map(|c| x.at(y, column, c)));
                }
            }
        }
        let places = x.height * x.width;
        let mantissas = if whole {
            let (m, e) = self.mantissas(x.node, 8, 1);
            let m = self.gather(m, 0, 0, map);
            (m, self.gather(e, 0, 0, vec![0; places]))
        } else {
            let patches = self.gather(x.node, visible.into(), 0, map);
            self.mantissas(patches, 16, places)
        };
        let node = self.linear(mantissas, channels, 9 * x.channels, !whole);
        Map { node, channels, ..x }
    }

    fn relu(&mut self, x: Map) -> Map {
        Map { node: self.push(Op::Clamp { low: 0, high: i32::MAX }, &[x.node], &[]), ..x }
    }

    /// The largest of 2 x 2; what a picture of odd size has not is less than anything.
    fn max_pool(&mut self, x: Map) -> Map {
        let (height, width) = (x.height.div_ceil(2), x.width.div_ceil(2));
        let mut map = Vec::new();
        for y in 0..height as i64 {
            for column in 0..width as i64 {
                for channel in 0..x.channels {
                    map.extend((0..4).map(|i| x.at(2 * y + i / 2, 2 * column + i % 2, channel)));
                }
            }
        }
        let groups = (map.len() / 4) as u32;
        let fours = self.gather(x.node, 0, i32::MIN, map);
        Map { node: self.push(Op::GroupMax { groups }, &[fours], &[]), height, width, ..x }
    }

    /// The mean of each channel.
    fn mean(&mut self, x: Map) -> NodeId {
        let places = x.height * x.width;
        let map = (0..x.channels * places).map(|i| (i % places * x.channels + i / places) as i64).collect();
        let turned = self.gather(x.node, 0, 0, map);
        self.push(Op::GroupMean { groups: x.channels as u32 }, &[turned], &[])
    }

    /// The model whose output is `node`, for pictures of `context` numbers.
    fn finish(self, node: NodeId, context: usize) -> Model {
        let constants = self.constants.iter().map(|c| c.0).collect();
        let interface = Interface {
            vocabulary: VOCABULARY,
            context: context as u32,
            stop_tokens: vec![],
            output: Output::Vector { node, fraction: 8 },
            tokenizer: keccak256(b""),
            chat_template: keccak256(b""),
        };
        let program = Program { nodes: self.nodes, constants, interface };
        let model = Model::from_bytes(&artefact(&program, &self.constants)).unwrap();
        model.verify().unwrap();
        model
    }
}

/// The stored bytes of a constant: matrices of products in panels.
fn stored(info: &ConstantInfo, values: &[i64]) -> (bool, Vec<u8>) {
    let (rows, columns, digits) = (info.rows as usize, info.columns as usize, info.element.size());
    if !matches!(info.element, ElementType::I8 | ElementType::I16) || rows == 1 {
        let mut bytes = Vec::new();
        info.element.write(values, &mut bytes);
        return (false, bytes);
    }
    let mut bytes = vec![0; panel_bytes(rows, columns, digits).unwrap()];
    for (i, value) in values.iter().enumerate() {
        let low = *value as i8;
        let parts = if digits == 1 { vec![low] } else { vec![((value - i64::from(low)) >> 8) as i8, low] };
        for (digit, part) in parts.into_iter().enumerate() {
            bytes[panel_offset(i / columns, i % columns, columns, digits, digit).unwrap()] = part as u8;
        }
    }
    (true, bytes)
}

/// An artefact without a tokenizer.
fn artefact(program: &Program, constants: &[(ConstantInfo, Vec<i64>)]) -> Vec<u8> {
    let infos = validate(program).unwrap();
    let stored: Vec<(bool, Vec<u8>)> = constants.iter().map(|(info, values)| stored(info, values)).collect();
    let roots: Vec<_> = constants
        .iter()
        .zip(&stored)
        .map(|((info, _), (panels, bytes))| {
            let data = if *panels { ConstantData::Panels(bytes) } else { ConstantData::Rows(bytes) };
            tree::tensor_root(&Constant { info: *info, data }.row_major())
        })
        .collect();
    let encoded = program.encode();
    // Enough for any header of these models.
    let start = (4096 + 200 * constants.len()).next_multiple_of(ALIGNMENT);
    let (mut body, mut places) = (Vec::new(), Vec::new());
    for section in std::iter::once(&encoded).chain(stored.iter().map(|(_, bytes)| bytes)) {
        places.push(json!({ "offset": start + body.len(), "length": section.len() }));
        body.extend_from_slice(section);
        body.resize(body.len().next_multiple_of(ALIGNMENT), 0);
    }
    let panels = stored.iter().zip(&places[1..]);
    let constants: Vec<Value> =
        panels.map(|((panels, _), place)| json!({ "place": place, "panels": panels })).collect();
    let header = json!({
        "id": ModelHeader::new(program, &infos, &roots).id(),
        "program": places[0],
        "constants": constants,
        "tokenizer": { "offset": 0, "length": 0 },
        "chat_template": null,
        "special_tokens": [],
        "add_bos": false,
        "steps": [],
        "provenance": {
            "name": "vision", "format": "none", "digest": keccak256(b""), "precision": "w16", "kv": "i16",
            "stream_fraction": 8, "importer": "none",
        },
    });
    let json = serde_json::to_vec(&header).unwrap();
    assert!(16 + json.len() <= start);
    let mut bytes = b"REFUTE\0\x01".to_vec();
    bytes.extend((json.len() as u64).to_le_bytes());
    bytes.extend(json);
    bytes.resize(start, 0);
    bytes.extend(body);
    bytes
}

fn net(seed: u64) -> Net {
    Net { random: Random::new(seed), nodes: Vec::new(), constants: Vec::new() }
}

/// Convolutions with relu and pooling, a gate of each channel's mean, ten classes.
pub fn cnn(seed: u64, side: usize, channels: usize) -> Model {
    let mut net = net(seed);
    let pixels = net.pixels();
    let x = Map { node: pixels, height: side, width: side, channels: 1 };
    let x = net.conv(x, true, false, channels);
    let x = net.relu(x);
    let x = net.max_pool(x);
    let x = net.conv(x, false, true, 2 * channels);
    let x = net.relu(x);
    let x = net.conv(x, false, false, channels);
    let mean = net.mean(x);
    // The mean of its channel for every element.
    let repeated = (0..x.height * x.width * channels).map(|i| (i % channels) as i64).collect();
    let gate = net.gather(mean, 0, 0, repeated);
    let gated = net.push(Op::Mul { shift: 12 }, &[x.node, gate], &[]);
    let mantissas = net.mantissas(gated, 16, 1);
    let classes = net.linear(mantissas, 10, x.height * x.width * channels, true);
    net.finish(classes, side * side)
}

/// Two hidden layers with relu6 and ten classes.
pub fn perceptron(seed: u64, inputs: usize, hidden: usize) -> Model {
    let mut net = net(seed);
    let pixels = net.pixels();
    let mut x = net.gather(pixels, 1, 0, (0..inputs as i64).collect());
    let mut width = inputs;
    for rows in [hidden, hidden / 2] {
        let mantissas = net.mantissas(x, 16, 1);
        x = net.linear(mantissas, rows, width, false);
        x = net.push(Op::Clamp { low: 0, high: 6 << 14 }, &[x], &[]);
        width = rows;
    }
    let mantissas = net.mantissas(x, 16, 1);
    let classes = net.linear(mantissas, 10, width, true);
    net.finish(classes, inputs)
}

/// A picture.
pub fn picture(seed: u64, numbers: usize) -> Vec<u32> {
    let mut random = Random::named(seed, "picture");
    (0..numbers).map(|_| random.below(VOCABULARY as usize) as u32).collect()
}
