//! Small models and the files that hold them, for whatever test needs one.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

pub mod archive;
pub mod cases;
pub mod device;
pub mod gguf;
pub mod hugging_face;
pub mod items;
pub mod machines;
pub mod models;
pub mod pt2;
pub mod random;
pub mod tiny;
pub mod verifier;
pub mod vision;
pub mod vocabulary;
