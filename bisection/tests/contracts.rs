//! The contracts' hashes are these: the constants of their tests are computed here and looked for in their source.

use bisection::tree::{chunk_hash, node_hash, pad, root};

/// Byte i of a chunk is 7 i + 3 modulo 256.
fn chunk(length: usize) -> Vec<u8> {
    (0..length).map(|i| ((7 * i + 3) % 256) as u8).collect()
}

#[test]
fn hashing_has_the_values_of_the_contracts_test() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/test/libraries/Hashing.t.sol");
    let source = std::fs::read_to_string(path).expect("the contracts are beside this crate");
    let source = source.split_whitespace().collect::<Vec<_>>().join(" "); // however it is wrapped
    let leaves =
        [chunk_hash(0, &chunk(512)), chunk_hash(5, &chunk(31)), chunk_hash((1 << 48) - 1, &chunk(1))];
    let constants = [
        ("PAD", pad()),
        ("CHUNK_EMPTY", chunk_hash(0, &[])),
        ("CHUNK_0_OF_512", leaves[0]),
        ("CHUNK_5_OF_31", leaves[1]),
        ("CHUNK_LAST_OF_1", leaves[2]),
        ("NODE", node_hash(&leaves[0], &leaves[1])),
        ("ROOT_OF_3", root(leaves.to_vec())),
    ];
    let declared = |(name, hash)| format!("bytes32 internal constant {name} = {hash};");
    let missing: Vec<_> = constants.map(declared).into_iter().filter(|line| !source.contains(line)).collect();
    assert!(missing.is_empty(), "Hashing.t.sol should say\n{}", missing.join("\n"));
}
