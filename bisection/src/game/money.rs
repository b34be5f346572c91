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

/// Gas of one side metered in one game, capped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter(pub Wei);

impl Meter {
    /// Credits what a move has cost, up to the cap of the game; what was credited.
    pub fn add(&mut self, cost: Wei, cap: Wei) -> Wei {
        let mut room = cap;
        room.take(self.0);
        let credited = room.take(cost);
        self.0 = self.0.plus(credited);
        credited
    }
}

/// What a rejection leaves for the games that it cut short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// To be divided.
    pub amount: Wei,
    /// Their gas together.
    pub gas: Wei,
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

    /// A challenger has lost: a quarter is burned, the closer has its fee, who answered its gas, the proposer what is
    /// left.
    pub fn split_bond(&mut self, terms: &Terms, closer: Actor, answered: (Actor, Meter), proposer: Actor) {
        let mut bond = self.held.take(terms.bond);
        self.burn(&mut bond, Wei(terms.bond.0 >> 2));
        self.pay(closer, &mut bond, terms.fee);
        self.pay(answered.0, &mut bond, answered.1.0);
        let rest = bond;
        self.pay(proposer, &mut bond, rest);
    }

    /// The assertion is rejected: half is burned, the closer has its fee, the rejecting game its bond, bounty and gas. Of
    /// the rest the gas of all other live games, or what there is of it, stays for their claims; what is over is burned.
    pub fn split_stake(&mut self, terms: &Terms, closer: Actor, winner: (Actor, Meter), live: Wei) -> Pool {
        let mut stake = self.held.take(terms.stake);
        self.burn(&mut stake, Wei(terms.stake.0 >> 1));
        self.pay(closer, &mut stake, terms.fee);
        self.pay(winner.0, &mut stake, terms.bounty.plus(winner.1.0));
        let mut bond = self.held.take(terms.bond);
        self.pay(winner.0, &mut bond, terms.bond);
        let amount = stake.take(live);
        self.hold(amount);
        let rest = stake;
        self.burn(&mut stake, rest);
        Pool { amount, gas: live }
    }

    /// A game that was cut short takes its bond and its part of the pool. What rounding leaves of the pool stays held.
    pub fn claim(&mut self, terms: &Terms, challenger: Actor, gas: Meter, pool: Pool) {
        let due = terms.bond.plus(pool.amount.share(gas.0, pool.gas));
        let mut paid = self.held.take(due);
        self.pay(challenger, &mut paid, due);
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

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms =
        Terms { stake: Wei(2_500), bond: Wei(200), fee: Wei(50), bounty: Wei(1_000), gas_max: Wei(100) };
    const PROPOSER: Actor = Actor(1);
    const DEFENDER: Actor = Actor(2);
    const CLOSER: Actor = Actor(3);

    fn vault(games: u32) -> Vault {
        let mut vault = Vault::default();
        vault.hold(TERMS.stake);
        (0..games).for_each(|_| vault.hold(TERMS.bond));
        vault
    }

    fn owed(vault: &Vault, actor: Actor) -> u128 {
        vault.owed.get(&actor).map_or(0, |w| w.0)
    }

    #[test]
    fn sound_terms_cover_what_they_promise_and_no_less() {
        assert!(TERMS.are_sound());
        assert!(!Terms { stake: Wei(2_499), ..TERMS }.are_sound());
        assert!(!Terms { bond: Wei(198), ..TERMS }.are_sound());
    }

    #[test]
    fn gas_is_credited_up_to_the_cap_and_paid_from_a_lost_bond() {
        let mut meter = Meter::default();
        assert_eq!(meter.add(Wei(60), TERMS.gas_max), Wei(60));
        assert_eq!(meter.add(Wei(60), TERMS.gas_max), Wei(40));
        assert_eq!(meter.add(Wei(1), TERMS.gas_max), Wei(0));
        let mut vault = vault(2);
        vault.split_bond(&TERMS, CLOSER, (DEFENDER, Meter(Wei(70))), PROPOSER);
        assert_eq!([PROPOSER, DEFENDER, CLOSER].map(|a| owed(&vault, a)), [30, 70, 50]);
        assert_eq!((vault.burned, vault.held), (Wei(50), Wei(2_700)));
        vault.split_bond(&TERMS, CLOSER, (DEFENDER, meter), PROPOSER);
        assert_eq!([PROPOSER, DEFENDER, CLOSER].map(|a| owed(&vault, a)), [30, 170, 100]);
    }

    #[test]
    fn the_rejecting_game_is_paid_in_full_and_the_others_share() {
        let mut vault = vault(3);
        let (winner, b, c) = (Actor(10), Actor(11), Actor(12));
        let pool = vault.split_stake(&TERMS, CLOSER, (winner, Meter(Wei(100))), Wei(150));
        // Of 1,250 are left 1,250 - 50 - 1,000 - 100 = 100, for 150.
        assert_eq!(pool, Pool { amount: Wei(100), gas: Wei(150) });
        vault.claim(&TERMS, b, Meter(Wei(100)), pool);
        vault.claim(&TERMS, c, Meter(Wei(50)), pool);
        assert_eq!([winner, b, c, CLOSER].map(|a| owed(&vault, a)), [1_300, 266, 233, 50]);
        assert_eq!((vault.burned, vault.held, vault.total()), (Wei(1_250), Wei(1), Wei(3_100)));
    }

    #[test]
    fn one_other_game_always_has_its_gas() {
        let (mut vault, gas) = (vault(2), Meter(TERMS.gas_max));
        let pool = vault.split_stake(&TERMS, CLOSER, (Actor(10), gas), TERMS.gas_max);
        vault.claim(&TERMS, Actor(11), gas, pool);
        assert_eq!(owed(&vault, Actor(11)), 300);
    }

    #[test]
    fn a_large_stake_is_burned_but_for_what_was_promised() {
        let mut vault = Vault::default();
        let terms = Terms { stake: Wei(100_000), ..TERMS };
        vault.hold(terms.stake);
        vault.hold(terms.bond);
        vault.split_stake(&terms, CLOSER, (Actor(10), Meter(Wei(7))), Wei(0));
        assert_eq!((owed(&vault, Actor(10)), vault.burned), (1_207, Wei(100_000 - 1_007 - 50)));
    }
}
