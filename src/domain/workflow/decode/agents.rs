//! What agents need: the actions `agent` and `land`, `models`, `merge`, and a `foreach` over a plan.

use super::{Decoder, SiteKind};
use crate::domain::budget::Caps;
use crate::domain::policy::Prefer;
use crate::domain::workflow::codes::Code;
use crate::domain::workflow::keys;
use crate::domain::workflow::spec::{AgentSpec, ItemGraph, LandSpec, MergeSpec, ModelsSpec, ProviderSpec};
use crate::domain::workflow::yaml::{Node, Value};

impl Decoder<'_> {
    pub(super) fn agent(&mut self, node: &Node) -> Option<AgentSpec> {
        let mut spec = AgentSpec {
            role: String::new(),
            models: Vec::new(),
            tools: Vec::new(),
            turns: None,
            budget: Caps::default(),
        };
        if node.as_scalar().is_some() {
            spec.role = self.name(node, "a role")?;
            return Some(spec);
        }
        let fields = self.fields(node, &keys::AGENT)?;
        if let Some(node) = fields.node("role") {
            spec.role = self.name(node, "a role").unwrap_or_default();
        }
        if let Some(node) = fields.node("model") {
            spec.models = self.model_names(node);
        }
        if let Some(node) = fields.node("tools") {
            spec.tools = self.list(node).iter().filter_map(|item| self.name(item, "a tool")).collect();
        }
        spec.turns = fields.node("turns").and_then(|node| self.small(node, 1, 1000));
        if let Some(node) = fields.node("budget") {
            spec.budget = self.part_budget(node);
        }
        Some(spec)
    }

    pub(super) fn land(&mut self, node: &Node) -> Option<LandSpec> {
        let fields = self.fields(node, &keys::LAND)?;
        let into = fields.node("into").and_then(|node| self.template(node, SiteKind::Template));
        let back = fields.node("back").and_then(|node| self.name(node, "a task"));
        if let (Some(back), Some(into)) = (fields.entry("back"), fields.entry("into")) {
            self.problems
                .error(Code::Exclusive, into.key_span, "what is taken back was landed on a branch already")
                .note(back.key_span, "it is taken back here")
                .help("Leave out `into`: the branch is that of the landing.");
        }
        Some(LandSpec { into: into.unwrap_or_default(), back })
    }

    /// Names of models: `provider/model`.
    fn model_names(&mut self, node: &Node) -> Vec<String> {
        let mut names = Vec::new();
        for item in self.one_or_many(node) {
            let Some(name) = self.text(item) else { continue };
            let is_model =
                name.split_once('/').is_some_and(|(provider, model)| !provider.is_empty() && !model.is_empty());
            if !is_model {
                self.problems
                    .error(Code::InvalidValue, item.span, format!("{name:?} does not name a provider and a model"))
                    .help("Write `provider/model`, for example `openai/gpt-5-mini` or `ollama/qwen3`.");
            }
            names.push(name);
        }
        names
    }

    pub(super) fn models(&mut self, node: &Node) -> ModelsSpec {
        let mut spec = ModelsSpec::default();
        let Some(fields) = self.fields(node, &keys::MODELS) else { return spec };
        if let Some(node) = fields.node("default") {
            spec.default = self.model_names(node);
        }
        if let Some(node) = fields.node("roles") {
            for entry in self.entries(node, "models by role").unwrap_or_default() {
                self.check_name(&entry.key, entry.key_span, "a role");
                let names = self.model_names(&entry.node);
                spec.roles.insert(entry.key.clone(), names);
            }
        }
        spec.prefer = match fields.node("prefer").and_then(|node| self.choice(node, &["order", "latency", "cost"])) {
            Some("latency") => Prefer::Latency,
            Some("cost") => Prefer::Cost,
            Some(_) | None => Prefer::Order,
        };
        spec.max_latency_ms = fields.node("max_latency").and_then(|node| self.positive(node));
        if let Some(node) = fields.node("providers") {
            for entry in self.entries(node, "providers by name").unwrap_or_default() {
                self.check_name(&entry.key, entry.key_span, "a provider");
                if let Some(provider) = self.provider(&entry.node) {
                    spec.providers.insert(entry.key.clone(), provider);
                }
            }
        }
        spec
    }

    fn provider(&mut self, node: &Node) -> Option<ProviderSpec> {
        let fields = self.fields(node, &keys::PROVIDER)?;
        let mut spec = ProviderSpec::default();
        if let Some(node) = fields.node("base_url") {
            let url = self.text(node)?;
            if !url.starts_with("https://") && !url.starts_with("http://") {
                self.problems
                    .error(Code::BadUrl, node.span, format!("{url:?} is not an http URL"))
                    .help("It must begin with `https://` or `http://`.");
            }
            spec.base_url = Some(url);
        }
        spec.key_env = fields.node("key_env").and_then(|node| self.text(node));
        if let Some(node) = fields.node("headers") {
            for entry in self.entries(node, "headers by name").unwrap_or_default() {
                if let Some(value) = self.scalar_text(&entry.node) {
                    spec.headers.insert(entry.key.clone(), value);
                }
            }
        }
        spec.script = fields.node("script").and_then(|node| self.text(node));
        spec.idle_ms = fields.node("idle").and_then(|node| self.positive(node));
        spec.max_concurrent = fields.node("max_concurrent").and_then(|node| self.small(node, 1, u32::MAX));
        spec.requests_per_minute = fields.node("requests_per_minute").and_then(|node| self.small(node, 1, u32::MAX));
        spec.tokens_per_minute = fields.node("tokens_per_minute").and_then(|node| self.count(node));
        spec.free = fields.node("free").and_then(|node| self.boolean(node)).unwrap_or(false);
        Some(spec)
    }

    pub(super) fn merge(&mut self, node: &Node) -> MergeSpec {
        let mut spec = MergeSpec::default();
        let Some(fields) = self.fields(node, &keys::MERGE) else { return spec };
        if let Some(node) = fields.node("gates") {
            spec.gates = self.commands(node);
        }
        spec.checks = fields.node("checks").and_then(|node| self.boolean(node)).unwrap_or(false);
        if let Some(batch) = fields.node("batch").and_then(|node| self.small(node, 1, 64)) {
            spec.batch = batch;
        }
        spec
    }

    /// Caps of a part of a project.
    pub(super) fn part_budget(&mut self, node: &Node) -> Caps {
        self.fields(node, &keys::PHASE_BUDGET).map(|fields| self.caps(&fields)).unwrap_or_default()
    }

    /// What a task runs once per element of: an expression, or one with the fields by which its elements need each other.
    pub(super) fn items(&mut self, node: &Node) -> (Option<String>, Option<ItemGraph>) {
        let is_graph = matches!(&node.value, Value::Map(entries) if entries.iter().any(|entry| entry.key == "in"));
        if !is_graph {
            return (self.expression(node), None);
        }
        let Some(fields) = self.fields(node, &keys::ITEMS) else { return (None, None) };
        let foreach = fields.node("in").and_then(|node| self.expression(node));
        let mut named = |key: &str, default: &str| {
            let name = fields.node(key).and_then(|node| self.name(node, "a field"));
            name.unwrap_or_else(|| default.to_owned())
        };
        (foreach, Some(ItemGraph { id: named("id", "id"), needs: named("needs", "needs") }))
    }
}
