//! From the output of a test runner to the tests it ran. Pure; output that is not understood names no tests.

mod go;
mod libtest;
mod node;
mod pytest;

#[cfg(test)]
mod tests;

use super::report::{TestResult, TestStatus};
use super::{Check, Parser, quoted, sift};
use crate::domain::limits;

/// The tests that `text` tells of, in its order.
pub(super) fn parse(parser: Parser, text: &str) -> Vec<TestResult> {
    match parser {
        Parser::ExitCode => Vec::new(),
        Parser::Libtest => libtest::parse(text),
        Parser::Pytest => pytest::parse(text),
        Parser::Go => go::parse(text),
        Parser::Node => node::parse(text),
        Parser::Any => {
            let all = [libtest::parse, pytest::parse, go::parse, node::parse];
            all.into_iter().map(|parse| parse(text)).find(|tests| !tests.is_empty()).unwrap_or_default()
        }
    }
}

/// The command that runs only `failed` of a check's tests, when its tool chain can name them; else the check's own.
pub(super) fn again(check: &Check, failed: &[&TestResult]) -> String {
    let names: Vec<&str> = failed.iter().map(|test| test.name.as_str()).collect();
    let narrower = match check.parser {
        Parser::Libtest => libtest::select(&names),
        Parser::Pytest => pytest::select(&names),
        Parser::Go => return go::again(check, &names).unwrap_or_else(|| check.command.clone()),
        Parser::ExitCode | Parser::Node | Parser::Any => None,
    };
    match narrower {
        Some(arguments) if check.selects_tests => format!("{} {arguments}", check.command),
        Some(_) | None => check.command.clone(),
    }
}

/// Names as arguments for a shell; `None` without any.
fn as_arguments(names: &[&str]) -> Option<String> {
    (!names.is_empty()).then(|| names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(" "))
}

fn result(name: &str, status: TestStatus) -> TestResult {
    TestResult { name: name.to_owned(), status, message: String::new(), file: None, line: None }
}

/// A message at the size that a report keeps.
fn message(text: &str) -> String {
    sift::ends(text.trim(), limits::TEST_MESSAGE_BYTES)
}
