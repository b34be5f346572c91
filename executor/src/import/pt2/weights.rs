//! The tensors of an archive: raw storages, read through the sizes, strides and offset that the file says.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;

use half::{bf16, f16};

use crate::import::error::ImportError;
use crate::import::files::{Bytes, malformed};
use crate::import::limits::JSON_BYTES_MAX;
use crate::import::source::Tensors;

use super::archive::Archive;
use super::schema::{Payload, Payloads, SymInt, TensorMeta};

/// Folders of payloads, and the list in each.
const FOLDERS: [(&str, &str); 2] = [
    ("data/weights", "data/weights/model_weights_config.json"),
    ("data/constants", "data/constants/model_constants_config.json"),
];

/// How an element is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dtype {
    U8,
    I8,
    I16,
    I32,
    I64,
    F16,
    F32,
    F64,
    Bool,
    BF16,
}

impl Dtype {
    /// The dtype of a code of the schema.
    pub(super) fn of(code: i64) -> Option<Self> {
        Some(match code {
            1 => Self::U8,
            2 => Self::I8,
            3 => Self::I16,
            4 => Self::I32,
            5 => Self::I64,
            6 => Self::F16,
            7 => Self::F32,
            8 => Self::F64,
            12 => Self::Bool,
            13 => Self::BF16,
            _ => return None,
        })
    }

    /// Are its values real numbers.
    pub(super) fn is_real(self) -> bool {
        matches!(self, Self::F16 | Self::F32 | Self::F64 | Self::BF16)
    }

    fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::I16 | Self::F16 | Self::BF16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    /// The element at the head of `bytes`, or None if they are too few.
    fn value(self, bytes: &[u8]) -> Option<f64> {
        Some(match self {
            Self::U8 | Self::Bool => f64::from(*bytes.first()?),
            Self::I8 => f64::from(bytes.first()?.cast_signed()),
            Self::I16 => f64::from(i16::from_le_bytes(*bytes.first_chunk()?)),
            Self::I32 => f64::from(i32::from_le_bytes(*bytes.first_chunk()?)),
            Self::I64 => i64::from_le_bytes(*bytes.first_chunk()?) as f64,
            Self::F16 => f64::from(f16::from_le_bytes(*bytes.first_chunk()?).to_f32()),
            Self::BF16 => f64::from(bf16::from_le_bytes(*bytes.first_chunk()?).to_f32()),
            Self::F32 => f64::from(f32::from_le_bytes(*bytes.first_chunk()?)),
            Self::F64 => f64::from_le_bytes(*bytes.first_chunk()?),
        })
    }
}

/// A tensor in the file, or a view of one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    pub(super) dtype: Dtype,
    /// Outermost dimension first.
    pub(super) sizes: Vec<usize>,
    /// In elements.
    pub(super) strides: Vec<usize>,
    /// First element.
    offset: usize,
    /// The whole storage.
    bytes: Range<usize>,
}

impl Stored {
    /// Checks that every element lies in the storage, and that there are no more elements than it holds.
    fn new(meta: &TensorMeta, bytes: Range<usize>) -> Result<Self, String> {
        let dtype = Dtype::of(meta.dtype.into())
            .ok_or_else(|| format!("its dtype code {} is not read", meta.dtype))?;
        let sizes = counts(&meta.sizes.0)?;
        let strides = counts(&meta.strides.0)?;
        let offset = count(&meta.storage_offset)?;
        if sizes.len() != strides.len() {
            return Err(format!("{} sizes have {} strides", sizes.len(), strides.len()));
        }
        let held = bytes.len() / dtype.size();
        let elements = sizes.iter().try_fold(1usize, |n, size| n.checked_mul(*size));
        let last = sizes.iter().zip(&strides).try_fold(offset, |at, (size, stride)| {
            size.saturating_sub(1).checked_mul(*stride).and_then(|step| at.checked_add(step))
        });
        match (elements, last) {
            (Some(0), _) => Err("it has no elements".into()),
            (Some(n), Some(last)) if n <= held && last < held => {
                Ok(Self { dtype, sizes, strides, offset, bytes })
            }
            _ => {
                Err(format!("its sizes {sizes:?} with strides {strides:?} do not lie in its {held} elements"))
            }
        }
    }

    /// Elements.
    pub(super) fn len(&self) -> usize {
        self.sizes.iter().product()
    }

    /// Is this one run of elements in order.
    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.sizes.iter().zip(&self.strides).rev().all(|(size, stride)| {
            let fits = *size == 1 || *stride == expected;
            expected *= size;
            fits
        })
    }

    /// Appends the elements `range`, counted in row-major order.
    fn read(&self, file: &[u8], range: Range<usize>, out: &mut Vec<f64>) -> Option<()> {
        let storage = file.get(self.bytes.clone())?;
        let (contiguous, size) = (self.is_contiguous(), self.dtype.size());
        out.reserve(range.len());
        for i in range {
            let at = if contiguous { self.offset + i } else { self.offset + self.place(i) };
            out.push(self.dtype.value(storage.get(at * size..)?)?);
        }
        Some(())
    }

    fn place(&self, mut i: usize) -> usize {
        self.sizes.iter().zip(&self.strides).rev().fold(0, |at, (size, stride)| {
            let within = i % size;
            i /= size;
            at + within * stride
        })
    }
}

fn count(n: &SymInt) -> Result<usize, String> {
    match n {
        SymInt::Int(n) => usize::try_from(*n).map_err(|_| format!("{n} is no size")),
        SymInt::Name(name) | SymInt::Expression(name) => {
            Err(format!("{name:?} is no size of a stored tensor"))
        }
    }
}

fn counts(sizes: &[SymInt]) -> Result<Vec<usize>, String> {
    sizes.iter().map(count).collect()
}

enum Entry {
    Stored(Stored),
    /// Made at the import: folded or constant tensors.
    Made(Vec<f32>),
}

/// Every tensor of an archive under its own name, and those that the import makes.
pub(super) struct Weights {
    file: Bytes,
    stored: BTreeMap<String, Stored>,
    named: HashMap<String, (Vec<usize>, Entry)>,
}

impl Weights {
    /// Reads the lists of payloads; `path` is for messages.
    pub(super) fn read(path: &Path, file: &Bytes, archive: &Archive) -> Result<Self, ImportError> {
        let wrong = |reason: String| malformed(path, reason);
        let mut stored = BTreeMap::new();
        for (folder, list) in FOLDERS {
            let Some(range) = archive.range(list) else { continue };
            if range.len() as u64 > JSON_BYTES_MAX {
                return Err(wrong(format!(
                    "{list} has {} bytes; at most {JSON_BYTES_MAX} are accepted",
                    range.len()
                )));
            }
            let json = (**file).as_ref().get(range).unwrap_or_default();
            let payloads: Payloads =
                serde_json::from_slice(json).map_err(|e| wrong(format!("{list}: {e}")))?;
            for (name, payload) in payloads.config.0 {
                let place = format!("{folder}/{}", payload.path_name.0);
                let tensor = locate(&payload, archive.range(&place))
                    .map_err(|reason| wrong(format!("tensor {name} in {place}: {reason}")))?;
                stored.insert(name, tensor);
            }
        }
        Ok(Self { file: file.clone(), stored, named: HashMap::new() })
    }

    /// A tensor of the archive.
    pub(super) fn stored(&self, name: &str) -> Option<&Stored> {
        self.stored.get(name)
    }

    /// All elements of a tensor or view, in order.
    pub(super) fn values(&self, tensor: &Stored) -> Result<Vec<f64>, ImportError> {
        let mut out = Vec::new();
        let read = tensor.read((*self.file).as_ref(), 0..tensor.len(), &mut out);
        read.map(|()| out).ok_or_else(|| ImportError::Missing("the bytes of a tensor".into()))
    }

    /// Gives a view the name `name`, and the shape in which its elements are to be read.
    pub(super) fn name(&mut self, name: &str, tensor: &Stored, shape: &[usize]) {
        self.named.insert(name.to_string(), (shape.to_vec(), Entry::Stored(tensor.clone())));
    }

    /// Adds a tensor that the import has made.
    pub(super) fn make(&mut self, name: &str, values: Vec<f32>, shape: &[usize]) {
        self.named.insert(name.to_string(), (shape.to_vec(), Entry::Made(values)));
    }
}

fn locate(payload: &Payload, range: Option<Range<usize>>) -> Result<Stored, String> {
    if payload.use_pickle {
        return Err(
            "it is a pickle, which is never read; export a model whose weights are plain tensors".into()
        );
    }
    let range = range.ok_or("there is no such entry")?;
    let meta = payload.tensor_meta.as_ref().ok_or("it has no shape")?;
    Stored::new(meta, range)
}

impl Tensors for Weights {
    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.named.get(name).map(|(shape, _)| shape.as_slice())
    }

    fn rows(&self, name: &str, rows: Range<usize>, out: &mut Vec<f32>) -> Result<(), ImportError> {
        let refused = |reason: String| ImportError::Refused { node: name.to_string(), reason };
        let (shape, entry) =
            self.named.get(name).ok_or_else(|| ImportError::Missing(format!("tensor {name}")))?;
        let (count, numbers) = match shape.as_slice() {
            [numbers] => (1, *numbers),
            [count, numbers] => (*count, *numbers),
            other => return Err(refused(format!("it has {} dimensions", other.len()))),
        };
        if rows.start > rows.end || rows.end > count {
            return Err(refused(format!("rows {rows:?} of {count} were asked for")));
        }
        let range = rows.start * numbers..rows.end * numbers;
        let begin = out.len();
        match entry {
            Entry::Made(values) => {
                out.extend_from_slice(values.get(range).ok_or_else(|| refused("it is cut short".into()))?);
            }
            Entry::Stored(tensor) => {
                let mut values = Vec::new();
                let read = tensor.read((*self.file).as_ref(), range, &mut values);
                read.ok_or_else(|| refused("it is cut short".into()))?;
                out.extend(values.into_iter().map(|x| x as f32));
            }
        }
        match out.get(begin..).and_then(|new| new.iter().find(|x| !x.is_finite())) {
            None => Ok(()),
            Some(x) => Err(refused(format!("a value is {x}; the file is damaged or the model diverged"))),
        }
    }
}
