//! Parameters that several routes share: what is taken, what is ignored, what is refused.

use executor::kernels::Sampling;
use executor::sampling::Decimals;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::error::ApiError;

/// Parameters that change nothing of the result; taken and not read.
const IGNORED: [&str; 9] = [
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "user",
    "verbosity",
];

/// Parameters that would change the result: refused unless they say what is the case anyway.
const REFUSED: [&str; 20] = [
    "audio",
    "best_of",
    "echo",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "modalities",
    "n",
    "prediction",
    "presence_penalty",
    "reasoning_effort",
    "response_format",
    "suffix",
    "tool_choice",
    "tools",
    "top_logprobs",
    "web_search_options",
    "dimensions",
];

/// Most stop strings, and their most bytes.
const STOPS: (usize, usize) = (4, 256);

/// Refuses what is neither known nor harmless.
pub(crate) fn check_rest(rest: &Map<String, Value>) -> Result<(), ApiError> {
    for (name, value) in rest {
        if value.is_null() || IGNORED.contains(&name.as_str()) {
            continue;
        }
        if !REFUSED.contains(&name.as_str()) {
            return Err(ApiError::unknown(name));
        }
        let harmless = match (name.as_str(), value) {
            ("n" | "best_of", value) => value.as_u64() == Some(1),
            ("frequency_penalty" | "presence_penalty" | "top_logprobs", value) => value.as_f64() == Some(0.0),
            ("logprobs", Value::Bool(wanted)) | ("echo", Value::Bool(wanted)) => !wanted,
            ("logit_bias", Value::Object(map)) => map.is_empty(),
            ("tools" | "functions", Value::Array(list)) => list.is_empty(),
            ("tool_choice" | "function_call", Value::String(choice)) => choice == "none" || choice == "auto",
            ("response_format", value) => value.get("type").and_then(Value::as_str) == Some("text"),
            ("modalities", Value::Array(list)) => list.iter().all(|m| m == "text"),
            ("suffix", Value::String(text)) => text.is_empty(),
            _ => false,
        };
        if !harmless {
            return Err(ApiError::unsupported(name));
        }
    }
    Ok(())
}

/// One string or several.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Strings {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// What a stream shows at its end.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub(super) struct StreamOptions {
    /// A last chunk with the usage.
    #[serde(default)]
    pub include_usage: Option<bool>,
}

/// Strings that end the text.
pub(crate) fn stops(stop: Option<Strings>) -> Result<Vec<String>, ApiError> {
    let strings = match stop {
        None => return Ok(Vec::new()),
        Some(Strings::One(one)) => vec![one],
        Some(Strings::Many(many)) => many,
    };
    let (count, bytes) = STOPS;
    if strings.len() > count {
        return Err(ApiError::bad("stop", format!("at most {count} stop strings")));
    }
    if strings.iter().any(|s| s.is_empty() || s.len() > bytes) {
        return Err(ApiError::bad("stop", format!("a stop string has 1 to {bytes} bytes")));
    }
    Ok(strings)
}

/// How tokens are chosen. Without a seed one is drawn, so that it can be posted with the request.
pub(crate) fn sampling(
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u32>,
    min_p: Option<f64>,
    seed: Option<i64>,
) -> Result<Sampling, ApiError> {
    let decimals = Decimals {
        temperature: temperature.unwrap_or(1.0),
        top_k: top_k.unwrap_or(0),
        top_p: top_p.unwrap_or(1.0),
        min_p: min_p.unwrap_or(0.0),
    };
    let mut bytes = [0; 32];
    match seed {
        // 0 stands for "none" in a signed request.
        Some(0) => bytes[23] = 1,
        Some(seed) => bytes[24..].copy_from_slice(&seed.to_be_bytes()),
        None => getrandom::fill(&mut bytes[24..]).map_err(|error| {
            tracing::error!(%error, "no random numbers");
            ApiError::internal()
        })?,
    }
    if bytes == [0; 32] {
        bytes[23] = 1;
    }
    decimals.to_sampling(bytes).map_err(|e| ApiError::bad(e.field, e.to_string()))
}

/// Most tokens of the output, by either of its names.
pub(crate) fn max_tokens(old: Option<u32>, new: Option<u32>) -> Result<Option<u32>, ApiError> {
    let (name, value) = if new.is_some() { ("max_completion_tokens", new) } else { ("max_tokens", old) };
    if value == Some(0) {
        return Err(ApiError::bad(name, format!("{name} must be at least 1")));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_would_change_the_result_is_refused_by_name() {
        let check = |value: Value| check_rest(value.as_object().unwrap()).map_err(|e| e.body().error);
        check(json!({"n": 1, "user": "me", "tools": [], "logprobs": false, "tool_choice": null})).unwrap();
        check(json!({"frequency_penalty": 0, "response_format": {"type": "text"}, "logit_bias": {}}))
            .unwrap();
        for (name, value) in
            [("n", json!(2)), ("tools", json!([{}])), ("logprobs", json!(3)), ("echo", json!(true))]
        {
            let error = check(json!({name: value})).unwrap_err();
            assert_eq!((error.param.as_deref(), error.code), (Some(name), Some("unsupported_parameter")));
        }
        let error = check(json!({"temprature": 1})).unwrap_err();
        assert_eq!((error.param.as_deref(), error.code), (Some("temprature"), Some("unknown_parameter")));
    }

    #[test]
    fn seeds_are_those_of_the_command_line() {
        let seed = |seed| sampling(None, None, None, None, seed).unwrap().seed;
        assert_eq!(seed(Some(258))[30..], [1, 2]);
        assert_ne!(seed(Some(0)), [0; 32]);
        assert_ne!(seed(None), seed(None));
        assert_eq!(
            sampling(Some(3000.0), None, None, None, None).unwrap_err().body().error.param.unwrap(),
            "temperature"
        );
    }
}
