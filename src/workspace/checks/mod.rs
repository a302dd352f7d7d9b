//! Checks: what the tool chains of a tree say about it. [`detect`] looks which there are, [`run`] runs their checks in the
//! order in which a failure tells the most, [`Report`] is what came out, for records and for models.
//!
//! This room part starts no process of its own: whoever runs checks supplies a [`Runner`], so that every command goes through
//! the same time limits, sandbox and record as any other. Reading order: `detect/`, `run`, `parse/`, `report`.

mod detect;
mod parse;
mod report;
mod run;
mod sift;

pub use detect::{detect, gone};
pub use report::{CheckResult, Counts, Report, Status, TestResult, TestStatus};
pub use run::{Ran, Runner, run};

use serde::{Deserialize, Serialize};

/// What a check looks at, in the order in which checks run: cheap ones that make later ones pointless come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Whether it can be read, or compiled, at all. When it fails nothing after it is run.
    Syntax,
    /// Style and likely mistakes.
    Lint,
    /// Types.
    Types,
    /// Tests.
    UnitTest,
    /// Tests of several parts together.
    IntegrationTest,
    /// How much of the code the tests run.
    Coverage,
    /// Secrets in the files; made by `workspace::secrets`, not by a command.
    SecretScan,
    /// Whether lock files and what is declared agree.
    DependencyAudit,
}

impl Kind {
    /// Whether it runs tests, so that a failure may be a flaky one.
    pub fn is_test(self) -> bool {
        match self {
            Self::UnitTest | Self::IntegrationTest => true,
            Self::Syntax | Self::Lint | Self::Types | Self::Coverage | Self::SecretScan | Self::DependencyAudit => {
                false
            }
        }
    }
}

/// How the output of a check is read. Whether it passed is always its exit code's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parser {
    /// Not at all.
    ExitCode,
    /// `cargo test`.
    Libtest,
    /// `pytest`, with the short summary.
    Pytest,
    /// `go test`, plain or with `-json`.
    Go,
    /// `node --test`, as TAP or as `spec`.
    Node,
    /// Whichever of them finds tests in it.
    Any,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What it is called in reports; unique among the checks of a tree.
    pub name: String,
    /// What it looks at.
    pub kind: Kind,
    /// The command line, run in the root of the tree.
    pub command: String,
    /// How its output is read.
    pub parser: Parser,
    /// Whether a tool or data that it needs may be missing; it is then skipped. A check that a person named has to run.
    pub is_optional: bool,
    /// Whether the names of tests can be added to the command, so that only these run.
    pub selects_tests: bool,
    /// Why it cannot run, as far as the tree alone tells.
    pub skipped: Option<String>,
}

impl Check {
    /// A check that a workflow names. It counts as tests unless [`Check::of_kind`] says otherwise; a missing tool fails it.
    pub fn named(name: impl Into<String>, command: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: Kind::UnitTest,
            command: command.into(),
            parser: Parser::Any,
            is_optional: false,
            selects_tests: false,
            skipped: None,
        }
    }

    /// The same check as one of another kind.
    pub fn of_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    fn found(kind: Kind, name: &str, command: impl Into<String>) -> Self {
        let parser = Parser::ExitCode;
        Self { kind, parser, is_optional: true, ..Self::named(name, command) }
    }

    fn tests(name: &str, command: impl Into<String>, parser: Parser) -> Self {
        Self { parser, selects_tests: true, ..Self::found(Kind::UnitTest, name, command) }
    }

    fn skipped(kind: Kind, name: &str, reason: impl Into<String>) -> Self {
        Self { skipped: Some(reason.into()), ..Self::found(kind, name, "") }
    }
}

/// `word` so that a shell takes it as one word with no further meaning.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
