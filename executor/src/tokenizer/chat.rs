//! Chat templates: from a conversation to the text that a model was trained to continue.
//!
//! Models bring their template as a Jinja program written for `transformers`. It is rendered with the same settings and
//! additions as there. It is also a program by a stranger that runs on every request: its work, its memory and its
//! output are limited, and nothing in it depends on the clock, so that anybody can render the same prompt again.

use std::collections::BTreeMap;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, context};
use minijinja_contrib::pycompat::unknown_method_callback;

pub use super::python::Date;
use super::python::{strftime, to_json};

/// Longest template, in bytes. Published ones stay below 20 KB.
pub const TEMPLATE_BYTES_MAX: usize = 1 << 20;
/// Longest rendered conversation, in bytes.
pub const OUTPUT_BYTES_MAX: usize = 16 << 20;
/// Work that one rendering may do: about one unit an instruction and one for 64 bytes of data, which bounds its memory
/// to 128 MB and its time to a fraction of a second. A conversation of a megabyte takes about 60,000.
const FUEL: u64 = 2_000_000;
const NAME: &str = "chat template";

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, or what else the template knows.
    pub role: String,
    /// What was said.
    pub content: String,
}

/// Why a conversation cannot be rendered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChatError {
    /// The template is no valid program, or does something that is not supported.
    #[error("chat template: {0}")]
    Template(String),
    /// The template refuses this conversation (`raise_exception`).
    #[error("the model's chat template refuses the conversation: {0}")]
    Refused(String),
    /// The template did not come to an end within its limits.
    #[error("the conversation is too long for the chat template's limits: shorten it")]
    TooLong,
}

/// A model's chat template, ready to render.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    special_tokens: Vec<(String, String)>,
}

impl ChatTemplate {
    /// Compiles a template. `special_tokens` are the variables that it may name (`bos_token`, ...) and their texts.
    pub fn new(source: &str, special_tokens: &[(String, String)]) -> Result<Self, ChatError> {
        if source.len() > TEMPLATE_BYTES_MAX {
            return Err(ChatError::Template(format!(
                "{} bytes, at most {TEMPLATE_BYTES_MAX} are supported",
                source.len()
            )));
        }
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|e| error(&e))?);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_formatter(format_like_python);
        environment.set_unknown_method_callback(unknown_method_callback);
        environment.set_fuel(Some(FUEL));
        environment.add_function("raise_exception", raise_exception);
        environment.add_filter("tojson", tojson);
        environment.add_template_owned(NAME, source.to_owned()).map_err(|e| error(&e))?;
        Ok(Self { environment, special_tokens: special_tokens.to_vec() })
    }

    /// The text of a conversation; with `add_generation_prompt` it ends where the model is to speak. A template that
    /// insists on today's date is refused: see [`ChatTemplate::render_on`].
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, ChatError> {
        self.render_on(None, messages, add_generation_prompt)
    }

    /// As [`ChatTemplate::render`], on a given day: without one, templates see no `strftime_now`, and those that can
    /// do without print the date that they were written with.
    pub fn render_on(
        &self,
        date: Option<Date>,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<String, ChatError> {
        let message = |m: &Message| context! { role => m.role.as_str(), content => m.content.as_str() };
        let mut context = BTreeMap::from([
            ("messages", messages.iter().map(message).collect::<Value>()),
            ("tools", Value::from(())),
            ("documents", Value::from(())),
            ("add_generation_prompt", Value::from(add_generation_prompt)),
        ]);
        if let Some(date) = date {
            let now = move |format: &str| strftime(date, format).map_err(invalid);
            context.insert("strftime_now", Value::from_function(now));
        }
        context.extend(
            self.special_tokens.iter().map(|(name, text)| (name.as_str(), Value::from(text.as_str()))),
        );

        let template = self.environment.get_template(NAME).map_err(|e| error(&e))?;
        let mut output = Limited(Vec::new());
        let rendered = template.render_captured_to(Value::from(context), &mut output).map(drop);
        rendered.map_err(|e| error(&e))?;
        String::from_utf8(output.0).map_err(|e| ChatError::Template(e.to_string()))
    }
}

/// Collects output up to [`OUTPUT_BYTES_MAX`].
struct Limited(Vec<u8>);

impl std::io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_BYTES_MAX {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Carries the message of `raise_exception` through the engine.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Raised(String);

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(invalid("the template raised an exception".into()).with_source(Raised(message)))
}

fn invalid(detail: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail)
}

fn error(e: &Error) -> ChatError {
    let mut cause = Some(e as &(dyn std::error::Error + 'static));
    while let Some(inner) = cause {
        if let Some(Raised(message)) = inner.downcast_ref() {
            return ChatError::Refused(message.clone());
        }
        if inner
            .downcast_ref::<Error>()
            .is_some_and(|e| matches!(e.kind(), ErrorKind::OutOfFuel | ErrorKind::WriteFailure))
        {
            return ChatError::TooLong;
        }
        cause = inner.source();
    }
    ChatError::Template(e.to_string())
}

/// `None`, `True` and `False` are printed as Python prints them.
fn format_like_python(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let text = match value.kind() {
        ValueKind::None => "None",
        ValueKind::Bool if value.is_true() => "True",
        ValueKind::Bool => "False",
        _ => return minijinja::escape_formatter(out, state, value),
    };
    out.write_str(text).map_err(Error::from)
}

fn tojson(value: &Value, options: Kwargs) -> Result<String, Error> {
    let indent = options.get::<Option<usize>>("indent")?.map(|width| width.min(16));
    options.get::<Option<bool>>("ensure_ascii")?;
    options.assert_all_used()?;
    to_json(value, indent).map_err(invalid)
}
