//! JavaScript and TypeScript: the scripts of `package.json`, run by the package manager whose lock file is there.

use serde_json::Value;

use super::Folder;
use crate::workspace::checks::{Check, Kind, Parser, quoted};

/// Names of scripts, in the order of what they are looked at for; of each kind the first that there is.
const SCRIPTS: &[(Kind, &[&str])] = &[
    (Kind::Lint, &["lint"]),
    (Kind::Types, &["typecheck", "type-check", "check-types", "tsc"]),
    (Kind::UnitTest, &["test"]),
    (Kind::IntegrationTest, &["test:integration", "test:e2e"]),
    (Kind::Coverage, &["coverage", "test:coverage"]),
];

/// What `npm init` writes for a package without tests.
const NO_TESTS: &str = "no test specified";

pub(super) fn is_here(folder: &Folder) -> bool {
    folder.has("package.json")
}

/// Whether the package in `root` runs the scripts of the packages below it.
pub(super) fn covers(root: &Folder) -> bool {
    let manifest = root.text("package.json").and_then(|text| serde_json::from_str::<Value>(&text).ok());
    manifest.is_some_and(|it| it.get("workspaces").is_some()) || root.has("pnpm-workspace.yaml")
}

pub(super) fn checks(folder: &Folder) -> Vec<Check> {
    let text = folder.text("package.json").unwrap_or_default();
    let manifest: Value = match serde_json::from_str(&text) {
        Ok(manifest) => manifest,
        Err(error) => {
            let reason = format!("package.json is no JSON: {error}");
            return vec![Check::skipped(Kind::Syntax, "package.json", reason)];
        }
    };
    let manager = manager(folder);
    let script = |name: &str| manifest.get("scripts")?.get(name)?.as_str();
    let mut checks = Vec::new();
    for (kind, names) in SCRIPTS {
        let there = |name: &&&str| script(name).is_some_and(|line| !line.contains(NO_TESTS));
        let Some(name) = names.iter().find(there) else { continue };
        let check = Check::found(*kind, &format!("{manager} {name}"), format!("{manager} run {}", quoted(name)));
        let parser = if kind.is_test() { Parser::Any } else { Parser::ExitCode };
        checks.push(Check { parser, ..check });
    }
    if !checks.iter().any(|check| check.kind == Kind::Coverage) {
        let reason = "package.json has no script `coverage`";
        checks.push(Check::skipped(Kind::Coverage, &format!("{manager} coverage"), reason));
    }
    checks.push(lock_file(folder, manager));
    checks
}

fn manager(folder: &Folder) -> &'static str {
    if folder.has("pnpm-lock.yaml") {
        "pnpm"
    } else if folder.has("yarn.lock") {
        "yarn"
    } else {
        "npm"
    }
}

fn lock_file(folder: &Folder, manager: &str) -> Check {
    let name = format!("{manager} lock file");
    let skipped = |reason: &str| Check::skipped(Kind::DependencyAudit, &name, reason);
    if manager != "npm" {
        skipped(&format!("{manager} cannot compare its lock file without a network"))
    } else if !folder.has("package-lock.json") {
        skipped("there is no package-lock.json")
    } else if !folder.has("node_modules") {
        skipped("nothing is installed in node_modules")
    } else {
        Check::found(Kind::DependencyAudit, &name, "npm ls --all --offline >/dev/null")
    }
}
