//! A view as bytes: what old blocks come to, so that a start need not execute everything that ever was posted.
//!
//! Only of a view in which nothing is wrong, and only for one whose assertions are all final by the time that it is used: how
//! to take them back is not kept.

use alloy::primitives::{Address, B256, Bytes};
use alloy::sol_types::SolValue;
use bindings::deployment::Deployment;
use bisection::ledger::{Accounts, Ledger, Model, Price, State};

use super::events::entry;
use super::view::{Entered, Listed, Lost, Node, View};
use crate::ledger::{Hash, decode_account, decode_delegation, encode_delegation};

/// Changes with the format: what another one wrote is read anew from the blocks.
const VERSION: u32 = 1;

/// Entry, prompt, block.
type EntryRow = (Bytes, Bytes, u64);
/// Model; is it a price; and the fields of either.
type ListedRow = (B256, bool, [u64; 4]);
/// Id, proposer, batch, state root, cursor, time, confirmed, open games, accounts' root, accounts, fees, are they paid.
type NodeRow = (B256, Address, B256, B256, u64, u64, bool, Vec<B256>, B256, u32, u128, bool);
/// Id, proposer, batch, rejected, reclaimed.
type LostRow = (B256, Address, B256, bool, bool);
/// Proposer, epoch, next number.
type NumberRow = (Address, u32, u64);
/// Accounts, and the delegations in force.
type LedgerRow = (Vec<Bytes>, Vec<Bytes>, u128);
/// Version, block, time, and the rows; at last which game is about which assertion.
type Saved = (
    u32,
    u64,
    u64,
    Vec<EntryRow>,
    Vec<ListedRow>,
    Vec<NodeRow>,
    Vec<LostRow>,
    Vec<NumberRow>,
    LedgerRow,
    Vec<(B256, B256)>,
);

fn word(hash: Hash) -> B256 {
    B256::from(hash.0)
}

impl View {
    /// As bytes; `None` if something in it is wrong.
    pub(super) fn save(&self) -> Option<Vec<u8>> {
        if self.wrong.is_some() {
            return None;
        }
        let entry = |e: &Entered| (e.entry.encode().into(), e.prompt.clone().into(), e.block);
        let node = |node: &Node| {
            let state = node.state?;
            let (id, batch, root) = (word(node.id), word(node.batch), word(node.state_root));
            let games: Vec<B256> = node.games.iter().copied().collect();
            let row: NodeRow = (
                id,
                node.proposer,
                batch,
                root,
                node.cursor,
                node.posted_at,
                node.confirmed,
                games,
                word(state.accounts_root),
                state.accounts,
                state.fees,
                node.fees_paid,
            );
            Some(row)
        };
        let lost = |l: &Lost| (word(l.id), l.proposer, word(l.batch), l.rejected, l.reclaimed);
        let accounts = self.ledger.accounts();
        let delegations = accounts.iter().filter_map(|account| accounts.delegation(account.index));
        let saved: Saved = (
            VERSION,
            self.block,
            self.time,
            self.entries.iter().map(|e| entry(e)).collect(),
            self.listed.iter().map(listed_row).collect(),
            self.nodes.iter().map(node).collect::<Option<_>>()?,
            self.lost.iter().map(lost).collect(),
            self.numbers.iter().map(|((proposer, epoch), next)| (*proposer, *epoch, *next)).collect(),
            (
                accounts.iter().map(|account| account.encode().into()).collect(),
                delegations.map(|terms| encode_delegation(terms).into()).collect(),
                self.ledger.state().fees,
            ),
            self.games.iter().map(|(game, assertion)| (*game, word(*assertion))).collect(),
        );
        Some(saved.abi_encode_params())
    }

    /// The other way round; `None` if it is of another rollup or version, or is not whole.
    pub(super) fn restore(deployment: &Deployment, bytes: &[u8]) -> Option<Self> {
        let saved = Saved::abi_decode_params(bytes).ok()?;
        let (version, block, time, entries, listed, nodes, lost, numbers, (leaves, terms, fees), games) =
            saved;
        let mut view = Self::new(deployment);
        let genesis = view.nodes.first()?.id;
        if version != VERSION || nodes.first()?.0 != word(genesis) {
            return None;
        }
        (view.block, view.time) = (block, time);
        for (index, (bytes, prompt, block)) in (0..).zip(entries) {
            view.enter(index, Entered { entry: entry(&bytes)?, prompt: prompt.to_vec(), block });
        }
        for row in listed {
            view.list(listed_of(row)?);
        }
        view.nodes = nodes.into_iter().map(node_of).collect();
        let of = |(id, proposer, batch, rejected, reclaimed): LostRow| Lost {
            id: Hash(id.0),
            proposer,
            batch: Hash(batch.0),
            rejected,
            reclaimed,
        };
        view.lost = lost.into_iter().map(of).collect();
        view.numbers = numbers.into_iter().map(|(proposer, epoch, next)| ((proposer, epoch), next)).collect();
        let leaves = leaves.iter().map(|bytes| decode_account(bytes)).collect::<Option<_>>()?;
        let terms = terms.iter().map(|bytes| decode_delegation(bytes)).collect::<Option<Vec<_>>>()?;
        view.ledger = Ledger::restore(view.rules, Accounts::restore(leaves, terms)?, fees);
        view.games = games.into_iter().map(|(game, assertion)| (game, Hash(assertion.0))).collect();
        // What it ends with is what was posted: a damaged one does not come so far.
        (view.ledger.root() == view.nodes.last()?.state_root).then_some(view)
    }
}

fn listed_row(listed: &Listed) -> ListedRow {
    match listed {
        Listed::Model(id, model) => {
            let (vector, bits) = (u64::from(model.vector), u64::from(model.token_bits));
            (word(*id), false, [vector, bits, model.context.into(), model.vocabulary.into()])
        }
        Listed::Price(id, price) => (word(*id), true, [price.from, price.price_in, price.price_out, 0]),
    }
}

fn listed_of((id, priced, [a, b, c, d]): ListedRow) -> Option<Listed> {
    let id = Hash(id.0);
    if priced {
        return Some(Listed::Price(id, Price { from: a, price_in: b, price_out: c }));
    }
    let (token_bits, context, vocabulary) = (b.try_into().ok()?, c.try_into().ok()?, d.try_into().ok()?);
    Some(Listed::Model(id, Model { vector: a != 0, token_bits, context, vocabulary }))
}

fn node_of(row: NodeRow) -> Node {
    let (id, proposer, batch, root, cursor, posted_at, confirmed, games, accounts_root, accounts, fees, paid) =
        row;
    Node {
        id: Hash(id.0),
        proposer,
        batch: Hash(batch.0),
        state_root: Hash(root.0),
        cursor,
        posted_at,
        confirmed,
        games: games.into_iter().collect(),
        state: Some(State { accounts_root: Hash(accounts_root.0), accounts, fees }),
        fees_paid: paid,
        undo: Vec::new(),
    }
}
