//! Reading little-endian values one after another, never past the end.

use std::path::Path;

use crate::import::error::ImportError;
use crate::import::files::malformed;

/// A position in a file's bytes.
pub(super) struct Cursor<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,
    texts_left: usize,
}

/// Strings of one file: real ones have half a million, and walking past more would take seconds.
const TEXTS_MAX: usize = 1 << 22;

impl<'a> Cursor<'a> {
    /// At the beginning of `bytes`; `path` is for error messages.
    pub(super) fn new(path: &'a Path, bytes: &'a [u8]) -> Self {
        Self { path, bytes, at: 0, texts_left: TEXTS_MAX }
    }

    /// How many bytes have been read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The next `n` bytes.
    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], ImportError> {
        let end = self.at.checked_add(n);
        let Some(taken) = end.and_then(|end| self.bytes.get(self.at..end)) else {
            return Err(self.error(format!("it ends where {n} more bytes should follow; download it again")));
        };
        self.at += n;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ImportError> {
        let taken = self.take(N)?;
        <[u8; N]>::try_from(taken).map_err(|_| self.error("it ends too early"))
    }

    pub(super) fn u32(&mut self) -> Result<u32, ImportError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, ImportError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A u64 that counts something of which there are at most `most`.
    pub(super) fn count(&mut self, what: &str, most: usize) -> Result<usize, ImportError> {
        let count = self.u64()?;
        match usize::try_from(count) {
            Ok(n) if n <= most => Ok(n),
            _ => Err(self.error(format!("it announces {count} {what}; at most {most} are possible"))),
        }
    }

    /// The bytes of a string: its length as u64, then the bytes.
    fn text_bytes(&mut self) -> Result<&'a [u8], ImportError> {
        let Some(left) = self.texts_left.checked_sub(1) else {
            return Err(self.error(format!("more than {TEXTS_MAX} strings")));
        };
        self.texts_left = left;
        let length = self.count("bytes of text", self.bytes.len() - self.at)?;
        self.take(length)
    }

    /// A string, which must be UTF-8.
    pub(super) fn text(&mut self) -> Result<&'a str, ImportError> {
        let text = self.text_bytes()?;
        std::str::from_utf8(text).map_err(|_| self.error("a string in it is no UTF-8"))
    }

    /// Goes past `count` strings and gives their bytes, lengths included.
    pub(super) fn skip_texts(&mut self, count: usize) -> Result<&'a [u8], ImportError> {
        let begin = self.at;
        for _ in 0..count {
            self.text_bytes()?;
        }
        self.bytes.get(begin..self.at).ok_or_else(|| self.error("it ends too early"))
    }

    /// An error in this file, at this place.
    pub(super) fn error(&self, reason: impl AsRef<str>) -> ImportError {
        malformed(self.path, format!("at byte {}: {}", self.at, reason.as_ref()))
    }
}
