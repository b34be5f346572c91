//! The header of a safetensors file, read without trust: eight bytes of length, JSON, data.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::import::encoding::Encoding;
use crate::import::error::ImportError;
use crate::import::files::malformed;
use crate::import::limits::{JSON_BYTES_MAX, TENSORS_MAX};
use crate::import::store::{Found, overlap};

/// Bytes of the longest tensor name.
pub(super) const NAME_MAX: usize = 256;
const DIMENSIONS_MAX: usize = 8;

/// The tensors of a file, which is number `file` of its model. `path` is for messages.
pub(super) fn parse(path: &Path, bytes: &[u8], file: usize) -> Result<BTreeMap<String, Found>, ImportError> {
    let wrong = |reason: String| malformed(path, reason);
    let short = || malformed(path, "it is too short for a safetensors file; download it again");
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
    let length = u64::from_le_bytes(*length);
    if length > JSON_BYTES_MAX {
        return Err(wrong(format!("its header says {length} bytes; at most {JSON_BYTES_MAX} are accepted")));
    }
    let length = usize::try_from(length).map_err(|_| short())?;
    let (header, data) = rest.split_at_checked(length).ok_or_else(short)?;
    let header: Header = serde_json::from_slice(header)
        .map_err(|e| wrong(format!("its header is no list of tensors: {e}")))?;
    let begin = bytes.len() - data.len();
    let mut tensors = BTreeMap::new();
    for (name, stored) in header.0 {
        let found =
            stored.locate(file, begin, data.len()).map_err(|e| wrong(format!("tensor {name}: {e}")))?;
        tensors.insert(name, found);
    }
    if let Some((name, other)) = overlap(&tensors) {
        return Err(wrong(format!("tensors {name} and {other} overlap")));
    }
    // The format allows no holes.
    match tensors.values().map(|found| found.bytes.len()).sum::<usize>() {
        used if used == data.len() => Ok(tensors),
        used => Err(wrong(format!("its tensors take {used} bytes, but it holds {}", data.len()))),
    }
}

#[derive(Deserialize)]
struct Stored {
    dtype: String,
    shape: Shape,
    data_offsets: (usize, usize),
}

impl Stored {
    fn locate(self, file: usize, begin: usize, length: usize) -> Result<Found, String> {
        let (start, end) = self.data_offsets;
        if start > end || end > length {
            return Err(format!("bytes {start} to {end} lie outside the {length} bytes of data"));
        }
        let encoding = match self.dtype.as_str() {
            "F32" => Ok(Encoding::F32),
            "F16" => Ok(Encoding::F16),
            "BF16" => Ok(Encoding::BF16),
            other => Err(other.chars().take(16).collect()),
        };
        let numbers = self.shape.0.iter().try_fold(1usize, |product, n| product.checked_mul(*n));
        if let Ok(known) = encoding {
            let expected = numbers.and_then(|n| known.row_bytes(n));
            if expected != Some(end - start) {
                return Err(format!("{} bytes do not hold {:?} as {known:?}", end - start, self.shape.0));
            }
        }
        Ok(Found { file, bytes: begin + start..begin + end, encoding, shape: self.shape.0 })
    }
}

/// A list of few dimensions: a long one is refused before it fills the memory.
struct Shape(Vec<usize>);

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Dimensions;
        impl<'de> Visitor<'de> for Dimensions {
            type Value = Shape;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a shape")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shape, A::Error> {
                let mut shape = Vec::new();
                while let Some(n) = list.next_element()? {
                    if shape.len() == DIMENSIONS_MAX {
                        return Err(A::Error::custom("a shape of too many dimensions"));
                    }
                    shape.push(n);
                }
                Ok(Shape(shape))
            }
        }
        deserializer.deserialize_seq(Dimensions)
    }
}

struct Header(BTreeMap<String, Stored>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tensors;
        impl<'de> Visitor<'de> for Tensors {
            type Value = Header;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut tensors = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    insert(&mut tensors, name, map.next_value()?)?;
                }
                Ok(Header(tensors))
            }
        }
        deserializer.deserialize_map(Tensors)
    }
}

/// Adds an entry under a new name of sensible length.
pub(super) fn insert<T, E: Error>(map: &mut BTreeMap<String, T>, name: String, value: T) -> Result<(), E> {
    if !(1..=NAME_MAX).contains(&name.len()) {
        return Err(E::custom(format!("a name has {} bytes", name.len())));
    }
    if map.len() == TENSORS_MAX {
        return Err(E::custom(format!("more than {TENSORS_MAX} entries")));
    }
    let message = format!("{name} occurs twice");
    match map.insert(name, value) {
        None => Ok(()),
        Some(_) => Err(E::custom(message)),
    }
}
