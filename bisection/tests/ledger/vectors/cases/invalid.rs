//! Steps of one ledger, right and wrong, with the witness of the state before.

use bisection::ledger::inbox::Transfer;
use bisection::ledger::request::{Delegation, Withdrawal};
use bisection::ledger::shape::Unproven;
use bisection::ledger::{Body, Inference, Ledger, StepLeaf, witness};
use bisection::{Hash, keccak256};
use serde_json::{Value, json};

use super::{hex, recover};
use crate::keys::Keys;
use crate::vectors::name;
use crate::world::{TIME, World};

/// Right steps of one batch, each made wrong in one way, with the witness of the state before.
pub(super) fn invalid() -> Value {
    let mut out = Vec::new();
    let mut world = World::new(Keys::Real, 9);
    world.batch(6, 0);
    let ledger = world.ledger.clone();
    let domain = world.rules.domain;
    let (owner_of, count) = (|i: u32| ledger.accounts().get(i).unwrap(), ledger.accounts().len());
    let rich = (0..count).max_by_key(|i| owner_of(*i).balance).unwrap();
    let key = (0..200).find(|k| Keys::Real.address(*k) == owner_of(rich).owner).unwrap();
    let delegate = 150;
    let order = Delegation {
        account: rich,
        nonce: 4,
        delegate: Keys::Real.address(delegate),
        cap: 1_000,
        expiry: TIME + 10,
        model: world.models[0].id,
        max_price_in: 3,
        max_price_out: 30,
    };
    let sign = |key: u8, digest: Hash| Keys::Real.sign(key, digest);
    let delegation = |order: Delegation, key: u8| {
        let request = order.digest(&domain);
        Body::Delegation { order, signature: sign(key, request), request }
    };
    let mut delegated = ledger.clone();
    delegated.apply(&delegation(order, key), TIME, &recover).unwrap();
    let transfer =
        |account: u32, owner: [u8; 20], amount: u128| Transfer { time: TIME, account, owner, amount };
    let owner = owner_of(rich).owner;
    let withdrawal = |nonce: u64, amount: u128, valid_until: u64, key: u8| {
        let order = Withdrawal { account: rich, nonce, amount, to: [7; 20], valid_until };
        let request = order.digest(&domain);
        Body::Withdrawal { order, signature: sign(key, request), request }
    };
    let inference = |change: &dyn Fn(&mut Inference, &mut u64), key: u8, flags: u8| {
        let mut call = Inference {
            flags,
            model: 0,
            account: rich,
            nonce: 0,
            prompt_length: 10,
            output_length: 4,
            max_tokens: 20,
            max_fee: 1_000,
            valid_until: TIME,
            signature: [0; 64],
        };
        let mut price_in = 1;
        change(&mut call, &mut price_in);
        let request = keccak256(b"a request");
        call.signature = sign(key, request);
        Body::Inference {
            call,
            request,
            item: keccak256(b"item"),
            model: world.models[0].id,
            price_in,
            price_out: 10,
        }
    };
    let mut add = |what: &str, ledger: &Ledger, body: Body, post: Option<Hash>| {
        let pre = ledger.root();
        let witness = ledger.witness(&body).unwrap();
        let due = witness::execute(&world.rules, pre, &body, TIME, &witness, &recover);
        let post = post.or(due.ok()).unwrap_or(pre);
        let leaf = StepLeaf { pre, post, body };
        let proven = witness::check(&world.rules, &leaf, TIME, &witness, &recover);
        let error = match proven {
            Ok(()) => Value::Null,
            Err(Unproven::Invalid(why)) => json!(name(&why)),
            Err(why) => json!(name(&why)),
        };
        out.push(json!({
            "name": what, "time": TIME, "pre": hex(pre.0), "post": hex(post.0), "body": hex(body.encode()),
            "witness": hex(witness), "error": error,
        }));
    };
    let wrong = Some(Hash([0xee; 32]));
    add("deposit to an account", &ledger, Body::Deposit(transfer(rich, owner, 5)), None);
    add("deposit that opens an account", &ledger, Body::Deposit(transfer(count, [9; 20], 5)), None);
    add("deposit to another's account", &ledger, Body::Deposit(transfer(rich, [9; 20], 5)), None);
    add("deposit of more than there is", &ledger, Body::Deposit(transfer(rich, owner, u128::MAX)), None);
    add("deposit with a wrong root", &ledger, Body::Deposit(transfer(rich, owner, 5)), wrong);
    let forced = |amount: u128, paid: u128| Body::Forced { entry: transfer(rich, owner, amount), paid };
    add("forced withdrawal of a part", &ledger, forced(7, 7), None);
    add("forced withdrawal of all", &ledger, forced(u128::MAX, owner_of(rich).balance), None);
    add("forced withdrawal that pays less", &ledger, forced(7, 6), None);
    add("withdrawal", &ledger, withdrawal(0, 5, TIME, key), None);
    add("withdrawal of nothing", &ledger, withdrawal(1 << 31, 0, TIME, key), None);
    add("withdrawal too far ahead", &ledger, withdrawal(1 << 32, 0, TIME, key), None);
    add("withdrawal too late", &ledger, withdrawal(0, 5, TIME - 1, key), None);
    add(
        "withdrawal of more than the balance",
        &ledger,
        withdrawal(0, owner_of(rich).balance + 1, TIME, key),
        None,
    );
    add("withdrawal by a stranger", &ledger, withdrawal(0, 5, TIME, delegate), None);
    for (what, high) in [("the highest s", false), ("a high s", true)] {
        let order = Withdrawal { account: count, nonce: 0, amount: 5, to: [7; 20], valid_until: TIME };
        let request = order.digest(&domain);
        let (signature, owner) = at_the_middle(request, high);
        let mut other = ledger.clone();
        other.apply(&Body::Deposit(transfer(count, owner, 9)), TIME, &recover).unwrap();
        add(&format!("withdrawal with {what}"), &other, Body::Withdrawal { order, signature, request }, None);
    }
    add("delegation", &ledger, delegation(order, key), None);
    add("delegation by a stranger", &ledger, delegation(order, delegate), None);
    add("delegation with an old nonce", &delegated, delegation(order, key), None);
    add("delegation with nonce 0", &ledger, delegation(Delegation { nonce: 0, ..order }, key), None);
    let same: &dyn Fn(&mut Inference, &mut u64) = &|_, _| ();
    add("inference", &ledger, inference(same, key, 0), None);
    add("inference that says nothing changed", &ledger, inference(same, key, 0), Some(ledger.root()));
    add("inference by a stranger", &ledger, inference(same, delegate, 0), None);
    add("inference too late", &ledger, inference(&|c, _| c.valid_until = TIME - 1, key, 0), None);
    add("inference above its fee", &ledger, inference(&|c, _| c.max_fee = 209, key, 0), None);
    add("inference at its fee", &ledger, inference(&|c, _| c.max_fee = 210, key, 0), None);
    add(
        "inference above the balance",
        &ledger,
        inference(&|c, p| (c.prompt_length, c.max_fee, *p) = (u32::MAX, u128::MAX, u64::MAX), key, 0),
        None,
    );
    add("inference of a vector", &ledger, inference(&|c, _| c.max_tokens = 0, key, 0), None);
    let flag = Inference::DELEGATED;
    add("inference by the delegate", &delegated, inference(same, delegate, flag), None);
    add("inference by the owner as the delegate", &delegated, inference(same, key, flag), None);
    add("inference by the owner beside a delegate", &delegated, inference(same, key, 0), None);
    add(
        "inference beyond the delegation's price",
        &delegated,
        inference(&|_, p| *p = 4, delegate, flag),
        None,
    );
    add(
        "inference beyond the delegation's cap",
        &delegated,
        inference(&|c, _| (c.max_tokens, c.max_fee) = (100, 5_000), delegate, flag),
        None,
    );
    for (what, change) in [
        ("an expired delegation", Delegation { expiry: TIME - 1, ..order }),
        ("a delegation for another model", Delegation { model: Hash([1; 32]), ..order }),
        ("a delegation for any model", Delegation { model: Hash::default(), ..order }),
        ("a revoked delegation", Delegation { delegate: [0; 20], ..order }),
    ] {
        let mut other = ledger.clone();
        other.apply(&delegation(change, key), TIME, &recover).unwrap();
        add(&format!("inference under {what}"), &other, inference(same, delegate, flag), None);
        let mut nobody = inference(same, delegate, flag);
        if let Body::Inference { call, .. } = &mut nobody {
            call.signature = [0; 64];
            call.signature[63] = 1;
        }
        if change.delegate == [0; 20] {
            add(&format!("inference under {what}, signed by nobody"), &other, nobody, None);
        }
    }
    Value::Array(out)
}

/// A signature of a digest whose s is half of the curve's order, or one more and just as good for `ecrecover`; whose it is.
fn at_the_middle(digest: Hash, high: bool) -> ([u8; 64], [u8; 20]) {
    let half = "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0".parse::<Hash>().unwrap();
    let mut low = Keys::Real.sign(3, digest);
    low[32..].copy_from_slice(&half.0);
    let owner = Keys::Real.recover(digest, &low).unwrap();
    let mut other = low;
    other[32] |= 0x80;
    other[63] += 1;
    (if high { other } else { low }, owner)
}
