//! The digest that names a source.

use sha3::{Digest, Keccak256};

/// keccak256 of the bytes.
pub(crate) fn keccak256(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// The digest of a folder: for each file that was read, sorted by name, the name, a zero byte, its keccak256.
pub(crate) fn of_files(mut files: Vec<(String, [u8; 32])>) -> [u8; 32] {
    files.sort();
    let mut hasher = Keccak256::new();
    for (name, digest) in &files {
        hasher.update(name.as_bytes());
        hasher.update([0]);
        hasher.update(digest);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_reading_does_not_matter() {
        let a = ("a.json".to_string(), [1; 32]);
        let b = ("b.json".to_string(), [2; 32]);
        assert_eq!(of_files(vec![a.clone(), b.clone()]), of_files(vec![b, a]));
    }

    #[test]
    fn keccak_is_ethereums() {
        assert_eq!(keccak256(b"")[..4], [0xc5, 0xd2, 0x46, 0x01]);
    }
}
