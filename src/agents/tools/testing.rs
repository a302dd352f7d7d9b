//! A site for the tests of tools: a real folder, and stand-ins for what the engine gives.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::Value;

use super::{Beyond, Checks, Commands, Outputs, Ran, Repository, Site, ToolFault, Toolbox, World};
use crate::agents::memory::Memories;
use crate::domain::chat::ToolCall;
use crate::domain::failure::Failure;
use crate::domain::sandbox::Allowance;
use crate::domain::time::Millis;

/// 2026-11-21T12:00:00Z, a Saturday.
pub(super) const NOW: Millis = Millis(1_795_262_400_000);

/// A worktree of a test and all tools.
pub(super) struct Bench {
    folder: tempfile::TempDir,
    root: PathBuf,
    toolbox: Toolbox,
    seen: Seen,
    outputs: Kept,
    pub(super) memories: Memories,
    /// What a person allows.
    pub(super) allowed: Allowance,
    notes: PathBuf,
}

#[derive(Default)]
struct Seen {
    lines: Mutex<Vec<(String, u64)>>,
    checks: Mutex<Vec<Vec<String>>>,
    ran: Mutex<Option<Ran>>,
}

#[derive(Default)]
struct Kept(BTreeMap<String, Vec<u8>>);

impl Bench {
    pub(super) fn new() -> Self {
        let toolbox = Toolbox::new(&Toolbox::names(), None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        let memories = Memories::new(&folder.path().join("memory"), None);
        let notes = folder.path().join("notes/steps");
        let (seen, outputs, allowed) = (Seen::default(), Kept::default(), Allowance::default());
        Self { folder, root, toolbox, seen, outputs, memories, allowed, notes }
    }

    /// The root of the worktree; beside it is what must stay out of reach.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn outside(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn put(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub(super) fn text(&self, path: &str) -> String {
        String::from_utf8(fs::read(self.root().join(path)).unwrap()).unwrap()
    }

    pub(super) fn site(&self) -> Site<'_> {
        let world = World {
            memories: &self.memories,
            given: None,
            dir: &self.root,
            task: Some("build"),
            version: Some("c0ffee"),
            now: &|| NOW,
            mask: &|text| text.replace("hunter2", "(secret)"),
        };
        let beyond = Beyond { allowed: &self.allowed, world: Some(world), repository: self, notes: &self.notes };
        Site { root: &self.root, commands: &self.seen, checks: &self.seen, outputs: &self.outputs, beyond }
    }

    /// Commits everything that is there, ignored files too, as git would: with a repository that is made at the first time.
    pub(super) fn commit(&self, message: &str) {
        crate::workspace::git::commit_all(self.root(), message);
    }

    /// What the next command is said to end with.
    pub(super) fn next_command(&self, ran: Ran) {
        *self.seen.ran.lock().unwrap() = Some(ran);
    }

    pub(super) fn commands(&self) -> Vec<(String, u64)> {
        self.seen.lines.lock().unwrap().clone()
    }

    pub(super) fn checks(&self) -> Vec<Vec<String>> {
        self.seen.checks.lock().unwrap().clone()
    }

    pub(super) fn keep(&mut self, handle: &str, output: &[u8]) {
        self.outputs.0.insert(handle.to_owned(), output.to_vec());
    }

    /// Plans and makes a call as the conversation does.
    pub(super) async fn call(&self, name: &str, arguments: Value) -> Result<String, ToolFault> {
        let call = ToolCall { id: "1".into(), name: name.into(), arguments: arguments.to_string() };
        let toolbox = if name.starts_with("mcp__") { Toolbox::of_servers().unwrap() } else { &self.toolbox };
        let planned = toolbox.plan(&call)?;
        toolbox.call(&planned, &self.site()).await.map(|output| output.text)
    }

    /// The text of a call that works.
    pub(super) async fn does(&self, name: &str, arguments: Value) -> String {
        self.call(name, arguments).await.unwrap()
    }

    /// What the model is told of a call that does not.
    pub(super) async fn told(&self, name: &str, arguments: Value) -> String {
        match self.call(name, arguments.clone()).await {
            Err(ToolFault::Told(text)) => text,
            other => panic!("{name} {arguments}: {other:?}"),
        }
    }
}

#[async_trait]
impl Repository for Bench {
    async fn commit(&self, message: &str) -> Result<String, ToolFault> {
        told(crate::workspace::git::commit_here(&self.root, message, NOW))
    }

    async fn merge(&self, revision: &str) -> Result<String, ToolFault> {
        told(crate::workspace::git::merge_here(&self.root, revision, NOW))
    }
}

fn told(done: Result<String, crate::workspace::git::Error>) -> Result<String, ToolFault> {
    done.map_err(|error| ToolFault::Told(error.to_string()))
}

#[async_trait]
impl Commands for Seen {
    async fn run(&self, line: &str, timeout_ms: u64) -> Result<Ran, Failure> {
        self.lines.lock().unwrap().push((line.to_owned(), timeout_ms));
        let quiet = Ran { code: Some(0), timed_out: false, output: Vec::new(), output_bytes: 0 };
        Ok(self.ran.lock().unwrap().take().unwrap_or(quiet))
    }
}

#[async_trait]
impl Checks for Seen {
    async fn run(&self, names: &[String]) -> Result<String, Failure> {
        self.checks.lock().unwrap().push(names.to_vec());
        Ok("all green".to_owned())
    }
}

impl Outputs for Kept {
    fn whole(&self, handle: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.0.get(handle).cloned())
    }
}
