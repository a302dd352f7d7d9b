//! Events of `saphyr-parser` to a tree, without recursion and within bounds: depth, nodes with aliases expanded,
//! one document, no tags, no key twice.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span as RawSpan};

use super::{Entry, Node, Scalar, Span, Style, Value};
use crate::domain::limits;
use crate::domain::workflow::codes::Code;
use crate::domain::workflow::diagnostic::Problems;

/// Maps up to this size are searched for a repeated key without an index.
const SMALL_MAP_KEYS: usize = 16;

/// Reads one document. Every problem is reported to `problems`; `None` when there is no tree to go on with.
pub fn parse(text: &str, problems: &mut Problems) -> Option<Node> {
    let mut builder =
        Builder { problems, open: Vec::new(), anchors: HashMap::new(), nodes: 0, root: None, documents: 0 };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, raw)) => builder.event(event, convert(raw)).ok()?,
            Err(error) => {
                builder.syntax(&error);
                return None;
            }
        }
    }
    builder.root
}

/// Parsing stopped; the reason has been reported.
struct Stop;

/// An open list or map.
struct Frame {
    span: Span,
    anchor: usize,
    nodes_before: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<(String, Span)>, index: HashMap<String, usize> },
}

struct Builder<'p> {
    problems: &'p mut Problems,
    open: Vec<Frame>,
    /// Finished anchored nodes, with how many nodes each stands for.
    anchors: HashMap<usize, (Node, usize)>,
    /// Nodes so far, aliases expanded.
    nodes: usize,
    root: Option<Node>,
    documents: usize,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let help = "Keep one workflow per file: move what follows `---` into a file of its own.";
                    return self.stop(Code::SeveralDocuments, span, "a second YAML document begins here", help);
                }
                Ok(())
            }
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::Scalar(text, style, anchor, tag) => {
                if let Some(tag) = tag {
                    return self.tag(&tag.to_string(), span);
                }
                self.count(1, span)?;
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                let node = Node { value: Value::Scalar(Scalar { text: text.into_owned(), style }), span };
                self.finish(node, anchor, 1)
            }
            Event::SequenceStart(anchor, tag) => {
                self.start(Content::List(Vec::new()), anchor, tag.map(|tag| tag.to_string()), span)
            }
            Event::MappingStart(anchor, tag) => {
                let content = Content::Map { entries: Vec::new(), key: None, index: HashMap::new() };
                self.start(content, anchor, tag.map(|tag| tag.to_string()), span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
        }
    }

    fn start(&mut self, content: Content, anchor: usize, tag: Option<String>, span: Span) -> Result<(), Stop> {
        if let Some(tag) = tag {
            return self.tag(&tag, span);
        }
        if self.open.len() >= limits::YAML_DEPTH {
            let message = format!("nested deeper than {} levels", limits::YAML_DEPTH);
            return self.stop(Code::TooDeep, span, &message, "A workflow needs about ten levels; flatten this part.");
        }
        self.count(1, span)?;
        self.open.push(Frame { span, anchor, nodes_before: self.nodes - 1, content });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Stop> {
        let Some(frame) = self.open.pop() else { return Ok(()) };
        let value = match frame.content {
            Content::List(items) => Value::List(Rc::new(items)),
            Content::Map { entries, .. } => Value::Map(Rc::new(entries)),
        };
        let size = self.nodes - frame.nodes_before;
        self.finish(Node { value, span: frame.span }, frame.anchor, size)
    }

    fn finish(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), Stop> {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        self.place(node)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Stop> {
        let Some((node, size)) = self.anchors.get(&anchor) else {
            let help = "An alias can only repeat a value that is complete before it.";
            return self.stop(Code::Alias, span, "this alias stands inside the value that it repeats", help);
        };
        let (node, size) = (node.clone(), *size);
        self.count(size, span)?;
        self.place(node)
    }

    /// Hands a finished node to whatever is open around it.
    fn place(&mut self, node: Node) -> Result<(), Stop> {
        let Some(frame) = self.open.last_mut() else {
            self.root.get_or_insert(node);
            return Ok(());
        };
        match &mut frame.content {
            Content::List(items) => {
                items.push(node);
                Ok(())
            }
            Content::Map { entries, key, index } => match key.take() {
                Some((key, key_span)) => {
                    match repeated(entries, index, &key) {
                        None => entries.push(Entry { key, key_span, node }),
                        Some(first) => {
                            self.problems
                                .error(
                                    Code::DuplicateKey,
                                    key_span,
                                    format!("the key `{key}` stands here a second time"),
                                )
                                .note(first, "it stands here first")
                                .help("Remove one of the two, or rename it.");
                        }
                    }
                    Ok(())
                }
                None => match node.value {
                    Value::Scalar(scalar) => {
                        *key = Some((scalar.text, node.span));
                        Ok(())
                    }
                    Value::List(_) => {
                        let help = "Put the key in quotes if it should hold brackets.";
                        self.stop(Code::Syntax, node.span, "a key must be text, not a list", help)
                    }
                    Value::Map(_) => {
                        let help = "A value that begins with `{{` needs quotes: \"{{ ... }}\".";
                        self.stop(Code::Syntax, node.span, "a key must be text, not an object", help)
                    }
                },
            },
        }
    }

    fn count(&mut self, more: usize, span: Span) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes > limits::YAML_NODES {
            let message = format!("more than {} values once aliases are expanded", limits::YAML_NODES);
            return self.stop(
                Code::TooManyNodes,
                span,
                &message,
                "Use fewer aliases, or split the workflow into children.",
            );
        }
        Ok(())
    }

    fn tag(&mut self, tag: &str, span: Span) -> Result<(), Stop> {
        let tag = tag.replace("tag:yaml.org,2002:!", "!!");
        let message = format!("the YAML tag `{tag}` is not supported");
        self.stop(Code::Tag, span, &message, "Remove it; put a value in quotes to make it text.")
    }

    fn stop(&mut self, code: Code, span: Span, message: &str, help: &str) -> Result<(), Stop> {
        self.problems.error(code, span, message).help(help);
        Err(Stop)
    }

    fn syntax(&mut self, error: &ScanError) {
        let mark = error.marker();
        let span = Span {
            line: clamp(mark.line()).max(1),
            column: clamp(mark.col()) + 1,
            offset: clamp(mark.index()),
            len: 1,
        };
        if error.info().contains("unknown anchor") {
            self.problems
                .error(Code::Alias, span, "this alias repeats a value that has no anchor")
                .help("Name a value with `&name` before repeating it with `*name`, or put text that starts with `*` in quotes.");
            return;
        }
        let report = self.problems.error(Code::Syntax, span, format!("not valid YAML: {}", error.info()));
        if let Some(help) = syntax_help(error.info()) {
            report.help(help);
        }
    }
}

/// What people most often did when the parser says this.
fn syntax_help(info: &str) -> Option<&'static str> {
    let rules: [(&str, &str); 7] = [
        ("tab", "YAML is indented with spaces only."),
        ("mapping values", "Put a text that contains `: ` in quotes, or check the indentation."),
        ("simple key", "Check the indentation, and that the key is followed by `:` and a space."),
        ("block mapping", "Check the indentation: the keys of one object start in the same column."),
        ("block", "Check the indentation: items of one list or object start in the same column."),
        ("flow", "Check that every `[` and `{` is closed."),
        ("quoted", "Check that the quote is closed."),
    ];
    rules.iter().find(|(word, _)| info.contains(word)).map(|(_, help)| *help)
}

/// Where `key` already stands in the map, keeping the index of large maps.
fn repeated(entries: &[Entry], index: &mut HashMap<String, usize>, key: &str) -> Option<Span> {
    if entries.len() < SMALL_MAP_KEYS {
        return entries.iter().find(|entry| entry.key == key).map(|entry| entry.key_span);
    }
    for (position, entry) in entries.iter().enumerate().skip(index.len()) {
        index.insert(entry.key.clone(), position);
    }
    index.get(key).map(|position| entries[*position].key_span)
}

fn convert(raw: RawSpan) -> Span {
    let len = raw.end.index().saturating_sub(raw.start.index());
    Span {
        line: clamp(raw.start.line()).max(1),
        column: clamp(raw.start.col()) + 1,
        offset: clamp(raw.start.index()),
        len: clamp(len),
    }
}

/// File sizes are bounded far below `u32::MAX`.
fn clamp(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX - 1)
}
