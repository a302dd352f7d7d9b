//! One HTTP client for everything that is posted from here. It follows no redirect: what is signed is meant for one address.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{StatusCode, Url};

use super::sink::Unsent;
use crate::domain::limits;
use crate::telemetry::outgoing;

/// How long a receiver may take to answer.
const PATIENCE: Duration = Duration::from_millis(limits::BUS_ANSWER_MS);

/// Posts. Cheap to clone; its client is made when it is first needed, for reading the system's certificates takes a while.
#[derive(Debug, Clone)]
pub struct Poster {
    environment: Arc<BTreeMap<String, String>>,
    client: Arc<OnceLock<Result<reqwest::Client, String>>>,
}

impl Poster {
    /// Through the proxies that `environment` names, as other programs are.
    pub fn new(environment: BTreeMap<String, String>) -> Self {
        Self { environment: Arc::new(environment), client: Arc::default() }
    }

    fn client(&self) -> Result<&reqwest::Client, Unsent> {
        let made = self.client.get_or_init(|| self.make());
        made.as_ref().map_err(|problem| Unsent::Retry(format!("cannot set up the HTTP client: {problem}")))
    }

    fn make(&self) -> Result<reqwest::Client, String> {
        let variable = |name: &str| self.environment.get(name).map(String::as_str);
        outgoing::client(variable)?.timeout(PATIENCE).build().map_err(outgoing::chain)
    }

    /// Posts `body`. Any answer of 200 to 299 is a yes, and 410 is a no for good.
    pub async fn post(
        &self,
        url: &Url,
        media_type: &'static str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<(), Unsent> {
        match self.ask(url, media_type, headers, body).await? {
            status if status.is_success() => Ok(()),
            StatusCode::GONE => Err(Unsent::Gone("it answered 410 Gone: it wants nothing any more".to_owned())),
            status => Err(Unsent::Retry(format!("it answered {status}"))),
        }
    }

    /// Posts `body` and gives what was answered.
    pub async fn ask(
        &self,
        url: &Url,
        media_type: &'static str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<StatusCode, Unsent> {
        let mut all = HeaderMap::new();
        all.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        for (name, value) in headers {
            let header = HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::try_from(value.as_str()).ok());
            let (name, value) = header.ok_or_else(|| Unsent::Refused(format!("{name} cannot be sent as a header")))?;
            all.insert(name, value);
        }
        let answer = self.client()?.post(url.clone()).headers(all).body(body).send().await;
        answer.map(|answer| answer.status()).map_err(|error| Unsent::Retry(outgoing::chain(error)))
    }
}

/// A URL for people: without what may be secret in it, which for a webhook is also its path.
pub fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}
