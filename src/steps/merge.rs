//! Steps of kind `merge` and `land`: a task's files become a commit, the commit a part of the integration branch, and that a part
//! of a branch of the user's. All of it is looked for first, so doing it twice is harmless.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::agent::{Running, Shell, Witness};
use super::runner::{Done, Settings, stopped};
use crate::domain::effect::{LandOrder, MergeOrder, StepOrder, StepRequest};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::ProjectId;
use crate::domain::limits;
use crate::domain::project::Merged;
use crate::engine::ports::{StepControl, step_control};
use crate::workspace::{self, Gate, GateReport, MergeFault, MergeRequest, TaskCommit};

/// The gate that stands for the repository's own checks.
const CHECKS: &str = "the repository's checks";

/// How often a step in the queue says that it is alive.
const PULSE: Duration = Duration::from_secs(1);

/// One step of kind `merge` or `land`.
pub(super) struct MergeStep<'r> {
    pub settings: &'r Arc<Settings>,
    pub order: &'r Arc<StepOrder>,
}

impl MergeStep<'_> {
    pub async fn run(&self, control: StepControl) -> Done {
        let mut stop = control.clone();
        let done = async {
            match &self.order.request {
                StepRequest::Merge(order) => self.merge(order, &control).await,
                StepRequest::Land(order) => self.land(order).await,
                StepRequest::Run { .. } | StepRequest::Http { .. } | StepRequest::Agent(_) => {
                    Err(Failure::new(FailureClass::Internal, "this is no merge"))
                }
            }
        };
        tokio::select! {
            biased;
            cause = stop.stopped() => stopped(cause).into(),
            done = done => done.unwrap_or_else(Done::from),
        }
    }

    fn base_dir(&self) -> PathBuf {
        PathBuf::from(&*self.order.workspace.base_dir)
    }

    async fn merge(&self, merge: &MergeOrder, control: &StepControl) -> Result<Done, Failure> {
        let (project, base_dir) = (&self.order.project, self.base_dir());
        let commit = commit(self.settings, project, &base_dir, merge).await?;
        let base_commit = self.order.workspace.base_commit.as_deref().map(str::to_owned);
        let base_commit = base_commit
            .ok_or_else(|| Failure::new(FailureClass::Workspace, "the project is not in a git repository"))?;
        let mut gates = merge.gates.clone();
        if merge.checks {
            gates.push(CHECKS.to_owned());
        }
        let request = MergeRequest {
            project: project.clone(),
            base_dir,
            base_commit,
            task: merge.task.clone(),
            commit: commit.clone(),
            message: String::new(),
            time: merge.time,
            gates,
            batch_max: merge.batch,
            conflict_of: merge.resolves.as_ref().map(|other| other.task.clone()),
        };
        let witness = Witness::default();
        let gate = Gates { settings: self.settings.clone(), order: self.order.clone(), witness: witness.clone() };
        let merged = self.settings.workspaces.queue().merge(request, Arc::new(gate));
        match self.waiting(merged, control).await {
            Ok(merged) => {
                if let Some(flaky) = &merged.flaky {
                    tracing::warn!(task = merge.task, gate = flaky.gate, "a gate was red and then green");
                }
                let workspace::Merged { commit: integration, tree, position, .. } = merged;
                let answer = Merged { commit, integration, tree: tree.clone(), position };
                let answer = serde_json::to_vec(&answer)
                    .map_err(|error| Failure::new(FailureClass::Internal, error.to_string()))?;
                Ok(Done {
                    result: Ok(self.settings.keep(&answer)?),
                    log: None,
                    code: None,
                    tree: Some(tree),
                    ran_under: witness.take(),
                })
            }
            Err(fault) => Err(refused(fault)),
        }
    }

    /// Waiting in the queue is no silence: whatever it waits for has a time limit of its own.
    async fn waiting<T>(&self, merged: impl Future<Output = T>, control: &StepControl) -> T {
        let mut merged = std::pin::pin!(merged);
        let mut pulse = tokio::time::interval(PULSE);
        loop {
            tokio::select! {
                biased;
                merged = &mut merged => return merged,
                _ = pulse.tick() => control.alive(self.settings.clock.monotonic_ms()),
            }
        }
    }

    async fn land(&self, land: &LandOrder) -> Result<Done, Failure> {
        let (workspaces, base_dir) = (&self.settings.workspaces, self.base_dir());
        let branch = match land.into.as_str() {
            "" => workspaces.checked_out_branch(&base_dir).await?,
            named => named.to_owned(),
        };
        let order = workspace::LandOrder {
            base_dir,
            project: self.order.project.clone(),
            branch,
            commit: land.commit.clone(),
            message: format!("Merge the result of {}\n", self.order.project),
            time: land.time,
        };
        let landed = match &land.back {
            None => workspaces.land(order).await?,
            Some(before) if before.moved => workspaces.land_back(order, before.from.clone()).await?,
            Some(before) => workspace::Landed {
                branch: before.branch.clone(),
                from: None,
                to: before.to.clone(),
                moved: false,
                why_not: Some(format!("nothing had been landed on {}", before.branch)),
            },
        };
        let mut value = json!({
            "branch": landed.branch,
            "moved": landed.moved,
            "from": landed.from,
            "to": landed.to,
            "why_not": landed.why_not,
        });
        if land.back.is_some() {
            value["back"] = true.into();
        }
        Ok(Done {
            result: Ok(self.settings.keep(value.to_string().as_bytes())?),
            log: None,
            code: None,
            tree: None,
            ran_under: None,
        })
    }
}

/// The commit of a task's work; the same order gives the same one. The work whose conflict it resolves becomes its second parent.
pub(super) async fn commit(
    settings: &Settings,
    project: &ProjectId,
    base_dir: &Path,
    merge: &MergeOrder,
) -> Result<String, Failure> {
    let base =
        merge.base.clone().ok_or_else(|| Failure::new(FailureClass::Workspace, "the work began from no commit"))?;
    let mut parents = vec![base.clone()];
    if let Some(other) = &merge.resolves {
        parents.push(Box::pin(commit(settings, project, base_dir, other)).await?);
    }
    let workspaces = &settings.workspaces;
    let tree = match &merge.tree {
        Some(tree) => tree.clone(),
        None => workspaces.tree_of(base_dir, &base).await?,
    };
    let masker = settings.masks.now();
    if !masker.is_empty() {
        let found = workspaces.known_secrets(base_dir, &base, &tree, masker).await?;
        if let Some(first) = found.first() {
            let message =
                format!("the work holds a secret and is not committed: {first}; take it out, then retry the task");
            return Err(Failure::new(FailureClass::Validation, message));
        }
    }
    let order = TaskCommit {
        base_dir: base_dir.to_owned(),
        project: project.clone(),
        task: merge.task.clone(),
        tree,
        parents,
        message: format!("{}\n\nWfctl-Project: {project}\nWfctl-Task: {}\n", merge.message, merge.task),
        author: format!("wfctl agent ({})", merge.author),
        time: merge.time,
    };
    if merge.resolves.is_some() {
        workspaces.commit_resolution(order).await
    } else {
        workspaces.commit_task(order).await
    }
}

fn refused(fault: MergeFault) -> Failure {
    match fault {
        MergeFault::Conflict { paths, .. } => {
            let message = format!("it conflicts with what is merged already, in {}", paths.join(", "));
            Failure::new(FailureClass::Conflict, message)
        }
        MergeFault::Red { gate, excerpt } => {
            let text = format!("with it, {gate} fail on the integration branch:\n{excerpt}");
            let short: String = text.chars().take(limits::REMEMBERED_FAILURE_BYTES / 4).collect();
            Failure::new(FailureClass::Validation, short)
        }
        MergeFault::Failed(failure) => failure,
    }
}

/// Gates as commands in the queue's worktree. They are the batch's and not one member's: the queue stops them when every member
/// has withdrawn.
struct Gates {
    settings: Arc<Settings>,
    order: Arc<StepOrder>,
    witness: Witness,
}

#[async_trait]
impl Gate for Gates {
    async fn check(&self, gate: &str, dir: &Path) -> Result<GateReport, Failure> {
        let (_running, control) = step_control(self.settings.clock.monotonic_ms());
        let (allowed, witness) = (self.order.allowed.clone(), self.witness.clone());
        let shell = Shell::new(&self.settings, &self.order, &control, dir, allowed, Running::default(), witness);
        let report = if gate == CHECKS {
            self.settings.checked(&shell, dir).await?
        } else {
            workspace::checks::run(&[workspace::checks::Check::named(gate, gate)], &shell).await?
        };
        Ok(GateReport { passed: report.green, excerpt: report.to_text(limits::REMEMBERED_FAILURE_BYTES / 2) })
    }
}
