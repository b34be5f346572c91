//! What is signed: EIP-712 struct hashes and digests. docs/rollup.md, 6.

use super::wire::Reader;
use super::{Address, Recover, Signature};
use crate::hash::{Hash, Hasher, keccak256, tagged};

/// Type of the domain.
pub const DOMAIN_TYPE: &str =
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
/// Type of a request.
pub const REQUEST_TYPE: &str = "Request(uint32 account,uint64 nonce,bytes32 model,bytes32 prompt,uint32 promptLength,uint32 maxTokens,uint32 temperature,uint32 topK,uint32 topP,uint32 minP,bytes32 seed,uint128 maxFee,uint64 validUntil)";
/// Type of a withdrawal.
pub const WITHDRAWAL_TYPE: &str =
    "Withdrawal(uint32 account,uint64 nonce,uint128 amount,address to,uint64 validUntil)";
/// Type of a delegation.
pub const DELEGATION_TYPE: &str = "Delegation(uint32 account,uint64 nonce,address delegate,uint128 cap,uint64 expiry,bytes32 model,uint64 maxPriceIn,uint64 maxPriceOut)";
/// Type of a receipt.
pub const RECEIPT_TYPE: &str = "Receipt(address proposer,uint32 epoch,uint64 number,bytes32 request,bytes32 output,uint64 deadline,address payee)";

/// Where what is signed holds: one inbox on one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain {
    chain_id: u64,
    inbox: Address,
    separator: Hash,
}

impl Domain {
    /// Of an inbox on a chain.
    pub fn new(chain_id: u64, inbox: Address) -> Self {
        let (name, version) = (keccak256(b"Refute"), keccak256(b"1"));
        let words: [&[u8]; 4] = [&name.0, &version.0, &chain_id.to_be_bytes(), &inbox];
        Self { chain_id, inbox, separator: struct_hash(DOMAIN_TYPE, &words) }
    }

    /// The chain.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The inbox.
    pub fn inbox(&self) -> Address {
        self.inbox
    }

    /// The domain separator.
    pub fn separator(&self) -> Hash {
        self.separator
    }

    /// What is signed for a struct: `keccak256(0x1901 || separator || struct hash)`.
    pub fn digest(&self, struct_hash: Hash) -> Hash {
        let mut hasher = Hasher::new();
        hasher.update(&[0x19, 0x01]).update(&self.separator.0).update(&struct_hash.0);
        hasher.finish()
    }

    /// The request hash of a request that was made on L1: `H("rf.l1req", u64 chainId, address Inbox, entryHash)`.
    pub fn l1_request(&self, entry_hash: Hash) -> Hash {
        tagged(b"rf.l1req", &[&self.chain_id.to_be_bytes(), &self.inbox, &entry_hash.0])
    }
}

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
    pub(super) fn encode(&self) -> [u8; 16] {
        let words = [self.temperature, self.top_k, self.top_p, self.min_p].map(u32::to_be_bytes);
        let mut out = [0; 16];
        out.iter_mut().zip(words.as_flattened()).for_each(|(to, from)| *to = *from);
        out
    }

    pub(super) fn read(from: &mut Reader) -> Option<Self> {
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

/// A request for an inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who pays.
    pub account: u32,
    /// Of the account's window.
    pub nonce: u64,
    /// Id of the model.
    pub model: Hash,
    /// Tensor root of the packed prompt.
    pub prompt: Hash,
    /// Tokens of the prompt.
    pub prompt_length: u32,
    /// Most tokens of the output; 0 for a vector.
    pub max_tokens: u32,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Seed, or 0.
    pub seed: Hash,
    /// Most wei that it may cost.
    pub max_fee: u128,
    /// Last time of a batch that may hold it.
    pub valid_until: u64,
}

impl Request {
    /// EIP-712 struct hash.
    pub fn struct_hash(&self) -> Hash {
        let s = &self.sampling;
        struct_hash(
            REQUEST_TYPE,
            &[
                &self.account.to_be_bytes(),
                &self.nonce.to_be_bytes(),
                &self.model.0,
                &self.prompt.0,
                &self.prompt_length.to_be_bytes(),
                &self.max_tokens.to_be_bytes(),
                &s.temperature.to_be_bytes(),
                &s.top_k.to_be_bytes(),
                &s.top_p.to_be_bytes(),
                &s.min_p.to_be_bytes(),
                &self.seed.0,
                &self.max_fee.to_be_bytes(),
                &self.valid_until.to_be_bytes(),
            ],
        )
    }

    /// Its request hash: what is signed.
    pub fn digest(&self, domain: &Domain) -> Hash {
        domain.digest(self.struct_hash())
    }
}

/// A withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// From which account.
    pub account: u32,
    /// Of the account's window.
    pub nonce: u64,
    /// Wei; 0 only uses the nonce.
    pub amount: u128,
    /// Who gets it, on L1.
    pub to: Address,
    /// Last time of a batch that may hold it.
    pub valid_until: u64,
}

impl Withdrawal {
    /// EIP-712 struct hash.
    pub fn struct_hash(&self) -> Hash {
        struct_hash(
            WITHDRAWAL_TYPE,
            &[
                &self.account.to_be_bytes(),
                &self.nonce.to_be_bytes(),
                &self.amount.to_be_bytes(),
                &self.to,
                &self.valid_until.to_be_bytes(),
            ],
        )
    }

    /// Its request hash: what is signed.
    pub fn digest(&self, domain: &Domain) -> Hash {
        domain.digest(self.struct_hash())
    }

    /// The fields as in F, 56 bytes.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.account.to_be_bytes());
        out.extend(self.nonce.to_be_bytes());
        out.extend(self.amount.to_be_bytes());
        out.extend(self.to);
        out.extend(self.valid_until.to_be_bytes());
    }

    pub(super) fn read(from: &mut Reader) -> Option<Self> {
        Some(Self {
            account: from.u32()?,
            nonce: from.u64()?,
            amount: from.u128()?,
            to: from.address()?,
            valid_until: from.u64()?,
        })
    }
}

/// A delegation: another key may ask for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// Of which account.
    pub account: u32,
    /// Higher than that of the delegation before.
    pub nonce: u64,
    /// Who may sign requests; 0 revokes.
    pub delegate: Address,
    /// Most wei that may be paid under it.
    pub cap: u128,
    /// Last time of a batch in which it holds.
    pub expiry: u64,
    /// The one model, or 0 for all.
    pub model: Hash,
    /// Most wei for a token of a prompt.
    pub max_price_in: u64,
    /// Most wei for a token of an output.
    pub max_price_out: u64,
}

impl Delegation {
    /// EIP-712 struct hash.
    pub fn struct_hash(&self) -> Hash {
        struct_hash(
            DELEGATION_TYPE,
            &[
                &self.account.to_be_bytes(),
                &self.nonce.to_be_bytes(),
                &self.delegate,
                &self.cap.to_be_bytes(),
                &self.expiry.to_be_bytes(),
                &self.model.0,
                &self.max_price_in.to_be_bytes(),
                &self.max_price_out.to_be_bytes(),
            ],
        )
    }

    /// Its request hash: what is signed.
    pub fn digest(&self, domain: &Domain) -> Hash {
        domain.digest(self.struct_hash())
    }

    /// The fields as in F, 104 bytes.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.account.to_be_bytes());
        out.extend(self.nonce.to_be_bytes());
        out.extend(self.delegate);
        out.extend(self.cap.to_be_bytes());
        out.extend(self.expiry.to_be_bytes());
        out.extend(self.model.0);
        out.extend(self.max_price_in.to_be_bytes());
        out.extend(self.max_price_out.to_be_bytes());
    }

    pub(super) fn read(from: &mut Reader) -> Option<Self> {
        Some(Self {
            account: from.u32()?,
            nonce: from.u64()?,
            delegate: from.address()?,
            cap: from.u128()?,
            expiry: from.u64()?,
            model: from.hash()?,
            max_price_in: from.u64()?,
            max_price_out: from.u64()?,
        })
    }
}

/// A proposer's promise that a request will stand under a number. docs/rollup.md, 12.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Who posts.
    pub proposer: Address,
    /// The proposer's epoch.
    pub epoch: u32,
    /// Number within the epoch.
    pub number: u64,
    /// Request hash.
    pub request: Hash,
    /// outputRoot; 0 for withdrawals and delegations.
    pub output: Hash,
    /// Latest time of posting.
    pub deadline: u64,
    /// Who gets the penalty's half.
    pub payee: Address,
}

impl Receipt {
    /// EIP-712 struct hash.
    pub fn struct_hash(&self) -> Hash {
        struct_hash(
            RECEIPT_TYPE,
            &[
                &self.proposer,
                &self.epoch.to_be_bytes(),
                &self.number.to_be_bytes(),
                &self.request.0,
                &self.output.0,
                &self.deadline.to_be_bytes(),
                &self.payee,
            ],
        )
    }

    /// What is signed.
    pub fn digest(&self, domain: &Domain) -> Hash {
        domain.digest(self.struct_hash())
    }
}

/// Half of the order of secp256k1, rounded down: the highest s.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d,
    0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// Who signed a digest; `None` if the signature is not valid: 0 < s <= n/2, and it recovers to an address that is not 0.
pub fn signer(digest: Hash, signature: &Signature, recover: &Recover<'_>) -> Option<Address> {
    let (_, mut s) = signature.split_last_chunk::<32>().map(|(r, s)| (r, *s))?;
    if let Some(high) = s.first_mut() {
        *high &= 0x7f;
    }
    let low = s != [0; 32] && s <= HALF_ORDER;
    recover(digest, signature).filter(|who| low && *who != [0; 20])
}

/// `keccak256(type hash || words)`; each word's bytes completed with zeros on the left.
fn struct_hash(name: &str, words: &[&[u8]]) -> Hash {
    let mut hasher = Hasher::new();
    hasher.update(&keccak256(name.as_bytes()).0);
    for word in words {
        let missing = 32_usize.saturating_sub(word.len());
        hasher.update([0; 32].get(..missing).unwrap_or(&[])).update(word);
    }
    hasher.finish()
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

    #[test]
    fn only_low_s_counts_and_nobody_is_address_zero() {
        let good = |_: Hash, _: &Signature| Some([1; 20]);
        let with = |s: [u8; 32]| -> Signature {
            let mut out = [1; 64];
            out[32..].copy_from_slice(&s);
            out
        };
        let (mut odd, mut high, mut one) = (HALF_ORDER, HALF_ORDER, [0; 32]);
        odd[0] |= 0x80;
        high[31] += 1;
        one[31] = 1;
        for s in [HALF_ORDER, odd, one] {
            assert_eq!(signer(Hash::default(), &with(s), &good), Some([1; 20]));
        }
        let mut parity_alone = [0; 32];
        parity_alone[0] = 0x80;
        for s in [high, [0; 32], parity_alone, [0xff; 32]] {
            assert_eq!(signer(Hash::default(), &with(s), &good), None);
        }
        assert_eq!(signer(Hash::default(), &with(one), &|_, _| Some([0; 20])), None);
        assert_eq!(signer(Hash::default(), &with(one), &|_, _| None), None);
    }
}
