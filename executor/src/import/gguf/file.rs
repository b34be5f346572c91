//! The container: magic, version, metadata, tensor list, data.

use std::collections::BTreeMap;
use std::path::Path;

use crate::import::encoding::Encoding;
use crate::import::error::ImportError;
use crate::import::files::malformed;
use crate::import::limits::{METADATA_MAX, TENSORS_MAX};
use crate::import::store::{Found, overlap};

use super::cursor::Cursor;
use super::value::Value;

/// A parsed file: everything but the weights, which are only located.
pub(super) struct GgufFile<'a> {
    /// Metadata by key.
    pub(super) metadata: BTreeMap<&'a str, Value<'a>>,
    /// Tensors by name.
    pub(super) tensors: BTreeMap<String, Found>,
}

/// Bytes of the longest tensor name or metadata key (the format says 64 and 65,535).
const NAME_MAX: usize = 256;
const DIMENSIONS_MAX: u32 = 4;
/// Bytes that may belong to nothing, beside the padding between tensors.
const BALLAST_MAX: usize = 1 << 20;
const ALIGNMENT_DEFAULT: u64 = 32;

/// Parses a whole file; `path` is for error messages.
pub(super) fn parse<'a>(path: &'a Path, bytes: &'a [u8]) -> Result<GgufFile<'a>, ImportError> {
    let mut cursor = Cursor::new(path, bytes);
    header(&mut cursor, path)?;
    let tensor_count = cursor.count("tensors", TENSORS_MAX)?;
    let metadata_count = cursor.count("metadata entries", METADATA_MAX)?;
    let mut metadata = BTreeMap::new();
    for _ in 0..metadata_count {
        let key = name(&mut cursor)?;
        let value = Value::read(&mut cursor)?;
        if metadata.insert(key, value).is_some() {
            return Err(cursor.error(format!("metadata key {key} occurs twice")));
        }
    }
    let alignment = alignment(path, &metadata)?;
    let mut tensors = BTreeMap::new();
    for _ in 0..tensor_count {
        let (name, found) = tensor(&mut cursor, alignment)?;
        if tensors.insert(name.to_string(), found).is_some() {
            return Err(cursor.error(format!("tensor {name} occurs twice")));
        }
    }
    let begin = cursor.at().checked_next_multiple_of(alignment);
    let begin = begin.ok_or_else(|| cursor.error("its data begins outside of memory"))?;
    place(path, &mut tensors, begin, bytes.len())?;
    refuse_ballast(path, &tensors, alignment, bytes.len() - begin.min(bytes.len()))?;
    Ok(GgufFile { metadata, tensors })
}

fn header(cursor: &mut Cursor<'_>, path: &Path) -> Result<(), ImportError> {
    if cursor.array()? != *b"GGUF" {
        return Err(malformed(
            path,
            "it does not begin with GGUF; name a .gguf file or a Hugging Face folder",
        ));
    }
    match cursor.u32()? {
        2 | 3 => Ok(()),
        version if matches!(version.swap_bytes(), 1..=3) => {
            Err(ImportError::Unsupported("a big-endian GGUF file; convert it to little-endian".into()))
        }
        version => Err(ImportError::Unsupported(format!(
            "GGUF version {version}; versions 2 and 3 are read, so convert the model again"
        ))),
    }
}

fn name<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, ImportError> {
    let name = cursor.text()?;
    match name.len() {
        1..=NAME_MAX => Ok(name),
        length => Err(cursor.error(format!("a name has {length} bytes; 1 to {NAME_MAX} are accepted"))),
    }
}

fn alignment(path: &Path, metadata: &BTreeMap<&str, Value<'_>>) -> Result<usize, ImportError> {
    let alignment = match metadata.get("general.alignment") {
        None => ALIGNMENT_DEFAULT,
        Some(Value::Unsigned(alignment)) => *alignment,
        Some(other) => {
            return Err(malformed(path, format!("general.alignment is {}", other.kind())));
        }
    };
    match usize::try_from(alignment) {
        Ok(n) if n.is_power_of_two() && n <= 1 << 20 => Ok(n),
        _ => Err(malformed(path, format!("general.alignment is {alignment}; a power of two was expected"))),
    }
}

/// One entry of the tensor list. Its range still counts from the beginning of the data.
fn tensor<'a>(cursor: &mut Cursor<'a>, alignment: usize) -> Result<(&'a str, Found), ImportError> {
    let name = name(cursor)?;
    let dimensions = cursor.u32()?;
    if !(1..=DIMENSIONS_MAX).contains(&dimensions) {
        return Err(cursor.error(format!("tensor {name} has {dimensions} dimensions")));
    }
    let mut shape = Vec::new();
    for _ in 0..dimensions {
        shape.push(cursor.count("entries of a dimension", usize::MAX)?);
    }
    let kind = cursor.u32()?;
    let offset = cursor.count("bytes of data before a tensor", usize::MAX)?;
    let encoding = encoding(kind).ok_or_else(|| {
        let kind = unsupported_name(kind);
        ImportError::Unsupported(format!(
            "tensor {name} is stored as {kind}; use a file with F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K or Q6_K"
        ))
    })?;
    // GGUF lists the innermost dimension first.
    let rows = shape.iter().skip(1).try_fold(1usize, |rows, n| rows.checked_mul(*n));
    let row_bytes = shape.first().and_then(|n| encoding.row_bytes(*n));
    let length = row_bytes.zip(rows).and_then(|(bytes, rows)| bytes.checked_mul(rows));
    let end = length.filter(|n| *n > 0).and_then(|n| n.checked_add(offset));
    let Some(end) = end else {
        return Err(cursor.error(format!("tensor {name} has no possible size: {shape:?} as {encoding:?}")));
    };
    if !offset.is_multiple_of(alignment) {
        return Err(cursor.error(format!("tensor {name} is not aligned to {alignment} bytes")));
    }
    shape.reverse();
    Ok((name, Found { file: 0, bytes: offset..end, encoding: Ok(encoding), shape }))
}

/// Moves ranges to where the data begins; they must lie in the file and apart from each other.
fn place(
    path: &Path,
    tensors: &mut BTreeMap<String, Found>,
    begin: usize,
    length: usize,
) -> Result<(), ImportError> {
    for (name, found) in tensors.iter_mut() {
        let range = (begin.checked_add(found.bytes.start), begin.checked_add(found.bytes.end));
        match range {
            (Some(start), Some(end)) if end <= length => found.bytes = start..end,
            _ => {
                return Err(malformed(path, format!("tensor {name} lies past its end; download it again")));
            }
        }
    }
    match overlap(tensors) {
        Some((name, other)) => Err(malformed(path, format!("tensors {name} and {other} overlap"))),
        None => Ok(()),
    }
}

/// Refuses a file in which much belongs to no tensor: it is no model, and hashing it could take hours.
fn refuse_ballast(
    path: &Path,
    tensors: &BTreeMap<String, Found>,
    alignment: usize,
    data: usize,
) -> Result<(), ImportError> {
    let used: usize = tensors.values().map(|found| found.bytes.len() + alignment).sum();
    match data.saturating_sub(used) {
        0..=BALLAST_MAX => Ok(()),
        rest => Err(malformed(path, format!("{rest} bytes of it belong to no tensor"))),
    }
}

fn encoding(kind: u32) -> Option<Encoding> {
    Some(match kind {
        0 => Encoding::F32,
        1 => Encoding::F16,
        2 => Encoding::Q4_0,
        3 => Encoding::Q4_1,
        6 => Encoding::Q5_0,
        7 => Encoding::Q5_1,
        8 => Encoding::Q8_0,
        12 => Encoding::Q4_K,
        13 => Encoding::Q5_K,
        14 => Encoding::Q6_K,
        30 => Encoding::BF16,
        _ => return None,
    })
}

fn unsupported_name(kind: u32) -> String {
    let name = match kind {
        9 => "Q8_1",
        10 => "Q2_K",
        11 => "Q3_K",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24..=27 => "integers",
        28 => "F64",
        29 => "IQ1_M",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        _ => return format!("type {kind}, which is unknown"),
    };
    name.to_string()
}
