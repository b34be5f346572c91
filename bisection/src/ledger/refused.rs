//! Why a batch cannot be posted. docs/rollup.md, 7 and 8.

use crate::hash::Hash;

/// Posting reverts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The data end within the head.
    #[error("the data end within the head")]
    ShortHead,
    /// Another version of the encoding.
    #[error("version {0} is none")]
    Version(u8),
    /// The cursor is before the parent's, or beyond the inbox's count.
    #[error("the cursor may be {from} ..= {to}")]
    Cursor {
        /// The parent's.
        from: u64,
        /// The inbox's count, as far as it is known.
        to: u64,
    },
    /// A batch has 1 to 65,535 steps.
    #[error("a batch of {0} steps")]
    StepCount(u64),
    /// The table's ids do not ascend.
    #[error("model {index} of the table is not above the one before")]
    Table {
        /// In the table.
        index: u32,
    },
    /// The model was not announced.
    #[error("model {index} of the table is unknown")]
    Model {
        /// In the table.
        index: u32,
    },
    /// The version is not the one in force at the batch's time.
    #[error("the price of model {index} of the table is not in force")]
    Price {
        /// In the table.
        index: u32,
    },
    /// The entries lead to another accumulator.
    #[error("the entries lead to {due}")]
    Entries {
        /// What they lead to.
        due: Hash,
    },
    /// Bytes follow the last step.
    #[error("{0} bytes follow the last step")]
    Leftover(u64),
    /// The time is not now or a little later.
    #[error("the time may be {from} ..= {to}")]
    Time {
        /// Now.
        from: u64,
        /// And SLACK.
        to: u64,
    },
    /// Another number is the proposer's next in this epoch.
    #[error("the next number is {due}")]
    Number {
        /// The next.
        due: u64,
    },
    /// The inbox has another accumulator at the cursor.
    #[error("the inbox has {due} at the cursor")]
    Inbox {
        /// What it has.
        due: Hash,
    },
    /// An entry that the batch leaves is overdue: it must take K, and no signed item.
    #[error("entry {entry} is overdue")]
    Overdue {
        /// The first that is left.
        entry: u64,
    },
    /// A step is not one.
    #[error("step {step}: {fault}")]
    Step {
        /// Index of the step.
        step: u32,
        /// What is wrong with it.
        fault: Fault,
    },
}

/// What is wrong with the data of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The data end within it.
    #[error("the data end")]
    Short,
    /// Not 0, 1 or 2 among the entries, or not 3, 4 or 5 among the signed items.
    #[error("op {0} does not belong here")]
    Op(u8),
    /// The table has no such model, or another than the entry.
    #[error("its model is not in the table at that place")]
    Model,
    /// Unknown flags, a seed without sampling, or sampling of a vector.
    #[error("flags {0}")]
    Flags(u8),
    /// Sampling values out of range.
    #[error("its sampling values are out of range")]
    Sampling,
    /// A given seed is 0.
    #[error("its seed is 0")]
    Seed,
    /// Prompt or output is empty, or longer than the request or the model allows; or a vector's maxTokens is not 0.
    #[error("prompt or output has not a length that it may have")]
    Length,
    /// An L1 request is dropped before its time.
    #[error("it may be dropped from {due} on")]
    Young {
        /// From when on it may.
        due: u128,
    },
    /// A token of the prompt is not of the vocabulary.
    #[error("token {index} of its prompt does not exist")]
    Token {
        /// In the prompt.
        index: u32,
    },
    /// Unused bits of a last byte are not 0.
    #[error("unused bits are not 0")]
    LooseBits,
    /// Values in memory that have no encoding of their own.
    #[error("it has no encoding")]
    Unencodable,
}
