//! One request out, one response back, nothing sent twice.
//!
//! async-openai's client builds the request and drives the sending. Its own reading of the answer is not used: it drops the
//! headers of a refusal (`retry-after`), fails on error objects that are not exactly OpenAI's, does not tell a stream that was
//! cut from one that ended, buffers without bound, and takes keep-alives for silence. So the service that it calls sends the
//! request itself, once (the client's own service would retry), keeps the response, and ends the client's part of the call.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_openai::Client;
use async_openai::config::{Config as _, OpenAIConfig};
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use async_openai::types::chat::CreateChatCompletionRequest;
use reqwest::Response;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::agents::secrets::Secret;
use crate::domain::failure::{Failure, FailureClass};

/// One attempt to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// The HTTP client that all providers share. `environment` may name proxies (`HTTPS_PROXY`, `NO_PROXY`, …).
pub fn http_client(environment: &BTreeMap<String, String>) -> Result<reqwest::Client, Failure> {
    // An error means that it is installed already.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let internal = |error: reqwest::Error| {
        Failure::new(FailureClass::Internal, format!("cannot set up the HTTP client: {}", chain(error)))
    };
    let variable =
        |names: [&str; 2]| names.iter().find_map(|name| environment.get(*name)).filter(|value| !value.is_empty());
    let no_proxy = variable(["no_proxy", "NO_PROXY"]).and_then(|list| reqwest::NoProxy::from_string(list));
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("wfctl/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        // A provider that moved is a wrong base URL; a key is not carried elsewhere.
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy();
    if let Some(proxy) = variable(["http_proxy", "HTTP_PROXY"]) {
        builder = builder.proxy(reqwest::Proxy::http(proxy).map_err(internal)?.no_proxy(no_proxy.clone()));
    }
    if let Some(proxy) = variable(["https_proxy", "HTTPS_PROXY"]) {
        builder = builder.proxy(reqwest::Proxy::https(proxy).map_err(internal)?.no_proxy(no_proxy));
    }
    builder.build().map_err(internal)
}

/// What every request to one endpoint carries.
#[derive(Clone)]
pub(super) struct Line {
    http: reqwest::Client,
    config: OpenAIConfig,
    headers: HeaderMap,
}

impl Line {
    /// Checks what a person has configured: the URL and the headers.
    pub(super) fn new(
        http: reqwest::Client,
        base_url: &str,
        key: Option<&Secret>,
        extra: &BTreeMap<String, Secret>,
    ) -> Result<Self, Failure> {
        let wrong = |what: String| Failure::new(FailureClass::BadRequest, what);
        let url = reqwest::Url::parse(base_url)
            .map_err(|error| wrong(format!("the base URL {base_url:?} is not valid: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(format!("the base URL {base_url:?} must begin with http:// or https://")));
        }
        let secret = |what: &str, text: &str| -> Result<HeaderValue, Failure> {
            let mut value = HeaderValue::from_str(text)
                .map_err(|_| wrong(format!("{what} has characters that no header may have")))?;
            value.set_sensitive(true);
            Ok(value)
        };
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            headers.insert(AUTHORIZATION, secret("the key", &format!("Bearer {}", key.expose()))?);
        }
        for (name, value) in extra {
            let parsed = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| wrong(format!("{name:?} is no name of a header")))?;
            headers.insert(parsed, secret(&format!("header {name}"), value.expose())?);
        }
        // Each field is given, so that none comes from the environment.
        let config = OpenAIConfig::new()
            .with_api_base(base_url.trim_end_matches('/'))
            .with_api_key("")
            .with_org_id("")
            .with_project_id("");
        Ok(Self { http, config, headers })
    }

    /// Sends `body` and waits for the head of the answer.
    pub(super) async fn send(&self, body: &CreateChatCompletionRequest) -> Result<Response, Lost> {
        let kept = Arc::new(Mutex::new(None));
        let service = Once { http: self.http.clone(), headers: self.headers.clone(), kept: kept.clone() };
        let client = Client::build(self.http.clone(), self.config.clone()).with_http_service(service);
        let ended = client.chat().create_stream_byot::<_, serde_json::Value>(body).await.err();
        let kept = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        match kept {
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) if error.is_connect() => Err(Lost::NotSent(chain(error))),
            Some(Err(error)) => Err(Lost::Sent(chain(error))),
            None => Err(Lost::NotMade(ended.map_or_else(String::new, |error| error.to_string()))),
        }
    }
}

impl Line {
    /// Sends `body`, JSON, to a path below the base URL and waits for the head of the answer.
    pub(super) async fn post(&self, path: &str, body: Vec<u8>) -> Result<Response, Lost> {
        let url = format!("{}/{path}", self.config.api_base());
        let json = HeaderValue::from_static("application/json");
        let request = self.http.post(url).headers(self.headers.clone()).header(CONTENT_TYPE, json).body(body);
        match request.send().await {
            Ok(response) => Ok(response),
            Err(error) if error.is_builder() => Err(Lost::NotMade(chain(error))),
            Err(error) if error.is_connect() => Err(Lost::NotSent(chain(error))),
            Err(error) => Err(Lost::Sent(chain(error))),
        }
    }
}

/// No answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lost {
    /// No connection.
    NotSent(String),
    /// The connection was lost after the request, or some of it, was sent.
    Sent(String),
    /// The request could not be made.
    NotMade(String),
}

/// Sends one request and keeps what came back.
#[derive(Clone)]
struct Once {
    http: reqwest::Client,
    headers: HeaderMap,
    kept: Arc<Mutex<Option<Result<Response, reqwest::Error>>>>,
}

impl tower_service::Service<HttpRequestFactory> for Once {
    type Response = Response;
    type Error = OpenAIError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, OpenAIError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, factory: HttpRequestFactory) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let mut request = factory.build().await?;
            request.headers_mut().remove(AUTHORIZATION);
            request.headers_mut().extend(this.headers);
            let answer = this.http.execute(request).await;
            *this.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
            Err(OpenAIError::Boxed("the answer is read elsewhere".into()))
        })
    }
}

/// The error and its causes in one line, without the URL.
pub(super) fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_settings_are_refused_without_showing_secrets() {
        let http = http_client(&BTreeMap::new()).unwrap();
        let key = Secret::new("sk-very\nsecret").unwrap();
        let headers = |name: &str| BTreeMap::from([(name.to_owned(), key.clone())]);
        let line = |url, key, extra: &BTreeMap<String, Secret>| {
            Line::new(http.clone(), url, key, extra).err().map(|failure| failure.message)
        };
        let none = BTreeMap::new();
        for (problem, wanted) in [
            (line("ftp://x", None, &none), "must begin with http"),
            (line("api.openai.com", None, &none), "is not valid"),
            (line("http://x", Some(&key), &none), "the key has characters"),
            (line("http://x", None, &headers("X-Key")), "header X-Key has characters"),
            (line("http://x", None, &headers("bad name")), "is no name of a header"),
        ] {
            let problem = problem.unwrap();
            assert!(problem.contains(wanted) && !problem.contains("very"), "{problem}");
        }
        assert_eq!(line("http://x/v1/", None, &none), None);
    }

    #[test]
    fn a_proxy_that_is_none_is_refused() {
        let environment = BTreeMap::from([("HTTPS_PROXY".to_owned(), "http://[".to_owned())]);
        assert_eq!(http_client(&environment).unwrap_err().class, FailureClass::Internal);
    }
}
