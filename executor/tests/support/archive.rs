//! Zip archives of stored entries, as `torch.export.save` writes them: read, changed and written by tests.

use serde_json::Value;

/// Name and bytes of each entry.
#[derive(Clone)]
pub struct Archive(pub Vec<(String, Vec<u8>)>);

fn number<const N: usize>(bytes: &[u8], at: usize) -> usize {
    bytes[at..at + N].iter().rev().fold(0, |n, byte| n << 8 | usize::from(*byte))
}

impl Archive {
    /// Reads a well-formed archive.
    pub fn read(file: &[u8]) -> Self {
        let end = file.len() - 22;
        let (count, mut at) = (number::<2>(file, end + 10), number::<4>(file, end + 16));
        let mut entries = Vec::new();
        for _ in 0..count {
            let name_length = number::<2>(file, at + 28);
            let name = String::from_utf8(file[at + 46..at + 46 + name_length].to_vec()).unwrap();
            let (length, local) = (number::<4>(file, at + 24), number::<4>(file, at + 42));
            let begin = local + 30 + number::<2>(file, local + 26) + number::<2>(file, local + 28);
            entries.push((name, file[begin..begin + length].to_vec()));
            at += 46 + name_length + number::<2>(file, at + 30) + number::<2>(file, at + 32);
        }
        Self(entries)
    }

    /// Writes it, without checksums: a reader that maps the file does not compute them.
    pub fn write(&self) -> Vec<u8> {
        let (mut file, mut directory) = (Vec::new(), Vec::new());
        for (name, bytes) in &self.0 {
            let (local, length) = (file.len() as u32, (bytes.len() as u32).to_le_bytes());
            let shared = |out: &mut Vec<u8>| {
                out.extend([0; 12]);
                out.extend(length);
                out.extend(length);
                out.extend((name.len() as u16).to_le_bytes());
                out.extend([0; 2]);
            };
            file.extend(b"PK\x03\x04\0\0");
            shared(&mut file);
            file.extend(name.as_bytes());
            file.extend(bytes);
            directory.extend(b"PK\x01\x02\0\0\0\0");
            shared(&mut directory);
            directory.extend([0; 10]);
            directory.extend(local.to_le_bytes());
            directory.extend(name.as_bytes());
        }
        let (at, count) = ((file.len() as u32).to_le_bytes(), (self.0.len() as u16).to_le_bytes());
        let length = (directory.len() as u32).to_le_bytes();
        file.extend(directory);
        file.extend(b"PK\x05\x06\0\0\0\0");
        file.extend(count);
        file.extend(count);
        file.extend(length);
        file.extend(at);
        file.extend([0; 2]);
        file
    }

    /// The entry whose name ends so.
    pub fn entry(&mut self, end: &str) -> &mut Vec<u8> {
        &mut self.0.iter_mut().find(|(name, _)| name.ends_with(end)).unwrap().1
    }

    /// Changes an entry that is JSON.
    pub fn edit(&mut self, end: &str, change: impl FnOnce(&mut Value)) {
        let entry = self.entry(end);
        let mut json = serde_json::from_slice(entry).unwrap();
        change(&mut json);
        *entry = serde_json::to_vec(&json).unwrap();
    }
}
