//! Steps of kind `agent`: the walk of `agents/walk`, joined to the record, a worktree, the models and the checks.
//!
//! Order of things: worktree made ready at what the attempt began from, role read as the project began with it, walk (which puts each of its calls on
//! record), artifacts written beside the work, files kept. An answer that says "this is not good" (a review that asks for
//! changes, tests that fail, findings) fails the step as `rejected`: it is an answer, and nothing to try again.

mod diary;
mod ground;
mod line;
mod models;
mod process;
mod recalled;
mod servers;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::runner::{Done, Settings, stopped};
use crate::agents::roles::Role;
use crate::agents::signatures::Signature;
use crate::agents::walk::{self, AgentEnd, AgentOrder, Limits};
use crate::domain::effect::{AgentRequest, StepOrder, StepRequest, StopCause, WorkspaceOrder};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::limits;
use crate::domain::workflow::ModelsSpec;
use crate::engine::ports::StepControl;
use crate::workspace::{Lease, Workspaces};
use diary::Diary;
use ground::{Began, Ground};
use line::Line;
pub use models::{ModelSource, NoModels};
pub(super) use process::{Running, Shell, Witness};
pub use recalled::Recalled;

/// Where a repository keeps roles of its own.
const ROLES: &str = ".wfctl/roles";
/// How much longer than its grace a command may take to be gone.
const LAST_MOMENT: Duration = Duration::from_secs(2);
/// Where artifacts are written in a worktree whose work is merged.
const ARTIFACTS: &str = ".wfctl/artifacts";

/// One step of kind `agent`.
pub(super) struct AgentStep {
    pub settings: Arc<Settings>,
    pub order: Arc<StepOrder>,
}

impl AgentStep {
    pub async fn run(self, control: StepControl) -> Done {
        let StepRequest::Agent(request) = &self.order.request else {
            return Failure::new(FailureClass::Internal, "this is not an agent").into();
        };
        let (mut stop, running) = (control.clone(), Running::default());
        let mut walk = std::pin::pin!(self.walk(request, &control, &running));
        let cause = tokio::select! {
            biased;
            cause = stop.stopped() => cause,
            walked = &mut walk => return walked.unwrap_or_else(Done::from),
        };
        if running.any() {
            // A command has been told to stop as well; what it does in its last moment must not meet the next step.
            let grace = if cause == StopCause::Shutdown { self.settings.shutdown_grace } else { self.settings.grace };
            let _ = tokio::time::timeout(grace + LAST_MOMENT, walk).await;
        }
        if cause == StopCause::Cancel {
            self.forget_log();
        }
        stopped(cause).into()
    }

    /// Nobody goes on with the log of a step that was cancelled.
    fn forget_log(&self) {
        let order = &self.order;
        let log = self.settings.live_log(&order.project, order.task, order.attempt, order.step);
        if let Err(error) = crate::workspace::files::remove_if_there(&log) {
            tracing::warn!(step = order.key(), %error, "a live log stays behind");
        }
    }

    async fn walk(&self, request: &AgentRequest, control: &StepControl, running: &Running) -> Result<Done, Failure> {
        let workspaces = &self.settings.workspaces;
        let lease = workspaces.prepare(&self.order.project, &self.order.workspace).await?;
        if request.merges {
            self.can_write_artifacts(&lease)?;
        }
        let role = role(workspaces, &self.order.workspace, &request.spec.role).await?;
        let checks = self.settings.checks_of(lease.dir()).await?;
        let (with, conflict) = self.meet(request, &lease).await?;
        // Nothing has run yet.
        let tree = lease.checkpoint_untouched().await?;
        let began = Began { tree, conflict, checks, remembers: role.memory };
        let order = &self.order;
        let live = self.settings.live_log(&order.project, order.task, order.attempt, order.step);
        let diary = Diary::open(&live, &self.settings.masks);
        let line = Line::new(&self.settings, &self.order, control, &diary);
        let models = self.settings.models.models(&spec_of(request), &role.name, request.priced).await?;
        let agent = self.order_of(request, role, with)?;
        let allowed = match &agent.role.sandbox {
            Some(sandbox) => Arc::new(self.order.allowed.narrowed(sandbox)),
            None => self.order.allowed.clone(),
        };
        let (settings, order) = (self.settings.clone(), self.order.clone());
        let ground = Ground::new(settings, order, &lease, control, began, allowed, running.clone());
        let end = walk::run(&agent, &line, &*models, &ground).await;
        // With it go the servers that were started for it: nobody writes into the files that are kept now.
        drop(ground);
        let mut done = self.ended(request, &agent.role, end, &lease, &diary).await;
        done.log = diary.kept(&*self.settings.sink);
        Ok(done)
    }

    fn order_of(&self, request: &AgentRequest, mut role: Role, with: Value) -> Result<AgentOrder, Failure> {
        let models = if request.spec.models.is_empty() {
            let spec = &request.models.models;
            spec.roles.get(&role.name).filter(|models| !models.is_empty()).unwrap_or(&spec.default).clone()
        } else {
            request.spec.models.clone()
        };
        let models = if models.is_empty() { role.models.clone() } else { models };
        if models.is_empty() {
            let message = format!(
                "no model is chosen for the role {}: give --model, or [models] in the configuration",
                role.name
            );
            return Err(Failure::new(FailureClass::ModelNotFound, message));
        }
        if !request.spec.tools.is_empty() {
            role.tools.clone_from(&request.spec.tools);
        }
        Ok(AgentOrder {
            project: self.order.project.to_string(),
            task: self.order.name.to_string(),
            role,
            with,
            attempt: self.order.attempt.0,
            previous: request.previous.clone(),
            models,
            limits: Limits {
                turns: request.spec.turns,
                tokens: request.spec.budget.tokens,
                usd_micros: request.spec.budget.usd_micros,
                no_progress_turns: None,
            },
        })
    }

    /// What a merger is given: the files with both sides of each conflict, and what both sides were about.
    async fn meet(&self, request: &AgentRequest, lease: &Lease) -> Result<(Value, Vec<String>), Failure> {
        let (Some(theirs), Some(ours)) = (&request.resolves, &request.base) else {
            return Ok((request.with.clone(), Vec::new()));
        };
        let base_dir = Path::new(&*self.order.workspace.base_dir);
        let theirs = super::merge::commit(&self.settings, &self.order.project, base_dir, theirs).await?;
        let workspaces = &self.settings.workspaces;
        let prepared = workspaces.prepare_conflict(base_dir, ours, &theirs).await?;
        let context = workspaces.conflict_context(base_dir, ours, &theirs).await?;
        lease.restore(&prepared.tree).await?;
        let mut with = request.with.clone();
        if let Value::Object(fields) = &mut with {
            fields.insert("conflict".to_owned(), ground::told_of(&context));
        }
        Ok((with, prepared.paths))
    }

    async fn ended(&self, request: &AgentRequest, role: &Role, end: AgentEnd, lease: &Lease, diary: &Diary) -> Done {
        let answer = match end.answer {
            Ok(answer) => answer,
            Err(failure) => return Done { tree: end.tree, ..failure.into() },
        };
        if request.merges
            && let Err(failure) = self.write_artifacts(&end.artifacts, lease)
        {
            return failure.into();
        }
        let tree = match lease.checkpoint().await {
            Ok(tree) => tree,
            Err(failure) => return failure.into(),
        };
        let text = serde_json::to_string_pretty(&answer).unwrap_or_default();
        diary.say(&format!("\n== answer ==\n{text}\n"));
        let signature = Signature::named(&role.output);
        let result = match signature.filter(|signature| !signature.claims_success(&answer)) {
            Some(_) => Err(Failure::new(FailureClass::Rejected, verdict(&role.name, &answer))),
            None => self.settings.keep(under_its_message(answer, end.message).to_string().as_bytes()),
        };
        Done { result, log: None, code: None, tree, ran_under: None }
    }

    /// Refuses a repository in which artifacts would go elsewhere, before a model is paid for them. Trying again changes nothing.
    fn can_write_artifacts(&self, lease: &Lease) -> Result<(), Failure> {
        let mut folder = lease.dir().to_owned();
        for part in Path::new(ARTIFACTS) {
            folder.push(part);
            if std::fs::symlink_metadata(&folder).is_ok_and(|found| !found.is_dir()) {
                let name = folder.strip_prefix(lease.dir()).unwrap_or(&folder).display();
                let message =
                    format!("{name} of the repository is no folder (a link, or a file), and artifacts go below it");
                return Err(Failure::new(FailureClass::NotFound, message));
            }
        }
        Ok(())
    }

    /// Artifacts become files of the branch, in a folder that tasks do not share.
    fn write_artifacts(&self, artifacts: &[walk::Artifact], lease: &Lease) -> Result<(), Failure> {
        let boundary = crate::workspace::boundary::Boundary::open(lease.dir())
            .map_err(|error| Failure::new(FailureClass::Workspace, error.to_string()))?;
        let folder = format!("{ARTIFACTS}/{}/{}", self.order.project, file_name(&self.order.name));
        for artifact in artifacts {
            let content = self.settings.read(&artifact.content)?;
            let path = format!("{folder}/{}", artifact.name);
            boundary
                .path(&path)
                .and_then(|path| boundary.write(&path, &content))
                .map_err(|error| Failure::new(FailureClass::Workspace, format!("cannot write {path}: {error}")))?;
        }
        Ok(())
    }
}

/// The models of a workflow, with what a task names in their place.
fn spec_of(request: &AgentRequest) -> ModelsSpec {
    request.models.models.clone()
}

/// The role as the commit has it that the project began from, or as it is shipped: no agent rewrites its own reviewer.
async fn role(workspaces: &Workspaces, order: &WorkspaceOrder, name: &str) -> Result<Role, Failure> {
    let path = format!("{ROLES}/{name}.md");
    let own = workspaces.file_at_base(order, &path, limits::ROLE_FILE_BYTES as u64 + 1).await?;
    let no_text = |_| Failure::new(FailureClass::NotFound, format!("the role file {path} is not UTF-8 text"));
    let own = own.map(String::from_utf8).transpose().map_err(no_text)?;
    Role::load(name, own.as_deref()).map_err(|error| Failure::new(FailureClass::NotFound, error.to_string()))
}

/// The answer with the message that the agent gave its work, which is what the merge queue takes it in under.
fn under_its_message(mut answer: Value, message: Option<String>) -> Value {
    if let (Some(message), Value::Object(fields)) = (message, &mut answer) {
        fields.insert("commit_message".to_owned(), message.into());
    }
    answer
}

/// A task's name as the name of a folder.
fn file_name(task: &str) -> String {
    task.chars().map(|c| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect()
}

/// The one line that stands for a negative answer; the whole of it is the step's log.
fn verdict(role: &str, answer: &Value) -> String {
    let summary = answer.get("summary").and_then(Value::as_str).unwrap_or("see its log");
    let line = summary.lines().next().unwrap_or_default();
    let short: String = line.chars().take(limits::MESSAGE_CHARS).collect();
    format!("the {role} says no: {short}")
}
