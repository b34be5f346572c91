//! The entries of a `.pt2` file: a zip archive whose entries are all stored as they are.
//!
//! Only the central directory at the end is believed, and only as far as it can be checked: entries are stored, lie
//! inside the file, do not overlap, and have plain names below one folder. A library would inflate, follow what a
//! hostile directory asks for and copy the entries; here an entry is a range of the mapped file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use crate::import::error::ImportError;
use crate::import::files::malformed;

const END: [u8; 4] = *b"PK\x05\x06";
const END_64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR_64: [u8; 4] = *b"PK\x06\x07";
const ENTRY: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";

/// Bytes of the end record, the locator of its 64-bit form, a directory entry and a local header without their tails.
const END_BYTES: usize = 22;
const LOCATOR_BYTES: usize = 20;
const ENTRY_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;
/// Longest comment behind the end record.
const COMMENT_MAX: usize = 65_535;
/// Most entries, and bytes of a name.
const ENTRIES_MAX: usize = 65_536;
const NAME_MAX: usize = 512;

/// Where each entry's bytes lie in the file, by name without the archive's own folder.
#[derive(Debug)]
pub(super) struct Archive {
    entries: BTreeMap<String, Range<usize>>,
}

impl Archive {
    /// Reads the directory of a file; `path` is for messages.
    pub(super) fn read(path: &Path, file: &[u8]) -> Result<Self, ImportError> {
        let reader = Reader { file };
        reader.directory().map(|entries| Self { entries }).map_err(|reason| malformed(path, reason))
    }

    /// The range of an entry.
    pub(super) fn range(&self, name: &str) -> Option<Range<usize>> {
        self.entries.get(name).cloned()
    }

    /// The entries' names, ascending.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }
}

struct Reader<'a> {
    file: &'a [u8],
}

impl<'a> Reader<'a> {
    fn at(&self, offset: usize, length: usize) -> Result<&'a [u8], String> {
        let end = offset.checked_add(length);
        end.and_then(|end| self.file.get(offset..end)).ok_or_else(|| {
            format!("its directory points outside the file (byte {offset}); download or export it again")
        })
    }

    fn u16(&self, offset: usize) -> Result<u16, String> {
        let bytes = self.at(offset, 2)?;
        Ok(bytes.first_chunk().map_or(0, |b| u16::from_le_bytes(*b)))
    }

    fn u32(&self, offset: usize) -> Result<u32, String> {
        let bytes = self.at(offset, 4)?;
        Ok(bytes.first_chunk().map_or(0, |b| u32::from_le_bytes(*b)))
    }

    fn u64(&self, offset: usize) -> Result<u64, String> {
        let bytes = self.at(offset, 8)?;
        Ok(bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b)))
    }

    /// Where the end record is: the last one that the file's end agrees with.
    fn end(&self) -> Result<usize, String> {
        let none = || {
            "it is no whole zip archive, which a .pt2 file is; name what torch.export.save wrote".to_string()
        };
        let last = self.file.len().checked_sub(END_BYTES).ok_or_else(none)?;
        let first = last.saturating_sub(COMMENT_MAX);
        (first..=last)
            .rev()
            .find(|at| {
                self.file.get(*at..).is_some_and(|rest| rest.starts_with(&END))
                    && self
                        .u16(at + 20)
                        .is_ok_and(|comment| at + END_BYTES + usize::from(comment) == self.file.len())
            })
            .ok_or_else(none)
    }

    /// First byte, bytes and entries of the directory.
    fn extent(&self) -> Result<(usize, usize, usize), String> {
        let end = self.end()?;
        let near = (self.u16(end + 10)?, self.u32(end + 12)?, self.u32(end + 16)?);
        if near.0 != u16::MAX && near.1 != u32::MAX && near.2 != u32::MAX {
            return Ok((size(near.2.into())?, size(near.1.into())?, near.0.into()));
        }
        let locator = end.checked_sub(LOCATOR_BYTES).ok_or("its end record is cut short")?;
        if self.at(locator, 4)? != LOCATOR_64 {
            return Err("its end record names a 64-bit one that is not there".into());
        }
        let far = size(self.u64(locator + 8)?)?;
        if self.at(far, 4)? != END_64 {
            return Err("its end record names a 64-bit one that is not there".into());
        }
        Ok((size(self.u64(far + 48)?)?, size(self.u64(far + 40)?)?, size(self.u64(far + 32)?)?))
    }

    fn directory(&self) -> Result<BTreeMap<String, Range<usize>>, String> {
        let (mut at, bytes, count) = self.extent()?;
        let stop = at.checked_add(bytes).filter(|stop| *stop <= self.file.len());
        let stop = stop.ok_or("its directory lies outside the file")?;
        if count > ENTRIES_MAX {
            return Err(format!("it lists {count} entries; at most {ENTRIES_MAX} are accepted"));
        }
        let mut entries = BTreeMap::new();
        let mut top: Option<String> = None;
        for _ in 0..count {
            let (name, range, next) = self.entry(at)?;
            if next > stop {
                return Err("its directory is longer than it says".into());
            }
            at = next;
            let (folder, rest) = split(&name)?;
            if top.get_or_insert_with(|| folder.to_string()) != folder {
                return Err(format!("entry {name:?} lies outside the archive's own folder"));
            }
            if entries.insert(rest.to_string(), range).is_some() {
                return Err(format!("entry {name:?} occurs twice"));
            }
        }
        if at != stop {
            return Err("its directory is shorter than it says".into());
        }
        disjoint(&entries)?;
        Ok(entries)
    }

    /// One entry of the directory: name, bytes, and where the next one begins.
    fn entry(&self, at: usize) -> Result<(String, Range<usize>, usize), String> {
        if self.at(at, ENTRY_BYTES)?.get(..4) != Some(&ENTRY) {
            return Err("its directory is damaged".into());
        }
        let (flags, method) = (self.u16(at + 8)?, self.u16(at + 10)?);
        let tails = [self.u16(at + 28)?, self.u16(at + 30)?, self.u16(at + 32)?].map(usize::from);
        if tails[0] > NAME_MAX {
            return Err(format!("an entry's name has {} bytes; at most {NAME_MAX} are accepted", tails[0]));
        }
        let name = self.at(at + ENTRY_BYTES, tails[0])?;
        let name = std::str::from_utf8(name).map_err(|_| "an entry's name is no UTF-8".to_string())?;
        if method != 0 || flags & 1 != 0 {
            return Err(format!(
                "entry {name:?} is compressed or encrypted; torch.export.save stores entries as they are"
            ));
        }
        let mut stored = u64::from(self.u32(at + 20)?);
        let mut length = u64::from(self.u32(at + 24)?);
        let mut local = u64::from(self.u32(at + 42)?);
        let extra = at + ENTRY_BYTES + tails[0];
        self.wide(extra, tails[1], [&mut length, &mut stored, &mut local])?;
        if stored != length {
            return Err(format!("entry {name:?} is stored in {stored} bytes but has {length}"));
        }
        let local = size(local)?;
        if self.at(local, LOCAL_BYTES)?.get(..4) != Some(&LOCAL) {
            return Err(format!("entry {name:?} does not begin where the directory says"));
        }
        let tail = usize::from(self.u16(local + 26)?) + usize::from(self.u16(local + 28)?);
        let begin = local + LOCAL_BYTES + tail;
        let length = size(length)?;
        self.at(begin, length)?;
        Ok((name.to_string(), begin..begin + length, extra + tails[1] + tails[2]))
    }

    /// The 64-bit forms of those numbers that do not fit in 32 bits, in their fixed order.
    fn wide(&self, extra: usize, bytes: usize, numbers: [&mut u64; 3]) -> Result<(), String> {
        let mut missing = numbers.into_iter().filter(|n| **n == u64::from(u32::MAX)).peekable();
        let mut at = 0;
        while missing.peek().is_some() && at + 4 <= bytes {
            let (tag, length) = (self.u16(extra + at)?, usize::from(self.u16(extra + at + 2)?));
            if tag == 1 {
                for (i, number) in missing.by_ref().take(length / 8).enumerate() {
                    *number = self.u64(extra + at + 4 + 8 * i)?;
                }
            }
            at += 4 + length;
        }
        match missing.next() {
            None => Ok(()),
            Some(_) => Err("an entry of more than 4 GB has no 64-bit size".into()),
        }
    }
}

fn size(n: u64) -> Result<usize, String> {
    usize::try_from(n).map_err(|_| "it names a place beyond this machine's memory".to_string())
}

/// The archive's own folder and the rest of a name, which must not lead out of it.
fn split(name: &str) -> Result<(&str, &str), String> {
    let plain = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && !part.contains(|c: char| c == '\\' || c == ':' || c.is_control())
    };
    let parts = name.split_once('/').filter(|_| name.split('/').all(plain));
    parts.ok_or_else(|| format!("the entry name {name:?} is no plain path below the archive's own folder"))
}

fn disjoint(entries: &BTreeMap<String, Range<usize>>) -> Result<(), String> {
    let mut placed: Vec<_> = entries.iter().filter(|(_, range)| !range.is_empty()).collect();
    placed.sort_by_key(|(_, range)| range.start);
    let mut pairs = placed.iter().zip(placed.iter().skip(1));
    match pairs.find(|((_, first), (_, second))| first.end > second.start) {
        None => Ok(()),
        Some(((first, _), (second, _))) => Err(format!("entries {first} and {second} overlap")),
    }
}
