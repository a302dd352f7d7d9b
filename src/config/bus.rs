//! Who else is told of what happens: `[bus.redis]`, `[[bus.webhook]]` and `[[notify]]` of the person's own configuration. A
//! repository's file cannot say it, for whoever clones a repository has not agreed to tell anyone.

use std::time::Duration;

use serde::Deserialize;

use super::env_vars::TracesSpec;
use crate::domain::ids::Digest;
use crate::domain::time::parse_duration;

/// How long a sink that takes nothing is tried before it is parked, unless its table says otherwise.
const GIVE_UP: Duration = Duration::from_secs(3600);
/// Longest name of a sink; it is the name of a file.
const NAME_BYTES: usize = 64;

/// `[bus]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BusSpec {
    /// Redis channels.
    pub redis: Option<RedisSpec>,
    /// Addresses that take signed events.
    #[serde(default)]
    pub webhook: Vec<WebhookSpec>,
}

/// `[bus.redis]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisSpec {
    /// The server; absent: `REDIS_HOST` and `REDIS_PORT`, else 127.0.0.1:6379.
    pub url: Option<String>,
    /// How long it is tried.
    pub give_up: Option<String>,
}

/// `[[bus.webhook]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSpec {
    /// What it is called; absent: made from its address.
    pub name: Option<String>,
    /// The address.
    pub url: String,
    /// The name of the secret to sign with.
    pub secret: String,
    /// Channels and kinds of records; empty: transitions.
    #[serde(default)]
    pub events: Vec<String>,
    /// How long it is tried.
    pub give_up: Option<String>,
}

/// `[[notify]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifySpec {
    /// What it is called; absent: made from what it does.
    pub name: Option<String>,
    /// Of what; empty: approval, paused, failed, done.
    #[serde(default)]
    pub on: Vec<String>,
    /// A command to run.
    pub command: Option<String>,
    /// An address to post to.
    pub webhook: Option<String>,
    /// The name of the secret to sign with, for an address.
    pub secret: Option<String>,
}

impl RedisSpec {
    /// What it is called.
    pub const NAME: &str = "redis";

    /// How long it is tried.
    pub fn give_up(&self) -> Duration {
        duration(self.give_up.as_deref())
    }
}

impl WebhookSpec {
    /// What it is called.
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| named("webhook", &self.url))
    }

    /// How long it is tried.
    pub fn give_up(&self) -> Duration {
        duration(self.give_up.as_deref())
    }
}

impl NotifySpec {
    /// What it is called.
    pub fn name(&self) -> String {
        let what = self.command.as_ref().or(self.webhook.as_ref()).map_or("", String::as_str);
        self.name.clone().unwrap_or_else(|| named("notify", what))
    }
}

/// What is wrong with the tables, in words; checked where they are read, so that whoever uses them need not.
pub(super) fn check(bus: &BusSpec, notify: &[NotifySpec]) -> Result<(), String> {
    let mut names = Vec::new();
    if let Some(redis) = &bus.redis {
        check_duration("[bus.redis]", redis.give_up.as_deref())?;
        names.push(RedisSpec::NAME.to_owned());
    }
    for webhook in &bus.webhook {
        check_duration("[[bus.webhook]]", webhook.give_up.as_deref())?;
        if !is_address(&webhook.url) {
            return Err("[[bus.webhook]]: `url` must begin with http:// or https://".to_owned());
        }
        names.push(webhook.name());
    }
    for notify in notify {
        match (&notify.command, &notify.webhook) {
            (Some(_), None) => {}
            (None, Some(url)) if is_address(url) => {}
            (None, Some(_)) => return Err("[[notify]]: `webhook` must begin with http:// or https://".to_owned()),
            (Some(_), Some(_)) | (None, None) => {
                return Err("[[notify]]: it needs either `command` or `webhook`".to_owned());
            }
        }
        names.push(notify.name());
    }
    let is_fine = |name: &str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        !name.is_empty() && name.len() <= NAME_BYTES && name.chars().all(plain)
    };
    if let Some(name) = names.iter().find(|name| !is_fine(name)) {
        return Err(format!("`{name}` is no name: lower-case letters, digits, `-` and `_`, at most {NAME_BYTES}"));
    }
    names.push(TracesSpec::NAME.to_owned());
    names.sort();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("two sinks are called `{}`; give one of them another `name`", pair[0])),
        None => Ok(()),
    }
}

fn check_duration(table: &str, text: Option<&str>) -> Result<(), String> {
    match text {
        Some(text) if parse_duration(text).is_none() => {
            Err(format!("{table}: `give_up` must be a duration such as \"1h\", not {text:?}"))
        }
        Some(_) | None => Ok(()),
    }
}

fn duration(text: Option<&str>) -> Duration {
    text.and_then(parse_duration).map_or(GIVE_UP, Duration::from_millis)
}

fn is_address(url: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
}

fn named(kind: &str, what: &str) -> String {
    format!("{kind}-{}", &Digest::of(what.as_bytes()).to_hex()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), String> {
        #[derive(Deserialize)]
        struct Tables {
            #[serde(default)]
            bus: BusSpec,
            #[serde(default)]
            notify: Vec<NotifySpec>,
        }
        let tables: Tables = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        check(&tables.bus, &tables.notify)
    }

    #[test]
    fn tables_that_make_no_sense_are_refused() {
        for (text, word) in [
            ("[bus.redis]\nurl = 3", "string"),
            ("[bus.redis]\ngive_up = \"soon\"", "soon"),
            ("[bus.reds]\n", "reds"),
            ("[[bus.webhook]]\nurl = \"http://x\"", "secret"),
            ("[[bus.webhook]]\nurl = \"ftp://x\"\nsecret = \"S\"", "http://"),
            ("[[bus.webhook]]\nname = \"../x\"\nurl = \"http://x\"\nsecret = \"S\"", "no name"),
            ("[[notify]]\non = [\"done\"]", "either"),
            ("[[notify]]\ncommand = \"a\"\nwebhook = \"http://x\"", "either"),
            ("[[notify]]\ncommand = \"a\"\n[[notify]]\ncommand = \"a\"", "two sinks"),
        ] {
            let problem = checked(text).unwrap_err();
            assert!(problem.contains(word), "{text}: {problem}");
        }
        checked("[bus.redis]\n[[bus.webhook]]\nurl = \"https://x/y\"\nsecret = \"S\"\n[[notify]]\ncommand = \"a\"")
            .unwrap();
    }

    #[test]
    fn what_is_not_said_follows_from_the_rest() {
        let spec = WebhookSpec { url: "http://x".to_owned(), ..WebhookSpec::default() };
        assert_eq!(spec.name(), WebhookSpec { give_up: Some("5s".to_owned()), ..spec.clone() }.name());
        assert_eq!(spec.give_up(), GIVE_UP);
        assert!(spec.name().starts_with("webhook-"));
    }
}
