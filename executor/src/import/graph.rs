//! The model as its authors mean it: a short graph over real numbers.
//!
//! Readers describe a model, `architecture` turns the description into this graph, `lower` turns the graph into
//! integer nodes, and the float side of `model check` evaluates it as it stands. Both read the same graph, so a
//! difference between them is a difference of arithmetic alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::source::Activation;
use crate::program::op::{Index, Span};

/// Index of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub usize);

/// Steps that share one number of fractional bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FormatId(pub usize);

/// Index of a rotary table of the description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RopeId(pub usize);

/// What a gather gives where there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fill {
    /// 0
    Zero,
    /// Less than every value: it never is the maximum.
    Lowest,
}

/// One operation over real vectors; a vector per position. Tensor names are those of `source::Tensors`.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Row of a table, chosen by the token or the position; `plus` is added to every row (BERT's type 0).
    Embed {
        /// `[rows, width]`
        table: String,
        /// What chooses the row.
        index: Index,
        /// Tensor whose first row is added.
        plus: Option<String>,
    },
    /// y = W x + b, for each of the `width / out` equal parts of x on their own (one part: an ordinary product).
    Linear {
        /// Input.
        x: StepId,
        /// `[out, in]`
        weights: String,
        /// `[out]`
        bias: Option<String>,
    },
    /// y = x / sqrt(mean(x^2) + eps) * gain, in each of `groups` equal groups.
    RmsNorm {
        /// Input.
        x: StepId,
        /// Groups that are normalised on their own (heads), each with the same gain.
        groups: usize,
        /// `[width / groups]`
        gain: String,
        /// Added to the mean square.
        eps: f64,
    },
    /// y = (x - mean) / sqrt(variance + eps) * gain + bias
    LayerNorm {
        /// Input.
        x: StepId,
        /// `[width]`
        gain: String,
        /// `[width]`
        bias: String,
        /// Added to the variance.
        eps: f64,
    },
    /// Pairs (i, i + p) of each head turn by position * frequency(i).
    Rope {
        /// Input.
        x: StepId,
        /// Frequencies.
        table: RopeId,
        /// Width of a head.
        head_dim: usize,
    },
    /// softmax(scale q k^T) v over the visible positions, heads outermost.
    Attention {
        /// `heads * head_dim`
        q: StepId,
        /// `kv_heads * head_dim`
        k: StepId,
        /// `kv_heads * head_dim`
        v: StepId,
        /// Query heads.
        heads: usize,
        /// Key and value heads.
        kv_heads: usize,
        /// Visible positions.
        span: Span,
        /// Factor on q.k
        scale: f64,
    },
    /// activation(gate) * up
    Glu {
        /// Bent.
        gate: StepId,
        /// Multiplied.
        up: StepId,
        /// The bend.
        activation: Activation,
    },
    /// activation(x)
    Act {
        /// Input.
        x: StepId,
        /// The bend.
        activation: Activation,
    },
    /// a + b, of the same format.
    Add {
        /// Left.
        a: StepId,
        /// Right.
        b: StepId,
    },
    /// x * factor
    Scale {
        /// Input.
        x: StepId,
        /// The factor.
        factor: f64,
    },
    /// cap * tanh(x / cap)
    SoftCap {
        /// Input.
        x: StepId,
        /// The cap.
        cap: f64,
    },
    /// Mean over all positions, at the last one.
    Pool {
        /// Input.
        x: StepId,
    },
    /// x / |x|, at the last position.
    Normalize {
        /// Input.
        x: StepId,
    },
    /// `y[i] = x[map[i]]`; -1 gives the fill. Of a visible x, element `map[i]` counted over the rows of all positions.
    Gather {
        /// Input.
        x: StepId,
        /// Are the rows of all positions read, or that of its own.
        visible: bool,
        /// One entry an element.
        map: Arc<[i32]>,
        /// Where the map has -1.
        fill: Fill,
    },
    /// x within low ..= high
    Clamp {
        /// Input.
        x: StepId,
        /// May be minus infinity.
        low: f64,
        /// May be infinity.
        high: f64,
    },
    /// Maximum of each of `width` groups of neighbours.
    GroupMax {
        /// Input.
        x: StepId,
    },
    /// Mean of each of `width` groups of neighbours.
    GroupMean {
        /// Input.
        x: StepId,
    },
    /// a * b
    Mul {
        /// Left.
        a: StepId,
        /// Right.
        b: StepId,
    },
}

impl Operation {
    /// The steps whose values it reads.
    pub fn inputs(&self) -> Vec<StepId> {
        self.clone().inputs_mut().into_iter().map(|x| *x).collect()
    }

    /// The same, to be changed.
    pub fn inputs_mut(&mut self) -> Vec<&mut StepId> {
        match self {
            Self::Embed { .. } => vec![],
            Self::Attention { q, k, v, .. } => vec![q, k, v],
            Self::Glu { gate: a, up: b, .. } | Self::Add { a, b } | Self::Mul { a, b } => vec![a, b],
            Self::Linear { x, .. }
            | Self::RmsNorm { x, .. }
            | Self::LayerNorm { x, .. }
            | Self::Rope { x, .. }
            | Self::Act { x, .. }
            | Self::Scale { x, .. }
            | Self::SoftCap { x, .. }
            | Self::Pool { x }
            | Self::Normalize { x }
            | Self::Gather { x, .. }
            | Self::Clamp { x, .. }
            | Self::GroupMax { x }
            | Self::GroupMean { x } => vec![x],
        }
    }
}

/// A named operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// As people would call it: `layers.3.q`.
    pub name: String,
    /// What it does.
    pub operation: Operation,
    /// Its width.
    pub width: usize,
    /// Its number format.
    pub format: FormatId,
    /// Is it needed only where an output token is made (decoders) or at the last position (encoders).
    pub outputs_only: bool,
}

/// What a graph gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Logits over the vocabulary at every position.
    Logits(StepId),
    /// A vector at the last position.
    Vector(StepId),
}

/// A whole model.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// In order; inputs are lower.
    pub steps: Vec<Step>,
    /// Most fractional bits of each format.
    pub formats: Vec<i32>,
    /// What it gives.
    pub head: Head,
    /// Tensors whose weights have 16 bits, whatever was asked for.
    pub fine: BTreeSet<String>,
}

/// Builds a graph.
#[derive(Debug, Default)]
pub struct Builder {
    steps: Vec<Step>,
    formats: Vec<i32>,
    outputs_only: bool,
    fine: BTreeSet<String>,
}

/// Most fractional bits of a Fixed.
pub const FRACTION_MAX: i32 = 20;

impl Builder {
    /// A fresh format of at most `fraction_max` fractional bits.
    pub fn format(&mut self, fraction_max: i32) -> FormatId {
        self.formats.push(fraction_max);
        FormatId(self.formats.len() - 1)
    }

    /// Steps from here on are needed at output positions only.
    pub fn outputs_only(&mut self) {
        self.outputs_only = true;
    }

    /// The weights of this tensor keep 16 bits.
    pub fn keep_fine(&mut self, tensor: impl Into<String>) {
        self.fine.insert(tensor.into());
    }

    /// Appends a step with a format of its own.
    pub fn push(&mut self, name: impl Into<String>, width: usize, operation: Operation) -> StepId {
        let format = self.format(FRACTION_MAX);
        self.push_as(name, width, format, operation)
    }

    /// Appends a step with a given format.
    pub fn push_as(
        &mut self,
        name: impl Into<String>,
        width: usize,
        format: FormatId,
        operation: Operation,
    ) -> StepId {
        self.steps.push(Step {
            name: name.into(),
            operation,
            width,
            format,
            outputs_only: self.outputs_only,
        });
        StepId(self.steps.len() - 1)
    }

    /// The format of a step.
    pub fn format_of(&self, x: StepId) -> FormatId {
        self.steps[x.0].format
    }

    /// The width of a step.
    pub fn width_of(&self, x: StepId) -> usize {
        self.steps[x.0].width
    }

    /// The whole.
    pub fn finish(self, head: Head) -> Graph {
        Graph { steps: self.steps, formats: self.formats, head, fine: self.fine }
    }
}
