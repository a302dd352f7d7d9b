//! From the text of a file to its outline. One walk with a cursor, so that no depth of nesting is too deep.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use tree_sitter::{Node, ParseOptions, ParseState, Parser};

use super::rules::{self, Definition, Meaning, Scope};
use super::{Language, Outline, Symbol};
use crate::domain::limits;

/// tree-sitter calls back every hundred operations; a usual text takes about one operation a byte. A text that takes many
/// times that is left out rather than waited for. Counted, not timed: the same text is always in or out.
const CALLS_AT_LEAST: usize = 10_000;
const BYTES_PER_CALL: usize = 5;

/// Lines above a definition that are looked at for its documentation.
const DOC_LINES: usize = 64;

/// Parses one file after another.
pub(super) struct Extractor {
    parser: Parser,
    /// What the parser is set to.
    language: Option<Language>,
}

impl Extractor {
    pub(super) fn new() -> Self {
        Self { parser: Parser::new(), language: None }
    }

    /// The outline of `source`; nothing when it is nested too deep or parsing takes too long. Broken text has an outline of what is whole in it.
    pub(super) fn outline(&mut self, language: Language, source: &str) -> Option<Outline> {
        let calls = CALLS_AT_LEAST + source.len() / BYTES_PER_CALL;
        (nesting(source) <= limits::INDEX_NESTING).then(|| self.outline_within(language, source, calls))?
    }

    /// The outline of `source`, unless parsing it takes `calls` times a hundred operations.
    pub(super) fn outline_within(&mut self, language: Language, source: &str, calls: usize) -> Option<Outline> {
        if self.language != Some(language) {
            self.parser.set_language(&language.grammar()).ok()?;
            self.language = Some(language);
        }
        self.parser.reset();
        let mut calls_left = calls;
        let mut count = |_: &ParseState| {
            calls_left = calls_left.saturating_sub(1);
            if calls_left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let options = ParseOptions::new().progress_callback(&mut count);
        let bytes = source.as_bytes();
        let tree =
            self.parser.parse_with_options(&mut |at, _| bytes.get(at..).unwrap_or_default(), None, Some(options))?;
        Some(walk(language, tree.root_node(), source))
    }
}

/// How deep brackets are nested. Those in texts and comments count too: what matters is that no nested text is missed, as the
/// parser's error recovery calls itself for each level.
fn nesting(source: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// A scope that is open during the walk.
struct Open {
    depth: u32,
    scope: Scope,
    name: Option<String>,
}

fn walk(language: Language, root: Node<'_>, source: &str) -> Outline {
    let lines: Vec<&str> = source.lines().collect();
    let mut cursor = root.walk();
    let mut open: Vec<Open> = Vec::new();
    let mut symbols = Vec::new();
    let mut mentions: BTreeMap<&str, u32> = BTreeMap::new();
    // The cursor would count its depth anew each time.
    let mut depth = 0_u32;
    'nodes: loop {
        let node = cursor.node();
        while open.last().is_some_and(|it| it.depth >= depth) {
            open.pop();
        }
        let scope = open.last().map_or(Scope::Module, |it| it.scope);
        if node.child_count() == 0 && node.kind().ends_with("identifier") {
            let name = source.get(node.byte_range()).unwrap_or_default();
            if !name.is_empty() && name.len() <= limits::INDEX_NAME_BYTES {
                *mentions.entry(name).or_default() += 1;
            }
        } else {
            match rules::meaning(language, node, scope, source) {
                Meaning::Nothing => {}
                // Nothing in a body is the index's business, whatever it opens.
                Meaning::Opens(..) if scope == Scope::Body => {}
                Meaning::Opens(scope, name) => open.push(Open { depth, scope, name }),
                Meaning::Defines(_) if scope == Scope::Body => {}
                Meaning::Defines(definition) => {
                    let opens = definition.opens;
                    let symbol = symbol(language, node, definition, &open, source, &lines);
                    if let Some(scope) = opens {
                        open.push(Open { depth, scope, name: symbol.as_ref().map(|it| it.name.clone()) });
                    }
                    symbols.extend(symbol);
                }
            }
        }
        if cursor.goto_first_child() {
            depth += 1;
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                break 'nodes;
            }
            depth -= 1;
        }
    }
    symbols.truncate(limits::INDEX_SYMBOLS_PER_FILE);
    Outline { symbols, mentions: mentions.into_iter().map(|(name, count)| (name.to_owned(), count)).collect() }
}

fn symbol(
    language: Language,
    node: Node<'_>,
    definition: Definition<'_>,
    open: &[Open],
    source: &str,
    lines: &[&str],
) -> Option<Symbol> {
    let name = source.get(definition.name.byte_range())?;
    if name.is_empty() || name.len() > limits::INDEX_NAME_BYTES {
        return None;
    }
    let until = definition.until.unwrap_or(node.end_byte());
    let declared = source.get(node.start_byte()..until)?;
    let (first, last) = (node.start_position().row, node.end_position().row);
    let doc = match definition.doc {
        Some(doc) => docstring(source.get(doc.byte_range()).unwrap_or_default()),
        None if language == Language::Python => String::new(),
        None => doc_above(language, lines, first),
    };
    let line = |row: usize| u32::try_from(row + 1).unwrap_or(u32::MAX);
    let container = definition.container.or_else(|| container(language, open));
    let signature = one_line(&format!("{}{declared}", definition.prefix));
    let lines = (line(first), line(last));
    Some(Symbol { kind: definition.kind, name: name.to_owned(), container, signature, lines, doc })
}

/// The names of the open scopes, outermost first. Deeper ones than a reader can follow are left out.
fn container(language: Language, open: &[Open]) -> Option<String> {
    let names: Vec<&str> = open.iter().filter_map(|it| it.name.as_deref()).collect();
    let names = &names[names.len().saturating_sub(limits::INDEX_CONTAINERS)..];
    let between = if language == Language::Rust { "::" } else { "." };
    (!names.is_empty()).then(|| names.join(between))
}

/// A declaration in one line: blanks folded, what only leads to a body or a value cut off.
fn one_line(declared: &str) -> String {
    let mut line = String::new();
    for word in declared.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > limits::INDEX_SIGNATURE_BYTES {
            break;
        }
    }
    // A list that was broken into lines ends in a comma.
    let line = line.replace("( ", "(").replace(", )", ")").replace(" )", ")");
    let line = line.trim_end_matches(|c: char| c.is_whitespace() || "{=:;".contains(c)).trim_end_matches(" =>");
    cut(line)
}

fn cut(line: &str) -> String {
    if line.len() <= limits::INDEX_SIGNATURE_BYTES {
        return line.to_owned();
    }
    let mut to = limits::INDEX_SIGNATURE_BYTES - '…'.len_utf8();
    while !line.is_char_boundary(to) {
        to -= 1;
    }
    format!("{}…", line[..to].trim_end())
}

/// The first line of a Python string.
fn docstring(text: &str) -> String {
    let text = text.trim_start_matches(|c: char| c.is_ascii_alphabetic()).trim_matches(['"', '\'']);
    cut(text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default())
}

/// The first line of the comment right above line `row`, past attributes and decorators.
fn doc_above(language: Language, lines: &[&str], row: usize) -> String {
    let mut first = "";
    for line in lines.iter().take(row).rev().take(DOC_LINES).map(|line| line.trim()) {
        let comment = match language {
            Language::Rust => line.strip_prefix("///"),
            Language::Go => line.strip_prefix("//"),
            Language::Python => None,
            Language::TypeScript | Language::Tsx | Language::JavaScript => block_comment(line),
        };
        match comment.map(str::trim) {
            Some("") => {}
            Some(text) => first = text,
            None if first.is_empty() && line.starts_with(['#', '@']) => {}
            None => break,
        }
        if line.starts_with("/**") {
            break;
        }
    }
    cut(first)
}

/// The text of a line of `/** … */`.
fn block_comment(line: &str) -> Option<&str> {
    let text = line
        .strip_prefix("/**")
        .or_else(|| line.strip_prefix('*').filter(|_| line != "*/"))
        .or_else(|| line.strip_suffix("*/").filter(|text| text.is_empty()))?;
    Some(text.trim_end_matches("*/"))
}
