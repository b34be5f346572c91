//! `refute generate`

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use executor::generate::{Finish, GenerateError, Generation, Request, generate, output_hash};
use executor::tokenizer::{DecodeStream, StopStrings};

use crate::backend::{BackendArguments, Machine};
use crate::console::Console;
use crate::failure::bad_input;
use crate::progress::Progress;
use crate::prompt::PromptArguments;
use crate::result_file::ResultFile;
use crate::sampling::SamplingArguments;
use crate::session::Session;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder of the model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    #[command(flatten)]
    prompt: PromptArguments,
    /// Most tokens of the output
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: u32,
    #[command(flatten)]
    sampling: SamplingArguments,
    /// Stop where the text has this string, and leave it out of the text. The tokens of the result stay whole: they
    /// end with the one that completed the string, and `max_tokens` becomes their number. May be repeated
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    stop: Vec<String>,
    #[command(flatten)]
    backend: BackendArguments,
    /// File for the result, which `refute verify` checks
    #[arg(short, long, value_name = "RESULT.json")]
    output: Option<PathBuf>,
}

/// Set by Ctrl-C: what is there by then is the result.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    let sampling = arguments.sampling.to_integers()?;
    arguments.backend.refuse_impossible()?;
    // Known now, not after minutes of generating.
    let folder =
        arguments.output.as_deref().and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(bad_input(format!(
            "there is no folder {}: make it, or name another file with -o",
            folder.display()
        )));
    }
    let session = Session::open(&arguments.model)?;
    if !session.gives_tokens() {
        return Err(GenerateError::NoTokens.into());
    }
    let prompt = arguments.prompt.to_tokens(&session)?;
    let mut machine = arguments.backend.start(&session.model)?;
    ctrlc::set_handler(on_interrupt).context("the handler of Ctrl-C cannot be set")?;

    let request = Request { prompt, sampling, max_tokens: arguments.max_tokens };
    let mut writer = Writer::new(&session, &arguments.stop, arguments.max_tokens, console);
    let generation = generate(machine.engine.as_mut(), &request, &mut |token| writer.token(token))?;
    let written = writer.finish()?;
    let result = record(&session, &machine, request, &generation, written);
    if let Some(path) = &arguments.output {
        result.write(path)?;
    }
    if console.is_json() {
        console.show(&serde_json::to_value(&result)?, "")?;
    }
    console.remark(&remark(&result));
    Ok(ExitCode::SUCCESS)
}

fn on_interrupt() {
    if INTERRUPTED.swap(true, Ordering::Relaxed) {
        // A second time: the person does not want to wait for the token that is being made.
        std::process::exit(130);
    }
}

/// The text that was written and whether a stop string ended it.
struct Written {
    text: String,
    stopped: bool,
}

/// Turns tokens into text as they come.
struct Writer<'a> {
    console: &'a Console,
    decoder: DecodeStream<'a>,
    stop: StopStrings,
    written: Written,
    failure: Option<anyhow::Error>,
    /// Until text appears, which shows progress better.
    progress: Option<Progress>,
}

impl<'a> Writer<'a> {
    fn new(session: &'a Session, stop: &[String], max_tokens: u32, console: &'a Console) -> Self {
        let progress = match console.is_json() {
            true => Progress::bar(max_tokens as usize, "generating"),
            false => Progress::spinner("reading the prompt"),
        };
        Self {
            console,
            decoder: session.tokenizer.decode_stream(),
            stop: StopStrings::new(stop),
            written: Written { text: String::new(), stopped: false },
            failure: None,
            progress: Some(progress),
        }
    }

    fn token(&mut self, token: u32) -> ControlFlow<()> {
        match &self.progress {
            Some(progress) if self.console.is_json() => progress.step(),
            _ => self.progress = None,
        }
        match self.try_token(token) {
            Ok(true) => {}
            Ok(false) => return ControlFlow::Break(()),
            Err(error) => {
                self.failure = Some(error);
                return ControlFlow::Break(());
            }
        }
        if INTERRUPTED.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Is more wanted.
    fn try_token(&mut self, token: u32) -> anyhow::Result<bool> {
        let piece = self.decoder.push(token)?;
        let (text, stopped) = self.stop.push(&piece);
        self.written.stopped = stopped;
        self.write(&text)?;
        Ok(!stopped)
    }

    fn write(&mut self, text: &str) -> std::io::Result<()> {
        self.written.text.push_str(text);
        if self.console.is_json() { Ok(()) } else { self.console.stream(text) }
    }

    fn finish(mut self) -> anyhow::Result<Written> {
        self.progress = None;
        if let Some(error) = self.failure {
            return Err(error);
        }
        if !self.written.stopped {
            let rest = self.stop.finish() + &self.decoder.finish();
            self.written.text.push_str(&rest);
            if !self.console.is_json() {
                self.console.stream(&rest)?;
            }
        }
        if !self.console.is_json() {
            self.console.stream("\n")?;
        }
        Ok(self.written)
    }
}

fn record(
    session: &Session,
    machine: &Machine,
    request: Request,
    generation: &Generation,
    written: Written,
) -> ResultFile {
    let rate = |count: usize, seconds: f64| (count > 0 && seconds > 0.0).then(|| count as f64 / seconds);
    let count = generation.output.len();
    let finish = match generation.finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::Cancelled if written.stopped => "stop_string",
        Finish::Cancelled => "cancelled",
    };
    ResultFile {
        model_id: session.model.id(),
        output_hash: output_hash(&generation.output),
        text: written.text,
        sampling: request.sampling.into(),
        max_tokens: if generation.finish == Finish::Cancelled { count as u32 } else { request.max_tokens },
        finish: finish.into(),
        backend: Some(machine.backend.clone()),
        isa: machine.isa.clone(),
        threads: Some(machine.threads),
        prefill_tokens_per_s: rate(request.prompt.len(), generation.prefill.as_secs_f64()),
        decode_tokens_per_s: rate(count.saturating_sub(1), generation.decode.as_secs_f64()),
        prompt_tokens: request.prompt,
        output_tokens: generation.output.clone(),
    }
}

fn remark(result: &ResultFile) -> String {
    let rate = |x: Option<f64>| x.map_or("-".into(), |x| format!("{x:.0}"));
    format!(
        "[{} + {} tokens, {} and {} tokens/s, ended by {}]",
        result.prompt_tokens.len(),
        result.output_tokens.len(),
        rate(result.prefill_tokens_per_s),
        rate(result.decode_tokens_per_s),
        result.finish,
    )
}
