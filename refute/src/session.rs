//! An opened model with its tokenizer.

use std::path::Path;

use executor::import::numbers;
use executor::model::Model;
use executor::program::Output;
use executor::tokenizer::Tokenizer;

use crate::failure::bad_input;

/// What most commands begin with.
pub(crate) struct Session {
    /// The model.
    pub(crate) model: Model,
    /// Its tokenizer.
    pub(crate) tokenizer: Tokenizer,
}

impl Session {
    /// Opens the model of a folder.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let model = Model::open(folder)?;
        let tokenizer =
            Tokenizer::of_model(model.tokenizer_json()?, model.add_bos(), model.special_tokens())?;
        Ok(Self { model, tokenizer })
    }

    /// A whole input as it is. A model of numbers would read too few of them as another image: it takes all or none.
    pub(crate) fn input(&self, tokens: Vec<u32>) -> anyhow::Result<Vec<u32>> {
        let face = &self.model.program().interface;
        let (count, given) = (face.context as usize, tokens.len());
        if !numbers::are_read(self.model.tokenizer_json()?, face.vocabulary) {
            return Ok(tokens);
        }
        let most = face.vocabulary.saturating_sub(1);
        if let Some(place) = tokens.iter().position(|token| *token > most) {
            return Err(bad_input(format!(
                "item {} of the input is no whole number of 0 to {most}, which this model reads: write it as `0 12 {most}`",
                place + 1
            )));
        }
        if given != count {
            return Err(bad_input(format!(
                "the input has {given} numbers, but this model reads {count}: give every element of its tensor, in order"
            )));
        }
        Ok(tokens)
    }

    /// Does the model give tokens rather than vectors.
    pub(crate) fn gives_tokens(&self) -> bool {
        matches!(self.model.program().interface.output, Output::Tokens { .. })
    }

    /// The text of one token, special ones by their name.
    pub(crate) fn token_text(&self, id: u32) -> String {
        if self.tokenizer.is_special(id) {
            return self.tokenizer.id_to_token(id).unwrap_or_default();
        }
        self.tokenizer.decode(&[id]).unwrap_or_default()
    }
}
