//! The output of Rust's built-in test runner, as `cargo test` shows it.

use std::collections::HashMap;

use super::super::sift;
use super::{TestResult, TestStatus, as_arguments, message, result};

/// What the runner adds to the names of some tests.
const SUFFIXES: &[&str] = &[" - should panic", " - compile fail", " - compile"];

pub(super) fn parse(text: &str) -> Vec<TestResult> {
    let mut tests = Vec::new();
    // Positions of the failed tests by name: a name may occur in several binaries, whose sections come in the same order.
    let mut failed: HashMap<String, Vec<usize>> = HashMap::new();
    let mut section: Option<(String, Vec<&str>)> = None;
    for line in text.lines() {
        if let Some(name) = heading(line) {
            close(&mut section, &mut failed, &mut tests);
            section = Some((name.to_owned(), Vec::new()));
        } else if line == "failures:" || line.starts_with("test result: ") {
            close(&mut section, &mut failed, &mut tests);
        } else if let Some((_, lines)) = &mut section {
            lines.push(line);
        } else if let Some(test) = outcome(line) {
            if test.status == TestStatus::Failed {
                failed.entry(test.name.clone()).or_default().push(tests.len());
            }
            tests.push(test);
        }
    }
    close(&mut section, &mut failed, &mut tests);
    tests
}

/// `NAME ...` as arguments: only tests of exactly these names run.
pub(super) fn select(names: &[&str]) -> Option<String> {
    Some(format!("-- --exact {}", as_arguments(names)?))
}

fn outcome(line: &str) -> Option<TestResult> {
    let (name, status) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let (word, rest) = status.split_once(',').unwrap_or((status, ""));
    let status = match word.trim_end() {
        "ok" => TestStatus::Passed,
        "FAILED" => TestStatus::Failed,
        "ignored" => TestStatus::Ignored,
        _ => return None,
    };
    let name = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    Some(TestResult { message: message(rest), ..result(name, status) })
}

/// The test that a section of output belongs to.
fn heading(line: &str) -> Option<&str> {
    let name = line.strip_prefix("---- ")?.strip_suffix(" ----")?;
    Some(name.strip_suffix(" stdout").or_else(|| name.strip_suffix(" stderr")).unwrap_or(name))
}

fn close(
    section: &mut Option<(String, Vec<&str>)>,
    failed: &mut HashMap<String, Vec<usize>>,
    tests: &mut [TestResult],
) {
    let Some((name, lines)) = section.take() else { return };
    let Some(places) = failed.get_mut(&name).filter(|places| !places.is_empty()) else { return };
    let test = &mut tests[places.remove(0)];
    let panic = lines.iter().position(|line| line.starts_with("thread '") && line.contains(" panicked at "));
    if let Some((_, place)) = panic.and_then(|at| lines[at].split_once(" panicked at ")) {
        (test.file, test.line) = sift::place(place).unzip();
    }
    let is_over =
        |line: &&&str| line.starts_with("stack backtrace:") || line.starts_with("note: run with `RUST_BACKTRACE");
    let said: Vec<&str> = lines[panic.map_or(0, |at| at + 1)..].iter().take_while(|it| !is_over(it)).copied().collect();
    test.message = message(&said.join("\n"));
}
