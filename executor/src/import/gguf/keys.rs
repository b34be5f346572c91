//! Typed access to the metadata of one architecture.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::import::error::ImportError;
use crate::import::files::malformed;

use super::value::{Array, Value};

/// Metadata, remembering which keys were asked for.
pub(super) struct Keys<'a> {
    /// The file, for messages.
    pub(super) path: &'a Path,
    /// The architecture, which is the prefix of its keys.
    pub(super) architecture: &'a str,
    metadata: &'a BTreeMap<&'a str, Value<'a>>,
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Keys<'a> {
    /// Access to `metadata`, whose `general.architecture` must be there.
    pub(super) fn new(
        path: &'a Path,
        metadata: &'a BTreeMap<&'a str, Value<'a>>,
    ) -> Result<Self, ImportError> {
        let architecture = match metadata.get("general.architecture") {
            Some(Value::Text(name)) => name,
            Some(other) => {
                return Err(malformed(path, format!("general.architecture is {}", other.kind())));
            }
            None => {
                return Err(ImportError::Missing("general.architecture in the GGUF metadata".into()));
            }
        };
        Ok(Self { path, architecture, metadata, asked: RefCell::default() })
    }

    /// The full key: `a.b` as it is if it begins with `general.` or `tokenizer.`, else under the architecture.
    fn full(&self, key: &str) -> String {
        match key.starts_with("general.") || key.starts_with("tokenizer.") {
            true => key.to_string(),
            false => format!("{}.{key}", self.architecture),
        }
    }

    fn get(&self, key: &str) -> Option<Value<'a>> {
        let key = self.full(key);
        let value = self.metadata.get(key.as_str()).copied();
        self.asked.borrow_mut().insert(key);
        value
    }

    fn typed<T>(
        &self,
        key: &str,
        wanted: &str,
        convert: impl Fn(Value<'a>) -> Option<T>,
    ) -> Result<Option<T>, ImportError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let wrong = || malformed(self.path, format!("{} is {}, not {wanted}", self.full(key), value.kind()));
        convert(value).map(Some).ok_or_else(wrong)
    }

    /// A count, if the key is there.
    pub(super) fn count(&self, key: &str) -> Result<Option<usize>, ImportError> {
        self.typed(key, "a count", |value| match value {
            Value::Unsigned(n) => usize::try_from(n).ok(),
            Value::Signed(n) => usize::try_from(n).ok(),
            _ => None,
        })
    }

    /// A count that every model has.
    pub(super) fn needed_count(&self, key: &str) -> Result<usize, ImportError> {
        self.count(key)?.ok_or_else(|| self.missing(key))
    }

    /// A real number, if the key is there.
    pub(super) fn real(&self, key: &str) -> Result<Option<f64>, ImportError> {
        self.typed(key, "a number", |value| match value {
            Value::Float(x) => Some(x),
            _ => None,
        })
    }

    /// A truth value, if the key is there.
    pub(super) fn bool(&self, key: &str) -> Result<Option<bool>, ImportError> {
        self.typed(key, "a truth value", |value| match value {
            Value::Bool(x) => Some(x),
            _ => None,
        })
    }

    /// A text, if the key is there.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, ImportError> {
        self.typed(key, "a text", |value| match value {
            Value::Text(x) => Some(x),
            _ => None,
        })
    }

    /// An array, if the key is there.
    pub(super) fn array(&self, key: &str) -> Result<Option<Array<'a>>, ImportError> {
        self.typed(key, "an array", |value| match value {
            Value::Array(x) => Some(x),
            _ => None,
        })
    }

    /// The value as it is, if the key is there.
    pub(super) fn any(&self, key: &str) -> Option<Value<'a>> {
        self.get(key)
    }

    /// The error for a key that is not there.
    pub(super) fn missing(&self, key: &str) -> ImportError {
        ImportError::Missing(format!("{} in the GGUF metadata; convert the model again", self.full(key)))
    }

    /// The error for a value that is understood and not supported.
    pub(super) fn unsupported(&self, key: &str, value: impl std::fmt::Display) -> ImportError {
        ImportError::Unsupported(format!("{} = {value}", self.full(key)))
    }

    /// Keys that may be there with the one value that changes nothing.
    pub(super) fn only_neutral(&self, key: &str, neutral: &[f64]) -> Result<(), ImportError> {
        let Some(value) = self.get(key) else {
            return Ok(());
        };
        let number = match value {
            Value::Unsigned(n) => u32::try_from(n).ok().map(f64::from),
            Value::Signed(n) => i32::try_from(n).ok().map(f64::from),
            Value::Float(x) => Some(x),
            Value::Bool(b) => Some(f64::from(u8::from(b))),
            Value::Text(_) | Value::Array(_) => None,
        };
        match number {
            Some(number) if neutral.contains(&number) => Ok(()),
            Some(number) => Err(self.unsupported(key, number)),
            None => Err(self.unsupported(key, value.kind())),
        }
    }

    /// Refuses the architecture's keys that nobody asked for: each could mean another graph.
    pub(super) fn refuse_unknown(&self) -> Result<(), ImportError> {
        let prefix = format!("{}.", self.architecture);
        let asked = self.asked.borrow();
        match self.metadata.keys().find(|key| key.starts_with(&prefix) && !asked.contains(**key)) {
            None => Ok(()),
            Some(key) => Err(ImportError::Unsupported(format!(
                "the setting {key}: its meaning is not known, and leaving it out could give another model"
            ))),
        }
    }
}
