//! What the journal says happened: one variant per kind of record, each applied purely by `project/apply.rs`.
//!
//! Variants are data for people too: `wfctl events` prints them. Their stored form (a kind number and a versioned body) is
//! decided in `journal/codec.rs`; a variant added here needs a number there, and the codec's golden test says so.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::budget::{Amounts, Caps, Dimension};
use super::call::{CallIntent, CallOutcome};
use super::failure::{Failure, FailureClass};
use super::ids::{Attempt, CallIx, Digest, ProjectId, StepIx, TaskIx};
use super::machine::{Phase, ProjectStatus};
use super::payload::{BlobRef, Payload};
use super::sandbox::Attestation;
use super::time::Millis;
use super::workflow::{EffectClass, WorkspaceKind};

/// Who caused a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Actor {
    /// The engine itself.
    Engine,
    /// A person at the command line, by login name.
    User(String),
    /// A caller of the API or socket, by the name it gave.
    Api(String),
    /// A parent project.
    Parent(ProjectId),
}

/// Everything that is fixed when a project starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Created {
    /// The workflow's name.
    pub workflow: String,
    /// The pinned definition: a blob of canonical JSON.
    pub definition: BlobRef,
    /// The inputs as a JSON object, defaults filled in.
    pub inputs: Payload,
    /// Captured environment (`pass_env`), in name order.
    pub env: Vec<(String, String)>,
    /// The folder the project was started for; absolute.
    pub base_dir: String,
    /// The workflow file, when it came from one; for `wfctl diff`.
    pub source: Option<String>,
    /// Where commands run.
    pub workspace: WorkspaceKind,
    /// The commit that worktrees start from; hexadecimal.
    pub base_commit: Option<String>,
    /// Seed of all retry jitter of the project.
    pub seed: u64,
    /// The parent's task that this is the child of.
    pub parent: Option<(ProjectId, TaskIx)>,
    /// Nesting depth; 0 without a parent.
    pub depth: u32,
}

/// Why a project does not go on by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HoldReason {
    /// A person paused it.
    Person {
        /// What they said.
        comment: String,
    },
    /// A task has no attempts left, or failed in a way that is not retried.
    Exhausted {
        /// The task.
        task: TaskIx,
        /// Its last failure.
        class: FailureClass,
    },
    /// A cap is reached.
    Budget {
        /// Which one.
        dimension: Dimension,
    },
    /// The disk floor is reached.
    Disk {
        /// Free bytes when it was noticed.
        free_bytes: u64,
    },
    /// A step took the engine down too often.
    Poison {
        /// The task.
        task: TaskIx,
    },
}

/// Why a phase is entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PhaseCause {
    /// The project started.
    Started,
    /// The phase before is done.
    Forward,
    /// A later phase failed and has a loop-back to here.
    LoopBack {
        /// The phase that failed or was rejected.
        from: Phase,
    },
}

/// Why a task is skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SkipReason {
    /// Its `when` is false.
    Condition,
    /// Something it needs failed, was cancelled, or was skipped for this reason.
    Upstream {
        /// What it needs.
        task: TaskIx,
    },
}

/// What a task waits for from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Await {
    /// A person's decision.
    Approval {
        /// The question, rendered.
        ask: String,
    },
    /// A signal by name.
    Signal {
        /// The name, rendered.
        name: String,
    },
    /// A point in time.
    Time,
    /// A worker outside.
    External {
        /// The queue.
        queue: String,
        /// What the worker is given.
        payload: String,
    },
    /// A child project.
    Child {
        /// Its id.
        project: ProjectId,
    },
    /// The items of a `foreach`.
    Items,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepOutcome {
    /// `Ok`: the value that expressions see; `Err`: why not.
    pub result: Result<Payload, Failure>,
    /// The whole output, both streams interleaved.
    pub log: Option<BlobRef>,
    /// Exit code or HTTP status.
    pub code: Option<i32>,
    /// Execution time by the monotonic clock.
    pub duration_ms: u64,
    /// What it used beyond the call itself.
    pub used: Amounts,
    /// The worktree's tree after the step.
    pub tree: Option<String>,
    /// What its command ran under; `None`: no command ran.
    pub ran_under: Option<Arc<Attestation>>,
}

/// Who decided an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// Yes.
    Approved,
    /// No.
    Rejected,
}

/// How a doubt about a step's outcome is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DoubtAnswer {
    /// Run it again.
    Rerun,
    /// It happened; go on.
    Done,
    /// It did not work; fail the task.
    Fail,
}

/// One thing that happened to a project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    // --- the project -------------------------------------------------------------------------------------------------
    /// Accepted and pinned. NEW.
    Created(Box<Created>),
    /// A lifecycle transition to `phase`; its tasks start afresh in round `round`.
    PhaseEntered {
        /// The phase.
        phase: Phase,
        /// How often it has been entered; the first is 1.
        round: u32,
        /// Why.
        cause: PhaseCause,
    },
    /// The gate after a phase is asked. AWAITING_APPROVAL.
    GateAsked {
        /// The phase it stands behind.
        phase: Phase,
        /// The question, rendered.
        ask: String,
        /// When silence becomes the answer of `on_timeout`.
        due: Option<Millis>,
    },
    /// The gate after a phase is answered.
    GateAnswered {
        /// The phase it stands behind.
        phase: Phase,
        /// The answer.
        decision: Decision,
        /// What was said.
        comment: String,
    },
    /// PAUSED.
    Held {
        /// Why.
        reason: HoldReason,
    },
    /// Goes on from where it was held.
    Released {
        /// What was said.
        comment: String,
    },
    /// The caps were raised by a person.
    BudgetRaised {
        /// The new caps, all of them.
        caps: Caps,
    },
    /// A person allowed the commands of the project to reach more.
    AllowanceRaised {
        /// All that is allowed now, as JSON.
        allowed: String,
    },
    /// Tasks stop; with `undo`, completed ones are taken back in reverse order. CANCELLING.
    CancelRequested {
        /// Whether to run the undo commands.
        undo: bool,
        /// What was said.
        comment: String,
    },
    /// Terminal: DONE, FAILED or CANCELLED.
    Closed {
        /// Which of the three.
        status: ProjectStatus,
        /// Why, in one line.
        reason: String,
        /// The project's own output: a JSON object of its last phase's outputs.
        output: Payload,
    },

    // --- growth ------------------------------------------------------------------------------------------------------
    /// Tasks added while it runs; the definition stays as pinned.
    TasksAdded {
        /// The phase they belong to.
        phase: Phase,
        /// A JSON list of task specs.
        tasks: Payload,
        /// The task they came from, if any.
        parent: Option<TaskIx>,
    },
    /// A `foreach` became one task per item.
    Expanded {
        /// The `foreach` task.
        task: TaskIx,
        /// The items, a JSON list.
        items: Payload,
        /// How many.
        count: u32,
    },
    /// A branch task was opened for a failing task. DEBUGGING.
    BranchOpened {
        /// The failing task.
        task: TaskIx,
        /// Which branch of it; the first is 1.
        branch: u32,
        /// What it is to repair.
        failure: Failure,
    },
    /// The undo tasks of a cancelled project, each needing the one before.
    UndoPlanned {
        /// What is undone, in this order.
        tasks: Vec<TaskIx>,
    },

    // --- a task ------------------------------------------------------------------------------------------------------
    /// All it needs is there. READY.
    TaskReady {
        /// The task.
        task: TaskIx,
    },
    /// An attempt runs. RUNNING.
    TaskStarted {
        /// The task.
        task: TaskIx,
        /// The attempt.
        attempt: Attempt,
    },
    /// Intent: a step is about to run; nothing of it happened before this record was durable.
    StepStarted {
        /// The task.
        task: TaskIx,
        /// The attempt.
        attempt: Attempt,
        /// The step.
        step: StepIx,
        /// Digest of the rendered request: its kind and texts. Its environment is not part of it.
        input: Digest,
        /// The rendered request when it is short and not plain from the definition.
        shown: String,
        /// What may be done if its outcome stays unknown.
        effect: EffectClass,
        /// Held back in the ledger.
        reserved: Amounts,
        /// The tree its worktree is restored to before it runs.
        tree: Option<String>,
    },
    /// The step ended.
    StepFinished {
        /// The task.
        task: TaskIx,
        /// The attempt.
        attempt: Attempt,
        /// The step.
        step: StepIx,
        /// How.
        outcome: Box<StepOutcome>,
    },
    /// The engine stopped before the step ended; the attempt goes on later and does not count again. READY.
    StepInterrupted {
        /// The task.
        task: TaskIx,
        /// The attempt.
        attempt: Attempt,
        /// The step.
        step: StepIx,
        /// Whether the engine died (it counts toward poison) or stopped in order.
        crashed: bool,
    },
    /// A journaled step no longer matches what would be run; the attempt ends.
    Diverged {
        /// The task.
        task: TaskIx,
        /// The attempt.
        attempt: Attempt,
        /// The step.
        step: StepIx,
        /// The journaled input and the present one.
        recorded: Digest,
        /// The digest of what would run now.
        present: Digest,
    },
    /// The action is done, its checks run. VALIDATING.
    TaskValidating {
        /// The task.
        task: TaskIx,
    },
    /// Waits for something outside. AWAITING_APPROVAL or AWAITING_SIGNAL.
    TaskAwaits {
        /// The task.
        task: TaskIx,
        /// The attempt.
        attempt: Attempt,
        /// What for.
        what: Await,
        /// The deadline or the moment itself.
        due: Option<Millis>,
    },
    /// A person, a deadline or a signal settled the wait.
    TaskAnswered {
        /// The task.
        task: TaskIx,
        /// `Ok`: its output.
        result: Result<Payload, Failure>,
        /// What was said.
        comment: String,
    },
    /// COMPLETED.
    TaskCompleted {
        /// The task.
        task: TaskIx,
        /// What expressions see.
        output: Payload,
    },
    /// A retry is decided. BACKOFF.
    TaskBackoff {
        /// The task.
        task: TaskIx,
        /// The attempt that failed.
        attempt: Attempt,
        /// Its failure.
        failure: Failure,
        /// The delay decided by the policy.
        delay_ms: u64,
        /// When it is ready again.
        due: Millis,
    },
    /// No retry is left and the policy says "pause": the project is held until someone resumes it. BACKOFF without a due time.
    TaskExhausted {
        /// The task.
        task: TaskIx,
        /// The attempt that failed.
        attempt: Attempt,
        /// Its failure.
        failure: Failure,
    },
    /// FAILED.
    TaskFailed {
        /// The task.
        task: TaskIx,
        /// Why.
        failure: Failure,
        /// Whether what needs it goes on all the same.
        tolerated: bool,
    },
    /// SKIPPED.
    TaskSkipped {
        /// The task.
        task: TaskIx,
        /// Why.
        reason: SkipReason,
    },
    /// CANCELLED.
    TaskCancelled {
        /// The task.
        task: TaskIx,
    },
    /// A step that must not run twice has no known outcome. IN_DOUBT.
    TaskInDoubt {
        /// The task.
        task: TaskIx,
        /// The attempt.
        attempt: Attempt,
        /// The step.
        step: StepIx,
    },
    /// A doubt is settled.
    DoubtSettled {
        /// The task.
        task: TaskIx,
        /// How.
        answer: DoubtAnswer,
    },
    /// A person asked for a new series of attempts of a task. READY or PENDING again.
    TaskRetried {
        /// The task.
        task: TaskIx,
    },

    // --- a call inside an agent's step ---------------------------------------------------------------------------------
    /// Intent: a call is about to be made; nothing of it happened before this record was durable, unless it is pure.
    CallStarted {
        /// The task.
        task: TaskIx,
        /// The attempt.
        attempt: Attempt,
        /// What is about to be done.
        call: Box<CallIntent>,
    },
    /// The call ended.
    CallFinished {
        /// The task.
        task: TaskIx,
        /// The attempt.
        attempt: Attempt,
        /// The call.
        call: CallIx,
        /// How.
        outcome: Box<CallOutcome>,
    },
    /// A call that costs money was cut off: whether it was answered is uncertain. It is charged, and will be sent again.
    CallUncertain {
        /// The task.
        task: TaskIx,
        /// The attempt.
        attempt: Attempt,
        /// The call.
        call: CallIx,
        /// What it is charged: all that was reserved.
        charged: Amounts,
    },
    /// A provider of models makes the agent wait; the same attempt goes on where it is. BACKOFF.
    TaskParked {
        /// The task.
        task: TaskIx,
        /// The attempt.
        attempt: Attempt,
        /// What the provider said.
        failure: Failure,
        /// When it goes on; `None`: when someone resumes the project.
        due: Option<Millis>,
    },

    // --- from outside ------------------------------------------------------------------------------------------------
    /// A signal arrived; kept until a wait takes it.
    SignalReceived {
        /// Its name.
        name: String,
        /// Its payload, JSON.
        payload: Payload,
        /// The sender's id for it; a second one with the same id changes nothing.
        request: String,
    },
    /// An external worker took a task.
    LeaseTaken {
        /// The task.
        task: TaskIx,
        /// Who.
        worker: String,
        /// The token that later calls must show.
        token: u64,
        /// When it is void.
        until: Millis,
    },
    /// The worker is alive.
    LeaseRenewed {
        /// The task.
        task: TaskIx,
        /// When it is void now.
        until: Millis,
    },
    /// The worker was silent too long; the task can be claimed again.
    LeaseExpired {
        /// The task.
        task: TaskIx,
    },
    /// Something was asked that the present state does not allow; kept for the audit, changes nothing.
    Refused {
        /// What was asked.
        what: String,
        /// Why not.
        why: String,
    },
    /// An engine took the project over.
    Recovered {
        /// Steps with an outcome that will be read back.
        read_back: u32,
        /// Steps without one that will run again.
        run_again: u32,
        /// Steps without one whose effect will be looked for.
        probed: u32,
        /// Steps without one that a person must decide on.
        in_doubt: u32,
    },
}

impl Event {
    /// The task that it is about; `None` for what is about the project as a whole.
    pub fn task(&self) -> Option<TaskIx> {
        match self {
            Self::Expanded { task, .. }
            | Self::BranchOpened { task, .. }
            | Self::TaskReady { task }
            | Self::TaskStarted { task, .. }
            | Self::StepStarted { task, .. }
            | Self::StepFinished { task, .. }
            | Self::StepInterrupted { task, .. }
            | Self::Diverged { task, .. }
            | Self::TaskValidating { task }
            | Self::TaskAwaits { task, .. }
            | Self::TaskAnswered { task, .. }
            | Self::TaskCompleted { task, .. }
            | Self::TaskBackoff { task, .. }
            | Self::TaskExhausted { task, .. }
            | Self::TaskFailed { task, .. }
            | Self::TaskSkipped { task, .. }
            | Self::TaskCancelled { task }
            | Self::TaskInDoubt { task, .. }
            | Self::DoubtSettled { task, .. }
            | Self::TaskRetried { task }
            | Self::CallStarted { task, .. }
            | Self::CallFinished { task, .. }
            | Self::CallUncertain { task, .. }
            | Self::TaskParked { task, .. }
            | Self::LeaseTaken { task, .. }
            | Self::LeaseRenewed { task, .. }
            | Self::LeaseExpired { task } => Some(*task),
            Self::Created(_)
            | Self::PhaseEntered { .. }
            | Self::GateAsked { .. }
            | Self::GateAnswered { .. }
            | Self::Held { .. }
            | Self::Released { .. }
            | Self::BudgetRaised { .. }
            | Self::AllowanceRaised { .. }
            | Self::CancelRequested { .. }
            | Self::Closed { .. }
            | Self::TasksAdded { .. }
            | Self::UndoPlanned { .. }
            | Self::SignalReceived { .. }
            | Self::Refused { .. }
            | Self::Recovered { .. } => None,
        }
    }
}
