//! Trees and what is found in them.

use std::fs;
use std::path::Path;

use super::*;
use crate::workspace::checks::Kind;

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    dir
}

fn found(root: &Path) -> Vec<(String, String)> {
    let commands = detect(root).into_iter().filter(|check| check.skipped.is_none());
    commands.map(|check| (check.name, check.command)).collect()
}

fn names(root: &Path) -> Vec<String> {
    found(root).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn an_empty_tree_has_no_checks() {
    let dir = tree(&[("README.md", "hello")]);
    assert_eq!(detect(dir.path()), []);
    assert_eq!(detect(&dir.path().join("not-there")), []);
}

#[test]
fn cargo_and_its_workspaces() {
    let dir = tree(&[("Cargo.toml", "[package]\nname = 'a'"), ("Cargo.lock", "")]);
    let expected = [
        ("cargo check", "cargo check --all-targets"),
        ("cargo fmt", "cargo fmt --check"),
        ("cargo clippy", "cargo clippy --all-targets"),
        ("cargo test", "cargo test --no-fail-fast"),
        ("cargo lock file", "cargo metadata --format-version 1 --locked --offline >/dev/null"),
    ];
    assert_eq!(found(dir.path()), expected.map(|(name, command)| (name.to_owned(), command.to_owned())));
    let dir = tree(&[
        ("Cargo.toml", "[workspace]\nmembers = ['in']\nexclude = ['out']"),
        ("in/Cargo.toml", ""),
        ("out/Cargo.toml", ""),
    ]);
    let commands: Vec<String> = found(dir.path()).into_iter().map(|(_, command)| command).collect();
    assert!(commands.contains(&"cargo test --workspace --no-fail-fast".to_owned()), "{commands:?}");
    assert!(commands.contains(&"cd out && cargo test --no-fail-fast".to_owned()), "{commands:?}");
    assert!(!commands.iter().any(|command| command.starts_with("cd in")), "{commands:?}");
}

#[test]
fn node_scripts_by_their_package_manager() {
    let scripts = r#"{"scripts": {"lint": "eslint .", "tsc": "tsc", "test": "node --test", "start": "x"}}"#;
    let dir = tree(&[("package.json", scripts), ("pnpm-lock.yaml", "")]);
    let expected = [("pnpm lint", "pnpm run lint"), ("pnpm tsc", "pnpm run tsc"), ("pnpm test", "pnpm run test")];
    assert_eq!(found(dir.path()), expected.map(|(name, command)| (name.to_owned(), command.to_owned())));
    let none = r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}}"#;
    assert_eq!(names(tree(&[("package.json", none)]).path()), [""; 0]);
    let broken = detect(tree(&[("package.json", "{")]).path());
    assert!(broken[0].skipped.as_ref().unwrap().starts_with("package.json is no JSON"), "{broken:?}");
}

#[test]
fn python_tools_only_where_they_are_configured() {
    let dir = tree(&[("a.py", "x = 1"), ("test_a.py", "")]);
    assert_eq!(names(dir.path()), ["python syntax", "python tests"]);
    let settings = "[tool.ruff]\nline-length = 100\n[tool.mypy]\nstrict = true\n";
    let dir = tree(&[("pyproject.toml", settings), ("tests/test_a.py", ""), (".venv/bin/python", "")]);
    let all = found(dir.path());
    assert_eq!(
        all.iter().map(|it| it.0.as_str()).collect::<Vec<_>>(),
        ["python syntax", "ruff", "mypy", "python tests"]
    );
    assert!(
        all[3]
            .1
            .contains("if .venv/bin/python -c \"import pytest\" 2>/dev/null; then .venv/bin/python -B -m pytest -q")
    );
    assert_eq!(all[3].1.matches('\'').count(), 2, "what stands between quotes has none");
    assert_eq!(names(tree(&[("setup.py", "")]).path()), ["python syntax"]);
}

#[test]
fn go_and_make() {
    let dir = tree(&[("go.mod", "module x"), ("go.sum", ""), ("Makefile", "test:\n\tgo test\n")]);
    assert_eq!(names(dir.path()), ["go vet", "go test", "go coverage", "go.sum"]);
    let dir = tree(&[("Makefile", "check := 1\n.PHONY: test\nall test: x\n\ttrue\n")]);
    assert_eq!(names(dir.path()), ["make test"]);
    assert_eq!(names(tree(&[("Makefile", "all:\n\ttrue\n")]).path()), [""; 0]);
}

#[test]
fn a_repository_of_several_projects() {
    let dir = tree(&[
        ("api/go.mod", "module x"),
        ("web app/package.json", r#"{"scripts": {"test": "x"}}"#),
        ("tools/setup.py", ""),
        ("node_modules/x/package.json", r#"{"scripts": {"test": "x"}}"#),
        ("ignored/go.mod", ""),
        (".gitignore", "ignored/\n"),
        (".hidden/go.mod", ""),
        ("deep/er/go.mod", ""),
    ]);
    let all = found(dir.path());
    let expected = ["api: go vet", "api: go test", "api: go coverage", "tools: python syntax", "web app: npm test"];
    assert_eq!(all.iter().map(|it| it.0.as_str()).collect::<Vec<_>>(), expected);
    assert_eq!(all[4].1, "cd 'web app' && npm run test");
}

#[test]
fn what_is_not_measured_says_why() {
    let dir = tree(&[("Cargo.toml", "")]);
    let skipped = detect(dir.path()).into_iter().filter_map(|check| Some((check.kind, check.skipped?)));
    let expected = [
        (Kind::Coverage, "cargo itself measures no coverage".to_owned()),
        (Kind::DependencyAudit, "there is no Cargo.lock".to_owned()),
    ];
    assert_eq!(skipped.collect::<Vec<_>>(), expected);
}

#[test]
fn one_folder_past_the_bound_is_not_looked_at() {
    let files: Vec<String> = (0..=limits::CHECK_FOLDERS).map(|n| format!("p{n:03}/go.mod")).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|name| (name.as_str(), "")).collect();
    let dir = tree(&files);
    assert_eq!(folders(dir.path()).len(), limits::CHECK_FOLDERS);
}

#[test]
fn what_an_agent_removes_is_gone_and_what_it_moves_is_not() {
    let manifest = ("Cargo.toml", "[package]\nname = \"a\"\nversion = \"0.1.0\"\n");
    let with = detect(tree(&[manifest, ("src/lib.rs", "")]).path());
    let without = detect(tree(&[("src/lib.rs", "")]).path());
    assert!(!with.is_empty());
    assert_eq!(gone(&with, &without), with.iter().map(|check| check.name.clone()).collect::<Vec<_>>());
    assert!(gone(&without, &with).is_empty() && gone(&with, &with).is_empty());
    let below = detect(tree(&[("a/Cargo.toml", manifest.1), ("a/src/lib.rs", "")]).path());
    assert!(!below.is_empty() && gone(&below, &with).is_empty(), "a workspace around it: {below:?}");
    assert!(!gone(&with, &below).is_empty());
    let make = detect(tree(&[("Makefile", "check:\n\ttrue\n")]).path());
    assert!(!make.is_empty() && gone(&make, &with).is_empty(), "a tool chain in its place");
    assert!(!gone(&make, &without).is_empty());
}

#[test]
fn a_pipe_in_the_place_of_a_manifest_holds_nobody_up() {
    let dir = tree(&[]);
    let pipe = dir.path().join("package.json");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    detect(dir.path());
}
