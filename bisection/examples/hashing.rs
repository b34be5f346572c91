//! How fast are the lanes: ns a 64-byte hash, and bytes a second of 512-byte chunks through `tensor_root`.
use std::hint::black_box;
use std::time::Instant;

use bisection::{keccak256, keccak256_x8, tree};

/// The best time of one call, in seconds.
fn best(times: u32, mut f: impl FnMut()) -> f64 {
    (0..9)
        .map(|_| {
            let start = Instant::now();
            (0..times).for_each(|_| f());
            start.elapsed().as_secs_f64() / f64::from(times)
        })
        .fold(f64::MAX, f64::min)
}

fn main() {
    let message = [0x5a; 64];
    let scalar = best(20_000, || {
        black_box(keccak256(black_box(&message)));
    });
    let lanes = best(20_000, || {
        black_box(keccak256_x8(black_box(&[&message[..]; 8])));
    }) / 8.0;
    println!("64-byte hash: scalar {:.1} ns, lanes {:.1} ns", scalar * 1e9, lanes * 1e9);
    let leaves = vec![keccak256(b"leaf"); 1 << 16];
    let root = best(3, || {
        black_box(tree::root(leaves.clone()));
    }) / 65_535.0;
    println!("node of a tree of 2^16 leaves: {:.1} ns", root * 1e9);
    let chunks = [[9u8; 512]; 64];
    let seconds = best(300, || {
        black_box(tree::chunk_hashes(0, chunks.iter().map(|c| c.as_slice())));
    });
    println!("chunks of 512 bytes: {:.2} GB/s", 32.768e-6 / seconds);
    for (name, bytes, times) in [("1 MiB", 1 << 20, 50), ("64 MiB", 1 << 26, 1)] {
        let bytes = vec![7u8; bytes];
        let seconds = best(times, || {
            black_box(tree::tensor_root(black_box(&bytes)));
        });
        println!("tensor of {name}: {:.2} GB/s with its tree", bytes.len() as f64 / seconds / 1e9);
    }
}
