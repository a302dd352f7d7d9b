//! One GET, bounded: of a host that a person allowed, at an address that its name may stand for, at every hop of a redirect.

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use reqwest::{Response, Url};

use super::super::super::{Site, ToolFault};
use crate::domain::limits;
use crate::workspace::sandbox::proxy::{Allowed, Refusal};

/// What was fetched.
#[derive(Debug)]
pub struct Page {
    /// Where it came from in the end.
    pub url: Url,
    /// What the host says it is.
    pub content_type: String,
    /// The bytes, as many as were asked for.
    pub body: Vec<u8>,
    /// There were more.
    pub is_cut: bool,
}

impl Page {
    /// Whether it is a page for browsers.
    pub fn is_html(&self) -> bool {
        let kind = self.kind();
        kind == "text/html" || kind == "application/xhtml+xml"
    }

    /// What it is, without parameters.
    pub fn kind(&self) -> &str {
        match self.content_type.split(';').next().unwrap_or_default().trim() {
            "" => "of unknown type",
            kind => kind,
        }
    }
}

/// An address that can be fetched.
pub fn parsed(url: &str) -> Result<Url, ToolFault> {
    let url = Url::parse(url).map_err(|error| ToolFault::Told(format!("{url:?} is no address: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(ToolFault::Told(format!("only http and https addresses can be fetched, not `{}:`", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ToolFault::Told("an address must not hold a name and a password".to_owned()));
    }
    Ok(url)
}

/// Fetches `url`, at most `most` bytes of it.
pub async fn get(site: &Site<'_>, url: &str, most: usize) -> Result<Page, ToolFault> {
    site.beyond.world()?;
    let mut url = parsed(url)?;
    let limit = Duration::from_millis(limits::FETCH_MS);
    let fetched = tokio::time::timeout(limit, async {
        for _ in 0..=limits::HTTP_REDIRECTS {
            let response = ask(site, &url).await?;
            if !response.status().is_redirection() {
                return taken(url, response, most).await;
            }
            let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            let to = to.and_then(|to| url.join(to).ok());
            let to = to.ok_or_else(|| ToolFault::Told(format!("{url} redirects to nowhere")))?;
            url = parsed(to.as_str())?;
        }
        Err(ToolFault::Told(format!("more than {} redirects; the last leads to {url}", limits::HTTP_REDIRECTS)))
    });
    match fetched.await {
        Ok(page) => page,
        Err(_) => Err(ToolFault::Told(format!("no whole answer within {} seconds", limit.as_secs()))),
    }
}

async fn ask(site: &Site<'_>, url: &Url) -> Result<Response, ToolFault> {
    let host = url.host_str().unwrap_or_default().to_owned();
    let port = url.port_or_known_default().unwrap_or_default();
    let hosts = &site.beyond.allowed.network;
    // An error means that it is installed already.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("wfctl/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy();
    if !hosts.is_all() {
        let allowed = Allowed::parse(hosts.patterns())
            .map_err(|error| ToolFault::Told(format!("what is allowed cannot be read: {error}")))?;
        let addresses = allowed.addresses(&host, port).await.map_err(|refusal| match refusal {
            Refusal::NotAllowed(why) => ToolFault::Told(format!(
                "{host}:{port} may not be reached: {why}. A person allows it with --allow-net {host}; go on without it, or ask"
            )),
            Refusal::Unknown(_) => ToolFault::Told(format!("{host}: {refusal}")),
        })?;
        builder = builder.resolve_to_addrs(&host, &addresses);
    }
    let failed = |error: reqwest::Error| ToolFault::Told(format!("{url}: {}", chain(error)));
    let client = builder.build().map_err(failed)?;
    client.get(url.clone()).header(ACCEPT, "text/html,text/*;q=0.9,*/*;q=0.5").send().await.map_err(failed)
}

async fn taken(url: Url, mut response: Response, most: usize) -> Result<Page, ToolFault> {
    let status = response.status();
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let content_type = content_type.to_ascii_lowercase();
    let (mut body, mut is_cut) = (Vec::new(), false);
    while let Some(chunk) =
        response.chunk().await.map_err(|error| ToolFault::Told(format!("{url}: {}", chain(error))))?
    {
        body.extend_from_slice(&chunk);
        if body.len() > most {
            body.truncate(most);
            is_cut = true;
            break;
        }
    }
    if !status.is_success() {
        let said: String = String::from_utf8_lossy(&body).chars().take(limits::MESSAGE_CHARS).collect();
        return Err(ToolFault::Told(format!("{url}: status {}: {}", status.as_u16(), said.trim())));
    }
    Ok(Page { url, content_type, body, is_cut })
}

/// The error and its causes in one line, without the address.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
