//! Steps of kind `http`: one request, one response. Waiting for the outcome, it honours a stop at any point.
//!
//! Within one step a request is only sent again when it surely never left (no connection); everything else is the engine's
//! to retry. Requests that may change something carry the step's key as `Idempotency-Key`. Messages never show credentials or
//! the query of a URL. Headers may name secrets (`$NAME`) that the step is handed.

use std::ffi::OsString;
use std::sync::OnceLock;
use std::time::Duration;

use backoff::backoff::Backoff as _;
use backoff::{ExponentialBackoff, ExponentialBackoffBuilder};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, Url};
use serde_json::Value;

use super::runner::{Done, Settings, off_the_loop, stopped};
use super::value;
use crate::domain::effect::{StepOrder, StepRequest};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::limits;
use crate::domain::payload::Payload;
use crate::domain::secret;
use crate::domain::time::Millis;
use crate::domain::workflow::{HttpSpec, OutputFormat};
use crate::engine::ports::StepControl;
use crate::secrets::Secret;
use crate::telemetry::outgoing::{self, chain};
use crate::workspace::excerpt;

/// See <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// How long a connection is tried again within one step: bridges a server's restart, not its outage.
const CONNECT_RETRIES: Duration = Duration::from_secs(3);
/// One attempt to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// The one HTTP client of the engine, made when it is first needed: reading the system's certificates takes a while.
#[derive(Debug, Default)]
pub(super) struct Client {
    made: OnceLock<Result<reqwest::Client, String>>,
    /// For requests with secrets in them: it follows no redirect to another host.
    steadfast: OnceLock<Result<reqwest::Client, String>>,
}

impl Client {
    fn get(&self, environment: &[(OsString, OsString)], has_secrets: bool) -> Result<&reqwest::Client, Failure> {
        let (made, redirects) = match has_secrets {
            true => (&self.steadfast, same_place()),
            false => (&self.made, reqwest::redirect::Policy::limited(limits::HTTP_REDIRECTS)),
        };
        made.get_or_init(|| make(environment, redirects)).as_ref().map_err(|problem| {
            Failure::new(FailureClass::Internal, format!("cannot set up the HTTP client: {problem}"))
        })
    }
}

/// Redirects within the scheme, host and port that the workflow named: nobody else is sent its secrets.
fn same_place() -> reqwest::redirect::Policy {
    reqwest::redirect::Policy::custom(|attempt| {
        let stays = attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
        match (stays, attempt.previous().len() > limits::HTTP_REDIRECTS) {
            (false, _) => {
                attempt.error("a redirect to another host, which must not be sent the secrets of the request")
            }
            (true, true) => attempt.error("too many redirects"),
            (true, false) => attempt.follow(),
        }
    })
}

fn make(environment: &[(OsString, OsString)], redirects: reqwest::redirect::Policy) -> Result<reqwest::Client, String> {
    let variable = |name: &str| {
        let found = environment.iter().find(|(known, value)| known == name && !value.is_empty());
        found.and_then(|(_, value)| value.to_str())
    };
    let builder = outgoing::client(variable)?.connect_timeout(CONNECT_TIMEOUT).redirect(redirects);
    builder.build().map_err(chain)
}

/// One step of kind `http`.
pub(super) struct HttpStep<'r> {
    pub client: &'r Client,
    pub settings: &'r Settings,
    pub order: &'r StepOrder,
}

impl HttpStep<'_> {
    pub async fn run(&self, control: StepControl) -> Done {
        let StepRequest::Http { request, output } = &self.order.request else {
            return Failure::new(FailureClass::Internal, "this is not an HTTP request").into();
        };
        let mut stop = control.clone();
        tokio::select! {
            biased;
            cause = stop.stopped() => stopped(cause).into(),
            done = self.exchange(request, *output, &control) => done.unwrap_or_else(Done::from),
        }
    }

    async fn exchange(&self, spec: &HttpSpec, output: OutputFormat, control: &StepControl) -> Result<Done, Failure> {
        let handed = self.settings.secrets.get(&self.order.secrets).await?;
        let request = self.request(spec, &handed)?;
        let shown = shown(request.url());
        let client = self.client.get(&self.settings.environment, !handed.is_empty())?;
        let masker = self.settings.masks.now();
        let transport = |error: reqwest::Error| {
            let class = match () {
                () if error.is_redirect() => FailureClass::HttpClient,
                () if error.is_connect() => FailureClass::Unreachable,
                () => FailureClass::Transport,
            };
            Failure::new(class, format!("{} {shown}: {}", spec.method, chain(error)))
        };
        let mut response = send(client, request).await.map_err(transport)?;
        control.alive(self.settings.clock.monotonic_ms());
        let status = response.status();
        let retry_after_ms = retry_after_ms(&response, self.settings.clock.now());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            control.alive(self.settings.clock.monotonic_ms());
            if body.len() + chunk.len() > limits::HTTP_BODY_BYTES {
                let message =
                    format!("{} {shown}: the body has more than {} bytes", spec.method, limits::HTTP_BODY_BYTES);
                return Err(Failure::new(FailureClass::Oversized, message));
            }
            body.extend_from_slice(&chunk);
        }
        let body = masker.bytes(&body);
        let log = if body.len() >= value::KEPT_BYTES { self.whole(&body)? } else { None };
        let result = if is_expected(status, &spec.expect) {
            value::of(&body, output).and_then(|value| self.settings.keep(&value))
        } else {
            let told = excerpt::tail(&body);
            let message = format!("{} {shown}: status {}: {told}", spec.method, status.as_u16());
            let message = message.trim_end_matches([':', ' ']).to_owned();
            Err(Failure { class: class_of(status), message, retry_after_ms })
        };
        Ok(Done { result, log, code: Some(i32::from(status.as_u16())), tree: None, ran_under: None })
    }

    /// A body that is too long for a value is kept whole, as a command's output is.
    fn whole(&self, body: &[u8]) -> Result<Option<crate::domain::payload::BlobRef>, Failure> {
        match off_the_loop(|| self.settings.sink.put(body)) {
            Ok(Payload::Blob(blob)) => Ok(Some(blob)),
            Ok(Payload::Inline(_)) => Ok(None),
            Err(error) => Err(Failure::new(FailureClass::Internal, format!("cannot keep the body: {error}"))),
        }
    }

    fn request(&self, spec: &HttpSpec, handed: &[(String, Secret)]) -> Result<reqwest::Request, Failure> {
        let malformed = |problem: String| Failure::new(FailureClass::Malformed, problem);
        let url = Url::parse(&spec.url).map_err(|error| malformed(format!("the URL is not valid: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(malformed(format!("only http and https URLs are allowed, not {}", url.scheme())));
        }
        let method = Method::from_bytes(spec.method.to_ascii_uppercase().as_bytes())
            .map_err(|_| malformed(format!("{:?} is not an HTTP method", spec.method)))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &spec.headers {
            let problem = || malformed(format!("header {name:?} is not valid"));
            let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| problem())?;
            let filled = filled(value, handed);
            let mut value = HeaderValue::from_str(&filled).map_err(|_| problem())?;
            value.set_sensitive(filled != *spec.headers[name]);
            headers.insert(parsed, value);
        }
        if !matches!(method, Method::GET | Method::HEAD) && !headers.contains_key(IDEMPOTENCY_KEY) {
            let key = HeaderValue::from_str(&self.order.key());
            headers
                .insert(IDEMPOTENCY_KEY, key.map_err(|_| malformed("the step's key is no header value".to_owned()))?);
        }
        let mut request = reqwest::Request::new(method, url);
        if let Some(body) = &spec.body {
            let (content_type, text) = match body {
                Value::String(text) => ("text/plain; charset=utf-8", text.clone()),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    ("application/json", body.to_string())
                }
            };
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
            *request.body_mut() = Some(text.into());
        }
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// A header's value with `$NAME` and `${NAME}` of what the step is handed replaced; any other `$` stays.
fn filled(value: &str, handed: &[(String, Secret)]) -> String {
    let names: Vec<String> = handed.iter().map(|(name, _)| name.clone()).collect();
    let (mut filled, mut from) = (String::new(), 0);
    for (at, name) in secret::mentions(value, &names) {
        let secret = handed.iter().find(|(known, _)| known == name).map(|(_, secret)| secret.expose());
        filled.push_str(&value[from..at.start]);
        filled.push_str(secret.unwrap_or_default());
        from = at.end;
    }
    filled.push_str(&value[from..]);
    filled
}

/// Sends `request`, again while no connection can be made, for at most [`CONNECT_RETRIES`].
async fn send(client: &reqwest::Client, request: reqwest::Request) -> Result<Response, reqwest::Error> {
    let mut pauses: ExponentialBackoff = ExponentialBackoffBuilder::new()
        .with_initial_interval(Duration::from_millis(100))
        .with_max_elapsed_time(Some(CONNECT_RETRIES))
        .build();
    loop {
        let again = request.try_clone();
        let Some(attempt) = again else { return client.execute(request).await };
        match client.execute(attempt).await {
            Err(error) if error.is_connect() => match pauses.next_backoff() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            },
            other => return other,
        }
    }
}

fn is_expected(status: StatusCode, expect: &[u16]) -> bool {
    if expect.is_empty() { status.is_success() } else { expect.contains(&status.as_u16()) }
}

/// Every status that was not expected is a failure, also a redirect or an unexpected success.
fn class_of(status: StatusCode) -> FailureClass {
    match status.as_u16() {
        429 => FailureClass::RateLimited,
        408 | 425 | 500.. => FailureClass::HttpServer,
        _ => FailureClass::HttpClient,
    }
}

/// `retry-after` in milliseconds from `now`, given as seconds or as a date (RFC 9110, 10.2.3), capped at what may be waited.
fn retry_after_ms(response: &Response, now: Millis) -> Option<u64> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    let delay_ms = match text.parse::<u64>() {
        Ok(seconds) => seconds.saturating_mul(1000),
        Err(_) => http_date(text)?.since(now),
    };
    Some(delay_ms.min(limits::DURATION_MS))
}

/// Reads the one date format that servers still may send: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
fn http_date(text: &str) -> Option<Millis> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = text.split_once(", ")?.1.strip_suffix(" GMT")?.split(' ');
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    Millis::from_rfc3339(&format!("{year}-{month:02}-{day}T{time}Z"))
}

/// A URL without what may be secret in it.
fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

#[cfg(test)]
mod tests;
