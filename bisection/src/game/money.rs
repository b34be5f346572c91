//! Money (protocol, 5.3): who pays what. Nothing is created, nothing is lost but what is burned.

use std::collections::BTreeMap;

/// An account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor(pub u32);

/// An amount, in wei; metered gas too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wei(pub u128);

impl Wei {
    /// The sum.
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Takes at most `amount` off; what was taken.
    pub fn take(&mut self, amount: Self) -> Self {
        let taken = amount.min(*self);
        self.0 = self.0.saturating_sub(taken.0);
        taken
    }

    /// The part `of / whole`, rounded down; nothing of nothing.
    pub fn share(self, of: Self, whole: Self) -> Self {
        Self(self.0.saturating_mul(of.0).checked_div(whole.0).unwrap_or(0))
    }
}

/// The amounts that an assertion is posted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The proposer's: see [`Terms::are_sound`].
    pub stake: Wei,
    /// A challenger's, for each game.
    pub bond: Wei,
    /// Of whoever closes a game.
    pub fee: Wei,
    /// Of the challenger whose game rejects.
    pub bounty: Wei,
    /// The most gas that is repaid to one side of one game.
    pub gas_max: Wei,
}

impl Terms {
    /// Do stake and bond cover what they promise? Half of the stake pays the closer, the bounty, the rejecting game's gas
    /// and as much again for all others; three quarters of a bond pay the closer and the answers' gas.
    pub fn are_sound(&self) -> bool {
        let promised = self.fee.plus(self.bounty).plus(self.gas_max).plus(self.gas_max);
        let mut bond = self.bond;
        bond.take(Wei(self.bond.0 >> 2));
        self.stake.0 >> 1 >= promised.0 && bond >= self.fee.plus(self.gas_max)
    }
}

/// Gas metered in one game, capped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// All that was credited.
    pub total: Wei,
    by: BTreeMap<Actor, Wei>,
}

impl Meter {
    /// Credits what a move has cost, up to the cap of the game; what was credited.
    pub fn add(&mut self, by: Actor, cost: Wei, cap: Wei) -> Wei {
        let mut room = cap;
        room.take(self.total);
        let credited = room.take(cost);
        self.total = self.total.plus(credited);
        let account = self.by.entry(by).or_default();
        *account = account.plus(credited);
        credited
    }
}

/// What is held, owed and burned. Payments are pulled, so a debt is final when it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vault {
    /// The stake and the bonds of open games.
    pub held: Wei,
    /// To whom what is owed.
    pub owed: BTreeMap<Actor, Wei>,
    /// Gone for good.
    pub burned: Wei,
}

impl Vault {
    /// Takes a deposit.
    pub fn hold(&mut self, amount: Wei) {
        self.held = self.held.plus(amount);
    }

    fn pay(&mut self, to: Actor, from: &mut Wei, amount: Wei) {
        let paid = from.take(amount);
        let account = self.owed.entry(to).or_default();
        *account = account.plus(paid);
    }

    fn burn(&mut self, from: &mut Wei, amount: Wei) {
        self.burned = self.burned.plus(from.take(amount));
    }

    /// A challenger has lost: a quarter is burned, the closer has its fee, then whoever answered its gas, the proposer
    /// what is left.
    pub fn split_bond(&mut self, terms: &Terms, closer: Actor, proposer: Actor, answers: &Meter) {
        let mut bond = self.held.take(terms.bond);
        self.burn(&mut bond, Wei(terms.bond.0 >> 2));
        self.pay(closer, &mut bond, terms.fee);
        answers.by.iter().for_each(|(to, gas)| self.pay(*to, &mut bond, *gas));
        let rest = bond;
        self.pay(proposer, &mut bond, rest);
    }

    /// The assertion is rejected: half is burned, the closer has its fee, the rejecting game bounty and gas, every other
    /// live game its gas in full or its part of what is left; every game its bond. The rest is burned.
    pub fn split_stake(
        &mut self,
        terms: &Terms,
        closer: Actor,
        winner: (Actor, Wei),
        others: &[(Actor, Wei)],
    ) {
        let mut stake = self.held.take(terms.stake);
        self.burn(&mut stake, Wei(terms.stake.0 >> 1));
        self.pay(closer, &mut stake, terms.fee);
        self.pay(winner.0, &mut stake, terms.bounty.plus(winner.1));
        // The contract keeps this sum as games move, so that it needs no loop.
        let live = others.iter().fold(Wei(0), |sum, (_, gas)| sum.plus(*gas));
        let pool = stake.min(live);
        for (challenger, gas) in others {
            self.pay(*challenger, &mut stake, pool.share(*gas, live));
        }
        let rest = stake;
        self.burn(&mut stake, rest);
        for (challenger, _) in others.iter().chain([&winner]) {
            let mut bond = self.held.take(terms.bond);
            self.pay(*challenger, &mut bond, terms.bond);
        }
    }

    /// The assertion is confirmed: its stake is free.
    pub fn release_stake(&mut self, terms: &Terms, proposer: Actor) {
        let mut stake = self.held.take(terms.stake);
        self.pay(proposer, &mut stake, terms.stake);
    }

    /// Everything that was ever deposited.
    pub fn total(&self) -> Wei {
        self.owed.values().fold(self.held.plus(self.burned), |sum, owed| sum.plus(*owed))
    }
}
