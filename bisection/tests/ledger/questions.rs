//! Ledger and Shape: the right answer has a proof, and nothing else has.

use bisection::Hash;
use bisection::ledger::request::Request;
use bisection::ledger::shape::{self, Face};
use bisection::ledger::witness::{self, Unproven};
use bisection::ledger::{Body, Context, DerivedStep, Invalid, Price, Replay, Step, StepLeaf, Why, token};
use proptest::prelude::*;

use crate::keys::Keys;
use crate::world::{World, models, pack};

fn recover(digest: Hash, signature: &[u8; 64]) -> Option<[u8; 20]> {
    Keys::Fake.recover(digest, signature)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_witness_proves_the_right_root_and_no_other(seed: u64, at: prop::sample::Index, bit in 0u8..8) {
        let mut world = World::new(Keys::Fake, seed);
        let first = world.batch(9, 12);
        let time = first.batch.head.time;
        let mut replay = first.replay;
        let steps = replay.derived().steps.clone();
        for (i, DerivedStep { leaf, .. }) in (0..steps.len() as u32).zip(&steps).rev() {
            let made = replay.witness(i, &recover).unwrap();
            let prove = |leaf: &StepLeaf, witness: &[u8]| witness::check(&world.rules, leaf, time, witness, &recover);
            prop_assert_eq!(prove(leaf, &made), Ok(()));
            prop_assert_eq!(Body::decode(&leaf.body.encode()), Some(leaf.body));
            for post in [leaf.pre, Hash([1; 32])].into_iter().filter(|post| *post != leaf.post) {
                prop_assert_eq!(prove(&StepLeaf { post, ..*leaf }, &made), Err(Unproven::Root { due: leaf.post }));
            }
            let elsewhere = prove(&StepLeaf { pre: leaf.post, ..*leaf }, &made);
            prop_assert!(elsewhere.is_err() || leaf.pre == leaf.post);
            let mut bad = made.clone();
            let place = at.index(bad.len());
            bad[place] ^= 1 << bit;
            prop_assert!(prove(leaf, &bad).is_err(), "byte {} of {}", place, bad.len());
            prop_assert_eq!(prove(leaf, &[&made[..], &[0]].concat()).unwrap_err(), Unproven::Length);
            prop_assert!(prove(leaf, &made[..place]).is_err());
        }
        prop_assert_eq!(replay.at(), 0);
    }

    /// The same body before another state, or with another field, has the root that executing it has, or none.
    #[test]
    fn contract_and_ledger_agree_on_any_step(seed: u64, at: prop::sample::Index, byte: prop::sample::Index, bit in 0u8..8, shift in -2i64..3) {
        let mut world = World::new(Keys::Fake, seed);
        let built = world.batch(9, 12);
        let time = built.batch.head.time.saturating_add_signed(500 * shift);
        let mut replay = built.replay;
        let steps = replay.derived().steps.clone();
        let mut bytes = at.get(&steps).leaf.body.encode();
        let place = 1 + byte.index(bytes.len() - 1);
        bytes[place] ^= 1 << bit;
        let body = Body::decode(&bytes).unwrap();
        for i in 0..steps.len() as u32 {
            replay.seek(i, &recover).unwrap();
            let mut ledger = replay.ledger().clone();
            let pre = ledger.root();
            let made = ledger.witness(&body);
            let undo = ledger.apply(&body, time, &recover);
            let Some(made) = made else {
                prop_assert!(undo.is_err(), "what has no witness is invalid");
                continue;
            };
            match (witness::execute(&world.rules, pre, &body, time, &made, &recover), undo) {
                (Ok(post), Ok(undo)) => {
                    prop_assert_eq!(post, ledger.root());
                    ledger.undo(undo);
                    prop_assert_eq!(&ledger, replay.ledger());
                }
                (Err(Unproven::Invalid(a)), Err(b)) => prop_assert_eq!(a, b),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }

    /// What is admitted before it is run is valid after, and nothing else.
    #[test]
    fn admission_is_validity(seed: u64, later in 0u64..2_000) {
        let mut world = World::new(Keys::Fake, seed);
        world.batch(9, 6);
        let ledger = world.ledger.clone();
        let (domain, parent) = (world.rules.domain, world.parent);
        let built = world.batch(0, 12);
        let derived = Context { parent, ..world.context() }.derive(&built.batch).unwrap();
        let time = built.batch.head.time + later;
        for (posted, step) in built.batch.steps.iter().zip(&derived.steps) {
            let (Step::Inference { call, sampling, seed, .. }, Body::Inference { model, price_in, price_out, .. }) =
                (&posted.step, step.leaf.body) else { continue };
            let request = Request {
                account: call.account,
                nonce: call.nonce,
                model,
                prompt: step.header.unwrap().prompt_root,
                prompt_length: call.prompt_length,
                max_tokens: call.max_tokens,
                sampling: *sampling,
                seed: *seed,
                max_fee: call.max_fee,
                valid_until: call.valid_until,
            };
            prop_assert_eq!(request.digest(&domain), step.leaf.body.request().unwrap());
            let price = Price { from: 0, price_in, price_out };
            let admitted = ledger.admits(&request, &price, call.delegated(), call.signature, time, &recover);
            let valid = ledger.check(&step.leaf.body, time, &recover);
            prop_assert_eq!(admitted.err(), valid.err());
        }
    }

    /// An item that is invalid has no proof, even of a root that says that nothing changed.
    #[test]
    fn an_invalid_item_has_no_proof(seed: u64, at: prop::sample::Index) {
        let mut world = World::new(Keys::Fake, seed);
        world.batch(6, 2);
        let (ledger, parent) = (world.ledger.clone(), world.parent);
        let mut built = world.batch(0, 10);
        // Signed again as another account's: the signature is then another's.
        let k = at.index(built.batch.steps.len());
        match &mut built.batch.steps[k].step {
            Step::Inference { call, .. } => call.signature[40] ^= 1,
            Step::Withdrawal { signature, .. } | Step::Delegation { signature, .. } => signature[40] ^= 1,
            _ => unreachable!(),
        }
        let pre = if k == 0 { parent.root } else { built.batch.steps[k - 1].root };
        built.batch.steps[k].root = pre;
        let context = Context { parent, ..world.context() };
        let derived = context.derive(&context.decode(&built.batch.encode()).unwrap()).unwrap();
        let leaf = derived.steps[k].leaf;
        let mut replay = Replay::new(ledger, derived).unwrap();
        let wrong = replay.run(&recover).unwrap_err();
        prop_assert_eq!((wrong.step, wrong.why), (k as u32, Why::Invalid(Invalid::Signer)));
        let made = replay.witness(k as u32, &recover).unwrap();
        let time = built.batch.head.time;
        prop_assert_eq!(
            witness::check(&world.rules, &leaf, time, &made, &recover),
            Err(Unproven::Invalid(Invalid::Signer))
        );
    }

    #[test]
    fn a_token_in_its_place_has_a_proof_and_no_other(seed: u64, spoil: prop::sample::Index, stops: bool) {
        let mut world = World::new(Keys::Fake, seed);
        let mut built = world.batch(8, 12);
        if stops {
            // A stop token here and there.
            for posted in &mut built.batch.steps {
                let Step::Inference { call, output, .. } = &mut posted.step else { continue };
                let model = &world.models[usize::from(call.model)];
                let face = model.proof.face().unwrap();
                if let Some(stop) = face.stops.last() {
                    let bits = model.model.token_bits;
                    let mut tokens: Vec<u32> = (0..call.output_length).map(|i| token(output, bits, i).unwrap()).collect();
                    *tokens.last_mut().unwrap() = *stop;
                    *output = pack(&tokens, bits);
                }
            }
        }
        let context = Context { parent: Default::default(), ..world.context() };
        let derived = context.derive(&built.batch).unwrap();
        for (step, posted) in derived.steps.iter().zip(&built.batch.steps) {
            let id = step.header.map(|header| header.model);
            let model = world.models.iter().find(|m| Some(m.id) == id).unwrap_or(&world.models[0]);
            let face = model.proof.face().unwrap();
            let length = step.header.map_or(0, |header| header.output_length);
            let mut first = None;
            for index in 0..length + 2 {
                let made = shape::make(step, &posted.step, &model.proof, index).unwrap();
                let proven = shape::check(&step.leaf.body, index, &made);
                prop_assert_eq!(proven.is_ok(), in_place(step, &posted.step, &face, index), "{:?}", proven);
                if proven.is_err() {
                    first = first.or(Some(index));
                }
                let mut bad = made.clone();
                if !bad.is_empty() {
                    let place = spoil.index(bad.len());
                    bad[place] ^= 1;
                    prop_assert!(shape::check(&step.leaf.body, index, &bad).is_err(), "byte {place}");
                    prop_assert!(shape::check(&step.leaf.body, index, &made[..place]).is_err());
                }
                bad = [&made[..], &[0]].concat();
                prop_assert!(shape::check(&step.leaf.body, index, &bad).is_err());
            }
            prop_assert_eq!(shape::wrong(step, &posted.step, &face), first);
        }
    }
}

/// By the definition: nothing to ask, or the token is what its place says.
fn in_place(step: &DerivedStep, posted: &Step, face: &Face, index: u32) -> bool {
    let Some(header) = step.header else { return true };
    if header.vector || index >= header.output_length {
        return true;
    }
    let max_tokens = match posted {
        Step::Request { entry, .. } => entry.max_tokens,
        Step::Inference { call, .. } => call.max_tokens,
        _ => unreachable!(),
    };
    let token = token(posted.output().unwrap(), header.token_bits, index).unwrap();
    let stop = face.stops.contains(&token);
    let longest = max_tokens.min(face.context - header.prompt_length);
    token < face.vocabulary
        && if index < header.output_length - 1 { !stop } else { stop || header.output_length == longest }
}

#[test]
fn an_interface_says_where_outputs_end() {
    let model = models().into_iter().find(|m| m.model.token_bits == 10).unwrap();
    assert_eq!(model.proof.face(), Some(Face { vocabulary: 1_000, context: 64, stops: vec![0, 999] }));
    assert_eq!(model.proof.id(), model.id);
}
