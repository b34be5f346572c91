//! From what the user gives to prompt tokens.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use executor::tokenizer::chat::{ChatTemplate, Message};

use crate::failure::bad_input;
use crate::session::Session;

/// Where a prompt comes from.
#[derive(Args, Clone, Debug)]
#[command(group(ArgGroup::new("input").required(true).args(["prompt", "prompt_file", "tokens"])))]
pub(crate) struct PromptArguments {
    /// Text to go on from
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// File with the text to go on from
    #[arg(long, value_name = "FILE")]
    prompt_file: Option<PathBuf>,
    /// Token ids to go on from, as in 1,2,3
    #[arg(long, value_name = "IDS", value_delimiter = ',', conflicts_with = "chat")]
    tokens: Vec<u32>,
    /// Take the text as a user's message in the model's chat template
    #[arg(long)]
    chat: bool,
    /// The system's message
    #[arg(long, value_name = "TEXT", requires = "chat")]
    system: Option<String>,
}

impl PromptArguments {
    /// The prompt's tokens.
    pub(crate) fn to_tokens(&self, session: &Session) -> anyhow::Result<Vec<u32>> {
        let text = match (&self.prompt, &self.prompt_file) {
            (Some(text), _) => text.clone(),
            (None, Some(path)) => read_text(path)?,
            (None, None) => return Ok(self.tokens.clone()),
        };
        let tokens = if self.chat {
            session.tokenizer.encode(&self.conversation(session, text)?, true)?
        } else {
            session.tokenizer.encode(&text, false)?
        };
        if tokens.is_empty() {
            return Err(bad_input("the prompt is empty: give a text of at least one token"));
        }
        Ok(tokens)
    }

    fn conversation(&self, session: &Session, text: String) -> anyhow::Result<String> {
        let Some(template) = session.model.chat_template() else {
            return Err(bad_input("this model has no chat template: leave out --chat"));
        };
        let message = |role: &str, content: String| Message { role: role.into(), content };
        let system = self.system.clone().map(|content| message("system", content));
        let messages: Vec<Message> = system.into_iter().chain([message("user", text)]).collect();
        for message in &messages {
            if let Some(token) = session.tokenizer.special_in(&message.content) {
                return Err(bad_input(format!(
                    "the {} message holds the special token {token}, which would end the message there: take it out",
                    message.role
                )));
            }
        }
        Ok(ChatTemplate::new(template, session.model.special_tokens())?.render(&messages, true)?)
    }
}

/// A text file.
pub(crate) fn read_text(path: &std::path::Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(path)
        .map_err(|e| bad_input(format!("cannot read {}: {e}; name a text file", path.display())))?;
    String::from_utf8(bytes)
        .map_err(|_| bad_input(format!("{} is no UTF-8 text: convert it first", path.display())))
}
