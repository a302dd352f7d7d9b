//! The server `fetch`: pages of hosts that a person allowed.

mod client;
mod html;
mod robots;

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;

use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{Site, ToolFault, ToolOutput, arguments, boundary, object};
use super::Served;
use crate::agents::memory::{Kind, Metadata};
use crate::domain::limits;
use crate::domain::workflow::EffectClass;
use client::Page;
pub(super) use client::get;

/// The tools.
pub(super) const TOOLS: [Served; 4] = [
    Served {
        server: "fetch",
        name: "fetch_url",
        about: "Fetch a page or file over HTTP and read it as text; HTML is turned into plain text unless `raw` is true. Only hosts that \
                the person allowed can be reached.",
        effect: EffectClass::Idempotent,
        parameters: || {
            object(
                json!({ "url": url_schema(), "raw": { "type": "boolean", "description": "Show HTML as it came." } }),
                &["url"],
            )
        },
        work: |arguments, site| Box::pin(fetch_url(arguments, site)),
    },
    Served {
        server: "fetch",
        name: "fetch_documentation",
        about: "Fetch a page of documentation and read its main part as text, without menus and footers. With `remember` it is also \
                kept in the repository's memory as api_doc.",
        effect: EffectClass::Idempotent,
        parameters: || {
            let tags = json!({ "type": "array", "items": { "type": "string", "minLength": 1 }, "maxItems": limits::MEMORY_TAGS });
            object(json!({ "url": url_schema(), "remember": { "type": "boolean" }, "tags": tags }), &["url"])
        },
        work: |arguments, site| Box::pin(fetch_documentation(arguments, site)),
    },
    Served {
        server: "fetch",
        name: "scrape_website",
        about: "Read a page and the pages of the same host that it leads to, nearest first, as text. What the host's robots.txt \
                disallows is left out.",
        effect: EffectClass::Idempotent,
        parameters: || {
            let most = json!({ "type": "integer", "minimum": 1, "maximum": limits::FETCH_PAGES, "description": "Most pages; 5 when left out." });
            let below = json!({ "type": "string", "description": "Only pages whose path begins with this." });
            object(json!({ "url": url_schema(), "max_pages": most, "below": below }), &["url"])
        },
        work: |arguments, site| Box::pin(scrape_website(arguments, site)),
    },
    Served {
        server: "fetch",
        name: "download_file",
        about: "Fetch a file over HTTP and put it into the worktree as it is.",
        effect: EffectClass::Restorable,
        parameters: || {
            let path =
                json!({ "type": "string", "description": "Where it goes, relative to the root of the worktree." });
            object(json!({ "url": url_schema(), "path": path }), &["url", "path"])
        },
        work: |arguments, site| Box::pin(download_file(arguments, site)),
    },
];

/// Pages that are read when no number is given.
const PAGES: usize = 5;

fn url_schema() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 4096, "description": "An address that begins with https:// or http://." })
}

#[derive(Deserialize)]
struct Fetch {
    url: String,
    #[serde(default)]
    raw: bool,
}

#[derive(Deserialize)]
struct Documentation {
    url: String,
    #[serde(default)]
    remember: bool,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize)]
struct Scrape {
    url: String,
    max_pages: Option<usize>,
    below: Option<String>,
}

#[derive(Deserialize)]
struct Download {
    url: String,
    path: String,
}

async fn fetch_url(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Fetch { url, raw } = arguments::typed(arguments)?;
    let page = get(site, &url, limits::FETCH_BYTES).await?;
    let text = if raw { text_of(&page)? } else { readable(&page)? };
    Ok(ToolOutput::new(format!("{}\n{text}", head(&page))))
}

async fn fetch_documentation(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Documentation { url, remember, tags } = arguments::typed(arguments)?;
    let page = get(site, &url, limits::FETCH_BYTES).await?;
    let text = match page.is_html() {
        true => html::main_part(&text_of(&page)?),
        false => readable(&page)?,
    };
    let mut said = head(&page);
    if remember {
        let world = site.beyond.world()?;
        let metadata = Metadata { tags, ..Metadata::new(Kind::ApiDoc, page.url.as_str(), (world.now)()) };
        let changed = super::super::memory::keep(site, text.clone(), metadata).await?;
        // Writing to a string does not fail.
        let _ = writeln!(said, "(kept in memory: {} chunks)", changed.ids.len());
    }
    Ok(ToolOutput::new(format!("{said}\n{text}")))
}

async fn scrape_website(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Scrape { url, max_pages, below } = arguments::typed(arguments)?;
    let most = max_pages.unwrap_or(PAGES);
    let first = client::parsed(&url)?;
    let rules = robots::of(site, &first).await;
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut open = VecDeque::from([first.clone()]);
    let (mut out, mut pages) = (String::new(), 0);
    while pages < most
        && let Some(next) = open.pop_front()
    {
        if !seen.insert(next.as_str().to_owned()) {
            continue;
        }
        if !rules.allow(next.path()) {
            let _ = writeln!(out, "# {next}\n(the host's robots.txt disallows it)\n");
            continue;
        }
        let page = match get(site, next.as_str(), limits::FETCH_BYTES).await {
            Ok(page) => page,
            // The first page is what was asked for; of the others, one that cannot be had is told.
            Err(fault) if pages == 0 => return Err(fault),
            Err(ToolFault::Told(why)) => {
                let _ = writeln!(out, "# {next}\n({why})\n");
                continue;
            }
            Err(ends) => return Err(ends),
        };
        pages += 1;
        let text = readable(&page).unwrap_or_else(|_| "(no text)".to_owned());
        let _ = writeln!(out, "# {}\n{}\n", page.url, text.trim());
        if page.is_html() {
            let is_wanted = |link: &Url| {
                link.origin() == first.origin() && below.as_ref().is_none_or(|below| link.path().starts_with(below))
            };
            open.extend(html::links(&text_of(&page)?, &page.url).into_iter().filter(is_wanted));
        }
    }
    let left = open.iter().filter(|link| !seen.contains(link.as_str())).map(Url::as_str).collect::<BTreeSet<_>>().len();
    let note = if left > 0 { format!("; {left} more are linked") } else { String::new() };
    Ok(ToolOutput::new(format!("({pages} pages{note})\n\n{out}")))
}

async fn download_file(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Download { url, path } = arguments::typed(arguments)?;
    let boundary = boundary(site.root)?;
    let path = boundary.path(&path)?;
    let page = get(site, &url, usize::try_from(limits::TOOL_FILE_BYTES).unwrap_or(usize::MAX)).await?;
    if page.is_cut {
        let most = limits::TOOL_FILE_BYTES;
        return Err(ToolFault::Told(format!("{} has more than {most} bytes; nothing was written", page.url)));
    }
    boundary.write(&path, &page.body)?;
    Ok(ToolOutput::new(format!("`{path}` written: {} bytes, {}", page.body.len(), page.kind())))
}

/// What is said before a page.
fn head(page: &Page) -> String {
    let cut = if page.is_cut { format!(", cut at {} bytes", page.body.len()) } else { String::new() };
    format!("{} ({}{cut})\n", page.url, page.kind())
}

fn readable(page: &Page) -> Result<String, ToolFault> {
    let text = text_of(page)?;
    Ok(if page.is_html() { html::text(&text) } else { text })
}

fn text_of(page: &Page) -> Result<String, ToolFault> {
    match super::super::text_file::guess(&page.body) {
        Some(what) => Err(ToolFault::Told(format!("{} is {what}, not text; use download_file", page.url))),
        None => Ok(String::from_utf8_lossy(&page.body).into_owned()),
    }
}
