//! A server of tools for agents, in the form that clients of the Model Context Protocol have in common: a command to start, or an
//! address; and what the person grants it beyond what the commands of a step reach.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::sandbox::{Allowance, Hosts};

/// Longest name of a server: it is a part of the names of its tools, and those are short.
pub const NAME_BYTES: usize = 24;

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolServer {
    /// The program to start; it speaks over its stdin and stdout.
    #[serde(default)]
    pub command: Option<String>,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Variables of its environment; a value `$NAME` is that of the variable NAME here.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The address of one that runs already, over streamable HTTP.
    #[serde(default)]
    pub url: Option<String>,
    /// Headers for it; a value `$NAME` is that of the variable NAME here.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Whether one that is started is kept in its place by the sandbox of the step that asks it.
    #[serde(default = "yes")]
    pub sandbox: bool,
    /// Whether it starts in the step's workspace; else in an empty folder, for programs such as `npx` and `python -m` run what
    /// they find where they start.
    #[serde(default)]
    pub in_workspace: bool,
    /// Paths that are otherwise hidden: absolute, or below `~/`.
    #[serde(default)]
    pub allow_read: BTreeSet<String>,
    /// Folders beside the workspace that it may change.
    #[serde(default)]
    pub allow_write: BTreeSet<String>,
    /// Hosts.
    #[serde(default)]
    pub allow_net: Hosts,
    /// Variables that it inherits beside the usual ones.
    #[serde(default)]
    pub allow_env: BTreeSet<String>,
}

fn yes() -> bool {
    true
}

impl Default for ToolServer {
    fn default() -> Self {
        Self {
            command: None,
            args: Vec::new(),
            env: BTreeMap::new(),
            url: None,
            headers: BTreeMap::new(),
            sandbox: true,
            in_workspace: false,
            allow_read: BTreeSet::new(),
            allow_write: BTreeSet::new(),
            allow_net: Hosts::default(),
            allow_env: BTreeSet::new(),
        }
    }
}

impl ToolServer {
    /// What is wrong with it under this name, in words.
    pub fn fault(&self, name: &str) -> Option<String> {
        let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if name.is_empty() || name.len() > NAME_BYTES || !name.chars().all(is_fine) || name.contains("__") {
            return Some(format!(
                "`{name}` is no name of a server: it has lower-case letters, digits, `-` and single `_`, at most {NAME_BYTES} of them"
            ));
        }
        if let Some(problem) = self.fault_of_grants() {
            return Some(format!("server `{name}`: {problem}"));
        }
        match (&self.command, &self.url) {
            (Some(_), Some(_)) => Some(format!("server `{name}` has a command and a url; it is one or the other")),
            (None, None) => Some(format!("server `{name}` has neither a command nor a url")),
            (Some(_), None) if !self.headers.is_empty() => {
                Some(format!("server `{name}` has a command, and headers need a url"))
            }
            (None, Some(url)) if !url.starts_with("https://") && !url.starts_with("http://") => {
                Some(format!("the url of server `{name}` does not begin with https:// or http://"))
            }
            (None, Some(_)) if !self.env.is_empty() || !self.args.is_empty() => {
                Some(format!("server `{name}` has a url, and args and env need a command"))
            }
            (Some(_), None) | (None, Some(_)) => None,
        }
    }

    fn fault_of_grants(&self) -> Option<String> {
        let grants = self.grants();
        if self.command.is_none() && (!grants.is_empty() || self.in_workspace || !self.sandbox) {
            return Some("one that is reached at a url is started by somebody else; sandbox, in_workspace and allow_… need a command".to_owned());
        }
        if !self.sandbox && (!grants.is_empty() || self.in_workspace) {
            return Some("sandbox = false leaves nothing to allow; leave in_workspace and allow_… out".to_owned());
        }
        let is_sure =
            |path: &&String| path.starts_with('/') || path.strip_prefix("~/").is_some_and(|rest| !rest.is_empty());
        if let Some(path) = self.allow_read.iter().chain(&self.allow_write).find(|path| !is_sure(path)) {
            // One that begins where the project is would be whatever its repository makes of it.
            return Some(format!("{path:?} is neither an absolute path nor one below ~/"));
        }
        let host = self.allow_net.patterns().find_map(|host| Some((host, Hosts::problem(host)?)));
        host.map(|(host, problem)| format!("allow_net: {host:?}: {problem}"))
    }

    /// What it may reach that is started for a step whose commands may reach `step`.
    #[must_use]
    pub fn beyond(&self, step: &Allowance) -> Allowance {
        let mut all = step.clone();
        all.readable.extend(self.allow_read.iter().cloned());
        all.writable.extend(self.allow_write.iter().cloned());
        all.network.extend(&self.allow_net);
        all.env.extend(self.allow_env.iter().cloned());
        all
    }

    /// What it may reach beyond a step's commands, in words; each for itself.
    pub fn grants(&self) -> Vec<String> {
        let of = |what: &'static str, names: Vec<&str>| {
            names.into_iter().map(move |name| format!("{what} {name}")).collect::<Vec<_>>()
        };
        [
            of("read", words(&self.allow_read)),
            of("write", words(&self.allow_write)),
            of("reach", self.allow_net.patterns().collect()),
            of("see the variable", words(&self.allow_env)),
        ]
        .concat()
    }
}

fn words(all: &BTreeSet<String>) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_a_command_or_a_url_and_a_name_that_tools_can_bear() {
        let command = ToolServer { command: Some("x".to_owned()), ..ToolServer::default() };
        let url = ToolServer { url: Some("http://127.0.0.1:1/mcp".to_owned()), ..ToolServer::default() };
        assert_eq!(command.fault("git-2_x"), None);
        assert_eq!(url.fault("a"), None);
        for name in ["", "Git", "a__b", "a b", "a/b", &"x".repeat(NAME_BYTES + 1)] {
            assert!(command.fault(name).is_some(), "{name}");
        }
        assert!(ToolServer::default().fault("a").is_some());
        assert!(ToolServer { url: url.url.clone(), ..command.clone() }.fault("a").is_some());
        assert!(ToolServer { url: Some("file:///x".to_owned()), ..ToolServer::default() }.fault("a").is_some());
        assert!(ToolServer { args: vec!["x".to_owned()], ..url }.fault("a").is_some());
    }

    #[test]
    fn grants_go_on_top_of_what_a_step_reaches_and_are_the_persons_own_words() {
        let text = r#"{"command": "x", "allow_read": ["~/.tool"], "allow_write": ["/srv/x"], "allow_net": ["A.org"], "allow_env": ["K"]}"#;
        let server: ToolServer = serde_json::from_str(text).unwrap();
        assert!(server.sandbox && !server.in_workspace);
        assert_eq!(server.fault("a"), None);
        assert_eq!(server.grants(), ["read ~/.tool", "write /srv/x", "reach a.org", "see the variable K"]);
        let all = server.beyond(&Allowance::default());
        assert_eq!(
            all.readable.iter().chain(&all.writable).chain(&all.env).collect::<Vec<_>>(),
            ["~/.tool", "/srv/x", "K"]
        );
        assert_eq!(all.network, Hosts::of(["a.org".to_owned()]));
        assert_eq!(
            Allowance {
                readable: BTreeSet::new(),
                writable: BTreeSet::new(),
                env: BTreeSet::new(),
                network: Hosts::default(),
                ..all
            },
            Allowance::default()
        );
    }

    #[test]
    fn grants_that_mean_nothing_or_depend_on_a_repository_are_refused() {
        let fault = |text: &str| serde_json::from_str::<ToolServer>(text).unwrap().fault("a");
        for text in [
            r#"{"command": "x", "allow_read": ["data"]}"#,
            r#"{"command": "x", "allow_write": ["~/"]}"#,
            r#"{"command": "x", "allow_net": ["http://a.org"]}"#,
            r#"{"command": "x", "sandbox": false, "allow_net": ["a.org"]}"#,
            r#"{"command": "x", "sandbox": false, "in_workspace": true}"#,
            r#"{"url": "http://a", "allow_net": ["a.org"]}"#,
            r#"{"url": "http://a", "sandbox": false}"#,
        ] {
            assert!(fault(text).is_some(), "{text}");
        }
        assert_eq!(fault(r#"{"command": "x", "sandbox": false}"#), None);
    }
}
