//! One task: everything but its action.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Decoder, Fields, Scope, SiteKind, TaskPlaces};
use crate::domain::limits;
use crate::domain::workflow::codes::Code;
use crate::domain::workflow::keys;
use crate::domain::workflow::spec::{
    Action, BranchSpec, EffectClass, ItemGraph, Join, OutputFormat, RetryRules, TaskSpec, Timeouts,
};
use crate::domain::workflow::yaml::{Entry, Node, Resolved, Scalar, Span, Value};

impl Decoder<'_> {
    pub(super) fn task(&mut self, entry: &Entry, retry: &RetryRules) -> TaskSpec {
        self.check_name(&entry.key, entry.key_span, "a task");
        let ix = u32::try_from(self.places.len()).expect("tasks are counted against TASKS_PER_PROJECT before");
        self.places.push(TaskPlaces { name: entry.key_span, ..TaskPlaces::default() });
        let mut task = TaskSpec::new(entry.key.clone(), Action::Run(String::new()));
        let Some(fields) = self.fields(&entry.node, &keys::TASK) else { return task };
        self.scope = Scope::Task(ix);
        if let Some(action) = fields.first_of(keys::ACTIONS) {
            self.places[ix as usize].action = action.key_span;
            task.action = self.action(action).unwrap_or(task.action);
        }
        self.task_place(&fields, &mut task, ix);
        self.task_order(&fields, &mut task, ix);
        if let Some(entry) = fields.entry("kinds") {
            self.places[ix as usize].action = entry.key_span;
            task.kinds = self.kinds(&entry.node, task.retry.as_deref().unwrap_or(retry), ix);
        }
        self.task_values(&fields, &mut task);
        if let Some(entry) = fields.entry("secrets") {
            self.places[ix as usize].secrets = entry.key_span;
            task.secrets = self.secrets(&entry.node);
        }
        self.task_failure(&fields, &mut task, retry, ix);
        self.scope = Scope::After(ix);
        self.task_after(&fields, &mut task);
        self.scope = Scope::Workflow;
        // What it shows as where one action is shown for all.
        if let Some(first) = task.kinds.values().next() {
            task.action = first.action.clone();
        }
        self.grows(&fields, &mut task);
        task
    }

    /// What the elements of each kind do. They stand in no list of tasks: their texts are read as the task's own.
    fn kinds(&mut self, node: &Node, retry: &RetryRules, ix: u32) -> BTreeMap<String, Arc<TaskSpec>> {
        let mut kinds = BTreeMap::new();
        for entry in self.entries(node, "kinds by name").unwrap_or_default() {
            self.check_name(&entry.key, entry.key_span, "a kind");
            let mut kind = TaskSpec::new(entry.key.clone(), Action::Run(String::new()));
            let Some(fields) = self.fields(&entry.node, &keys::KIND) else { continue };
            self.scope = Scope::Task(ix);
            if let Some(action) = fields.first_of(keys::KIND.one_of) {
                kind.action = self.action(action).unwrap_or(kind.action);
            }
            self.task_order(&fields, &mut kind, ix);
            self.task_values(&fields, &mut kind);
            self.task_failure(&fields, &mut kind, retry, ix);
            self.scope = Scope::After(ix);
            self.task_after(&fields, &mut kind);
            self.scope = Scope::Task(ix);
            kinds.insert(entry.key.clone(), Arc::new(kind));
        }
        kinds
    }

    /// Elements that are of kinds, or give more of themselves, are named by a field: they come from `foreach`.
    fn grows(&mut self, fields: &Fields<'_>, task: &mut TaskSpec) {
        let Some(entry) = fields.first_of(&["kinds", "more"]) else { return };
        let key = &entry.key;
        if task.foreach.is_none() {
            self.problems
                .error(
                    Code::MissingKey,
                    entry.key_span,
                    format!("`{key}` is about the elements of a `foreach`, and there is none"),
                )
                .help("Add `foreach: {in: \"{{ ... }}\"}` with a list of objects, each with an `id`.");
        }
        task.item_graph.get_or_insert_with(|| ItemGraph { id: "id".to_owned(), needs: "needs".to_owned() });
    }

    /// What it comes after, and how often it runs.
    fn task_place(&mut self, fields: &Fields<'_>, task: &mut TaskSpec, ix: u32) {
        if let Some(node) = fields.node("needs") {
            for item in self.one_or_many(node) {
                if let Some(name) = self.scalar_text(item) {
                    task.needs.push(name);
                    self.places[ix as usize].needs.push(item.span);
                }
            }
        }
        if let Some(node) = fields.node("foreach") {
            self.scope = Scope::Items(ix);
            (task.foreach, task.item_graph) = self.items(node);
            self.scope = Scope::Task(ix);
        }
    }

    /// When it runs, and beside what.
    fn task_order(&mut self, fields: &Fields<'_>, task: &mut TaskSpec, ix: u32) {
        if let Some(node) = fields.node("when") {
            task.when = self.expression(node);
        }
        if let Some(node) = fields.node("more") {
            self.scope = Scope::More(ix);
            task.more = self.expression(node);
            self.scope = Scope::Task(ix);
        }
        if let Some(node) = fields.node("join") {
            task.join = match self.choice(node, &["all", "settled", "any"]) {
                Some("settled") => Join::Settled,
                Some("any") => Join::Any,
                Some(_) | None => Join::All,
            };
        }
        if let Some(priority) = fields.node("priority").and_then(|node| self.priority(node)) {
            task.priority = priority;
        }
        if let Some(entry) = fields.entry("merge") {
            self.places[ix as usize].merge = entry.key_span;
            task.merge = self.boolean(&entry.node).unwrap_or(false);
        }
        if let Some(node) = fields.node("group") {
            self.places[ix as usize].group = node.span;
            task.group = self.scalar_text(node);
        }
    }

    /// What its texts can read and its commands see.
    fn task_values(&mut self, fields: &Fields<'_>, task: &mut TaskSpec) {
        if let Some(node) = fields.node("description") {
            task.description = self.text(node).unwrap_or_default();
        }
        if let Some(node) = fields.node("with") {
            for entry in self.entries(node, "values by name").unwrap_or_default() {
                self.check_name(&entry.key, entry.key_span, "a value");
                let value = self.json(&entry.node);
                task.with.insert(entry.key.clone(), value);
            }
        }
        if let Some(node) = fields.node("env") {
            task.env = self.env(node);
        }
        if let Some(node) = fields.node("output") {
            task.output = match self.choice(node, &["auto", "text", "json", "lines"]) {
                Some("text") => OutputFormat::Text,
                Some("json") => OutputFormat::Json,
                Some("lines") => OutputFormat::Lines,
                Some(_) | None => OutputFormat::Auto,
            };
        }
    }

    /// Limits, retries, and what a crash means.
    fn task_failure(&mut self, fields: &Fields<'_>, task: &mut TaskSpec, retry: &RetryRules, ix: u32) {
        if let Some(node) = fields.node("timeout") {
            task.timeout = self.timeout(node);
        }
        if let Some(node) = fields.node("sandbox") {
            task.sandbox = Some(Arc::new(self.sandbox(node)));
        }
        if let Some(entry) = fields.entry("retry") {
            self.places[ix as usize].retry = entry.key_span;
            task.retry = Some(Arc::new(self.retry(&entry.node, retry)));
        }
        if let Some(node) = fields.node("effect") {
            self.places[ix as usize].effect = node.span;
            let names: &[&str] = &["pure", "idempotent", "restorable", "probed", "once"];
            task.effect = self.choice(node, names).map(|name| match name {
                "pure" => EffectClass::Pure,
                "idempotent" => EffectClass::Idempotent,
                "restorable" => EffectClass::Restorable,
                "probed" => EffectClass::Probed,
                _ => EffectClass::Once,
            });
        }
        if let Some(entry) = fields.entry("probe") {
            self.places[ix as usize].probe = entry.key_span;
            task.probe = self.commands(&entry.node).into_iter().next();
            task.effect = task.effect.or(Some(EffectClass::Probed));
        }
    }

    /// What runs once its action has.
    fn task_after(&mut self, fields: &Fields<'_>, task: &mut TaskSpec) {
        if let Some(entry) = fields.entry("validate") {
            task.validate = self.commands(&entry.node);
            if task.validate.len() > limits::VALIDATIONS_PER_TASK {
                let (found, most) = (task.validate.len(), limits::VALIDATIONS_PER_TASK);
                self.problems
                    .error(
                        Code::TooMany,
                        entry.key_span,
                        format!("{found} validations are more than the {most} allowed"),
                    )
                    .help("Call a script that runs them all.");
            }
        }
        if let Some(node) = fields.node("on_failure") {
            task.on_failure = self.branch(node).map(Arc::new);
        }
        if let Some(node) = fields.node("undo") {
            task.undo = self.commands(node).into_iter().next();
        }
    }

    fn branch(&mut self, node: &Node) -> Option<BranchSpec> {
        let fields = self.fields(node, &keys::BRANCH)?;
        let max = fields.node("max").and_then(|node| self.small(node, 1, limits::LOOPBACK_ROUNDS)).unwrap_or(1);
        let action = fields.first_of(keys::BRANCH.one_of)?;
        self.action(action).map(|action| BranchSpec { action, max })
    }

    /// A command, a list of commands, or `{run: ...}` around either.
    pub(super) fn commands(&mut self, node: &Node) -> Vec<String> {
        let inner = match &node.value {
            Value::Map(_) => match self.fields(node, &keys::COMMAND).and_then(|fields| fields.node("run")) {
                Some(inner) => inner,
                None => return Vec::new(),
            },
            Value::Scalar(_) | Value::List(_) => node,
        };
        self.one_or_many(inner).iter().filter_map(|item| self.template(item, SiteKind::Shell)).collect()
    }

    /// An expression, or a literal that is turned into one.
    pub(super) fn expression(&mut self, node: &Node) -> Option<String> {
        if let Some(Resolved::Text(text)) = node.as_scalar().map(Scalar::resolve) {
            let text = text.to_owned();
            self.some_text(node, "the expression")?;
            self.remember(node, SiteKind::Expression);
            return Some(text);
        }
        if node.is_null() {
            self.wrong_type(node, "an expression");
            return None;
        }
        Some(literal(&node.to_json()))
    }

    fn timeout(&mut self, node: &Node) -> Timeouts {
        if node.as_scalar().is_some() {
            return Timeouts { total_ms: self.positive(node), idle_ms: None };
        }
        let Some(fields) = self.fields(node, &keys::TIMEOUT) else { return Timeouts::default() };
        Timeouts {
            total_ms: fields.node("total").and_then(|node| self.positive(node)),
            idle_ms: fields.node("idle").and_then(|node| self.positive(node)),
        }
    }

    /// A duration that is not 0.
    pub(super) fn positive(&mut self, node: &Node) -> Option<u64> {
        let ms = self.duration(node)?;
        if ms == 0 {
            self.zero(node.span);
        }
        Some(ms)
    }

    fn zero(&mut self, span: Span) {
        self.problems
            .error(Code::OutOfRange, span, "a time limit of 0 could never be kept")
            .help("Remove the key to have no limit.");
    }

    fn priority(&mut self, node: &Node) -> Option<u8> {
        if let Some(Resolved::Text(_)) = node.as_scalar().map(Scalar::resolve) {
            let name = self.choice(node, &["low", "normal", "high", "critical"])?;
            return keys::PRIORITIES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
        }
        self.integer(node, 1, 10).and_then(|number| u8::try_from(number).ok())
    }
}

/// A JSON value as an expression: the same text, but for null.
fn literal(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "none".to_owned(),
        serde_json::Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        serde_json::Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(key, value)| format!("{}: {}", serde_json::Value::from(key.as_str()), literal(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        plain => plain.to_string(),
    }
}
