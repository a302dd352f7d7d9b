//! What a file would have of the person's own servers of tools: those that it names and that reach more than commands do.

use std::collections::BTreeMap;

use super::Brought;
use crate::domain::tool_server::ToolServer;

/// A line for each such server that `file` names.
pub(super) fn doings(file: &Brought, servers: &BTreeMap<String, ToolServer>) -> Vec<String> {
    let content = String::from_utf8_lossy(&file.content);
    let names = |name: &str| {
        let beginning = format!("mcp__{name}__");
        content.contains(&beginning) || file.does.iter().any(|line| line.contains(&beginning))
    };
    let told = |(name, server): (&String, &ToolServer)| {
        let reaches = match (server.sandbox, server.grants()) {
            (false, _) => "runs as you, without a sandbox".to_owned(),
            (true, grants) if grants.is_empty() => return None,
            (true, grants) => format!("may {}", grants.join(", ")),
        };
        names(name).then(|| format!("use your MCP server {name}, which {reaches}"))
    };
    servers.iter().filter_map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_reach_more_are_told_where_they_are_named() {
        let read = |text: &str| serde_json::from_str::<ToolServer>(text).unwrap();
        let servers = BTreeMap::from([
            ("free".to_owned(), read(r#"{"command": "x", "sandbox": false}"#)),
            ("kept".to_owned(), read(r#"{"command": "x"}"#)),
            ("more".to_owned(), read(r#"{"command": "x", "allow_net": ["a.org"]}"#)),
        ]);
        let role = |tools: &str| Brought::role("r.md".into(), tools.as_bytes().to_vec());
        let all = doings(&role("tools = ['mcp__free__*', 'mcp__kept__x', 'mcp__more__y']"), &servers);
        let expected = [
            "use your MCP server free, which runs as you, without a sandbox",
            "use your MCP server more, which may reach a.org",
        ];
        assert_eq!(all, expected);
        assert!(doings(&role("tools = ['read_file']"), &servers).is_empty());
    }
}
