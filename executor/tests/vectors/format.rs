//! The JSON of a vector file. docs/specification.md, "Test vectors".

use executor::kernels::{Constant, ConstantData, Operands, Sampling, apply};
use executor::numerics::OutOfDomain;
use executor::program::op::Op;
use executor::program::{ConstantInfo, ElementType};
use serde_json::{Value, json};

/// A part of a list of values.
#[derive(Clone, Copy)]
pub(crate) enum Item {
    /// A value so many times.
    Run(i64, usize),
    /// `count` values of splitmix64: low + next mod (high - low + 1).
    Seed { seed: u64, count: usize, low: i64, high: i64 },
}

pub(crate) type List = Vec<Item>;

/// Values as they are.
pub(crate) fn list(values: &[i64]) -> List {
    let mut out: List = Vec::new();
    for x in values {
        match out.last_mut() {
            Some(Item::Run(v, n)) if v == x => *n += 1,
            _ => out.push(Item::Run(*x, 1)),
        }
    }
    out
}

pub(crate) fn expand(list: &List) -> Vec<i64> {
    let mut out = Vec::new();
    for item in list {
        match *item {
            Item::Run(x, n) => out.extend(std::iter::repeat_n(x, n)),
            Item::Seed { seed, count, low, high } => {
                let mut state = seed;
                out.extend((0..count).map(|_| {
                    state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                    low + ((z ^ (z >> 31)) % (high.abs_diff(low) + 1)) as i64
                }));
            }
        }
    }
    out
}

fn list_json(list: &List) -> Value {
    let mut out = Vec::new();
    for item in list {
        match *item {
            Item::Run(x, n) if n < 3 => out.extend(std::iter::repeat_n(json!(x), n)),
            Item::Run(x, n) => out.push(json!([x, n])),
            Item::Seed { seed, count, low, high } => {
                out.push(json!({ "seed": seed, "count": count, "low": low, "high": high }));
            }
        }
    }
    Value::Array(out)
}

fn list_of(json: &Value) -> List {
    let item = |x: &Value| match x {
        Value::Array(run) => Item::Run(run[0].as_i64().unwrap(), run[1].as_u64().unwrap() as usize),
        Value::Object(s) => Item::Seed {
            seed: s["seed"].as_u64().unwrap(),
            count: s["count"].as_u64().unwrap() as usize,
            low: s["low"].as_i64().unwrap(),
            high: s["high"].as_i64().unwrap(),
        },
        x => Item::Run(x.as_i64().unwrap(), 1),
    };
    json.as_array().unwrap().iter().map(item).collect()
}

/// One application of a kernel.
#[derive(Clone)]
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) op: Op,
    /// For each input its rows.
    pub(crate) inputs: Vec<Vec<List>>,
    pub(crate) constants: Vec<(ElementType, u32, u32, List)>,
    pub(crate) token: u32,
    pub(crate) position: u32,
    pub(crate) row_groups: u32,
    pub(crate) sampling: Sampling,
}

impl Vector {
    pub(crate) fn run(&self) -> Result<Vec<i64>, OutOfDomain> {
        let inputs: Vec<Vec<Vec<i64>>> =
            self.inputs.iter().map(|rows| rows.iter().map(expand).collect()).collect();
        let constants = self.constants();
        apply(
            &self.op,
            &Operands {
                inputs: inputs.iter().map(|rows| rows.iter().map(Vec::as_slice).collect()).collect(),
                constants: constants
                    .iter()
                    .map(|(info, bytes)| Constant { info: *info, data: ConstantData::Rows(bytes) })
                    .collect(),
                token: self.token,
                position: self.position,
                row_groups: self.row_groups,
                sampling: &self.sampling,
            },
        )
    }

    /// Shapes and bytes of the constants.
    pub(crate) fn constants(&self) -> Vec<(ConstantInfo, Vec<u8>)> {
        self.constants
            .iter()
            .map(|(element, rows, columns, values)| {
                let (low, high) = element.limits();
                let values = expand(values);
                assert!(
                    values.len() == (rows * columns) as usize
                        && values.iter().all(|x| (low..=high).contains(x))
                );
                let mut bytes = Vec::new();
                element.write(&values, &mut bytes);
                (ConstantInfo { element: *element, rows: *rows, columns: *columns, low, high }, bytes)
            })
            .collect()
    }
}

const ELEMENTS: [(ElementType, &str); 5] = [
    (ElementType::I8, "i8"),
    (ElementType::I16, "i16"),
    (ElementType::I32, "i32"),
    (ElementType::I64, "i64"),
    (ElementType::U16, "u16"),
];

fn vector_json(v: &Vector) -> Value {
    let constant = |(element, rows, columns, values): &(ElementType, u32, u32, List)| {
        let name = ELEMENTS.iter().find(|e| e.0 == *element).unwrap().1;
        json!({ "type": name, "rows": rows, "columns": columns, "values": list_json(values) })
    };
    let s = v.sampling;
    json!({
        "name": v.name,
        "attributes": v.op.attributes(),
        "inputs": v.inputs.iter().map(|rows| rows.iter().map(list_json).collect::<Vec<_>>()).collect::<Vec<_>>(),
        "constants": v.constants.iter().map(constant).collect::<Vec<_>>(),
        "token": v.token,
        "position": v.position,
        "row_groups": v.row_groups,
        "sampling": {
            "temperature": s.temperature, "top_k": s.top_k, "top_p": s.top_p, "min_p": s.min_p,
            "seed": s.seed.iter().map(|b| format!("{b:02x}")).collect::<String>(),
        },
        "output": v.run().map_or(json!("error"), |y| list_json(&list(&y))),
    })
}

/// The file of an operation: one vector a line.
pub(crate) fn render(stem: &str, vectors: &[Vector]) -> String {
    let lines: Vec<String> = vectors.iter().map(|v| vector_json(v).to_string()).collect();
    let code = vectors[0].op.code();
    assert!(vectors.iter().all(|v| v.op.stem() == stem));
    let lines = lines.join(",\n");
    format!("{{\"version\":1,\"op\":\"{stem}\",\"code\":{code},\"vectors\":[\n{lines}\n]}}\n")
}

/// Vectors of a file with their outputs.
pub(crate) fn parse(stem: &str, text: &str) -> Vec<(Vector, Result<Vec<i64>, OutOfDomain>)> {
    let file: Value = serde_json::from_str(text).unwrap();
    assert_eq!((&file["version"], &file["op"]), (&json!(1), &json!(stem)));
    let code = file["code"].as_u64().unwrap() as u8;
    file["vectors"].as_array().unwrap().iter().map(|v| vector_of(code, v)).collect()
}

fn vector_of(code: u8, v: &Value) -> (Vector, Result<Vec<i64>, OutOfDomain>) {
    let number = |v: &Value, key: &str| u32::try_from(v[key].as_u64().unwrap()).unwrap();
    let attributes: Vec<i64> =
        v["attributes"].as_array().unwrap().iter().map(|x| x.as_i64().unwrap()).collect();
    let constant = |c: &Value| {
        let element = ELEMENTS.iter().find(|e| e.1 == c["type"]).unwrap().0;
        (element, number(c, "rows"), number(c, "columns"), list_of(&c["values"]))
    };
    let s = &v["sampling"];
    let seed = s["seed"].as_str().unwrap().as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let seed: Vec<u8> = seed.chunks(2).map(byte).collect();
    let lists = |rows: &Value| rows.as_array().unwrap().iter().map(list_of).collect();
    let vector = Vector {
        name: v["name"].as_str().unwrap().into(),
        op: Op::from_wire(code, &attributes).unwrap(),
        inputs: v["inputs"].as_array().unwrap().iter().map(lists).collect(),
        constants: v["constants"].as_array().unwrap().iter().map(constant).collect(),
        token: number(v, "token"),
        position: number(v, "position"),
        row_groups: number(v, "row_groups"),
        sampling: Sampling {
            temperature: number(s, "temperature"),
            top_k: number(s, "top_k"),
            top_p: number(s, "top_p"),
            min_p: number(s, "min_p"),
            seed: seed.try_into().unwrap(),
        },
    };
    // Which check failed is no part of the specification: the vector's own run says it again.
    let expected = if v["output"] == "error" {
        Err(vector.run().expect_err("an error is expected"))
    } else {
        Ok(expand(&list_of(&v["output"])))
    };
    (vector, expected)
}
