//! Ways to lie over published tokens.

use bisection::trace::{Subtree, TraceProvider, Tree};
use bisection::{keccak256, tree};

use super::Toy;

/// Every element changed alone, and every element changed with all that follows from it.
pub(crate) fn elements(honest: &Toy) -> Vec<(String, Toy)> {
    let mut out = Vec::new();
    for (node, rows) in honest.values.iter().enumerate() {
        for (row, values) in rows.iter().enumerate() {
            for e in 0..values.len() {
                let mut alone = honest.clone();
                alone.values[node][row][e] += 1;
                let mut followed = alone.clone();
                followed.recompute(node as u32, row as u32, e as u32 + 1);
                out.push((format!("node {node} row {row} element {e}"), alone));
                out.push((format!("node {node} row {row} element {e} and what follows"), followed));
            }
        }
    }
    out
}

/// The published tokens written into the sample node.
pub(crate) fn samples(honest: &Toy) -> Toy {
    let mut toy = honest.clone();
    let published = honest.tokens[honest.program.prompt as usize..].iter();
    toy.values.last_mut().unwrap().iter_mut().zip(published).for_each(|(row, token)| {
        row[0] = i64::from(*token);
    });
    toy
}

/// Every hash of both trees replaced by one that nothing hashes to; so is the root of a node without positions.
pub(crate) fn hashes(honest: &Toy) -> Vec<(String, Toy)> {
    let whole = Subtree::whole(Tree::Nodes, honest.program.nodes.len() as u64);
    let at = honest.subtrees().into_iter().filter(|at| *at != whole);
    at.map(|at| {
        let mut toy = honest.clone();
        toy.garbage.insert(at, keccak256(b"nothing"));
        (format!("garbage at {at:?}"), toy)
    })
    .collect()
}

/// Every chunk with a byte more or less, and for a node without positions a chunk without bytes.
pub(crate) fn lengths(honest: &Toy) -> Vec<(String, Toy)> {
    let mut out = Vec::new();
    for node in 0..honest.nodes() {
        let chunks = honest.program.shape(node, &honest.tokens).chunks();
        for chunk in 0..chunks.max(1) {
            let bytes = if chunks == 0 { Vec::new() } else { honest.clone().chunk(node, chunk).unwrap() };
            for other in lengths_of(&bytes) {
                let mut toy = honest.clone();
                let at = match chunks {
                    0 => Subtree { tree: Tree::Nodes, height: 0, index: node.into() },
                    _ => Subtree { tree: Tree::Chunks { node }, height: 0, index: chunk },
                };
                toy.garbage.insert(at, tree::chunk_hash(chunk, &other));
                out.push((format!("node {node} chunk {chunk} of {} bytes", other.len()), toy));
            }
        }
    }
    out
}

/// The bytes with one more and one less; nothing with nothing.
pub(crate) fn lengths_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    match bytes.split_last() {
        None => vec![Vec::new()],
        Some((_, less)) => vec![less.to_vec(), [bytes, &[0]].concat()],
    }
}
