//! What the registry on L1 says of models and prices. docs/rollup.md, 4.

use std::collections::BTreeMap;

use super::batch::Choice;
use super::refused::Refused;
use crate::hash::Hash;

/// What the rules need of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// Does it give a vector rather than tokens.
    pub vector: bool,
    /// Bits of a packed token, 1 ..= 32.
    pub token_bits: u8,
    /// Most positions.
    pub context: u32,
    /// Tokens that exist, at least 1.
    pub vocabulary: u32,
}

/// A version of a model's prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// First time at which it is in force.
    pub from: u64,
    /// Wei for a token of a prompt.
    pub price_in: u64,
    /// Wei for a token of an output.
    pub price_out: u64,
}

/// Models and their prices, as far as somebody knows them. Records are never changed on L1, only added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry(BTreeMap<Hash, (Model, Vec<Price>)>);

impl Registry {
    /// No models.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes an announced model. Doing so again changes nothing.
    pub fn announce(&mut self, id: Hash, model: Model) {
        self.0.entry(id).or_insert((model, Vec::new()));
    }

    /// Notes the next version of a model's price; its number. `None` if the model is unknown.
    pub fn schedule(&mut self, id: &Hash, price: Price) -> Option<u32> {
        let (_, prices) = self.0.get_mut(id)?;
        prices.push(price);
        u32::try_from(prices.len().checked_sub(1)?).ok()
    }

    /// An announced model.
    pub fn model(&self, id: &Hash) -> Option<&Model> {
        self.0.get(id).map(|(model, _)| model)
    }

    /// The version of a model's price that is in force at a time, and the price.
    pub fn price_at(&self, id: &Hash, time: u64) -> Option<(u32, Price)> {
        let (_, prices) = self.0.get(id)?;
        let (version, price) = (0u32..).zip(prices).take_while(|(_, price)| price.from <= time).last()?;
        Some((version, *price))
    }

    /// The lines of a table at a batch's time.
    ///
    /// # Errors
    /// Ids do not ascend, a model is not announced, or a version is not in force.
    pub(super) fn lines(&self, table: &[Choice], time: u64) -> Result<Vec<Line>, Refused> {
        if let Some((index, _)) =
            (1u32..).zip(table.windows(2)).find(|(_, pair)| !pair.is_sorted_by(|a, b| a.model < b.model))
        {
            return Err(Refused::Table { index });
        }
        let line = |(index, choice): (u32, &Choice)| {
            let model = *self.model(&choice.model).ok_or(Refused::Model { index })?;
            let (version, price) = self.price_at(&choice.model, time).ok_or(Refused::Price { index })?;
            if version != choice.version {
                return Err(Refused::Price { index });
            }
            Ok(Line { id: choice.model, model, price })
        };
        (0u32..).zip(table).map(line).collect()
    }
}

/// A model of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its id.
    pub id: Hash,
    /// What it is.
    pub model: Model,
    /// What it costs in the batch.
    pub price: Price,
}
