//! Problems in people's files: collected many at a time, each with its place, the offending line and the next thing to do.
//!
//! [`Problems`] collects while a file is read; [`Diagnostics`] is the error that comes out. Texts are rendered like rustc's.

use std::fmt;

use serde::Serialize;

use super::codes::Code;
use super::snippet::Source;
use super::yaml::Span;
use crate::domain::limits;

/// Most problems kept while reading, so that the ones shown are the first of the file and not the first found.
const COLLECTED: usize = 50 * limits::DIAGNOSTICS;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is accepted; the person should know.
    Warning,
}

/// One problem, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The stable code; `wfctl explain` has a page for it.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// The file.
    pub origin: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The offending line.
    pub snippet: Snippet,
    /// Other places that belong to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// What to do: a full sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// A line of the file, printable and cut to a readable width, with the range to underline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snippet {
    /// The line.
    pub text: String,
    /// First character to underline, from 0.
    pub caret: u32,
    /// How many characters to underline, at least 1.
    pub caret_len: u32,
}

/// Another place that a problem is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// That line.
    pub snippet: Snippet,
    /// What is there.
    pub label: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let last_line = self.notes.iter().map(|note| note.line).chain([self.line]).max().unwrap_or(self.line);
        let width = last_line.to_string().len();
        let (line, column) = (self.line, self.column);
        writeln!(f, "{severity}[{}]: {}", self.code, self.message)?;
        writeln!(f, "{:width$}--> {}:{line}:{column}", "", self.origin)?;
        writeln!(f, "{:width$} |", "")?;
        write_snippet(f, width, line, &self.snippet, "")?;
        for note in &self.notes {
            writeln!(f, "{:width$} :", "")?;
            write_snippet(f, width, note.line, &note.snippet, &note.label)?;
        }
        match &self.help {
            Some(help) => writeln!(f, "{:width$} = help: {help}", ""),
            None => Ok(()),
        }
    }
}

fn write_snippet(f: &mut fmt::Formatter<'_>, width: usize, line: u32, snippet: &Snippet, label: &str) -> fmt::Result {
    writeln!(f, "{line:>width$} | {}", snippet.text)?;
    let (indent, carets) = (snippet.caret as usize, "^".repeat(snippet.caret_len as usize));
    let gap = if label.is_empty() { "" } else { " " };
    writeln!(f, "{:width$} | {:indent$}{carets}{gap}{label}", "", "")
}

/// Why a file is refused: its first problems and how many more there are. At least one is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct Diagnostics {
    /// The problems in file order, at most [`limits::DIAGNOSTICS`].
    pub shown: Vec<Diagnostic>,
    /// How many errors are not shown.
    pub more: usize,
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, diagnostic) in self.shown.iter().enumerate() {
            let gap = if position == 0 { "" } else { "\n" };
            write!(f, "{gap}{diagnostic}")?;
        }
        match self.more {
            0 => Ok(()),
            1 => writeln!(f, "\n... and 1 more error"),
            more => writeln!(f, "\n... and {more} more errors"),
        }
    }
}

/// A problem on its way: completed with [`Report::help`] and [`Report::note`].
#[derive(Debug, Clone)]
pub struct Report {
    code: Code,
    severity: Severity,
    span: Span,
    message: String,
    notes: Vec<(Span, String)>,
    help: Option<String>,
}

impl Report {
    /// Says what to do, in a full sentence.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// Points at another place.
    pub fn note(&mut self, span: Span, label: impl Into<String>) -> &mut Self {
        self.notes.push((span, label.into()));
        self
    }
}

/// Collects the problems of one file while it is read.
#[derive(Debug)]
pub struct Problems {
    source: Source,
    reports: Vec<Report>,
    /// Finished problems of other files (child workflows).
    foreign: Vec<Diagnostic>,
    errors: usize,
    overflow: Report,
}

impl Problems {
    /// For the file `text`, called `origin` in messages.
    pub fn new(origin: &str, text: &str) -> Self {
        let overflow = Report {
            code: Code::Syntax,
            severity: Severity::Error,
            span: Span::default(),
            message: String::new(),
            notes: Vec::new(),
            help: None,
        };
        Self { source: Source::new(origin, text), reports: Vec::new(), foreign: Vec::new(), errors: 0, overflow }
    }

    /// The file.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Reports an error.
    pub fn error(&mut self, code: Code, span: Span, message: impl Into<String>) -> &mut Report {
        self.errors += 1;
        self.report(code, Severity::Error, span, message.into())
    }

    /// Reports a warning.
    pub fn warning(&mut self, code: Code, span: Span, message: impl Into<String>) -> &mut Report {
        self.report(code, Severity::Warning, span, message.into())
    }

    fn report(&mut self, code: Code, severity: Severity, span: Span, message: String) -> &mut Report {
        let report = Report { code, severity, span, message, notes: Vec::new(), help: None };
        if self.reports.len() >= COLLECTED {
            self.overflow = report;
            return &mut self.overflow;
        }
        self.reports.push(report);
        let last = self.reports.len() - 1;
        &mut self.reports[last]
    }

    /// Takes over the problems of a child's file.
    pub fn adopt(&mut self, diagnostics: Diagnostics) {
        self.errors += diagnostics.more + diagnostics.shown.iter().filter(|d| d.severity == Severity::Error).count();
        self.foreign.extend(diagnostics.shown);
    }

    /// Takes over the warnings of a child's file.
    pub fn adopt_warnings(&mut self, warnings: Vec<Diagnostic>) {
        self.foreign.extend(warnings);
    }

    /// Whether further problems are only counted, so that finding their exact places is wasted work.
    pub fn is_full(&self) -> bool {
        self.reports.len() >= COLLECTED
    }

    /// How many errors so far.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// The warnings when there is no error; else the error that holds the first problems.
    pub fn finish(mut self) -> Result<Vec<Diagnostic>, Diagnostics> {
        self.reports.sort_by_key(|report| (report.severity, report.span.line, report.span.column));
        let mut shown: Vec<Diagnostic> =
            self.reports.iter().take(limits::DIAGNOSTICS).map(|report| self.source.diagnose(report)).collect();
        shown.extend(self.foreign);
        shown.sort_by_key(|diagnostic| diagnostic.severity);
        shown.truncate(limits::DIAGNOSTICS);
        if self.errors == 0 {
            return Ok(shown);
        }
        let errors_shown = shown.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
        Err(Diagnostics { shown, more: self.errors - errors_shown })
    }
}

impl Source {
    fn diagnose(&self, report: &Report) -> Diagnostic {
        let note = |(span, label): &(Span, String)| Note {
            line: span.line,
            column: span.column,
            snippet: self.snippet(*span),
            label: label.clone(),
        };
        Diagnostic {
            code: report.code,
            severity: report.severity,
            message: report.message.clone(),
            origin: self.origin().to_owned(),
            line: report.span.line,
            column: report.span.column,
            snippet: self.snippet(report.span),
            notes: report.notes.iter().map(note).collect(),
            help: report.help.clone(),
        }
    }
}
