//! Trees in Rust against the contract's: openings of every number of children, and chunks, through the game.

mod parity;
#[allow(dead_code, unreachable_pub, reason = "each test uses a part")]
#[path = "../../executor/tests/support/random.rs"]
mod random;

use alloy::primitives::aliases::U48;
use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolCall;
use bindings::dispute_game::DisputeGame::{openCall, openChunkCall};
use bisection::{Hash, tree};
use challenger::arena::Arena;
use challenger::view::{word, words};
use executor::kernels::Sampling;
use executor::program::op::{Op, Range};
use executor::program::{ElementType, Layout, Shape, Width};
use parity::twin::Twin;
use parity::world::{Given, Plan, World};
use random::Random;

const ANYBODY: Address = Address::repeat_byte(0xbb);

fn accepted(arena: &mut Arena, call: &impl SolCall) -> bool {
    let data = call.abi_encode().into();
    // A fact leaves a log.
    arena.chain.simulate(ANYBODY, arena.game, data, U256::ZERO).is_ok_and(|done| done.logs.len() == 1)
}

fn opening(hash: Hash, levels: u32, children: &[Hash]) -> openCall {
    let (hash, children) = (word(hash), words(children));
    openCall { assertion: B256::ZERO, hash, levels: levels as u8, children, game: B256::ZERO }
}

/// Every number of children below every number of levels, the right edge with its pads included.
#[test]
fn openings_recompute_to_the_same_hash() {
    let mut arena = Arena::new().unwrap();
    let mut dice = Random::new(1);
    for levels in 1..=6u32 {
        for count in 1..=1usize << levels {
            let mut children: Vec<Hash> =
                (0..count as u64).map(|i| tree::chunk_hash(i, &dice.bits().to_le_bytes())).collect();
            let hash = tree::subtree_root(children.clone(), levels);
            assert!(accepted(&mut arena, &opening(hash, levels, &children)), "{count} below {levels}");
            let lower = tree::depth(count as u64);
            if lower == levels {
                assert_eq!(tree::root(children.clone()), hash);
            }
            let i = dice.below(count);
            children[i].0[dice.below(32)] ^= 1;
            assert!(!accepted(&mut arena, &opening(hash, levels, &children)), "{count} below {levels}");
            children[i] = tree::pad();
            assert!(!accepted(&mut arena, &opening(hash, levels, &children)), "{count} below {levels}");
        }
        let many = vec![tree::pad(); (1 << levels) + 1];
        assert!(!accepted(&mut arena, &opening(tree::subtree_root(many.clone(), levels + 1), levels, &many)));
    }
}

#[test]
fn chunks_hash_the_same() {
    let mut arena = Arena::new().unwrap();
    let mut dice = Random::new(2);
    for length in 0..=520usize {
        let index = dice.bits() >> (16 + dice.below(48));
        let data: Vec<u8> = (0..length).map(|_| dice.below(256) as u8).collect();
        // No chunk is empty, and none has more than 512 bytes.
        let hash = if (1..=512).contains(&length) { tree::chunk_hash(index, &data) } else { tree::pad() };
        let call = |hash: Hash, index: u64| openChunkCall {
            assertion: B256::ZERO,
            hash: word(hash),
            index: U48::from(index),
            data: data.clone().into(),
            game: B256::ZERO,
        };
        assert_eq!(accepted(&mut arena, &call(hash, index)), (1..=512).contains(&length), "{length} bytes");
        assert!(!accepted(&mut arena, &call(hash, index ^ 1)), "{length} bytes");
    }
}

/// Ranges of chunks of trees of any size, below paths of trees of any size: a sum reads a row out of many.
#[test]
fn ranges_and_paths_prove_the_same() {
    let (mut twin, mut dice) = (Twin::new(), Random::new(3));
    for _ in 0..1_500 {
        let (wide, long) = (1 << (1 + dice.below(11)), 1 << dice.below(6));
        let width = 1 + dice.below(wide);
        let positions = 1 + dice.below(long) as u32;
        let position = dice.below(positions as usize) as u32;
        let row: Vec<i64> = (0..width).map(|_| i64::from(dice.bits() as i32)).collect();
        let total: i64 = row.iter().sum();
        let given = |element, width: usize, row| {
            let width = Width::Fixed(width as u32);
            let shape = Shape { element, width, range: Range::All, layout: Layout::Rows };
            Given { shape, first: position.into(), rows: vec![row] }
        };
        let world = World::new(Plan {
            op: Op::RowSum {},
            inputs: vec![given(ElementType::I32, width, row)],
            own: given(ElementType::I64, 1, vec![total]),
            constants: vec![],
            sampling: Sampling::GREEDY,
            position,
            positions,
            token: 0,
            before: dice.below(200) as u32,
        });
        let (rust, mut data) = world.with(0, total, |step, from| step.element(from));
        let (of, at) = (world.committed(), world.place(0));
        assert_eq!(rust, Ok(total));
        assert_eq!(twin.step(of, at, total, &data).unwrap(), total.into());
        let i = dice.below(data.witness.len());
        data.witness[i] ^= 1 << dice.below(8);
        twin.step(of, at, total, &data).unwrap_err();
    }
}
