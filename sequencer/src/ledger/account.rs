//! An account's leaf, as the store keeps it.

use bisection::ledger::Window;

use super::encode::Fields;
use super::{Account, Hash};

/// Reads [`Account::encode`].
pub fn decode_account(bytes: &[u8]) -> Option<Account> {
    let mut from = Fields(bytes);
    let account = Account {
        index: from.u32()?,
        owner: from.take()?,
        balance: from.u128()?,
        window: Window { next: from.u64()?, used: [from.u128()?, from.u128()?] },
        delegation_nonce: from.u64()?,
        delegation: Hash(from.take()?),
        spent: from.u128()?,
    };
    from.end(account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_comes_back() {
        let account = Account {
            index: 7,
            owner: [3; 20],
            balance: 1 << 90,
            window: Window { next: 5, used: [1 << 100, 0b10111] },
            delegation_nonce: 2,
            delegation: Hash([9; 32]),
            spent: 11,
        };
        assert_eq!(decode_account(&account.encode()), Some(account));
        assert_eq!(decode_account(&[0; 135]), None);
    }
}
