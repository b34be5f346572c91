//! A request while it runs: tokens become text, the text goes to whoever listens, the output to the writer.

use std::sync::Arc;
use std::time::Instant;

use executor::generate::Finish;
use executor::tokenizer::{DecodeStream, StopStrings};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{Ended, FlowError, Outcome, Piece, Service};
use crate::book::Hold;
use crate::engine::{Event, Job, Model, Output, Task};
use crate::ledger::{InferenceStep, Request};
use crate::metrics::Of;
use crate::sealer::{Executed, Sealed, Signed};

/// A request that was admitted.
pub(super) struct Flight {
    pub(super) service: Arc<Service>,
    pub(super) model: Arc<Model>,
    pub(super) request: Request,
    pub(super) signed: Signed,
    pub(super) hold: Hold,
    pub(super) packed: Vec<u8>,
    /// Strings that end the text.
    pub(super) stop: Vec<String>,
    pub(super) created: u64,
    /// Who listens, and whether it sees every token; nobody does for a request that is fetched later.
    pub(super) listener: Option<(UnboundedSender<Piece>, bool)>,
}

/// How the computing ended.
enum End {
    /// With an output to be paid for.
    Output(Output, Ended, u8),
    /// As above, but the request's limit becomes what was made.
    Cut(Vec<u32>, Ended),
    /// With nothing.
    Nothing(FlowError),
}

impl Flight {
    /// Hands the job to the engine, and follows it in a task of its own.
    pub(super) fn launch(self, prompt: Arc<[u32]>, task: Task) -> Result<(), FlowError> {
        let (events, receiver) = unbounded_channel();
        let streams = self.listener.as_ref().is_some_and(|(_, stream)| *stream);
        let whole = !streams && self.stop.is_empty();
        self.model.runner.submit(Job { agent: self.request.account, prompt, task, whole, events })?;
        let tasks = self.service.tasks.clone();
        tasks.spawn(async move {
            let pieces = self.listener.as_ref().map(|(pieces, _)| pieces.clone());
            let last = match self.follow(receiver).await {
                Ok(outcome) => Piece::Done(Box::new(outcome)),
                Err(error) => Piece::Failed(error),
            };
            if let Some(pieces) = pieces {
                // Whoever has gone finds the receipt by the request's hash.
                let _ = pieces.send(last);
            }
        });
        Ok(())
    }

    /// Follows the job to its receipt.
    pub(super) async fn follow(self, events: UnboundedReceiver<Event>) -> Result<Outcome, FlowError> {
        let end = self.compute(events).await;
        let begin = Instant::now();
        let price = self.service.price(&self.model)?;
        let (request, output, ended, finish) = match end {
            End::Nothing(error) => return Err(error),
            End::Output(output, ended, finish) => (self.request, output, ended, finish),
            End::Cut(tokens, ended) => {
                // The holder of the key leaves the request's limit to us: it becomes what was made, so that the output
                // ends where it may. docs/rollup.md, 10.3.
                let made = tokens.len() as u32;
                let mut request = Request { max_tokens: made, ..self.request };
                let dearest = self.service.dearest(&self.model)?;
                let step = InferenceStep {
                    nonce: request.nonce,
                    model: request.model,
                    price_in: dearest.input,
                    price_out: dearest.output,
                    prompt_length: request.prompt_length,
                    output_length: made,
                    max_tokens: made,
                    max_fee: request.max_fee,
                    valid_until: request.valid_until,
                };
                request.max_fee = step.limit();
                (request, Output::Tokens(tokens), ended, 1)
            }
        };
        let of = Of { model: self.model.name.clone() };
        let metrics = Arc::clone(&self.service.metrics);
        metrics.prompt_tokens.get_or_create(&of).inc_by(request.prompt_length.into());
        metrics.output_tokens.get_or_create(&of).inc_by(output.length().into());
        let executed = Executed {
            request,
            signed: self.signed,
            hold: self.hold,
            price,
            prompt: self.packed,
            output: output.clone(),
            token_bits: self.model.token_bits,
            finish,
            created: self.created,
        };
        let sealed: Sealed = self.service.sealer.seal(executed).await?;
        metrics.receipt_seconds.observe(begin.elapsed().as_secs_f64());
        metrics.fees.inc_by(sealed.fee as f64);
        Ok(Outcome { sealed, ended, output })
    }

    async fn compute(&self, mut events: UnboundedReceiver<Event>) -> End {
        let mut text = Text::new(self);
        let mut output = Vec::new();
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = hung_up(self.listener.as_ref()) => {
                    self.service.metrics.hang_ups.inc();
                    return self.cut_off(output, "the client has gone");
                }
                () = self.service.cut.cancelled() => return self.cut_off(output, "the sequencer is stopping"),
            };
            match event {
                Some(Event::Tokens(tokens)) => {
                    for token in tokens {
                        output.push(token);
                        match text.push(token) {
                            Ok(false) => {}
                            Ok(true) => return End::Cut(output, Ended::Stop),
                            Err(error) => return End::Nothing(FlowError::Engine(error)),
                        }
                    }
                    text.flush();
                }
                Some(Event::Vector(vector)) => return End::Output(Output::Vector(vector), Ended::Stop, 2),
                Some(Event::End(finish)) => {
                    text.finish();
                    let (ended, code) = match finish {
                        Finish::Stop => (Ended::Stop, 0),
                        Finish::Length | Finish::Cancelled => (Ended::Length, 1),
                    };
                    return End::Output(Output::Tokens(output), ended, code);
                }
                Some(Event::Failed(reason)) => return End::Nothing(FlowError::Engine(reason)),
                None => return End::Nothing(FlowError::Engine("the engine has stopped".into())),
            }
        }
    }

    /// The reader has gone or we must: what was shown is paid for, if the limit is ours to name.
    fn cut_off(&self, output: Vec<u32>, reason: &str) -> End {
        let shown = self.listener.as_ref().is_some_and(|(_, stream)| *stream) && !output.is_empty();
        if shown && matches!(self.signed, Signed::ByKey(_)) {
            return End::Cut(output, Ended::Length);
        }
        tracing::debug!(reason, "a request is dropped");
        End::Nothing(FlowError::Stopping)
    }
}

async fn hung_up(listener: Option<&(UnboundedSender<Piece>, bool)>) {
    match listener {
        Some((pieces, _)) => pieces.closed().await,
        None => std::future::pending().await,
    }
}

/// Text as it is shown.
struct Text<'a> {
    pieces: Option<&'a UnboundedSender<Piece>>,
    decoder: Option<DecodeStream<'a>>,
    stop: StopStrings,
    ready: String,
}

impl<'a> Text<'a> {
    fn new(flight: &'a Flight) -> Self {
        let pieces = flight.listener.as_ref().map(|(pieces, _)| pieces);
        let decoder = pieces.map(|_| flight.model.codec.decoder());
        Self { pieces, decoder, stop: StopStrings::new(&flight.stop), ready: String::new() }
    }

    /// Takes a token; says whether a stop string has ended the text.
    fn push(&mut self, token: u32) -> Result<bool, String> {
        let Some(decoder) = &mut self.decoder else { return Ok(false) };
        let piece = decoder.push(token).map_err(|e| e.to_string())?;
        let (text, stopped) = self.stop.push(&piece);
        self.ready.push_str(&text);
        if stopped {
            self.flush();
        }
        Ok(stopped)
    }

    fn flush(&mut self) {
        if let Some(pieces) = self.pieces.filter(|_| !self.ready.is_empty()) {
            // Whoever has gone is noticed by the loop above.
            let _ = pieces.send(Piece::Text(std::mem::take(&mut self.ready)));
        }
    }

    fn finish(mut self) {
        let rest = self.decoder.take().map(DecodeStream::finish).unwrap_or_default();
        let (text, stopped) = self.stop.push(&rest);
        self.ready.push_str(&text);
        if !stopped {
            let held = std::mem::take(&mut self.stop).finish();
            self.ready.push_str(&held);
        }
        self.flush();
    }
}
