//! Rust: cargo.

use super::Folder;
use crate::workspace::checks::{Check, Kind, Parser};

pub(super) fn is_here(folder: &Folder) -> bool {
    folder.has("Cargo.toml")
}

/// Whether the workspace in `root` includes its folder `name`.
pub(super) fn covers(root: &Folder, name: &str) -> bool {
    let Some(manifest) = root.toml("Cargo.toml") else { return false };
    let Some(workspace) = manifest.get("workspace").and_then(toml::Value::as_table) else { return false };
    let excluded = workspace.get("exclude").and_then(toml::Value::as_array);
    !excluded.is_some_and(|names| names.iter().any(|it| it.as_str().is_some_and(|it| it.trim_matches('/') == name)))
}

/// `cargo check` is the syntax check: after it nothing else can compile either. Clippy's warnings fail where the manifest
/// or the sources say that they do.
pub(super) fn checks(folder: &Folder) -> Vec<Check> {
    let is_workspace = folder.toml("Cargo.toml").is_some_and(|manifest| manifest.contains_key("workspace"));
    let (all, all_fmt) = if is_workspace { (" --workspace", " --all") } else { ("", "") };
    let mut checks = vec![
        Check::found(Kind::Syntax, "cargo check", format!("cargo check{all} --all-targets")),
        Check::found(Kind::Lint, "cargo fmt", format!("cargo fmt{all_fmt} --check")),
        Check::found(Kind::Lint, "cargo clippy", format!("cargo clippy{all} --all-targets")),
        Check::tests("cargo test", format!("cargo test{all} --no-fail-fast"), Parser::Libtest),
        Check::skipped(Kind::Coverage, "cargo coverage", "cargo itself measures no coverage"),
    ];
    checks.push(if folder.has("Cargo.lock") {
        let command = "cargo metadata --format-version 1 --locked --offline >/dev/null";
        Check::found(Kind::DependencyAudit, "cargo lock file", command)
    } else {
        Check::skipped(Kind::DependencyAudit, "cargo lock file", "there is no Cargo.lock")
    });
    checks
}
