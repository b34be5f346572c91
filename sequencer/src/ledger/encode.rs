//! The signed fields as the store keeps them: in order, big-endian, nothing padded.

use super::{Delegation, Hash, Request, Sampling, Withdrawal};

/// Reads fields from the front of some bytes.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl Fields<'_> {
    pub(crate) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    pub(crate) fn u128(&mut self) -> Option<u128> {
        self.take().map(u128::from_be_bytes)
    }

    pub(crate) fn word(&mut self) -> Option<Hash> {
        self.take().map(Hash)
    }

    pub(crate) fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

/// 156 bytes.
pub fn encode_request(r: &Request) -> Vec<u8> {
    let mut out = Vec::with_capacity(156);
    out.extend(r.account.to_be_bytes());
    out.extend(r.nonce.to_be_bytes());
    out.extend(r.model.0);
    out.extend(r.prompt.0);
    let s = &r.sampling;
    for x in [r.prompt_length, r.max_tokens, s.temperature, s.top_k, s.top_p, s.min_p] {
        out.extend(x.to_be_bytes());
    }
    out.extend(r.seed.0);
    out.extend(r.max_fee.to_be_bytes());
    out.extend(r.valid_until.to_be_bytes());
    out
}

/// The other way round.
pub fn decode_request(bytes: &[u8]) -> Option<Request> {
    let mut from = Fields(bytes);
    let request = Request {
        account: from.u32()?,
        nonce: from.u64()?,
        model: from.word()?,
        prompt: from.word()?,
        prompt_length: from.u32()?,
        max_tokens: from.u32()?,
        sampling: Sampling {
            temperature: from.u32()?,
            top_k: from.u32()?,
            top_p: from.u32()?,
            min_p: from.u32()?,
        },
        seed: from.word()?,
        max_fee: from.u128()?,
        valid_until: from.u64()?,
    };
    from.end(request)
}

/// 104 bytes.
pub fn encode_delegation(d: &Delegation) -> Vec<u8> {
    let mut out = Vec::with_capacity(104);
    out.extend(d.account.to_be_bytes());
    out.extend(d.nonce.to_be_bytes());
    out.extend(d.delegate);
    out.extend(d.cap.to_be_bytes());
    out.extend(d.expiry.to_be_bytes());
    out.extend(d.model.0);
    out.extend(d.max_price_in.to_be_bytes());
    out.extend(d.max_price_out.to_be_bytes());
    out
}

/// The other way round.
pub fn decode_delegation(bytes: &[u8]) -> Option<Delegation> {
    let mut from = Fields(bytes);
    let delegation = Delegation {
        account: from.u32()?,
        nonce: from.u64()?,
        delegate: from.take()?,
        cap: from.u128()?,
        expiry: from.u64()?,
        model: from.word()?,
        max_price_in: from.u64()?,
        max_price_out: from.u64()?,
    };
    from.end(delegation)
}

/// 56 bytes.
pub fn encode_withdrawal(w: &Withdrawal) -> Vec<u8> {
    let mut out = Vec::with_capacity(56);
    out.extend(w.account.to_be_bytes());
    out.extend(w.nonce.to_be_bytes());
    out.extend(w.amount.to_be_bytes());
    out.extend(w.to);
    out.extend(w.valid_until.to_be_bytes());
    out
}

/// The other way round.
pub fn decode_withdrawal(bytes: &[u8]) -> Option<Withdrawal> {
    let mut from = Fields(bytes);
    let withdrawal = Withdrawal {
        account: from.u32()?,
        nonce: from.u64()?,
        amount: from.u128()?,
        to: from.take()?,
        valid_until: from.u64()?,
    };
    from.end(withdrawal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_comes_back() {
        let request = Request {
            account: 1,
            nonce: 2,
            model: Hash([3; 32]),
            prompt: Hash([4; 32]),
            prompt_length: 5,
            max_tokens: 6,
            sampling: Sampling { temperature: 7, top_k: 8, top_p: 9, min_p: 10 },
            seed: Hash([11; 32]),
            max_fee: 12,
            valid_until: 13,
        };
        let bytes = encode_request(&request);
        assert_eq!((bytes.len(), decode_request(&bytes)), (156, Some(request)));
        assert_eq!(decode_request(&bytes[1..]), None);
        let withdrawal = Withdrawal { account: 1, nonce: 2, amount: 3, to: [4; 20], valid_until: 5 };
        let bytes = encode_withdrawal(&withdrawal);
        assert_eq!((bytes.len(), decode_withdrawal(&bytes)), (56, Some(withdrawal)));
        let delegation = Delegation {
            account: 1,
            nonce: 2,
            delegate: [3; 20],
            cap: 4,
            expiry: 5,
            model: Hash([6; 32]),
            max_price_in: 7,
            max_price_out: 8,
        };
        let mut bytes = encode_delegation(&delegation);
        assert_eq!((bytes.len(), decode_delegation(&bytes)), (104, Some(delegation)));
        bytes.push(0);
        assert_eq!(decode_delegation(&bytes), None);
    }
}
