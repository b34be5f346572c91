use crate::native::gate;
use crate::native::isa::Isa;
use crate::native::rows::*;
use crate::numerics::{divide, mantissa, product, round_shift, sat32};
use proptest::prelude::*;

/// Extremes, powers of two and their neighbours, and whatever else.
fn value() -> impl Strategy<Value = i32> {
    let near = (0..32_u32, -1..2_i64, any::<bool>()).prop_map(|(bit, off, negative)| {
        let x = (1_i64 << bit) + off;
        sat32(if negative { -x } else { x })
    });
    prop_oneof![near, any::<i32>(), Just(0), Just(i32::MIN), Just(i32::MAX)]
}

fn row() -> impl Strategy<Value = Vec<i32>> {
    proptest::collection::vec(value(), 1..150)
}

fn shifted(x: i64, s: i32) -> i32 {
    sat32(round_shift(x, s).unwrap())
}

fn cell(table: &Table, x: i32, in_shift: i32) -> i64 {
    let u = round_shift(x.into(), in_shift).unwrap().saturating_add(1 << 24).clamp(0, (1 << 25) - 1);
    let cell = table[(u >> 13) as usize];
    i64::from(cell as i32) + round_shift((cell >> 32) * (u & 8191), 13).unwrap()
}

proptest! {
    #[test]
    fn transforms_are_their_sums(x in proptest::collection::vec(value(), 512), bits in 0..10_u32, small in 0..32, shift in -40..40_i32) {
        let x: Vec<i32> = x.into_iter().map(|v| v >> small).collect();
        let block = 1 << bits;
        for isa in Isa::available() {
            let mut out = vec![0; x.len()];
            hadamard(isa, &x, block, shift, &mut out, &mut Transform::default());
            for (x, y) in x.chunks(block).zip(out.chunks(block)) {
                for (i, y) in y.iter().enumerate() {
                    let signed = |(j, v): (usize, &i32)| i64::from(*v) * (1 - 2 * i64::from((i & j).count_ones() & 1));
                    prop_assert_eq!(*y, shifted(x.iter().enumerate().map(signed).sum(), shift));
                }
            }
        }
    }

    #[test]
    fn groups_are_their_formulas(x in proptest::collection::vec(value(), 1..20), width in 1..70_usize) {
        // Each value in turn, in groups that no vector divides.
        let x: Vec<i32> = (0..x.len() * width).map(|i| x[i * 7 % x.len()]).collect();
        for isa in Isa::available() {
            let mut out = vec![0; x.len() / width];
            group_max(isa, &x, width, &mut out);
            let want: Vec<i32> = x.chunks(width).map(|group| *group.iter().max().unwrap()).collect();
            prop_assert_eq!(&out, &want, "group_max");
            group_mean(isa, &x, width, &mut out);
            let total = |group: &[i32]| group.iter().map(|v| i64::from(*v)).sum();
            let mean = |group: &[i32]| sat32(divide(total(group), width as i64).unwrap());
            prop_assert_eq!(&out, &x.chunks(width).map(mean).collect::<Vec<_>>(), "group_mean");
        }
    }

    #[test]
    fn kernels_are_their_formulas(
        x in row(),
        other in value(),
        (e, e8, e24) in (-15..18_i32, -7..26_i32, -23..10_i32),
        (in_shift, shift, left) in (-62..63_i32, 0..63_i32, -30..20_i32),
        (r, h) in (0..1_i64 << 33, 0..31_i32),
    ) {
        let table: Table = std::array::from_fn(|i| {
            let (base, difference) = ((i as i64 * 4093) % (1 << 23), (i as i64 * 7919) % 20_001 - 10_000);
            (difference << 32) | base
        });
        let u = vec![other; x.len()];
        for isa in Isa::available() {
            prop_assert_eq!(max_abs(isa, &x), x.iter().map(|v| u64::from(v.unsigned_abs())).max().unwrap());
            for (bits, e) in [(16, e), (8, e8), (16, e8), (8, e)] {
                let mut out = vec![0; x.len()];
                mantissas(isa, &x, e, bits, &mut out);
                let want: Vec<i16> = x.iter().map(|v| mantissa((*v).into(), e, bits).unwrap() as i16).collect();
                prop_assert_eq!(&out, &want, "mantissas of {} bits, e = {}", bits, e);
            }
            let m24 = |v: i32| mantissa(v.into(), e24, 24).unwrap();
            prop_assert_eq!(sum_of_squares(isa, &x, e24), x.iter().map(|v| m24(*v) * m24(*v)).sum::<i64>());
            let mut out = vec![0; x.len()];
            norm(isa, &x, e24, r, 35 - h, &u, left, &mut out);
            let want = |v: i32| {
                let n = shifted(product(m24(v), r).unwrap(), 35 - h);
                shifted(i64::from(n) * i64::from(other), left)
            };
            prop_assert_eq!(&out, &x.iter().map(|v| want(*v)).collect::<Vec<_>>(), "norm");
            gate::glu(isa, &x, &u, in_shift, &table, left, &mut out);
            let want = |v: i32| {
                let gate = shifted(cell(&table, v, in_shift) * i64::from(v), 23);
                shifted(i64::from(gate) * i64::from(other), left)
            };
            prop_assert_eq!(&out, &x.iter().map(|v| want(*v)).collect::<Vec<_>>(), "glu {}", in_shift);
            act(isa, &x, in_shift, &table, shift, &mut out);
            let want = |v: i32| shifted(cell(&table, v, in_shift) * i64::from(v), shift);
            prop_assert_eq!(&out, &x.iter().map(|v| want(*v)).collect::<Vec<_>>(), "act");
            lut(isa, &x, in_shift, &table, left, &mut out);
            let want = |v: i32| shifted(cell(&table, v, in_shift), left);
            prop_assert_eq!(&out, &x.iter().map(|v| want(*v)).collect::<Vec<_>>(), "lut");
            add(isa, &x, &u, &mut out);
            let want = |v: i32| sat32(i64::from(v) + i64::from(other));
            prop_assert_eq!(&out, &x.iter().map(|v| want(*v)).collect::<Vec<_>>(), "add");
            centre(isa, &x, other.into(), &mut out);
            let want = |v: i32| sat32(i64::from(v) - i64::from(other));
            prop_assert_eq!(&out, &x.iter().map(|v| want(*v)).collect::<Vec<_>>(), "centre");
            rescale(isa, &x, other, in_shift, &mut out);
            let want = |v: i32| shifted(i64::from(v) * i64::from(other), in_shift);
            prop_assert_eq!(&out, &x.iter().map(|v| want(*v)).collect::<Vec<_>>(), "rescale");
            mul(isa, &x, &u, in_shift, &mut out);
            prop_assert_eq!(&out, &x.iter().map(|v| want(*v)).collect::<Vec<_>>(), "mul");
            let (least, most) = (other.min(left), other.max(left));
            clamp(isa, &x, least, most, &mut out);
            prop_assert_eq!(&out, &x.iter().map(|v| (*v).clamp(least, most)).collect::<Vec<_>>(), "clamp");
            let top = max(isa, &x);
            prop_assert_eq!(top, *x.iter().max().unwrap());
            prop_assert_eq!(argmax(isa, &x), x.iter().position(|v| *v == top).unwrap());
            prop_assert_eq!(sum(isa, &x), x.iter().map(|v| i64::from(*v)).sum::<i64>());
            distances(isa, &x, top, r >> 9, shift, &mut out);
            let want = |v: i32| {
                let d = (i64::from(top) - i64::from(v)) * (r >> 9);
                round_shift(d, shift).unwrap().clamp(0, (1 << 25) - 1) as i32
            };
            prop_assert_eq!(&out, &x.iter().map(|v| want(*v)).collect::<Vec<_>>(), "distances");
        }
    }
}
