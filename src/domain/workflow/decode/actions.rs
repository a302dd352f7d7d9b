//! What a task does: the keys `run`, `approval`, `wait`, `http`, `workflow` and `external`; see `agents.rs`
//! for `agent` and `land`.

use super::{ChildCall, Decoder, SiteKind};
use crate::domain::time::Millis;
use crate::domain::workflow::codes::Code;
use crate::domain::workflow::expressions::is_template;
use crate::domain::workflow::keys;
use crate::domain::workflow::spec::{Action, ApprovalSpec, ChildSpec, ExternalSpec, HttpSpec, OnTimeout, WaitSpec};
use crate::domain::workflow::yaml::{Entry, Node};

/// How long a claim of external work lasts when the workflow does not say.
const DEFAULT_LEASE_MS: u64 = 5 * 60_000;

impl Decoder<'_> {
    /// The action under one of [`keys::ACTIONS`].
    pub(super) fn action(&mut self, entry: &Entry) -> Option<Action> {
        let node = &entry.node;
        match entry.key.as_str() {
            "run" => self.template(node, SiteKind::Shell).map(Action::Run),
            "approval" => self.approval(node).map(Action::Approval),
            "wait" => self.wait(node).map(Action::Wait),
            "http" => self.http(node).map(Action::Http),
            "workflow" => self.child(node).map(Action::Workflow),
            "external" => self.external(node).map(Action::External),
            "agent" => self.agent(node).map(Action::Agent),
            "land" => self.land(node).map(Action::Land),
            other => panic!("`{other}` is in the table of actions, so it has a reader here"),
        }
    }

    pub(super) fn approval(&mut self, node: &Node) -> Option<ApprovalSpec> {
        let mut spec = ApprovalSpec { ask: String::new(), timeout_ms: None, on_timeout: OnTimeout::Reject };
        if node.as_scalar().is_some() {
            spec.ask = self.template(node, SiteKind::Template)?;
            return Some(spec);
        }
        let fields = self.fields(node, &keys::APPROVAL)?;
        if let Some(node) = fields.node("ask") {
            spec.ask = self.template(node, SiteKind::Template)?;
        }
        spec.timeout_ms = fields.node("timeout").and_then(|node| self.positive(node));
        if let Some("approve") = fields.node("on_timeout").and_then(|node| self.choice(node, &["reject", "approve"])) {
            spec.on_timeout = OnTimeout::Approve;
        }
        Some(spec)
    }

    fn wait(&mut self, node: &Node) -> Option<WaitSpec> {
        if node.as_scalar().is_some() {
            return self.duration(node).map(|ms| WaitSpec::Duration { ms });
        }
        let fields = self.fields(node, &keys::WAIT)?;
        if let Some(node) = fields.node("signal") {
            let timeout_ms = fields.node("timeout").and_then(|node| self.positive(node));
            return self.template(node, SiteKind::Template).map(|name| WaitSpec::Signal { name, timeout_ms });
        }
        if let Some(entry) = fields.entry("timeout") {
            self.problems
                .error(Code::Exclusive, entry.key_span, "`timeout` bounds the wait for a signal only")
                .help("Remove it, or wait for a `signal`.");
        }
        if let Some(node) = fields.node("duration") {
            return self.duration(node).map(|ms| WaitSpec::Duration { ms });
        }
        let node = fields.node("until")?;
        let until = self.template(node, SiteKind::Template)?;
        if !is_template(&until) && Millis::from_rfc3339(&until).is_none() {
            self.problems
                .error(Code::BadTime, node.span, format!("{until:?} is not a point in time"))
                .help("Write it as RFC 3339 with its zone, in quotes: \"2026-11-20T08:00:00Z\".");
        }
        Some(WaitSpec::Until(until))
    }

    fn http(&mut self, node: &Node) -> Option<HttpSpec> {
        let mut spec = HttpSpec {
            method: "GET".to_owned(),
            url: String::new(),
            headers: Default::default(),
            body: None,
            expect: Vec::new(),
        };
        if node.as_scalar().is_some() {
            spec.url = self.url(node)?;
            return Some(spec);
        }
        let fields = self.fields(node, &keys::HTTP)?;
        if let Some(node) = fields.node("url") {
            spec.url = self.url(node)?;
        }
        if let Some(node) = fields.node("headers") {
            for entry in self.entries(node, "headers by name").unwrap_or_default() {
                self.check_header(entry);
                if let Some(value) = self.scalar_text(&entry.node) {
                    self.remember(&entry.node, SiteKind::Template);
                    spec.headers.insert(entry.key.clone(), value);
                }
            }
        }
        if let Some(node) = fields.node("body") {
            spec.body = Some(self.json(node));
            spec.method = "POST".to_owned();
        }
        if let Some(method) = fields.node("method").and_then(|node| self.choice(node, keys::METHODS)) {
            spec.method = method.to_owned();
        }
        if let Some(node) = fields.node("expect") {
            let statuses = self.one_or_many(node).iter().filter_map(|item| self.integer(item, 100, 599));
            spec.expect = statuses.filter_map(|status| u16::try_from(status).ok()).collect();
        }
        Some(spec)
    }

    fn check_header(&mut self, entry: &Entry) {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if entry.key.is_empty() || !entry.key.bytes().all(token) {
            self.problems
                .error(Code::InvalidName, entry.key_span, format!("{:?} is not a name for a header", entry.key))
                .help("Use letters, digits and `-`.");
        }
    }

    fn url(&mut self, node: &Node) -> Option<String> {
        let url = self.template(node, SiteKind::Template)?;
        let lower = url.trim_start().to_ascii_lowercase();
        let scheme = lower.starts_with("http://") || lower.starts_with("https://");
        if !scheme && !lower.starts_with("{{") && !lower.starts_with("{%") {
            let short: String = url.chars().take(60).collect();
            self.problems
                .error(Code::BadUrl, node.span, format!("{short:?} is not an http URL"))
                .help("It must begin with `https://` or `http://`.");
        }
        Some(url)
    }

    fn child(&mut self, node: &Node) -> Option<ChildSpec> {
        let mut inputs = std::collections::BTreeMap::new();
        let mut given = Vec::new();
        let name_node = if node.as_scalar().is_some() {
            node
        } else {
            let fields = self.fields(node, &keys::CHILD)?;
            if let Some(node) = fields.node("inputs") {
                for entry in self.entries(node, "inputs by name").unwrap_or_default() {
                    given.push((entry.key.clone(), entry.key_span));
                    let value = self.json(&entry.node);
                    inputs.insert(entry.key.clone(), value);
                }
            }
            fields.first_of(&["name", "file"]).map(|entry| &entry.node)?
        };
        let workflow = self.some_text(name_node, "the name of the child workflow")?;
        if is_template(&workflow) {
            self.problems
                .error(Code::InvalidValue, name_node.span, "the name of a child workflow cannot be a template")
                .help("Children are read and pinned with the workflow: name one task per child, each with its `when`.");
            return None;
        }
        self.calls.push(ChildCall { workflow: workflow.clone(), span: name_node.span, given });
        Some(ChildSpec { workflow, inputs })
    }

    fn external(&mut self, node: &Node) -> Option<ExternalSpec> {
        let fields = self.fields(node, &keys::EXTERNAL)?;
        let queue = fields.node("queue").and_then(|node| self.name(node, "a queue")).unwrap_or_default();
        let lease_ms = fields.node("lease").and_then(|node| self.positive(node)).unwrap_or(DEFAULT_LEASE_MS);
        let payload = fields.node("payload").map(|node| match self.json(node) {
            serde_json::Value::String(text) => text,
            value => value.to_string(),
        });
        Some(ExternalSpec { queue, lease_ms, payload: payload.unwrap_or_default() })
    }
}
