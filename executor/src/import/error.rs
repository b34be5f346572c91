//! Why a model cannot be imported.

use std::path::PathBuf;

/// An import that was refused. Every message says what is wrong, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The operating system refused a file.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file does not hold what its format promises.
    #[error("{path} is malformed: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        reason: String,
    },
    /// The file is sound, but asks for something that is not supported.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// Something that the model needs is not there.
    #[error("missing: {0}")]
    Missing(String),
    /// The model cannot be expressed without a possible overflow, or has values that are no numbers.
    #[error("refused at {node}: {reason}")]
    Refused {
        /// The tensor or node.
        node: String,
        /// Why.
        reason: String,
    },
}
