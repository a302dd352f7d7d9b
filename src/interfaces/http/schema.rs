//! The shapes of what other rooms answer, for the OpenAPI document alone. The values are never of these types; a test checks real
//! answers against them.

use serde::Serialize;
use utoipa::ToSchema;

/// A point in time in milliseconds since 1970.
#[derive(Serialize, ToSchema)]
pub struct Millis(u64);

/// One line of a list of projects.
#[derive(Serialize, ToSchema)]
pub struct Summary {
    /// The project.
    id: String,
    /// Its workflow's name.
    workflow: String,
    /// Its state: NEW, PLANNING, DESIGN, BUILD, TEST, REVIEW, DEPLOY, MONITOR, AWAITING_APPROVAL, PAUSED, CANCELLING, DONE, FAILED, CANCELLED.
    status: String,
    /// When it was created.
    created: Millis,
    /// When its state last changed.
    changed: Millis,
    /// Its parent, for a child project.
    parent: Option<String>,
    /// Why it is held or how it ended, in one line; else empty.
    note: String,
}

/// Caps; an absent one does not limit.
#[derive(Serialize, ToSchema)]
pub struct Caps {
    /// Most steps started.
    calls: Option<u64>,
    /// Most model tokens.
    tokens: Option<u64>,
    /// Most money, in millionths of a US dollar.
    usd_micros: Option<u64>,
    /// Most wall time.
    wall_ms: Option<u64>,
}

/// Amounts of everything that can be limited.
#[derive(Serialize, ToSchema)]
pub struct Amounts {
    /// Steps started.
    calls: u64,
    /// Model tokens.
    tokens: u64,
    /// Millionths of a US dollar.
    usd_micros: u64,
}

/// What is spent, and what is reserved by steps in flight.
#[derive(Serialize, ToSchema)]
pub struct Ledger {
    /// Settled for good.
    spent: Amounts,
    /// Held by steps that have not ended.
    reserved: Amounts,
}

/// A failure.
#[derive(Serialize, ToSchema)]
pub struct Failure {
    /// Its class.
    class: String,
    /// One line.
    message: String,
    /// The other side asked to wait at least this long.
    retry_after_ms: Option<u64>,
}

/// Work that waits for a worker outside.
#[derive(Serialize, ToSchema)]
pub struct ExternalWork {
    /// Its queue.
    queue: String,
    /// What the worker is given.
    payload: serde_json::Value,
    /// Who took it; null: nobody, or their claim ran out.
    worker: Option<String>,
    /// Until when the claim counts without a sign of life.
    until: Option<Millis>,
}

/// What a task does now.
#[derive(Serialize, ToSchema)]
pub struct Doing {
    /// In words.
    what: String,
    /// Which model call of its attempt that is.
    turn: Option<u32>,
    /// Since when.
    since: Millis,
}

/// A task.
#[derive(Serialize, ToSchema)]
pub struct Task {
    /// Its index.
    ix: u32,
    /// Its name.
    name: String,
    /// Its phase.
    phase: String,
    /// Its state: PENDING, READY, RUNNING, VALIDATING, BACKOFF, AWAITING_APPROVAL, AWAITING_SIGNAL, IN_DOUBT, DEBUGGING, COMPLETED,
    /// FAILED, SKIPPED, CANCELLED.
    status: String,
    /// `run`, `agent`, `approval`, ...
    action: String,
    /// The role of its agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    /// The last attempt's number; 0 before the first.
    attempt: u32,
    /// Names of what it needs.
    needs: Vec<String>,
    /// When its present state began.
    since: Millis,
    /// When its first attempt started.
    started: Option<Millis>,
    /// When it ended.
    ended: Option<Millis>,
    /// When it goes on by itself.
    due: Option<Millis>,
    /// What it waits for, in words.
    waits_for: Option<String>,
    /// What it does now.
    #[serde(skip_serializing_if = "Option::is_none")]
    doing: Option<Doing>,
    /// The child project that it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    child: Option<String>,
    /// What it has for a worker outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    external: Option<ExternalWork>,
    /// What the commands of its last attempt took of memory and processors; left out once it has completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    took: Option<Took>,
    /// Its last failure.
    failure: Option<Failure>,
    /// Its output when completed; left out when long.
    output: Option<serde_json::Value>,
}

/// A question that waits for a person.
#[derive(Serialize, ToSchema)]
pub struct Question {
    /// The question.
    ask: String,
    /// The deadline.
    due: Option<Millis>,
}

/// Everything about one project at one position of its journal.
#[derive(Serialize, ToSchema)]
pub struct Project {
    /// The line of the list.
    project: Summary,
    /// The position.
    seq: u64,
    /// The phase it is in, or was held in.
    phase: Option<String>,
    /// The phases that its workflow declares.
    phases: Vec<String>,
    /// Digest of the pinned definition.
    definition: String,
    /// The folder it was started for.
    base_dir: String,
    /// The file that the workflow came from.
    source: Option<String>,
    /// Its inputs.
    #[schema(value_type = Object)]
    inputs: serde_json::Value,
    /// How many tasks are in which state: pairs of a state and a number.
    counts: Vec<Vec<serde_json::Value>>,
    /// Its caps.
    caps: Caps,
    /// What is used of them.
    ledger: Ledger,
    /// The question that its gate asks now.
    gate: Option<Question>,
    /// Its tasks, in the order they were added.
    tasks: Vec<Task>,
}

/// One record of the journal.
#[derive(Serialize, ToSchema)]
pub struct Record {
    /// The project.
    project: String,
    /// Its position.
    seq: u64,
    /// The engine that wrote it.
    epoch: u64,
    /// When.
    at: Millis,
    /// Who caused it: `"engine"`, or an object with `user`, `api` or `parent`.
    actor: serde_json::Value,
    /// What happened: an object whose only key is the kind.
    event: serde_json::Value,
    /// The record's own hash, which the next one continues.
    hash: String,
    /// The name of the task it is about.
    task: Option<String>,
}

/// One thing that a project waits for.
#[derive(Serialize, ToSchema)]
pub struct Reason {
    /// The task; null for the project itself.
    task: Option<String>,
    /// What it waits for, in words.
    waits_for: String,
    /// Since when.
    since: Millis,
    /// When it goes on by itself.
    due: Option<Millis>,
    /// The command that unblocks it.
    command: Option<String>,
}

/// A piece of a step's output.
#[derive(Serialize, ToSchema)]
pub struct LogPage {
    /// The attempt it is of.
    attempt: u32,
    /// The step it is of.
    step: u32,
    /// The text; what is no UTF-8 is replaced.
    text: String,
    /// Where the next piece begins.
    next: u64,
    /// Whether there is more already.
    more: bool,
    /// Whether the step still runs.
    live: bool,
}

/// A file that differs.
#[derive(Serialize, ToSchema)]
pub struct ChangedFile {
    /// Its path.
    path: String,
    /// Its path before, when it was another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_path: Option<String>,
    /// `added`, `modified`, `deleted` or `renamed`.
    status: String,
    /// It is no text, or too large to be compared.
    binary: bool,
    /// Lines that are new.
    additions: u64,
    /// Lines that are gone.
    deletions: u64,
    /// In the unified format.
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
}

/// Files that differ.
#[derive(Serialize, ToSchema)]
pub struct Comparison {
    /// In path order.
    files: Vec<ChangedFile>,
    /// There are more, or the texts of some are left out.
    truncated: bool,
    /// Why there is nothing to compare.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// An artifact that an agent kept.
#[derive(Serialize, ToSchema)]
pub struct Artifact {
    /// The task whose agent kept it.
    task: String,
    /// Its name.
    name: String,
    /// Its length.
    bytes: u64,
    /// BLAKE3 of its content.
    digest: String,
}

/// One step of an attempt.
#[derive(Serialize, ToSchema)]
pub struct Step {
    /// Its position.
    step: u32,
    /// The action's word, `check` or `merge`.
    kind: String,
    /// When it began.
    started: Millis,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Millis>,
    /// What may be done if its outcome stays unknown.
    effect: String,
    /// What it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    shown: Option<String>,
    /// Exit code or HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<i32>,
    /// Execution time.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    /// What it used.
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<Amounts>,
    /// The tree that it left.
    #[serde(skip_serializing_if = "Option::is_none")]
    tree: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    /// How much it wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    log_bytes: Option<u64>,
    /// Of a merge: what the queue answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    merged: Option<serde_json::Value>,
    /// What its commands took of memory and processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    took: Option<Took>,
}

/// What commands took of the machine, as far as the kernel told.
#[derive(Serialize, ToSchema)]
pub struct Took {
    /// The most memory at once: of all processes together where a control group counts, else of the largest one.
    memory_bytes: Option<u64>,
    /// Time on processors.
    cpu_ms: Option<u64>,
    /// How many processes were ended at the bound of memory.
    memory_kills: u32,
}

/// One attempt of a task.
#[derive(Serialize, ToSchema)]
pub struct Attempt {
    /// The task.
    task: String,
    /// Its index.
    ix: u32,
    /// The attempt's number.
    attempt: u32,
    /// When it began.
    started: Millis,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Millis>,
    /// `running`, `completed`, `failed`, `interrupted`, `parked` or `cancelled`.
    end: String,
    /// Why it failed or is parked.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    /// Its steps.
    steps: Vec<Step>,
}

/// A time in which a task, or the project, waited.
#[derive(Serialize, ToSchema)]
pub struct Wait {
    /// The task; null: the project.
    task: Option<String>,
    /// Its index.
    ix: Option<u32>,
    /// `worker`, `backoff`, `exhausted`, `parked`, `approval`, `signal`, `time`, `child`, `doubt` or `paused`.
    cause: String,
    /// Since when.
    since: Millis,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Millis>,
}

/// The course of a project, or of one of its tasks.
#[derive(Serialize, ToSchema)]
pub struct Timeline {
    /// Attempts in the order they began.
    attempts: Vec<Attempt>,
    /// Waits in the order they began.
    waits: Vec<Wait>,
    /// How many older rows are left out.
    left_out: u64,
}

/// What proving a journal found.
#[derive(Serialize, ToSchema)]
pub struct Verified {
    /// The project.
    project: String,
    /// Records proven.
    records: u64,
    /// The last proven position.
    seq: u64,
    /// Its hash.
    head: String,
    /// The highest epoch.
    epoch: u64,
    /// Whole records of kinds that this release does not know.
    unknown: u64,
    /// The first record that is not what was written: its position and what is wrong.
    first_bad: Option<Vec<serde_json::Value>>,
}

/// A piece of the conversation of an agent.
#[derive(Serialize, ToSchema)]
pub struct Transcript {
    /// The task.
    task: String,
    /// The attempt it is of.
    attempt: u32,
    /// The calls, in the order they were made.
    entries: Vec<serde_json::Map<String, serde_json::Value>>,
    /// Where the next piece begins; null at the end.
    next: Option<u64>,
}
