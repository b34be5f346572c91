//! The accounts' tree, kept whole: a change of a leaf costs 32 hashes, and so does a path.

use std::collections::BTreeMap;

use super::Account;
use super::request::Delegation;
use crate::hash::Hash;
use crate::proof::{self, Wrong};
use crate::tree::{self, node_hash, pad, parents};

/// Depth of the accounts' tree, however many there are.
pub const DEPTH: u32 = 32;

/// All accounts, their tree, and the delegations in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    leaves: Vec<Account>,
    /// From the leaves up: at height h the ceil(n / 2^h) nodes in range. Empty without accounts.
    levels: Vec<Vec<Hash>>,
    /// What a leaf has the digest of; whoever answers for a delegate's request must show it.
    delegations: BTreeMap<u32, Delegation>,
}

impl Accounts {
    /// No accounts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Those of a snapshot, with the delegations in force that are known. `None` if an account has not the index of its place.
    pub fn restore(leaves: Vec<Account>, delegations: impl IntoIterator<Item = Delegation>) -> Option<Self> {
        let dense = (0u64..).zip(&leaves).all(|(i, leaf)| u64::from(leaf.index) == i);
        if !dense || leaves.len() >= usize::try_from(u32::MAX).unwrap_or(usize::MAX) {
            return None;
        }
        let mut levels = Vec::new();
        let mut level: Vec<Hash> = leaves.iter().map(Account::leaf).collect();
        while !level.is_empty() && levels.len() < 32 {
            let above = parents(&level);
            levels.push(std::mem::replace(&mut level, above));
        }
        if !level.is_empty() {
            levels.push(level);
        }
        let delegations = delegations.into_iter().map(|d| (d.account, d)).collect();
        Some(Self { leaves, levels, delegations })
    }

    /// How many there are.
    pub fn len(&self) -> u32 {
        u32::try_from(self.leaves.len()).unwrap_or(u32::MAX)
    }

    /// Is there none.
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// The account of an index.
    pub fn get(&self, index: u32) -> Option<&Account> {
        usize::try_from(index).ok().and_then(|i| self.leaves.get(i))
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        self.leaves.iter()
    }

    /// The delegation that an account's leaf has the digest of, if it was seen.
    pub fn delegation(&self, index: u32) -> Option<&Delegation> {
        self.delegations.get(&index)
    }

    /// Root of the tree.
    pub fn root(&self) -> Hash {
        self.node(DEPTH, 0).unwrap_or_else(pad)
    }

    /// Siblings of an account's leaf, in range only, from the bottom. Of the place after the last: those of leaf n among n + 1.
    /// `None` beyond that.
    pub fn path(&self, index: u32) -> Option<Vec<Hash>> {
        let (i, n) = (u64::from(index), u64::from(self.len()));
        let count = n.max(i.checked_add(1)?);
        if i > n {
            return None;
        }
        let siblings = proof::siblings(count, i, i.checked_add(1)?).ok()?;
        siblings.into_iter().map(|(height, at)| self.node(height, at)).collect()
    }

    /// Puts an account in its place, or after the last; what was there. `None` if its place is beyond that.
    pub(super) fn set(&mut self, account: Account) -> Option<Option<Account>> {
        let index = usize::try_from(account.index).ok()?;
        let before = if let Some(place) = self.leaves.get_mut(index) {
            Some(std::mem::replace(place, account))
        } else if index == self.leaves.len() {
            self.leaves.push(account);
            None
        } else {
            return None;
        };
        self.put(0, index, account.leaf());
        self.climb_from(index);
        Some(before)
    }

    /// Takes the last account away.
    pub(super) fn pop(&mut self) {
        self.leaves.pop();
        let count = self.leaves.len() as u64;
        for (height, level) in (0u32..).zip(&mut self.levels) {
            level.truncate(usize::try_from(tree::width(count, height)).unwrap_or(usize::MAX));
        }
        match self.leaves.len().checked_sub(1) {
            Some(last) => self.climb_from(last),
            None => self.levels.clear(),
        }
    }

    /// Notes or forgets the delegation of an account; what was noted.
    pub(super) fn delegate(&mut self, index: u32, delegation: Option<Delegation>) -> Option<Delegation> {
        match delegation {
            Some(delegation) => self.delegations.insert(index, delegation),
            None => self.delegations.remove(&index),
        }
    }

    /// Makes everything above a leaf anew.
    fn climb_from(&mut self, leaf: usize) {
        let mut at = leaf as u64;
        for height in 0..DEPTH {
            let left = self.node(height, at & !1).unwrap_or_else(pad);
            let right = self.node(height, at | 1).unwrap_or_else(pad);
            at >>= 1;
            let index = usize::try_from(at).unwrap_or(usize::MAX);
            self.put(height.saturating_add(1), index, node_hash(&left, &right));
        }
    }

    fn put(&mut self, height: u32, index: usize, hash: Hash) {
        let height = usize::try_from(height).unwrap_or(usize::MAX);
        if self.levels.len() == height {
            self.levels.push(Vec::new());
        }
        let Some(level) = self.levels.get_mut(height) else { return };
        match level.get_mut(index) {
            Some(place) => *place = hash,
            None => level.push(hash),
        }
    }

    fn node(&self, height: u32, index: u64) -> Option<Hash> {
        let level = self.levels.get(usize::try_from(height).ok()?)?;
        level.get(usize::try_from(index).ok()?).copied()
    }
}

/// The root of an accounts' tree that a node and its siblings lead to. Pad with pad gives pad, so the climb from pad, among
/// one leaf more than there are, gives the root before an account is appended.
///
/// # Errors
/// The leaf is not one of `count`, or siblings are missing.
pub fn climb(
    leaf: Hash,
    index: u32,
    count: u64,
    siblings: &mut impl Iterator<Item = Hash>,
) -> Result<Hash, Wrong> {
    let mut at = u64::from(index);
    if at >= count {
        return Err(Wrong::Range { lo: at, hi: at.saturating_add(1), count });
    }
    let (mut node, mut width) = (leaf, count);
    for height in 0..DEPTH {
        let sibling = if at ^ 1 < width { siblings.next().ok_or(Wrong::Short(height))? } else { pad() };
        node = match at & 1 {
            _ if node == pad() && sibling == pad() => pad(),
            0 => node_hash(&node, &sibling),
            _ => node_hash(&sibling, &node),
        };
        (at, width) = (at >> 1, width.div_ceil(2));
    }
    Ok(node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn account(index: u32, balance: u128) -> Account {
        Account::new(index, [7; 20], balance)
    }

    fn plain_root(accounts: &Accounts) -> Hash {
        tree::subtree_root(accounts.iter().map(Account::leaf).collect(), DEPTH)
    }

    #[test]
    fn a_tree_without_accounts_is_pad() {
        assert_eq!(Accounts::new().root(), pad());
        assert_eq!(climb(pad(), 0, 1, &mut [].into_iter()), Ok(pad()));
        assert_eq!(Accounts::new().path(0), Some(vec![]));
        assert_eq!(Accounts::new().path(1), None);
    }

    #[test]
    fn it_grows_and_shrinks_as_the_definition() {
        let mut accounts = Accounts::new();
        let mut roots = vec![accounts.clone()];
        for i in 0..40 {
            let (before, siblings) = (accounts.root(), accounts.path(i).unwrap());
            assert_eq!(climb(pad(), i, u64::from(i) + 1, &mut siblings.iter().copied()), Ok(before));
            assert_eq!(accounts.set(account(i, 1)), Some(None));
            let leaf = account(i, 1).leaf();
            assert_eq!(climb(leaf, i, u64::from(i) + 1, &mut siblings.into_iter()), Ok(accounts.root()));
            assert_eq!(accounts.root(), plain_root(&accounts));
            let restored = Accounts::restore(accounts.iter().copied().collect(), []).unwrap();
            assert_eq!(restored, accounts);
            roots.push(accounts.clone());
        }
        while let Some(expected) = roots.pop() {
            assert_eq!(accounts.root(), expected.root());
            assert_eq!(accounts.path(0), expected.path(0));
            accounts.pop();
        }
        assert_eq!(accounts.set(account(1, 1)), None, "beyond the last");
    }

    proptest! {
        #[test]
        fn paths_prove_their_leaves(n in 1u32..70, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u128>()), 0..20)) {
            let mut accounts = Accounts::new();
            (0..n).for_each(|i| { accounts.set(account(i, 0)); });
            for (at, balance) in changes {
                let i = at.index(n as usize) as u32;
                let path = accounts.path(i).unwrap();
                let old = accounts.get(i).unwrap().leaf();
                prop_assert_eq!(climb(old, i, n.into(), &mut path.iter().copied()), Ok(accounts.root()));
                accounts.set(account(i, balance));
                prop_assert_eq!(climb(account(i, balance).leaf(), i, n.into(), &mut path.into_iter()), Ok(accounts.root()));
                prop_assert_eq!(accounts.root(), plain_root(&accounts));
            }
        }
    }
}
