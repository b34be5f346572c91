//! Products of row-major f32 matrices, and rows shared out among the processor's threads.

use std::thread;

/// Rows below which a thread of its own costs more than it saves.
const ROWS_PER_THREAD_MIN: usize = 16;

/// X (m,k) W (n,k) -> Y (m,n) with y = X W^T. m and n are what the slices hold; what is left over is not touched.
pub(super) fn product(x: &[f32], w: &[f32], k: usize, y: &mut [f32]) {
    if k == 0 {
        return y.fill(0.0);
    }
    let n = w.len() / k;
    if n == 0 {
        return;
    }
    let m = (x.len() / k).min(y.len() / n);
    // The strides are lengths of slices, which never exceed isize::MAX.
    let (row_x, row_w, row_y) = (k.cast_signed(), k.cast_signed(), n.cast_signed());
    // SAFETY: x holds m * k values, w n * k and y m * n by the divisions above; y is borrowed exclusively.
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            1.0,
            x.as_ptr(),
            row_x,
            1,
            w.as_ptr(),
            1,
            row_w,
            0.0,
            y.as_mut_ptr(),
            row_y,
            1,
        );
    }
}

/// Calls `fill(first row, rows)` on parts of `y`, whole rows of `width` values each, on all threads.
pub(super) fn in_parallel(y: &mut [f32], width: usize, fill: impl Fn(usize, &mut [f32]) + Sync) {
    let rows = y.len() / width.max(1);
    let threads = thread::available_parallelism().map_or(1, |n| n.get());
    let rows_each = rows.div_ceil(threads).max(ROWS_PER_THREAD_MIN);
    if rows <= rows_each {
        return fill(0, y);
    }
    thread::scope(|scope| {
        for (i, part) in y.chunks_mut(rows_each * width).enumerate() {
            let fill = &fill;
            scope.spawn(move || fill(i * rows_each, part));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_is_rows_times_rows() {
        let mut y = [0.0; 4];
        product(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[1.0, 0.0, -1.0, 2.0, 1.0, 0.0], 3, &mut y);
        assert_eq!(y, [-2.0, 4.0, -2.0, 13.0]);
    }

    #[test]
    fn product_keeps_within_the_shorter_slice() {
        let mut y = [7.0; 3];
        product(&[1.0, 2.0, 9.0], &[3.0, 4.0], 1, &mut y);
        assert_eq!(y, [3.0, 4.0, 7.0]);
        product(&[], &[], 0, &mut y);
        assert_eq!(y, [0.0; 3]);
    }

    #[test]
    fn every_row_is_filled_once() {
        for rows in [0, 1, 15, 16, 17, 100] {
            let mut y = vec![-1.0; rows * 3];
            in_parallel(&mut y, 3, |first, part| {
                for (i, row) in part.chunks_mut(3).enumerate() {
                    row.fill((first + i) as f32);
                }
            });
            let expected: Vec<f32> = (0..rows).flat_map(|r| [r as f32; 3]).collect();
            assert_eq!(y, expected);
        }
    }
}
