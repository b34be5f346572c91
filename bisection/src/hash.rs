//! keccak256 with domain tags.

use std::fmt;

use sha3::{Digest, Keccak256};

/// A keccak256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x")?;
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Hash {
    type Err = ();

    /// Reads 64 hexadecimal digits, with or without `0x`.
    fn from_str(s: &str) -> Result<Self, ()> {
        let digits = s.strip_prefix("0x").unwrap_or(s).as_bytes();
        if digits.len() != 64 {
            return Err(());
        }
        let mut out = [0; 32];
        for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| ())?;
            if !pair.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(());
            }
            *byte = u8::from_str_radix(pair, 16).map_err(|_| ())?;
        }
        Ok(Self(out))
    }
}

/// Incremental keccak256.
#[derive(Clone, Default)]
pub struct Hasher(Keccak256);

impl Hasher {
    /// A fresh hasher.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(bytes);
        self
    }

    /// The digest of everything taken.
    pub fn finish(self) -> Hash {
        Hash(self.0.finalize().into())
    }
}

/// keccak256 of some bytes.
pub fn keccak256(bytes: &[u8]) -> Hash {
    Hash(Keccak256::digest(bytes).into())
}

/// keccak256 of a domain tag of exactly 8 bytes followed by parts.
pub fn tagged(tag: &[u8; 8], parts: &[&[u8]]) -> Hash {
    let mut hasher = Hasher::new();
    hasher.update(tag);
    parts.iter().for_each(|p| {
        hasher.update(p);
    });
    hasher.finish()
}

impl serde::Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(|()| serde::de::Error::custom("a hash has 64 hexadecimal digits"))
    }
}
