//! The operations. docs/specification.md defines each; `kernels/` holds one reference kernel per operation.

use super::decode::DecodeError;

/// Which positions an attention-like operation at position t sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Every position of the sequence (encoders).
    All,
    /// Positions 0 ..= t.
    Causal,
    /// Positions max(0, t - w + 1) ..= t.
    Window(u32),
}

impl Span {
    /// The visible positions of position `t` in a sequence of `positions`.
    pub fn visible(self, t: usize, positions: usize) -> std::ops::Range<usize> {
        match self {
            Self::All => 0..positions,
            Self::Causal => 0..t.saturating_add(1),
            Self::Window(w) => t.saturating_add(1).saturating_sub(w as usize)..t.saturating_add(1),
        }
    }
}

/// At which positions a node has a value. Always contiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Every position.
    All,
    /// The positions whose successor is an output token.
    Outputs,
    /// As `Outputs` when the request samples, none when it is greedy.
    Sampled,
    /// The last position only.
    Last,
}

/// What `embed` uses to choose a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// The input token at the position.
    Token,
    /// The position itself.
    Position,
}

/// What a `crossing` looks for in the cumulative sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The k of top-k, in the upper bins.
    TopK,
    /// What is left of k within the upper bin found.
    TopKRest,
    /// The share p of the whole mass, in the upper bins.
    TopP,
    /// What is left of the share within the upper bin found.
    TopPRest,
    /// The drawn number plus one.
    Draw,
}

/// A value that an attribute can hold, as the i64 of the canonical encoding.
pub(super) trait Attribute: Sized {
    fn to_wire(&self) -> i64;
    fn from_wire(x: i64) -> Result<Self, DecodeError>;
}

macro_rules! integer_attribute {
    ($($t:ty),*) => {$(
        impl Attribute for $t {
            fn to_wire(&self) -> i64 {
                i64::from(*self)
            }
            fn from_wire(x: i64) -> Result<Self, DecodeError> {
                Self::try_from(x).map_err(|_| DecodeError::Attribute(x))
            }
        }
    )*};
}
integer_attribute!(i64, i32, u32);

macro_rules! enum_attribute {
    ($t:ty { $($value:literal => $variant:ident),* $(,)? }) => {
        impl Attribute for $t {
            fn to_wire(&self) -> i64 {
                match self { $(Self::$variant => $value),* }
            }
            fn from_wire(x: i64) -> Result<Self, DecodeError> {
                match x { $($value => Ok(Self::$variant),)* _ => Err(DecodeError::Attribute(x)) }
            }
        }
    };
}
enum_attribute!(Index { 0 => Token, 1 => Position });
enum_attribute!(Range { 0 => All, 1 => Outputs, 2 => Sampled, 3 => Last });
enum_attribute!(Target { 0 => TopK, 1 => TopKRest, 2 => TopP, 3 => TopPRest, 4 => Draw });

impl Attribute for Span {
    fn to_wire(&self) -> i64 {
        match self {
            Self::All => 0,
            Self::Causal => -1,
            Self::Window(w) => i64::from(*w),
        }
    }
    fn from_wire(x: i64) -> Result<Self, DecodeError> {
        match u32::try_from(x) {
            Ok(0) => Ok(Self::All),
            Ok(w) => Ok(Self::Window(w)),
            Err(_) if x == -1 => Ok(Self::Causal),
            Err(_) => Err(DecodeError::Attribute(x)),
        }
    }
}

/// Declares the operations: opcode, name (the stem of kernel, Solidity twin and vectors), arities, attributes.
macro_rules! operations {
    ($($(#[$doc:meta])* $code:literal $name:ident $stem:literal nodes $nodes:expr, constants $constants:expr,
        { $($(#[$field_doc:meta])* $field:ident: $type:ty),* };)*) => {
        /// One operation with its attributes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Op { $($(#[$doc])* $name { $($(#[$field_doc])* $field: $type),* }),* }

        impl Op {
            /// The stems of all operations, in the order of their codes.
            pub const STEMS: &'static [&'static str] = &[$($stem),*];

            /// The operation's code in the canonical encoding.
            pub fn code(&self) -> u8 {
                match self { $(Self::$name { .. } => $code),* }
            }
            /// The operation's name.
            pub fn stem(&self) -> &'static str {
                match self { $(Self::$name { .. } => $stem),* }
            }
            /// How many node inputs and how many constants the operation takes.
            pub fn arity(&self) -> (std::ops::RangeInclusive<usize>, std::ops::RangeInclusive<usize>) {
                match self { $(Self::$name { .. } => ($nodes, $constants)),* }
            }
            /// The attributes as in the canonical encoding.
            pub fn attributes(&self) -> Vec<i64> {
                match self { $(Self::$name { $($field),* } => vec![$($field.to_wire()),*]),* }
            }
            /// The operation of a code with its attributes as in the canonical encoding.
            pub fn from_wire(code: u8, attributes: &[i64]) -> Result<Self, DecodeError> {
                let mut rest = attributes.iter();
                let op = match code {
                    $($code => Self::$name { $($field: <$type>::from_wire(
                        *rest.next().ok_or(DecodeError::AttributeCount(code))?)?),* },)*
                    _ => return Err(DecodeError::Opcode(code)),
                };
                if rest.next().is_some() {
                    return Err(DecodeError::AttributeCount(code));
                }
                Ok(op)
            }
        }
    };
}

operations! {
    /// A row of a table: constants weights, multipliers, shifts.
    1 Embed "embed" nodes 0..=0, constants 3..=3, { /// What chooses the row.
        index: Index, /// Added to the row's own shift.
        shift: i32 };
    /// Exponent of each group of a row: x.
    2 RowExp "rowexp" nodes 1..=1, constants 0..=0, { /// Bits of the mantissas.
        bits: u32, /// Groups with an exponent of their own.
        groups: u32 };
    /// Mantissas of a row: x, exponents.
    3 Quantise "quantise" nodes 2..=2, constants 0..=0, { /// Bits of the mantissas, 8 or 16.
        bits: u32, /// Groups with an exponent of their own.
        groups: u32 };
    /// Matrix times each group of mantissas: m, an exponent a group; weights, multipliers, shifts, and perhaps biases.
    4 Linear "linear" nodes 2..=2, constants 3..=4, { /// Added to each channel's own shift.
        shift: i32 };
    /// Sum of squares of 24-bit mantissas: x, exponents.
    5 SumSq "sumsq" nodes 2..=2, constants 0..=0, { /// Groups with a sum of their own.
        groups: u32 };
    /// Reciprocal root of a mean square: sums, exponents.
    6 RNorm "rnorm" nodes 2..=2, constants 0..=0, { /// Groups.
        groups: u32, /// Epsilon times elements, in units of 2^-(2 f + 16).
        eps: i64, /// round(sqrt(elements) * 2^55).
        root: i64 };
    /// Normalised row times gain: x, exponents, reciprocal roots; gains, and perhaps biases.
    7 Norm "norm" nodes 3..=3, constants 1..=2, { /// Groups.
        groups: u32, /// 55 minus the fractional bits of the normalised value.
        shift: i32, /// Shift after the gain.
        gain_shift: i32 };
    /// Sum of a row: x.
    8 RowSum "rowsum" nodes 1..=1, constants 0..=0, {};
    /// A row less its mean: x, sum.
    9 Centre "centre" nodes 2..=2, constants 0..=0, {};
    /// a + b.
    10 Add "add" nodes 2..=2, constants 0..=0, {};
    /// x times a number.
    11 Rescale "rescale" nodes 1..=1, constants 0..=0, { /// The number's mantissa.
        multiplier: i32, /// Its fractional bits and the change of format.
        shift: i32 };
    /// T(x): x; table.
    12 Lut "lut" nodes 1..=1, constants 1..=1, { /// From x's format to the table's 20 fractional bits.
        in_shift: i32, /// From the table's 23 fractional bits to the output's.
        shift: i32 };
    /// x T(x): x; table.
    13 Act "act" nodes 1..=1, constants 1..=1, { /// As in `lut`.
        in_shift: i32, /// 23 plus the change of format.
        shift: i32 };
    /// x T(x) u: x, u; table.
    14 Glu "glu" nodes 2..=2, constants 1..=1, { /// As in `lut`.
        in_shift: i32, /// From the product's format to the output's.
        shift: i32 };
    /// Rotation of pairs by the position: x; upper and lower table.
    15 Rope "rope" nodes 1..=1, constants 2..=2, { /// Width of a head.
        head_dim: u32 };
    /// Walsh-Hadamard transform of each block: x.
    16 Hadamard "hadamard" nodes 1..=1, constants 0..=0, { /// Width of a block, a power of two.
        block: u32, /// Shift after the sum.
        shift: i32 };
    /// Scaled products of a query with the visible keys: q, its exponents, k, its exponents.
    17 Score "score" nodes 4..=4, constants 0..=0, { /// Query heads.
        heads: u32, /// Key heads.
        kv_heads: u32, /// Visible positions.
        span: Span, /// Scale, mantissa.
        multiplier: u32, /// Scale, shift.
        shift: i32 };
    /// Largest of each group: x.
    18 RowMax "rowmax" nodes 1..=1, constants 0..=0, {};
    /// 2^-(maximum - score): scores, maxima; table.
    19 Exp2W "exp2w" nodes 2..=2, constants 1..=1, {};
    /// Sum of each group of weights: weights.
    20 WSum "wsum" nodes 1..=1, constants 0..=0, {};
    /// Largest exponent over the visible positions: exponents.
    21 TimeMax "timemax" nodes 1..=1, constants 0..=0, { /// Visible positions.
        span: Span };
    /// Weighted mean of the visible values: weights, their sums, values, their exponents, largest exponents.
    22 Mix "mix" nodes 5..=5, constants 0..=0, { /// Query heads.
        heads: u32, /// Value heads.
        kv_heads: u32, /// 46 plus the change of format.
        shift: i32 };
    /// Mean over all positions: x.
    23 Pool "pool" nodes 1..=1, constants 0..=0, {};
    /// Lowest index of the largest element: x.
    24 Argmax "argmax" nodes 1..=1, constants 0..=0, {};
    /// Distance from the maximum in 2^-20 doublings at the request's temperature: logits, maximum.
    25 Distance "distance" nodes 2..=2, constants 0..=0, { /// From the logits' format to 20 fractional bits, plus 16.
        shift: i32 };
    /// Counts or masses per bin of distance. See the specification for its inputs.
    26 Hist "hist" nodes 1..=3, constants 0..=0, { /// 0: upper 11 bits; 1: next 11 bits within the upper bin.
        level: u32, /// 0: counts entries; 1: adds weights.
        mass: u32 };
    /// Cumulative sums: x.
    27 CumSum "cumsum" nodes 1..=1, constants 0..=0, {};
    /// First index whose cumulative sum reaches the target. See the specification for its inputs.
    28 Crossing "crossing" nodes 1..=3, constants 0..=0, { /// What is looked for.
        target: Target };
    /// Weights of the entries within top-k: distances, two crossings; table.
    29 Weigh "weigh" nodes 3..=3, constants 1..=1, {};
    /// Weights of the entries within top-p and min-p: distances, weights, two crossings.
    30 Keep "keep" nodes 4..=4, constants 0..=0, {};
    /// Sums of blocks: x.
    31 BlockSum "blocksum" nodes 1..=1, constants 0..=0, { /// Width of a block.
        block: u32 };
    /// A number below the whole mass from the request's seed: cumulative block sums.
    32 Draw "draw" nodes 1..=1, constants 0..=0, {};
    /// The entry within the block: kept weights, cumulative block sums, block, draw.
    33 Pick "pick" nodes 4..=4, constants 0..=0, { /// Width of a block.
        block: u32 };
    /// Elements of a row, or of the whole sequence, where a map says: x; map.
    34 Gather "gather" nodes 1..=1, constants 1..=1, { /// 0: the own row; 1: the rows of all positions.
        visible: u32, /// What is where nothing is read.
        fill: i32 };
    /// x within limits: x.
    35 Clamp "clamp" nodes 1..=1, constants 0..=0, { /// The least.
        low: i32, /// The greatest.
        high: i32 };
    /// Largest of each group: x.
    36 GroupMax "groupmax" nodes 1..=1, constants 0..=0, { /// Groups.
        groups: u32 };
    /// Mean of each group: x.
    37 GroupMean "groupmean" nodes 1..=1, constants 0..=0, { /// Groups.
        groups: u32 };
    /// a times b.
    38 Mul "mul" nodes 2..=2, constants 0..=0, { /// From the product's format to the output's.
        shift: i32 };
}
