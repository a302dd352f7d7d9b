//! `search`: lines that match a pattern, over all files that are not ignored.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use async_trait::async_trait;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkMatch};
use ignore::overrides::{Override, OverrideBuilder};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Site, Tool, ToolFault, ToolOutput, arguments, object, reading, spec};
use crate::domain::chat::ToolSpec;
use crate::domain::limits;
use crate::domain::workflow::EffectClass;
use crate::workspace::boundary::{Boundary, Enter, Ignored, Kind, RelPath};

/// Longest line shown of a match, in characters.
const LINE_CHARS: usize = 300;

pub(super) struct Search;

#[derive(Deserialize)]
struct Arguments {
    pattern: String,
    path: Option<String>,
    glob: Option<String>,
    #[serde(default)]
    ignore_case: bool,
    #[serde(default)]
    literal: bool,
    max: Option<usize>,
}

#[async_trait]
impl Tool for Search {
    fn spec(&self) -> ToolSpec {
        spec(
            "search",
            "Search the content of files for a regular expression (Rust syntax), line by line. Results are `file:line: text`. Binary \
             files and what .gitignore leaves out are not searched; a folder or file named by `path` is.",
            object(
                json!({
                    "pattern": { "type": "string", "minLength": 1, "description": "The regular expression." },
                    "path": { "type": "string", "description": "A folder or a file; the whole worktree when left out." },
                    "glob": { "type": "string", "description": "Only files that match, e.g. `*.rs` or `src/**/*.py`; `!*.md` leaves out." },
                    "ignore_case": { "type": "boolean", "description": "Upper and lower case are the same." },
                    "literal": { "type": "boolean", "description": "The pattern is plain text." },
                    "max": {
                        "type": "integer", "minimum": 1, "maximum": limits::TOOL_MATCHES,
                        "description": format!("Most results; {} when left out.", limits::TOOL_MATCHES_DEFAULT)
                    },
                }),
                &["pattern"],
            ),
        )
    }

    fn effect(&self) -> EffectClass {
        EffectClass::Pure
    }

    async fn call(&self, arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
        let arguments: Arguments = arguments::typed(arguments)?;
        let matcher = matcher(&arguments)?;
        let glob = glob(arguments.glob.as_deref())?;
        let max = arguments.max.unwrap_or(limits::TOOL_MATCHES_DEFAULT);
        reading(site, move |boundary| {
            let path = boundary.path(arguments.path.as_deref().unwrap_or("."))?;
            found(boundary, &path, &matcher, &glob, max)
        })
        .await
        .map(ToolOutput::new)
    }
}

fn matcher(arguments: &Arguments) -> Result<RegexMatcher, ToolFault> {
    let mut builder = RegexMatcherBuilder::new();
    builder
        .case_insensitive(arguments.ignore_case)
        .fixed_strings(arguments.literal)
        .multi_line(true)
        .crlf(true)
        // After `crlf`, which sets another one: the searcher's must be the same, or it refuses to search.
        .line_terminator(Some(b'\n'))
        .ban_byte(Some(0))
        .size_limit(limits::TOOL_PATTERN_BYTES)
        .dfa_size_limit(limits::TOOL_PATTERN_BYTES);
    builder.build(&arguments.pattern).map_err(|error| {
        let hint =
            if arguments.literal { "a search goes line by line" } else { "set `literal` to search for plain text" };
        ToolFault::Told(format!("the pattern is not valid: {error}\n({hint})"))
    })
}

fn glob(glob: Option<&str>) -> Result<Override, ToolFault> {
    let Some(glob) = glob else { return Ok(Override::empty()) };
    let problem = |error: ignore::Error| ToolFault::Told(format!("the glob is not valid: {error}"));
    let mut builder = OverrideBuilder::new("");
    builder.add(glob).map_err(problem)?;
    builder.build().map_err(problem)
}

/// What was found, and how much more there is.
struct Hits {
    lines: String,
    shown: usize,
    max: usize,
    more: usize,
    files: usize,
    skipped: usize,
}

fn found(
    boundary: &Boundary,
    path: &RelPath,
    matcher: &RegexMatcher,
    glob: &Override,
    max: usize,
) -> Result<String, ToolFault> {
    let mut searcher = SearcherBuilder::new().line_number(true).binary_detection(BinaryDetection::quit(0)).build();
    let mut hits = Hits { lines: String::new(), shown: 0, max, more: 0, files: 0, skipped: 0 };
    let mut notes = Vec::new();
    if boundary.facts(path)?.kind == Kind::Folder {
        let walked = boundary.walk(path, Ignored::Skip, &mut |visited| {
            let is_file = visited.facts.kind == Kind::File;
            if !is_file || glob.matched(visited.path, false).is_ignore() {
                return ControlFlow::Continue(Enter::Yes);
            }
            match visited.read(limits::TOOL_FILE_BYTES) {
                Some(content) => hits.search(&mut searcher, matcher, &visited.shown(), &content),
                None => hits.skipped += 1,
            }
            if hits.more >= limits::TOOL_MATCHES { ControlFlow::Break(()) } else { ControlFlow::Continue(Enter::Yes) }
        })?;
        if walked.cut {
            notes.push(format!("stopped after {} entries; give a path", walked.entries));
        }
    } else {
        let content = boundary.read(path, limits::TOOL_FILE_BYTES)?;
        hits.search(&mut searcher, matcher, &path.to_string(), &content);
    }
    if hits.shown == 0 {
        notes.insert(0, format!("no match in {} files", hits.files));
    }
    if hits.more > 0 {
        let least = if hits.more >= limits::TOOL_MATCHES { "at least " } else { "" };
        notes.insert(
            0,
            format!("{least}{} more matches are left out; narrow the pattern, the path or the glob", hits.more),
        );
    }
    if hits.skipped > 0 {
        notes.push(format!(
            "{} files were not searched: unreadable, or larger than {} bytes",
            hits.skipped,
            limits::TOOL_FILE_BYTES
        ));
    }
    let mut out = hits.lines;
    for note in notes {
        writeln!(out, "({note})").expect("writing to a string does not fail");
    }
    Ok(out)
}

impl Hits {
    fn search(&mut self, searcher: &mut Searcher, matcher: &RegexMatcher, path: &str, content: &[u8]) {
        self.files += 1;
        let undo = (self.lines.len(), self.shown, self.more);
        let mut sink = Lines { hits: self, path, binary: false };
        let searched = searcher.search_slice(matcher, content, &mut sink);
        let is_binary = sink.binary;
        if is_binary || searched.is_err() {
            self.lines.truncate(undo.0);
            (self.shown, self.more) = (undo.1, undo.2);
        }
        if searched.is_err() {
            self.skipped += 1;
        }
    }
}

/// Takes the matches of one file.
struct Lines<'h> {
    hits: &'h mut Hits,
    path: &'h str,
    binary: bool,
}

impl Sink for Lines<'_> {
    type Error = std::io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> Result<bool, Self::Error> {
        if self.hits.shown == self.hits.max {
            self.hits.more += 1;
            return Ok(self.hits.more < limits::TOOL_MATCHES);
        }
        self.hits.shown += 1;
        let text = String::from_utf8_lossy(found.bytes());
        let text = text.trim_end_matches(['\n', '\r']);
        let shown: String = text.chars().take(LINE_CHARS).collect();
        let cut = if shown.len() < text.len() { "…" } else { "" };
        let number = found.line_number().unwrap_or_default();
        writeln!(self.hits.lines, "{}:{number}: {shown}{cut}", self.path).expect("writing to a string does not fail");
        Ok(true)
    }

    fn binary_data(&mut self, _: &Searcher, _: u64) -> Result<bool, Self::Error> {
        self.binary = true;
        Ok(false)
    }
}
