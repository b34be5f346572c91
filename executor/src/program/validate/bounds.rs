//! Shapes, types and overflow bounds, operation by operation.

use super::super::op::{Index, Op, Span, Target};
use super::super::{ConstantInfo, ElementType, Interface, Node, Width};
use super::NodeInfo;
use crate::numerics::{WIDE_LIMIT, bit_length};

/// Bins of a histogram.
pub(crate) const BINS: u32 = 2048;
/// Largest distance: weights are 0 from 31 * 2^20 on.
pub(crate) const DISTANCE_MAX: i64 = (1 << 25) - 1;
/// Greatest magnitude of a table's value: 1 with 23 fractional bits.
const TABLE_MAX: i64 = 1 << 23;
/// Greatest magnitude of an entry of a rotary table: 1 with 29 fractional bits.
const ROTARY_MAX: i64 = 1 << 29;
/// Least weight of a table of powers: half of the greatest.
const WEIGHT_MIN: i64 = 1 << 30;
/// Most elements of a block of `blocksum` and `pick`.
const BLOCK_MAX: u32 = 1024;
/// Most elements of a row with one element per visible position.
const VISIBLE_MAX: u64 = 1 << 27;

type Row = (ElementType, Width, i64, i64);
type Checked<T> = Result<T, String>;

const FIXED: (i64, i64) = (i32::MIN as i64, i32::MAX as i64);

fn fixed(width: u32) -> Row {
    (ElementType::I32, Width::Fixed(width), FIXED.0, FIXED.1)
}

fn ensure(ok: bool, reason: &str) -> Checked<()> {
    if ok { Ok(()) } else { Err(reason.into()) }
}

fn magnitude(low: i64, high: i64) -> i128 {
    i128::from(low).abs().max(i128::from(high).abs())
}

fn within_wide(what: &str, bound: i128) -> Checked<()> {
    ensure(bound <= i128::from(WIDE_LIMIT), &format!("{what} could reach {bound}, more than 2^62"))
}

fn shifts(low: i64, high: i64) -> Checked<()> {
    ensure(low >= -62 && high <= 62, &format!("a shift from {low} to {high} leaves -62 to 62"))
}

fn window(span: Span) -> Checked<()> {
    ensure(span != Span::Window(0), "the window is empty")
}

/// What a node's bounds follow from.
pub(super) struct Facts<'a> {
    pub(super) face: &'a Interface,
    /// The node, and all lower ones.
    pub(super) node: &'a Node,
    pub(super) nodes: &'a [Node],
    pub(super) inputs: &'a [NodeInfo],
    pub(super) constants: &'a [&'a ConstantInfo],
}

impl Facts<'_> {
    fn input(&self, k: usize) -> Checked<&NodeInfo> {
        self.inputs.get(k).ok_or_else(|| format!("input {k} is missing"))
    }

    fn constant(&self, k: usize) -> Checked<&ConstantInfo> {
        self.constants.get(k).copied().ok_or_else(|| format!("constant {k} is missing"))
    }

    /// The node that makes input `k`.
    fn maker(&self, k: usize) -> Checked<&Node> {
        let maker = self.node.inputs.get(k).and_then(|x| self.nodes.get(x.index()));
        maker.ok_or_else(|| format!("input {k} is missing"))
    }

    /// Is input `k` made from this node's input `source` alone, by an operation that `of` accepts. Where a bound
    /// rests on what a value means, and not on its range, the program has to show the meaning.
    fn derived(&self, k: usize, source: usize, of: fn(&Op) -> bool, reason: &str) -> Checked<()> {
        let maker = self.maker(k)?;
        let from = matches!(maker.inputs.as_slice(), [only] if self.node.inputs.get(source) == Some(only));
        ensure(from && of(&maker.op), reason)
    }

    /// Width of an input of fixed width.
    fn width(&self, k: usize) -> Checked<u32> {
        match self.input(k)?.width {
            Width::Fixed(n) => Ok(n),
            Width::PerVisible { .. } => Err(format!("input {k} must have a fixed width")),
        }
    }

    /// An input of fixed width, a given type and a given width.
    fn expect(&self, k: usize, element: ElementType, width: u32) -> Checked<&NodeInfo> {
        let got = self.width(k)?;
        ensure(got == width, &format!("input {k} is {got} wide and must be {width}"))?;
        let info = self.input(k)?;
        ensure(info.element == element, &format!("input {k} must be {element:?}"))?;
        Ok(info)
    }

    /// A Fixed input: its width.
    fn fixed_input(&self, k: usize) -> Checked<u32> {
        let width = self.width(k)?;
        self.expect(k, ElementType::I32, width)?;
        Ok(width)
    }

    /// Mantissas: their width and greatest magnitude.
    fn mantissas(&self, k: usize) -> Checked<(u32, i128)> {
        let (width, info) = (self.width(k)?, self.input(k)?);
        ensure(
            matches!(info.element, ElementType::I8 | ElementType::I16),
            &format!("input {k} must be mantissas of 8 or 16 bits"),
        )?;
        Ok((width, magnitude(info.low, info.high)))
    }

    fn groups(&self, k: usize, groups: u32) -> Checked<u32> {
        let width = self.fixed_input(k)?;
        ensure(groups > 0 && width % groups == 0, "the groups do not divide the row")?;
        Ok(width / groups)
    }

    /// Groups of an input with one element per visible position.
    fn visible(&self, k: usize) -> Checked<(u32, Span)> {
        match self.input(k)? {
            NodeInfo { width: Width::PerVisible { groups, span }, element: ElementType::I32, .. } => {
                Ok((*groups, *span))
            }
            _ => Err(format!("input {k} must have one element per visible position")),
        }
    }

    fn shaped(&self, k: usize, element: ElementType, rows: u32, columns: u32) -> Checked<&ConstantInfo> {
        let c = self.constant(k)?;
        ensure(
            c.element == element && c.rows == rows && c.columns == columns,
            &format!("constant {k} must be {element:?} of {rows} x {columns}"),
        )?;
        Ok(c)
    }

    /// Weights with their multipliers and shifts: rows, columns, magnitude, range of shifts.
    fn weights(&self) -> Checked<(u32, u32, i128, i64, i64)> {
        let w = self.constant(0)?;
        let most = match w.element {
            ElementType::I8 => 127,
            ElementType::I16 => 32_639,
            _ => return Err("weights must be I8 or I16".into()),
        };
        ensure(w.low >= -most && w.high <= most, "weights leave their symmetric range")?;
        let m = self.shaped(1, ElementType::U16, 1, w.rows)?;
        ensure(m.low >= 1 << 15, "a multiplier is below 2^15")?;
        let s = self.shaped(2, ElementType::I8, 1, w.rows)?;
        Ok((w.rows, w.columns, magnitude(w.low, w.high), s.low, s.high))
    }

    fn table(&self, k: usize) -> Checked<()> {
        let t = self.shaped(k, ElementType::I32, 4096, 2)?;
        ensure(magnitude(t.low, t.high) <= TABLE_MAX.into(), "a table's values leave -1 to 1")
    }

    fn exp_table(&self, k: usize) -> Checked<()> {
        let t = self.shaped(k, ElementType::I32, 1, 4096)?;
        ensure(t.low >= WEIGHT_MIN, "a weight is below 2^30")
    }

    /// A row over the vocabulary of non-negative values.
    fn over_vocabulary(&self, k: usize) -> Checked<u32> {
        let n = self.fixed_input(k)?;
        ensure(n == self.face.vocabulary, &format!("input {k} must be as wide as the vocabulary"))?;
        Ok(n)
    }

    pub(super) fn infer(&self, op: &Op) -> Checked<Row> {
        use ElementType::{I8, I16, I32, I64};
        let context = self.face.context;
        match *op {
            Op::Embed { index, shift } => {
                let (rows, columns, _, low, high) = self.weights()?;
                shifts(low + i64::from(shift), high + i64::from(shift))?;
                match index {
                    // A row beyond the vocabulary would prove what no honest side reads.
                    Index::Token => {
                        ensure(rows == self.face.vocabulary, "the table must have a row for each token")?
                    }
                    Index::Position => {
                        ensure(rows >= context, "the table has fewer rows than there are positions")?
                    }
                }
                Ok(fixed(columns))
            }
            Op::RowExp { bits, groups } => {
                ensure(matches!(bits, 8 | 16 | 24), "mantissas have 8, 16 or 24 bits")?;
                self.groups(0, groups)?;
                let low = 1 - i64::from(bits);
                Ok((I8, Width::Fixed(groups), low, low + i64::from(bit_length(1 << 31))))
            }
            Op::Quantise { bits, groups } => {
                ensure(matches!(bits, 8 | 16), "mantissas have 8 or 16 bits")?;
                self.groups(0, groups)?;
                let e = self.expect(1, I8, groups)?;
                shifts(e.low, e.high)?;
                let most = (1 << (bits - 1)) - 1;
                Ok((if bits == 8 { I8 } else { I16 }, Width::Fixed(self.width(0)?), -most, most))
            }
            Op::Linear { shift } => {
                let (rows, columns, w, low, high) = self.weights()?;
                let (width, m) = self.mantissas(0)?;
                let groups = self.width(1)?;
                let e = self.expect(1, I8, groups)?;
                ensure(
                    columns.checked_mul(groups) == Some(width),
                    "the matrix has another width than the row's groups",
                )?;
                within_wide("accumulator times multiplier", i128::from(columns) * w * m * 65_535)?;
                shifts(low + i64::from(shift) - e.high, high + i64::from(shift) - e.low)?;
                if self.constants.len() == 4 {
                    self.shaped(3, I32, 1, rows)?;
                }
                Ok(fixed(rows.checked_mul(groups).ok_or("too many groups")?))
            }
            Op::SumSq { groups } => {
                let n = self.groups(0, groups)?;
                let e = self.expect(1, I8, groups)?;
                shifts(e.low, e.high)?;
                let high = i128::from(n) * ((1 << 23) - 1) * ((1 << 23) - 1);
                within_wide("the sum of squares", high)?;
                Ok((I64, Width::Fixed(groups), 0, high as i64))
            }
            Op::RNorm { groups, eps, root } => {
                self.expect(0, I64, groups)?;
                let e = self.expect(1, I8, groups)?;
                shifts(2 * e.low + 16, 2 * e.high + 16)?;
                ensure((0..=WIDE_LIMIT).contains(&eps), "epsilon leaves its range")?;
                ensure((1..=WIDE_LIMIT).contains(&root), "the root leaves its range")?;
                let width = groups.checked_mul(2).ok_or("too many groups")?;
                Ok((I64, Width::Fixed(width), 0, ((root >> 30) + 1).max(31)))
            }
            Op::Norm { groups, shift, gain_shift } => {
                let n = self.groups(0, groups)?;
                let e = self.expect(1, I8, groups)?;
                shifts(e.low, e.high)?;
                let r = self.expect(2, I64, groups.checked_mul(2).ok_or("too many groups")?)?;
                // Its exponents are 0 to 30, whatever the range of the whole row.
                ensure(matches!(self.maker(2)?.op, Op::RNorm { .. }), "input 2 must be reciprocal roots")?;
                within_wide("mantissa times reciprocal root", ((1 << 23) - 1) * i128::from(r.high))?;
                shifts(i64::from(shift) - 31, shift.into())?;
                shifts(gain_shift.into(), gain_shift.into())?;
                let width = self.width(0)?;
                for k in 0..self.constants.len() {
                    let columns = self.constant(k)?.columns;
                    ensure(
                        columns == width || columns == n,
                        "a gain must be as wide as the row or its group",
                    )?;
                    self.shaped(k, I32, 1, columns)?;
                }
                Ok(fixed(width))
            }
            Op::RowSum {} => {
                let high = i64::from(self.fixed_input(0)?) << 31;
                Ok((I64, Width::Fixed(1), -high, high))
            }
            Op::Centre {} => {
                let width = self.fixed_input(0)?;
                let s = self.expect(1, I64, 1)?;
                within_wide("value less mean", magnitude(s.low, s.high) + (1 << 31))?;
                Ok(fixed(width))
            }
            Op::Add {} => {
                let width = self.fixed_input(0)?;
                self.expect(1, I32, width)?;
                Ok(fixed(width))
            }
            Op::Rescale { multiplier: _, shift } => {
                shifts(shift.into(), shift.into())?;
                Ok(fixed(self.fixed_input(0)?))
            }
            Op::Lut { in_shift, shift } | Op::Act { in_shift, shift } => {
                shifts(in_shift.min(shift).into(), in_shift.max(shift).into())?;
                self.table(0)?;
                Ok(fixed(self.fixed_input(0)?))
            }
            Op::Glu { in_shift, shift } => {
                shifts(in_shift.min(shift).into(), in_shift.max(shift).into())?;
                self.table(0)?;
                let width = self.fixed_input(0)?;
                self.expect(1, I32, width)?;
                Ok(fixed(width))
            }
            Op::Rope { head_dim } => {
                let width = self.fixed_input(0)?;
                ensure(head_dim > 0 && width % head_dim == 0, "the heads do not divide the row")?;
                let columns = self.constant(0)?.columns;
                ensure(columns % 2 == 0 && columns <= head_dim, "more rotated than there are dimensions")?;
                ensure(
                    columns <= 4096,
                    "at most 4,096 dimensions are rotated, so that a step shows them at once",
                )?;
                for (k, rows) in [(0, context.div_ceil(256)), (1, 256)] {
                    let t = self.shaped(k, I32, rows, columns)?;
                    ensure(magnitude(t.low, t.high) <= ROTARY_MAX.into(), "a rotary table leaves -1 to 1")?;
                }
                Ok(fixed(width))
            }
            Op::Hadamard { block, shift } => {
                let width = self.fixed_input(0)?;
                ensure(
                    block.is_power_of_two() && width % block == 0,
                    "the block must be a power of two that divides",
                )?;
                within_wide("the transform", i128::from(block) << 31)?;
                shifts(shift.into(), shift.into())?;
                Ok(fixed(width))
            }
            Op::Score { heads, kv_heads, span, multiplier, shift } => {
                let head = self.head(heads, kv_heads, 2)?;
                let (width, q) = self.mantissas(0)?;
                let (_, k) = self.mantissas(2)?;
                ensure(
                    Some(width) == head.checked_mul(heads),
                    "queries and keys have heads of different width",
                )?;
                let (qe, ke) = (self.expect(1, I8, heads)?, self.expect(3, I8, kv_heads)?);
                within_wide("a score", i128::from(head) * q * k * i128::from(multiplier))?;
                shifts(i64::from(shift) - qe.high - ke.high, i64::from(shift) - qe.low - ke.low)?;
                window(span)?;
                ensure(
                    u64::from(heads) * u64::from(context) <= VISIBLE_MAX,
                    "heads times context are more than 2^27 scores a row",
                )?;
                Ok((I32, Width::PerVisible { groups: heads, span }, FIXED.0, FIXED.1))
            }
            Op::RowMax {} => match self.input(0)?.width {
                Width::Fixed(_) => {
                    self.fixed_input(0)?;
                    Ok(fixed(1))
                }
                Width::PerVisible { .. } => Ok(fixed(self.visible(0)?.0)),
            },
            Op::Exp2W {} => {
                let (groups, span) = self.visible(0)?;
                self.expect(1, I32, groups)?;
                self.derived(
                    1,
                    0,
                    |op| matches!(op, Op::RowMax {}),
                    "input 1 must be the maxima of input 0",
                )?;
                self.exp_table(0)?;
                Ok((I32, Width::PerVisible { groups, span }, 0, FIXED.1))
            }
            Op::WSum {} => {
                let (groups, _) = self.visible(0)?;
                ensure(self.input(0)?.low >= 0, "weights must not be negative")?;
                // The largest score has the distance 0, so its weight is in the sum.
                Ok((I64, Width::Fixed(groups), WEIGHT_MIN, i64::from(context) * FIXED.1))
            }
            Op::TimeMax { span } => {
                window(span)?;
                let width = self.width(0)?;
                let e = self.expect(0, I8, width)?;
                Ok((I8, Width::Fixed(width), e.low, e.high))
            }
            Op::Mix { heads, kv_heads, shift } => {
                let (groups, span) = self.visible(0)?;
                ensure(
                    groups == heads && self.input(0)?.low >= 0,
                    "input 0 must be weights, one group a head",
                )?;
                self.expect(1, I64, heads)?;
                let head = self.head(heads, kv_heads, 2)?;
                self.mantissas(2)?;
                let (e, top) = (self.expect(3, I8, kv_heads)?, self.expect(4, I8, kv_heads)?);
                // |sum of w v| <= sum of w * 32,767 is what keeps the mean within 2^62.
                self.derived(1, 0, |op| matches!(op, Op::WSum {}), "input 1 must be the sums of input 0")?;
                let latest = |op: &Op| matches!(op, Op::TimeMax { .. });
                self.derived(4, 3, latest, "input 4 must be the largest exponents of input 3")?;
                ensure(
                    self.maker(4)?.op.span() == Some(span),
                    "exponents and weights see different positions",
                )?;
                ensure(e.low >= -62, "exponents leave their range")?;
                shifts(i64::from(shift) - top.high, i64::from(shift) - top.low)?;
                Ok(fixed(head.checked_mul(heads).ok_or("too wide")?))
            }
            Op::Pool {} => Ok(fixed(self.fixed_input(0)?)),
            Op::Argmax {} => {
                let n = self.fixed_input(0)?;
                Ok((I32, Width::Fixed(1), 0, i64::from(n) - 1))
            }
            Op::Distance { shift } => {
                let n = self.over_vocabulary(0)?;
                self.expect(1, I32, 1)?;
                shifts(shift.into(), shift.into())?;
                Ok((I32, Width::Fixed(n), 0, DISTANCE_MAX))
            }
            Op::Hist { level, mass } => {
                ensure(level < 2 && mass < 2, "level and mass are 0 or 1")?;
                ensure(self.inputs.len() as u32 == 1 + level + mass, "wrong number of inputs")?;
                let n = self.distances(0)?;
                let most = if mass == 1 {
                    self.weights_over_vocabulary(1)?;
                    FIXED.1
                } else {
                    1
                };
                if level == 1 {
                    self.bin(1 + mass as usize)?;
                }
                Ok((I64, Width::Fixed(BINS), 0, i64::from(n) * most))
            }
            Op::CumSum {} => {
                let (width, info) = (self.width(0)?, *self.input(0)?);
                self.expect(0, I64, width)?;
                ensure(info.low >= 0, "the summands must not be negative")?;
                within_wide("the sum", i128::from(info.high) * i128::from(width))?;
                Ok((I64, Width::Fixed(width), 0, info.high * i64::from(width)))
            }
            Op::Crossing { target } => {
                let inputs = match target {
                    Target::TopK | Target::TopP => 1,
                    Target::Draw => 2,
                    Target::TopKRest => 3,
                    Target::TopPRest => 3,
                };
                ensure(self.inputs.len() == inputs, "wrong number of inputs")?;
                let width = self.width(0)?;
                self.ascending(0, width)?;
                match target {
                    Target::TopK | Target::TopP => {}
                    Target::Draw => {
                        let draw = self.sums(1, 1)?;
                        within_wide("the draw plus one", i128::from(draw.high) + 1)?;
                    }
                    Target::TopKRest | Target::TopPRest => {
                        self.ascending(1, BINS)?;
                        self.bin(2)?;
                    }
                }
                Ok((I32, Width::Fixed(1), 0, i64::from(width) - 1))
            }
            Op::Weigh {} => {
                let n = self.distances(0)?;
                self.bin(1)?;
                self.bin(2)?;
                self.exp_table(0)?;
                Ok((I32, Width::Fixed(n), 0, FIXED.1))
            }
            Op::Keep {} => {
                let n = self.distances(0)?;
                self.weights_over_vocabulary(1)?;
                self.bin(2)?;
                self.bin(3)?;
                Ok((I32, Width::Fixed(n), 0, FIXED.1))
            }
            Op::BlockSum { block } => {
                let n = self.weights_over_vocabulary(0)?;
                self.block(block)?;
                Ok((I64, Width::Fixed(n.div_ceil(block)), 0, i64::from(block) << 31))
            }
            Op::Draw {} => {
                let width = self.width(0)?;
                let sums = self.sums(0, width)?;
                Ok((I64, Width::Fixed(1), 0, (sums.high - 1).max(0)))
            }
            Op::Pick { block } => {
                let n = self.weights_over_vocabulary(0)?;
                self.block(block)?;
                let blocks = n.div_ceil(block);
                let sums = self.sums(1, blocks)?;
                within_wide(
                    "the sum",
                    i128::from(sums.high) + i128::from(block.min(n)) * i128::from(FIXED.1),
                )?;
                let at = self.expect(2, I32, 1)?;
                ensure(at.low >= 0 && at.high < blocks.into(), "the block is outside of the row")?;
                let draw = self.sums(3, 1)?;
                within_wide("the draw plus one", i128::from(draw.high) + 1)?;
                Ok((I32, Width::Fixed(1), 0, i64::from(n) - 1))
            }
            Op::Gather { visible, fill } => {
                ensure(visible < 2, "visible is 0 or 1")?;
                let (width, info) = (self.width(0)?, *self.input(0)?);
                ensure(matches!(info.element, I8 | I16 | I32), "input 0 must be I8, I16 or I32")?;
                let (map, fill) = (self.constant(0)?, i64::from(fill));
                let columns = map.columns;
                self.shaped(0, I32, 1, columns)?;
                // An index that no sequence has would be a mistake of who made the map.
                let positions = if visible == 1 { context } else { 1 };
                let there = i64::from(width) * i64::from(positions);
                ensure(map.low >= -1 && map.high < there, "the map leaves what there is to read")?;
                let (low, high) = info.element.limits();
                ensure((low..=high).contains(&fill), "the filling leaves the type of input 0")?;
                Ok((info.element, Width::Fixed(columns), info.low.min(fill), info.high.max(fill)))
            }
            Op::Clamp { low, high } => {
                ensure(low <= high, "the limits are the wrong way round")?;
                Ok((I32, Width::Fixed(self.fixed_input(0)?), low.into(), high.into()))
            }
            Op::GroupMax { groups } => {
                self.groups(0, groups)?;
                let x = self.input(0)?;
                Ok((I32, Width::Fixed(groups), x.low, x.high))
            }
            Op::GroupMean { groups } => {
                let n = self.groups(0, groups)?;
                within_wide("the sum", i128::from(n) << 31)?;
                Ok(fixed(groups))
            }
            Op::Mul { shift } => {
                shifts(shift.into(), shift.into())?;
                let width = self.fixed_input(0)?;
                self.expect(1, I32, width)?;
                Ok(fixed(width))
            }
        }
    }

    /// Width of a head of input `k` with `kv_heads` heads that `heads` share.
    fn head(&self, heads: u32, kv_heads: u32, k: usize) -> Checked<u32> {
        ensure(
            kv_heads > 0 && heads > 0 && heads.is_multiple_of(kv_heads),
            "key heads must divide query heads",
        )?;
        let width = self.width(k)?;
        ensure(width % kv_heads == 0, "the heads do not divide the row")?;
        Ok(width / kv_heads)
    }

    fn distances(&self, k: usize) -> Checked<u32> {
        let n = self.over_vocabulary(k)?;
        let info = self.input(k)?;
        ensure(info.low >= 0 && info.high <= DISTANCE_MAX, &format!("input {k} must be distances"))?;
        Ok(n)
    }

    fn weights_over_vocabulary(&self, k: usize) -> Checked<u32> {
        let n = self.over_vocabulary(k)?;
        ensure(self.input(k)?.low >= 0, &format!("input {k} must be weights"))?;
        Ok(n)
    }

    /// A block is one reduction of the trace, and `pick` reads one in a step.
    fn block(&self, block: u32) -> Checked<()> {
        ensure((1..=BLOCK_MAX).contains(&block), "a block has 1 to 1,024 elements")
    }

    /// Cumulative sums, and so ascending: that an index is the lowest is shown by its neighbour alone.
    fn ascending(&self, k: usize, width: u32) -> Checked<()> {
        self.sums(k, width)?;
        let maker = self.maker(k)?;
        ensure(matches!(maker.op, Op::CumSum {}), &format!("input {k} must be cumulative sums"))
    }

    /// Sums of what is not negative.
    fn sums(&self, k: usize, width: u32) -> Checked<&NodeInfo> {
        let info = self.expect(k, ElementType::I64, width)?;
        ensure(info.low >= 0, &format!("input {k} must not be negative"))?;
        Ok(info)
    }

    fn bin(&self, k: usize) -> Checked<()> {
        let info = self.expect(k, ElementType::I32, 1)?;
        ensure(info.low >= 0 && info.high < BINS.into(), &format!("input {k} must be a bin"))
    }
}
