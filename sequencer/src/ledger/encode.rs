//! The signed fields as the store keeps them: in order, big-endian, nothing padded.

use alloy::primitives::{Address, B256};

use super::{Delegation, Request};

/// Reads fields from the front of some bytes.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn u128(&mut self) -> Option<u128> {
        self.take().map(u128::from_be_bytes)
    }

    fn word(&mut self) -> Option<B256> {
        self.take::<32>().map(B256::from)
    }

    fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

/// 156 bytes.
pub fn encode_request(r: &Request) -> Vec<u8> {
    let mut out = Vec::with_capacity(156);
    out.extend(r.account.to_be_bytes());
    out.extend(r.nonce.to_be_bytes());
    out.extend(r.model);
    out.extend(r.prompt);
    for x in [r.promptLength, r.maxTokens, r.temperature, r.topK, r.topP, r.minP] {
        out.extend(x.to_be_bytes());
    }
    out.extend(r.seed);
    out.extend(r.maxFee.to_be_bytes());
    out.extend(r.validUntil.to_be_bytes());
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
        promptLength: from.u32()?,
        maxTokens: from.u32()?,
        temperature: from.u32()?,
        topK: from.u32()?,
        topP: from.u32()?,
        minP: from.u32()?,
        seed: from.word()?,
        maxFee: from.u128()?,
        validUntil: from.u64()?,
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
    out.extend(d.model);
    out.extend(d.maxPriceIn.to_be_bytes());
    out.extend(d.maxPriceOut.to_be_bytes());
    out
}

/// The other way round.
pub fn decode_delegation(bytes: &[u8]) -> Option<Delegation> {
    let mut from = Fields(bytes);
    let delegation = Delegation {
        account: from.u32()?,
        nonce: from.u64()?,
        delegate: Address::from(from.take::<20>()?),
        cap: from.u128()?,
        expiry: from.u64()?,
        model: from.word()?,
        maxPriceIn: from.u64()?,
        maxPriceOut: from.u64()?,
    };
    from.end(delegation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_comes_back() {
        let request = Request {
            account: 1,
            nonce: 2,
            model: B256::repeat_byte(3),
            prompt: B256::repeat_byte(4),
            promptLength: 5,
            maxTokens: 6,
            temperature: 7,
            topK: 8,
            topP: 9,
            minP: 10,
            seed: B256::repeat_byte(11),
            maxFee: 12,
            validUntil: 13,
        };
        let bytes = encode_request(&request);
        assert_eq!((bytes.len(), decode_request(&bytes)), (156, Some(request)));
        assert_eq!(decode_request(&bytes[1..]), None);
        let delegation = Delegation {
            account: 1,
            nonce: 2,
            delegate: Address::repeat_byte(3),
            cap: 4,
            expiry: 5,
            model: B256::repeat_byte(6),
            maxPriceIn: 7,
            maxPriceOut: 8,
        };
        let mut bytes = encode_delegation(&delegation);
        assert_eq!((bytes.len(), decode_delegation(&bytes)), (104, Some(delegation)));
        bytes.push(0);
        assert_eq!(decode_delegation(&bytes), None);
    }
}
