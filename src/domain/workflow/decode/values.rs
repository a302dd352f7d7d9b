//! Single values: texts, names, numbers, durations, choices, templates.

use super::{Decoder, Site, SiteKind};
use crate::domain::limits;
use crate::domain::time::{human_duration, parse_duration};
use crate::domain::workflow::codes::Code;
use crate::domain::workflow::expressions::is_template;
use crate::domain::workflow::near::{did_you_mean, listed};
use crate::domain::workflow::yaml::{Node, Resolved, Scalar, Span, Value};

impl Decoder<'_> {
    /// Reports that something else is needed here.
    pub(super) fn wrong_type(&mut self, node: &Node, wanted: &str) {
        let report =
            self.problems.error(Code::WrongType, node.span, format!("expected {wanted}, found {}", node.describe()));
        if node.is_null() {
            report.help("Give it a value, or remove the key.");
        }
    }

    /// Text. Numbers and booleans are refused: what `1.10` or `yes` should mean is for the person to say.
    pub(super) fn text(&mut self, node: &Node) -> Option<String> {
        match &node.value {
            Value::Scalar(scalar) => match scalar.resolve() {
                Resolved::Text(text) => return Some(text.to_owned()),
                Resolved::Int(_) | Resolved::Float(_) | Resolved::Bool(_) => {
                    let found = node.describe();
                    self.problems
                        .error(Code::WrongType, node.span, format!("expected text, found {found}"))
                        .help(format!("Put it in quotes to make it text: \"{}\".", scalar.text));
                }
                Resolved::Null => self.wrong_type(node, "text"),
            },
            Value::Map(entries) if is_unquoted_template(node, entries.len()) => {
                self.problems
                    .error(Code::WrongType, node.span, "expected text, found an object")
                    .help("A value that begins with `{{` needs quotes: \"{{ ... }}\".");
            }
            Value::List(_) | Value::Map(_) => self.wrong_type(node, "text"),
        }
        None
    }

    /// Text that may not be empty.
    pub(super) fn some_text(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = self.text(node)?;
        if text.trim().is_empty() {
            self.problems
                .error(Code::Empty, node.span, format!("{what} is empty"))
                .help("Write something, or remove it.");
        }
        Some(text)
    }

    /// A text, number or boolean, as it is written.
    pub(super) fn scalar_text(&mut self, node: &Node) -> Option<String> {
        match node.as_scalar() {
            Some(scalar) if !node.is_null() => Some(scalar.text.clone()),
            _ => self.text(node),
        }
    }

    /// A text with templates, remembered for validation.
    pub(super) fn template(&mut self, node: &Node, kind: SiteKind) -> Option<String> {
        let text = self.some_text(node, "the text")?;
        self.remember(node, kind);
        Some(text)
    }

    /// Remembers a text that is evaluated.
    pub(super) fn remember(&mut self, node: &Node, kind: SiteKind) {
        let Some(scalar) = node.as_scalar() else { return };
        if kind == SiteKind::Expression || is_template(&scalar.text) {
            self.sites.push(Site { scope: self.scope, kind, scalar: scalar.clone(), span: node.span });
        }
    }

    /// Any value; every text in it is a template. Depth is bounded by the parser.
    pub(super) fn json(&mut self, node: &Node) -> serde_json::Value {
        self.remember_all(node);
        node.to_json()
    }

    fn remember_all(&mut self, node: &Node) {
        match &node.value {
            Value::Scalar(_) => self.remember(node, SiteKind::Template),
            Value::List(items) => items.iter().for_each(|item| self.remember_all(item)),
            Value::Map(entries) => entries.iter().for_each(|entry| self.remember_all(&entry.node)),
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, node: &Node) -> Option<bool> {
        match node.as_scalar().map(Scalar::resolve) {
            Some(Resolved::Bool(value)) => Some(value),
            _ => {
                self.wrong_type(node, "`true` or `false`");
                None
            }
        }
    }

    /// A whole number within bounds.
    pub(super) fn integer(&mut self, node: &Node, min: u64, max: u64) -> Option<u64> {
        let Some(Resolved::Int(number)) = node.as_scalar().map(Scalar::resolve) else {
            self.wrong_type(node, "a whole number");
            return None;
        };
        match u64::try_from(number) {
            Ok(number) if (min..=max).contains(&number) => Some(number),
            _ => {
                self.out_of_range(node.span, &number.to_string(), &min.to_string(), &max.to_string());
                None
            }
        }
    }

    /// A whole number within bounds that fits 32 bits.
    pub(super) fn small(&mut self, node: &Node, min: u32, max: u32) -> Option<u32> {
        let number = self.integer(node, u64::from(min), u64::from(max))?;
        Some(u32::try_from(number).expect("the bound given is a u32"))
    }

    /// Any number within bounds.
    pub(super) fn number(&mut self, node: &Node, min: f64, max: f64) -> Option<f64> {
        let number = match node.as_scalar().map(Scalar::resolve) {
            Some(Resolved::Int(number)) => number as f64,
            Some(Resolved::Float(number)) => number,
            _ => {
                self.wrong_type(node, "a number");
                return None;
            }
        };
        if (min..=max).contains(&number) {
            return Some(number);
        }
        self.out_of_range(node.span, &number.to_string(), &min.to_string(), &max.to_string());
        None
    }

    pub(super) fn out_of_range(&mut self, span: Span, found: &str, min: &str, max: &str) {
        self.problems
            .error(Code::OutOfRange, span, format!("{found} is out of range"))
            .help(format!("Possible values are {min} to {max}."));
    }

    /// A duration in milliseconds.
    pub(super) fn duration(&mut self, node: &Node) -> Option<u64> {
        let scalar = match &node.value {
            Value::Scalar(scalar) if !node.is_null() => scalar,
            Value::Scalar(_) | Value::List(_) | Value::Map(_) => {
                self.wrong_type(node, "a duration such as `30s` or `1h30m`");
                return None;
            }
        };
        let Some(ms) = parse_duration(&scalar.text) else {
            let help = match scalar.resolve() {
                Resolved::Int(number) => format!("Say the unit: `{number}s` for seconds, `{number}m` for minutes."),
                _ => "Write numbers with units: `500ms`, `30s`, `20m`, `1h30m`, `2d`.".to_owned(),
            };
            let found = node.describe();
            self.problems.error(Code::InvalidDuration, node.span, format!("{found} is not a duration")).help(help);
            return None;
        };
        if ms > limits::DURATION_MS {
            let found = format!("`{}`", scalar.text);
            self.out_of_range(node.span, &found, "0ms", &human_duration(limits::DURATION_MS));
            return None;
        }
        Some(ms)
    }

    /// One of several texts.
    pub(super) fn choice(&mut self, node: &Node, choices: &'static [&'static str]) -> Option<&'static str> {
        let Some(scalar) = node.as_scalar().filter(|_| !node.is_null()) else {
            self.wrong_type(node, &format!("one of {}", listed(choices.iter().copied(), "or")));
            return None;
        };
        let found = choices.iter().copied().find(|choice| *choice == scalar.text);
        if found.is_none() {
            let help = did_you_mean(&scalar.text, choices.iter().copied())
                .unwrap_or_else(|| format!("Possible values are {}.", listed(choices.iter().copied(), "and")));
            let found = node.describe();
            self.problems.error(Code::InvalidValue, node.span, format!("{found} is not possible here")).help(help);
        }
        found
    }

    /// A list, or a single value that stands for a list of one.
    pub(super) fn one_or_many<'n>(&mut self, node: &'n Node) -> &'n [Node] {
        match &node.value {
            Value::List(items) => items,
            Value::Scalar(_) | Value::Map(_) => std::slice::from_ref(node),
        }
    }

    /// A list.
    pub(super) fn list<'n>(&mut self, node: &'n Node) -> &'n [Node] {
        match &node.value {
            Value::List(items) => items,
            Value::Scalar(_) | Value::Map(_) => {
                self.wrong_type(node, "a list");
                &[]
            }
        }
    }

    /// A name, checked.
    pub(super) fn name(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = self.scalar_text(node)?;
        self.check_name(&text, node.span, what);
        Some(text)
    }

    /// Reports a text that cannot be a name.
    pub(super) fn check_name(&mut self, name: &str, span: Span, what: &str) {
        let Some(problem) = name_problem(name) else { return };
        let short: String = name.chars().take(60).collect();
        self.problems
            .error(Code::InvalidName, span, format!("{short:?} is not a name for {what}: {problem}"))
            .help("Names begin with a letter or digit and go on with `A-Z`, `a-z`, `0-9`, `_`, `.` and `-`.");
    }
}

fn name_problem(name: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.is_empty() {
        return Some("it is empty".to_owned());
    }
    if name.len() > limits::NAME_BYTES {
        return Some(format!("it is longer than {} bytes", limits::NAME_BYTES));
    }
    if let Some(c) = name.chars().find(|c| matches!(c, '[' | '#' | '/')) {
        return Some(format!("`{c}` is reserved for tasks that the engine makes"));
    }
    if let Some(c) = name.chars().find(|c| !allowed(*c)) {
        return Some(format!("{c:?} is not allowed"));
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Some("it must begin with a letter or a digit".to_owned());
    }
    name.ends_with(".undo").then(|| "the ending `.undo` is reserved for tasks that the engine makes".to_owned())
}

/// `key: {{ x }}` is YAML for an object in an object.
fn is_unquoted_template(node: &Node, keys: usize) -> bool {
    keys == 1 && node.span.len <= 1
}
