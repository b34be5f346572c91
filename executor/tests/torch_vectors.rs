//! Every test vector by the tensor operations: an operation that has none, or another value, fails.
#![cfg(feature = "torch")]

mod support;
mod vectors {
    #[expect(dead_code, reason = "vectors are only read here")]
    pub(crate) mod format;
}

use std::path::{Path, PathBuf};

use executor::kernels::{Constant, ConstantData, Operands};
use executor::program::op::Op;
use executor::torch::tensor::apply_single;
use executor::torch::tensor::fused::{Launcher, launcher};
use support::device::device;
use vectors::format::{Vector, expand, parse};

/// Where the vectors are if not where they were when this was built: on a machine that the program was carried to.
const FOLDER: &str = "REFUTE_VECTORS";

fn folder() -> PathBuf {
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/v1");
    std::env::var_os(FOLDER).map_or_else(built, PathBuf::from)
}

/// Vectors that must be refused, by code, and what keeps them from ever being asked of tensors.
const REFUSED: [(&str, &str, &str); 12] = [
    ("embed", "no such row", "a feed's tokens are below the vocabulary, which is the table's height"),
    ("linear", "a shift out of range", "the validator proves every shift within 62"),
    ("rope", "no such position", "a feed's positions are below the context, which is the tables' height"),
    ("exp2w", "above the maximum", "the validator wants the maxima of the same scores"),
    ("mix", "a sum below its bound", "the validator wants the sums of the same weights"),
    ("distance", "no temperature", "a sequence is not opened with it, and a greedy one has no row here"),
    ("distance", "too cold", "a sequence is not opened with it"),
    ("distance", "too hot", "a sequence is not opened with it"),
    ("pick", "no such block", "the validator wants a block of the row"),
    ("gather", "no such element", "no entry of a map is below its declared range, which begins at -1"),
    ("clamp", "no limits", "the validator wants low <= high"),
    ("mul", "a shift out of range", "the validator proves every shift within 62"),
];

fn run(vector: &Vector, kernels: Option<&dyn Launcher>) -> Vec<i64> {
    let inputs: Vec<Vec<Vec<i64>>> =
        vector.inputs.iter().map(|rows| rows.iter().map(expand).collect()).collect();
    let constants = vector.constants();
    let operands = Operands {
        inputs: inputs.iter().map(|rows| rows.iter().map(Vec::as_slice).collect()).collect(),
        constants: constants
            .iter()
            .map(|(info, bytes)| Constant { info: *info, data: ConstantData::Rows(bytes) })
            .collect(),
        token: vector.token,
        position: vector.position,
        row_groups: vector.row_groups,
        sampling: &vector.sampling,
    };
    apply_single(&vector.op, &operands, device(), kernels).unwrap_or_else(|e| panic!("{}: {e}", vector.name))
}

#[test]
fn every_vector_reproduces_on_tensors() {
    let (mut compared, mut refused) = (0, Vec::new());
    let mut wrong = Vec::new();
    // A card has kernels of its own besides what libtorch does.
    let kernels = launcher(device()).unwrap();
    let agree = |vector: &Vector, want: &[i64]| {
        run(vector, None) == want
            && kernels.as_deref().is_none_or(|kernels| run(vector, Some(kernels)) == want)
    };
    for stem in Op::STEMS {
        let path = folder().join(format!("{stem}.json"));
        for (vector, expected) in parse(stem, &std::fs::read_to_string(path).unwrap()) {
            match expected {
                Ok(want) if agree(&vector, &want) => compared += 1,
                Ok(_) => wrong.push(format!("{stem}: {}", vector.name)),
                Err(_) => refused.push((stem.to_string(), vector.name)),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let known: Vec<_> = REFUSED.iter().map(|(stem, name, _)| (stem.to_string(), name.to_string())).collect();
    assert_eq!(refused, known);
    assert_eq!(compared, 328);
}
