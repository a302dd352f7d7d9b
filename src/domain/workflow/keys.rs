//! Every key of a workflow file, in one table: what the reader accepts, what the JSON Schema says and what the docs list.
//!
//! `decode/` asks it which keys an object may have; `schema.rs` turns it into JSON Schema.

use crate::domain::limits;

/// An object of the file format.
#[derive(Debug)]
pub struct Object {
    /// Its name in the schema's `$defs`.
    pub name: &'static str,
    /// What it is, for messages: "a task".
    pub title: &'static str,
    /// Its keys in the order people should write them.
    pub keys: &'static [Key],
    /// Groups of keys of which exactly one must be there.
    pub one_of: &'static [&'static str],
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// One sentence for people.
    pub doc: &'static str,
    /// Whether the object is refused without it.
    pub required: bool,
    /// What it holds.
    pub shape: Shape,
}

/// What a value may be.
#[derive(Debug)]
pub enum Shape {
    /// Text.
    Text,
    /// Text with templates.
    Template,
    /// An expression, with or without `{{ }}`.
    Expression,
    /// A name.
    Name,
    /// The workflow's own name.
    WorkflowName,
    /// `20m`.
    Duration,
    /// A whole number in a range.
    Integer(u64, u64),
    /// A number in a range.
    Number(f64, f64),
    /// `true` or `false`.
    Boolean,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A text, number or boolean that is read as text.
    Scalar,
    /// Any value.
    Any,
    /// A list.
    List(&'static Shape),
    /// An object with keys of the person's choosing.
    Map(&'static Shape),
    /// One of the objects of this table.
    Object(&'static Object),
    /// One of several shapes.
    Either(&'static [Shape]),
}

const fn key(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, doc, required: false, shape }
}

const fn required(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, doc, required: true, shape }
}

impl Object {
    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

const ROUNDS: Shape = Shape::Integer(1, limits::LOOPBACK_ROUNDS as u64);
const SLOTS: Shape = Shape::Integer(1, u32::MAX as u64);
const BIG: Shape = Shape::Integer(0, i64::MAX as u64);
/// The types of inputs.
pub const INPUT_TYPES: &[&str] = &["string", "integer", "number", "boolean", "list", "object"];
/// The names of priorities with their numbers.
pub const PRIORITIES: &[(&str, u8)] = &[("low", 2), ("normal", 5), ("high", 8), ("critical", 10)];
/// The keys of a task of which exactly one says what it does.
pub const ACTIONS: &[&str] = &["run", "agent", "approval", "wait", "http", "workflow", "external", "land"];
/// The keys of a task of which exactly one is given: its action, or the kinds of its elements, which have one each.
const TASK_ONE_OF: &[&str] = &["run", "agent", "approval", "wait", "http", "workflow", "external", "land", "kinds"];
/// The actions of a kind.
const KIND_ACTIONS: &[&str] = &["run", "agent", "approval"];
/// The methods of requests.
pub const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// The whole file.
pub static WORKFLOW: Object = Object {
    name: "workflow",
    title: "a workflow",
    one_of: &["tasks", "phases"],
    keys: &[
        required("name", Shape::WorkflowName, "Its name; project ids are made from it."),
        key("description", Shape::Text, "One line for people."),
        key(
            "inputs",
            Shape::Map(&Shape::Either(&[Shape::Object(&INPUT), Shape::Choice(INPUT_TYPES)])),
            "What it is given at the start, by name.",
        ),
        key(
            "workspace",
            Shape::Choice(&["none", "dir", "worktree"]),
            "Where commands run: in an empty folder, in the project's folder (default), or in git worktrees.",
        ),
        key("limits", Shape::Object(&LIMITS), "How many tasks run at once."),
        key("budget", Shape::Object(&BUDGET), "What the project may use before it pauses and asks."),
        key("env", Shape::Map(&Shape::Scalar), "Environment of every command; values are templates."),
        key(
            "pass_env",
            Shape::List(&Shape::Text),
            "Environment variables captured at the start. They are journaled, so never name secrets.",
        ),
        key(
            "secrets",
            Shape::List(&Shape::Text),
            "Secrets of yours that its commands and requests are handed, by name.",
        ),
        key("retry", Shape::Object(&RETRY), "When failed tasks are tried again."),
        key("models", Shape::Object(&MODELS), "Which models the agents use, and where they are."),
        key("merge", Shape::Object(&MERGE), "How the work of tasks with `merge` comes together."),
        key("sandbox", Shape::Object(&SANDBOX), "What commands need to reach; a person allows it at the start."),
        key("tasks", Shape::Map(&Shape::Object(&TASK)), "The tasks, by name: a project with the single phase build."),
        key("phases", Shape::Object(&PHASES), "The phases of the lifecycle that the workflow uses."),
    ],
};

/// The phases.
pub static PHASES: Object = Object {
    name: "phases",
    title: "the phases",
    one_of: &[],
    keys: &[
        key("planning", Shape::Object(&PHASE), "From a goal to a plan."),
        key("design", Shape::Object(&PHASE), "From a plan to contracts."),
        key("build", Shape::Object(&PHASE), "The work itself."),
        key("test", Shape::Object(&PHASE), "Is it right?"),
        key("review", Shape::Object(&PHASE), "Is it good?"),
        key("deploy", Shape::Object(&PHASE), "Into the world."),
        key("monitor", Shape::Object(&PHASE), "Does it stay right?"),
    ],
};

/// One input.
pub static INPUT: Object = Object {
    name: "input",
    title: "an input",
    one_of: &[],
    keys: &[
        required("type", Shape::Choice(INPUT_TYPES), "The type that given values are read as."),
        key("description", Shape::Text, "What it is for."),
        key("required", Shape::Boolean, "Refuse to start without it."),
        key("default", Shape::Any, "The value when none is given."),
        key("choices", Shape::List(&Shape::Any), "The only values allowed."),
    ],
};

/// Concurrency.
pub static LIMITS: Object = Object {
    name: "limits",
    title: "the limits",
    one_of: &[],
    keys: &[
        key(
            "workers",
            Shape::Either(&[SLOTS, Shape::Template]),
            "Most tasks running at once: a number, or an integer input as `{{ inputs.workers }}`.",
        ),
        key("groups", Shape::Map(&SLOTS), "Most tasks running at once per named group."),
    ],
};

/// Caps.
pub static BUDGET: Object = Object {
    name: "budget",
    title: "the budget",
    one_of: &[],
    keys: &[
        key("calls", Shape::Either(&[BIG, Shape::Text]), "Most steps started: a number, `500k` or `2M`."),
        key("tokens", Shape::Either(&[BIG, Shape::Text]), "Most model tokens: a number, `500k` or `2M`."),
        key("usd", Shape::Number(0.0, 1_000_000_000.0), "Most money, in US dollars."),
        key("wall", Shape::Duration, "Most time from the start, time held by a person not counted."),
    ],
};

const RETRY_KEYS: [Key; 9] = [
    key(
        "max_attempts",
        Shape::Integer(1, limits::RETRY_ATTEMPTS as u64),
        "Attempts in all, the first included (default 4).",
    ),
    key("initial", Shape::Duration, "Delay before the second attempt (default 1s)."),
    key("factor", Shape::Number(1.0, 100.0), "Each further delay is so many times the one before (default 2)."),
    key("max_interval", Shape::Duration, "No delay is longer (default 60s)."),
    key(
        "jitter",
        Shape::Either(&[Shape::Number(0.0, 100.0), Shape::Text]),
        "How much of the delay is random: `0.2`, `20` or `20%`.",
    ),
    key("max_elapsed", Shape::Duration, "No further attempt once this long has passed since the first."),
    key("never", Shape::List(&Shape::Text), "Failure classes never retried."),
    key("also", Shape::List(&Shape::Text), "Failure classes retried although they are not by default."),
    key(
        "on_exhausted",
        Shape::Choice(&["pause", "fail", "continue"]),
        "What happens when no attempt is left (default pause).",
    ),
];

/// A retry policy, without the policies of single transitions.
pub static POLICY: Object = Object { name: "policy", title: "a retry policy", one_of: &[], keys: &RETRY_KEYS };

/// Retry policies.
pub static RETRY: Object =
    Object { name: "retry", title: "a retry policy", one_of: &[], keys: &RETRY_WITH_TRANSITIONS };

const RETRY_WITH_TRANSITIONS: [Key; 10] = {
    let [a, b, c, d, e, f, g, h, i] = RETRY_KEYS;
    [
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        i,
        key(
            "transitions",
            Shape::Object(&TRANSITION),
            "Policies of single transitions; what they do not say is inherited.",
        ),
    ]
};

/// The transitions with a policy.
pub static TRANSITION: Object = Object {
    name: "transitions",
    title: "the transitions",
    one_of: &[],
    keys: &[
        key("running -> completed", Shape::Object(&POLICY), "Failures of the action itself."),
        key("validating -> completed", Shape::Object(&POLICY), "Failures of the checks after the action."),
    ],
};

/// One phase.
pub static PHASE: Object = Object {
    name: "phase",
    title: "a phase",
    one_of: &[],
    keys: &[
        required("tasks", Shape::Map(&Shape::Object(&TASK)), "Its tasks, by name."),
        key(
            "approval",
            Shape::Either(&[Shape::Template, Shape::Object(&APPROVAL)]),
            "A question to a person before the next phase.",
        ),
        key("on_failure", Shape::Object(&LOOP_BACK), "Where to go back to when the phase fails or is rejected."),
        key("on_reject", Shape::Object(&LOOP_BACK), "The same as `on_failure`."),
        key("on_issue", Shape::Object(&LOOP_BACK), "The same as `on_failure`."),
        key("budget", Shape::Object(&PHASE_BUDGET), "What the phase may use, over all its rounds."),
    ],
};

/// Caps of a phase or of an agent's attempt.
pub static PHASE_BUDGET: Object = Object {
    name: "part_budget",
    title: "the budget of a part",
    one_of: &[],
    keys: &[
        key("calls", Shape::Either(&[BIG, Shape::Text]), "Most steps and model calls."),
        key("tokens", Shape::Either(&[BIG, Shape::Text]), "Most model tokens: a number, `500k` or `2M`."),
        key("usd", Shape::Number(0.0, 1_000_000_000.0), "Most money, in US dollars."),
    ],
};

/// Models.
pub static MODELS: Object = Object {
    name: "models",
    title: "the models",
    one_of: &[],
    keys: &[
        key(
            "default",
            Shape::Either(&[Shape::Text, Shape::List(&Shape::Text)]),
            "For roles without their own: `provider/model`, most preferred first.",
        ),
        key(
            "roles",
            Shape::Map(&Shape::Either(&[Shape::Text, Shape::List(&Shape::Text)])),
            "By role: `provider/model`, most preferred first.",
        ),
        key(
            "prefer",
            Shape::Choice(&["order", "latency", "cost"]),
            "Which of a role's models is asked first (default order).",
        ),
        key("max_latency", Shape::Duration, "Models that of late took longer for a reply come last."),
        key(
            "providers",
            Shape::Map(&Shape::Object(&PROVIDER)),
            "Providers by name, beside those known by name; a run takes them only with --trust-providers.",
        ),
    ],
};

/// A provider.
pub static PROVIDER: Object = Object {
    name: "provider",
    title: "a provider",
    one_of: &[],
    keys: &[
        key("base_url", Shape::Text, "An OpenAI-compatible endpoint, its version included: `https://host/v1`."),
        key("key_env", Shape::Text, "The environment variable, or the name in the secrets file, that holds the key."),
        key("headers", Shape::Map(&Shape::Scalar), "Headers sent with each request; never secrets."),
        key("script", Shape::Text, "A file of scripted answers; no network is needed then."),
        key("idle", Shape::Duration, "Silence after which an answer is given up (default 2m)."),
        key("max_concurrent", SLOTS, "Most calls at once."),
        key("requests_per_minute", SLOTS, "Most calls in a minute."),
        key(
            "tokens_per_minute",
            Shape::Either(&[BIG, Shape::Text]),
            "Most tokens in a minute: a number, `500k` or `2M`.",
        ),
        key("free", Shape::Boolean, "It costs nothing, so that no price needs to be known."),
    ],
};

/// The merge queue.
pub static MERGE: Object = Object {
    name: "merge",
    title: "the merge queue",
    one_of: &[],
    keys: &[
        key("gates", COMMANDS, "Commands that must succeed on the merged files before the integration branch moves."),
        key("checks", Shape::Boolean, "The repository's own checks (format, lint, tests) must be green, too."),
        key("batch", Shape::Integer(1, 64), "Most tasks merged and gated together (default 8)."),
    ],
};

/// What commands need to reach.
pub static SANDBOX: Object = Object {
    name: "sandbox",
    title: "the sandbox",
    one_of: &[],
    keys: &[
        key(
            "network",
            Shape::Either(&[Shape::Choice(&["none", "all"]), Shape::List(&Shape::Text)]),
            "Hosts that commands reach, through the engine's proxy: `example.org`, `*.example.org`, `host:port` (default none).",
        ),
        key(
            "git",
            Shape::Choice(&["read", "write"]),
            "What they may do with the repository that a worktree belongs to (default read).",
        ),
        key(
            "writable",
            Shape::List(&Shape::Text),
            "Folders that they write beside their workspace: absolute, `~/...` or relative to the project's folder.",
        ),
        key(
            "readable",
            Shape::List(&Shape::Text),
            "Paths that they read although they are hidden: keys, a home's folders.",
        ),
        key("env", Shape::List(&Shape::Text), "Variables that they inherit beside the usual ones."),
        key(
            "caches",
            Shape::Choice(&["none", "read", "project"]),
            "What they see of the caches of cargo, npm and pip (default read); `project`: caches of their own.",
        ),
        key("limits", Shape::Object(&SANDBOX_LIMITS), "Bounds on what they use; only lower ones have an effect."),
    ],
};

/// Bounds on what commands use.
pub static SANDBOX_LIMITS: Object = Object {
    name: "sandbox_limits",
    title: "the limits of the sandbox",
    one_of: &[],
    keys: &[
        key("memory", SIZE, "Memory (default 8GiB)."),
        key("cpu_seconds", Shape::Integer(1, u32::MAX as u64), "Processor time of each process (default 3600)."),
        key("processes", Shape::Integer(1, 4_194_304), "Processes and threads at once (default 2048)."),
        key("open_files", Shape::Integer(3, 1_048_576), "Open files of each process (default 8192)."),
        key("file_size", SIZE, "The largest file that can be written (default 16GiB)."),
        key("scratch", SIZE, "Room in the private temporary folders (default 2GiB)."),
    ],
};

const SIZE: Shape = Shape::Either(&[BIG, Shape::Text]);

/// An agent.
pub static AGENT: Object = Object {
    name: "agent",
    title: "an agent",
    one_of: &[],
    keys: &[
        required("role", Shape::Name, "Its role: a shipped one, or a file `.wfctl/roles/ROLE.md` of the repository."),
        key(
            "model",
            Shape::Either(&[Shape::Text, Shape::List(&Shape::Text)]),
            "Models in place of the role's: `provider/model`, most preferred first.",
        ),
        key("tools", Shape::List(&Shape::Name), "Tools in place of the role's."),
        key("turns", Shape::Integer(1, 1000), "Most model calls of one attempt."),
        key("budget", Shape::Object(&PHASE_BUDGET), "Caps on one attempt."),
    ],
};

/// Where the integration branch goes.
pub static LAND: Object = Object {
    name: "land",
    title: "a landing",
    one_of: &[],
    keys: &[
        key("into", Shape::Template, "The branch; empty or absent: the one that the checkout is on."),
        key("back", Shape::Name, "A task whose landing is taken back instead: its branch goes to where it was before."),
    ],
};

/// A `foreach` whose items depend on each other.
pub static ITEMS: Object = Object {
    name: "items",
    title: "a `foreach`",
    one_of: &[],
    keys: &[
        required("in", Shape::Either(&[Shape::Expression, Shape::List(&Shape::Any)]), "The list of objects."),
        key("id", Shape::Name, "The field of an item that names it (default `id`)."),
        key("needs", Shape::Name, "The field that lists the items to be done before (default `needs`)."),
    ],
};

/// A way back.
pub static LOOP_BACK: Object = Object {
    name: "loop_back",
    title: "a loop-back",
    one_of: &[],
    keys: &[
        required(
            "goto",
            Shape::Choice(&["planning", "design", "build", "test", "review", "deploy"]),
            "The earlier phase.",
        ),
        key(
            "max",
            Shape::Either(&[ROUNDS, Shape::Template]),
            "Most times it is taken (default 3): a number, or an integer input as `{{ inputs.cycles - 1 }}`.",
        ),
    ],
};

const COMMANDS: Shape = Shape::Either(&[Shape::Template, Shape::List(&Shape::Template), Shape::Object(&COMMAND)]);

const ONE_COMMAND: Shape = Shape::Either(&[Shape::Template, Shape::Object(&COMMAND)]);
const QUESTION: Shape = Shape::Either(&[Shape::Template, Shape::Object(&APPROVAL)]);
const TIME_LIMITS: Shape = Shape::Either(&[Shape::Duration, Shape::Object(&TIMEOUT)]);

// What is said of tasks and of kinds alike.
const APPROVAL_KEY: Key = key("approval", QUESTION, "A question to a person.");
const MERGE_KEY: Key = key(
    "merge",
    Shape::Boolean,
    "Its files are merged into the integration branch; it is completed when they are there.",
);
const JOIN_KEY: Key =
    key("join", JOIN, "What has to have become of its needs: all went well (default), all settled, or any.");
const ENV_KEY: Key = key("env", Shape::Map(&Shape::Scalar), "Environment of its commands, added to the workflow's.");
const TIMEOUT_KEY: Key = key("timeout", TIME_LIMITS, "Time limits per attempt.");
const SANDBOX_KEY: Key =
    key("sandbox", Shape::Object(&SANDBOX), "What its commands need to reach; what it does not say is the workflow's.");
const RETRY_KEY: Key =
    key("retry", Shape::Object(&RETRY), "Its own retry policy; what it does not say is the workflow's.");
const GROUP_KEY: Key = key("group", Shape::Name, "The group of `limits.groups` that it counts against.");
const EFFECT_KEY: Key = key(
    "effect",
    Shape::Choice(&["pure", "idempotent", "restorable", "probed", "once"]),
    "What may be done when a crash leaves its outcome unknown.",
);
const PROBE_KEY: Key = key("probe", ONE_COMMAND, "A command that succeeds when the effect has already happened.");
const OUTPUT_KEY: Key =
    key("output", Shape::Choice(&["auto", "text", "json", "lines"]), "How its output is read (default auto).");
const VALIDATE_KEY: Key = key("validate", COMMANDS, "Commands that must succeed before it counts as completed.");
const ON_FAILURE_KEY: Key =
    key("on_failure", Shape::Object(&BRANCH), "What is done when its attempts are used up, before it is tried again.");
const UNDO_KEY: Key = key("undo", ONE_COMMAND, "A command that takes its effect back, for `cancel`.");

/// One task.
pub static TASK: Object = Object {
    name: "task",
    title: "a task",
    one_of: TASK_ONE_OF,
    keys: &[
        key("description", Shape::Text, "For people; shown beside the name."),
        key("needs", Shape::Either(&[Shape::Name, Shape::List(&Shape::Name)]), "Tasks that must be done before."),
        key("run", Shape::Template, "A shell command. Quote values with the filter `sh`: `{{ inputs.version | sh }}`."),
        APPROVAL_KEY,
        key("wait", Shape::Either(&[Shape::Duration, Shape::Object(&WAIT)]), "A pause until a time or a signal."),
        key("http", Shape::Either(&[Shape::Template, Shape::Object(&HTTP)]), "An HTTP request."),
        key("workflow", Shape::Either(&[Shape::Text, Shape::Object(&CHILD)]), "A child project."),
        key("external", Shape::Object(&EXTERNAL), "Work claimed and answered by a worker outside."),
        key(
            "agent",
            Shape::Either(&[Shape::Name, Shape::Object(&AGENT)]),
            "An agent by its role; it is given the task's `with`.",
        ),
        key("land", Shape::Object(&LAND), "Merge the integration branch into a branch of yours."),
        MERGE_KEY,
        key(
            "when",
            Shape::Either(&[Shape::Expression, Shape::Boolean]),
            "A condition; when it is false the task is skipped and what needs it goes on.",
        ),
        key(
            "foreach",
            Shape::Either(&[
                Shape::Expression,
                Shape::List(&Shape::Any),
                Shape::Integer(0, limits::FOREACH_ITEMS as u64),
                Shape::Object(&ITEMS),
            ]),
            "A list, an object or a number: the task runs once per element, as `item` and `index`.",
        ),
        key(
            "kinds",
            Shape::Map(&Shape::Object(&KIND)),
            "What the elements of `foreach` do, by their field `kind`; then the task has no action of its own.",
        ),
        key(
            "more",
            Shape::Expression,
            "Further elements that an element gives once it is done, read from its `output`.",
        ),
        JOIN_KEY,
        key("with", Shape::Map(&Shape::Any), "Values for the templates of this task, read as `with.NAME`."),
        ENV_KEY,
        key(
            "secrets",
            Shape::List(&Shape::Text),
            "Secrets of yours that it is handed, by name: as variables of its commands, as `$NAME` in headers of its request.",
        ),
        TIMEOUT_KEY,
        SANDBOX_KEY,
        RETRY_KEY,
        key(
            "priority",
            Shape::Either(&[Shape::Integer(1, 10), Shape::Choice(&["low", "normal", "high", "critical"])]),
            "1 to 10, or low (2), normal (5), high (8), critical (10).",
        ),
        GROUP_KEY,
        EFFECT_KEY,
        PROBE_KEY,
        OUTPUT_KEY,
        VALIDATE_KEY,
        ON_FAILURE_KEY,
        UNDO_KEY,
    ],
};

/// What has to have become of the needs.
const JOIN: Shape = Shape::Choice(&["all", "settled", "any"]);

/// What the elements of one kind do.
pub static KIND: Object = Object {
    name: "kind",
    title: "a kind",
    one_of: KIND_ACTIONS,
    keys: &[
        key("description", Shape::Text, "For people."),
        key("run", Shape::Template, "A shell command."),
        APPROVAL_KEY,
        key(
            "agent",
            Shape::Either(&[Shape::Name, Shape::Object(&AGENT)]),
            "An agent by its role; it is given the kind's `with`.",
        ),
        MERGE_KEY,
        key(
            "when",
            Shape::Either(&[Shape::Expression, Shape::Boolean]),
            "A condition; when it is false the element is skipped and what needs it goes on.",
        ),
        key("with", Shape::Map(&Shape::Any), "Values for its templates, read as `with.NAME`."),
        ENV_KEY,
        TIMEOUT_KEY,
        SANDBOX_KEY,
        RETRY_KEY,
        key(
            "priority",
            Shape::Either(&[Shape::Integer(1, 10), Shape::Choice(&["low", "normal", "high", "critical"])]),
            "1 to 10, or low (2), normal (5), high (8), critical (10); an element's own field `priority` goes before it.",
        ),
        GROUP_KEY,
        OUTPUT_KEY,
        VALIDATE_KEY,
        ON_FAILURE_KEY,
        EFFECT_KEY,
        PROBE_KEY,
        UNDO_KEY,
        key("more", Shape::Expression, "Further elements that it gives once it is done, read from its `output`."),
        JOIN_KEY,
    ],
};

/// A command given as an object.
pub static COMMAND: Object = Object {
    name: "command",
    title: "a command",
    one_of: &[],
    keys: &[required("run", Shape::Either(&[Shape::Template, Shape::List(&Shape::Template)]), "The shell command.")],
};

/// A question.
pub static APPROVAL: Object = Object {
    name: "approval",
    title: "an approval",
    one_of: &[],
    keys: &[
        required("ask", Shape::Template, "The question."),
        key("timeout", Shape::Duration, "How long it waits for an answer."),
        key("on_timeout", Shape::Choice(&["reject", "approve"]), "What the passed deadline means (default reject)."),
    ],
};

/// A pause.
pub static WAIT: Object = Object {
    name: "wait",
    title: "a wait",
    one_of: &["duration", "until", "signal"],
    keys: &[
        key("duration", Shape::Duration, "This long."),
        key("until", Shape::Template, "Until a point in time, RFC 3339."),
        key("signal", Shape::Template, "Until a signal of this name; its payload is the task's output."),
        key("timeout", Shape::Duration, "How long a signal is waited for."),
    ],
};

/// A request.
pub static HTTP: Object = Object {
    name: "http",
    title: "a request",
    one_of: &[],
    keys: &[
        key("method", Shape::Choice(METHODS), "The method (default GET, POST with a body)."),
        required("url", Shape::Template, "The URL."),
        key("headers", Shape::Map(&Shape::Scalar), "Headers; values are templates."),
        key("body", Shape::Any, "Text, or a value sent as JSON; texts in it are templates."),
        key(
            "expect",
            Shape::Either(&[Shape::Integer(100, 599), Shape::List(&Shape::Integer(100, 599))]),
            "Statuses that count as success (default 200 to 299).",
        ),
    ],
};

/// A child project.
pub static CHILD: Object = Object {
    name: "child",
    title: "a child workflow",
    one_of: &["name", "file"],
    keys: &[
        key("name", Shape::Text, "The name of the workflow."),
        key("file", Shape::Text, "Its file, relative to this one."),
        key("inputs", Shape::Map(&Shape::Any), "Its inputs; texts are templates."),
    ],
};

/// Work for someone outside.
pub static EXTERNAL: Object = Object {
    name: "external",
    title: "external work",
    one_of: &[],
    keys: &[
        required("queue", Shape::Name, "What kind of work it is, for workers to choose by."),
        key("lease", Shape::Duration, "A claim not renewed for this long is void (default 5m)."),
        key("payload", Shape::Any, "What the worker is given; texts are templates."),
    ],
};

/// Time limits.
pub static TIMEOUT: Object = Object {
    name: "timeout",
    title: "a timeout",
    one_of: &[],
    keys: &[
        key("total", Shape::Duration, "From start to end of an attempt's step."),
        key("idle", Shape::Duration, "Longest silence."),
    ],
};

/// A branch task.
pub static BRANCH: Object = Object {
    name: "branch",
    title: "a branch task",
    one_of: &["run", "agent", "external", "http"],
    keys: &[
        key("run", Shape::Template, "A shell command."),
        key("agent", Shape::Either(&[Shape::Name, Shape::Object(&AGENT)]), "An agent by its role."),
        key("external", Shape::Object(&EXTERNAL), "Work for a worker outside."),
        key("http", Shape::Either(&[Shape::Template, Shape::Object(&HTTP)]), "An HTTP request."),
        key("max", ROUNDS, "Most times it is done for one task (default 1)."),
    ],
};

/// Every object of the format.
pub static OBJECTS: &[&Object] = &[
    &WORKFLOW,
    &PHASES,
    &INPUT,
    &LIMITS,
    &BUDGET,
    &POLICY,
    &RETRY,
    &TRANSITION,
    &PHASE,
    &LOOP_BACK,
    &TASK,
    &COMMAND,
    &APPROVAL,
    &WAIT,
    &HTTP,
    &CHILD,
    &EXTERNAL,
    &TIMEOUT,
    &BRANCH,
    &PHASE_BUDGET,
    &MODELS,
    &PROVIDER,
    &MERGE,
    &SANDBOX,
    &SANDBOX_LIMITS,
    &AGENT,
    &LAND,
    &ITEMS,
    &KIND,
];
