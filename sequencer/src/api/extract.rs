//! What comes in: bodies with their limits, keys with their accounts.

use std::sync::Arc;
use std::time::Duration;

use alloy::signers::local::Secp256k1Signer;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::error::ApiError;
use crate::flow::Service;
use crate::ledger::Hash;

/// A body has this long to come.
const BODY_TIME: Duration = Duration::from_secs(30);

/// A JSON body, whatever its content type says.
pub(super) struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<Service>> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, service: &Arc<Service>) -> Result<Self, ApiError> {
        let limit = service.terms.body_bytes;
        let body = Limited::new(request.into_body(), limit).collect();
        let bytes = match tokio::time::timeout(BODY_TIME, body).await {
            Err(_) => return Err(ApiError::timeout()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(ApiError::too_large(limit)),
            Ok(Err(_)) => return Err(ApiError::json(None, "the body did not come whole")),
            Ok(Ok(body)) => body.to_bytes(),
        };
        parse(&bytes).map(Self)
    }
}

/// Reads JSON; an error names the field.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        let field = (path != "." && inner.is_data()).then_some(path).or_else(|| missing(&inner.to_string()));
        let message = match &field {
            Some(field) => format!("{field}: {inner}"),
            None => format!("the body is not the JSON that this route takes: {inner}"),
        };
        ApiError::json(field, message)
    })?;
    json.end().map_err(|e| ApiError::json(None, format!("the body goes on after its JSON: {e}")))?;
    Ok(value)
}

/// serde says "missing field `x`" of the object around it.
fn missing(message: &str) -> Option<String> {
    let rest = message.strip_prefix("missing field `")?;
    Some(rest.split('`').next()?.to_owned())
}

/// Who asks.
pub(super) struct Caller {
    /// The key.
    pub key: Arc<Secp256k1Signer>,
    /// Its account.
    pub account: u32,
}

impl FromRequestParts<Arc<Service>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, ApiError> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (scheme, text) = header.and_then(|value| value.split_once(' ')).ok_or_else(|| {
            ApiError::unauthorized(
                "no API key: send it as Authorization: Bearer rk-...; /openapi.json says how to get one",
            )
        })?;
        let unknown =
            || ApiError::unauthorized("this API key is unknown, or its delegation is no longer in force");
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(unknown());
        }
        let key = service.keys.signer(text.trim()).ok_or_else(unknown)?;
        let account = service.book.account_of(key.address()).ok_or_else(unknown)?;
        service.keys.keep(&key);
        Ok(Self { key, account })
    }
}

/// The last segment of a route.
pub(super) struct Segment(pub String);

impl FromRequestParts<Arc<Service>> for Segment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, service).await;
        path.map(|Path(text)| Self(text)).map_err(|e| ApiError::bad("path", e.body_text()))
    }
}

/// 32 bytes in hexadecimal, as the last segment of a route.
pub(super) struct HashSegment(pub Hash);

impl FromRequestParts<Arc<Service>> for HashSegment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, ApiError> {
        let Segment(text) = Segment::from_request_parts(parts, service).await?;
        text.parse().map(Self).map_err(|_| ApiError::bad("hash", "a hash has 64 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code, reason = "read by nobody")]
    struct Shape {
        model: String,
        messages: Vec<Message>,
        #[serde(flatten)]
        rest: serde_json::Map<String, serde_json::Value>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code, reason = "read by nobody")]
    struct Message {
        role: String,
    }

    #[test]
    fn errors_name_the_field() {
        let param = |text: &'static str| {
            parse::<Shape>(&Bytes::from_static(text.as_bytes())).unwrap_err().body().error.param
        };
        assert_eq!(param("{\"model\": 1}"), Some("model".into()));
        assert_eq!(param("{\"model\": \"a\"}"), Some("messages".into()));
        assert_eq!(
            param("{\"model\": \"a\", \"messages\": [{\"role\": []}]}"),
            Some("messages[0].role".into())
        );
        assert_eq!(param("{"), None);
        assert_eq!(param("{\"model\": \"a\", \"messages\": []} x"), None);
    }
}
