//! The output of `node --test`: TAP, or the `spec` reporter. Tests inside others are called `OUTER > INNER`; a suite that
//! failed only because of what is in it is left out.

use std::collections::HashMap;

use super::super::sift;
use super::{TestResult, TestStatus, message, result};

pub(super) fn parse(text: &str) -> Vec<TestResult> {
    // Where it was run under a package manager, its banner comes first.
    if text.lines().any(|line| line.starts_with("TAP version ")) { tap(text) } else { spec(text) }
}

fn tap(text: &str) -> Vec<TestResult> {
    let mut tests = Vec::new();
    let mut outer: Vec<&str> = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let inner = line.trim_start();
        let depth = (line.len() - inner.len()) / 4;
        if let Some(name) = inner.strip_prefix("# Subtest: ") {
            outer.truncate(depth);
            outer.push(name);
            continue;
        }
        let (is_ok, rest) = match (inner.strip_prefix("ok "), inner.strip_prefix("not ok ")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => continue,
        };
        let name = rest.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches([' ', '-']);
        let (name, directive) = name.split_once(" # ").unwrap_or((name, ""));
        let status = match directive.split_whitespace().next().map(str::to_ascii_lowercase).as_deref() {
            Some("skip" | "todo") => TestStatus::Ignored,
            Some(_) | None if is_ok => TestStatus::Passed,
            Some(_) | None => TestStatus::Failed,
        };
        let mut block = Vec::new();
        if lines.next_if(|line| line.trim() == "---").is_some() {
            block.extend(lines.by_ref().take_while(|line| line.trim() != "..."));
        }
        outer.truncate(depth);
        let is_suite =
            block.iter().any(|line| matches!(line.trim(), "type: 'suite'" | "failureType: 'subtestsFailed'"));
        if !is_suite {
            tests.push(described(&joined(&outer, name), status, &block));
        }
    }
    tests
}

fn joined(outer: &[&str], name: &str) -> String {
    outer.iter().copied().chain([name]).collect::<Vec<_>>().join(" > ")
}

/// What the YAML block of a failed test tells: only `location` and `error` are read, by their place in the block.
fn described(name: &str, status: TestStatus, block: &[&str]) -> TestResult {
    let mut test = result(name, status);
    if status != TestStatus::Failed {
        return test;
    }
    let indent = |line: &str| line.len() - line.trim_start().len();
    for (at, line) in block.iter().enumerate() {
        if let Some(place) = line.trim_start().strip_prefix("location: ") {
            (test.file, test.line) = sift::place(place.trim_matches('\'')).unzip();
        } else if let Some(first) = line.trim_start().strip_prefix("error: ") {
            let deeper = |it: &&&str| it.trim().is_empty() || indent(it) > indent(line);
            let rest = block[at + 1..].iter().take_while(deeper).map(|line| line.trim());
            let first = first.trim_matches('\'');
            let first = (!matches!(first, "|-" | "|" | "|+" | ">-")).then_some(first);
            test.message = message(&first.into_iter().chain(rest).collect::<Vec<_>>().join("\n"));
        }
    }
    test
}

fn spec(text: &str) -> Vec<TestResult> {
    let mut tests: Vec<TestResult> = Vec::new();
    let mut outer: Vec<&str> = Vec::new();
    let mut places = HashMap::new();
    let mut said: Option<(usize, usize, Vec<&str>)> = None;
    let mut in_summary = false;
    let mut place = None;
    for line in text.lines() {
        let inner = line.trim_start();
        let indent = line.len() - inner.len();
        let mark = inner.chars().next().unwrap_or(' ');
        if let Some((at, of, lines)) = &mut said
            && (indent > *of || inner.is_empty())
            && !matches!(mark, '✔' | '✖' | '▶' | '﹣')
        {
            if indent > *of {
                lines.push(inner);
                tests[*at].message = message(&before_stack(lines).join("\n"));
            }
            continue;
        }
        said = None;
        if in_summary {
            if let Some(at) = inner.strip_prefix("test at ") {
                place = sift::place(at);
            } else if mark == '✖'
                && let Some(place) = place.take()
            {
                places.entry(titled(inner).to_owned()).or_insert_with(Vec::new).push(place);
            }
            continue;
        }
        outer.truncate(indent / 2);
        let status = match mark {
            '✔' => TestStatus::Passed,
            '✖' if inner == "✖ failing tests:" => {
                in_summary = true;
                continue;
            }
            '✖' => TestStatus::Failed,
            '﹣' => TestStatus::Ignored,
            '▶' => {
                outer.push(titled(inner));
                continue;
            }
            _ => continue,
        };
        let name = joined(&outer, titled(inner));
        if status == TestStatus::Failed {
            said = Some((tests.len(), indent, Vec::new()));
        }
        tests.push(result(&name, status));
    }
    finish(tests, places)
}

/// Puts the places of the summary to the tests, and leaves out suites, whose tests say it all.
fn finish(mut tests: Vec<TestResult>, mut places: HashMap<String, Vec<(String, u32)>>) -> Vec<TestResult> {
    for test in tests.iter_mut().filter(|test| test.status == TestStatus::Failed) {
        let own = test.name.rsplit(" > ").next().unwrap_or(&test.name);
        if let Some(found) = places.get_mut(own).filter(|found| !found.is_empty()) {
            (test.file, test.line) = Some(found.remove(0)).unzip();
        }
    }
    let outer: Vec<String> =
        tests.iter().filter_map(|test| test.name.rsplit_once(" > ")).map(|(outer, _)| outer.to_owned()).collect();
    let outer: std::collections::HashSet<String> = outer.into_iter().collect();
    tests.retain(|test| !outer.contains(&test.name));
    tests
}

/// `✖ name (0.8ms) # why` without what surrounds the name.
fn titled(line: &str) -> &str {
    let name = line.trim_start_matches(['✔', '✖', '▶', '﹣', ' ']);
    match name.rfind(" (") {
        Some(at) if name[at..].contains("ms)") => &name[..at],
        Some(_) | None => name,
    }
}

fn before_stack<'l>(lines: &[&'l str]) -> Vec<&'l str> {
    lines.iter().take_while(|line| !line.starts_with("at ")).copied().collect()
}
