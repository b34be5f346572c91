//! The client side of a sequencer's API.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use crate::failure::bad_input;

/// A sequencer.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    client: reqwest::Client,
    url: String,
}

impl Api {
    /// At a URL such as `http://127.0.0.1:8080`.
    pub(crate) fn new(url: &str) -> anyhow::Result<Self> {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(bad_input(format!(
                "{url} is no URL of a sequencer: it begins with http:// or https://"
            )));
        }
        let client = reqwest::Client::builder().timeout(Duration::from_secs(600)).build()?;
        Ok(Self { client, url: url.trim_end_matches('/').to_owned() })
    }

    /// The document at a path.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.answer(self.client.get(format!("{}{path}", self.url))).await
    }

    /// The same, as the holder of an API key.
    pub(crate) async fn get_as(&self, path: &str, key: &str) -> anyhow::Result<Value> {
        self.answer(self.client.get(format!("{}{path}", self.url)).bearer_auth(key)).await
    }

    /// The answer to a document, with an API key if the route needs one.
    pub(crate) async fn post(&self, path: &str, key: Option<&str>, body: &Value) -> anyhow::Result<Value> {
        let mut request = self.client.post(format!("{}{path}", self.url)).json(body);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        self.answer(request).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let response = request.send().await.with_context(|| {
            format!("no sequencer answers at {}: is it running, and is the URL right?", self.url)
        })?;
        let status = response.status();
        let text = response.text().await?;
        let document: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(document);
        }
        let said = document["error"]["message"].as_str().map_or(text.as_str(), |message| message);
        Err(bad_input(format!("the sequencer says {status}: {said}")))
    }
}
