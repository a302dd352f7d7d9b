//! Vectors of texts, from the `/embeddings` of an endpoint that speaks OpenAI's protocol. One request, one answer.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::Endpoint;
use super::errors::Refused;
use super::wire::{Line, Lost};
use crate::agents::memory::{Embedder, Made};
use crate::agents::prices::Prices;
use crate::agents::provider::WallClock;
use crate::agents::secrets::Secret;
use crate::domain::chat::Usage;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::limits;
use crate::telemetry::outgoing::chain;

/// A model that makes vectors.
pub struct Embeddings {
    line: Line,
    secrets: Vec<Secret>,
    model: String,
    idle: Duration,
    prices: Arc<Prices>,
    now: WallClock,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<One>,
    usage: Option<Counted>,
}

#[derive(Deserialize)]
struct Counted {
    prompt_tokens: Option<u64>,
    total_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct One {
    index: Option<usize>,
    embedding: Vec<f32>,
}

impl Embeddings {
    /// `model` is `provider/model`.
    pub fn new(
        endpoint: &Endpoint,
        http: reqwest::Client,
        model: &str,
        prices: Arc<Prices>,
        now: WallClock,
    ) -> Result<Self, Failure> {
        let line = Line::new(http, &endpoint.base_url, endpoint.key.as_ref(), &endpoint.headers)?;
        let secrets = endpoint.key.iter().chain(endpoint.headers.values()).cloned().collect();
        let idle = Duration::from_millis(endpoint.idle_ms);
        Ok(Self { line, secrets, model: model.to_owned(), idle, prices, now })
    }

    /// What `texts` used, as the endpoint counts it, else guessed.
    fn usage(&self, texts: &[String], counted: Option<&Counted>) -> Usage {
        let Some(input_tokens) = counted.and_then(|counted| counted.prompt_tokens.or(counted.total_tokens)) else {
            return self.prices.guess_texts(&self.model, texts);
        };
        let usage = Usage { input_tokens, ..Usage::default() };
        Usage { usd_micros: self.prices.cost(&self.model, &usage).unwrap_or(0), ..usage }
    }

    fn failure(&self, class: FailureClass, what: &str) -> Failure {
        let text = format!("{}: {what}", self.model);
        Failure::new(class, self.secrets.iter().fold(text, |text, secret| secret.redact(&text)))
    }

    async fn ask(&self, texts: &[String]) -> Result<Vec<u8>, Failure> {
        let name = self.model.split_once('/').map_or(self.model.as_str(), |(_, name)| name);
        let body = json!({ "model": name, "input": texts, "encoding_format": "float" }).to_string().into_bytes();
        let answer = self.line.post("embeddings", body).await;
        let mut response = answer.map_err(|lost| match lost {
            Lost::NotSent(why) => self.failure(FailureClass::Unreachable, &format!("no connection: {why}")),
            Lost::NotMade(why) => self.failure(FailureClass::BadRequest, &format!("the request cannot be made: {why}")),
            Lost::Sent(why) => self.failure(FailureClass::Transport, &format!("no answer came: {why}")),
        })?;
        let status = response.status();
        let headers: HeaderMap = std::mem::take(response.headers_mut());
        let most = if status.is_success() { limits::EMBEDDINGS_BYTES } else { limits::MODEL_ERROR_BYTES };
        let mut body = Vec::new();
        let lost = |error: reqwest::Error| {
            self.failure(FailureClass::Transport, &format!("the answer was cut: {}", chain(error)))
        };
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if body.len() + chunk.len() > most {
                return Err(self.failure(FailureClass::Oversized, "the answer has too many bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok(body);
        }
        let refused = Refused { status: Some(status.as_u16()), headers: &headers, body: &body };
        let failure = refused.failure(&self.model, (self.now)());
        let message = self.secrets.iter().fold(failure.message, |text, secret| secret.redact(&text));
        Err(Failure { message, ..failure })
    }
}

#[async_trait]
impl Embedder for Embeddings {
    fn model(&self) -> &str {
        &self.model
    }

    async fn embed(&self, texts: &[String]) -> Result<Made, Failure> {
        let body = match timeout(self.idle, self.ask(texts)).await {
            Ok(body) => body?,
            Err(_) => return Err(self.failure(FailureClass::Idle, "no answer in time")),
        };
        let answer: Answer = serde_json::from_slice(&body).map_err(|error| {
            self.failure(FailureClass::Malformed, &format!("the answer is not one of an /embeddings endpoint: {error}"))
        })?;
        let usage = Some(self.usage(texts, answer.usage.as_ref()));
        let mut vectors = vec![Vec::new(); texts.len()];
        for (at, one) in answer.data.into_iter().enumerate() {
            if let Some(place) = vectors.get_mut(one.index.unwrap_or(at)) {
                *place = one.embedding;
            }
        }
        match vectors.iter().any(Vec::is_empty) {
            true => Err(self.failure(FailureClass::Malformed, "there is not a vector for each text in the answer")),
            false => Ok(Made { vectors, usage }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::mpsc;

    use serde_json::Value;

    use super::super::{IDLE_MS, http_client};
    use super::*;
    use crate::agents::provider::presets::Quirks;
    use crate::domain::time::Millis;

    /// Answers one request with this status and body; hears its head and body.
    fn answers(status: &'static str, body: String) -> (String, mpsc::Receiver<(String, Value)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (says, heard) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while reader.read_line(&mut head).unwrap() > 2 {}
            let length = head.to_lowercase();
            let length = length.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let mut asked = vec![0; length.trim().parse().unwrap()];
            reader.read_exact(&mut asked).unwrap();
            says.send((head, serde_json::from_slice(&asked).unwrap())).unwrap();
            let length = body.len();
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").unwrap();
        });
        (base_url, heard)
    }

    fn embeddings(base_url: String) -> Embeddings {
        let endpoint = Endpoint {
            base_url,
            key: Secret::new("sk-very-secret"),
            headers: BTreeMap::new(),
            quirks: Quirks::default(),
            idle_ms: IDLE_MS,
        };
        let http = http_client(&BTreeMap::new()).unwrap();
        let prices = "[models]\n\"test/small\" = { input = 0.5, output = 0 }\n";
        let prices = Arc::new(Prices::default().with_table("test", prices).unwrap());
        Embeddings::new(&endpoint, http, "test/small", prices, Arc::new(|| Millis(0))).unwrap()
    }

    fn texts() -> Vec<String> {
        vec!["a".to_owned(), "b".to_owned()]
    }

    #[tokio::test]
    async fn a_vector_comes_for_each_text_whatever_their_order() {
        let body = json!({ "data": [{ "index": 1, "embedding": [0.5, 1] }, { "index": 0, "embedding": [2, 0] }] });
        let (base_url, heard) = answers("200 OK", body.to_string());
        let made = embeddings(base_url).embed(&texts()).await.unwrap();
        assert_eq!(made.vectors, [vec![2.0, 0.0], vec![0.5, 1.0]]);
        assert!(made.usage.is_some_and(|usage| usage.estimated && usage.input_tokens == 1), "{:?}", made.usage);
        let (head, asked) = heard.recv().unwrap();
        assert!(
            head.starts_with("POST /v1/embeddings ")
                && head.to_lowercase().contains("authorization: bearer sk-very-secret")
        );
        assert_eq!((&asked["model"], &asked["input"]), (&json!("small"), &json!(["a", "b"])));
    }

    #[tokio::test]
    async fn what_the_endpoint_counts_is_what_it_costs() {
        let data = [json!({ "embedding": [1] }), json!({ "embedding": [2] })];
        let body = json!({ "data": data, "usage": { "prompt_tokens": 4_000, "total_tokens": 4_000 } });
        let (base_url, _heard) = answers("200 OK", body.to_string());
        let usage = embeddings(base_url).embed(&texts()).await.unwrap().usage.unwrap();
        assert_eq!((usage.input_tokens, usage.usd_micros, usage.estimated), (4_000, 2_000, false));
    }

    #[tokio::test]
    async fn what_is_no_answer_is_told_without_the_key() {
        for (status, body, class, says) in [
            ("401 Unauthorized", "{\"error\": {\"message\": \"no key sk-very-secret\"}}", FailureClass::Auth, "no key"),
            ("200 OK", "<html>", FailureClass::Malformed, "not one of an /embeddings endpoint"),
            ("200 OK", "{\"data\": [{\"embedding\": [1]}]}", FailureClass::Malformed, "a vector for each text"),
        ] {
            let (base_url, _heard) = answers(status, body.to_owned());
            let failure = embeddings(base_url).embed(&texts()).await.unwrap_err();
            assert_eq!(failure.class, class, "{failure}");
            assert!(failure.message.contains(says) && !failure.message.contains("very-secret"), "{failure}");
        }
        let failure = embeddings("http://127.0.0.1:1/v1".to_owned()).embed(&texts()).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Unreachable);
    }
}
