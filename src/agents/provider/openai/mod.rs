//! Any endpoint that speaks OpenAI's chat protocol, streamed. It sends once and reads the answer to its end; whatever goes
//! wrong becomes one class of failure. Reading order: `request`, `wire`, `events`, `collect`, `usage`, `errors`, `delay`.

mod collect;
mod delay;
mod embeddings;
mod errors;
mod events;
mod request;
mod usage;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use tokio::time::timeout;

use super::presets::Quirks;
use super::{CallContext, ModelFailure, Provider, WallClock};
use crate::agents::prices::Prices;
use crate::agents::secrets::Secret;
use crate::domain::chat::{ModelReply, ModelRequest, Stop, Usage};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::limits;
use crate::domain::time::human_duration;
use collect::{Collected, Taken};
use errors::Refused;
use wire::{Line, Lost};

pub use embeddings::Embeddings;
pub use wire::http_client;

/// Silence after which an answer is given up, unless configured otherwise. Reasoning models think without a word.
pub const IDLE_MS: u64 = 120_000;
/// After the end of a reply the rest of the body is awaited this long, so that its connection can be used again.
const DRAIN: Duration = Duration::from_millis(200);

/// Where a provider is and how it is spoken to.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The part of the URL before `/chat/completions`.
    pub base_url: String,
    /// Sent as a bearer token; local servers need none.
    pub key: Option<Secret>,
    /// Sent with each request.
    pub headers: BTreeMap<String, Secret>,
    /// How it differs.
    pub quirks: Quirks,
    /// Silence after which an answer is given up.
    pub idle_ms: u64,
}

/// A provider that speaks OpenAI's protocol.
pub struct OpenAi {
    line: Line,
    endpoint: Endpoint,
    prices: Arc<Prices>,
    now: WallClock,
}

impl OpenAi {
    /// `now` is only asked what a provider's dates mean.
    pub fn new(
        endpoint: Endpoint,
        http: reqwest::Client,
        prices: Arc<Prices>,
        now: WallClock,
    ) -> Result<Self, Failure> {
        let line = Line::new(http, &endpoint.base_url, endpoint.key.as_ref(), &endpoint.headers)?;
        Ok(Self { line, endpoint, prices, now })
    }
}

#[async_trait]
impl Provider for OpenAi {
    async fn complete(
        &self,
        request: &ModelRequest,
        context: &CallContext,
        alive: &(dyn Fn() + Send + Sync),
    ) -> Result<ModelReply, ModelFailure> {
        let exchange = Exchange { provider: self, request, turn: context.turn, alive };
        exchange.run().await.map_err(|mut failed| {
            let secrets = self.endpoint.key.iter().chain(self.endpoint.headers.values());
            let shown = std::mem::take(&mut failed.failure.message);
            failed.failure.message = secrets.fold(shown, |text, secret| secret.redact(&text));
            failed
        })
    }
}

/// How the reading of a stream ended.
enum Ended {
    /// The provider said that it is the end.
    Done,
    /// The body ended without that.
    Unmarked,
    /// Cut off, with why.
    Cut(String),
    /// Nothing came for too long.
    Idle,
    /// What came cannot be a reply.
    Wrong(Failure),
}

/// One call.
struct Exchange<'e> {
    provider: &'e OpenAi,
    request: &'e ModelRequest,
    turn: u32,
    alive: &'e (dyn Fn() + Send + Sync),
}

impl Exchange<'_> {
    async fn run(&self) -> Result<ModelReply, ModelFailure> {
        let response = self.send().await?;
        let status = response.status().as_u16();
        if !response.status().is_success() {
            return Err(self.refused(status, response).await);
        }
        let content_type =
            response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if content_type.starts_with("text/html") {
            let what = "the answer is a web page; the base URL is not that of an OpenAI-compatible API";
            return Err(unsent(self.failure(FailureClass::BadRequest, what)));
        }
        let whole = content_type.starts_with("application/json");
        let mut collected = Collected::default();
        let ended = if whole {
            self.read_whole(response, &mut collected).await
        } else {
            self.read(response, &mut collected).await
        };
        self.conclude(collected, ended).map_err(|failed| *failed)
    }

    async fn send(&self) -> Result<Response, ModelFailure> {
        let name = self.request.model.split_once('/').map_or(self.request.model.as_str(), |(_, name)| name);
        let known = self.provider.prices.model(&self.request.model);
        let fixed = known.is_some_and(|model| model.fixed_temperature);
        let mut quirks = self.provider.endpoint.quirks;
        quirks.fixed_temperature |= fixed;
        let limit = self.provider.prices.output_limit(self.request);
        let body = request::body(self.request, name, limit, &quirks);
        let answer = match timeout(self.idle(), self.provider.line.send(&body)).await {
            Ok(answer) => answer,
            Err(_) => return Err(sent(self.silence(), None, String::new())),
        };
        (self.alive)();
        answer.map_err(|lost| match lost {
            Lost::NotSent(why) => unsent(self.failure(FailureClass::Unreachable, &format!("no connection: {why}"))),
            Lost::NotMade(why) => {
                unsent(self.failure(FailureClass::BadRequest, &format!("the request cannot be made: {why}")))
            }
            Lost::Sent(why) => {
                let what = format!("the request was sent and no answer came: {why}");
                sent(self.failure(FailureClass::Uncertain, &what), None, String::new())
            }
        })
    }

    async fn refused(&self, status: u16, mut response: Response) -> ModelFailure {
        let headers = std::mem::take(response.headers_mut());
        let mut body = Vec::new();
        // What cannot be read of the explanation is missed; the status alone says enough.
        while let Ok(Ok(Some(chunk))) = timeout(self.idle(), response.chunk()).await {
            (self.alive)();
            body.extend_from_slice(&chunk);
            if body.len() >= limits::MODEL_ERROR_BYTES {
                body.truncate(limits::MODEL_ERROR_BYTES);
                break;
            }
        }
        let refused = Refused { status: Some(status), headers: &headers, body: &body };
        let failure = refused.failure(&self.request.model, (self.provider.now)());
        ModelFailure { sent: errors::may_be_billed(failure.class), failure, usage: None, partial: String::new() }
    }

    async fn read(&self, mut response: Response, collected: &mut Collected) -> Ended {
        let (mut decoder, mut events) = (events::Decoder::default(), Vec::new());
        loop {
            let chunk = match timeout(self.idle(), response.chunk()).await {
                Err(_) => return Ended::Idle,
                Ok(Err(error)) => return Ended::Cut(wire::chain(error)),
                Ok(Ok(None)) => break,
                Ok(Ok(Some(chunk))) => chunk,
            };
            (self.alive)();
            let fits = decoder.push(&chunk, &mut events);
            for event in events.drain(..) {
                match self.taken(collected.take(&event.data)) {
                    None => {}
                    Some(Ended::Done) => {
                        drain(response).await;
                        return Ended::Done;
                    }
                    Some(ended) => return ended,
                }
            }
            if fits.is_err() {
                return Ended::Wrong(self.too_much("bytes in one event"));
            }
        }
        decoder.finish(&mut events);
        for event in events {
            match collected.take(&event.data) {
                // The end is missing, so this is half an event.
                Taken::Malformed(_) => return Ended::Unmarked,
                taken => {
                    if let Some(ended) = self.taken(taken) {
                        return ended;
                    }
                }
            }
        }
        Ended::Unmarked
    }

    /// A server that does not stream, or refuses with status 200.
    async fn read_whole(&self, mut response: Response, collected: &mut Collected) -> Ended {
        let mut body = Vec::new();
        loop {
            match timeout(self.idle(), response.chunk()).await {
                Err(_) => return Ended::Idle,
                Ok(Err(error)) => return Ended::Cut(wire::chain(error)),
                Ok(Ok(None)) => break,
                Ok(Ok(Some(chunk))) => {
                    (self.alive)();
                    if body.len() + chunk.len() > limits::MODEL_EVENT_BYTES {
                        return Ended::Wrong(self.too_much("bytes"));
                    }
                    body.extend_from_slice(&chunk);
                }
            }
        }
        self.taken(collected.take(&body)).unwrap_or(Ended::Done)
    }

    fn taken(&self, taken: Taken) -> Option<Ended> {
        match taken {
            Taken::Part => None,
            Taken::Done => Some(Ended::Done),
            Taken::Failed(error) => {
                let body = error.to_string();
                let refused = Refused { status: None, headers: &HeaderMap::new(), body: body.as_bytes() };
                Some(Ended::Wrong(refused.failure(&self.request.model, (self.provider.now)())))
            }
            Taken::Malformed(why) => {
                let what = format!("a part of the answer cannot be read: {why}");
                Some(Ended::Wrong(self.failure(FailureClass::Malformed, &what)))
            }
            Taken::TooMuch(what) => Some(Ended::Wrong(self.too_much(what))),
        }
    }

    fn conclude(&self, collected: Collected, ended: Ended) -> Result<ModelReply, Box<ModelFailure>> {
        // A reply that was finished is paid for; what went wrong behind its end is no reason to lose it.
        let failure = match ended {
            Ended::Wrong(failure) => failure,
            Ended::Done => return self.reply(collected),
            Ended::Unmarked | Ended::Cut(_) | Ended::Idle if collected.is_finished() => return self.reply(collected),
            Ended::Unmarked => self.failure(FailureClass::Transport, "the answer ended in the middle"),
            Ended::Cut(why) => self.failure(FailureClass::Transport, &format!("the answer was cut: {why}")),
            Ended::Idle => self.silence(),
        };
        let usage = collected.begun.then(|| self.usage(&collected));
        Err(sent(failure, usage, collected.text).into())
    }

    fn reply(&self, mut collected: Collected) -> Result<ModelReply, Box<ModelFailure>> {
        let usage = self.usage(&collected);
        let stop = collected.stop();
        let refusal = if collected.finish == "content_filter" && collected.refusal.is_empty() {
            "its content filter stopped it"
        } else {
            collected.refusal.as_str()
        };
        let problem = match () {
            () if !refusal.is_empty() => {
                let words: String = refusal.chars().take(limits::MESSAGE_CHARS).collect();
                Some((FailureClass::Refusal, format!("the model refused: {words}")))
            }
            () if collected.finish == "error" => {
                Some((FailureClass::HttpServer, "the provider broke off its answer".to_owned()))
            }
            () => None,
        };
        if let Some((class, what)) = problem {
            return Err(sent(self.failure(class, &what), Some(usage), collected.text).into());
        }
        let calls = collected.calls(self.turn);
        if calls.is_empty() && collected.text.trim().is_empty() && stop != Stop::AtLimit {
            let failure = self.failure(FailureClass::EmptyReply, "the model answered nothing");
            return Err(sent(failure, Some(usage), String::new()).into());
        }
        let served_by = if collected.served_by.is_empty() { self.request.model.clone() } else { collected.served_by };
        Ok(ModelReply { text: collected.text, calls, stop, usage, served_by })
    }

    /// What it used, as the provider counts it; what it does not count is guessed.
    fn usage(&self, collected: &Collected) -> Usage {
        let prices = &self.provider.prices;
        let mut usage = collected.usage.unwrap_or_else(|| prices.guess(self.request, collected.bytes));
        let billed = collected.usd_micros.or_else(|| prices.cost(&self.request.model, &usage));
        usage.usd_micros = billed.unwrap_or(0);
        usage
    }

    fn idle(&self) -> Duration {
        Duration::from_millis(self.provider.endpoint.idle_ms)
    }

    fn failure(&self, class: FailureClass, what: &str) -> Failure {
        Failure::new(class, format!("{}: {what}", self.request.model))
    }

    fn silence(&self) -> Failure {
        let waited = human_duration(self.provider.endpoint.idle_ms);
        self.failure(FailureClass::Idle, &format!("no word for {waited}"))
    }

    fn too_much(&self, of: &str) -> Failure {
        self.failure(FailureClass::Oversized, &format!("the answer has too many {of}"))
    }
}

/// Reads what is left of a body whose reply is complete: more ends, perhaps, and the end of the transfer.
async fn drain(mut response: Response) {
    let rest = async {
        let mut bytes = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            bytes += chunk.len();
            if bytes > limits::MODEL_ERROR_BYTES {
                break;
            }
        }
    };
    // Running out of time only costs the connection.
    let _drained = timeout(DRAIN, rest).await;
}

fn unsent(failure: Failure) -> ModelFailure {
    ModelFailure { failure, sent: false, usage: None, partial: String::new() }
}

fn sent(failure: Failure, usage: Option<Usage>, partial: String) -> ModelFailure {
    ModelFailure { failure, sent: true, usage, partial }
}
