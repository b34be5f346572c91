//! What account holders sign, and what items are: `bisection::ledger` beside alloy's EIP-712 and the executor's headers.

use alloy::primitives::{Address, B256};
use alloy::sol_types::{Eip712Domain, SolStruct};
use bisection::ledger::shape::{Face, ModelProof};
use bisection::ledger::{ItemHeader, request, token};
use bisection::{Hash, keccak256, tree};
use executor::kernels;
use executor::program::{Interface, NodeId, Output};
use executor::trace::{Item, ModelHeader, pack_tokens, token_bits};

mod signed {
    alloy::sol! {
        struct Request { uint32 account; uint64 nonce; bytes32 model; bytes32 prompt; uint32 promptLength; uint32 maxTokens;
            uint32 temperature; uint32 topK; uint32 topP; uint32 minP; bytes32 seed; uint128 maxFee; uint64 validUntil; }
        struct Withdrawal { uint32 account; uint64 nonce; uint128 amount; address to; uint64 validUntil; }
        struct Delegation { uint32 account; uint64 nonce; address delegate; uint128 cap; uint64 expiry; bytes32 model;
            uint64 maxPriceIn; uint64 maxPriceOut; }
        struct Receipt { address proposer; uint32 epoch; uint64 number; bytes32 request; bytes32 output; uint64 deadline;
            address payee; }
    }
}

/// Numbers from a seed that use all of their bytes.
struct Source(Hash);

impl Source {
    fn hash(&mut self) -> Hash {
        self.0 = keccak256(&self.0.0);
        self.0
    }

    fn u128(&mut self) -> u128 {
        u128::from_be_bytes(self.hash().0[..16].try_into().unwrap())
    }

    fn address(&mut self) -> [u8; 20] {
        self.hash().0[..20].try_into().unwrap()
    }
}

#[test]
fn digests_are_those_of_eip_712() {
    let x = &mut Source(Hash([1; 32]));
    for _ in 0..50 {
        let (chain, inbox) = (x.u128() as u64, x.address());
        let domain = request::Domain::new(chain, inbox);
        let theirs = Eip712Domain::new(
            Some("Refute".into()),
            Some("1".into()),
            Some(alloy::primitives::U256::from(chain)),
            Some(Address::from(inbox)),
            None,
        );
        assert_eq!(theirs.separator().0, domain.separator().0);

        let a = request::Request {
            account: x.u128() as u32,
            nonce: x.u128() as u64,
            model: x.hash(),
            prompt: x.hash(),
            prompt_length: x.u128() as u32,
            max_tokens: x.u128() as u32,
            sampling: request::Sampling {
                temperature: x.u128() as u32,
                top_k: x.u128() as u32,
                top_p: x.u128() as u32,
                min_p: x.u128() as u32,
            },
            seed: x.hash(),
            max_fee: x.u128(),
            valid_until: x.u128() as u64,
        };
        let b = signed::Request {
            account: a.account,
            nonce: a.nonce,
            model: B256::from(a.model.0),
            prompt: B256::from(a.prompt.0),
            promptLength: a.prompt_length,
            maxTokens: a.max_tokens,
            temperature: a.sampling.temperature,
            topK: a.sampling.top_k,
            topP: a.sampling.top_p,
            minP: a.sampling.min_p,
            seed: B256::from(a.seed.0),
            maxFee: a.max_fee,
            validUntil: a.valid_until,
        };
        assert_eq!(b.eip712_signing_hash(&theirs).0, a.digest(&domain).0);

        let a = request::Withdrawal {
            account: x.u128() as u32,
            nonce: x.u128() as u64,
            amount: x.u128(),
            to: x.address(),
            valid_until: x.u128() as u64,
        };
        let b = signed::Withdrawal {
            account: a.account,
            nonce: a.nonce,
            amount: a.amount,
            to: Address::from(a.to),
            validUntil: a.valid_until,
        };
        assert_eq!(b.eip712_signing_hash(&theirs).0, a.digest(&domain).0);

        let a = request::Delegation {
            account: x.u128() as u32,
            nonce: x.u128() as u64,
            delegate: x.address(),
            cap: x.u128(),
            expiry: x.u128() as u64,
            model: x.hash(),
            max_price_in: x.u128() as u64,
            max_price_out: x.u128() as u64,
        };
        let b = signed::Delegation {
            account: a.account,
            nonce: a.nonce,
            delegate: Address::from(a.delegate),
            cap: a.cap,
            expiry: a.expiry,
            model: B256::from(a.model.0),
            maxPriceIn: a.max_price_in,
            maxPriceOut: a.max_price_out,
        };
        assert_eq!(b.eip712_signing_hash(&theirs).0, a.digest(&domain).0);

        let a = request::Receipt {
            proposer: x.address(),
            epoch: x.u128() as u32,
            number: x.u128() as u64,
            request: x.hash(),
            output: x.hash(),
            deadline: x.u128() as u64,
            payee: x.address(),
        };
        let b = signed::Receipt {
            proposer: Address::from(a.proposer),
            epoch: a.epoch,
            number: a.number,
            request: B256::from(a.request.0),
            output: B256::from(a.output.0),
            deadline: a.deadline,
            payee: Address::from(a.payee),
        };
        assert_eq!(b.eip712_signing_hash(&theirs).0, a.digest(&domain).0);
    }
}

#[test]
fn types_are_the_ones_that_are_hashed() {
    assert_eq!(signed::Request::eip712_root_type(), request::REQUEST_TYPE);
    assert_eq!(signed::Withdrawal::eip712_root_type(), request::WITHDRAWAL_TYPE);
    assert_eq!(signed::Delegation::eip712_root_type(), request::DELEGATION_TYPE);
    assert_eq!(signed::Receipt::eip712_root_type(), request::RECEIPT_TYPE);
}

#[test]
fn items_and_models_are_those_of_the_machine() {
    let face = Interface {
        vocabulary: 49_152,
        context: 2_048,
        stop_tokens: vec![2, 700],
        tokenizer: Hash([3; 32]),
        chat_template: Hash([4; 32]),
        output: Output::Tokens { greedy: NodeId(7), sampled: NodeId(9) },
    };
    let sampling =
        kernels::Sampling { temperature: 65_536, top_k: 5, top_p: 60_000, min_p: 7, seed: [8; 32] };
    let (prompt, output) = ([1, 2, 49_151], [700, 5]);
    let items = [
        Item::tokens(Hash([6; 32]), &face, &prompt, &output, sampling),
        Item::vector(Hash([6; 32]), &face, &prompt, &[1, -1, 9]),
    ];
    for item in items {
        let s = &item.sampling;
        let ours = ItemHeader {
            model: item.model_id,
            vector: item.vector,
            token_bits: item.token_bits,
            prompt_length: item.prompt_length,
            output_length: item.output_length,
            sampling: request::Sampling {
                temperature: s.temperature,
                top_k: s.top_k,
                top_p: s.top_p,
                min_p: s.min_p,
            },
            seed: Hash(s.seed),
            prompt_root: item.prompt_root,
            output_root: item.output_root,
        };
        assert_eq!((ours.encode(), ours.hash()), (item.encode(), item.hash()));
    }
    let bits = token_bits(face.vocabulary);
    let packed = pack_tokens(&prompt, bits);
    assert_eq!([0, 1, 2].map(|i| token(&packed, bits, i)), prompt.map(Some));

    let mut interface = Vec::new();
    face.encode(&mut interface);
    let header = ModelHeader {
        nodes: 5,
        constants: 2,
        nodes_root: tree::pad(),
        constants_root: Hash([1; 32]),
        interface_hash: bisection::tagged(b"rf.iface", &[&interface]),
    };
    let proof = ModelProof {
        nodes: 5,
        constants: 2,
        nodes_root: tree::pad(),
        constants_root: Hash([1; 32]),
        interface,
    };
    assert_eq!(proof.id(), header.id());
    assert_eq!(proof.face(), Some(Face { vocabulary: 49_152, context: 2_048, stops: vec![2, 700] }));
}
