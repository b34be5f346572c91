//! The tokenizer's files and what they say about prompts.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;

use crate::import::error::ImportError;
use crate::import::files::malformed;
use crate::import::limits::{TOKENIZER_CONFIG_BYTES_MAX, TOKENIZER_JSON_BYTES_MAX};

use super::fields::Fields;
use super::folder::Folder;

/// What the tokenizer's files say.
pub(crate) struct Tokenizer {
    pub(crate) json: Vec<u8>,
    pub(crate) chat_template: Option<String>,
    pub(crate) special_tokens: Vec<(String, String)>,
    pub(crate) add_bos: bool,
    pub(crate) stop_tokens: Vec<u32>,
}

/// Bytes of the longest chat template.
const TEMPLATE_BYTES_MAX: u64 = 1 << 20;
const STOP_TOKENS_MAX: usize = 1_024;

/// Reads them; token ids must be below `vocabulary`.
pub(super) fn read(
    folder: &mut Folder,
    config: &Fields<'_>,
    vocabulary: usize,
) -> Result<Tokenizer, ImportError> {
    let json = folder.read("tokenizer.json", TOKENIZER_JSON_BYTES_MAX)?.ok_or_else(|| {
        ImportError::Missing(format!(
            "tokenizer.json in {}; download it from the model's page, or write it with AutoTokenizer.from_pretrained(...).save_pretrained(...)",
            folder.path.display()
        ))
    })?;
    let pipeline: Pipeline = folder.parse("tokenizer.json", &json)?;
    let begins = pipeline.post_processor.is_some_and(|post| post.begins());
    let mut settings: Settings = match folder.read("tokenizer_config.json", TOKENIZER_CONFIG_BYTES_MAX)? {
        Some(bytes) => folder.parse("tokenizer_config.json", &bytes)?,
        None => Settings::default(),
    };
    let template = match folder.read("chat_template.jinja", TEMPLATE_BYTES_MAX)? {
        Some(bytes) => Some(
            String::from_utf8(bytes)
                .map_err(|_| malformed(&folder.path.join("chat_template.jinja"), "it is no UTF-8"))?,
        ),
        None => settings.chat_template.take().and_then(Template::text),
    };
    let stop_tokens = match folder.tree("generation_config.json")? {
        Some(tree) => {
            let generation = Fields::new(folder.path.join("generation_config.json"), &tree)?;
            let own = token_ids(&generation, vocabulary)?;
            if own.is_empty() { token_ids(config, vocabulary)? } else { own }
        }
        None => token_ids(config, vocabulary)?,
    };
    Ok(Tokenizer {
        json,
        chat_template: template,
        add_bos: settings.add_bos_token.unwrap_or(begins),
        special_tokens: settings.special_tokens(),
        stop_tokens,
    })
}

/// `eos_token_id`: one id or several. Ascending.
fn token_ids(fields: &Fields<'_>, vocabulary: usize) -> Result<Vec<u32>, ImportError> {
    const KEY: &str = "eos_token_id";
    let ids = match fields.get(KEY) {
        None => return Ok(Vec::new()),
        Some(Value::Array(ids)) => ids.as_slice(),
        Some(id) => std::slice::from_ref(id),
    };
    let known = |id: &Value| {
        let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
        id.filter(|id| usize::try_from(*id).is_ok_and(|id| id < vocabulary))
    };
    let ids: Option<Vec<u32>> = ids.iter().take(STOP_TOKENS_MAX).map(known).collect();
    let mut ids = ids.ok_or_else(|| fields.wrong(KEY, &format!("names a token outside the {vocabulary}")))?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// One chat template, or several with names.
#[derive(Deserialize)]
#[serde(untagged)]
enum Template {
    One(String),
    Several(Vec<NamedTemplate>),
}

#[derive(Deserialize)]
struct NamedTemplate {
    name: String,
    template: String,
}

impl Template {
    /// The template itself, or the one called `default`.
    fn text(self) -> Option<String> {
        match self {
            Self::One(text) => Some(text),
            Self::Several(several) => several.into_iter().find(|t| t.name == "default").map(|t| t.template),
        }
    }
}

#[derive(Default, Deserialize)]
struct Settings {
    add_bos_token: Option<bool>,
    chat_template: Option<Template>,
    bos_token: Option<Token>,
    eos_token: Option<Token>,
    unk_token: Option<Token>,
    pad_token: Option<Token>,
    cls_token: Option<Token>,
    sep_token: Option<Token>,
    mask_token: Option<Token>,
}

impl Settings {
    fn special_tokens(self) -> Vec<(String, String)> {
        let named = [
            ("bos_token", self.bos_token),
            ("eos_token", self.eos_token),
            ("unk_token", self.unk_token),
            ("pad_token", self.pad_token),
            ("cls_token", self.cls_token),
            ("sep_token", self.sep_token),
            ("mask_token", self.mask_token),
        ];
        let text = |token| match token {
            Token::Text(text) | Token::Added { content: text } => text,
        };
        named.into_iter().filter_map(|(name, token)| Some((name.to_string(), text(token?)))).collect()
    }
}

/// A special token: its text, or an object with its text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Token {
    Text(String),
    Added { content: String },
}

/// The part of `tokenizer.json` that is of interest here; the rest is only checked to be JSON.
#[derive(Deserialize)]
struct Pipeline {
    post_processor: Option<PostProcessor>,
}

#[derive(Deserialize)]
struct PostProcessor {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    single: First<Piece>,
    #[serde(default)]
    processors: AnyBegins,
}

#[derive(Deserialize)]
struct Piece {
    #[serde(rename = "SpecialToken")]
    special: Option<IgnoredAny>,
}

impl PostProcessor {
    /// Does it put a special token before a text.
    fn begins(&self) -> bool {
        let template = self.single.0.as_ref().is_some_and(|piece| piece.special.is_some());
        let always = matches!(self.kind.as_deref(), Some("BertProcessing" | "RobertaProcessing"));
        template || always || self.processors.0
    }
}

/// The first element of a list; the rest is read past.
struct First<T>(Option<T>);

impl<T> Default for First<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for First<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
            type Value = First<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<First<T>, A::Error> {
                let first = list.next_element()?;
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(First(first))
            }
        }
        deserializer.deserialize_seq(List(std::marker::PhantomData))
    }
}

/// Does any post-processor of a list put a special token before a text.
#[derive(Default)]
struct AnyBegins(bool);

impl<'de> Deserialize<'de> for AnyBegins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = AnyBegins;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of post-processors")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<AnyBegins, A::Error> {
                let mut begins = false;
                while let Some(post) = list.next_element::<PostProcessor>()? {
                    begins |= post.begins();
                }
                Ok(AnyBegins(begins))
            }
        }
        deserializer.deserialize_seq(List)
    }
}
