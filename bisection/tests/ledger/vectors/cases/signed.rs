//! One struct of each type, with low and with high numbers.

use bisection::ledger::request::{Delegation, Receipt, Request, Sampling, Withdrawal};
use bisection::{Hash, keccak256};
use serde_json::{Value, json};

use super::{big, hex};
use crate::keys::Keys;
use crate::world::rules;

pub(super) fn signed() -> Value {
    let domain = rules().domain;
    let with = |mut fields: Value, struct_hash: Hash, digest: Hash| {
        fields["structHash"] = hex(struct_hash.0);
        fields["digest"] = hex(digest.0);
        fields["signer"] = hex(Keys::Real.address(7));
        fields["signature"] = hex(Keys::Real.sign(7, digest));
        fields
    };
    let mut out = Vec::new();
    for high in [false, true] {
        let n = |low: u128| if high { u128::MAX - low } else { low };
        let sampling = Sampling {
            temperature: n(656) as u32,
            top_k: n(40) as u32,
            top_p: n(65_000) as u32,
            min_p: n(3) as u32,
        };
        let r = Request {
            account: n(1) as u32,
            nonce: n(2) as u64,
            model: keccak256(b"model"),
            prompt: keccak256(b"prompt"),
            prompt_length: n(3) as u32,
            max_tokens: n(4) as u32,
            sampling,
            seed: keccak256(b"seed"),
            max_fee: n(5),
            valid_until: n(6) as u64,
        };
        let fields = json!({
            "type": "Request", "account": r.account, "nonce": big(r.nonce), "model": hex(r.model.0), "prompt": hex(r.prompt.0),
            "promptLength": r.prompt_length, "maxTokens": r.max_tokens, "temperature": sampling.temperature,
            "topK": sampling.top_k, "topP": sampling.top_p, "minP": sampling.min_p, "seed": hex(r.seed.0),
            "maxFee": big(r.max_fee), "validUntil": big(r.valid_until),
        });
        out.push(with(fields, r.struct_hash(), r.digest(&domain)));
        let w = Withdrawal {
            account: n(1) as u32,
            nonce: n(2) as u64,
            amount: n(3),
            to: [n(4) as u8; 20],
            valid_until: n(5) as u64,
        };
        let fields = json!({
            "type": "Withdrawal", "account": w.account, "nonce": big(w.nonce), "amount": big(w.amount), "to": hex(w.to),
            "validUntil": big(w.valid_until),
        });
        out.push(with(fields, w.struct_hash(), w.digest(&domain)));
        let d = Delegation {
            account: n(1) as u32,
            nonce: n(2) as u64,
            delegate: [n(3) as u8; 20],
            cap: n(4),
            expiry: n(5) as u64,
            model: keccak256(b"model"),
            max_price_in: n(6) as u64,
            max_price_out: n(7) as u64,
        };
        let fields = json!({
            "type": "Delegation", "account": d.account, "nonce": big(d.nonce), "delegate": hex(d.delegate), "cap": big(d.cap),
            "expiry": big(d.expiry), "model": hex(d.model.0), "maxPriceIn": big(d.max_price_in),
            "maxPriceOut": big(d.max_price_out),
        });
        out.push(with(fields, d.struct_hash(), d.digest(&domain)));
        let r = Receipt {
            proposer: [n(1) as u8; 20],
            epoch: n(2) as u32,
            number: n(3) as u64,
            request: keccak256(b"request"),
            output: keccak256(b"output"),
            deadline: n(4) as u64,
            payee: [n(5) as u8; 20],
        };
        let fields = json!({
            "type": "Receipt", "proposer": hex(r.proposer), "epoch": r.epoch, "number": big(r.number),
            "request": hex(r.request.0), "output": hex(r.output.0), "deadline": big(r.deadline), "payee": hex(r.payee),
        });
        out.push(with(fields, r.struct_hash(), r.digest(&domain)));
    }
    Value::Array(out)
}
