//! What this machine's cores and memory do at best: the bounds of any verification.

use std::time::Instant;

use executor::kernels::ConstantData;
use executor::model::Model;
use executor::native::aligned::AlignedBytes;
use executor::native::panels::panels_len;
use executor::native::{Isa, LinearWeights, Output, PackedBuffer, Panels, SharedMut, Team, linear};
use executor::program::ConstantId;

/// Rows, terms and channels of the product: as in a prefill, with weights that stay in the caches.
const ROWS: usize = 192;
const TERMS: usize = 1024;
const CHANNELS: usize = 1024;
/// The best of so many rounds counts.
const ROUNDS: usize = 20;
/// Bytes that a thread reads in one go.
const CHUNK: usize = 1 << 20;

/// Multiply-adds a second of 16-bit mantissas with 8-bit weights.
pub(super) fn mac_per_s(threads: usize) -> anyhow::Result<f64> {
    let team = Team::new(threads)?;
    let isa = Isa::detect();
    let bytes = AlignedBytes::zeroed(panels_len(CHANNELS, TERMS, 1));
    let panels = Panels { n: CHANNELS, k: TERMS, digits: 1, bytes: &bytes };
    let weights = LinearWeights::new(panels, &[1 << 15; CHANNELS], &[15; CHANNELS], None)?;
    let packed = PackedBuffer::new(isa, ROWS, TERMS);
    let x = packed.shape(ROWS, TERMS);
    let mut values = vec![0; ROWS * CHANNELS];
    let out = Output { values: SharedMut::new(&mut values), stride: CHANNELS };
    let seconds = best_seconds(|| {
        // SAFETY: all workers pass the same arguments, fresh room is packed zeros, nobody else has `values`.
        team.run(|worker| unsafe { linear(worker, &weights, &x, &[0; ROWS], out) });
    });
    Ok((ROWS * TERMS * CHANNELS) as f64 / seconds)
}

/// Bytes a second that all threads together read from the mapped artefact.
pub(super) fn bytes_per_s(model: &Model, threads: usize) -> f64 {
    let ids = (0..model.program().constants.len() as u32).map(ConstantId);
    let constants: Vec<_> = ids.filter_map(|id| model.constant(id)).collect();
    let bytes = constants.iter().flat_map(|constant| match constant.data {
        ConstantData::Rows(bytes) | ConstantData::Panels(bytes) => bytes.chunks(CHUNK),
    });
    let chunks: Vec<&[u8]> = bytes.collect();
    let total: usize = chunks.iter().map(|chunk| chunk.len()).sum();
    let seconds = best_seconds(|| {
        std::thread::scope(|scope| {
            for part in chunks.chunks(chunks.len().div_ceil(threads).max(1)) {
                scope.spawn(move || {
                    std::hint::black_box(part.iter().map(|chunk| sum(chunk)).fold(0, u64::wrapping_add))
                });
            }
        });
    });
    total as f64 / seconds
}

fn sum(chunk: &[u8]) -> u64 {
    let (words, _) = chunk.as_chunks::<8>();
    words.iter().fold(0, |sum: u64, word| sum.wrapping_add(u64::from_le_bytes(*word)))
}

fn best_seconds(mut work: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}
