//! One request to a Qdrant server, and its answer: in a bounded time, of a bounded size, sent once.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Url};
use serde_json::Value;

use crate::domain::limits;
use crate::secrets::Shelf;
use crate::telemetry::outgoing::{self, chain};

/// One attempt to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A whole request. Searches take milliseconds; a large upsert that is waited for takes seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Most of what a server says of an error that is told.
const SAID_CHARS: usize = 300;

/// The key for a server: a secret that the person declared, by its name.
#[derive(Clone)]
pub struct Key {
    /// Where secrets are.
    pub shelf: Arc<Shelf>,
    /// Its name.
    pub name: String,
}

/// A collection of a Qdrant server.
pub struct Server {
    /// How it is asked and where, or what of the configuration is wrong.
    line: Result<(reqwest::Client, Url), String>,
    collection: String,
    key: Option<Key>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// Nobody answers there.
    #[error("{0}; is the server running? Try: curl {1}/collections")]
    Unreachable(String, String),
    /// It answers that it does not.
    #[error("it answers {status}: {said}{}", advice(*.status))]
    Refused {
        /// Of HTTP.
        status: u16,
        /// In its own words.
        said: String,
    },
    /// What comes is no answer of such a server.
    #[error("{0}")]
    Wrong(String),
}

fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "; name the secret that has its key as `api_key` of [memory], and look with `wfctl secrets check`",
        _ => "",
    }
}

impl Server {
    /// `collection` at `url`; `variable` gives variables of the environment, which may name proxies. What is wrong with them is told
    /// when it is asked.
    pub fn new<'e>(url: &str, collection: &str, key: Option<Key>, variable: impl Fn(&str) -> Option<&'e str>) -> Self {
        let line = || {
            let url = Url::parse(url).map_err(|error| format!("the `url` of [memory] is not valid: {error}"))?;
            let http = outgoing::client(variable)?.connect_timeout(CONNECT_TIMEOUT).timeout(REQUEST_TIMEOUT);
            Ok((http.build().map_err(chain)?, url))
        };
        Self { line: line(), collection: collection.to_owned(), key }
    }

    /// The server and the collection, without what a URL may have of credentials.
    pub(super) fn place(&self) -> String {
        let origin = self.line.as_ref().map_or_else(|_| "?".to_owned(), |(_, url)| url.origin().ascii_serialization());
        format!("Qdrant at {origin} (collection {})", self.collection)
    }

    /// Asks for `path` (with its query) of the collection, and gives the `result` of the answer.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Trouble> {
        let (http, url) = self.line.as_ref().map_err(|why| Trouble::Wrong(why.clone()))?;
        let base = url.as_str().trim_end_matches('/');
        let mut request = http.request(method, format!("{base}/collections/{}{path}", self.collection));
        if let Some(Key { shelf, name }) = &self.key {
            let found = shelf.get(std::slice::from_ref(name)).await;
            let found = found.map_err(|missing| Trouble::Wrong(format!("its key cannot be had: {missing}")))?;
            for (_, secret) in found {
                request = request.header("api-key", secret.expose());
            }
        }
        if let Some(body) = &body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let unreachable = |error: reqwest::Error| match error.is_builder() {
            true => Trouble::Wrong(format!("the request cannot be made: {}", chain(error))),
            false => Trouble::Unreachable(chain(error), url.origin().ascii_serialization()),
        };
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > limits::QDRANT_BYTES {
                return Err(Trouble::Wrong("its answer has too many bytes".to_owned()));
            }
            bytes.extend_from_slice(&chunk);
        }
        let answer: Option<Value> = serde_json::from_slice(&bytes).ok();
        if !status.is_success() {
            let said = answer.as_ref().and_then(|answer| answer["status"]["error"].as_str()).map(str::to_owned);
            let said = said.unwrap_or_else(|| String::from_utf8_lossy(&bytes).trim().to_owned());
            let said = said.chars().filter(|c| !c.is_control()).take(SAID_CHARS).collect();
            return Err(Trouble::Refused { status: status.as_u16(), said });
        }
        let result = answer.and_then(|mut answer| answer.get_mut("result").map(Value::take));
        result.ok_or_else(|| {
            Trouble::Wrong("its answer is not that of a Qdrant server; look at `url` of [memory]".to_owned())
        })
    }
}
