//! A scripted model, a worktree in memory, and a check of every request that does not use the code under test.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::super::*;
use crate::agents::memory_calls::MemoryCalls;
use crate::agents::provider::{CallContext, Heard, ModelFailure};
use crate::agents::roles::Role;
use crate::domain::budget::Amounts;
use crate::domain::call::{CallKind, RecordedCall};
use crate::domain::chat::{Message, ModelReply, ModelRequest, Stop, ToolCall, ToolSpec, Usage};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::Digest;
use crate::domain::workflow::EffectClass;

/// What the model does at one request.
#[derive(Debug, Clone)]
pub(super) enum Line {
    Says(String),
    Calls(Vec<(&'static str, Value)>),
    /// Calls with arguments as they are.
    Raw(Vec<(&'static str, String)>),
    Cut(String),
    Fails(FailureClass),
}

pub(super) fn calls(calls: &[(&'static str, Value)]) -> Line {
    Line::Calls(calls.to_vec())
}

/// Who answers the n-th reply of a conversation (from 1), given the request.
type Script = Box<dyn Fn(u32, &ModelRequest) -> Line + Send + Sync>;

pub(super) struct ScriptedModels {
    script: Script,
    pub(super) window: Option<u64>,
    pub(super) names: Vec<&'static str>,
    pub(super) requests: Mutex<Vec<ModelRequest>>,
}

impl ScriptedModels {
    pub(super) fn new(script: impl Fn(u32, &ModelRequest) -> Line + Send + Sync + 'static) -> Self {
        Self { script: Box::new(script), window: None, names: vec!["p/a", "p/b"], requests: Mutex::default() }
    }

    /// The n-th reply is the n-th line; behind the last one the model says nothing more.
    pub(super) fn lines(lines: Vec<Line>) -> Self {
        Self::new(move |turn, _| lines.get(turn as usize - 1).cloned().unwrap_or(Line::Says(String::new())))
    }

    pub(super) fn asked(&self) -> Vec<ModelRequest> {
        self.requests.lock().unwrap().clone()
    }
}

/// Every result follows its call, every call has its result, before anyone speaks again.
pub(super) fn assert_paired(messages: &[Message]) {
    let mut waiting: Vec<&str> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        if let Message::Tool { id, .. } = message {
            let known = waiting.iter().position(|open| open == id);
            waiting.remove(known.unwrap_or_else(|| panic!("message {at}: the result {id} has no call")));
        } else {
            assert!(waiting.is_empty(), "message {at}: {waiting:?} have no result");
        }
        if let Message::Assistant { calls, text } = message {
            assert!(!calls.is_empty() || !text.is_empty(), "message {at}: an empty reply was kept");
            waiting = calls.iter().map(|call| call.id.as_str()).collect();
        }
    }
    assert!(waiting.is_empty(), "{waiting:?} have no result");
}

#[async_trait]
impl Models for ScriptedModels {
    fn next(&self, _: &Policy, history: &History) -> Choice {
        let Some(last) = history.tried.last() else { return Choice::Ask(self.names[0].to_owned()) };
        let Came::Nothing { failure, waited } = &last.came else { return Choice::Ask(last.model.clone()) };
        if *waited || failure.class == FailureClass::ContextOverflow {
            return Choice::Ask(last.model.clone());
        }
        if needs_waiting(failure.class) {
            return Choice::Wait(failure.clone());
        }
        let at = self.names.iter().position(|name| *name == last.model).unwrap_or(0);
        Choice::Ask(self.names[(at + 1) % self.names.len()].to_owned())
    }

    fn window(&self, _: &str) -> Option<u64> {
        self.window
    }

    fn reserve(&self, request: &ModelRequest) -> Result<Amounts, Failure> {
        Ok(Amounts { calls: 0, tokens: 100 + u64::from(request.max_output_tokens), usd_micros: 50 })
    }

    async fn complete(
        &self,
        request: &ModelRequest,
        context: &CallContext,
        heard: Heard<'_>,
    ) -> Result<ModelReply, ModelFailure> {
        assert_paired(&request.messages);
        self.requests.lock().unwrap().push(request.clone());
        heard("");
        let line = (self.script)(context.turn, request);
        let usage = Usage { input_tokens: 100, output_tokens: 10, usd_micros: 5, ..Usage::default() };
        let reply = |text: String, calls: Vec<ToolCall>, stop| ModelReply {
            text,
            calls,
            stop,
            usage,
            served_by: request.model.clone(),
        };
        let id = |at: usize| format!("t{}c{at}", context.turn);
        match line {
            Line::Says(text) => Ok(reply(text, Vec::new(), Stop::Answered)),
            Line::Cut(text) => Ok(reply(text, Vec::new(), Stop::AtLimit)),
            Line::Calls(calls) => {
                let calls = calls.into_iter().enumerate().map(|(at, (name, arguments))| ToolCall {
                    id: id(at),
                    name: name.to_owned(),
                    arguments: arguments.to_string(),
                });
                Ok(reply("I use tools.".to_owned(), calls.collect(), Stop::CalledTools))
            }
            Line::Raw(calls) => {
                let calls = calls.into_iter().enumerate().map(|(at, (name, arguments))| ToolCall {
                    id: id(at),
                    name: name.to_owned(),
                    arguments,
                });
                Ok(reply(String::new(), calls.collect(), Stop::CalledTools))
            }
            Line::Fails(class) => {
                let mut failure = Failure::new(class, format!("scripted {class}"));
                failure.retry_after_ms = needs_waiting(class).then_some(1_500);
                Err(ModelFailure { failure, sent: true, usage: None, partial: String::new() })
            }
        }
    }
}

/// Fails once, at `turn`; else the n-th reply is the n-th line.
pub(super) fn failing_once(turn: u32, class: FailureClass, then: Vec<Line>) -> ScriptedModels {
    let seen = Arc::new(Mutex::new(false));
    ScriptedModels::new(move |at, _| {
        let mut seen = seen.lock().unwrap();
        if at == turn && !*seen {
            *seen = true;
            return Line::Fails(class);
        }
        then.get(at as usize - 1).cloned().unwrap_or(Line::Says(String::new()))
    })
}

/// A worktree in memory. Its checks are green when `main.rs` has the word `fixed`.
#[derive(Default)]
pub(super) struct MemorySite {
    pub(super) files: Mutex<BTreeMap<String, String>>,
    pub(super) trees: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    pub(super) runs: Mutex<Vec<String>>,
    pub(super) checks: Mutex<usize>,
    pub(super) running: Mutex<(usize, usize)>,
    pub(super) standing: Vec<Standing>,
}

impl MemorySite {
    pub(super) fn with(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Self { files: Mutex::new(files), ..Self::default() }
    }

    fn read(&self, path: &str) -> ToolResult {
        match self.files.lock().unwrap().get(path) {
            Some(text) if text.len() > 2_000 => {
                let digest = Digest::of(text.as_bytes()).to_hex();
                let shown = format!("{}\n[cut; handle {digest}]", &text[..2_000]);
                ToolResult { text: shown, failed: false, full: Some(text.as_bytes().to_vec()) }
            }
            Some(text) => ToolResult { text: text.clone(), failed: false, full: None },
            None => ToolResult { text: format!("there is no file {path}"), failed: true, full: None },
        }
    }
}

fn spec(name: &str, required: &[&str]) -> ToolSpec {
    let properties: serde_json::Map<String, Value> =
        required.iter().map(|key| ((*key).to_owned(), json!({"type": "string"}))).collect();
    let parameters =
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    ToolSpec { name: name.to_owned(), description: format!("{name} of a worktree in memory"), parameters }
}

#[async_trait]
impl Worksite for MemorySite {
    async fn brief(&self, _: Option<crate::agents::memory::Given>) -> Result<Brief, Failure> {
        Ok(Brief { standing: self.standing.clone(), map: "main.rs: fn main".to_owned(), ..Brief::default() })
    }

    async fn tools(&self, names: &[String]) -> Result<Vec<Offered>, Failure> {
        let known = [
            (spec("read_file", &["path"]), EffectClass::Pure),
            (spec("read_output", &["handle"]), EffectClass::Pure),
            (spec("write_file", &["path", "text"]), EffectClass::Restorable),
            (spec("run_command", &["command"]), EffectClass::Restorable),
        ];
        let wanted = known.into_iter().filter(|(spec, _)| names.contains(&spec.name));
        Ok(wanted.map(|(spec, effect)| Offered { spec, effect }).collect())
    }

    async fn run(&self, run: ToolRun<'_>) -> Result<ToolResult, Failure> {
        let word = |key: &str| run.arguments[key].as_str().unwrap_or_default().to_owned();
        {
            let mut running = self.running.lock().unwrap();
            running.0 += 1;
            running.1 = running.1.max(running.0);
        }
        tokio::task::yield_now().await;
        self.runs.lock().unwrap().push(format!("{} {}", run.name, run.arguments));
        self.running.lock().unwrap().0 -= 1;
        let plain = |text: &str| Ok(ToolResult { text: text.to_owned(), failed: false, full: None });
        match run.name {
            "read_file" => Ok(self.read(&word("path"))),
            "read_output" => match run.outputs.whole(&word("handle"))? {
                Some(whole) => plain(&format!("{} bytes", whole.len())),
                None => Ok(ToolResult { text: "no such output".to_owned(), failed: true, full: None }),
            },
            "write_file" => {
                self.files.lock().unwrap().insert(word("path"), word("text"));
                plain("written")
            }
            "run_command" => plain(&format!("ran {}", word("command"))),
            other => panic!("{other} is not on offer"),
        }
    }

    async fn checkpoint(&self) -> Result<Option<String>, Failure> {
        let files = self.files.lock().unwrap().clone();
        let name = Digest::of(&serde_json::to_vec(&files).unwrap()).to_hex()[..12].to_owned();
        self.trees.lock().unwrap().insert(name.clone(), files);
        Ok(Some(name))
    }

    async fn restore(&self, tree: &str) -> Result<(), Failure> {
        let files = self.trees.lock().unwrap().get(tree).cloned();
        *self.files.lock().unwrap() = files.unwrap_or_else(|| panic!("the tree {tree} was never kept"));
        Ok(())
    }

    async fn check(&self) -> Result<CheckReport, Failure> {
        *self.checks.lock().unwrap() += 1;
        let green = self.files.lock().unwrap().get("main.rs").is_some_and(|text| text.contains("fixed"));
        let failing = if green { Vec::new() } else { vec!["tests".to_owned()] };
        Ok(CheckReport {
            green,
            text: if green { "all green".into() } else { "tests: main is broken".into() },
            failing,
            tests: crate::agents::walk::TestTally::default(),
        })
    }

    fn merges(&self) -> bool {
        true
    }

    async fn commit(&self, message: &str) -> Result<String, Failure> {
        let tree = self.checkpoint().await?.unwrap_or_default();
        Ok(Digest::of(format!("{tree} {message}").as_bytes()).to_hex()[..8].to_owned())
    }

    async fn changed_files(&self) -> Result<Vec<String>, Failure> {
        Ok(self.files.lock().unwrap().keys().cloned().collect())
    }
}

pub(super) fn role(output: &str, evidence: &str) -> Role {
    let tools =
        "'read_file', 'read_output', 'write_file', 'run_command', 'run_checks', 'note', 'git_commit', 'ask_human'";
    let text = format!(
        "+++\nname = 'worker'\ndescription = 'd'\ntools = [{tools}]\noutput = '{output}'\nevidence = '{evidence}'\nturns = 80\n\
         max_output_tokens = 1000\n+++\nYou work."
    );
    Role::parse("worker", &text).unwrap()
}

pub(super) fn order(role: Role) -> AgentOrder {
    AgentOrder {
        project: "demo-1".into(),
        task: "repair".into(),
        role,
        with: json!({"goal": "make main work", "files": ["main.rs"]}),
        attempt: 1,
        previous: Vec::new(),
        models: vec!["p/a".into(), "p/b".into()],
        limits: Limits::default(),
    }
}

pub(super) fn handoff() -> Value {
    json!({"summary": "main works", "changes": [{"file": "main.rs", "what": "fixed"}], "tests": [], "risks": [], "commit_message": "Fix main"})
}

pub(super) fn judgement() -> Value {
    let scores = json!([{"criterion": "right", "score": 9, "evidence": "main.rs"}]);
    json!({"accept": true, "summary": "good", "scores": scores, "improvements": []})
}

pub(super) fn finish(answer: Value) -> Line {
    calls(&[("finish", answer)])
}

pub(super) fn read(path: &str) -> (&'static str, Value) {
    ("read_file", json!({ "path": path }))
}

pub(super) fn write(path: &str, text: &str) -> (&'static str, Value) {
    ("write_file", json!({"path": path, "text": text}))
}

/// A walk over `record`, and what is on record after it.
pub(super) async fn walk_over(
    record: Vec<RecordedCall>,
    order: &AgentOrder,
    models: &ScriptedModels,
    site: &MemorySite,
) -> (AgentEnd, Vec<RecordedCall>) {
    let calls = MemoryCalls::over(record);
    let end = run(order, &calls, models, site).await;
    (end, calls.record())
}

pub(super) fn count(record: &[RecordedCall], kind: CallKind) -> usize {
    record.iter().filter(|call| call.kind == kind).count()
}

/// The class that a walk failed with.
pub(super) fn class(end: &AgentEnd) -> FailureClass {
    end.answer.as_ref().map(|answer| panic!("answered {answer}")).unwrap_err().class
}

/// The newest message of `request` that a test looks for a text in.
pub(super) fn last_text(request: &ModelRequest) -> &str {
    match request.messages.last().unwrap() {
        Message::System { text }
        | Message::User { text }
        | Message::Assistant { text, .. }
        | Message::Tool { text, .. } => text,
    }
}
