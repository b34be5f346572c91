//! `POST /v1/chat/completions`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use executor::tokenizer::chat::Message;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::error::{ApiError, ErrorBody};
use super::extract::{Body, Caller};
use super::params::{StreamOptions, Strings, check_rest, max_tokens, sampling, stops};
use super::stream::{Chunks, event, respond};
use super::text::{Extension, Usage, answer_id, reason, text_model, tokens, whole};
use crate::clock::now;
use crate::flow::{Order, Outcome, Service, Wanted};

/// A request.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct ChatRequest {
    /// Name of the model.
    model: String,
    /// The conversation.
    messages: Vec<ChatMessage>,
    /// Most tokens of the output.
    max_tokens: Option<u32>,
    /// The same.
    max_completion_tokens: Option<u32>,
    /// 0 takes the likeliest token always; 1 if it is not given.
    temperature: Option<f64>,
    /// Choose among the likeliest tokens that together reach this share.
    top_p: Option<f64>,
    /// Choose among the k likeliest tokens (extension).
    top_k: Option<u32>,
    /// Choose among tokens at least this share as likely as the likeliest (extension).
    min_p: Option<f64>,
    /// The same seed gives the same answer.
    seed: Option<i64>,
    /// Strings that end the text.
    stop: Option<Strings>,
    /// Show tokens as they come.
    stream: Option<bool>,
    /// What a stream shows at its end.
    stream_options: Option<StreamOptions>,
    /// Others: ignored or refused, see the document's description.
    #[serde(flatten)]
    #[schema(ignore)]
    rest: Map<String, Value>,
}

/// A message of a conversation.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct ChatMessage {
    /// `system`, `developer`, `user` or `assistant`.
    role: String,
    /// A text, or parts of type `text`.
    content: Option<Content>,
    #[serde(flatten)]
    #[schema(ignore)]
    rest: Map<String, Value>,
}

/// What was said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Content {
    /// A text.
    Text(String),
    /// Its parts.
    Parts(Vec<Part>),
}

/// A part of what was said.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Part {
    /// `text`.
    #[serde(rename = "type")]
    kind: String,
    /// The text.
    text: Option<String>,
}

/// A whole answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChatResponse {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    choices: [ChatChoice; 1],
    usage: Usage,
    system_fingerprint: String,
    refute: Extension,
}

#[derive(Debug, Serialize, ToSchema)]
struct ChatChoice {
    index: u32,
    message: ChatAnswer,
    logprobs: Option<bool>,
    finish_reason: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
struct ChatAnswer {
    role: &'static str,
    content: String,
    refusal: Option<String>,
}

/// Continue a conversation
#[utoipa::path(post, path = "/v1/chat/completions", request_body = ChatRequest, security(("key" = [])), responses(
    (status = 200, body = ChatResponse), (status = "default", body = ErrorBody)))]
pub(super) async fn chat(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(request): Body<ChatRequest>,
) -> Result<Response, ApiError> {
    check_rest(&request.rest)?;
    let model = text_model(&service, &request.model)?;
    let sampling = sampling(request.temperature, request.top_p, request.top_k, request.min_p, request.seed)?;
    let max_tokens = max_tokens(request.max_tokens, request.max_completion_tokens)?;
    let wanted = Wanted::Text { sampling, max_tokens, stop: stops(request.stop)? };
    let messages = conversation(request.messages)?;
    let bytes = messages.iter().map(|m| m.content.len()).sum();
    let prompt = tokens(&model, bytes, move |model| model.codec.chat(&messages)).await??;
    let prompt_tokens = prompt.len() as u32;
    let stream = request.stream.unwrap_or(false);
    let head = Head {
        id: answer_id("chatcmpl"),
        created: now(),
        model: request.model,
        fingerprint: format!("fp_{}", &model.id.to_string()[2..12]),
        usage: request.stream_options.and_then(|o| o.include_usage).unwrap_or(false),
    };
    let Caller { key, account } = caller;
    let order = Order { model, prompt, wanted, key, account, stream };
    let pieces = service.start(order).map_err(|e| ApiError::from(e).prompt_is("messages"))?;
    if stream {
        return Ok(respond(head, pieces, prompt_tokens));
    }
    let (text, outcome) = whole(pieces).await?;
    let message = ChatAnswer { role: "assistant", content: text, refusal: None };
    let finish_reason = reason(outcome.ended);
    Ok(Json(ChatResponse {
        id: head.id,
        object: "chat.completion",
        created: head.created,
        model: head.model,
        choices: [ChatChoice { index: 0, message, logprobs: None, finish_reason }],
        usage: Usage::new(prompt_tokens, outcome.output.length()),
        system_fingerprint: head.fingerprint,
        refute: (&outcome.sealed).into(),
    })
    .into_response())
}

fn conversation(messages: Vec<ChatMessage>) -> Result<Vec<Message>, ApiError> {
    if messages.is_empty() {
        return Err(ApiError::bad("messages", "give at least one message"));
    }
    let message = |(i, message): (usize, ChatMessage)| {
        let at = |field: &str| format!("messages[{i}].{field}");
        if let Some((name, _)) = message.rest.iter().find(|(name, v)| !v.is_null() && *name != "name") {
            return Err(ApiError::unsupported(&at(name)));
        }
        let role = match message.role.as_str() {
            "developer" => "system",
            role @ ("system" | "user" | "assistant") => role,
            _ => {
                return Err(ApiError::bad(at("role"), "a role is system, developer, user or assistant"));
            }
        };
        let content = match message.content {
            None => return Err(ApiError::bad(at("content"), "a message needs a text")),
            Some(Content::Text(text)) => text,
            Some(Content::Parts(parts)) => {
                let text = |part: Part| part.text.filter(|_| part.kind == "text");
                let texts: Option<Vec<String>> = parts.into_iter().map(text).collect();
                texts
                    .ok_or_else(|| ApiError::bad(at("content"), "only parts of type text are supported"))?
                    .concat()
            }
        };
        Ok(Message { role: role.to_owned(), content })
    };
    messages.into_iter().enumerate().map(message).collect()
}

/// What all chunks share.
struct Head {
    id: String,
    created: u64,
    model: String,
    fingerprint: String,
    usage: bool,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    system_fingerprint: &'a str,
    choices: &'a [ChunkChoice],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refute: Option<Extension>,
}

#[derive(Serialize)]
struct ChunkChoice {
    index: u32,
    delta: Delta,
    logprobs: Option<bool>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

impl Head {
    fn chunk(
        &self,
        choice: Option<(Delta, Option<&'static str>)>,
        usage: Option<Usage>,
        refute: Option<Extension>,
    ) -> Event {
        let choice = choice.map(|(delta, finish_reason)| ChunkChoice {
            index: 0,
            delta,
            logprobs: None,
            finish_reason,
        });
        event(&Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            system_fingerprint: &self.fingerprint,
            choices: choice.as_slice(),
            usage: self.usage.then_some(usage),
            refute,
        })
    }
}

impl Chunks for Head {
    fn first(&self) -> Option<Event> {
        let delta = Delta { role: Some("assistant"), content: Some(String::new()) };
        Some(self.chunk(Some((delta, None)), None, None))
    }

    fn text(&self, text: String) -> Event {
        self.chunk(Some((Delta { content: Some(text), ..Delta::default() }, None)), None, None)
    }

    fn last(&self, outcome: &Outcome) -> Event {
        let choice = (Delta::default(), Some(reason(outcome.ended)));
        self.chunk(Some(choice), None, Some((&outcome.sealed).into()))
    }

    fn usage(&self, usage: Usage) -> Option<Event> {
        self.usage.then(|| self.chunk(None, Some(usage), None))
    }
}
