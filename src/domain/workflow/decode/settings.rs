//! The workflow's own settings: workspace, limits, budget, environment.

use std::collections::BTreeMap;

use super::{Decoder, Fields, SiteKind};
use crate::domain::budget::Caps;
use crate::domain::secret;
use crate::domain::workflow::codes::Code;
use crate::domain::workflow::keys;
use crate::domain::workflow::spec::{InputNumber, Limits, WorkspaceKind};
use crate::domain::workflow::yaml::{Node, Resolved, Scalar};

impl Decoder<'_> {
    pub(super) fn workspace(&mut self, fields: &Fields<'_>) -> WorkspaceKind {
        let chosen = fields.node("workspace").and_then(|node| self.choice(node, &["none", "dir", "worktree"]));
        match chosen {
            Some("none") => WorkspaceKind::None,
            Some("worktree") => WorkspaceKind::Worktree,
            Some(_) | None => WorkspaceKind::Dir,
        }
    }

    pub(super) fn limits(&mut self, node: &Node) -> Limits {
        let mut limits = Limits::default();
        let Some(fields) = self.fields(node, &keys::LIMITS) else { return limits };
        if let Some(node) = fields.node("workers") {
            (limits.workers, limits.workers_from) = self.number_or_input(node, 1, u32::MAX);
        }
        if let Some(groups) = fields.node("groups") {
            for entry in self.entries(groups, "the groups by name").unwrap_or_default() {
                self.check_name(&entry.key, entry.key_span, "a group");
                let slots = self.small(&entry.node, 1, u32::MAX).unwrap_or(1);
                limits.groups.insert(entry.key.clone(), slots);
            }
        }
        limits
    }

    /// A number, or the integer input that is it.
    pub(super) fn number_or_input(&mut self, node: &Node, min: u32, max: u32) -> (Option<u32>, Option<InputNumber>) {
        let Some(Resolved::Text(text)) = node.as_scalar().map(Scalar::resolve) else {
            return (self.small(node, min, max), None);
        };
        let Some(number) = InputNumber::parse(text) else {
            self.problems.error(Code::InvalidValue, node.span, format!("{text:?} is not a number")).help(
                "Write a whole number, or an integer input: \"{{ inputs.workers }}\", \"{{ inputs.cycles - 1 }}\".",
            );
            return (None, None);
        };
        self.numbers.push((number.input.clone(), node.span));
        (None, Some(number))
    }

    pub(super) fn budget(&mut self, node: &Node) -> Caps {
        let Some(fields) = self.fields(node, &keys::BUDGET) else { return Caps::default() };
        let wall_ms = fields.node("wall").and_then(|node| self.duration(node));
        Caps { wall_ms, ..self.caps(&fields) }
    }

    /// What the budgets of a project and of its parts have in common.
    pub(super) fn caps(&mut self, fields: &Fields<'_>) -> Caps {
        let usd = fields.node("usd").and_then(|node| self.number(node, 0.0, 1_000_000_000.0));
        Caps {
            calls: fields.node("calls").and_then(|node| self.count(node)),
            tokens: fields.node("tokens").and_then(|node| self.count(node)),
            usd_micros: usd.map(|usd| (usd * 1_000_000.0).round() as u64),
            wall_ms: None,
        }
    }

    /// A count: a number, or one with `k`, `M` or `G`.
    pub(super) fn count(&mut self, node: &Node) -> Option<u64> {
        if let Some(Resolved::Text(text)) = node.as_scalar().map(Scalar::resolve) {
            let number = count(text);
            if number.is_none() {
                self.problems
                    .error(Code::InvalidValue, node.span, format!("{text:?} is not a count"))
                    .help("Write a whole number, or one with k, M or G: `500k`, `2M`.");
            }
            return number;
        }
        self.integer(node, 0, i64::MAX as u64)
    }

    /// Names and templates of environment variables.
    pub(super) fn env(&mut self, node: &Node) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        for entry in self.entries(node, "variables by name").unwrap_or_default() {
            self.check_variable(&entry.key, entry.key_span);
            if let Some(value) = self.scalar_text(&entry.node) {
                self.remember(&entry.node, SiteKind::Template);
                env.insert(entry.key.clone(), value);
            }
        }
        env
    }

    pub(super) fn pass_env(&mut self, node: &Node) -> Vec<String> {
        let mut names = Vec::new();
        for item in self.list(node) {
            if let Some(name) = self.text(item) {
                self.check_variable(&name, item.span);
                names.push(name);
            }
        }
        names
    }

    /// Names of secrets.
    pub(super) fn secrets(&mut self, node: &Node) -> Vec<String> {
        let mut names = Vec::new();
        for item in self.list(node) {
            let Some(name) = self.text(item) else { continue };
            if let Some(why) = secret::refused_name(&name) {
                self.problems
                    .error(Code::InvalidName, item.span, format!("{name:?} is not a name for a secret: {why}"))
                    .help("`secrets` lists names only; where each value is, you declare under [secrets] in your configuration.");
            }
            names.push(name);
        }
        names
    }

    fn check_variable(&mut self, name: &str, span: crate::domain::workflow::yaml::Span) {
        let valid = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !valid || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            self.problems
                .error(Code::InvalidName, span, format!("{name:?} is not a name for an environment variable"))
                .help("Use letters, digits and `_`, not beginning with a digit.");
        }
    }
}

/// `500k`, `2M`, `1.5M`.
fn count(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let factor = match unit {
        "" => 1.0,
        "k" | "K" => 1e3,
        "M" | "m" => 1e6,
        "G" | "g" | "B" => 1e9,
        _ => return None,
    };
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number: f64 = if plain { digits.parse().ok()? } else { return None };
    let count = (number * factor).round();
    (count < i64::MAX as f64).then_some(count as u64)
}
