//! Each rule of the step, at its edge.

use bisection::Hash;
use bisection::ledger::inbox::{L1Request, Transfer};
use bisection::ledger::request::{Delegation, Domain, Sampling, Withdrawal};
use bisection::ledger::{Body, Inference, Invalid, Ledger, NonceUsed, Rules};

use crate::keys::Keys;
use crate::world::{TIME, rules};

const REQUEST: Hash = Hash([0x77; 32]);
const MODEL: Hash = Hash([0x11; 32]);

fn recover(digest: Hash, signature: &[u8; 64]) -> Option<[u8; 20]> {
    Keys::Fake.recover(digest, signature)
}

fn transfer(account: u32, owner: u8, amount: u128) -> Transfer {
    Transfer { time: 5, account, owner: Keys::Fake.address(owner), amount }
}

/// Accounts 0 and 1 of keys 0 and 1, of 1,000 wei each.
fn ledger() -> Ledger {
    let mut ledger = Ledger::genesis(rules());
    for i in 0..2 {
        ledger.apply(&Body::Deposit(transfer(i, i as u8, 1_000)), TIME, &recover).unwrap();
    }
    ledger
}

/// Prices 2 and 5, prompt 10, output 3 of at most 20: limit 120, fee 35.
fn inference(change: impl FnOnce(&mut Inference)) -> Body {
    priced(2, 5, change)
}

fn priced(price_in: u64, price_out: u64, change: impl FnOnce(&mut Inference)) -> Body {
    let mut call = Inference {
        flags: 0,
        model: 0,
        account: 1,
        nonce: 0,
        prompt_length: 10,
        output_length: 3,
        max_tokens: 20,
        max_fee: 120,
        valid_until: TIME,
        signature: Keys::Fake.sign(1, REQUEST),
    };
    change(&mut call);
    Body::Inference { call, request: REQUEST, item: REQUEST, model: MODEL, price_in, price_out }
}

fn delegation(change: impl FnOnce(&mut Delegation)) -> (Body, Delegation) {
    let mut order = Delegation {
        account: 1,
        nonce: 1,
        delegate: Keys::Fake.address(9),
        cap: 155,
        expiry: TIME,
        model: MODEL,
        max_price_in: 2,
        max_price_out: 5,
    };
    change(&mut order);
    let request = order.digest(&rules().domain);
    (Body::Delegation { order, signature: Keys::Fake.sign(1, request), request }, order)
}

fn by_delegate(nonce: u64) -> Body {
    inference(|c| {
        (c.flags, c.nonce, c.signature) = (Inference::DELEGATED, nonce, Keys::Fake.sign(9, REQUEST));
    })
}

#[track_caller]
fn invalid(ledger: &Ledger, body: &Body, why: Invalid) {
    assert_eq!(ledger.check(body, TIME, &recover), Err(why));
}

#[test]
fn deposits() {
    let mut l = ledger();
    l.apply(&Body::Deposit(transfer(1, 1, 5)), TIME, &recover).unwrap();
    assert_eq!(l.accounts().get(1).unwrap().balance, 1_005);
    invalid(&l, &Body::Deposit(transfer(1, 0, 5)), Invalid::Owner);
    invalid(&l, &Body::Deposit(transfer(3, 3, 5)), Invalid::NoAccount(3));
    invalid(&l, &Body::Deposit(transfer(0, 0, u128::MAX)), Invalid::TooMuch);
}

#[test]
fn forced_withdrawals() {
    let mut l = ledger();
    let forced = |amount, paid| Body::Forced { entry: transfer(1, 1, amount), paid };
    l.apply(&forced(400, 400), TIME, &recover).unwrap();
    invalid(&l, &forced(700, 700), Invalid::Paid { due: 600 });
    invalid(&l, &forced(100, 0), Invalid::Paid { due: 100 });
    l.apply(&forced(700, 600), TIME, &recover).unwrap();
    l.apply(&forced(700, 0), TIME, &recover).unwrap();
    assert_eq!((l.accounts().get(1).unwrap().balance, l.state().fees), (0, 3 * rules().entry_fee));
    invalid(&l, &Body::Forced { entry: transfer(2, 2, 0), paid: 0 }, Invalid::NoAccount(2));
    invalid(&l, &Body::Forced { entry: transfer(0, 1, 0), paid: 0 }, Invalid::Owner);
}

#[test]
fn l1_requests() {
    let mut l = ledger();
    let entry = L1Request {
        time: 0,
        sender: [1; 20],
        model: MODEL,
        prompt: MODEL,
        prompt_length: 10,
        max_tokens: 20,
        sampling: Sampling::GREEDY,
        seed: Hash::default(),
        price_in: 2,
        price_out: 5,
        callback_gas: 0,
    };
    let body = |output_length, max_tokens| {
        let entry = L1Request { max_tokens, ..entry };
        let item = if output_length == 0 { Hash::default() } else { MODEL };
        Body::Request { entry, request: REQUEST, item, output_length }
    };
    let before = l.root();
    l.apply(&body(0, 20), TIME, &recover).unwrap();
    assert_eq!(l.root(), before, "dropped");
    for (output, most, fee) in [(3, 20, 35), (20, 20, 120), (5, 0, 20)] {
        let fees = l.state().fees;
        l.apply(&body(output, most), TIME, &recover).unwrap();
        assert_eq!(l.state().fees - fees, rules().entry_fee + fee);
    }
    let rich = Ledger::restore(rules(), l.accounts().clone(), u128::MAX - 3);
    invalid(&rich, &body(3, 20), Invalid::TooMuch);
}

#[test]
fn inferences() {
    let mut l = ledger();
    let other = |c: &mut Inference| c.signature = Keys::Fake.sign(0, REQUEST);
    invalid(&l, &inference(other), Invalid::Signer);
    invalid(&l, &inference(|c| c.account = 0), Invalid::Signer);
    invalid(&l, &inference(|c| c.account = 2), Invalid::NoAccount(2));
    invalid(&l, &inference(|c| c.valid_until = TIME - 1), Invalid::Expired(TIME - 1));
    invalid(&l, &inference(|c| c.max_fee = 119), Invalid::MaxFee { limit: 120 });
    invalid(&l, &inference(|c| (c.max_tokens, c.max_fee) = (197, 2_000)), Invalid::Balance(1_005));
    l.check(&inference(|c| (c.max_tokens, c.max_fee) = (196, 1_000)), TIME, &recover).unwrap();
    invalid(&l, &inference(|c| c.nonce = 1 << 32), Invalid::Nonce(NonceUsed(1 << 32)));
    invalid(
        &l,
        &priced(u64::MAX, u64::MAX, |c| [c.prompt_length, c.max_tokens] = [u32::MAX; 2]),
        Invalid::MaxFee { limit: 2 * u128::from(u64::MAX) * u128::from(u32::MAX) },
    );
    l.apply(&inference(|_| ()), TIME, &recover).unwrap();
    assert_eq!((l.accounts().get(1).unwrap().balance, l.state().fees), (965, 35));
    invalid(&l, &inference(|_| ()), Invalid::Nonce(NonceUsed(0)));
    // Validity does not read the output; what is paid for is no more than was asked for.
    for (output, fee) in [(0, 20), (21, 120), (u32::MAX, 120)] {
        let after =
            l.check(&inference(|c| (c.nonce, c.output_length) = (1, output)), TIME, &recover).unwrap();
        assert_eq!(after.fees, 35 + fee);
    }
    // A vector pays for its prompt.
    let after = l.check(&inference(|c| (c.nonce, c.max_tokens) = (1, 0)), TIME, &recover).unwrap();
    assert_eq!(after.fees, 55);
}

#[test]
fn withdrawals() {
    let mut l = ledger();
    let body = |nonce, amount, valid_until, key| {
        let order = Withdrawal { account: 1, nonce, amount, to: [4; 20], valid_until };
        Body::Withdrawal { order, signature: Keys::Fake.sign(key, REQUEST), request: REQUEST }
    };
    invalid(&l, &body(0, 1_001, TIME, 1), Invalid::Balance(1_001));
    invalid(&l, &body(0, 1, TIME, 0), Invalid::Signer);
    invalid(&l, &body(0, 1, TIME - 1, 1), Invalid::Expired(TIME - 1));
    l.apply(&body(7, 0, TIME, 1), TIME, &recover).unwrap();
    invalid(&l, &inference(|c| c.nonce = 7), Invalid::Nonce(NonceUsed(7)));
    l.apply(&body(6, 1_000, TIME, 1), TIME, &recover).unwrap();
    assert_eq!((l.accounts().get(1).unwrap().balance, l.state().fees), (0, 0));
}

#[test]
fn delegations() {
    let mut l = ledger();
    invalid(&l, &by_delegate(0), Invalid::NotDelegated);
    invalid(&l, &delegation(|d| d.nonce = 0).0, Invalid::OldDelegation(0));
    let (body, order) = delegation(|_| ());
    let Body::Delegation { request, .. } = body else { panic!() };
    invalid(
        &l,
        &Body::Delegation { order, signature: Keys::Fake.sign(9, request), request },
        Invalid::Signer,
    );
    l.apply(&body, TIME, &recover).unwrap();
    invalid(&l, &body, Invalid::OldDelegation(1));
    assert_eq!(l.accounts().delegation(1), Some(&order));
    // The owner's own signature still does, and does not count as spent.
    l.apply(&inference(|_| ()), TIME, &recover).unwrap();
    // The delegate's needs the flag, and the flag the delegate's.
    let unflagged = inference(|c| (c.nonce, c.signature) = (1, Keys::Fake.sign(9, REQUEST)));
    invalid(&l, &unflagged, Invalid::Signer);
    invalid(&l, &inference(|c| (c.nonce, c.flags) = (1, Inference::DELEGATED)), Invalid::Signer);
    l.apply(&by_delegate(1), TIME, &recover).unwrap();
    assert_eq!(l.accounts().get(1).unwrap().spent, 35);
    // 35 and a limit of 120 are the cap of 155; 70 and 120 are more.
    l.apply(&by_delegate(2), TIME, &recover).unwrap();
    invalid(&l, &by_delegate(3), Invalid::BeyondDelegation);
}

#[test]
fn what_a_delegation_reaches() {
    let reaches = |change: fn(&mut Delegation)| {
        let mut l = ledger();
        l.apply(&delegation(change).0, TIME, &recover).unwrap();
        l.check(&by_delegate(0), TIME, &recover)
    };
    assert!(reaches(|_| ()).is_ok());
    assert!(reaches(|d| d.model = Hash::default()).is_ok());
    assert!(reaches(|d| d.cap = 120).is_ok());
    let not: [fn(&mut Delegation); 5] = [
        |d| d.cap = 119,
        |d| d.expiry = TIME - 1,
        |d| d.model = Hash([1; 32]),
        |d| d.max_price_in = 1,
        |d| d.max_price_out = 4,
    ];
    not.iter().for_each(|change| assert_eq!(reaches(*change), Err(Invalid::BeyondDelegation)));
    assert_eq!(reaches(|d| d.delegate = [0; 20]), Err(Invalid::Signer), "revoked");
    // A new one starts at nothing spent.
    let mut l = ledger();
    l.apply(&delegation(|_| ()).0, TIME, &recover).unwrap();
    let undo = l.apply(&by_delegate(0), TIME, &recover).unwrap();
    let spent = l.clone();
    let again = l.apply(&delegation(|d| (d.nonce, d.cap) = (2, 120)).0, TIME, &recover).unwrap();
    assert_eq!(l.accounts().get(1).unwrap().spent, 0);
    assert!(l.check(&by_delegate(1), TIME, &recover).is_ok());
    l.undo(again);
    assert_eq!(l, spent);
    l.undo(undo);
    assert_eq!(l.accounts().get(1).unwrap().spent, 0);
}

#[test]
fn a_delegation_of_another_chain_is_none() {
    let (body, _) = delegation(|_| ());
    let mut l = ledger();
    l.apply(&body, TIME, &recover).unwrap();
    let elsewhere = Rules { domain: Domain::new(1, rules().domain.inbox()), ..rules() };
    let moved = Ledger::restore(elsewhere, l.accounts().clone(), 0);
    invalid(&moved, &by_delegate(0), Invalid::NotDelegated);
}
