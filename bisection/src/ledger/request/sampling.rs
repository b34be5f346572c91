//! How tokens are chosen, as requests say it.

use crate::hash::{Hash, tagged};
use crate::ledger::wire::Reader;

/// What a request says of sampling, besides its seed. Units as in the specification, 3.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// In 1/65,536; 0 is greedy.
    pub temperature: u32,
    /// Most likely tokens that are kept; 0 keeps all.
    pub top_k: u32,
    /// Mass that is kept, in 1/65,536.
    pub top_p: u32,
    /// Least part of the highest weight, in 1/65,536.
    pub min_p: u32,
}

impl Sampling {
    /// No sampling.
    pub const GREEDY: Self = Self { temperature: 0, top_k: 0, top_p: 65_536, min_p: 0 };

    /// Are these values of a sampled request: temperature 656 ..= 6,553,600, topP 1 ..= 65,536, minP <= 65,536.
    pub fn is_sampled(&self) -> bool {
        (656..=6_553_600).contains(&self.temperature)
            && (1..=65_536).contains(&self.top_p)
            && self.min_p <= 65_536
    }

    /// 16 bytes.
    pub(in crate::ledger) fn encode(&self) -> [u8; 16] {
        let words = [self.temperature, self.top_k, self.top_p, self.min_p].map(u32::to_be_bytes);
        let mut out = [0; 16];
        out.iter_mut().zip(words.as_flattened()).for_each(|(to, from)| *to = *from);
        out
    }

    pub(in crate::ledger) fn read(from: &mut Reader) -> Option<Self> {
        Some(Self { temperature: from.u32()?, top_k: from.u32()?, top_p: from.u32()?, min_p: from.u32()? })
    }
}

/// Seed of an item: the request's if it is not 0; else, if it is sampled, `H("rf.seed_", request hash)`; else 0.
pub fn item_seed(given: Hash, sampling: &Sampling, request: Hash) -> Hash {
    if given == Hash::default() && sampling.temperature != 0 {
        tagged(b"rf.seed_", &[&request.0])
    } else {
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_given_or_derived_or_none() {
        let (request, given) = (Hash([3; 32]), Hash([9; 32]));
        let sampled = Sampling { temperature: 65_536, ..Sampling::GREEDY };
        let derived = tagged(b"rf.seed_", &[&request.0]);
        assert_eq!(item_seed(Hash::default(), &Sampling::GREEDY, request), Hash::default());
        assert_eq!(item_seed(Hash::default(), &sampled, request), derived);
        assert_eq!(item_seed(given, &sampled, request), given);
    }
}
