//! Who goes first where several may make the same move, and when a game of others is looked at again.
//!
//! Whoever profits most goes at once; everybody else waits a little longer each, by a place in the chain's order or by a
//! lot that its own address draws, so that of several honest services one pays and the others see that it is done. If the
//! first is dead, the next one's time comes. All waits together are less than one guaranteed minimum, and nothing that a
//! deadline hangs on waits at all.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use alloy::primitives::{Address, B256, keccak256};

/// Places in the chain's order that are told apart; whoever is further behind draws a lot.
const PLACES: u64 = 4;
/// Lots that are drawn.
const LOTS: u64 = 16;
/// The longest step between two that wait, in seconds: two blocks of Ethereum.
const STEP_MAX: u64 = 24;

/// What is known of others' games beyond the chain: only when to look again, so that a restart loses nothing.
#[derive(Default)]
struct Known {
    /// Before that time a game of others needs no look.
    quiet: HashMap<B256, u64>,
    /// Since when a game has been seen to be over for want of a move.
    late: HashMap<B256, u64>,
}

/// The order among those who may make a move.
pub(super) struct Turns {
    account: Address,
    /// Seconds between two that wait.
    step: u64,
    known: Mutex<Known>,
}

impl Turns {
    /// For an account, where a turn lasts at least `minimum` seconds. Where that is seconds, as in a demonstration, nobody
    /// waits.
    pub(super) fn new(account: Address, minimum: u64) -> Self {
        Self { account, step: (minimum / (2 * (PLACES + LOTS))).min(STEP_MAX), known: Mutex::default() }
    }

    /// Seconds to wait for the one at a place in the chain's order; `None` has no place and draws a lot.
    pub(super) fn wait(&self, place: Option<usize>, about: B256) -> u64 {
        let place = place.map_or(PLACES, |place| place as u64);
        let drawn = |lots: u64| {
            let drawn = keccak256([self.account.as_slice(), about.as_slice()].concat());
            drawn.first().map_or(0, |byte| u64::from(*byte) % lots)
        };
        let slot = if place < PLACES { place } else { PLACES.saturating_add(drawn(LOTS)) };
        slot.saturating_mul(self.step)
    }

    /// Since when a game has been late, as far as has been seen here.
    pub(super) fn late_since(&self, game: B256, now: u64) -> u64 {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let since = known.late.entry(game).or_insert(now);
        // After a reorganisation time may lie before.
        *since = (*since).min(now);
        *since
    }

    /// Nothing comes of looking at a game before a time.
    pub(super) fn rest(&self, game: B256, until: u64) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).quiet.insert(game, until);
    }

    /// Is a game worth a look now.
    pub(super) fn is_due(&self, game: &B256, now: u64) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.quiet.get(game).is_none_or(|until| *until <= now)
    }

    /// Keeps only what is about games that are there.
    pub(super) fn retain(&self, games: &BTreeSet<B256>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.quiet.retain(|game, _| games.contains(game));
        known.late.retain(|game, _| games.contains(game));
    }

    /// A reorganisation took blocks: what was seen in them may not be so.
    pub(super) fn forget(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Known::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(account: u8, minimum: u64) -> Turns {
        Turns::new(Address::repeat_byte(account), minimum)
    }

    #[test]
    fn the_first_goes_at_once_and_nobody_waits_for_a_guaranteed_minimum() {
        let about = B256::repeat_byte(7);
        for minimum in [1, 10, 40, 60, 900, 3_600, 1_000_000, u64::MAX] {
            for account in 0..=255 {
                let turns = turns(account, minimum);
                assert_eq!(turns.wait(Some(0), about), 0);
                let longest =
                    [Some(1), Some(3), Some(4), Some(1_000_000), None].map(|place| turns.wait(place, about));
                assert!(longest.iter().all(|wait| 2 * wait <= minimum), "{minimum}: {longest:?}");
                assert!(longest.is_sorted());
            }
        }
    }

    #[test]
    fn many_without_a_place_seldom_draw_the_same_first_lot() {
        let (mut together, cases) = (0, 200);
        for case in 0..cases {
            let about = B256::repeat_byte(case);
            let waits: Vec<u64> = (0..10).map(|account| turns(account, 3_600).wait(None, about)).collect();
            let first = waits.iter().min().copied();
            together += waits.iter().filter(|wait| Some(**wait) == first).count() - 1;
        }
        assert!(together < usize::from(cases) / 2, "{together} of {cases} pay for nothing");
    }

    #[test]
    fn a_game_rests_until_its_time_or_a_reorganisation() {
        let (turns, game) = (turns(1, 3_600), B256::repeat_byte(9));
        assert!(turns.is_due(&game, 5));
        turns.rest(game, 10);
        assert!(!turns.is_due(&game, 9) && turns.is_due(&game, 10));
        assert_eq!((turns.late_since(game, 12), turns.late_since(game, 20)), (12, 12));
        turns.forget();
        assert!(turns.is_due(&game, 9));
        assert_eq!(turns.late_since(game, 20), 20);
        turns.rest(game, 100);
        turns.retain(&BTreeSet::new());
        assert!(turns.is_due(&game, 21));
    }
}
