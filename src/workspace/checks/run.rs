//! Runs checks one after another, and a failed test once more.

use async_trait::async_trait;

use super::report::{CheckResult, Report, Status, TestResult, TestStatus};
use super::{Check, Kind, parse, sift};
use crate::domain::failure::Failure;
use crate::domain::limits;

/// Runs command lines in the root of the tree that is checked. Whoever has checks run supplies it, and decides on time limits,
/// sandbox and record.
#[async_trait]
pub trait Runner: Send + Sync {
    /// Runs `line` to its end. An error ends the whole run: the engine stops, or no command can be started at all.
    async fn run(&self, line: &str) -> Result<Ran, Failure>;
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ran {
    /// The exit code; `None` when a signal or the time limit ended it.
    pub code: Option<i32>,
    /// Stopped at the time limit.
    pub timed_out: bool,
    /// Both streams interleaved, as much as is kept.
    pub output: Vec<u8>,
    /// How long it took, by the monotonic clock.
    pub duration_ms: u64,
}

/// Exit codes with which a shell says that it did not find, or cannot execute, a program.
const NOT_THERE: [i32; 2] = [126, 127];
/// The exit code of pytest when there are no tests.
const PYTEST_NO_TESTS: i32 = 5;
/// What tools say when a part of a tool chain is not installed.
const MISSING_TOOL: &[&str] = &[
    "error: no such command:",
    "error: no such subcommand:",
    "No module named pytest",
    "is not installed for the toolchain",
];
/// What tools say when they would have to ask a network.
const MISSING_DATA: &[&str] = &[
    "attempting to make an HTTP request, but --offline was specified",
    "without the offline flag",
    "unable to update registry",
    "module lookup disabled by GOPROXY=off",
];

/// Runs `checks` in the order of their kinds; those of one kind in the order given. When a syntax check failed, the kinds
/// after it are skipped: they would only repeat it.
pub async fn run(checks: &[Check], runner: &dyn Runner) -> Result<Report, Failure> {
    let mut ordered: Vec<&Check> = checks.iter().collect();
    ordered.sort_by_key(|check| check.kind);
    let mut results: Vec<CheckResult> = Vec::with_capacity(ordered.len());
    let mut broken: Option<&str> = None;
    for check in ordered {
        let result = match (&check.skipped, broken) {
            (Some(reason), _) => skipped(check, reason.clone()),
            (None, Some(by)) if check.kind != Kind::Syntax => skipped(check, format!("`{by}` failed")),
            (None, _) => run_one(check, runner).await?,
        };
        if check.kind == Kind::Syntax && result.status == Status::Failed {
            broken = broken.or(Some(&check.name));
        }
        results.push(result);
    }
    Ok(Report::new(results))
}

async fn run_one(check: &Check, runner: &dyn Runner) -> Result<CheckResult, Failure> {
    let first = runner.run(&check.command).await?;
    let text = sift::text(&first.output);
    if let Some(reason) = cannot_tell(check, &first, &text) {
        return Ok(CheckResult { duration_ms: first.duration_ms, ..skipped(check, reason) });
    }
    let mut tests = parse::parse(check.parser, &text);
    if first.code == Some(0) {
        // Coverage is in the output, and nowhere else.
        let excerpt = if check.kind == Kind::Coverage { sift::excerpt(&text) } else { String::new() };
        return Ok(ended(check, Status::Passed, tests, first.duration_ms, excerpt));
    }
    let failed = tests.iter().filter(|test| test.status == TestStatus::Failed).count();
    let may_be_flaky = check.kind.is_test() && first.code.is_some() && failed <= limits::FLAKY_TESTS;
    let (mut status, mut duration_ms) = (Status::Failed, first.duration_ms);
    if may_be_flaky {
        let failing: Vec<&TestResult> = tests.iter().filter(|test| test.status == TestStatus::Failed).collect();
        let second = runner.run(&parse::again(check, &failing)).await?;
        duration_ms += second.duration_ms;
        if second.code == Some(0) {
            let named = passed_again(check, &second, &mut tests);
            // Nothing but the exit code can be compared when the output names no tests.
            if failed == 0 || named == failed {
                status = Status::Flaky;
            }
        } else {
            passed_again(check, &second, &mut tests);
        }
    }
    Ok(ended(check, status, tests, duration_ms, excerpt(&first, &text)))
}

/// Marks the failed tests that the second run names as passed, and counts them. A test that it does not name proves nothing.
fn passed_again(check: &Check, second: &Ran, tests: &mut [TestResult]) -> usize {
    let again = parse::parse(check.parser, &sift::text(&second.output));
    let mut count = 0;
    for test in tests.iter_mut().filter(|test| test.status == TestStatus::Failed) {
        let same: Vec<&TestResult> = again.iter().filter(|it| it.name == test.name).collect();
        if !same.is_empty() && same.iter().all(|it| it.status == TestStatus::Passed) {
            test.status = TestStatus::Flaky;
            count += 1;
        }
    }
    count
}

/// Why an optional check tells nothing about the tree.
fn cannot_tell(check: &Check, ran: &Ran, text: &str) -> Option<String> {
    let code = ran.code.filter(|code| *code != 0 && check.is_optional)?;
    let line_with = |words: &[&str]| text.lines().find(|line| words.iter().any(|word| line.contains(word)));
    let reason = |problem: &str, line: &str| format!("{problem}: {}", sift::front(line.trim(), limits::MESSAGE_CHARS));
    if NOT_THERE.contains(&code) {
        let line = text.lines().rev().find(|line| !line.trim().is_empty());
        return Some(reason("a tool is missing", line.unwrap_or(&check.command)));
    }
    if let Some(line) = line_with(MISSING_TOOL) {
        return Some(reason("a tool is missing", line));
    }
    if check.kind == Kind::DependencyAudit
        && let Some(line) = line_with(MISSING_DATA)
    {
        return Some(reason("it needs a network", line));
    }
    (check.parser == super::Parser::Pytest && code == PYTEST_NO_TESTS).then(|| "there are no tests".to_owned())
}

fn excerpt(ran: &Ran, text: &str) -> String {
    let how = match (ran.timed_out, ran.code) {
        (true, _) => "ended at its time limit\n".to_owned(),
        (false, None) => "ended by a signal\n".to_owned(),
        (false, Some(_)) if text.trim().is_empty() => format!("exit code {} and no output\n", ran.code.unwrap_or(-1)),
        (false, Some(_)) => String::new(),
    };
    sift::ends(&format!("{how}{}", sift::excerpt(text)), limits::CHECK_EXCERPT_BYTES)
}

fn skipped(check: &Check, reason: String) -> CheckResult {
    CheckResult { command: check.command.clone(), ..CheckResult::new(&check.name, check.kind, Status::Skipped(reason)) }
}

fn ended(check: &Check, status: Status, tests: Vec<TestResult>, duration_ms: u64, excerpt: String) -> CheckResult {
    let result = CheckResult::new(&check.name, check.kind, status).with_tests(tests);
    CheckResult { command: check.command.clone(), duration_ms, excerpt, ..result }
}

#[cfg(test)]
mod tests;
