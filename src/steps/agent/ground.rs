//! Where an agent works: its worktree, the tools over it, the repository's checks.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::super::runner::Settings;
use super::process::{Running, Shell, Witness};
use crate::agents::mcp::{self, OwnServers};
use crate::agents::memory::{Came, Given, Memory, Need, Wanted};
use crate::agents::tools::{self, Beyond, Site, ToolFault, Toolbox, World};
use crate::agents::walk::{
    Asks, Brief, CheckReport, Offered, Standing, TestTally, ToolResult, ToolRun, WholeOutputs, Worksite,
};
use crate::domain::chat::{ToolCall, ToolSpec};
use crate::domain::effect::{AgentRequest, StepOrder, StepRequest, WorkspaceOrder};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::limits;
use crate::domain::sandbox::{Allowance, Attestation};
use crate::domain::workflow::{EffectClass, did_you_mean};
use crate::engine::ports::StepControl;
use crate::workspace::boundary::Boundary;
use crate::workspace::checks::{self, Check, CheckResult, Counts, Status};
use crate::workspace::git::{self, IntoFiles};
use crate::workspace::index::{Indexes, Map};
use crate::workspace::{ConflictContext, Lease, Side, TaskCommit, Workspaces, secrets};

/// Standing instructions of a repository, the more particular ones first.
const STANDING: [&str; 2] = [".wfctl/AGENTS.md", "AGENTS.md"];

pub(super) struct Ground<'g> {
    pub(super) settings: Arc<Settings>,
    pub(super) order: Arc<StepOrder>,
    pub(super) lease: &'g Lease,
    control: &'g StepControl,
    /// The files that the attempt began with.
    began_with: Option<String>,
    /// Paths that conflict when it begins.
    conflict: Vec<String>,
    /// The checks that the tree had when it began.
    checks: Vec<Check>,
    pub(super) allowed: Arc<Allowance>,
    running: Running,
    witness: Witness,
    /// The role is given what fits its task from memory.
    remembers: bool,
    /// Servers of tools that were started for the step.
    servers: OwnServers,
    /// Something that may write has run since the files were last looked at, or put in place.
    touched: AtomicBool,
}

/// What an attempt begins with.
pub(super) struct Began {
    pub tree: Option<String>,
    pub conflict: Vec<String>,
    pub checks: Vec<Check>,
    pub remembers: bool,
}

impl<'g> Ground<'g> {
    pub(super) fn new(
        settings: Arc<Settings>,
        order: Arc<StepOrder>,
        lease: &'g Lease,
        control: &'g StepControl,
        began: Began,
        allowed: Arc<Allowance>,
        running: Running,
    ) -> Self {
        let Began { tree, conflict, checks, remembers } = began;
        let witness = Witness::default();
        Self {
            settings,
            order,
            lease,
            control,
            began_with: tree,
            conflict,
            checks,
            allowed,
            running,
            witness,
            remembers,
            servers: OwnServers::default(),
            touched: AtomicBool::new(false),
        }
    }

    /// Itself, as servers of tools are asked by it.
    fn step(&self) -> mcp::Step<'_> {
        mcp::Step { own: &self.servers, encloses: self }
    }

    fn shell(&self) -> Shell<'_> {
        let (allowed, running, witness) = (self.allowed.clone(), self.running.clone(), self.witness.clone());
        Shell::new(&self.settings, &self.order, self.control, self.lease.dir(), allowed, running, witness)
    }

    fn touch(&self) {
        self.touched.store(true, Ordering::SeqCst);
    }

    /// The tree of the files as they are. What runs is over whenever this is asked, so files are looked at only after something ran,
    /// and always while there is a server in the workspace: nobody knows when that one writes.
    async fn tree(&self) -> Result<Option<String>, Failure> {
        if !self.touched.swap(false, Ordering::SeqCst) && !self.servers.any() {
            return self.lease.checkpoint_untouched().await;
        }
        self.lease.checkpoint().await.inspect_err(|_| self.touch())
    }

    async fn checked(&self) -> Result<checks::Report, Failure> {
        self.touch();
        self.settings.checked(&self.shell(), self.lease.dir()).await
    }
}

#[async_trait]
impl Worksite for Ground<'_> {
    async fn brief(&self, given: Option<Given>) -> Result<Brief, Failure> {
        let standing = standing(&self.settings.workspaces, &self.order.workspace).await?;
        let root = self.lease.dir().to_owned();
        let focus = focus_of(&self.order);
        let (indexes, tree) = (self.settings.indexes.clone(), self.began_with.clone());
        let map = tokio::task::spawn_blocking(move || map(&root, tree.as_deref(), &indexes, &focus))
            .await
            .map_err(|error| Failure::new(FailureClass::Internal, format!("the repository cannot be read: {error}")))?;
        Ok(Brief { standing, map, memory: self.remembered(given).await })
    }

    async fn wanted(&self, asks: Asks<'_>) -> Option<Result<Wanted, Failure>> {
        if let Some(recalled) = &self.settings.recalled {
            return recalled.wanted().map(Ok);
        }
        let StepRequest::Agent(request) = &self.order.request else { return None };
        match asks {
            Asks::Brief if !self.remembers => None,
            Asks::Brief => {
                let query = self.query(request);
                self.memory()?.wanted(Need::Search(&query), request.priced).await
            }
            Asks::Tool(name, _) if mcp::is_foreign(name) && !self.is_built_in(name) => None,
            Asks::Tool(name, arguments) => {
                let need = tools::memory_need(name, arguments)?;
                let text = self.settings.models.redact(need.text().to_owned());
                self.memory()?.wanted(need.of(&text), request.priced).await
            }
        }
    }

    async fn embed(&self, _: Asks<'_>, wanted: &Wanted) -> Came {
        match (&self.settings.recalled, self.memory()) {
            (Some(recalled), _) => recalled.vectors(&self.settings).await,
            (None, Some(memory)) => memory.embed(&wanted.texts).await,
            (None, None) => {
                let failure = Failure::new(FailureClass::Internal, "vectors are wanted where there is no memory");
                Came { vectors: Err(failure), usage: None }
            }
        }
    }

    async fn tools(&self, names: &[String]) -> Result<Vec<Offered>, Failure> {
        let (foreign, own): (Vec<&str>, Vec<&str>) =
            names.iter().map(String::as_str).partition(|name| mcp::is_foreign(name));
        let (built_in, foreign): (Vec<&str>, Vec<&str>) = foreign.into_iter().partition(|name| self.is_built_in(name));
        let toolbox = toolbox(&own)?;
        let mut offered: Vec<Offered> = toolbox.specs().into_iter().map(|spec| offer(&toolbox, spec)).collect();
        offered.extend(built_in_tools(&built_in)?);
        if !foreign.is_empty() {
            offered.extend(self.settings.servers()?.offered(&foreign, self.step()).await?);
        }
        Ok(offered)
    }

    async fn run(&self, run: ToolRun<'_>) -> Result<ToolResult, Failure> {
        if let Some(recalled) = self.settings.recalled.as_ref().filter(|_| tools::is_of_memory(run.name)) {
            return recalled.said(run.name, &self.settings).await;
        }
        if run.effect != EffectClass::Pure {
            self.touch();
        }
        let (text, failed) = match mcp::is_foreign(run.name) {
            true if self.is_built_in(run.name) => self.carried_out(Toolbox::of_servers().map_err(none)?, &run).await?,
            true => {
                let given = self.settings.servers()?.call(run.name, run.arguments, self.step()).await?;
                if let Some(ran_under) = given.ran_under {
                    self.witness.saw(ran_under);
                }
                (given.text, given.failed)
            }
            false => self.carried_out(Toolbox::whole().map_err(none)?, &run).await?,
        };
        let text = self.settings.models.redact(text);
        let shown = tools::show(text.as_bytes(), limits::TOOL_OUTPUT_BYTES);
        let full = shown.handle.is_some().then(|| text.into_bytes());
        Ok(ToolResult { text: shown.text, failed, full })
    }

    async fn checkpoint(&self) -> Result<Option<String>, Failure> {
        self.tree().await
    }

    async fn restore(&self, tree: &str) -> Result<(), Failure> {
        self.touch();
        self.lease.restore(tree).await?;
        self.touched.store(false, Ordering::SeqCst);
        Ok(())
    }

    async fn check(&self) -> Result<CheckReport, Failure> {
        let report = self.checked().await?;
        let report = report.with(self.secrets().await?);
        let failing = report.checks.iter().filter(|check| check.status == Status::Failed);
        let mut failing: Vec<String> = failing.map(|check| check.name.clone()).collect();
        let mut text = report.to_text(limits::CHECK_REPORT_BYTES);
        let marked = self.still_marked();
        if !marked.is_empty() {
            text = format!("conflict markers are left in: {}\n{text}", marked.join(", "));
            failing.push("conflict markers".to_owned());
        }
        let gone = self.gone().await?;
        if !gone.is_empty() {
            text = format!("checks that were here when this attempt began are gone: {}\n{text}", gone.join(", "));
            failing.push("checks are gone".to_owned());
        }
        let text = self.settings.models.redact(text);
        let count = |of: fn(&Counts) -> usize| report.checks.iter().map(|check| of(&check.counts) as u64).sum();
        let tests = TestTally { ran: count(|it| it.passed + it.failed + it.flaky), flaky: count(|it| it.flaky) };
        Ok(CheckReport { green: report.green && marked.is_empty() && gone.is_empty(), text, failing, tests })
    }

    fn merges(&self) -> bool {
        matches!(&self.order.request, StepRequest::Agent(request) if request.merges)
    }

    async fn commit(&self, message: &str) -> Result<String, Failure> {
        let StepRequest::Agent(request) = &self.order.request else {
            return Err(Failure::new(FailureClass::Internal, "this is not an agent"));
        };
        let (Some(tree), Some(base)) = (self.tree().await?, request.base.clone()) else {
            return Err(Failure::new(FailureClass::Workspace, "there is no git repository to commit to"));
        };
        let commit = TaskCommit {
            base_dir: Path::new(&*self.order.workspace.base_dir).to_owned(),
            project: self.order.project.clone(),
            task: self.order.name.to_string(),
            tree,
            parents: vec![base],
            message: format!("{}\n", message.trim()),
            author: format!("wfctl agent ({})", request.spec.role),
            time: request.time,
        };
        self.settings.workspaces.commit_task(commit).await
    }

    fn ran_under(&self) -> Option<Arc<Attestation>> {
        self.witness.take()
    }

    async fn changed_files(&self) -> Result<Vec<String>, Failure> {
        let (Some(from), Some(to)) = (&self.began_with, self.tree().await?) else { return Ok(Vec::new()) };
        let base_dir = Path::new(&*self.order.workspace.base_dir);
        self.settings.workspaces.changed_files(base_dir, from, &to).await
    }
}

impl Ground<'_> {
    /// Whether the tool is one of a built-in server. A server that the person configured under the same name is asked instead.
    fn is_built_in(&self, name: &str) -> bool {
        let configured = |server: &str| self.settings.servers.as_ref().is_some_and(|servers| servers.has(server));
        mcp::parts(name).is_some_and(|(server, _)| tools::server_names().contains(&server) && !configured(server))
    }

    /// Makes a call: what it gave, and whether that says why it was not done.
    async fn carried_out(&self, toolbox: &Toolbox, run: &ToolRun<'_>) -> Result<(String, bool), Failure> {
        let (shell, outputs) = (self.shell(), Whole(run.outputs));
        let workspace = &self.order.workspace;
        let now = || self.settings.clock.now();
        let mask = |text: String| self.settings.models.redact(text);
        let given = if tools::is_of_memory(run.name) { self.paid(run.given.clone()) } else { None };
        let world = self.settings.memories.as_deref().map(|memories| World {
            memories,
            dir: Path::new(&*workspace.base_dir),
            task: Some(&self.order.name),
            version: workspace.base_commit.as_deref(),
            now: &now,
            mask: &mask,
            given: given.as_ref(),
        });
        let order = &self.order;
        let notes =
            self.settings.live_log(&order.project, order.task, order.attempt, order.step).with_extension("steps");
        let beyond = Beyond { allowed: &self.allowed, world, repository: self, notes: &notes };
        let site = Site { root: self.lease.dir(), commands: &shell, checks: self, outputs: &outputs, beyond };
        let call = ToolCall { id: String::new(), name: run.name.to_owned(), arguments: run.arguments.to_string() };
        let done = match toolbox.plan(&call) {
            Ok(planned) => toolbox.call(&planned, &site).await,
            Err(fault) => Err(fault),
        };
        match done {
            Ok(output) => Ok((output.text, false)),
            Err(ToolFault::Told(text)) => Ok((text, true)),
            Err(ToolFault::Ends(failure)) => Err(failure),
        }
    }

    /// The memory of the repository; `None` where nobody is asked.
    fn memory(&self) -> Option<Memory> {
        Some(self.settings.memories.as_ref()?.of(Path::new(&*self.order.workspace.base_dir)))
    }

    /// What is looked for in memory with the task.
    fn query(&self, request: &AgentRequest) -> String {
        let query = tools::memory_query(&format!("{} {}", self.order.name, request.with));
        self.settings.models.redact(query)
    }

    /// Vectors that are on record as paid for. Where somebody is paid and nothing is on record, memory makes none itself.
    fn paid(&self, given: Option<Given>) -> Option<Given> {
        let none = || Failure::new(FailureClass::Budget, "no vectors were made for this call");
        given.or_else(|| self.memory()?.is_paid().then(|| Err(none())))
    }

    /// What memory has for the task; a memory that cannot be read is no reason not to begin.
    async fn remembered(&self, given: Option<Given>) -> String {
        if let Some(recalled) = &self.settings.recalled {
            return recalled.given(&self.settings);
        }
        let Some(memory) = self.memory().filter(|_| self.remembers) else { return String::new() };
        let StepRequest::Agent(request) = &self.order.request else { return String::new() };
        match tools::memory_brief(&memory, &self.query(request), self.paid(given)).await {
            Ok(text) => self.settings.models.redact(text),
            Err(error) => {
                tracing::warn!(%error, "an agent begins without its memory");
                String::new()
            }
        }
    }

    /// Secrets in the files that the attempt changed.
    async fn secrets(&self) -> Result<CheckResult, Failure> {
        let began_ms = self.settings.clock.monotonic_ms();
        let (changed, root) = (self.changed_files().await?, self.lease.dir().to_owned());
        let masker = self.settings.masks.now();
        let scanned = tokio::task::spawn_blocking(move || {
            let Ok(boundary) = Boundary::open(&root) else { return Vec::new() };
            let read =
                |path: &String| boundary.path(path).and_then(|it| boundary.read(&it, limits::SMALL_FILE_BYTES)).ok();
            let contents: Vec<(&String, Vec<u8>)> =
                changed.iter().filter_map(|path| Some((path, read(path)?))).collect();
            let mut found: Vec<secrets::Finding> =
                contents.iter().flat_map(|(path, content)| secrets::scan_known(path, content, &masker)).collect();
            found.extend(secrets::scan_files(
                contents.iter().map(|(path, content)| (path.as_str(), content.as_slice())),
            ));
            found.truncate(limits::SECRET_FINDINGS);
            found
        });
        let findings = scanned
            .await
            .map_err(|error| Failure::new(FailureClass::Internal, format!("no scan for secrets: {error}")))?;
        Ok(CheckResult::of_secrets(&findings, self.settings.clock.monotonic_ms().saturating_sub(began_ms)))
    }

    /// Of the checks that the attempt began with, those that nothing here takes the place of: an agent may not make a check
    /// green by removing it.
    async fn gone(&self) -> Result<Vec<String>, Failure> {
        let now = self.settings.checks_of(self.lease.dir()).await?;
        Ok(checks::gone(&self.checks, &now))
    }

    /// Of the files that conflicted, those that still have both sides in them.
    fn still_marked(&self) -> Vec<String> {
        let Ok(boundary) = Boundary::open(self.lease.dir()) else { return self.conflict.clone() };
        let marked = |path: &&String| {
            let read = boundary.path(path).and_then(|path| boundary.read(&path, limits::CHECKPOINT_FILE_BYTES));
            // One that was deleted is resolved, too.
            read.is_ok_and(|bytes| bytes.starts_with(b"<<<<<<< ") || bytes.windows(9).any(|at| at == b"\n<<<<<<< "))
        };
        self.conflict.iter().filter(marked).cloned().collect()
    }
}

#[async_trait]
impl tools::Checks for Ground<'_> {
    async fn run(&self, _: &[String]) -> Result<String, Failure> {
        Ok(self.checked().await?.to_text(limits::CHECK_REPORT_BYTES))
    }
}

/// The task's own branch, and the worktree's files: nothing else of the repository is changed.
#[async_trait]
impl tools::Repository for Ground<'_> {
    async fn commit(&self, message: &str) -> Result<String, ToolFault> {
        Worksite::commit(self, message).await.map_err(ToolFault::Ends)
    }

    async fn merge(&self, revision: &str) -> Result<String, ToolFault> {
        let Some(tree) = self.lease.checkpoint().await.map_err(ToolFault::Ends)? else {
            return Err(ToolFault::Told(
                "this is no worktree of a git repository; there is nothing to merge into".to_owned(),
            ));
        };
        let (root, wanted) = (self.lease.dir().to_owned(), revision.to_owned());
        let merged = tokio::task::spawn_blocking(move || git::merge_into(&root, &tree, &wanted)).await;
        let merged = merged.map_err(|error| {
            ToolFault::Ends(Failure::new(FailureClass::Internal, format!("a merge failed: {error}")))
        })?;
        match merged.map_err(|error| ToolFault::Told(error.to_string()))? {
            IntoFiles::Tree(tree) => {
                self.lease.restore(&tree).await.map_err(ToolFault::Ends)?;
                Ok(format!("the files of the worktree have {revision} in them now"))
            }
            IntoFiles::Conflict(paths) => Err(ToolFault::Told(format!(
                "{revision} conflicts with the files here in: {}; nothing was changed",
                paths.join(", ")
            ))),
        }
    }
}

/// Whole outputs of earlier calls are on the walk's record.
struct Whole<'w>(&'w dyn WholeOutputs);

impl tools::Outputs for Whole<'_> {
    fn whole(&self, handle: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.0.whole(handle)
    }
}

/// The repository's map; one that cannot be made is no reason not to begin.
fn map(root: &Path, tree: Option<&str>, indexes: &Indexes, focus: &[String]) -> String {
    let focus: Vec<&str> = focus.iter().map(String::as_str).collect();
    match indexes.of(root, tree) {
        Ok(index) => Map::render(&index, limits::REPOSITORY_MAP_TOKENS, &focus),
        Err(error) => {
            tracing::warn!(root = %root.display(), error, "an agent begins without a map of the repository");
            String::new()
        }
    }
}

fn toolbox(names: &[&str]) -> Result<Toolbox, Failure> {
    Toolbox::new(names, None).map_err(|problem| none(&problem))
}

fn offer(toolbox: &Toolbox, spec: ToolSpec) -> Offered {
    let effect = match toolbox.kind(&spec.name) {
        Some(tools::Kind::Works(effect)) => effect,
        // A note changes nothing.
        Some(tools::Kind::Control(_)) | None => EffectClass::Pure,
    };
    Offered { spec, effect }
}

/// The tools of built-in servers that `names` mean, in the order of the product.
fn built_in_tools(names: &[&str]) -> Result<Vec<Offered>, Failure> {
    let toolbox = Toolbox::of_servers().map_err(none)?;
    let specs = toolbox.specs();
    let means = |name: &str, spec: &ToolSpec| match name.strip_suffix('*') {
        Some(start) => spec.name.starts_with(start),
        None => spec.name == name,
    };
    if let Some(unknown) = names.iter().find(|name| !specs.iter().any(|spec| means(name, spec))) {
        let near = did_you_mean(unknown, specs.iter().map(|spec| spec.name.as_str())).unwrap_or_default();
        let message = format!("no built-in server has a tool `{unknown}`. {near}");
        return Err(Failure::new(FailureClass::NotFound, message.trim_end().to_owned()));
    }
    let wanted = specs.into_iter().filter(|spec| names.iter().any(|name| means(name, spec)));
    Ok(wanted.map(|spec| offer(toolbox, spec)).collect())
}

fn none(problem: &tools::Problem) -> Failure {
    Failure::new(FailureClass::NotFound, problem.to_string())
}

/// As of the commit that the project began from: what an agent writes instructs nobody.
async fn standing(workspaces: &Workspaces, order: &WorkspaceOrder) -> Result<Vec<Standing>, Failure> {
    let mut found = Vec::new();
    for path in STANDING {
        let bytes = workspaces.file_at_base(order, path, limits::STANDING_BYTES as u64).await?;
        let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
        if !text.trim().is_empty() {
            found.push(Standing { path: path.to_owned(), text });
        }
    }
    Ok(found)
}

/// The words that a map of the repository should favour: the names of files and things in what the agent is given.
fn focus_of(order: &StepOrder) -> Vec<String> {
    let StepRequest::Agent(request) = &order.request else { return Vec::new() };
    let text = request.with.to_string();
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| word.len() > 3);
    let mut focus: Vec<String> = words.map(str::to_lowercase).collect();
    focus.sort_unstable();
    focus.dedup();
    focus.truncate(limits::MAP_FOCUS_WORDS);
    focus
}

/// A conflict in the words of the merger's input.
pub(super) fn told_of(context: &ConflictContext) -> Value {
    let side = |side: &Option<Side>| match side {
        None => json!("(not there)"),
        Some(side) => json!({ "from_line": side.first_line, "text": side.text, "cut": side.is_cut }),
    };
    let paths: Vec<Value> = context
        .paths
        .iter()
        .map(|path| {
            json!({ "path": path.path, "base": side(&path.base), "integrated": side(&path.ours), "task": side(&path.theirs) })
        })
        .collect();
    json!({
        "about": "The files have both sides between conflict markers. `integrated` is what is merged already, `task` is the work \
                  that could not be merged. Keep what both were for.",
        "paths": paths,
        "more_paths": context.more,
        "integrated_commits": context.our_messages,
        "task_commits": context.their_messages,
    })
}
