//! Wrong numbers at random: over all kinds of operations alike, then over nodes, positions and elements.

use std::collections::BTreeMap;

use super::Subject;
use crate::program::ElementType;

/// splitmix64.
#[derive(Clone, Copy, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        self.bits().checked_rem(end).unwrap_or(0)
    }
}

/// Where a number can be wrong: node, position, element. `None` if nothing of the program has a value.
pub fn random_place(subject: &Subject, random: &mut Random) -> Option<(u32, u64, u64)> {
    let mut kinds: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for ((i, node), tensor) in (0u32..).zip(&subject.model().program().nodes).zip(subject.tensors()) {
        if tensor.count > 0 {
            kinds.entry(node.op.stem()).or_default().push(i);
        }
    }
    let kind = usize::try_from(random.below(kinds.len() as u64)).ok()?;
    let nodes = kinds.into_values().nth(kind)?;
    let node = *nodes.get(usize::try_from(random.below(nodes.len() as u64)).ok()?)?;
    let tensor = subject.tensors().get(node as usize)?;
    let position = tensor.first.checked_add(random.below(tensor.count))?;
    Some((node, position, random.below(tensor.row(position))))
}

/// Another value of a type: `by` more than `value`, and one, around the type's ends.
pub fn another(element: ElementType, value: i64, by: u64) -> i64 {
    let (low, high) = element.limits();
    let span = i128::from(high).saturating_sub(low.into()).saturating_add(1);
    let by = i128::from(by).checked_rem(span.saturating_sub(1)).unwrap_or(0).saturating_add(1);
    let moved = i128::from(value).saturating_sub(low.into()).saturating_add(by);
    let around = moved.checked_rem(span).unwrap_or(0).saturating_add(low.into());
    i64::try_from(around).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_value_is_another_and_of_the_type() {
        let mut random = Random::new(1);
        for element in [ElementType::I8, ElementType::I16, ElementType::I32, ElementType::I64] {
            let (low, high) = element.limits();
            for value in [low, -1, 0, 1, high] {
                for by in [0, 1, 255, u64::MAX, random.bits()] {
                    let x = another(element, value, by);
                    assert!(x != value && (low..=high).contains(&x), "{element:?} {value} {by}: {x}");
                }
            }
        }
    }
}
