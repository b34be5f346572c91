//! Metadata values.

use crate::import::error::ImportError;

use super::cursor::Cursor;

/// A metadata value that borrows from the file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// Any unsigned integer.
    Unsigned(u64),
    /// Any signed integer.
    Signed(i64),
    /// f32 or f64.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A string.
    Text(&'a str),
    /// An array of any of these.
    Array(Array<'a>),
}

/// An array, still as bytes: what nobody asks for costs nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Array<'a> {
    kind: u32,
    /// How many elements it has.
    pub(super) count: usize,
    bytes: &'a [u8],
}

const BOOL: u32 = 7;
const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// Bytes of a value of fixed size.
fn size(kind: u32) -> Option<usize> {
    match kind {
        0 | 1 | BOOL => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

impl<'a> Value<'a> {
    /// Reads a kind and a value of that kind.
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, ImportError> {
        let kind = cursor.u32()?;
        if kind == ARRAY { Array::read(cursor).map(Self::Array) } else { Self::of_kind(kind, cursor) }
    }

    fn of_kind(kind: u32, cursor: &mut Cursor<'a>) -> Result<Self, ImportError> {
        Ok(match kind {
            0 => Self::Unsigned(u8::from_le_bytes(cursor.array()?).into()),
            1 => Self::Signed(i8::from_le_bytes(cursor.array()?).into()),
            2 => Self::Unsigned(u16::from_le_bytes(cursor.array()?).into()),
            3 => Self::Signed(i16::from_le_bytes(cursor.array()?).into()),
            4 => Self::Unsigned(u32::from_le_bytes(cursor.array()?).into()),
            5 => Self::Signed(i32::from_le_bytes(cursor.array()?).into()),
            6 => Self::Float(f32::from_le_bytes(cursor.array()?).into()),
            BOOL => match cursor.array()? {
                [0] => Self::Bool(false),
                [1] => Self::Bool(true),
                [other] => return Err(cursor.error(format!("a truth value is {other}"))),
            },
            TEXT => Self::Text(cursor.text()?),
            10 => Self::Unsigned(u64::from_le_bytes(cursor.array()?)),
            11 => Self::Signed(i64::from_le_bytes(cursor.array()?)),
            12 => Self::Float(f64::from_le_bytes(cursor.array()?)),
            other => return Err(cursor.error(format!("metadata kind {other} is unknown"))),
        })
    }

    /// The kind in words, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Unsigned(_) | Self::Signed(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Bool(_) => "a truth value",
            Self::Text(_) => "a text",
            Self::Array(_) => "an array",
        }
    }
}

impl<'a> Array<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, ImportError> {
        let kind = cursor.u32()?;
        let count = cursor.count("array elements", usize::MAX)?;
        if let Some(size) = size(kind) {
            let length =
                count.checked_mul(size).ok_or_else(|| cursor.error("an array is longer than memory"))?;
            return Ok(Self { kind, count, bytes: cursor.take(length)? });
        }
        if kind != TEXT {
            return Err(cursor.error(format!("an array of kind {kind} is not supported")));
        }
        let bytes = cursor.skip_texts(count)?;
        Ok(Self { kind, count, bytes })
    }

    /// The strings of an array of strings, of at most `most` bytes together.
    pub(super) fn texts(&self, most: usize) -> Result<Vec<String>, String> {
        if self.kind != TEXT {
            return Err("is no array of texts".into());
        }
        if self.bytes.len().saturating_sub(self.count.saturating_mul(8)) > most {
            return Err(format!("has more than {most} bytes of text"));
        }
        self.elements(|cursor| cursor.text().map(str::to_string))
    }

    /// The floats of an array of f32.
    pub(super) fn floats(&self) -> Result<Vec<f32>, String> {
        match self.kind {
            6 => Ok(self.bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
            _ => Err("is no array of 32-bit floats".into()),
        }
    }

    /// The integers of an array of i32 or u32.
    pub(super) fn integers(&self) -> Result<Vec<i32>, String> {
        let chunks = self.bytes.as_chunks().0.iter();
        match self.kind {
            5 => Ok(chunks.map(|b| i32::from_le_bytes(*b)).collect()),
            4 => chunks.map(|b| i32::try_from(u32::from_le_bytes(*b)).map_err(|e| e.to_string())).collect(),
            _ => Err("is no array of 32-bit integers".into()),
        }
    }

    /// The truth values of an array of truth values.
    pub(super) fn bools(&self) -> Result<Vec<bool>, String> {
        match self.kind {
            BOOL => Ok(self.bytes.iter().map(|b| *b != 0).collect()),
            _ => Err("is no array of truth values".into()),
        }
    }

    fn elements<T>(
        &self,
        read: impl Fn(&mut Cursor<'a>) -> Result<T, ImportError>,
    ) -> Result<Vec<T>, String> {
        let mut cursor = Cursor::new("".as_ref(), self.bytes);
        (0..self.count).map(|_| read(&mut cursor).map_err(|_| "has a text that is no UTF-8".into())).collect()
    }
}
