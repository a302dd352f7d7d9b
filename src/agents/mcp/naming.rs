//! The names under which models know tools of other servers.

/// What all of them begin with.
const PREFIX: &str = "mcp__";
/// Longest name that providers of models accept.
pub const NAME_BYTES: usize = 64;

/// Whether it is the name of a tool of another server.
pub fn is_foreign(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The server and its tool, or `*`, that a name is made of.
pub fn parts(name: &str) -> Option<(&str, &str)> {
    let (server, tool) = name.strip_prefix(PREFIX)?.split_once("__")?;
    (!server.is_empty() && !tool.is_empty()).then_some((server, tool))
}

/// The name of a server's tool; `None` when it would be too long. What providers do not accept in names becomes `_`.
pub fn name(server: &str, tool: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let tool: String = tool.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let name = format!("{PREFIX}{server}__{tool}");
    (name.len() <= NAME_BYTES && !tool.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_and_taken_apart() {
        let made = name("git", "git.log/all").unwrap();
        assert_eq!(made, "mcp__git__git_log_all");
        assert_eq!(parts(&made), Some(("git", "git_log_all")));
        assert_eq!(parts("mcp__git__*"), Some(("git", "*")));
        assert_eq!(parts("mcp__a__b__c"), Some(("a", "b__c")));
        for none in ["read_file", "mcp__git", "mcp____x", "mcp__git__"] {
            assert_eq!(parts(none), None, "{none}");
        }
        assert_eq!(name("git", &"x".repeat(60)), None);
        assert!(is_foreign("mcp__x") && !is_foreign("search"));
    }
}
