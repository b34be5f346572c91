//! Do two lists of similarities put the same things in the same order?

/// Share of all couples (a, b) of entries that stand in the same order in both lists: 1 less the share of couples
/// with `float[a] < float[b]` and `integer[a] > integer[b]`. No couple is left out, however near its values are.
pub(super) fn agreement(float: &[f64], integer: &[f64]) -> f64 {
    let mut pairs: Vec<(f64, f64)> = float.iter().copied().zip(integer.iter().copied()).collect();
    // Equal on the float side: there is no order to keep.
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut second: Vec<f64> = pairs.into_iter().map(|(_, integer)| integer).collect();
    let n = second.len() as f64;
    let couples = n * (n - 1.0) / 2.0;
    if couples < 1.0 { 1.0 } else { 1.0 - inversions(&mut second) as f64 / couples }
}

/// Couples i < j with x[i] > x[j]. Sorts `x`.
fn inversions(x: &mut [f64]) -> u64 {
    if x.len() < 2 {
        return 0;
    }
    let (left, right) = x.split_at_mut(x.len() / 2);
    let mut found = inversions(left) + inversions(right);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut l, mut r) = (left.iter().peekable(), right.iter().peekable());
    while let Some(next) = match (l.peek(), r.peek()) {
        (Some(a), Some(b)) if a <= b => l.next(),
        (Some(_), Some(_)) => {
            found += l.len() as u64;
            r.next()
        }
        (Some(_), None) => l.next(),
        (None, _) => r.next(),
    } {
        merged.push(*next);
    }
    x.copy_from_slice(&merged);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_couple_counts_once() {
        assert_eq!(agreement(&[], &[]), 1.0);
        assert_eq!(agreement(&[1.0, 2.0, 3.0, 4.0], &[10.0, 20.0, 30.0, 40.0]), 1.0);
        assert_eq!(agreement(&[1.0, 2.0, 3.0, 4.0], &[4.0, 3.0, 2.0, 1.0]), 0.0);
        // One of six couples is turned round.
        assert_eq!(agreement(&[3.0, 1.0, 4.0, 2.0], &[0.3, 0.2, 0.4, 0.1]), 1.0 - 1.0 / 6.0);
        assert_eq!(agreement(&[1.0, 1.0], &[2.0, 1.0]), 1.0);
    }

    #[test]
    fn inversions_are_those_of_the_definition() {
        let x: Vec<f64> = (0..97).map(|i| f64::from(i * i % 31)).collect();
        let plain = (0..97).flat_map(|i| (i..97).map(move |j| (i, j))).filter(|(i, j)| x[*i] > x[*j]).count();
        assert_eq!(inversions(&mut x.clone()), plain as u64);
    }
}
