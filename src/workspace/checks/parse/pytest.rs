//! The output of pytest: the short summary at its end, `-v` lines, and the reasons of the sections before.

use std::collections::HashMap;

use super::super::sift;
use super::{TestResult, TestStatus, as_arguments, message, result};

pub(super) fn parse(text: &str) -> Vec<TestResult> {
    let mut tests: Vec<TestResult> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut reasons = reasons(text);
    for line in text.lines() {
        let Some(mut test) = summary(line).or_else(|| verbose(line)) else { continue };
        if let Some(at) = known.get(&test.name) {
            // The summary repeats what `-v` told, with the message.
            if tests[*at].message.is_empty() {
                tests[*at].message = test.message;
            }
            continue;
        }
        if test.status == TestStatus::Failed
            && let Some(reason) = reasons.get_mut(&title(&test.name)).filter(|it| !it.is_empty()).map(|it| it.remove(0))
        {
            (test.file, test.line) = reason.place.unzip();
            test.message = reason.message.unwrap_or(test.message);
        }
        known.insert(test.name.clone(), tests.len());
        tests.push(test);
    }
    tests
}

/// Node ids are arguments.
pub(super) fn select(names: &[&str]) -> Option<String> {
    as_arguments(names)
}

/// `FAILED tests/test_a.py::test_x - assert 1 == 2`.
fn summary(line: &str) -> Option<TestResult> {
    let (word, rest) = line.split_once(' ')?;
    let status = status(word)?;
    let (name, why) = rest.split_once(" - ").unwrap_or((rest, ""));
    // `SKIPPED [1] test_a.py:10: reason` names a place instead of a test.
    let name = name.trim();
    let is_test = name.contains("::") || (word == "ERROR" && name.ends_with(".py"));
    is_test.then(|| TestResult { message: message(why), ..result(name, status) })
}

/// `tests/test_a.py::test_x PASSED   [ 50%]`.
fn verbose(line: &str) -> Option<TestResult> {
    let line = line.split_once(" [ ").or_else(|| line.split_once(" [1")).map_or(line, |(line, _)| line).trim_end();
    let (name, word) = line.rsplit_once(' ')?;
    let is_test = name.contains("::") && !name.starts_with(' ');
    is_test.then(|| status(word)).flatten().map(|status| result(name.trim(), status))
}

fn status(word: &str) -> Option<TestStatus> {
    match word {
        "PASSED" | "XPASS" => Some(TestStatus::Passed),
        "FAILED" | "ERROR" => Some(TestStatus::Failed),
        "SKIPPED" | "XFAIL" => Some(TestStatus::Ignored),
        _ => None,
    }
}

/// How a test's section is headed: `a.py::TestX::test_y[1]` becomes `TestX.test_y[1]`.
fn title(name: &str) -> String {
    match name.split_once("::") {
        Some((_, inner)) => inner.replacen("::", ".", inner.split('[').next().unwrap_or(inner).matches("::").count()),
        None => format!("ERROR collecting {name}"),
    }
}

#[derive(Default)]
struct Reason {
    place: Option<(String, u32)>,
    message: Option<String>,
}

/// The sections of failures by title; several of one title in their order.
fn reasons(text: &str) -> HashMap<String, Vec<Reason>> {
    let mut reasons: HashMap<String, Vec<Reason>> = HashMap::new();
    let mut open: Option<(String, Reason)> = None;
    let mut said: Vec<&str> = Vec::new();
    let mut close = |open: &mut Option<(String, Reason)>, said: &mut Vec<&str>| {
        let lines = std::mem::take(said);
        let Some((title, mut reason)) = open.take() else { return };
        reason.message = (!lines.is_empty()).then(|| message(&lines.join("\n")));
        reasons.entry(title).or_default().push(reason);
    };
    for line in text.lines() {
        let is_rule = line.starts_with("====");
        if is_rule || (line.starts_with('_') && line.ends_with('_') && line.contains(' ')) {
            close(&mut open, &mut said);
            let title = line.trim_matches('_').trim();
            let title = ["ERROR at setup of ", "ERROR at teardown of "]
                .iter()
                .find_map(|start| title.strip_prefix(start))
                .unwrap_or(title);
            // `_ _ _ _` only divides a section.
            open = (!is_rule && title.contains(|c: char| c.is_alphanumeric()))
                .then(|| (title.to_owned(), Reason::default()));
            continue;
        }
        let Some((_, reason)) = &mut open else { continue };
        if let Some(why) = line.strip_prefix("E ") {
            said.push(why.strip_prefix("      ").unwrap_or(why.trim_start()));
        } else if let Some(place) = sift::place(line).filter(|(file, _)| file.ends_with(".py")) {
            reason.place = Some(place);
        }
    }
    close(&mut open, &mut said);
    reasons
}
