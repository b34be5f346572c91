//! HTTP: OpenAI's routes as its official clients expect them, and the native ones.

mod chat;
mod completions;
mod embeddings;
mod error;
mod extract;
mod keys;
mod models;
mod operations;
mod params;
mod proofs;
mod receipts;
mod requests;
pub mod serve;
mod stream;
mod text;
mod withdrawals;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use error::{ApiError, ErrorBody, ErrorObject};

use crate::flow::Service;
use crate::metrics::Answered;

/// What `/openapi.json` says of the whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Refute sequencer",
        description = "Inference with receipts. OpenAI's routes take an API key, `Authorization: Bearer rk-` and the 64 \
            hexadecimal digits of a delegate's private key. To make one: choose a random private key, sign a Delegation \
            (EIP-712, domain in /v1/refute/info) to its address with the account's key, post it to /v1/refute/keys. \
            Ignored parameters: metadata, parallel_tool_calls, prompt_cache_key, prompt_cache_retention, \
            safety_identifier, service_tier, store, user, verbosity. Any other parameter that would change the result \
            and is not listed is refused by its name. Stop strings end the text where they begin and are paid for up to \
            the token that completed them."
    ),
    modifiers(&Security)
)]
struct Document;

struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().security_schemes.insert("key".into(), scheme.into());
    }
}

/// All routes, with the document that describes them.
fn routes() -> (Router<Arc<Service>>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(chat::chat))
        .routes(routes!(completions::complete))
        .routes(routes!(embeddings::embed))
        .routes(routes!(models::list))
        .routes(routes!(models::get))
        .routes(routes!(keys::info))
        .routes(routes!(keys::make))
        .routes(routes!(keys::account))
        .routes(routes!(withdrawals::post))
        .routes(routes!(requests::post))
        .routes(routes!(requests::get))
        .routes(routes!(receipts::get))
        .routes(routes!(proofs::get))
        .routes(routes!(operations::healthz))
        .routes(routes!(operations::readyz))
        .routes(routes!(operations::metrics))
        .split_for_parts()
}

/// The document that `/openapi.json` answers.
pub fn document() -> utoipa::openapi::OpenApi {
    routes().1
}

/// The whole service.
pub fn router(service: Arc<Service>) -> Router {
    let (router, document) = routes();
    let document = Arc::new(document);
    router
        .route(
            "/openapi.json",
            axum::routing::get(move || async move { axum::Json(document.as_ref().clone()) }),
        )
        .fallback(|| async {
            ApiError::not_found("unknown_url", "there is no such route: see /openapi.json")
        })
        .method_not_allowed_fallback(|| async { ApiError::method() })
        .layer(middleware::from_fn_with_state(Arc::clone(&service), count))
        .layer(CatchPanicLayer::custom(|_| ApiError::internal().into_response()))
        .with_state(service)
}

/// Counts what is answered.
async fn count(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let begin = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    service.metrics.answer_seconds.observe(begin.elapsed().as_secs_f64());
    let status = response.status().as_u16();
    service.metrics.answered.get_or_create(&Answered { route, status }).inc();
    response
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_has_every_route_and_no_open_reference() {
        let document = serde_json::to_value(super::document()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        for path in [
            "/v1/chat/completions",
            "/v1/completions",
            "/v1/embeddings",
            "/v1/models",
            "/v1/refute/requests",
            "/v1/refute/requests/{hash}",
            "/v1/refute/receipts/{hash}",
            "/v1/refute/withdrawals",
            "/v1/refute/proofs/{hash}",
            "/healthz",
            "/readyz",
            "/metrics",
        ] {
            assert!(paths.contains_key(path), "{path}");
        }
        let text = document.to_string();
        for part in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
    }
}
