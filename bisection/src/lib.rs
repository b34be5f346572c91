//! The refutation protocol.
