//! JSON values that refuse to grow: lists and maps of limited length, texts of limited size.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Bytes of the longest name or short text.
const TEXT_MAX: usize = 512;

/// A list of at most `N` elements.
#[derive(Debug, Clone)]
pub(super) struct List<T, const N: usize>(pub(super) Vec<T>);

impl<T, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for List<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T, const N: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Elements<T, N> {
            type Value = List<T, N>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {N}")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut out = Vec::new();
                while let Some(element) = list.next_element()? {
                    if out.len() == N {
                        return Err(A::Error::custom(format!("a list of more than {N}")));
                    }
                    out.push(element);
                }
                Ok(List(out))
            }
        }
        deserializer.deserialize_seq(Elements(PhantomData))
    }
}

/// An object of at most `N` entries under different names.
#[derive(Debug)]
pub(super) struct Map<T, const N: usize>(pub(super) BTreeMap<String, T>);

impl<T, const N: usize> Default for Map<T, N> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for Map<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T, const N: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Entries<T, N> {
            type Value = Map<T, N>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object of at most {N} entries")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut out = BTreeMap::new();
                while let Some(Text(name)) = map.next_key()? {
                    let value = map.next_value()?;
                    if out.len() == N {
                        return Err(A::Error::custom(format!("an object of more than {N} entries")));
                    }
                    let message = format!("{name:?} occurs twice");
                    if out.insert(name, value).is_some() {
                        return Err(A::Error::custom(message));
                    }
                }
                Ok(Map(out))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// A name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.len() {
            0..=TEXT_MAX => Ok(Self(text)),
            n => Err(D::Error::custom(format!("a name of {n} bytes; at most {TEXT_MAX} are accepted"))),
        }
    }
}

/// A number, or one of the texts that stand for what JSON cannot write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Real(pub(super) f64);

impl<'de> Deserialize<'de> for Real {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Real;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_f64<E: Error>(self, x: f64) -> Result<Real, E> {
                Ok(Real(x))
            }
            fn visit_u64<E: Error>(self, n: u64) -> Result<Real, E> {
                Ok(Real(n as f64))
            }
            fn visit_i64<E: Error>(self, n: i64) -> Result<Real, E> {
                Ok(Real(n as f64))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Real, E> {
                match text {
                    "Infinity" => Ok(Real(f64::INFINITY)),
                    "-Infinity" => Ok(Real(f64::NEG_INFINITY)),
                    "NaN" => Ok(Real(f64::NAN)),
                    _ => Err(E::custom("a text that is no number")),
                }
            }
        }
        // JSON is read without buffering: a list in a number's place must not be held in memory.
        deserializer.deserialize_any(Number)
    }
}
