//! What a decision asks the world to do, as data. Performing an effect twice must be harmless, and none is performed
//! before the records that justify it are durable.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::budget::Amounts;
use super::call::RecordedCall;
use super::ids::{Attempt, Digest, ProjectId, StepIx, TaskIx};
use super::sandbox::Allowance;
use super::time::Millis;
use super::workflow::{AgentSpec, Definition, EffectClass, HttpSpec, Timeouts, WorkspaceKind};

/// One thing to do once its records are durable.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Run a step and report its outcome.
    RunStep(Box<StepOrder>),
    /// Stop a running step; its runner still reports an outcome once the step is really dead.
    StopStep {
        /// The task whose step it is.
        task: TaskIx,
        /// The attempt.
        attempt: Attempt,
        /// Why.
        cause: StopCause,
    },
    /// Wake the project at `due`.
    SetTimer {
        /// When.
        due: Millis,
        /// What for.
        key: TimerKey,
    },
    /// Create the child project unless it exists, and report when it closes.
    StartChild(Box<ChildOrder>),
    /// Cancel or kill a child project.
    StopChild {
        /// The parent's task.
        task: TaskIx,
        /// Its id.
        child: ProjectId,
        /// Whether its undo commands run.
        undo: bool,
    },
}

/// Why a step is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// The total time limit passed.
    Timeout,
    /// It was silent for too long.
    Idle,
    /// The project is being cancelled or killed.
    Cancel,
    /// The engine is stopping; the attempt will be continued.
    Shutdown,
}

/// What a timer is for. A timer that no longer fits the state when it fires is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerKey {
    /// A backoff, a wait, a deadline of an approval or of a lease: the task's `due`.
    Task(TaskIx),
    /// The deadline of the gate that is being asked.
    Gate,
    /// The wall-time cap of the project.
    Wall,
}

/// Everything a runner needs for one step. The texts are rendered; nothing is left to decide.
#[derive(Debug, Clone)]
pub struct StepOrder {
    /// The project.
    pub project: ProjectId,
    /// The task.
    pub task: TaskIx,
    /// Its name.
    pub name: Arc<str>,
    /// The attempt.
    pub attempt: Attempt,
    /// The step.
    pub step: StepIx,
    /// What to run.
    pub request: StepRequest,
    /// Digest of the request, as journaled.
    pub input: Digest,
    /// What may be done when its outcome stays unknown.
    pub effect: EffectClass,
    /// Whether an earlier execution of this very step may have left traces (the engine stopped in its middle).
    pub maybe_ran: bool,
    /// Time limits.
    pub timeouts: Timeouts,
    /// Where it runs.
    pub workspace: WorkspaceOrder,
    /// What its commands may reach.
    pub allowed: Arc<Allowance>,
    /// Environment variables set for it, in name order.
    pub env: Vec<(String, String)>,
    /// Names of the secrets that it is handed, in name order.
    pub secrets: Vec<String>,
    /// What was reserved for it.
    pub reserved: Amounts,
    /// The calls that this attempt of an agent has on record.
    pub calls: Vec<RecordedCall>,
}

impl StepOrder {
    /// An id for this step that is the same whenever it is run again; sent as idempotency key, put into the environment.
    pub fn key(&self) -> String {
        format!("{}/{}/{}/{}", self.project, self.task, self.attempt, self.step)
    }
}

/// The kinds of steps that leave the engine.
#[derive(Debug, Clone, PartialEq)]
pub enum StepRequest {
    /// A command.
    Run {
        /// For `/bin/sh -c`.
        command: String,
        /// Tells whether the effect has already happened; asked first when `maybe_ran`.
        probe: Option<String>,
        /// How stdout is read.
        output: super::workflow::OutputFormat,
    },
    /// An HTTP request, rendered.
    Http {
        /// The request.
        request: HttpSpec,
        /// How the body is read.
        output: super::workflow::OutputFormat,
    },
    /// An agent's conversation.
    Agent(Box<AgentRequest>),
    /// The task's files go to the integration branch.
    Merge(Box<MergeOrder>),
    /// The integration branch goes to a branch of the user's.
    Land(Box<LandOrder>),
}

/// What an agent is given.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentRequest {
    /// The agent as declared.
    pub spec: AgentSpec,
    /// Its inputs, rendered.
    pub with: serde_json::Value,
    /// Models and providers of the workflow.
    pub models: Arc<Definition>,
    /// How earlier attempts of the task failed, oldest first.
    pub previous: Vec<String>,
    /// It may not be done before checks have passed on what it leaves behind, and a commit goes to the integration branch.
    pub merges: bool,
    /// The commit that its work is built on.
    pub base: Option<String>,
    /// It resolves the conflict of this work with the integration branch.
    pub resolves: Option<Box<MergeOrder>>,
    /// When its task began: the time of what it commits.
    pub time: Millis,
    /// A money cap is in force: a model without a known price is refused.
    pub priced: bool,
}

/// What the merge queue is given. Everything that goes into the commit is here, so that making it again gives the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeOrder {
    /// The task's name; its branch is named after it.
    pub task: String,
    /// The files; `None`: those it began from.
    pub tree: Option<String>,
    /// The commit that the work began from.
    pub base: Option<String>,
    /// The work whose conflict it resolves; its commit becomes a second parent.
    pub resolves: Option<Box<MergeOrder>>,
    /// What the commit says: a line, and perhaps more below it.
    pub message: String,
    /// Who did the work: the role, or the kind of action.
    pub author: String,
    /// The commit's time.
    pub time: Millis,
    /// What must be green before the branch moves.
    pub gates: Vec<String>,
    /// The repository's own checks are gates, too.
    pub checks: bool,
    /// Most members of a batch.
    pub batch: u32,
}

/// Where the integration branch goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LandOrder {
    /// The branch; empty: the one that the user's checkout is on.
    pub into: String,
    /// What goes there.
    pub commit: String,
    /// Of a merge commit, when one is needed.
    pub time: Millis,
    /// What was landed before and is to be taken back, in place of landing anything.
    pub back: Option<LandedBefore>,
}

/// What became of a landing: the value of a step of that kind, as far as it is needed to take it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LandedBefore {
    /// The branch.
    pub branch: String,
    /// The commit it was at; `None`: not known, or it had all of it before.
    pub from: Option<String>,
    /// The commit it went to, or would have gone to.
    pub to: String,
    /// Whether it did.
    pub moved: bool,
}

impl StepRequest {
    /// The stable name of the kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Run { .. } => "run",
            Self::Http { .. } => "http",
            Self::Agent(_) => "agent",
            Self::Merge(_) => "merge",
            Self::Land(_) => "land",
        }
    }
}

/// Where a step runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceOrder {
    /// Which kind.
    pub kind: WorkspaceKind,
    /// The folder the project was started for.
    pub base_dir: Arc<str>,
    /// `Worktree`: the commit that the project starts from.
    pub base_commit: Option<Arc<str>>,
    /// `Worktree`: the trees of what the task needs; their three-way merge over the base is what the step starts from.
    /// Empty: the base commit's own tree.
    pub trees: Vec<String>,
}

/// A child project to create.
#[derive(Debug, Clone)]
pub struct ChildOrder {
    /// The parent's task.
    pub task: TaskIx,
    /// The child's id, fixed by the parent's.
    pub child: ProjectId,
    /// Its definition.
    pub definition: Arc<Definition>,
    /// Its inputs, a JSON object.
    pub inputs: serde_json::Map<String, serde_json::Value>,
    /// The folder it is started for.
    pub base_dir: Arc<str>,
    /// Its nesting depth.
    pub depth: u32,
}
