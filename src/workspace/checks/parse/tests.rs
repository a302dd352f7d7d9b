//! Outputs of real runners.

use super::*;

const LIBTEST: &str = include_str!("../../../../fixtures/checks/libtest.txt");
const PYTEST: &str = include_str!("../../../../fixtures/checks/pytest.txt");
const GO_JSON: &str = include_str!("../../../../fixtures/checks/go.jsonl");
const GO: &str = include_str!("../../../../fixtures/checks/go.txt");
const TAP: &str = include_str!("../../../../fixtures/checks/node-tap.txt");
const SPEC: &str = include_str!("../../../../fixtures/checks/node-spec.txt");

fn told(tests: &[TestResult]) -> Vec<String> {
    let place = |test: &TestResult| match (&test.file, test.line) {
        (Some(file), Some(line)) => format!(" {file}:{line}"),
        _ => String::new(),
    };
    tests
        .iter()
        .map(|it| format!("{:?} {}{} {}", it.status, it.name, place(it), it.message.replace('\n', "|")))
        .collect()
}

#[test]
fn libtest() {
    let expected = [
        "Passed tests::adds ",
        "Failed tests::fails src/lib.rs:24 assertion `left == right` failed: two and two|  left: 4| right: 5",
        "Passed tests::panics ",
        "Ignored tests::slow slow",
        "Failed tests::returns_an_error Error: \"no such thing\"",
        "Passed whole ",
        "Passed src/lib.rs - add (line 5) ",
    ];
    assert_eq!(told(&parse(Parser::Libtest, LIBTEST)), expected);
}

#[test]
fn pytest() {
    let expected = [
        "Passed tests/test_calc.py::test_adds ",
        "Passed tests/test_calc.py::TestSum::test_pairs[ab-2] ",
        "Passed tests/test_calc.py::test_other ",
        "Passed tests/test_calc.py::test_last ",
        "Failed tests/test_calc.py::TestSum::test_pairs[a.b-3] tests/test_calc.py:12 \
         AssertionError: assert 3 == 2| +  where 3 = len('a.b')",
        "Failed tests/test_calc.py::test_needs_it tests/test_calc.py:21 RuntimeError: no server",
    ];
    let seen: Vec<String> = told(&parse(Parser::Pytest, PYTEST));
    assert_eq!(seen, expected);
    let verbose = "tests/a.py::test_x[a b] PASSED [ 50%]\ntests/a.py::test_y FAILED     [100%]\n";
    assert_eq!(
        told(&parse(Parser::Pytest, verbose)),
        ["Passed tests/a.py::test_x[a b] ", "Failed tests/a.py::test_y "]
    );
}

#[test]
fn go() {
    let expected = [
        "Passed example.com/calc TestAdd ",
        "Failed example.com/calc TestTable/two_and_two calc_test.go:17 calc_test.go:17: got 4, want 5",
        "Failed example.com/calc TestTable ",
        "Ignored example.com/calc TestSlow calc_test.go:25 calc_test.go:25: too slow",
    ];
    assert_eq!(told(&parse(Parser::Go, GO_JSON)), expected);
    let expected = [
        "Failed TestTable ",
        "Failed TestTable/two_and_two calc_test.go:17 calc_test.go:17: got 4, want 5",
        "Passed TestTable/one ",
        "Ignored TestSlow calc_test.go:25 calc_test.go:25: too slow",
    ];
    assert_eq!(told(&parse(Parser::Go, GO)), expected);
}

#[test]
fn node() {
    let expected = [
        "Passed adds ",
        "Failed fails /src/n/a.test.js:4 Expected values to be strictly equal:||1 !== 2",
        "Ignored later ",
        "Passed suite > nested ok ",
        "Failed suite > nested fails /src/n/a.test.js:8 boom",
    ];
    assert_eq!(told(&parse(Parser::Node, TAP)), expected);
    let seen = parse(Parser::Node, SPEC);
    let short: Vec<String> =
        told(&seen).iter().map(|it| it.split("AssertionError").next().unwrap().to_owned()).collect();
    let expected = [
        "Passed adds ",
        "Failed fails a.test.js:4 ",
        "Ignored later ",
        "Passed suite > nested ok ",
        "Failed suite > nested fails a.test.js:8 Error: boom",
    ];
    assert_eq!(short, expected);
    assert!(seen[1].message.contains("1 !== 2") && !seen[1].message.contains("at TestContext"), "{}", seen[1].message);
}

#[test]
fn each_is_recognised_by_its_output() {
    for (parser, text) in [
        (Parser::Libtest, LIBTEST),
        (Parser::Pytest, PYTEST),
        (Parser::Go, GO_JSON),
        (Parser::Go, GO),
        (Parser::Node, TAP),
        (Parser::Node, SPEC),
    ] {
        assert_eq!(parse(Parser::Any, text), parse(parser, text), "{parser:?}");
    }
    assert_eq!(parse(Parser::Any, "make: *** [Makefile:2: test] Error 1\n"), []);
}

#[test]
fn failed_tests_can_be_named() {
    let check = |command: &str, parser| Check::tests("t", command, parser);
    let failed = |names: &[&str]| names.iter().map(|name| result(name, TestStatus::Failed)).collect::<Vec<_>>();
    let again = |check: &Check, names: &[&str]| again(check, &failed(names).iter().collect::<Vec<_>>());

    let cargo = check("cargo test", Parser::Libtest);
    assert_eq!(
        again(&cargo, &["tests::a", "src/lib.rs - add (line 5)"]),
        "cargo test -- --exact tests::a 'src/lib.rs - add (line 5)'"
    );
    assert_eq!(again(&cargo, &[]), "cargo test");
    assert_eq!(again(&Check::named("t", "cargo test | cat"), &["tests::a"]), "cargo test | cat");

    let pytest = check("pytest -q", Parser::Pytest);
    assert_eq!(again(&pytest, &["a.py::t['; rm x']"]), r"pytest -q 'a.py::t['\''; rm x'\'']'");

    let go = check("cd sub && go test -json ./...", Parser::Go);
    assert_eq!(
        again(&go, &["e.com/b TestX", "e.com/a TestTable/two", "e.com/a TestTable"]),
        "cd sub && go test -json -count=1 -run '^(TestTable|TestX)$' e.com/a e.com/b"
    );
    assert_eq!(again(&go, &["TestX"]), "cd sub && go test -json ./...");
}

#[test]
fn no_output_is_too_strange() {
    let pieces = [
        "test ",
        " ... ",
        "ok",
        "FAILED",
        "---- ",
        " stdout ----",
        "failures:",
        "not ok 1",
        "  ---",
        "...",
        "# Subtest: ",
        "✖ ",
        "▶ ",
        " (1ms)",
        "{\"Action\":\"fail\",\"Test\":\"\u{0}\"}",
        "--- FAIL: ",
        "____ a ____",
        "E ",
        "::",
        "ü",
        "\n",
        ":1:",
    ];
    let mut seed = 7_u64;
    for _ in 0..2_000 {
        let mut text = String::new();
        for _ in 0..20 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
        }
        for parser in [Parser::Libtest, Parser::Pytest, Parser::Go, Parser::Node, Parser::Any] {
            let tests = parse(parser, &text);
            assert!(tests.iter().all(|test| test.message.len() <= limits::TEST_MESSAGE_BYTES));
        }
    }
}

#[test]
fn one_byte_past_the_bound_of_a_message_is_cut() {
    let most = limits::TEST_MESSAGE_BYTES;
    assert_eq!(message(&"x".repeat(most)).len(), most);
    assert!(message(&"x".repeat(most + 1)).contains("left out"));
}
