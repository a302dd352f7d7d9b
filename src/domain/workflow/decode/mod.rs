//! The tree of a file to a [`Definition`], every problem reported with its place. Whatever is wrong is replaced by
//! something harmless, so that one run finds all problems; a definition with problems never leaves `read.rs`.
//!
//! One file per concern; rules across tasks (needs, cycles, what templates read) are in `validate/`.

mod actions;
mod agents;
mod fields;
mod inputs;
mod phases;
mod retry;
mod sandbox;
mod settings;
mod task;
mod values;

use fields::Fields;

use super::codes::Code;
use super::diagnostic::Problems;
use super::keys;
use super::spec::Definition;
use super::yaml::{Node, Scalar, Span};
use crate::domain::machine::Phase;

/// A definition with the places that later checks need.
#[derive(Debug)]
pub struct Decoded {
    /// The definition, without children.
    pub definition: Definition,
    /// Places by task index.
    pub places: Vec<TaskPlaces>,
    /// Every text that is evaluated.
    pub sites: Vec<Site>,
    /// Every call of a child workflow.
    pub calls: Vec<ChildCall>,
    /// Inputs that settings are made of, with the places where they are named.
    pub numbers: Vec<(String, Span)>,
}

/// Where the parts of a task stand.
#[derive(Debug, Clone, Default)]
pub struct TaskPlaces {
    /// Its name.
    pub name: Span,
    /// Each of its needs, in order.
    pub needs: Vec<Span>,
    /// Its group.
    pub group: Span,
    /// Its effect.
    pub effect: Span,
    /// Its probe.
    pub probe: Span,
    /// Its retry policy.
    pub retry: Span,
    /// The key of its action.
    pub action: Span,
    /// Its `merge`.
    pub merge: Span,
    /// Its `secrets`.
    pub secrets: Span,
}

/// A text that is evaluated.
#[derive(Debug, Clone)]
pub struct Site {
    /// Whose it is.
    pub scope: Scope,
    /// How it is evaluated.
    pub kind: SiteKind,
    /// Its text.
    pub scalar: Scalar,
    /// Where it stands.
    pub span: Span,
}

/// Whose text it is, which decides what it can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The workflow's.
    Workflow,
    /// The gate of a phase.
    Gate(Phase),
    /// A task's, by index.
    Task(u32),
    /// The elements of a task's `foreach`, which stand before `item` exists.
    Items(u32),
    /// What runs after a task of this index: its `undo`, its checks and branches read its own output.
    After(u32),
    /// What further items an item gives, once it has an `output`.
    More(u32),
}

/// How a text is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SiteKind {
    /// Text with templates.
    Template,
    /// A shell command with templates.
    Shell,
    /// An expression.
    Expression,
}

/// A call of a child workflow.
#[derive(Debug, Clone)]
pub struct ChildCall {
    /// What is called, the key in `children`.
    pub workflow: String,
    /// Where it is named.
    pub span: Span,
    /// The inputs that are given, with their places.
    pub given: Vec<(String, Span)>,
}

/// Walks the tree. Methods return what they could read and have reported the rest.
#[derive(Debug)]
pub struct Decoder<'p> {
    problems: &'p mut Problems,
    scope: Scope,
    places: Vec<TaskPlaces>,
    sites: Vec<Site>,
    calls: Vec<ChildCall>,
    numbers: Vec<(String, Span)>,
}

/// Reads the whole file.
pub fn decode(root: &Node, problems: &mut Problems) -> Decoded {
    let mut decoder = Decoder {
        problems,
        scope: Scope::Workflow,
        places: Vec::new(),
        sites: Vec::new(),
        calls: Vec::new(),
        numbers: Vec::new(),
    };
    let definition = decoder.workflow(root);
    let Decoder { places, sites, calls, numbers, .. } = decoder;
    Decoded { definition, places, sites, calls, numbers }
}

impl Decoder<'_> {
    fn workflow(&mut self, root: &Node) -> Definition {
        let mut definition = Definition {
            name: String::new(),
            description: String::new(),
            inputs: Default::default(),
            workspace: Default::default(),
            limits: Default::default(),
            budget: Default::default(),
            env: Default::default(),
            pass_env: Vec::new(),
            secrets: Vec::new(),
            retry: Default::default(),
            models: Default::default(),
            merge: Default::default(),
            sandbox: Default::default(),
            allowed: None,
            phases: Vec::new(),
            children: Default::default(),
        };
        if root.is_null() {
            self.problems
                .error(Code::Empty, root.span, "the file is empty")
                .help("A workflow needs a `name` and `tasks`, for example: `tasks: {hello: {run: echo hello}}`.");
            return definition;
        }
        let Some(fields) = self.fields(root, &keys::WORKFLOW) else { return definition };
        definition.name = self.workflow_name(&fields);
        definition.description = fields.node("description").and_then(|node| self.text(node)).unwrap_or_default();
        if let Some(node) = fields.node("inputs") {
            definition.inputs = self.inputs(node);
        }
        definition.workspace = self.workspace(&fields);
        if let Some(node) = fields.node("limits") {
            definition.limits = self.limits(node);
        }
        if let Some(node) = fields.node("budget") {
            definition.budget = self.budget(node);
        }
        if let Some(node) = fields.node("env") {
            definition.env = self.env(node);
        }
        if let Some(node) = fields.node("pass_env") {
            definition.pass_env = self.pass_env(node);
        }
        if let Some(node) = fields.node("secrets") {
            definition.secrets = self.secrets(node);
        }
        if let Some(node) = fields.node("retry") {
            definition.retry = self.retry(node, &definition.retry);
        }
        if let Some(node) = fields.node("models") {
            definition.models = self.models(node);
        }
        if let Some(node) = fields.node("merge") {
            definition.merge = self.merge(node);
        }
        if let Some(node) = fields.node("sandbox") {
            definition.sandbox = self.sandbox(node);
        }
        definition.phases = self.phases(&fields, &definition.retry);
        definition
    }

    fn workflow_name(&mut self, fields: &Fields<'_>) -> String {
        let Some(node) = fields.node("name") else { return String::new() };
        let Some(name) = self.text(node) else { return String::new() };
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if !starts || !name.bytes().all(allowed) || name.len() > crate::domain::limits::NAME_BYTES {
            let suggestion = suggested_name(&name);
            self.problems.error(Code::InvalidName, node.span, format!("{name:?} is not a name for a workflow")).help(
                format!(
                    "Project ids are made from it: use `a-z`, `0-9`, `.`, `_` and `-`, for example `{suggestion}`."
                ),
            );
        }
        name
    }
}

/// The nearest name that would be accepted.
fn suggested_name(name: &str) -> String {
    let mapped: String =
        name.chars().take(40).map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let trimmed = mapped.trim_matches('-');
    if trimmed.is_empty() { "my-workflow".to_owned() } else { trimmed.to_owned() }
}
