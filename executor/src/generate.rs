//! Generation and verification over any back end.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use bisection::{Hash, tagged};

use crate::engine::{Emission, Engine, EngineError, Feed};
use crate::kernels::Sampling;
use crate::program::Interface;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// At least one token.
    pub prompt: Vec<u32>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Most tokens of the output; at least one.
    pub max_tokens: u32,
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// With a stop token.
    Stop,
    /// At the limit of tokens or of the context.
    Length,
    /// The caller wanted no more.
    Cancelled,
}

/// A finished generation.
#[derive(Clone, Debug)]
pub struct Generation {
    /// The output, its stop token included.
    pub output: Vec<u32>,
    /// Why it ended.
    pub finish: Finish,
    /// Time to the first token.
    pub prefill: Duration,
    /// Time from the first token to the last.
    pub decode: Duration,
}

/// A request that cannot be run, or a back end that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError {
    /// The back end refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There is nothing to go on from, or nothing to make.
    #[error("{0}")]
    Request(String),
    /// The model makes vectors, not tokens.
    #[error("this model gives no tokens: use `refute embed` or `refute run`")]
    NoTokens,
}

/// Most tokens that a request can give: its limit, or what the context leaves.
pub fn output_limit(face: &Interface, prompt: usize, max_tokens: u32) -> Result<u32, GenerateError> {
    let left = u64::from(face.context).saturating_sub(prompt as u64);
    if prompt == 0 || max_tokens == 0 {
        return Err(GenerateError::Request("a prompt and an output need at least one token each".into()));
    }
    if left == 0 {
        let context = face.context;
        return Err(GenerateError::Request(format!(
            "the prompt has {prompt} tokens and the model's context is {context}: shorten the prompt"
        )));
    }
    Ok((left as u32).min(max_tokens))
}

fn token(emissions: &[Emission]) -> Result<u32, GenerateError> {
    match emissions {
        [Emission::Token(token)] => Ok(*token),
        _ => Err(GenerateError::NoTokens),
    }
}

/// Makes an output token by token; `on_token` sees each and may stop it.
pub fn generate(
    engine: &mut dyn Engine,
    request: &Request,
    on_token: &mut dyn FnMut(u32) -> ControlFlow<()>,
) -> Result<Generation, GenerateError> {
    let face = engine.program().interface.clone();
    let limit = output_limit(&face, request.prompt.len(), request.max_tokens)?;
    let sequence = engine.open(request.sampling)?;
    let mut run = || {
        let begin = Instant::now();
        let outputs_from = request.prompt.len() as u32 - 1;
        let mut tokens: &[u32] = &request.prompt;
        let (mut output, mut prefill) = (Vec::new(), Duration::ZERO);
        let finish = loop {
            let emissions = engine.step(&[Feed { sequence, tokens, outputs_from }], None)?;
            if output.is_empty() {
                prefill = begin.elapsed();
            }
            output.push(token(emissions.first().map_or(&[], Vec::as_slice))?);
            tokens = &output[output.len() - 1..];
            if on_token(tokens[0]).is_break() {
                break Finish::Cancelled;
            }
            if face.stop_tokens.contains(&tokens[0]) {
                break Finish::Stop;
            }
            if output.len() as u32 == limit {
                break Finish::Length;
            }
        };
        let decode = begin.elapsed() - prefill;
        Ok(Generation { output, finish, prefill, decode })
    };
    let result = run();
    engine.close(sequence);
    result
}

/// The first thing that is wrong with a claimed output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Token `index` of the output is not what the model gives.
    Token {
        /// Which token of the output.
        index: usize,
        /// What is claimed.
        claimed: u32,
        /// What the model gives.
        correct: u32,
    },
    /// The output ends too early or too late.
    Length(String),
}

/// Checks a whole output in one pass: every token is what the model gives after the tokens before it, and the output
/// ends where it must.
pub fn verify(
    engine: &mut dyn Engine,
    request: &Request,
    output: &[u32],
) -> Result<Option<Wrong>, GenerateError> {
    let face = engine.program().interface.clone();
    let limit = output_limit(&face, request.prompt.len(), request.max_tokens)? as usize;
    if let Some(token) = output.iter().find(|t| **t >= face.vocabulary) {
        return Err(EngineError::Token { token: *token, vocabulary: face.vocabulary }.into());
    }
    if output.is_empty() || output.len() > limit {
        let reason = format!("the output has {} tokens, 1 to {limit} are possible", output.len());
        return Ok(Some(Wrong::Length(reason)));
    }
    let sequence = engine.open(request.sampling)?;
    let tokens = [request.prompt.as_slice(), &output[..output.len() - 1]].concat();
    let outputs_from = request.prompt.len() as u32 - 1;
    let emissions = engine.step(&[Feed { sequence, tokens: &tokens, outputs_from }], None);
    engine.close(sequence);
    for (index, (claimed, emission)) in output.iter().zip(emissions?.concat()).enumerate() {
        let Emission::Token(correct) = emission else { return Err(GenerateError::NoTokens) };
        if correct != *claimed {
            return Ok(Some(Wrong::Token { index, claimed: *claimed, correct }));
        }
    }
    let stops: Vec<usize> = (0..output.len()).filter(|i| face.stop_tokens.contains(&output[*i])).collect();
    Ok(match stops.first() {
        Some(i) if *i + 1 < output.len() => {
            Some(Wrong::Length(format!("token {i} is a stop token, but the output goes on")))
        }
        None if output.len() < limit => Some(Wrong::Length(format!(
            "the output ends after {} of {limit} tokens without a stop token",
            output.len()
        ))),
        _ => None,
    })
}

/// Hash of an output: keccak256 of the tag `rf.outpt` and the tokens as u32 big-endian.
pub fn output_hash(output: &[u32]) -> Hash {
    let bytes: Vec<u8> = output.iter().flat_map(|t| t.to_be_bytes()).collect();
    tagged(b"rf.outpt", &[&bytes])
}

/// Hash of an output that is a vector: as [`output_hash`], with the elements as i32 big-endian.
pub fn vector_hash(output: &[i32]) -> Hash {
    let bytes: Vec<u8> = output.iter().flat_map(|x| x.to_be_bytes()).collect();
    tagged(b"rf.outpt", &[&bytes])
}
