//! The files of a folder, and the digest over those that were read.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::import::digest;
use crate::import::error::ImportError;
use crate::import::files::{self, Bytes, malformed};
use crate::import::limits::JSON_TREE_BYTES_MAX;

/// A folder, remembering what was read out of it.
pub(super) struct Folder {
    /// Where it is.
    pub(super) path: PathBuf,
    read: Vec<(String, [u8; 32])>,
    mapped: Vec<(String, Bytes)>,
}

impl Folder {
    /// The folder at `path`.
    pub(super) fn new(path: &Path) -> Result<Self, ImportError> {
        if !path.is_dir() {
            let missing = format!("the folder {}; name a model's folder", path.display());
            return Err(ImportError::Missing(missing));
        }
        Ok(Self { path: path.to_path_buf(), read: Vec::new(), mapped: Vec::new() })
    }

    /// Is there something of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.path.join(name).exists()
    }

    /// A whole file of at most `limit` bytes, or None if there is no such file.
    pub(super) fn read(&mut self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, ImportError> {
        if !self.has(name) {
            return Ok(None);
        }
        let bytes = files::read(&self.path.join(name), limit)?;
        self.read.push((name.to_string(), digest::keccak256(&bytes)));
        Ok(Some(bytes))
    }

    /// A small JSON file as a tree, or None if there is no such file.
    pub(super) fn tree(&mut self, name: &str) -> Result<Option<Value>, ImportError> {
        let Some(bytes) = self.read(name, JSON_TREE_BYTES_MAX)? else {
            return Ok(None);
        };
        self.parse(name, &bytes).map(Some)
    }

    /// JSON as a value of type `T`.
    pub(super) fn parse<T: serde::de::DeserializeOwned>(
        &self,
        name: &str,
        bytes: &[u8],
    ) -> Result<T, ImportError> {
        serde_json::from_slice(bytes).map_err(|e| malformed(&self.path.join(name), e.to_string()))
    }

    /// A file of weights, mapped.
    pub(super) fn map(&mut self, name: &str) -> Result<Bytes, ImportError> {
        let bytes = files::map(&self.path.join(name))?;
        self.mapped.push((name.to_string(), bytes.clone()));
        Ok(bytes)
    }

    /// The digest over everything that was read. Hashes the weights, so it is the last thing to do.
    pub(super) fn digest(self) -> [u8; 32] {
        let mut files = self.read;
        files.extend(
            self.mapped.into_iter().map(|(name, bytes)| (name, digest::keccak256((*bytes).as_ref()))),
        );
        digest::of_files(files)
    }

    /// What the model calls itself: the last part of `given`, else of the folder's path.
    pub(super) fn name(&self, given: Option<&str>) -> String {
        let given = given.and_then(|name| name.trim_end_matches('/').rsplit('/').next());
        match given {
            Some(name) if !name.is_empty() && name != "." => name.to_string(),
            _ => self.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
        }
    }
}

/// Is this the bare name of a file: no folder, no way out of the folder, no device.
pub(super) fn is_plain(name: &str) -> bool {
    let forbidden = |c: char| matches!(c, '/' | '\\' | ':') || c.is_control();
    (1..=255).contains(&name.len()) && !name.starts_with('.') && !name.contains(forbidden)
}
