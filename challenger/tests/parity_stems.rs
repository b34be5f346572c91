//! Each kernel, its Solidity twin and its vectors bear one stem; none is missing and none is left over.

use std::collections::BTreeSet;
use std::path::Path;

use executor::program::op::Op;

fn stems(folder: &str, ending: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let names = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
    names.map(|name| name.strip_suffix(ending).expect(&name).to_owned()).collect()
}

#[test]
fn every_operation_has_a_kernel_a_twin_and_vectors() {
    let operations: BTreeSet<String> = Op::STEMS.iter().map(|s| (*s).to_owned()).collect();
    assert_eq!(operations.len(), Op::STEMS.len());
    let mut kernels = stems("executor/src/kernels", ".rs");
    // What all kernels use.
    for shared in ["mod", "constant", "operands"] {
        assert!(kernels.remove(shared), "{shared}");
    }
    assert_eq!(kernels, operations);
    assert_eq!(stems("contracts/src/ops", ".sol"), operations);
    assert_eq!(stems("executor/vectors/v1", ".json"), operations);
}

/// The codes that the contract forwards by are those of the encoding.
#[test]
fn codes_are_the_same() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/src/libraries/Opcodes.sol");
    let text = std::fs::read_to_string(path).unwrap();
    let codes: Vec<(String, usize)> = text
        .lines()
        .filter_map(|line| {
            line.trim().strip_prefix("uint256 constant ")?.strip_suffix(';')?.split_once(" = ")
        })
        .map(|(name, code)| (name.to_lowercase(), code.parse().unwrap()))
        .collect();
    let ours: Vec<(String, usize)> = Op::STEMS.iter().map(|s| (*s).to_owned()).zip(1..).collect();
    assert_eq!(codes, ours);
}
