//! `POST /v1/completions`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
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
pub(super) struct CompletionRequest {
    /// Name of the model.
    model: String,
    /// A text, or token ids; one prompt only.
    prompt: Prompt,
    /// Most tokens of the output.
    max_tokens: Option<u32>,
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

/// Texts or token ids, one or several.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Prompt {
    /// A text.
    Text(String),
    /// Texts.
    Texts(Vec<String>),
    /// Token ids.
    Tokens(Vec<u32>),
    /// Token ids of several.
    Lists(Vec<Vec<u32>>),
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// A text.
    Text(String),
    /// Token ids.
    Tokens(Vec<u32>),
}

impl Prompt {
    pub(super) fn inputs(self) -> Vec<Input> {
        match self {
            Self::Text(text) => vec![Input::Text(text)],
            Self::Tokens(tokens) => vec![Input::Tokens(tokens)],
            Self::Texts(texts) => texts.into_iter().map(Input::Text).collect(),
            Self::Lists(lists) => lists.into_iter().map(Input::Tokens).collect(),
        }
    }
}

impl Input {
    /// Its tokens; an error is about the field of that name.
    pub(super) async fn tokens(
        self,
        model: &Arc<crate::engine::Model>,
        field: &str,
    ) -> Result<Vec<u32>, ApiError> {
        match self {
            Self::Tokens(tokens) => Ok(tokens),
            Self::Text(text) => {
                let encoded = tokens(model, text.len(), move |model| model.codec.encode(&text)).await?;
                encoded.map_err(|e| ApiError::bad(field, e.to_string()))
            }
        }
    }
}

/// A whole answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CompletionResponse {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    choices: [CompletionChoice; 1],
    usage: Usage,
    refute: Extension,
}

#[derive(Debug, Serialize, ToSchema)]
struct CompletionChoice {
    index: u32,
    text: String,
    logprobs: Option<bool>,
    finish_reason: Option<&'static str>,
}

/// Continue a text
#[utoipa::path(post, path = "/v1/completions", request_body = CompletionRequest, security(("key" = [])), responses(
    (status = 200, body = CompletionResponse), (status = "default", body = ErrorBody)))]
pub(super) async fn complete(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(request): Body<CompletionRequest>,
) -> Result<Response, ApiError> {
    check_rest(&request.rest)?;
    let model = text_model(&service, &request.model)?;
    let sampling = sampling(request.temperature, request.top_p, request.top_k, request.min_p, request.seed)?;
    let max_tokens = max_tokens(request.max_tokens, None)?;
    let wanted = Wanted::Text { sampling, max_tokens, stop: stops(request.stop)? };
    let mut inputs = request.prompt.inputs();
    let (Some(input), true) = (inputs.pop(), inputs.is_empty()) else {
        return Err(ApiError::bad("prompt", "give one prompt: send the others as requests of their own"));
    };
    let prompt = input.tokens(&model, "prompt").await?;
    let prompt_tokens = prompt.len() as u32;
    let stream = request.stream.unwrap_or(false);
    let head = Head {
        id: answer_id("cmpl"),
        created: now(),
        model: request.model,
        usage: request.stream_options.and_then(|o| o.include_usage).unwrap_or(false),
    };
    let Caller { key, account } = caller;
    let pieces = service.start(Order { model, prompt, wanted, key, account, stream })?;
    if stream {
        return Ok(respond(head, pieces, prompt_tokens));
    }
    let (text, outcome) = whole(pieces).await?;
    let finish_reason = Some(reason(outcome.ended));
    Ok(Json(CompletionResponse {
        id: head.id,
        object: "text_completion",
        created: head.created,
        model: head.model,
        choices: [CompletionChoice { index: 0, text, logprobs: None, finish_reason }],
        usage: Usage::new(prompt_tokens, outcome.output.length()),
        refute: (&outcome.sealed).into(),
    })
    .into_response())
}

/// What all chunks share.
struct Head {
    id: String,
    created: u64,
    model: String,
    usage: bool,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: &'a [CompletionChoice],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refute: Option<Extension>,
}

impl Head {
    fn chunk(
        &self,
        choice: Option<(String, Option<&'static str>)>,
        usage: Option<Usage>,
        refute: Option<Extension>,
    ) -> Event {
        let choice = choice.map(|(text, finish_reason)| CompletionChoice {
            index: 0,
            text,
            logprobs: None,
            finish_reason,
        });
        event(&Chunk {
            id: &self.id,
            object: "text_completion",
            created: self.created,
            model: &self.model,
            choices: choice.as_slice(),
            usage: self.usage.then_some(usage),
            refute,
        })
    }
}

impl Chunks for Head {
    fn first(&self) -> Option<Event> {
        None
    }

    fn text(&self, text: String) -> Event {
        self.chunk(Some((text, None)), None, None)
    }

    fn last(&self, outcome: &Outcome) -> Event {
        let choice = (String::new(), Some(reason(outcome.ended)));
        self.chunk(Some(choice), None, Some((&outcome.sealed).into()))
    }

    fn usage(&self, usage: Usage) -> Option<Event> {
        self.usage.then(|| self.chunk(None, Some(usage), None))
    }
}
