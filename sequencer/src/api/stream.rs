//! Answers as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use tokio::sync::mpsc::UnboundedReceiver;

use super::error::ApiError;
use super::text::Usage;
use crate::flow::{FlowError, Outcome, Piece};

/// A comment this often keeps the connection alive while a prompt waits.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How an answer's chunks look.
pub(crate) trait Chunks: Send + 'static {
    /// What comes before any text.
    fn first(&self) -> Option<Event>;
    /// Some text.
    fn text(&self, text: String) -> Event;
    /// The end, with the receipt.
    fn last(&self, outcome: &Outcome) -> Event;
    /// The usage, if it is wanted.
    fn usage(&self, usage: Usage) -> Option<Event>;
}

/// An event of JSON.
pub(crate) fn event(data: &impl Serialize) -> Event {
    Event::default().json_data(data).unwrap_or_else(|error| {
        tracing::error!(%error, "a chunk cannot be written");
        Event::default().comment("a chunk is missing")
    })
}

struct State<C> {
    chunks: C,
    pieces: UnboundedReceiver<Piece>,
    ready: VecDeque<Event>,
    ended: bool,
    prompt_tokens: u32,
}

/// A stream of chunks. Dropping it cancels the request.
pub(crate) fn respond<C: Chunks>(
    chunks: C,
    pieces: UnboundedReceiver<Piece>,
    prompt_tokens: u32,
) -> Response {
    let ready = chunks.first().into_iter().collect();
    let state = State { chunks, pieces, ready, ended: false, prompt_tokens };
    let events = stream::unfold(state, |mut state| async move {
        loop {
            if let Some(event) = state.ready.pop_front() {
                return Some((Ok::<_, Infallible>(event), state));
            }
            if state.ended {
                return None;
            }
            let piece = state.pieces.recv().await.unwrap_or(Piece::Failed(FlowError::Stopping));
            state.take(piece);
        }
    });
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    let buffering = axum::http::HeaderValue::from_static("no");
    response.headers_mut().insert("x-accel-buffering", buffering);
    response
}

impl<C: Chunks> State<C> {
    fn take(&mut self, piece: Piece) {
        match piece {
            Piece::Text(text) => self.ready.push_back(self.chunks.text(text)),
            Piece::Done(outcome) => {
                self.ready.push_back(self.chunks.last(&outcome));
                let usage = Usage::new(self.prompt_tokens, outcome.output.length());
                self.ready.extend(self.chunks.usage(usage));
                self.ready.push_back(Event::default().data("[DONE]"));
                self.ended = true;
            }
            Piece::Failed(error) => {
                self.ready.push_back(event(&ApiError::from(error).body()));
                self.ended = true;
            }
        }
    }
}
