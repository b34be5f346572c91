//! Requests that were made on L1: executed here, so that a batch can take them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bisection::ledger::inbox;
use executor::kernels::Sampling;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::state::Shared;
use crate::engine::{Event, Job, Kind, Model, Output, Task, unpack_tokens};
use crate::ledger::{Hash, item_seed};
use crate::store::Db;

/// On whose behalf they run: no account has this index.
const AGENT: u32 = u32::MAX;

/// A request that is to be executed.
#[derive(Clone)]
struct Due {
    hash: Hash,
    request: inbox::L1Request,
    prompt: Arc<super::view::Entered>,
}

/// Executes what is in the inbox and not taken, in its order, until it is stopped.
pub(super) async fn run(
    shared: Arc<Shared>,
    db: Db,
    models: BTreeMap<Hash, Arc<Model>>,
    mut news: watch::Receiver<u64>,
    stop: CancellationToken,
) {
    let mut told = HashSet::new();
    loop {
        let mut again = false;
        for due in due(&shared) {
            let Some(model) = models.get(&due.request.model) else {
                if told.insert(due.hash) {
                    let (hash, model) = (due.hash, due.request.model);
                    tracing::error!(%hash, %model, "a request on L1 is for a model that is not served here");
                }
                continue;
            };
            let outcome = tokio::select! {
                outcome = execute(model, &due) => outcome,
                () = stop.cancelled() => return,
            };
            let kept = match outcome {
                Ok(output) => {
                    let (length, bytes) = (output.length(), output.pack(model.token_bits));
                    let kept = db.keep_l1_result(&due.hash.0, length, &bytes).await;
                    kept.map_err(|e| e.to_string()).map(|()| (length, bytes))
                }
                Err(why) => Err(why),
            };
            match kept {
                Ok(result) => {
                    tracing::info!(hash = %due.hash, tokens = result.0, "a request on L1 is executed");
                    shared.write().results.insert(due.hash, result);
                }
                Err(why) => {
                    tracing::warn!(hash = %due.hash, why, "a request on L1 cannot be executed: trying again");
                    again = true;
                }
            }
        }
        let wait = if again { Duration::from_secs(1) } else { Duration::from_secs(3600) };
        tokio::select! {
            _ = tokio::time::timeout(wait, news.changed()) => {}
            () = stop.cancelled() => return,
        }
        if again {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn due(shared: &Shared) -> Vec<Due> {
    let state = shared.read();
    let from = state.view.parent().1.cursor;
    let entries = (from..).zip(state.view.entries.iter().skip(from as usize));
    let due = |(index, entered): (u64, &Arc<super::view::Entered>)| match &entered.entry {
        inbox::Entry::Request(request) => {
            let hash = state.request_hash(index, &entered.entry);
            let due = Due { hash, request: *request, prompt: Arc::clone(entered) };
            (!state.results.contains_key(&hash)).then_some(due)
        }
        _ => None,
    };
    entries.filter_map(due).collect()
}

async fn execute(model: &Model, due: &Due) -> Result<Output, String> {
    let request = &due.request;
    let prompt = unpack_tokens(&due.prompt.prompt, request.prompt_length, model.token_bits);
    let prompt = prompt.ok_or("its prompt cannot be read")?;
    let s = &request.sampling;
    let seed = item_seed(request.seed, s, due.hash).0;
    let sampling =
        Sampling { temperature: s.temperature, top_k: s.top_k, top_p: s.top_p, min_p: s.min_p, seed };
    let task = match model.kind {
        Kind::Vector { .. } => Task::Vector,
        Kind::Tokens => {
            let left = model.context.saturating_sub(request.prompt_length);
            Task::Tokens { sampling, limit: request.max_tokens.min(left) }
        }
    };
    let (events, mut answers) = unbounded_channel();
    let job = Job { agent: AGENT, prompt: prompt.into(), task, whole: true, events };
    model.runner.submit(job).map_err(|e| e.to_string())?;
    let mut output = Vec::new();
    loop {
        match answers.recv().await {
            Some(Event::Tokens(tokens)) => output.extend(tokens),
            Some(Event::Vector(vector)) => return Ok(Output::Vector(vector)),
            Some(Event::End(_)) => return Ok(Output::Tokens(output)),
            Some(Event::Failed(why)) => return Err(why),
            None => return Err("the engine has stopped".into()),
        }
    }
}
