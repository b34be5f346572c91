//! Typed access to a JSON object, with messages that name file and key.

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::import::error::ImportError;
use crate::import::files::malformed;

/// An object in a JSON file. `null` counts as not there.
pub(super) struct Fields<'a> {
    path: PathBuf,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// Access to a value that must be an object; `path` is for messages.
    pub(super) fn new(path: PathBuf, value: &'a Value) -> Result<Self, ImportError> {
        match value.as_object() {
            Some(map) => Ok(Self { path, map }),
            None => Err(malformed(&path, "an object {...} was expected")),
        }
    }

    /// The value, if it is there.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    fn typed<T>(
        &self,
        key: &str,
        wanted: &str,
        convert: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ImportError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        convert(value).map(Some).ok_or_else(|| self.wrong(key, &format!("is not {wanted}")))
    }

    /// A count, if the key is there.
    pub(super) fn count(&self, key: &str) -> Result<Option<usize>, ImportError> {
        self.typed(key, "a count", |value| value.as_u64().and_then(|n| usize::try_from(n).ok()))
    }

    /// A count that must be there.
    pub(super) fn needed_count(&self, key: &str) -> Result<usize, ImportError> {
        self.count(key)?.ok_or_else(|| self.missing(key))
    }

    /// A number, if the key is there.
    pub(super) fn real(&self, key: &str) -> Result<Option<f64>, ImportError> {
        self.typed(key, "a number", Value::as_f64)
    }

    /// A number that must be there.
    pub(super) fn needed_real(&self, key: &str) -> Result<f64, ImportError> {
        self.real(key)?.ok_or_else(|| self.missing(key))
    }

    /// A truth value, if the key is there.
    pub(super) fn bool(&self, key: &str) -> Result<Option<bool>, ImportError> {
        self.typed(key, "true or false", Value::as_bool)
    }

    /// A text, if the key is there.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, ImportError> {
        self.typed(key, "a text", Value::as_str)
    }

    /// A list, if the key is there.
    pub(super) fn list(&self, key: &str) -> Result<Option<&'a Vec<Value>>, ImportError> {
        self.typed(key, "a list", Value::as_array)
    }

    /// An object, if the key is there.
    pub(super) fn object(&self, key: &str) -> Result<Option<Fields<'a>>, ImportError> {
        self.get(key).map(|value| Fields::new(self.path.clone(), value)).transpose()
    }

    /// The error for a value that makes no sense.
    pub(super) fn wrong(&self, key: &str, reason: &str) -> ImportError {
        malformed(&self.path, format!("{key} {reason}"))
    }

    /// The error for a key that is not there.
    pub(super) fn missing(&self, key: &str) -> ImportError {
        ImportError::Missing(format!("{key} in {}", self.path.display()))
    }

    /// The error for a value that is understood and not supported.
    pub(super) fn unsupported(&self, key: &str, value: impl std::fmt::Display) -> ImportError {
        ImportError::Unsupported(format!("{key} = {value} in {}", self.path.display()))
    }
}
