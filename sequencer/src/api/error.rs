//! Errors as OpenAI's clients expect them.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::book::Refusal;
use crate::engine::{CodecError, Refused};
use crate::flow::FlowError;
use crate::l1::ProofError;
use crate::ledger::Invalid;
use crate::sealer::SealError;
use crate::store::StoreError;

/// An error as a response.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// What is wrong.
    pub error: ErrorObject,
}

/// What is wrong, and what to do about it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErrorObject {
    /// For people.
    pub message: String,
    /// The kind.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The field that is wrong.
    pub param: Option<String>,
    /// For programs.
    pub code: Option<&'static str>,
}

/// An error with its status.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    retry_after: Option<u32>,
    object: ErrorObject,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        let object = ErrorObject { message: message.into(), kind, param: None, code: Some(code) };
        Self { status, retry_after: None, object }
    }

    /// A field of the request is wrong.
    pub fn bad(param: impl Into<String>, message: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", "invalid_value", message);
        error.about(param)
    }

    /// The request is no JSON, or not of the right shape.
    pub fn json(param: Option<String>, message: impl Into<String>) -> Self {
        let mut error = Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", "invalid_json", message);
        error.object.param = param;
        error
    }

    /// A parameter that would change the result and is not there.
    pub fn unsupported(param: &str) -> Self {
        let message = format!("{param} is not supported: leave it out");
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", "unsupported_parameter", message)
            .about(param)
    }

    /// A field that nobody knows.
    pub fn unknown(param: &str) -> Self {
        let message = format!("unrecognized request argument: {param}");
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", "unknown_parameter", message).about(param)
    }

    /// No such thing.
    pub fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", code, message)
    }

    /// Wrong method.
    pub fn method() -> Self {
        let message = "this route has no such method: see /openapi.json";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", "method_not_allowed", message)
    }

    /// No key, or one that nobody knows.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "authentication_error", "invalid_api_key", message)
    }

    /// Too much.
    pub fn too_large(limit: usize) -> Self {
        let message = format!("the body has more than {limit} bytes: shorten it");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", "body_too_large", message)
    }

    /// Too slow.
    pub fn timeout() -> Self {
        let message = "the body did not come in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, "invalid_request_error", "timeout", message)
    }

    /// Not now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", "unavailable", message).retry(2)
    }

    /// Our fault.
    pub fn internal() -> Self {
        let message = "the sequencer failed: its log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "internal_error", message)
    }

    /// Names the field.
    pub fn about(mut self, param: impl Into<String>) -> Self {
        self.object.param = Some(param.into());
        self
    }

    /// Names the field that the route calls its prompt, where the error speaks of the prompt.
    pub fn prompt_is(self, field: &'static str) -> Self {
        if self.object.param.as_deref() == Some("prompt") { self.about(field) } else { self }
    }

    fn retry(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The body alone, for a stream that has begun.
    pub fn body(&self) -> ErrorBody {
        ErrorBody { error: self.object.clone() }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = axum::Json(ErrorBody { error: self.object });
        let mut response = (self.status, body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<CodecError> for ApiError {
    fn from(error: CodecError) -> Self {
        Self::bad("messages", error.to_string())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store cannot be read");
        Self::unavailable("the store cannot be read now")
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let new = |status, kind, code| Self::new(status, kind, code, refusal.to_string());
        match refusal {
            Refusal::TooMany => {
                new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "too_many_requests").retry(1)
            }
            Refusal::Account(_) => Self::bad("account", refusal.to_string()),
            Refusal::Delegate => {
                new(StatusCode::CONFLICT, "invalid_request_error", "delegate_taken").about("delegate")
            }
            Refusal::DelegationExpired => {
                new(StatusCode::UNAUTHORIZED, "authentication_error", "invalid_api_key")
            }
            Refusal::DelegationScope => {
                new(StatusCode::FORBIDDEN, "permission_error", "delegation_scope").about("model")
            }
            Refusal::Cap => new(StatusCode::PAYMENT_REQUIRED, "insufficient_quota", "delegation_cap"),
            Refusal::Invalid(invalid) => match invalid {
                Invalid::Nonce(_) | Invalid::OldDelegation(_) => {
                    new(StatusCode::CONFLICT, "invalid_request_error", "nonce_used").about("nonce")
                }
                Invalid::Expired(_) => {
                    new(StatusCode::BAD_REQUEST, "invalid_request_error", "expired").about("valid_until")
                }
                Invalid::MaxFee { .. } => {
                    new(StatusCode::BAD_REQUEST, "invalid_request_error", "max_fee").about("max_fee")
                }
                Invalid::Balance(_) => {
                    new(StatusCode::PAYMENT_REQUIRED, "insufficient_quota", "insufficient_balance")
                }
                Invalid::NotDelegated => {
                    new(StatusCode::UNAUTHORIZED, "authentication_error", "invalid_api_key")
                }
                Invalid::BeyondDelegation => {
                    new(StatusCode::FORBIDDEN, "permission_error", "delegation_scope")
                }
                // Signatures are checked before; the others are of the inbox.
                Invalid::NoAccount(_)
                | Invalid::Owner
                | Invalid::TooMuch
                | Invalid::Paid { .. }
                | Invalid::Signer => Self::bad("account", refusal.to_string()),
            },
        }
    }
}

impl From<SealError> for ApiError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Refused(refusal) => refusal.into(),
            SealError::NoReceipts(_) | SealError::Stopping => Self::unavailable(error.to_string()),
            SealError::TooShort(_) => {
                Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", "expired", error.to_string())
                    .about("valid_until")
            }
            SealError::Store(_) => {
                tracing::error!(%error, "a result was lost before it was promised");
                Self::unavailable("the result could not be stored: nothing was charged, ask again")
            }
        }
    }
}

impl From<ProofError> for ApiError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::NotPosted => Self::not_found("not_posted", error.to_string()),
            ProofError::NotOurs => Self::not_found("not_ours", error.to_string()),
            ProofError::Store(error) => error.into(),
            ProofError::Damaged(_) => {
                tracing::error!(%error, "a proof cannot be made");
                Self::internal()
            }
        }
    }
}

impl From<FlowError> for ApiError {
    fn from(error: FlowError) -> Self {
        let message = error.to_string();
        match error {
            FlowError::Refused(refusal) => refusal.into(),
            FlowError::Busy(Refused::Agent) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "too_many_requests", message)
                    .retry(1)
            }
            FlowError::Busy(Refused::Full | Refused::Down) | FlowError::Stopping => {
                Self::unavailable(message)
            }
            FlowError::Seal(error) => error.into(),
            FlowError::Store(error) => error.into(),
            FlowError::Engine(reason) => {
                tracing::error!(reason, "the engine failed on a request");
                Self::internal()
            }
            FlowError::Bad { field, .. } => Self::bad(field, message),
            FlowError::Context { .. } => {
                let status = StatusCode::BAD_REQUEST;
                Self::new(status, "invalid_request_error", "context_length_exceeded", message).about("prompt")
            }
        }
    }
}
