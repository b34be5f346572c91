//! Tensors that stay in their files until their rows are asked for.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::encoding::Encoding;
use super::error::ImportError;
use super::files::Bytes;
use super::source::Tensors;

/// A tensor as a file lists it. The reader of the file has checked that the bytes lie inside the file and that
/// their number is what shape and encoding say.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// Index of the file.
    pub(crate) file: usize,
    /// Where its bytes lie in the file.
    pub(crate) bytes: Range<usize>,
    /// The encoding, or the name of one that is not supported.
    pub(crate) encoding: Result<Encoding, String>,
    /// Outermost dimension first.
    pub(crate) shape: Vec<usize>,
}

/// Two tensors that share bytes of a file, if there are any.
pub(crate) fn overlap(tensors: &BTreeMap<String, Found>) -> Option<(&str, &str)> {
    let mut placed: Vec<_> = tensors.iter().filter(|(_, found)| !found.bytes.is_empty()).collect();
    placed.sort_by_key(|(_, found)| found.bytes.start);
    let mut pairs = placed.iter().zip(placed.iter().skip(1));
    let ((name, _), (other, _)) =
        pairs.find(|((_, first), (_, second))| first.bytes.end > second.bytes.start)?;
    Some((name, other))
}

/// What is to be done to a tensor's numbers on the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Nothing.
    AsStored,
    /// 1 is added (Gemma's norm gains).
    AddOne,
    /// Within each head of `head_dim` rows the first `rotated` are pairs (2i, 2i + 1); they come out as (i, i + rotated/2).
    Interleaved { head_dim: usize, rotated: usize },
}

struct Entry {
    file: usize,
    bytes: Range<usize>,
    encoding: Encoding,
    shape: Vec<usize>,
    layout: Layout,
}

/// Tensors under their canonical names. Made by [`Assembly::finish`].
pub(crate) struct Store {
    files: Vec<Bytes>,
    entries: HashMap<String, Entry>,
}

/// A store in the making: what the files hold is taken piece by piece, and nothing may be left over.
pub(crate) struct Assembly {
    found: BTreeMap<String, Found>,
    store: Store,
}

impl Assembly {
    /// Begins with everything that the files list.
    pub(crate) fn new(files: Vec<Bytes>, found: BTreeMap<String, Found>) -> Self {
        Self { found, store: Store { files, entries: HashMap::new() } }
    }

    /// Is there (still) a tensor of this name in the files.
    pub(crate) fn has(&self, source: &str) -> bool {
        self.found.contains_key(source)
    }

    /// Its shape in the file.
    pub(crate) fn shape(&self, source: &str) -> Option<&[usize]> {
        self.found.get(source).map(|found| found.shape.as_slice())
    }

    /// Gives the tensor `source` the canonical name `name`; it must have this shape.
    pub(crate) fn take(
        &mut self,
        source: &str,
        name: &str,
        shape: &[usize],
        layout: Layout,
    ) -> Result<(), ImportError> {
        let Some(found) = self.found.remove(source) else {
            return Err(ImportError::Missing(format!(
                "tensor {source}; the file is incomplete or holds another kind of model"
            )));
        };
        if found.shape != shape {
            return Err(ImportError::Refused {
                node: source.to_string(),
                reason: format!("its shape is {:?}, the configuration asks for {shape:?}", found.shape),
            });
        }
        let encoding = found.encoding.map_err(|kind| {
            ImportError::Unsupported(format!(
                "tensor {source} is stored as {kind}; convert it to BF16, F16 or F32"
            ))
        })?;
        let entry = Entry { file: found.file, bytes: found.bytes, encoding, shape: found.shape, layout };
        self.store.entries.insert(name.to_string(), entry);
        Ok(())
    }

    /// As [`Self::take`] if the tensor is there; says whether it was.
    pub(crate) fn take_optional(
        &mut self,
        source: &str,
        name: &str,
        shape: &[usize],
        layout: Layout,
    ) -> Result<bool, ImportError> {
        if !self.has(source) {
            return Ok(false);
        }
        self.take(source, name, shape, layout).map(|()| true)
    }

    /// Leaves out tensors that are known not to matter.
    pub(crate) fn ignore(&mut self, harmless: impl Fn(&str) -> bool) {
        self.found.retain(|name, _| !harmless(name));
    }

    /// Leaves out `source` if its stored bytes are those of `name`, taken before (a tied head saved twice).
    pub(crate) fn ignore_copy(&mut self, source: &str, name: &str) {
        let (Some(found), Some(entry)) = (self.found.get(source), self.store.entries.get(name)) else {
            return;
        };
        let stored = |file: usize, bytes: &Range<usize>| {
            self.store.files.get(file).and_then(|file| (**file).as_ref().get(bytes.clone()))
        };
        let same = found.shape == entry.shape
            && found.encoding == Ok(entry.encoding)
            && stored(found.file, &found.bytes) == stored(entry.file, &entry.bytes);
        if same {
            self.found.remove(source);
        }
    }

    /// Takes a one-dimensional tensor out of the files as numbers.
    pub(crate) fn take_values(&mut self, source: &str, length: usize) -> Result<Vec<f32>, ImportError> {
        self.take(source, source, &[length], Layout::AsStored)?;
        let mut out = Vec::new();
        self.store.rows(source, 0..1, &mut out)?;
        self.store.entries.remove(source);
        Ok(out)
    }

    /// The store, unless a tensor was never used: then the model is not the one it was taken for.
    pub(crate) fn finish(self) -> Result<Store, ImportError> {
        let Some(first) = self.found.keys().next() else {
            return Ok(self.store);
        };
        let others = self.found.len() - 1;
        Err(ImportError::Unsupported(format!(
            "tensor {first} and {others} others have no place in this architecture; leaving them out would give another model"
        )))
    }
}

impl Tensors for Store {
    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entries.get(name).map(|entry| entry.shape.as_slice())
    }

    fn rows(&self, name: &str, rows: Range<usize>, out: &mut Vec<f32>) -> Result<(), ImportError> {
        let begin = out.len();
        let result = self.decode(name, rows, out).and_then(|layout| {
            let new = &mut out[begin..];
            if layout == Layout::AddOne {
                new.iter_mut().for_each(|x| *x += 1.0);
            }
            match new.iter().position(|x| !x.is_finite()) {
                None => Ok(()),
                Some(at) => Err(format!("value {at} of the rows read is {}; the file is damaged", new[at])),
            }
        });
        result.map_err(|reason| {
            out.truncate(begin);
            ImportError::Refused { node: name.to_string(), reason }
        })
    }
}

impl Store {
    fn decode(&self, name: &str, rows: Range<usize>, out: &mut Vec<f32>) -> Result<Layout, String> {
        let entry = self.entries.get(name).ok_or("there is no such tensor")?;
        let file = self.files.get(entry.file).ok_or("its file is not open")?;
        let stored = (**file).as_ref().get(entry.bytes.clone()).ok_or("it lies outside its file")?;
        let (count, numbers) = match entry.shape.as_slice() {
            [numbers] => (1, *numbers),
            [count, numbers] => (*count, *numbers),
            shape => return Err(format!("it has {} dimensions", shape.len())),
        };
        if rows.start > rows.end || rows.end > count {
            return Err(format!("rows {rows:?} of {count} were asked for"));
        }
        let row_bytes = entry.encoding.row_bytes(numbers).ok_or("its rows are no whole blocks")?;
        let row = |r: usize| stored.get(r * row_bytes..(r + 1) * row_bytes).ok_or("it is cut short");
        out.reserve(rows.len() * numbers);
        match (entry.layout, entry.shape.len()) {
            (Layout::Interleaved { head_dim, rotated }, 1) => {
                let mut interleaved = Vec::with_capacity(numbers);
                entry.encoding.decode(row(0)?, &mut interleaved);
                let whole = if rows.is_empty() { 0 } else { numbers };
                out.extend((0..whole).filter_map(|r| interleaved.get(stored_row(r, head_dim, rotated))));
            }
            (Layout::Interleaved { head_dim, rotated }, _) => {
                for r in rows {
                    entry.encoding.decode(row(stored_row(r, head_dim, rotated))?, out);
                }
            }
            _ => {
                let run =
                    stored.get(rows.start * row_bytes..rows.end * row_bytes).ok_or("it is cut short")?;
                entry.encoding.decode(run, out);
            }
        }
        Ok(entry.layout)
    }
}

/// Where row `r` of the half-split layout lies in the interleaved one.
fn stored_row(r: usize, head_dim: usize, rotated: usize) -> usize {
    let (head, within) = (r / head_dim, r % head_dim);
    let half = rotated / 2;
    let within = match within {
        first if first < half => 2 * first,
        second if second < rotated => 2 * (second - half) + 1,
        unrotated => unrotated,
    };
    head * head_dim + within
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn one(values: &[f32], shape: &[usize], layout: Layout) -> Store {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let found =
            Found { file: 0, bytes: 0..bytes.len(), encoding: Ok(Encoding::F32), shape: shape.to_vec() };
        let mut assembly = Assembly::new(vec![Arc::new(bytes)], BTreeMap::from([("t".into(), found)]));
        assembly.take("t", "t", shape, layout).unwrap();
        assembly.finish().unwrap()
    }

    fn read(store: &Store, rows: Range<usize>) -> Result<Vec<f32>, ImportError> {
        let mut out = Vec::new();
        store.rows("t", rows, &mut out).map(|()| out)
    }

    #[test]
    fn interleaved_pairs_come_out_as_halves() {
        // Two heads of 6 rows, 4 of them rotated: pairs (0, 1) and (2, 3), then 4 and 5 as they are.
        let layout = Layout::Interleaved { head_dim: 6, rotated: 4 };
        let values: Vec<f32> = (0..12u8).map(f32::from).collect();
        let expected = [0.0, 2.0, 1.0, 3.0, 4.0, 5.0, 6.0, 8.0, 7.0, 9.0, 10.0, 11.0];
        let matrix = one(&values, &[12, 1], layout);
        assert_eq!(read(&matrix, 0..12).unwrap(), expected);
        assert_eq!(read(&matrix, 1..3).unwrap(), expected[1..3]);
        assert_eq!(read(&one(&values, &[12], layout), 0..1).unwrap(), expected);
    }

    #[test]
    fn what_is_no_number_is_refused_by_name() {
        let store = one(&[1.0, f32::NAN], &[2], Layout::AsStored);
        let error = read(&store, 0..1).unwrap_err().to_string();
        assert!(error.contains("refused at t") && error.contains("NaN"), "{error}");
        assert!(read(&one(&[1.0, f32::INFINITY], &[2], Layout::AddOne), 0..1).is_err());
    }

    #[test]
    fn rows_outside_are_refused() {
        let store = one(&[1.0, 2.0], &[2, 1], Layout::AddOne);
        assert_eq!(read(&store, 1..2).unwrap(), [3.0]);
        assert!(read(&store, 1..3).is_err());
    }

    #[test]
    fn a_tensor_left_over_is_refused() {
        let found = Found { file: 0, bytes: 0..4, encoding: Ok(Encoding::F32), shape: vec![1] };
        let assembly = Assembly::new(vec![Arc::new(vec![0u8; 4])], BTreeMap::from([("odd".into(), found)]));
        let error = assembly.finish().err().unwrap().to_string();
        assert!(error.contains("odd"), "{error}");
    }
}
