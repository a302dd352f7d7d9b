//! A server of tools for agents, in the form that clients of the Model Context Protocol have in common: a command to start, or an
//! address.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Longest name of a server: it is a part of the names of its tools, and those are short.
pub const NAME_BYTES: usize = 24;

/// One server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
}
