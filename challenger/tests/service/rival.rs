//! Somebody who disputes what is right, or plays badly against what is wrong.

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::SolCall;
use bindings::dispute_game::DisputeGame;
use bindings::l1::{SendError, Sender};
use bindings::step_game::StepGame;
use bisection::game::clock::{Span, Spans};
use bisection::game::facts::Facts;
use bisection::solver::Side;
use bisection::trace::TraceProvider;
use challenger::calls::{self, Table};
use challenger::player::plan;
use challenger::view;
use executor::kernels::Sampling;
use executor::native::Native;
use executor::trace::{Corrupted, Held, Lie, Source, Subject, Trace, another};

use crate::proposer::question;
use crate::world::{RIVAL, World};

/// A rival with its own account.
pub(crate) struct Rival<'a> {
    world: &'a World,
    sender: Sender,
}

/// The right item of a nonce, whatever was posted.
pub(crate) fn subject(world: &World, nonce: u64) -> Subject {
    let (prompt, output) = question(world, nonce);
    Subject::new(&world.model, Sampling::GREEDY, prompt, output)
}

impl<'a> Rival<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        Self::of(world, RIVAL)
    }

    /// With another account than usual.
    pub(crate) fn of(world: &'a World, account: usize) -> Self {
        Self { world, sender: world.sender(account) }
    }

    /// Its address.
    pub(crate) fn account(&self) -> Address {
        self.sender.account()
    }

    /// Opens a game about the first item of an assertion, whose header is that of `subject`.
    pub(crate) async fn open(&self, assertion: B256, subject: &Subject, counter: u64) -> B256 {
        let at = self.world.deployment.contracts.dispute_game;
        let header = calls::item(subject.item());
        let latest = BlockId::latest();
        let bond = DisputeGame::bondOfCall { item: header.clone() };
        let bond = self.world.node.call(at, &bond, latest).await.unwrap();
        let call = DisputeGame::challengeCall { assertion, item: 0, counter, header, path: Vec::new() };
        self.sender.send(at, call.abi_encode().into(), bond).await.unwrap();
        let challenger = self.sender.account();
        let id = DisputeGame::gameIdCall { assertion, item: 0, challenger, counter };
        self.world.node.call(at, &id, latest).await.unwrap()
    }

    /// Asks about a step. Gives the question's key.
    pub(crate) async fn ask(&self, assertion: B256, kind: u8, step: u32, index: u32) -> B256 {
        let (at, latest) = (self.world.deployment.contracts.step_game, BlockId::latest());
        let bond = self.world.node.call(at, &StepGame::bondCall {}, latest).await.unwrap();
        let call = StepGame::challengeCall { assertion, kind, step, index };
        self.sender.send(at, call.abi_encode().into(), bond).await.unwrap();
        let key = StepGame::keyOfCall { assertion, kind, step, index };
        self.world.node.call(at, &key, latest).await.unwrap()
    }

    /// Is a question over.
    pub(crate) async fn is_answered(&self, key: B256) -> bool {
        let at = self.world.deployment.contracts.step_game;
        self.world.node.call(at, &StepGame::questionOfCall { key }, BlockId::latest()).await.unwrap().over
    }

    /// Plays a game by a trace that is wrong in a node of the middle, as far as that has a move. Is it over.
    pub(crate) async fn play(&self, assertion: B256, id: B256, subject: impl Fn() -> Subject) -> bool {
        let at = self.world.deployment.contracts.dispute_game;
        let node = &self.world.node;
        let block = node.head().await.unwrap();
        let stored = node.call(at, &DisputeGame::gameOfCall { id }, block.hash.into()).await.unwrap();
        if stored.cursor.phase == view::phase::OVER {
            return true;
        }
        let mut facts = Facts::default();
        for number in self.world.deployment.block..=block.number {
            let found = node.block(number.into()).await.unwrap().unwrap();
            let logs = node.logs(found.hash, &[at]).await.unwrap();
            logs.iter().for_each(|log| view::learn(&mut facts, assertion, &log.inner, found.time));
        }
        let planned = {
            let model = subject().model().clone();
            let held = Held::new(subject(), &mut Native::new(&model, 1, None).unwrap()).unwrap();
            let middle = (held.subject().tensors().len() / 2) as u32;
            let tensor = held.subject().tensors()[middle as usize];
            let value = Trace::new(&held).value(middle, tensor.first, 0).unwrap();
            let value = another(tensor.shape.element, value, 1);
            let lie = Lie { node: middle, position: tensor.first, element: 0, value };
            let mut own = Trace::new(Corrupted::element(&held, lie).unwrap());
            let game = view::game(&stored, false, |node| own.tensor(node).ok()).unwrap();
            let table = Table { assertion, item: 0, game: id, credit: B256::ZERO };
            plan(table, &game, &facts, &self.spans(), Side::Challenger, &mut own, block.time).unwrap()
        };
        if let Some(planned) = planned {
            self.attempt(planned.data).await;
        }
        false
    }

    fn spans(&self) -> Spans {
        let g = &self.world.deployment.parameters.games;
        Spans {
            window: Span(g.window.into()),
            budget: Span(g.proposer_budget.into()),
            trace: Span(g.trace_minimum.into()),
            turn: Span(g.move_minimum.into()),
        }
    }

    async fn attempt(&self, data: Bytes) {
        let at = self.world.deployment.contracts.dispute_game;
        match self.sender.send(at, data, U256::ZERO).await {
            Ok(_) | Err(SendError::WouldRevert { .. } | SendError::Reverted { .. }) => {}
            Err(e) => panic!("{e}"),
        }
    }
}
