//! An account's leaf.

use alloy::primitives::{Address, B256, U256};

use super::encode::Fields;

/// Bytes of an encoded leaf.
pub const ACCOUNT_BYTES: usize = 136;

/// An account as the state holds it. docs/rollup.md, 5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Its index.
    pub index: u32,
    /// Whose it is.
    pub owner: Address,
    /// In wei.
    pub balance: u128,
    /// The nonce after the highest used one.
    pub next: u64,
    /// Which of the 256 nonces below `next` are used; the lowest bit is that of `next - 1`.
    pub used: U256,
    /// That of the delegation in force.
    pub delegation_nonce: u64,
    /// Its digest, or zero.
    pub delegation: B256,
    /// What was spent under it, in wei.
    pub spent: u128,
}

impl Account {
    /// The leaf's bytes, without their tag.
    pub fn encode(&self) -> [u8; ACCOUNT_BYTES] {
        let mut out = [0; ACCOUNT_BYTES];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&self.index.to_be_bytes());
        put(self.owner.as_slice());
        put(&self.balance.to_be_bytes());
        put(&self.next.to_be_bytes());
        put(&self.used.to_be_bytes::<32>());
        put(&self.delegation_nonce.to_be_bytes());
        put(self.delegation.as_slice());
        put(&self.spent.to_be_bytes());
        out
    }

    /// Reads a leaf's bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Fields(bytes);
        let account = Self {
            index: u32::from_be_bytes(from.take()?),
            owner: Address::from(from.take::<20>()?),
            balance: u128::from_be_bytes(from.take()?),
            next: u64::from_be_bytes(from.take()?),
            used: U256::from_be_bytes(from.take::<32>()?),
            delegation_nonce: u64::from_be_bytes(from.take()?),
            delegation: B256::from(from.take::<32>()?),
            spent: u128::from_be_bytes(from.take()?),
        };
        from.0.is_empty().then_some(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_comes_back() {
        let account = Account {
            index: 7,
            owner: Address::repeat_byte(3),
            balance: 1 << 90,
            next: 5,
            used: U256::from(0b10111),
            delegation_nonce: 2,
            delegation: B256::repeat_byte(9),
            spent: 11,
        };
        assert_eq!(Account::decode(&account.encode()), Some(account));
        assert_eq!(Account::decode(&[0; 135]), None);
    }
}
