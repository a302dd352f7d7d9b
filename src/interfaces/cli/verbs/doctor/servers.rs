//! What keeps servers of tools in their place, and what the person lets them reach: a line each.

use super::super::super::context::Context;
use super::super::super::error::Error;
use super::tell;
use crate::domain::sandbox::Backend;
use crate::domain::tool_server::ToolServer;
use crate::interfaces::api::Check;

/// Tells of every server in the configuration.
pub(super) fn run(context: &Context) -> Result<(), Error> {
    let backend = context.app.layers().allowance().backend;
    for (name, server) in context.app.layers().servers() {
        let (severity, what) = told(name, server, backend);
        let place = format!("[mcpServers.{name}]");
        tell(
            context,
            &Check { severity: severity.to_owned(), kind: "mcp".to_owned(), what, place, next: String::new() },
        )?;
    }
    Ok(())
}

/// How serious it is, and what is said of it.
fn told(name: &str, server: &ToolServer, backend: Backend) -> (&'static str, String) {
    let grants = server.grants();
    match (&server.command, server.sandbox, backend) {
        (None, ..) => ("note", format!("server {name} runs elsewhere; nothing of it is started here")),
        (Some(_), false, _) => ("warning", format!("server {name} runs as you, without a sandbox: sandbox = false")),
        (Some(_), true, Backend::None) => {
            ("warning", format!("server {name} runs as you, without a sandbox, as commands do: [sandbox] backend"))
        }
        (Some(_), true, backend) if backend.has_own_files() => {
            ("warning", format!("server {name} does not run: servers cannot run in a container ({})", backend.name()))
        }
        (Some(_), true, _) if grants.is_empty() => {
            ("note", format!("server {name} runs in the sandbox of the step that asks it"))
        }
        (Some(_), true, _) => {
            let grants = grants.join(", ");
            ("note", format!("server {name} runs in the sandbox of the step that asks it, and may {grants}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_contained_is_a_warning() {
        let read = |text: &str| serde_json::from_str::<ToolServer>(text).unwrap();
        for (text, backend, severity, word) in [
            (r#"{"url": "http://a"}"#, Backend::Auto, "note", "elsewhere"),
            (r#"{"command": "x"}"#, Backend::Auto, "note", "in the sandbox"),
            (r#"{"command": "x", "allow_net": ["a.org"]}"#, Backend::Native, "note", "and may reach a.org"),
            (r#"{"command": "x"}"#, Backend::None, "warning", "as commands do"),
            (r#"{"command": "x"}"#, Backend::Docker, "warning", "does not run"),
            (r#"{"command": "x", "sandbox": false}"#, Backend::Auto, "warning", "sandbox = false"),
        ] {
            let (found, what) = told("s", &read(text), backend);
            assert_eq!(found, severity, "{text}");
            assert!(what.contains(word), "{what}");
        }
    }
}
