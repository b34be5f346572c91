//! Single rules, each as a line of moves.

use bisection::game::{Action, Outcome, Refused, Status};
use bisection::solver::Side;
use bisection::trace::{Place, Subtree, TraceProvider, Tree};
use bisection::{keccak256, tree};

use crate::sequence::{A, B, DEFENDER, PROPOSER, RULES, STRANGER, Sequence};
use crate::toy::{Program, Toy, lies};

/// Honest tokens and trace; tokens with a wrong output and the honest trace over them.
pub(crate) fn traces(width: u32) -> (Toy, Toy) {
    let program = Program::small(width, 2);
    let tokens = Toy::generate(&program, &[1, 5], 2);
    let mut wrong = tokens.clone();
    wrong[2] = (wrong[2] + 1) % 7;
    (Toy::run(&program, &tokens), Toy::run(&program, &wrong))
}

const LOST: Option<Outcome> = Some(Outcome::ChallengerLost);
const REJECTED: Option<Outcome> = Some(Outcome::Rejected);

#[test]
fn the_toy_is_what_it_should_be() {
    let (mut good, mut wrong) = traces(2);
    assert_eq!((good.wrong_output(), wrong.wrong_output()), (Ok(None), Ok(Some(0))));
    assert!(RULES.terms.are_sound());
    assert_eq!(good.tensor(4).unwrap().chunks(), 0);
    let place = Place::element(2, 0, 2);
    assert!(good.list(place).unwrap().unwrap().segment > 2, "a list of lists");
}

#[test]
fn a_wrong_output_over_an_honest_trace_is_asked_for_and_has_no_proof() {
    let (_, wrong) = traces(2);
    let game = Sequence::new(&wrong, &wrong).challenge(A).answer(PROPOSER).legal().ask().legal();
    assert_eq!(game.solve(Side::Proposer), None);
    game.play(STRANGER, Action::ProveOutput { index: 0 })
        .refused(Refused::NotProven)
        .after(70)
        .close(B)
        .legal()
        .expect(REJECTED, Status::Rejected);
}

#[test]
fn a_right_output_is_proven() {
    let (good, _) = traces(2);
    let root = good.clone().root();
    Sequence::new(&good, &good)
        .challenge(A)
        .answer(DEFENDER)
        .play(A, Action::PickOutput { root, index: 2 })
        .refused(Refused::OutOfRange)
        .play(A, Action::PickOutput { root: tree::pad(), index: 1 })
        .refused(Refused::Names)
        .play(A, Action::PickOutput { root, index: 1 })
        .legal()
        .answer(STRANGER)
        .legal()
        .expect(LOST, Status::Pending);
}

#[test]
fn roots_and_lists_of_strangers_do_not_count() {
    let (_, wrong) = traces(2);
    let (_, lie) =
        lies::elements(&wrong).into_iter().find(|(name, _)| name == "node 2 row 1 element 0").unwrap();
    Sequence::new(&lie, &wrong)
        .challenge(A)
        .answer(STRANGER)
        .refused(Refused::NotYours)
        .answer(PROPOSER)
        .ask()
        .answer(STRANGER)
        .legal()
        .ask()
        .play(STRANGER, Action::PostList { place: place(&lie, 2, 1, 0), entries: vec![1, 2] })
        .refused(Refused::NotYours);
}

fn place(toy: &Toy, node: u32, t: u32, e: u32) -> Place {
    toy.program.place(&toy.tokens, node, t, e)
}

#[test]
fn an_answer_counts_for_every_game_and_a_late_one_for_none() {
    let (_, wrong) = traces(2);
    let (_, lie) = lies::elements(&wrong).swap_remove(0);
    // A's proposer is late; the root that B's game then gets in time does not help against A.
    let both = Sequence::new(&lie, &wrong)
        .challenge(A)
        .after(40)
        .challenge(B)
        .after(20)
        .game(0)
        .post_root(PROPOSER)
        .refused(Refused::Late)
        .game(1)
        .answer(PROPOSER)
        .legal();
    let pick = both.solve(Side::Challenger).unwrap();
    both.game(0)
        .play(A, pick)
        .refused(Refused::NotDue)
        .close(STRANGER)
        .legal()
        .expect(REJECTED, Status::Rejected)
        .play(STRANGER, Action::Claim)
        .legal()
        .expect(REJECTED, Status::Rejected)
        .game(1)
        .expect(Some(Outcome::Void), Status::Rejected)
        .play(STRANGER, Action::Claim)
        .legal()
        .expect(Some(Outcome::Claimed), Status::Rejected)
        .challenge(B)
        .refused(Refused::NotOpen);
}

#[test]
fn a_node_without_positions_is_pad_or_a_question_without_an_answer() {
    let (good, wrong) = traces(2);
    let bait = |honest: &Toy| {
        let mut toy = honest.clone();
        toy.garbage.insert(Subtree { tree: Tree::Nodes, height: 0, index: 4 }, keccak256(b"bait"));
        toy
    };
    Sequence::new(&bait(&wrong), &wrong)
        .challenge(A)
        .solved()
        .after(60)
        .close(A)
        .legal()
        .expect(REJECTED, Status::Rejected);
    // Of an honest trace it cannot be asked.
    let game = Sequence::new(&good, &bait(&good)).challenge(A).answer(PROPOSER);
    let asked = game.solve(Side::Challenger).unwrap();
    game.play(A, asked).refused(Refused::OutOfRange);
}

#[test]
fn confirming_and_challenging_share_no_moment() {
    let (good, _) = traces(2);
    let game = Sequence::new(&good, &good).after(98).challenge(A).legal();
    assert_eq!(game.assertion.clone().confirm(game.now), Err(Refused::NotOpen));
    let mut game = game.challenge(B).refused(Refused::Window).solved().after(60).close(PROPOSER);
    game = game.expect(LOST, Status::Pending);
    assert_eq!(game.assertion.confirm(game.now), Ok(()));
    assert_eq!(game.assertion.status, Status::Confirmed);
}
