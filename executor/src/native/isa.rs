//! Which instruction set the kernels use.

use std::fmt;
use std::str::FromStr;

/// The kernels' variants, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// AVX-512 F, BW, VL, DQ, VBMI and VNNI.
    Avx512,
    /// AVX2.
    Avx2,
    /// Plain loops, any processor.
    Portable,
}

impl Level {
    const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    const fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn on_this_machine(self) -> bool {
        match self {
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vbmi")
                    && is_x86_feature_detected!("avx512vnni")
            }
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            Self::Portable => true,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn on_this_machine(self) -> bool {
        self == Self::Portable
    }
}

/// An instruction set that this machine has: holding one is the proof, so kernels that take one are safe to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Level);

impl Isa {
    /// The best of this machine.
    pub fn detect() -> Self {
        Self::available()[0]
    }

    /// All of this machine, best first, never empty.
    pub fn available() -> Vec<Self> {
        Level::ALL.into_iter().filter(|level| level.on_this_machine()).map(Self).collect()
    }

    /// The best one whose products read plain rows.
    pub(super) fn of_plain_rows() -> Self {
        Self(if Level::Avx2.on_this_machine() { Level::Avx2 } else { Level::Portable })
    }

    /// Which variant of a kernel to take.
    pub const fn level(self) -> Level {
        self.0
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

/// A name that is no instruction set of this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an instruction set of this machine: use one of {1}")]
pub struct UnknownIsa(String, String);

impl FromStr for Isa {
    type Err = UnknownIsa;

    fn from_str(name: &str) -> Result<Self, UnknownIsa> {
        let available = Self::available();
        available.iter().copied().find(|isa| isa.0.name() == name).ok_or_else(|| {
            let names: Vec<_> = available.iter().map(Self::to_string).collect();
            UnknownIsa(name.to_owned(), names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_unknown_ones_are_refused() {
        for isa in Isa::available() {
            assert_eq!(isa.to_string().parse(), Ok(isa));
        }
        assert!("portable".parse::<Isa>().is_ok());
        assert!("sse9".parse::<Isa>().unwrap_err().to_string().contains("portable"));
    }
}
