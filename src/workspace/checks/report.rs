//! What came out of the checks: for the record as JSON, for a model as a short text that begins with what is wrong.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{Kind, sift};
use crate::domain::limits;
use crate::workspace::secrets::Finding;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TestStatus {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It was not run, on purpose.
    Ignored,
    /// It failed, and passed when it was run again on the same tree.
    Flaky,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestResult {
    /// As its runner calls it, so that it can be run by this name.
    pub name: String,
    /// How it ended.
    pub status: TestStatus,
    /// Why it failed or was not run; may be empty.
    pub message: String,
    /// Where it failed, as its runner writes the path.
    pub file: Option<String>,
    /// The line there.
    pub line: Option<u32>,
}

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It was not run, or told nothing: why.
    Skipped(String),
    /// It failed, and passed when it was run again on the same tree. Counts as passed.
    Flaky,
}

/// How many tests ended how; all that were found, also those that are not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
    /// Not run on purpose.
    pub ignored: usize,
    /// Passed when run again.
    pub flaky: usize,
}

impl Counts {
    fn of(tests: &[TestResult]) -> Self {
        let mut counts = Self::default();
        for test in tests {
            match test.status {
                TestStatus::Passed => counts.passed += 1,
                TestStatus::Failed => counts.failed += 1,
                TestStatus::Ignored => counts.ignored += 1,
                TestStatus::Flaky => counts.flaky += 1,
            }
        }
        counts
    }

    fn all(self) -> usize {
        self.passed + self.failed + self.ignored + self.flaky
    }
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// The check's name.
    pub name: String,
    /// What it looks at.
    pub kind: Kind,
    /// What was run; empty when nothing was.
    pub command: String,
    /// How it ended.
    pub status: Status,
    /// How many of its tests ended how.
    pub counts: Counts,
    /// Its tests as far as its output names them: failed ones first, at most [`limits::CHECK_TESTS`].
    pub tests: Vec<TestResult>,
    /// How long its command took, both times when it was run again.
    pub duration_ms: u64,
    /// What it said, when it did not simply pass.
    pub excerpt: String,
}

impl CheckResult {
    /// The result of a secret scan. Each finding is a failed "test", so that a model is told of it like of any other.
    pub fn of_secrets(findings: &[Finding], duration_ms: u64) -> Self {
        let status = if findings.is_empty() { Status::Passed } else { Status::Failed };
        let told = |finding: &Finding| TestResult {
            name: finding.kind.name().to_owned(),
            status: TestStatus::Failed,
            message: finding.excerpt.clone(),
            file: Some(finding.file.clone()),
            line: Some(finding.line),
        };
        let result = Self::new("secret scan", Kind::SecretScan, status);
        Self { duration_ms, ..result.with_tests(findings.iter().map(told).collect()) }
    }

    pub(super) fn new(name: &str, kind: Kind, status: Status) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            command: String::new(),
            status,
            counts: Counts::default(),
            tests: Vec::new(),
            duration_ms: 0,
            excerpt: String::new(),
        }
    }

    pub(super) fn with_tests(mut self, mut tests: Vec<TestResult>) -> Self {
        self.counts = Counts::of(&tests);
        let rank = |status: TestStatus| match status {
            TestStatus::Failed => 0,
            TestStatus::Flaky => 1,
            TestStatus::Passed => 2,
            TestStatus::Ignored => 3,
        };
        tests.sort_by_key(|test| rank(test.status));
        tests.truncate(limits::CHECK_TESTS);
        self.tests = tests;
        self
    }

    /// In one line.
    fn line(&self) -> String {
        let word = match &self.status {
            Status::Passed => "passed",
            Status::Failed => "FAILED",
            Status::Skipped(reason) => return format!("{}: skipped: {reason}", self.name),
            Status::Flaky => "passed when run again (flaky)",
        };
        let Counts { passed, failed, ignored, flaky } = self.counts;
        let mut line = format!("{}: {word}", self.name);
        if self.counts.all() > 0 {
            let counts = [(passed, "passed"), (failed, "failed"), (flaky, "flaky"), (ignored, "ignored")];
            let counts: Vec<String> =
                counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
            // Writing to a string does not fail.
            let _ = write!(line, " ({})", counts.join(", "));
        }
        line
    }

    /// What is wrong, in full: its tests with their messages and places, or else the excerpt.
    fn details(&self, text: &mut String) {
        let wrong = |test: &&TestResult| matches!(test.status, TestStatus::Failed | TestStatus::Flaky);
        for test in self.tests.iter().filter(wrong) {
            let place = match (&test.file, test.line) {
                (Some(file), Some(line)) => format!(" at {file}:{line}"),
                (Some(file), None) => format!(" in {file}"),
                (None, _) => String::new(),
            };
            let word = if test.status == TestStatus::Flaky { "flaky " } else { "" };
            text.push_str(&format!("  {word}{}{place}\n", test.name));
            indent(&test.message, text);
        }
        if !self.tests.iter().any(|test| wrong(&test)) {
            indent(&self.excerpt, text);
        }
    }
}

fn indent(block: &str, text: &mut String) {
    for line in block.lines() {
        text.push_str("    ");
        text.push_str(line);
        text.push('\n');
    }
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// A result for each check, in the order in which they ran.
    pub checks: Vec<CheckResult>,
    /// Nothing failed, and, if anything was asked for, something passed: checks that were all skipped prove nothing.
    pub green: bool,
}

impl Report {
    /// Of these results.
    pub fn new(checks: Vec<CheckResult>) -> Self {
        let failed = checks.iter().any(|check| check.status == Status::Failed);
        let passed = checks.iter().any(|check| matches!(check.status, Status::Passed | Status::Flaky));
        Self { green: !failed && (passed || checks.is_empty()), checks }
    }

    /// With one more result.
    pub fn with(mut self, check: CheckResult) -> Self {
        self.checks.push(check);
        Self::new(self.checks)
    }

    /// For a model, in at most `max_bytes`: the verdict, then each check that failed with what is wrong, then flaky ones,
    /// then a line for each other. Where there is not enough room the failures share it.
    pub fn to_text(&self, max_bytes: usize) -> String {
        let wrong: Vec<&CheckResult> = self.checks.iter().filter(|it| it.status == Status::Failed).collect();
        let flaky = self.checks.iter().filter(|it| it.status == Status::Flaky);
        let rest = self.checks.iter().filter(|it| matches!(it.status, Status::Passed | Status::Skipped(_)));
        let mut end = String::new();
        for check in flaky.chain(rest) {
            end.push_str(&check.line());
            end.push('\n');
            if check.status == Status::Flaky {
                check.details(&mut end);
            }
        }
        let head = match (self.green, wrong.len()) {
            (true, _) => "All checks are green.\n".to_owned(),
            (false, 0) => "No check could run; nothing is proved.\n".to_owned(),
            (false, 1) => "1 check failed.\n".to_owned(),
            (false, n) => format!("{n} checks failed.\n"),
        };
        // Lines of what passed give way first, but keep a quarter.
        let details: Vec<String> = wrong.iter().map(|check| described(check)).collect();
        let needed: usize = details.iter().map(String::len).sum();
        let room = max_bytes.saturating_sub(head.len());
        let end_room = room.saturating_sub(needed).max(room / 4);
        let end = sift::ends(&end, end_room);
        let each = room.saturating_sub(end.len()) / details.len().max(1);
        let spare: usize = details.iter().map(|it| each.saturating_sub(it.len())).sum();
        let long = details.iter().filter(|it| it.len() > each).count().max(1);
        let mut text = head;
        for detail in details {
            text.push_str(&sift::ends(&detail, each + spare / long));
        }
        text.push_str(&end);
        sift::front(&text, max_bytes).trim_end().to_owned()
    }
}

fn described(check: &CheckResult) -> String {
    let mut text = format!("{}\n", check.line());
    if !check.command.is_empty() {
        // A command of several lines is a script of ours, which tells a model nothing.
        let command = check.command.lines().next().unwrap_or_default();
        text.push_str(&format!("  $ {}\n", sift::ends(command, limits::MESSAGE_CHARS)));
    }
    check.details(&mut text);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn test(name: &str, status: TestStatus, message: &str) -> TestResult {
        TestResult {
            name: name.to_owned(),
            status,
            message: message.to_owned(),
            file: Some("src/lib.rs".to_owned()),
            line: Some(7),
        }
    }

    fn check(name: &str, status: Status, tests: Vec<TestResult>) -> CheckResult {
        CheckResult::new(name, Kind::UnitTest, status).with_tests(tests)
    }

    #[test]
    fn what_is_wrong_comes_first() {
        let tests = vec![test("fine", TestStatus::Passed, ""), test("bad", TestStatus::Failed, "left: 4\nright: 5")];
        let report = Report::new(vec![
            check("cargo fmt", Status::Passed, Vec::new()),
            check("go test", Status::Flaky, vec![test("moody", TestStatus::Flaky, "timeout")]),
            check("cargo test", Status::Failed, tests),
            check("coverage", Status::Skipped("no tool".to_owned()), Vec::new()),
        ]);
        assert!(!report.green);
        let text = "1 check failed.\ncargo test: FAILED (1 passed, 1 failed)\n  bad at src/lib.rs:7\n    left: 4\n    right: 5\n\
                    go test: passed when run again (flaky) (1 flaky)\n  flaky moody at src/lib.rs:7\n    timeout\n\
                    cargo fmt: passed\ncoverage: skipped: no tool";
        assert_eq!(report.to_text(4_000), text);
    }

    #[test]
    fn only_what_ran_proves_something() {
        assert!(Report::new(Vec::new()).green);
        let skipped = check("a", Status::Skipped("no tool".to_owned()), Vec::new());
        let report = Report::new(vec![skipped]);
        assert!(!report.green);
        assert!(report.with(check("b", Status::Flaky, Vec::new())).green);
    }

    #[test]
    fn secrets_are_told_with_their_place() {
        let key = format!("k = gh{}_{}", "p", "q7Zt4Lx9Kw2Pn8Vb3Rm6Ys1Dc5Hf0JgXuT4e");
        let findings = crate::workspace::secrets::scan("src/k.rs", key.as_bytes());
        let report = Report::new(vec![CheckResult::of_secrets(&findings, 1)]);
        let expected =
            "1 check failed.\nsecret scan: FAILED (1 failed)\n  github-token at src/k.rs:1\n    ghp_… (40 characters)";
        assert_eq!(report.to_text(1_000), expected);
        assert!(Report::new(vec![CheckResult::of_secrets(&[], 1)]).green);
    }

    #[test]
    fn the_stored_form_stays() {
        let report = Report::new(vec![check("t", Status::Failed, vec![test("a", TestStatus::Failed, "m")])]);
        let json = serde_json::to_string(&report).unwrap();
        let expected = r#"{"checks":[{"name":"t","kind":"unit-test","command":"","status":"failed","counts":{"passed":0,"failed":1,"ignored":0,"flaky":0},"tests":[{"name":"a","status":"failed","message":"m","file":"src/lib.rs","line":7}],"duration_ms":0,"excerpt":""}],"green":false}"#;
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
    }

    #[test]
    fn one_test_past_the_bound_is_only_counted() {
        let mut tests = vec![test("a", TestStatus::Passed, ""); limits::CHECK_TESTS];
        tests.push(test("bad", TestStatus::Failed, ""));
        let result = check("t", Status::Failed, tests);
        assert_eq!(result.tests.len(), limits::CHECK_TESTS);
        assert_eq!(result.tests[0].name, "bad");
        assert_eq!((result.counts.passed, result.counts.failed), (limits::CHECK_TESTS, 1));
    }

    proptest! {
        #[test]
        fn the_text_never_exceeds_its_budget(
            max_bytes in 0_usize..3_000,
            checks in prop::collection::vec((".{0,20}", 0_u8..4, prop::collection::vec((".{0,40}", "(?s).{0,300}"), 0..6)), 0..6),
        ) {
            let results = checks.into_iter().map(|(name, status, tests)| {
                let status = match status {
                    0 => Status::Passed,
                    1 => Status::Flaky,
                    2 => Status::Skipped("reason".to_owned()),
                    _ => Status::Failed,
                };
                let tests = tests.into_iter().map(|(name, message)| test(&name, TestStatus::Failed, &message));
                check(&name, status, tests.collect())
            });
            prop_assert!(Report::new(results.collect()).to_text(max_bytes).len() <= max_bytes);
        }
    }
}
