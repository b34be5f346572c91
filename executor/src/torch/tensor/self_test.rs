//! A device proves itself at load: products of extreme values against what they are.

use tch::{Device, Kind, Tensor};

use super::constants::Weights;
use super::math::{numbers, wide};
use crate::engine::EngineError;
use crate::program::{ConstantInfo, ElementType};
use crate::torch::failed;

/// Sums of digits in 32 bits and sums in f64 at the ends of their ranges. Some milliseconds.
///
/// # Errors
/// If a sum is different.
pub(super) fn self_test(device: Device) -> Result<(), EngineError> {
    for (rows, n, k) in [(1, 9, 65_537), (3, 40, 64), (21, 130, 72)] {
        for (element, most) in [(ElementType::I8, 127), (ElementType::I16, 32_639)] {
            let info = ConstantInfo { element, rows: n, columns: k, low: -most, high: most };
            // The whole row at one end of the range, then at both in turn.
            for sign in [|_: usize| 1_i64, |i: usize| if i.is_multiple_of(2) { 1 } else { -1 }] {
                let w: Vec<i64> = (0..n as usize * k as usize).map(|i| most * sign(i % k as usize)).collect();
                let m: Vec<i64> = (0..rows * k as usize).map(|i| -32_767 * sign(i % k as usize)).collect();
                let made = Weights::new(&w, &info, device).and_then(|weights| {
                    weights.products(&numbers(&m, &[rows as i64, k.into()], device)?, false)
                });
                let made = made.and_then(|y| Vec::<i64>::try_from(&y.f_to(Device::Cpu)?.f_reshape([-1])?));
                let want = i64::from(k) * most * -32_767;
                if made.map_err(failed)? != vec![want; rows * n as usize] {
                    return Err(wrong("digits"));
                }
            }
        }
    }
    // 2^17 terms of 2^16 and 2^15, one less each: odd numbers, which a rounded sum would lose.
    let (a, b, terms) = (65_535_i64, 32_767_i64, 1 << 17);
    let product = || {
        let a = Tensor::f_full([2, 1, terms], a, (Kind::Int64, device))?.f_totype(Kind::Double)?;
        let b = Tensor::f_full([2, terms, 3], b, (Kind::Int64, device))?.f_totype(Kind::Double)?;
        Vec::<i64>::try_from(&wide(&a.f_bmm(&b)?)?.f_to(Device::Cpu)?.f_reshape([-1])?)
    };
    if product().map_err(failed)? != vec![a * b * terms; 6] {
        return Err(wrong("64-bit floating point"));
    }
    Ok(())
}

fn wrong(what: &str) -> EngineError {
    EngineError::Backend(format!("libtorch's products of {what} are wrong on this device"))
}
