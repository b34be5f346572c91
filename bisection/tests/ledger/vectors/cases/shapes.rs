//! Tokens in their place and not.

use bisection::ledger::inbox::L1Request;
use bisection::ledger::request::{Request, Sampling, Withdrawal};
use bisection::ledger::{Batch, Posted, Step, shape};
use bisection::{Hash, keccak256, tree};
use serde_json::{Value, json};

use super::hex;
use crate::keys::Keys;
use crate::vectors::name;
use crate::world::{TIME, World, pack};

pub(super) fn shapes() -> Value {
    let mut out = Vec::new();
    let mut world = World::new(Keys::Real, 21);
    let domain = world.rules.domain;
    world.batch(3, 0);
    let letters = world.models.iter().position(|m| m.model.token_bits == 10).unwrap();
    let words = world.models.iter().position(|m| m.model.token_bits == 17).unwrap();
    let vector = world.models.iter().position(|m| m.model.vector).unwrap();
    let posted = |model: usize, prompt_length: u32, max_tokens: u32, output: &[u32]| {
        let m = &world.models[model];
        let prompt = pack(&vec![1; prompt_length as usize], m.model.token_bits);
        let request = Request {
            account: 0,
            nonce: 0,
            model: m.id,
            prompt: tree::tensor_root(&prompt),
            prompt_length,
            max_tokens,
            sampling: Sampling::GREEDY,
            seed: Hash::default(),
            max_fee: 1,
            valid_until: TIME,
        };
        let signature = Keys::Real.sign(0, request.digest(&domain));
        let bits = if m.model.vector { 32 } else { m.model.token_bits };
        let packed = pack(output, bits);
        Step::inference(&request, model as u8, false, signature, prompt, output.len() as u32, packed)
    };
    let mut add = |what: &str, step: Step, model: usize, index: u32| {
        let mut batch = Batch::default();
        batch.head.time = TIME;
        batch.head.table = world.table(TIME);
        batch.steps = vec![Posted { root: Hash::default(), step }];
        let step = world.context().derive(&batch).unwrap().steps[0];
        let witness = shape::make(&step, &batch.steps[0].step, &world.models[model].proof, index).unwrap();
        let error = shape::check(&step.leaf.body, index, &witness).err().map(|why| name(&why));
        out.push(json!({
            "name": what, "body": hex(step.leaf.body.encode()), "index": index, "witness": hex(witness), "error": error,
        }));
    };
    let tokens =
        |count: u32, last: u32| (0..count - 1).map(|i| 100 + i % 700).chain([last]).collect::<Vec<u32>>();
    let order = Withdrawal { account: 0, nonce: 0, amount: 0, to: [1; 20], valid_until: TIME };
    add("a withdrawal", Step::Withdrawal { order, signature: [1; 64] }, letters, 0);
    add("a vector", posted(vector, 3, 0, &[1, 2, 3]), vector, 1);
    add("beyond the output", posted(letters, 3, 9, &tokens(9, 5)), letters, 9);
    add("in the middle", posted(letters, 3, 9, &tokens(9, 5)), letters, 4);
    add("a stop in the middle", posted(letters, 3, 9, &[5, 999, 6, 7, 8]), letters, 1);
    add("the last of the longest", posted(letters, 3, 9, &tokens(9, 5)), letters, 8);
    add("the last of the context", posted(letters, 60, 9, &tokens(4, 5)), letters, 3);
    add("a stop at the end", posted(letters, 3, 9, &tokens(5, 0)), letters, 4);
    add("an end too early", posted(letters, 3, 9, &tokens(5, 5)), letters, 4);
    add("no such token", posted(letters, 3, 9, &[5, 1_000, 6]), letters, 1);
    add("no such token at the end", posted(letters, 3, 3, &[5, 6, 1_023]), letters, 2);
    let long = posted(words, 3, 600, &tokens(600, 40_000));
    add("in the first of three chunks", long.clone(), words, 239);
    add("in the first two of three chunks", long.clone(), words, 240);
    add("in the last two of three chunks", long.clone(), words, 481);
    add("in the last of three chunks", long, words, 599);
    let l1 = |output: &[u32]| {
        let m = &world.models[letters];
        let entry = L1Request {
            time: 5,
            sender: [1; 20],
            model: m.id,
            prompt: keccak256(b"prompt"),
            prompt_length: 60,
            max_tokens: 9,
            sampling: Sampling::GREEDY,
            seed: Hash::default(),
            price_in: 1,
            price_out: 1,
            callback_gas: 0,
        };
        let output_length = output.len() as u32;
        Step::Request { entry, model: letters as u8, output_length, output: pack(output, m.model.token_bits) }
    };
    add("an L1 request, in the middle", l1(&tokens(4, 5)), letters, 1);
    add("an L1 request, the last of the context", l1(&tokens(4, 5)), letters, 3);
    add("an L1 request, an end too early", l1(&tokens(3, 5)), letters, 2);
    add("an L1 request that was dropped", l1(&[]), letters, 0);
    Value::Array(out)
}
