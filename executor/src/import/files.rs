//! Opening files that may be anything: a pipe, empty, too large, changing under our hands.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

use super::error::ImportError;

/// A file's bytes, mapped or in memory, shared by the tensors that lie in it.
pub(crate) type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// The error for a file that breaks its own format.
pub(crate) fn malformed(path: &Path, reason: impl Into<String>) -> ImportError {
    ImportError::Malformed { path: path.to_path_buf(), reason: reason.into() }
}

fn io(path: &Path, source: std::io::Error) -> ImportError {
    ImportError::Io { path: path.to_path_buf(), source }
}

/// Opens a regular file and says how long it is. A pipe or device is refused: opening it could wait for ever.
fn open_regular(path: &Path) -> Result<(File, u64), ImportError> {
    let about = std::fs::metadata(path).map_err(|source| io(path, source))?;
    if !about.is_file() {
        return Err(malformed(path, "it is not a regular file; name the file itself"));
    }
    let file = File::open(path).map_err(|source| io(path, source))?;
    Ok((file, about.len()))
}

/// Maps a file of weights into memory.
pub(crate) fn map(path: &Path) -> Result<Bytes, ImportError> {
    let (file, length) = open_regular(path)?;
    if length == 0 {
        return Err(malformed(path, "it is empty; download it again"));
    }
    // SAFETY: the mapping is read-only and private to this process. As with every mapped file, a program that
    // shortens the file while it is being read ends the import with a signal; nothing is written through it.
    let mapped = unsafe { Mmap::map(&file) }.map_err(|source| io(path, source))?;
    Ok(Arc::new(mapped))
}

/// Reads a small file whole, refusing one of more than `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ImportError> {
    let (file, length) = open_regular(path)?;
    if length > limit {
        return Err(malformed(path, format!("it has {length} bytes; at most {limit} are accepted")));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|source| io(path, source))?;
    if u64::try_from(bytes.len()).is_ok_and(|n| n > limit) {
        return Err(malformed(path, format!("it grew past {limit} bytes while it was read")));
    }
    Ok(bytes)
}
