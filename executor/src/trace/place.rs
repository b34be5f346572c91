//! Where the elements of a node lie: positions, rows, chunks, slots. docs/protocol.md, 2.2.

use bisection::tree::CHUNK;

use super::Item;
use crate::program::op::Span;
use crate::program::shape::visible;
use crate::program::{Layout, Shape, Width};

/// Bytes of a chunk.
const CHUNK_BYTES: u64 = CHUNK as u64;

/// The tensor of a node for an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// The node's.
    pub shape: Shape,
    /// First position.
    pub first: u64,
    /// Positions.
    pub count: u64,
    /// Positions of the item.
    pub positions: u64,
}

/// A place in a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorAddress {
    /// Leaf of the tensor's tree.
    pub chunk: u64,
    /// Element within the chunk.
    pub slot: u32,
}

/// Sum of the visible positions of positions 0..k.
fn seen_before(span: Span, k: u64, positions: u64) -> Option<u64> {
    let triangle = |k: u64| k.checked_mul(k.checked_add(1)?)?.checked_div(2);
    match span {
        Span::All => k.checked_mul(positions),
        Span::Causal => triangle(k),
        Span::Window(w) => {
            let w = u64::from(w);
            triangle(k.min(w))?.checked_add(k.saturating_sub(w).checked_mul(w)?)
        }
    }
}

impl Tensor {
    /// The tensor of a node of `shape` in the trace of `item`.
    pub fn new(shape: Shape, item: &Item) -> Self {
        let (first, count) = item.range(shape.range);
        Self { shape, first: first.into(), count: count.into(), positions: item.positions().into() }
    }

    /// Bytes of an element.
    pub fn size(&self) -> u64 {
        self.shape.element.size() as u64
    }

    /// Has the node a value at a position.
    pub fn has(&self, t: u64) -> bool {
        t >= self.first && t.saturating_sub(self.first) < self.count
    }

    /// Elements of the row at a position.
    pub fn row(&self, t: u64) -> u64 {
        match self.shape.width {
            Width::Fixed(n) => n.into(),
            Width::PerVisible { groups, span } => {
                u64::from(groups).saturating_mul(visible(span, t, self.positions).1)
            }
        }
    }

    /// Elements of the rows of layout 0 before position `t`.
    pub fn before(&self, t: u64) -> Option<u64> {
        match self.shape.width {
            Width::Fixed(n) => t.checked_sub(self.first)?.checked_mul(n.into()),
            Width::PerVisible { groups, span } => {
                let seen = |k| seen_before(span, k, self.positions);
                seen(t)?.checked_sub(seen(self.first)?)?.checked_mul(groups.into())
            }
        }
    }

    /// Bytes of the whole.
    pub fn bytes(&self) -> u64 {
        let elements = self.first.checked_add(self.count).and_then(|end| self.before(end));
        elements.and_then(|n| n.checked_mul(self.size())).unwrap_or(u64::MAX)
    }

    /// Positions of a block of columns.
    pub fn per(&self) -> u64 {
        CHUNK_BYTES.checked_div(self.size()).unwrap_or(1)
    }

    /// Chunks, the leaves of the tensor's tree.
    pub fn chunks(&self) -> u64 {
        match self.shape.layout {
            Layout::Rows => self.bytes().div_ceil(CHUNK_BYTES),
            Layout::Columns => self.count.div_ceil(self.per().max(1)).saturating_mul(self.row(0)),
        }
    }

    /// Bytes of a chunk; `None` out of range.
    pub fn chunk_len(&self, chunk: u64) -> Option<u64> {
        if chunk >= self.chunks() {
            return None;
        }
        match self.shape.layout {
            Layout::Rows => Some(self.bytes().checked_sub(chunk.checked_mul(CHUNK_BYTES)?)?.min(CHUNK_BYTES)),
            Layout::Columns => {
                let before = chunk.checked_div(self.row(0))?.checked_mul(self.per())?;
                self.count.checked_sub(before)?.min(self.per()).checked_mul(self.size())
            }
        }
    }

    /// Where element `e` of position `t` is; `None` out of range.
    pub fn address(&self, t: u64, e: u64) -> Option<TensorAddress> {
        if !self.has(t) || e >= self.row(t) {
            return None;
        }
        let (chunk, slot) = match self.shape.layout {
            Layout::Rows => {
                let byte = self.before(t)?.checked_add(e)?.checked_mul(self.size())?;
                (byte.checked_div(CHUNK_BYTES)?, byte.checked_rem(CHUNK_BYTES)?.checked_div(self.size())?)
            }
            Layout::Columns => {
                let i = t.checked_sub(self.first)?;
                let block = i.checked_div(self.per())?;
                (block.checked_mul(self.row(0))?.checked_add(e)?, i.checked_rem(self.per())?)
            }
        };
        Some(TensorAddress { chunk, slot: u32::try_from(slot).ok()? })
    }

    /// Position and element of a place; `None` out of range.
    pub fn element_at(&self, at: TensorAddress) -> Option<(u64, u64)> {
        let slot = u64::from(at.slot);
        if slot >= self.chunk_len(at.chunk)?.checked_div(self.size())? {
            return None;
        }
        match self.shape.layout {
            Layout::Rows => {
                let flat = at.chunk.checked_mul(self.per())?.checked_add(slot)?;
                let t = self.position_of(flat)?;
                Some((t, flat.checked_sub(self.before(t)?)?))
            }
            Layout::Columns => {
                let (block, e) = (at.chunk.checked_div(self.row(0))?, at.chunk.checked_rem(self.row(0))?);
                Some((self.first.checked_add(block.checked_mul(self.per())?)?.checked_add(slot)?, e))
            }
        }
    }

    /// The position whose row of layout 0 holds a flat element: the last with `before(t) <= flat`.
    fn position_of(&self, flat: u64) -> Option<u64> {
        let (mut low, mut high) = (self.first, self.first.checked_add(self.count)?);
        while high.saturating_sub(low) > 1 {
            let middle = low.midpoint(high);
            if self.before(middle)? <= flat { low = middle } else { high = middle }
        }
        Some(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::ElementType;
    use crate::program::op::Range;
    use proptest::prelude::*;

    fn element() -> impl Strategy<Value = ElementType> {
        prop::sample::select(vec![ElementType::I8, ElementType::I16, ElementType::I32, ElementType::I64])
    }

    fn tensor() -> impl Strategy<Value = Tensor> {
        let span = prop_oneof![Just(Span::All), Just(Span::Causal), (1..50_u32).prop_map(Span::Window)];
        let width = prop_oneof![
            (1..700_u32).prop_map(Width::Fixed),
            (1..9_u32, span).prop_map(|(groups, span)| Width::PerVisible { groups, span })
        ];
        let place = (1..90_u64, 0..90_u64, 0..90_u64);
        (element(), width, place, any::<bool>()).prop_map(|(element, width, (n, first, count), columns)| {
            let columns = columns && matches!(width, Width::Fixed(_));
            let layout = if columns { Layout::Columns } else { Layout::Rows };
            let first = first.min(n - 1);
            let shape = Shape { element, width, range: Range::All, layout };
            Tensor { shape, first, count: count.min(n - first), positions: n }
        })
    }

    proptest! {
        /// Every element has one place, every place one element, and the chunks hold nothing else.
        #[test]
        fn addresses_are_one_to_one(x in tensor()) {
            let mut places = std::collections::BTreeSet::new();
            for t in x.first..x.first + x.count {
                for e in 0..x.row(t) {
                    let at = x.address(t, e).unwrap();
                    prop_assert_eq!(x.element_at(at), Some((t, e)));
                    places.insert((at.chunk, at.slot));
                }
                prop_assert_eq!(x.address(t, x.row(t)), None);
            }
            let lengths = (0..x.chunks()).map(|c| x.chunk_len(c).unwrap());
            let slots: u64 = lengths.clone().map(|bytes| bytes / x.size()).sum();
            prop_assert!(lengths.clone().all(|bytes| bytes > 0 && bytes <= 512 && bytes % x.size() == 0));
            prop_assert_eq!(slots, places.len() as u64);
            prop_assert_eq!(slots * x.size(), x.bytes());
            prop_assert_eq!(x.chunk_len(x.chunks()), None);
            prop_assert_eq!(x.address(x.first + x.count, 0), None);
        }
    }
}
