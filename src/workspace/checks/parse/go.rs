//! The output of `go test`: JSON events, or plain text. A test is called `PACKAGE NAME` (neither contains blanks), in plain
//! text, where the package comes after its tests, `NAME`.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;

use super::super::{Check, sift};
use super::{TestResult, TestStatus, message, quoted, result};

pub(super) fn parse(text: &str) -> Vec<TestResult> {
    let tests = events(text);
    if tests.is_empty() { plain(text) } else { tests }
}

/// The command for only these tests: the packages are named, and the tests by a pattern of their top-level names.
pub(super) fn again(check: &Check, names: &[&str]) -> Option<String> {
    let (front, _) = check.command.split_once("./...").filter(|_| check.selects_tests)?;
    let pairs: Vec<(&str, &str)> = names.iter().filter_map(|name| name.split_once(' ')).collect();
    if pairs.is_empty() || pairs.len() < names.len() {
        return None;
    }
    let tests: BTreeSet<&str> = pairs.iter().map(|(_, test)| test.split('/').next().unwrap_or(test)).collect();
    let packages: BTreeSet<String> = pairs.iter().map(|(package, _)| quoted(package)).collect();
    let is_name = |test: &&str| test.chars().all(|c| c.is_alphanumeric() || c == '_');
    let pattern = format!("^({})$", tests.iter().copied().collect::<Vec<_>>().join("|"));
    // Without a count a cached result would be read back.
    let packages = packages.into_iter().collect::<Vec<_>>().join(" ");
    tests.iter().all(is_name).then(|| format!("{front}-count=1 -run {} {packages}", quoted(&pattern)))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    action: String,
    #[serde(default)]
    package: String,
    #[serde(default)]
    test: String,
    #[serde(default)]
    output: String,
}

fn events(text: &str) -> Vec<TestResult> {
    let mut tests = Vec::new();
    let mut said: HashMap<String, String> = HashMap::new();
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let Ok(event) = serde_json::from_str::<Event>(line) else { continue };
        if event.test.is_empty() {
            continue;
        }
        let name = format!("{} {}", event.package, event.test);
        if event.action == "output" {
            said.entry(name).or_default().push_str(&event.output);
        } else if let Some(status) = status(&event.action) {
            let said = said.remove(&name).unwrap_or_default();
            tests.push(told(&name, status, &said));
        }
    }
    tests
}

fn plain(text: &str) -> Vec<TestResult> {
    let mut tests: Vec<TestResult> = Vec::new();
    let mut said = String::new();
    let close = |tests: &mut Vec<TestResult>, said: &mut String| {
        if let Some(last) = tests.last_mut().filter(|_| !said.is_empty()) {
            *last = told(&last.name, last.status, said);
        }
        said.clear();
    };
    for line in text.lines() {
        let trimmed = line.trim_start();
        let outcome = trimmed.strip_prefix("--- ").and_then(|it| it.split_once(": "));
        if let Some((word, rest)) = outcome
            && let Some(status) = status(&word.to_ascii_lowercase())
        {
            close(&mut tests, &mut said);
            tests.push(result(rest.split(" (").next().unwrap_or(rest), status));
        } else if line.starts_with(' ') {
            said.push_str(line);
            said.push('\n');
        } else {
            close(&mut tests, &mut said);
        }
    }
    close(&mut tests, &mut said);
    tests
}

fn status(word: &str) -> Option<TestStatus> {
    match word {
        "pass" => Some(TestStatus::Passed),
        "fail" => Some(TestStatus::Failed),
        "skip" => Some(TestStatus::Ignored),
        _ => None,
    }
}

fn told(name: &str, status: TestStatus, said: &str) -> TestResult {
    let mut test = result(name, status);
    if status == TestStatus::Passed {
        return test;
    }
    let is_frame = |line: &&str| !line.starts_with("===") && !line.trim_start().starts_with("--- ");
    let lines: Vec<&str> = said.lines().filter(is_frame).map(str::trim).collect();
    (test.file, test.line) = lines.iter().find_map(|line| sift::place(line)).unzip();
    test.message = message(&lines.join("\n"));
    test
}
