//! An opened model with its tokenizer.

use std::path::Path;

use executor::model::Model;
use executor::program::Output;
use executor::tokenizer::Tokenizer;

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
