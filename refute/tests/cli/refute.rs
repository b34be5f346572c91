//! Runs the binary, on small models with random weights.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use alloy::signers::local::PrivateKeySigner;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{cases, gguf, hugging_face};

/// What the binary did.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// The one document on standard output.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "one line: {}", self.stdout);
        serde_json::from_str(&self.stdout).expect("a JSON document")
    }

    /// Asserts an exit code.
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }
}

/// Runs `refute` in a folder.
pub(crate) fn refute(folder: &Path, arguments: &[&str]) -> Run {
    let binary = env!("CARGO_BIN_EXE_refute");
    let output = Command::new(binary).args(arguments).current_dir(folder).env_remove("RUST_LOG").output();
    let Output { status, stdout, stderr } = output.expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Run { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// A folder with `llama.gguf` and `bert/`, the sources of small models.
pub(crate) fn sources() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    for case in cases::all() {
        match case.name {
            "llama" => gguf::write(&case.model(), &folder.path().join("llama.gguf")),
            "bert" => hugging_face::write(&case.model(), &folder.path().join("bert")),
            _ => {}
        }
    }
    folder
}

/// As [`sources`], with the model of one of them imported into `model`.
pub(crate) fn imported(source: &str) -> TempDir {
    let folder = sources();
    refute(folder.path(), &["model", "import", source, "-o", "model", "--threads", "1"]).ended(0);
    folder
}

/// Writes a file into a folder.
pub(crate) fn file(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("the file is written");
    path
}

/// A keystore of a key; its password is in `password`.
pub(crate) fn keystore(folder: &Path, name: &str, key: &PrivateKeySigner) {
    std::fs::write(folder.join("password"), "secret\n").expect("the file is written");
    let mut random = rand::thread_rng();
    PrivateKeySigner::encrypt_keystore(folder, &mut random, key.to_bytes(), "secret", Some(name))
        .expect("the keystore is written");
}
