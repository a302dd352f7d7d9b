//! What a workflow file means once it is read: plain data, the pinned form of a definition.
//!
//! A [`Definition`] is serialised as canonical JSON (field order as declared here) and named by the BLAKE3 digest of that
//! text. New fields get a serde default, so that definitions pinned by older releases keep opening.
//! Reading people's YAML is `decode.rs`; rules that span several fields are `validate.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::budget::Caps;
use crate::domain::machine::Phase;
use crate::domain::policy::Prefer;
use crate::domain::retry::RetryPolicy;
use crate::domain::sandbox::{Allowance, SandboxSpec};

/// A workflow as pinned at a project's start, the child workflows it names included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// Its name; project ids are made from it.
    pub name: String,
    /// One line for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Declared inputs by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, InputSpec>,
    /// Where commands run.
    #[serde(default)]
    pub workspace: WorkspaceKind,
    /// Concurrency.
    #[serde(default)]
    pub limits: Limits,
    /// Caps on what the project may use.
    #[serde(default)]
    pub budget: Caps,
    /// Environment for every command; values are templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Environment variables captured at the start and readable as `env.NAME`; they are journaled, so never secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pass_env: Vec<String>,
    /// Names of secrets that every task with a command or a request of the workflow's own is handed; never their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// The policy for `test -> build` and other loop-backs stands in the phases; this is for tasks.
    #[serde(default)]
    pub retry: RetryRules,
    /// The phases in lifecycle order. A file with plain `tasks:` has the single phase BUILD.
    pub phases: Vec<PhaseSpec>,
    /// Which models the agents use, and where they are.
    #[serde(default, skip_serializing_if = "ModelsSpec::is_empty")]
    pub models: ModelsSpec,
    /// How the work of `merge` tasks comes together on the integration branch.
    #[serde(default, skip_serializing_if = "MergeSpec::is_default")]
    pub merge: MergeSpec,
    /// What commands ask to reach.
    #[serde(default, skip_serializing_if = "SandboxSpec::is_empty")]
    pub sandbox: SandboxSpec,
    /// What the person who started it allows; never read from a file. Absent: the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Arc<Allowance>>,
    /// Child workflows by the name under which a `workflow` action calls them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub children: BTreeMap<String, Arc<Definition>>,
}

/// Models and providers, as pinned with the workflow. Keys are never part of it, only the names of variables that hold them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelsSpec {
    /// For roles without models of their own: `provider/model`, most preferred first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default: Vec<String>,
    /// By role.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<String, Vec<String>>,
    /// Which of a role's models is asked first.
    #[serde(default, skip_serializing_if = "is_in_order")]
    pub prefer: Prefer,
    /// Models that of late took longer for a reply come last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_latency_ms: Option<u64>,
    /// Providers beside those known by name; one of a known name takes its place.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub providers: BTreeMap<String, ProviderSpec>,
}

impl ModelsSpec {
    /// These, and of `under` what these do not say.
    #[must_use]
    pub fn over(mut self, under: &Self) -> Self {
        if self.default.is_empty() {
            self.default.clone_from(&under.default);
        }
        if self.prefer == Prefer::Order {
            self.prefer = under.prefer;
        }
        self.max_latency_ms = self.max_latency_ms.or(under.max_latency_ms);
        for (role, models) in &under.roles {
            self.roles.entry(role.clone()).or_insert_with(|| models.clone());
        }
        for (name, provider) in &under.providers {
            self.providers.entry(name.clone()).or_insert_with(|| provider.clone());
        }
        self
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn is_in_order(prefer: &Prefer) -> bool {
    *prefer == Prefer::Order
}

/// Where models are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSpec {
    /// An OpenAI-compatible endpoint, up to and including its version (`https://host/v1`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The environment variable, or the name in the secrets file, that holds the key; absent: no key is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// Headers sent with each request; never secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// A file of scripted answers, below the project's folder: this provider then needs no network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// Silence after which an answer is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u64>,
    /// Most calls at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<u32>,
    /// Most calls in a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Most tokens in a minute, by what is reserved for each call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
    /// It costs nothing: a model without a known price is allowed under a money cap.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub free: bool,
}

/// The merge queue of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeSpec {
    /// Commands that must succeed on the merged files before the integration branch moves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<String>,
    /// The repository's own checks must be green, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub checks: bool,
    /// Most tasks merged and gated together.
    #[serde(default = "default_batch")]
    pub batch: u32,
}

fn default_batch() -> u32 {
    8
}

impl Default for MergeSpec {
    fn default() -> Self {
        Self { gates: Vec::new(), checks: false, batch: default_batch() }
    }
}

impl MergeSpec {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// One declared input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputSpec {
    /// The type that given values are checked against and read as.
    #[serde(rename = "type")]
    pub kind: InputType,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Refuse to start without it.
    #[serde(default)]
    pub required: bool,
    /// The value when none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<serde_json::Value>,
    /// The only values allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<serde_json::Value>,
}

/// The type of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputType {
    /// Any text.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list, given as JSON.
    List,
    /// An object, given as JSON.
    Object,
}

/// Where a project's commands run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkspaceKind {
    /// In the folder the project was started for, as it is.
    #[default]
    Dir,
    /// In an empty folder of the project's own, kept until `gc`.
    None,
    /// In git worktrees of the repository; files flow along the edges of the DAG.
    Worktree,
}

/// Concurrency limits of a project.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Most tasks running at once; absent: only the engine's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<u32>,
    /// The input that says so in place of `workers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers_from: Option<InputNumber>,
    /// Most tasks running at once per named group.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, u32>,
}

/// A number of a workflow's settings that is the value of an integer input, less something: `{{ inputs.cycles - 1 }}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputNumber {
    /// The input.
    pub input: String,
    /// What is taken from it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub less: u32,
}

impl InputNumber {
    /// Reads `{{ inputs.NAME }}` or `{{ inputs.NAME - 1 }}`; nothing else is one.
    pub fn parse(text: &str) -> Option<Self> {
        let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim().strip_prefix("inputs.")?;
        let (name, less) = match inner.split_once('-') {
            Some((name, less)) => (name.trim(), less.trim().parse().ok()?),
            None => (inner, 0),
        };
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        is_name.then(|| Self { input: name.to_owned(), less })
    }

    /// Its value with these inputs, within `min..=max`; `min` when the input has no value.
    pub fn value(&self, inputs: &serde_json::Value, min: u32, max: u32) -> u32 {
        let given = inputs[&self.input].as_i64().unwrap_or_default();
        let number = given.saturating_sub(i64::from(self.less)).clamp(i64::from(min), i64::from(max));
        u32::try_from(number).expect("it is between two numbers of that size")
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Retry policies: one for all transitions, and ones that replace it for a single transition.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RetryRules {
    /// For every fallible transition without its own.
    #[serde(default)]
    pub all: RetryPolicy,
    /// `running -> completed`: the action itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<RetryPolicy>,
    /// `validating -> completed`: the checks after the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validating: Option<RetryPolicy>,
}

impl RetryRules {
    /// The policy for failures of the action.
    pub fn for_running(&self) -> &RetryPolicy {
        self.running.as_ref().unwrap_or(&self.all)
    }

    /// The policy for failures of the validations.
    pub fn for_validating(&self) -> &RetryPolicy {
        self.validating.as_ref().unwrap_or(&self.all)
    }
}

/// One phase of the lifecycle: its tasks, its gate, its loop-back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseSpec {
    /// Which one.
    pub phase: Phase,
    /// Its tasks, in file order. Needs refer to names in the same or an earlier phase.
    pub tasks: Vec<Arc<TaskSpec>>,
    /// Asked after the tasks are done, before the next phase; a rejection follows `loop_back`, else fails the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalSpec>,
    /// Where to go back to when the phase fails or is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loop_back: Option<LoopBack>,
    /// The input that says how often the loop-back is taken, in place of its `max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loop_back_max: Option<InputNumber>,
    /// Caps on what the phase may use, over all its rounds; wall time is the project's alone.
    #[serde(default, skip_serializing_if = "is_unlimited")]
    pub budget: Caps,
}

fn is_unlimited(caps: &Caps) -> bool {
    *caps == Caps::default()
}

/// A way back to an earlier phase, taken at most `max` times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoopBack {
    /// The earlier phase.
    pub goto: Phase,
    /// Most times it is taken in one project.
    pub max: u32,
}

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// Unique in the project.
    pub name: String,
    /// For people; shown beside the name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Names of tasks that must be done before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// What it does.
    pub action: Action,
    /// A condition (expression); false skips the task, and what needs it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// An expression that gives a list; the task runs once per item, `item` and `index` being set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreach: Option<String>,
    /// How the items of a `foreach` depend on each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_graph: Option<ItemGraph>,
    /// What the items of its `foreach` do, by kind; empty: all do what this task says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<String, Arc<TaskSpec>>,
    /// Of an item: an expression that gives further items once it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<String>,
    /// What has to have become of the tasks that it needs.
    #[serde(default, skip_serializing_if = "Join::is_all")]
    pub join: Join,
    /// Its files are merged into the project's integration branch; it is completed when they are there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub merge: bool,
    /// Values for templates of this task, themselves templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, serde_json::Value>,
    /// Environment for its commands, added to the workflow's; values are templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Names of secrets that it is handed besides the workflow's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Time limits per attempt.
    #[serde(default)]
    pub timeout: Timeouts,
    /// What its commands ask to reach; what it does not say is the workflow's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Arc<SandboxSpec>>,
    /// Its own policies; absent: the workflow's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Arc<RetryRules>>,
    /// 1 (low) to 10 (critical).
    #[serde(default = "default_priority")]
    pub priority: u8,
    /// The named group whose limit it counts against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What may be done when its outcome is unknown after a crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<EffectClass>,
    /// A command that succeeds when the effect has already happened; makes the task `probed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
    /// How its output is read.
    #[serde(default)]
    pub output: OutputFormat,
    /// Commands that must succeed before it counts as completed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validate: Vec<String>,
    /// A branch task that is run when the policy is exhausted, after which the task is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<Arc<BranchSpec>>,
    /// A command that takes its effect back; run in reverse order by `cancel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<String>,
}

/// What has to have become of the tasks that a task needs, before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Join {
    /// All of them went well; it is skipped when one did not.
    #[default]
    All,
    /// All of them have ended, however.
    Settled,
    /// One of them has ended, however. What has ended by then is its `handoffs`, the rest is `open`.
    Any,
}

impl Join {
    fn is_all(&self) -> bool {
        *self == Self::All
    }
}

/// The fields of an item that say what it is and what it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemGraph {
    /// The field that holds its id, a text.
    pub id: String,
    /// The field that holds the ids of the items that must be done before, a list of texts; absent in an item: none.
    pub needs: String,
}

fn default_priority() -> u8 {
    TaskSpec::NORMAL_PRIORITY
}

impl TaskSpec {
    /// The priority of a task that names none.
    pub const NORMAL_PRIORITY: u8 = 5;

    /// What it does, in a few words: its action, or the kinds of its items.
    pub fn doing(&self) -> String {
        match self.kinds.is_empty() {
            true if self.foreach.is_some() => format!("each: {}", self.action.keyword()),
            true => self.action.keyword().to_owned(),
            false => format!("each: {}", self.kinds.keys().map(String::as_str).collect::<Vec<_>>().join(", ")),
        }
    }

    /// Whether its items have names of their own: those of a `foreach` with kinds, or that grows.
    pub fn names_items(&self) -> bool {
        self.item_graph.is_some() && (!self.kinds.is_empty() || self.more.is_some())
    }

    /// A task with nothing but a name and an action.
    pub fn new(name: impl Into<String>, action: Action) -> Self {
        Self {
            name: name.into(),
            description: String::new(),
            needs: Vec::new(),
            action,
            when: None,
            foreach: None,
            item_graph: None,
            kinds: BTreeMap::new(),
            more: None,
            join: Join::All,
            merge: false,
            with: BTreeMap::new(),
            env: BTreeMap::new(),
            secrets: Vec::new(),
            timeout: Timeouts::default(),
            sandbox: None,
            retry: None,
            priority: Self::NORMAL_PRIORITY,
            group: None,
            effect: None,
            probe: None,
            output: OutputFormat::Auto,
            validate: Vec::new(),
            on_failure: None,
            undo: None,
        }
    }
}

/// What a task does. Texts are templates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// A command for `/bin/sh -c`; one without shell syntax is executed directly.
    Run(String),
    /// A question to a person.
    Approval(ApprovalSpec),
    /// A pause until a time or a signal.
    Wait(WaitSpec),
    /// An HTTP request.
    Http(HttpSpec),
    /// A child project.
    Workflow(ChildSpec),
    /// Work claimed and answered by someone outside.
    External(ExternalSpec),
    /// An agent's conversation.
    Agent(AgentSpec),
    /// The integration branch is merged into a branch of the user's.
    Land(LandSpec),
}

impl Action {
    /// The key under which it stands in a workflow file.
    pub fn keyword(&self) -> &'static str {
        match self {
            Self::Run(_) => "run",
            Self::Approval(_) => "approval",
            Self::Wait(_) => "wait",
            Self::Http(_) => "http",
            Self::Workflow(_) => "workflow",
            Self::External(_) => "external",
            Self::Agent(_) => "agent",
            Self::Land(_) => "land",
        }
    }
}

/// A question to a person, with a deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalSpec {
    /// The question; a template.
    pub ask: String,
    /// Deadline counted from the moment it is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// What the deadline means.
    #[serde(default)]
    pub on_timeout: OnTimeout,
}

/// The answer that a passed deadline stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnTimeout {
    /// As if rejected.
    #[default]
    Reject,
    /// As if approved.
    Approve,
}

/// What a `wait` waits for; exactly one of the three is the trigger, `timeout_ms` may bound a signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WaitSpec {
    /// A span of time from the moment it starts.
    Duration {
        /// Milliseconds.
        ms: u64,
    },
    /// A point in time: RFC 3339, a template.
    Until(String),
    /// A signal by name; its payload is the task's output.
    Signal {
        /// The signal's name; a template.
        name: String,
        /// Fails as `expired` when it has not come by then.
        timeout_ms: Option<u64>,
    },
}

/// An HTTP request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpSpec {
    /// GET, HEAD, POST, PUT, PATCH, DELETE.
    pub method: String,
    /// A template; `http` and `https` only.
    pub url: String,
    /// Header values are templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// A text template, or a JSON value whose texts are templates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<serde_json::Value>,
    /// Statuses that count as success; empty: 200 to 299.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<u16>,
}

/// A child project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildSpec {
    /// Its key in [`Definition::children`].
    pub workflow: String,
    /// Its inputs; texts are templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, serde_json::Value>,
}

/// Work for someone outside: claimed with a lease, answered with a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalSpec {
    /// What kind of work it is, for workers to choose by.
    pub queue: String,
    /// A claim that is not renewed for this long is void, and the work can be claimed again.
    pub lease_ms: u64,
    /// What the worker is given; a template.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub payload: String,
}

/// An agent. What it is given is the task's `with`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSpec {
    /// Its role: a shipped one, or a file `.wfctl/roles/<role>.md` of the repository.
    pub role: String,
    /// Models in place of those of the role, most preferred first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Tools in place of those of the role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// Most model calls of one attempt; absent: the role's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<u32>,
    /// Caps on one attempt; wall time is `timeout`.
    #[serde(default, skip_serializing_if = "is_unlimited")]
    pub budget: Caps,
}

/// Where the integration branch goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LandSpec {
    /// The branch, a template; empty: the one that the user's checkout is on.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub into: String,
    /// The task whose landing is taken back, in place of landing anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<String>,
}

/// Time limits of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Timeouts {
    /// From start to end of each step of the attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_ms: Option<u64>,
    /// Longest silence of a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u64>,
}

/// What may be done with a step whose outcome is unknown after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EffectClass {
    /// Changes nothing: run again.
    Pure,
    /// Running it twice is as good as once: run again.
    Idempotent,
    /// Changes only its worktree: restore it, run again.
    Restorable,
    /// Look whether it happened; adopt or run.
    Probed,
    /// Never run twice: ask.
    Once,
    /// Costs money and leaves nothing behind (a model call): charged at what was reserved, marked uncertain, sent again.
    Paid,
}

impl EffectClass {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::Idempotent => "idempotent",
            Self::Restorable => "restorable",
            Self::Probed => "probed",
            Self::Once => "once",
            Self::Paid => "paid",
        }
    }
}

/// How a step's output becomes the value that expressions see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// JSON when it is a JSON object or array, else text without the final newline.
    #[default]
    Auto,
    /// Always text.
    Text,
    /// Must be JSON, else the attempt fails as `malformed`.
    Json,
    /// A list of its lines.
    Lines,
}

/// The branch task of a failing task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BranchSpec {
    /// What the branch does; `tasks.<parent>.failure` is readable.
    pub action: Action,
    /// Most branches opened for one task.
    pub max: u32,
}

impl Definition {
    /// The canonical text whose digest names the definition.
    pub fn to_canonical_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a definition holds only text keys and finite numbers, so it serialises")
    }

    /// The spec of a phase, when the workflow declares it.
    pub fn phase(&self, phase: Phase) -> Option<&PhaseSpec> {
        self.phases.iter().find(|spec| spec.phase == phase)
    }

    /// All tasks with their phase, in file order: their positions are the indices of the project's first tasks.
    pub fn tasks(&self) -> impl Iterator<Item = (Phase, &Arc<TaskSpec>)> {
        self.phases.iter().flat_map(|spec| spec.tasks.iter().map(move |task| (spec.phase, task)))
    }

    /// What tasks do: each task, or in its place the kinds of its elements.
    pub fn doings(&self) -> impl Iterator<Item = &TaskSpec> {
        let own = |task: &'_ Arc<TaskSpec>| task.kinds.is_empty();
        self.tasks().flat_map(move |(_, task)| {
            own(task).then_some(&**task).into_iter().chain(task.kinds.values().map(|kind| &**kind))
        })
    }

    /// The secrets that a task is handed: in name order, each once. What a model wrote is run by agents' tasks, and what it
    /// changed is checked by them, so they are handed none.
    pub fn secrets_of(&self, task: &TaskSpec) -> Vec<String> {
        if !matches!(task.action, Action::Run(_) | Action::Http(_)) {
            return Vec::new();
        }
        let names: BTreeSet<&String> = self.secrets.iter().chain(&task.secrets).collect();
        names.into_iter().cloned().collect()
    }

    /// Every secret that the workflow or a child of it names.
    pub fn all_secrets(&self) -> BTreeSet<String> {
        let of_tasks = self.tasks().flat_map(|(_, task)| task.secrets.iter().cloned());
        let of_children = self.children.values().flat_map(|child| child.all_secrets());
        self.secrets.iter().cloned().chain(of_tasks).chain(of_children).collect()
    }
}
