//! Which rows a step computes, and in which order: tensors hold all rows of a node, one after the other.

use tch::{Device, Kind, TchError, Tensor};

use super::math::{Made, numbers};
use crate::kernels::Sampling;
use crate::program::op::Span;

/// One position of one sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Which part of the step it belongs to.
    pub(super) part: usize,
    /// Its position.
    pub(super) position: u32,
    /// Its token.
    pub(super) token: u32,
    /// What the request says.
    pub(super) sampling: Sampling,
}

/// Parts with as many rows each, whose rows follow each other: a batch for attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Index of the first row.
    pub(super) first: usize,
    /// The parts.
    pub(super) parts: Vec<usize>,
    /// Rows of each.
    pub(super) count: usize,
}

/// The rows of all nodes of one range.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) list: Vec<Row>,
    pub(super) groups: Vec<Group>,
    /// As tensors of (rows).
    pub(super) tokens: Tensor,
    pub(super) positions: Tensor,
    pub(super) device: Device,
    /// Positions of the longest sequence, which all are padded to where positions are read.
    pub(super) seen: i64,
    /// Length of the sequence of each row, the fed tokens counted.
    lengths: Tensor,
}

impl Rows {
    /// From the rows of each part and the length of its sequence.
    pub(super) fn new(mut parts: Vec<(Vec<Row>, usize)>, device: Device) -> Result<Self, TchError> {
        let seen = parts.iter().map(|part| part.1).max().unwrap_or(0) as i64;
        parts.retain(|part| !part.0.is_empty());
        parts.sort_by_key(|part| part.0.len());
        let mut groups: Vec<Group> = Vec::new();
        let (mut list, mut lengths) = (Vec::new(), Vec::new());
        for (rows, length) in parts {
            let part = rows[0].part;
            match groups.last_mut() {
                Some(group) if group.count == rows.len() => group.parts.push(part),
                _ => groups.push(Group { first: list.len(), parts: vec![part], count: rows.len() }),
            }
            lengths.extend(rows.iter().map(|_| length as i64));
            list.extend(rows);
        }
        let column = |of: &dyn Fn(&Row) -> i64| {
            let column: Vec<i64> = list.iter().map(of).collect();
            numbers(&column, &[column.len() as i64], device)
        };
        let tokens = column(&|row| row.token.into())?;
        let positions = column(&|row| row.position.into())?;
        let lengths = numbers(&lengths, &[lengths.len() as i64], device)?;
        Ok(Self { list, groups, tokens, positions, device, seen, lengths })
    }

    pub(super) fn len(&self) -> i64 {
        self.list.len() as i64
    }

    /// Which positions are visible from each row: (rows, seen).
    pub(super) fn mask(&self, span: Span) -> Made {
        let s = Tensor::f_arange(self.seen, (Kind::Int64, self.device))?;
        let column = |x: &Tensor| x.f_unsqueeze(1);
        match span {
            Span::All => s.f_lt_tensor(&column(&self.lengths)?),
            Span::Causal => s.f_le_tensor(&column(&self.positions)?),
            Span::Window(w) => {
                let t = column(&self.positions)?;
                s.f_le_tensor(&t)?.f_logical_and(&s.f_gt_tensor(&t.f_sub_scalar(i64::from(w))?)?)
            }
        }
    }

    /// Where each of these rows is among `all`.
    pub(super) fn places_in(&self, all: &Self) -> Option<Vec<i64>> {
        let places: std::collections::HashMap<(usize, u32), i64> =
            all.list.iter().map(|row| (row.part, row.position)).zip(0..).collect();
        self.list.iter().map(|row| places.get(&(row.part, row.position)).copied()).collect()
    }

    /// A number of each request: (rows, 1).
    pub(super) fn request(&self, of: impl Fn(&Sampling) -> i64) -> Made {
        let column: Vec<i64> = self.list.iter().map(|row| of(&row.sampling)).collect();
        numbers(&column, &[self.len(), 1], self.device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(part: usize, positions: std::ops::Range<u32>) -> Vec<Row> {
        positions.map(|position| Row { part, position, token: 7, sampling: Sampling::GREEDY }).collect()
    }

    #[test]
    fn parts_of_as_many_rows_are_neighbours() {
        let parts = vec![(rows(0, 3..5), 5), (rows(1, 9..10), 10), (rows(2, 0..2), 2), (vec![], 40)];
        let rows = Rows::new(parts, Device::Cpu).unwrap();
        let groups =
            [Group { first: 0, parts: vec![1], count: 1 }, Group { first: 1, parts: vec![0, 2], count: 2 }];
        assert_eq!(rows.groups, groups);
        assert_eq!(Vec::<i64>::try_from(&rows.positions).unwrap(), [9, 3, 4, 0, 1]);
        assert_eq!(rows.seen, 40);
    }

    #[test]
    fn masks_are_what_spans_say() {
        let all = Rows::new(vec![(rows(0, 3..6), 6), (rows(1, 0..1), 9)], Device::Cpu).unwrap();
        for (span, lengths) in [(Span::All, [9, 6]), (Span::Causal, [9, 6]), (Span::Window(2), [9, 6])] {
            let mask = all.mask(span).unwrap();
            for (r, row) in all.list.iter().enumerate() {
                let got: Vec<bool> = Vec::try_from(mask.get(r as i64)).unwrap();
                let want = span.visible(row.position as usize, lengths[usize::from(row.part == 0)]);
                assert!(
                    got.iter().enumerate().all(|(s, seen)| *seen == want.contains(&s)),
                    "{span:?}, row {r}"
                );
            }
        }
        let some = Rows::new(vec![(rows(0, 5..6), 6)], Device::Cpu).unwrap();
        assert_eq!(some.places_in(&all), Some(vec![3]));
        assert_eq!(all.places_in(&some), None);
    }
}
