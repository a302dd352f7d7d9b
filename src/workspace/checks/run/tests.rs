//! Real commands, and a runner with written answers where an order or a rare end matters.

use std::path::PathBuf;
use std::sync::Mutex;

use super::*;
use crate::workspace::checks::{Parser, detect};

/// Runs in a folder, as a step would, with the environment of the tests.
struct Here(PathBuf);

#[async_trait]
impl Runner for Here {
    async fn run(&self, line: &str) -> Result<Ran, Failure> {
        let mut command = tokio::process::Command::new("/bin/sh");
        let target = self.0.join("target");
        command.arg("-c").arg(format!("exec 2>&1; {line}")).current_dir(&self.0).env("CARGO_TARGET_DIR", target);
        let output = command.env_remove("RUST_BACKTRACE").output().await.unwrap();
        Ok(Ran { code: output.status.code(), timed_out: false, output: output.stdout, duration_ms: 1 })
    }
}

/// Answers with what was written for a command, once each; records what was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<Vec<(&'static str, Ran)>>,
    asked: Mutex<Vec<String>>,
}

impl Script {
    fn new(answers: &[(&'static str, i32, &str)]) -> Self {
        let ran =
            |code: i32, text: &str| Ran { code: Some(code), output: text.into(), duration_ms: 5, ..Ran::default() };
        let answers = answers.iter().map(|(line, code, text)| (*line, ran(*code, text))).collect();
        Self { answers: Mutex::new(answers), asked: Mutex::default() }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Runner for Script {
    async fn run(&self, line: &str) -> Result<Ran, Failure> {
        self.asked.lock().unwrap().push(line.to_owned());
        let mut answers = self.answers.lock().unwrap();
        let at = answers.iter().position(|(known, _)| *known == line).unwrap_or_else(|| panic!("not written: {line}"));
        Ok(answers.remove(at).1)
    }
}

fn found(kind: Kind, name: &str) -> Check {
    Check::found(kind, name, name)
}

#[tokio::test]
async fn cheap_checks_first_and_nothing_after_a_syntax_error() {
    let checks = [Check::tests("t", "t", Parser::Libtest), found(Kind::Lint, "l"), found(Kind::Syntax, "s")];
    let script = Script::new(&[("s", 0, ""), ("l", 0, ""), ("t", 0, "")]);
    assert!(run(&checks, &script).await.unwrap().green);
    assert_eq!(script.asked(), ["s", "l", "t"]);

    let script = Script::new(&[("s", 1, "a.rs:1: expected `;`\n")]);
    let report = run(&checks, &script).await.unwrap();
    assert_eq!(script.asked(), ["s"]);
    assert_eq!(
        report.to_text(1_000),
        "1 check failed.\ns: FAILED\n  $ s\n    a.rs:1: expected `;`\nl: skipped: `s` failed\nt: skipped: `s` failed"
    );
}

#[tokio::test]
async fn missing_tools_skip_what_was_found_and_fail_what_was_named() {
    let checks = [found(Kind::Lint, "ruff"), found(Kind::Lint, "cargo clippy"), found(Kind::DependencyAudit, "lock")];
    let script = Script::new(&[
        ("ruff", 127, "sh: 1: ruff: not found\n"),
        ("cargo clippy", 101, "error: no such command: `clippy`\n"),
        ("lock", 101, "error: x\n  attempting to make an HTTP request, but --offline was specified\n"),
    ]);
    let report = run(&checks, &script).await.unwrap();
    let reasons: Vec<&Status> = report.checks.iter().map(|check| &check.status).collect();
    let expected = [
        "a tool is missing: sh: 1: ruff: not found",
        "a tool is missing: error: no such command: `clippy`",
        "it needs a network: attempting to make an HTTP request, but --offline was specified",
    ];
    assert_eq!(reasons, expected.map(|it| Status::Skipped(it.to_owned())).iter().collect::<Vec<_>>());
    assert!(!report.green);

    let named = [Check::named("mine", "ruff").of_kind(Kind::Lint)];
    let report = run(&named, &Script::new(&[("ruff", 127, "sh: 1: ruff: not found\n")])).await.unwrap();
    assert_eq!(report.checks[0].status, Status::Failed);
}

#[tokio::test]
async fn a_test_is_flaky_only_when_the_second_run_names_it() {
    let checks = [Check::tests("t", "t", Parser::Libtest)];
    let first = ("t", 101, "test a ... FAILED\ntest b ... FAILED\ntest c ... ok\n");
    let again = "t -- --exact a b";
    let both = Script::new(&[first, (again, 0, "test a ... ok\ntest b ... ok\n")]);
    let report = run(&checks, &both).await.unwrap();
    assert_eq!((report.green, &report.checks[0].status), (true, &Status::Flaky));
    assert_eq!((report.checks[0].counts.flaky, report.checks[0].duration_ms), (2, 10));

    // One of them goes on failing; the other is still told as flaky.
    let one = Script::new(&[first, (again, 101, "test a ... ok\ntest b ... FAILED\n")]);
    let report = run(&checks, &one).await.unwrap();
    assert_eq!((report.green, report.checks[0].counts.flaky, report.checks[0].counts.failed), (false, 1, 1));

    // A run in which no test had that name proves nothing.
    let none = Script::new(&[first, (again, 0, "running 0 tests\n")]);
    assert!(!run(&checks, &none).await.unwrap().green);
}

#[tokio::test]
async fn more_failures_than_the_bound_and_time_limits_are_not_run_again() {
    let checks = [Check::tests("t", "t", Parser::Libtest)];
    let output: String = (0..=limits::FLAKY_TESTS).map(|n| format!("test t{n} ... FAILED\n")).collect();
    let script = Script::new(&[("t", 101, &output)]);
    assert!(!run(&checks, &script).await.unwrap().green);
    assert_eq!(script.asked(), ["t"]);

    let late = Ran { code: None, timed_out: true, output: b"test a ... FAILED\n".to_vec(), duration_ms: 9 };
    let script = Script { answers: Mutex::new(vec![("t", late)]), asked: Mutex::default() };
    let report = run(&checks, &script).await.unwrap();
    assert!(report.checks[0].excerpt.starts_with("ended at its time limit"), "{report:?}");
}

#[tokio::test]
async fn a_check_that_names_no_tests_is_run_again_whole() {
    let checks = [Check::named("ci", "./ci.sh")];
    let script = Script::new(&[("./ci.sh", 1, "boom\n"), ("./ci.sh", 0, "")]);
    let report = run(&checks, &script).await.unwrap();
    assert_eq!(report.checks[0].status, Status::Flaky);
    assert_eq!(report.to_text(500), "All checks are green.\nci: passed when run again (flaky)\n    boom");
}

#[tokio::test]
async fn an_interrupted_run_is_no_report() {
    struct Stopped;
    #[async_trait]
    impl Runner for Stopped {
        async fn run(&self, _: &str) -> Result<Ran, Failure> {
            Err(Failure::new(crate::domain::failure::FailureClass::Interrupted, "the engine stops"))
        }
    }
    assert!(run(&[Check::named("a", "true")], &Stopped).await.is_err());
}

const LIB: &str = "//! Tiny.\n\n/// Adds.\npub fn add(a: u32, b: u32) -> u32 {\n    a + b\n}\n";

fn crate_with(test: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_owned();
    std::fs::create_dir(root.join("src")).unwrap();
    std::fs::write(root.join("Cargo.toml"), "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2021\"\n")
        .unwrap();
    std::fs::write(root.join("src/lib.rs"), format!("{LIB}{test}")).unwrap();
    (dir, root)
}

fn status<'r>(report: &'r Report, name: &str) -> &'r CheckResult {
    report.checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no check {name}"))
}

#[tokio::test]
async fn a_real_crate_fails_is_fixed_and_is_flaky() {
    let (_dir, root) = crate_with("\n#[test]\nfn adds() {\n    assert_eq!(add(1, 1), 3);\n}\n");
    let here = Here(root.clone());
    let report = run(&detect(&root), &here).await.unwrap();
    assert!(!report.green);
    let failed = status(&report, "cargo test");
    assert_eq!(failed.status, Status::Failed, "{report:?}");
    assert_eq!((failed.tests[0].file.as_deref(), failed.tests[0].line), (Some("src/lib.rs"), Some(10)));
    assert!(report.to_text(2_000).contains("adds at src/lib.rs:10\n    assertion `left == right` failed"));
    assert_eq!(status(&report, "cargo check").status, Status::Passed);

    std::fs::write(
        root.join("src/lib.rs"),
        format!("{LIB}\n#[test]\nfn adds() {{\n    assert_eq!(add(1, 1), 2);\n}}\n"),
    )
    .unwrap();
    let report = run(&detect(&root), &here).await.unwrap();
    assert!(report.green, "{}", report.to_text(4_000));
    // The first run wrote the lock file.
    assert_eq!(status(&report, "cargo lock file").status, Status::Passed);

    let moody = "\n#[test]\nfn moody() {\n    let seen = std::fs::exists(\"seen\").unwrap();\n    \
                 std::fs::write(\"seen\", \"\").unwrap();\n    assert!(seen);\n}\n";
    std::fs::write(root.join("src/lib.rs"), format!("{LIB}{moody}")).unwrap();
    let report = run(&detect(&root), &here).await.unwrap();
    assert!(report.green, "{}", report.to_text(4_000));
    let flaky = status(&report, "cargo test");
    assert_eq!((&flaky.status, flaky.counts.flaky), (&Status::Flaky, 1));
    assert!(report.to_text(4_000).contains("flaky moody at src/lib.rs:12"), "{}", report.to_text(4_000));

    std::fs::write(root.join("src/lib.rs"), "pub fn add(").unwrap();
    let report = run(&detect(&root), &here).await.unwrap();
    assert_eq!(status(&report, "cargo check").status, Status::Failed);
    assert_eq!(status(&report, "cargo test").status, Status::Skipped("`cargo check` failed".to_owned()));
    assert!(status(&report, "cargo check").excerpt.contains("src/lib.rs:1"));
}

#[tokio::test]
async fn real_python_and_node_where_they_are_there() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("good.py"), "x = 1\n").unwrap();
    std::fs::write(dir.path().join("bad.py"), "def f(:\n").unwrap();
    let test = "const { test } = require('node:test');\ntest('breaks', () => { throw new Error('boom'); });\n";
    std::fs::write(dir.path().join("a.test.js"), test).unwrap();
    let here = Here(dir.path().to_owned());
    let report = run(&detect(dir.path()), &here).await.unwrap();
    let syntax = status(&report, "python syntax");
    match &syntax.status {
        Status::Failed => assert!(syntax.excerpt.starts_with("./bad.py:1: "), "{}", syntax.excerpt),
        other => assert!(matches!(other, Status::Skipped(why) if why.starts_with("a tool is missing")), "{other:?}"),
    }
    assert!(!dir.path().join("__pycache__").exists());

    let node = Check { is_optional: true, ..Check::named("node", "node --test") };
    let report = run(&[node], &here).await.unwrap();
    match &report.checks[0].status {
        Status::Failed => {
            assert_eq!((report.checks[0].tests[0].name.as_str(), report.checks[0].counts.failed), ("breaks", 1))
        }
        other => assert!(matches!(other, Status::Skipped(_)), "{other:?}"),
    }
}

const CASES: &str = "import unittest
from adder import add

class Adding(unittest.TestCase):
    def test_small(self):
        self.assertEqual(add(1, 1), 2)

    def test_large(self):
        self.assertEqual(add(40, 2), 42)

    @unittest.skip(\"not yet\")
    def test_huge(self):
        pass
";

/// A tree with Python whose interpreter has no pytest; `None` where there is no Python at all.
fn without_pytest(files: &[(&str, &str)]) -> Option<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt as _;
    let there = ["/usr/local/bin", "/usr/bin", "/bin"].iter().map(|at| format!("{at}/python3"));
    let Some(python) = there.into_iter().find(|path| std::path::Path::new(path).exists()) else {
        eprintln!("skipped: python3 is not installed");
        return None;
    };
    let dir = tempfile::tempdir().unwrap();
    let hidden = "raise ModuleNotFoundError(\"No module named 'pytest'\", name=\"pytest\")\n";
    let shim = format!("#!/bin/sh\nexport PYTHONPATH=.venv/hidden\nexec {python} \"$@\"\n");
    let made = [(".venv/bin/python", shim.as_str()), (".venv/hidden/pytest.py", hidden), (".venv/pyvenv.cfg", "")];
    for (name, content) in made.iter().chain(files) {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let shim = dir.path().join(".venv/bin/python");
    std::fs::set_permissions(shim, std::fs::Permissions::from_mode(0o755)).unwrap();
    Some(dir)
}

#[tokio::test]
async fn without_pytest_the_cases_of_unittest_are_the_evidence() {
    let sum = ("adder.py", "def add(a, b):\n    return a + b\n");
    let Some(dir) = without_pytest(&[sum, ("tests/test_adder.py", CASES)]) else { return };
    let here = Here(dir.path().to_owned());
    let checks = detect(dir.path());
    let report = run(&checks, &here).await.unwrap();
    let passed = status(&report, "python tests");
    assert_eq!((&passed.status, passed.counts.passed), (&Status::Passed, 2), "{}", report.to_text(4_000));
    assert!(!dir.path().join("__pycache__").exists() && !dir.path().join("tests/__pycache__").exists());

    std::fs::write(dir.path().join("adder.py"), "def add(a, b):\n    return a * b + 1\n").unwrap();
    let report = run(&checks, &here).await.unwrap();
    let failed = status(&report, "python tests");
    assert_eq!((&failed.status, failed.counts.failed, failed.counts.passed), (&Status::Failed, 1, 1), "{report:?}");
    let test = failed.tests.iter().find(|test| test.status == TestStatus::Failed).unwrap();
    assert_eq!(test.name, "tests/test_adder.py::Adding::test_large");
    assert_eq!((test.file.as_deref(), test.line), (Some("tests/test_adder.py"), Some(9)));
    assert!(test.message.contains("AssertionError: 81 != 42"), "{}", test.message);

    // Red once, and green when it alone is run again.
    let moody = "import os, unittest\nclass Moody(unittest.TestCase):\n    def test_it(self):\n        seen = os.path.exists('seen')\n        open('seen', 'w').close()\n        self.assertTrue(seen)\n";
    std::fs::write(dir.path().join("adder.py"), sum.1).unwrap();
    std::fs::write(dir.path().join("test_moody.py"), moody).unwrap();
    let report = run(&checks, &here).await.unwrap();
    assert_eq!(status(&report, "python tests").status, Status::Flaky, "{}", report.to_text(4_000));

    std::fs::write(dir.path().join("adder.py"), "raise RuntimeError('broken')\n").unwrap();
    let report = run(&checks, &here).await.unwrap();
    let broken = status(&report, "python tests");
    assert_eq!(broken.status, Status::Failed);
    assert!(report.to_text(4_000).contains("RuntimeError: broken"), "{}", report.to_text(4_000));
}

#[tokio::test]
async fn what_needs_pytest_is_not_called_green_or_red_without_it() {
    let plain = ("test_plain.py", "def test_it():\n    assert True\n");
    let needs = ("test_needs.py", "import pytest\n");
    let passes =
        ("test_passes.py", "import unittest\nclass T(unittest.TestCase):\n    def test_it(self):\n        pass\n");
    let Some(first) = without_pytest(&[plain]) else { return };
    let second = without_pytest(&[needs, passes]).unwrap();
    for (dir, why) in [(&first, "unittest finds no tests in test_plain.py"), (&second, "test_needs.py cannot be run")] {
        let report = run(&detect(dir.path()), &Here(dir.path().to_owned())).await.unwrap();
        let check = status(&report, "python tests");
        let told = matches!(&check.status, Status::Skipped(reason) if reason.starts_with("a tool is missing: No module named pytest") && reason.contains(why));
        assert!(told, "{why}: {:?}", check.status);
    }
    // What is red is red, whatever else cannot be run.
    std::fs::write(second.path().join("test_passes.py"), passes.1.replace("pass\n", "self.fail(\"no\")\n")).unwrap();
    let report = run(&detect(second.path()), &Here(second.path().to_owned())).await.unwrap();
    assert_eq!(status(&report, "python tests").status, Status::Failed, "{}", report.to_text(4_000));
    assert!(!report.green);
}
