//! Every bound of the product, with its unit in its name and its reason in its doc. Each has a test one past it.

/// Longest project id. Keys in the store start with it, so it is kept short.
pub const PROJECT_ID_BYTES: usize = 64;
/// Longest task, phase, group, input or signal name. Names are shown in tables and used in file names.
pub const NAME_BYTES: usize = 128;
/// Largest payload stored in the journal itself; sled moves large values to files of its own, which we avoid.
pub const INLINE_PAYLOAD_BYTES: usize = 4 * 1024;
/// Largest single blob (one output of one step). Beyond it the output is cut and the step fails as `oversized`.
pub const BLOB_BYTES: u64 = 256 * 1024 * 1024;
/// Largest step output that expressions can read (`tasks.x.output`); larger ones are only in the logs.
pub const EXPRESSION_VALUE_BYTES: u64 = 1024 * 1024;
/// Largest workflow file: 100,000 tasks of a few lines each fit.
pub const WORKFLOW_FILE_BYTES: usize = 32 * 1024 * 1024;
/// Deepest nesting of a workflow file; the shape itself needs about ten levels.
pub const YAML_DEPTH: usize = 64;
/// Most nodes of a workflow file, aliases expanded: stops alias bombs.
pub const YAML_NODES: usize = 8_000_000;
/// Most tasks of one project, expanded ones included.
pub const TASKS_PER_PROJECT: usize = 200_000;
/// Most dependency edges of one project.
pub const EDGES_PER_PROJECT: usize = 4_000_000;
/// Most items of one `foreach`.
pub const FOREACH_ITEMS: usize = 100_000;
/// Most validation commands of one task.
pub const VALIDATIONS_PER_TASK: usize = 32;
/// Most diagnostics reported for one workflow file; the rest is counted.
pub const DIAGNOSTICS: usize = 20;
/// Most work of one expression, in minijinja's fuel units; ends runaway loops in templates.
pub const EXPRESSION_FUEL: u64 = 1_000_000;
/// Most compiled templates, and as many expressions, kept; then the cache starts over.
pub const COMPILED_TEMPLATES: usize = 8_192;
/// Largest text that one template may produce, in bytes; a command line or a request body is never larger.
pub const RENDERED_BYTES: usize = 8 * 1024 * 1024;
/// Most workflow files that one workflow may contain, children of children counted each time they are called.
pub const CHILD_WORKFLOWS: usize = 256;
/// Most steps spent on checking that texts read only tasks done before; beyond it, the run finds out.
pub const REFERENCE_CHECK_STEPS: usize = 20_000_000;
/// Deepest nesting of child projects.
pub const CHILD_DEPTH: u32 = 8;
/// Most attempts a retry policy may allow.
pub const RETRY_ATTEMPTS: u32 = 1_000;
/// Longest delay, deadline or duration a workflow may ask for: 366 days.
pub const DURATION_MS: u64 = 366 * 86_400_000;
/// After this many engine deaths in the middle of one step the project is paused: the step may be what kills it.
pub const STEP_RECOVERIES: u32 = 5;
/// Most times a capped loop-back or debugging branch may be allowed to run.
pub const LOOPBACK_ROUNDS: u32 = 1_000;
/// Excerpt of a failed command's output kept in the journal itself, for messages.
pub const EXCERPT_BYTES: usize = 2 * 1024;
/// Largest text of a person: comment, reason, signal name.
pub const COMMENT_BYTES: usize = 4 * 1024;
/// Largest payload of a signal or an external answer accepted from outside.
pub const SIGNAL_PAYLOAD_BYTES: usize = 1024 * 1024;
/// Most signals kept for a project before a wait takes them.
pub const PENDING_SIGNALS: usize = 10_000;
/// Most request ids remembered per project to make signals idempotent; the oldest are forgotten first.
pub const REMEMBERED_REQUESTS: usize = 10_000;
/// Most inputs the engine takes in before it commits: bounds the latency and memory of one commit.
pub const INPUTS_PER_COMMIT: usize = 4_096;
/// Most inputs waiting for the engine; senders beyond it wait.
pub const INPUT_QUEUE: usize = 65_536;
/// Largest frame (records of one project in one commit) in bytes; larger commits are split.
pub const FRAME_BYTES: usize = 1024 * 1024;
/// Largest single record in bytes.
pub const RECORD_BYTES: usize = 512 * 1024;
/// Most records that a fork takes over; they are in memory at once and become durable in one commit.
pub const FORK_RECORDS: u64 = 200_000;
/// A snapshot is written after this many records or twice the number of tasks, whichever is more.
pub const SNAPSHOT_EVERY_RECORDS: u64 = 10_000;
/// Below this much free space on the home's file system, projects pause before the disk is full.
pub const DISK_FLOOR_BYTES: u64 = 256 * 1024 * 1024;
/// Cache of the store; sled's own default of 1 GiB would be most of a small machine.
pub const STORE_CACHE_BYTES: u64 = 32 * 1024 * 1024;
/// Size of sled's log segments. A larger one lets larger values stay in the log, and makes opening write more.
pub const STORE_SEGMENT_BYTES: usize = 512 * 1024;
/// Largest value given to sled; longer frames are stored in parts. sled moves a page larger than a quarter of a segment into
/// a file of its own that it never syncs; a page holds at most 20 values (16, and 3 more while two pages merge).
pub const STORE_PART_BYTES: usize = 6 * 1024;
/// Longest note kept in a stored summary, so that a summary always fits into one part.
pub const SUMMARY_NOTE_BYTES: usize = 512;
/// Frames read from the store in one go while a history is walked.
pub const READ_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Snapshots kept per project: the newest, and one to fall back on.
pub const SNAPSHOTS_KEPT: usize = 2;
/// Longest request accepted on the control socket: the largest workflow file fits.
pub const SOCKET_LINE_BYTES: usize = 40 * 1024 * 1024;
/// Longest answer accepted from the control socket: the view of a project with the most tasks, and their outputs within
/// [`VIEW_OUTPUT_BYTES`], fits.
pub const SOCKET_ANSWER_BYTES: usize = 256 * 1024 * 1024;
/// Most bytes of outputs in the view of one project; those of later tasks are left out (`wfctl logs` has them).
pub const VIEW_OUTPUT_BYTES: u64 = 16 * 1024 * 1024;
/// Largest artifact handed out in one answer of the control socket: escaped at its worst (six characters a byte), it fits.
pub const ARTIFACT_ANSWER_BYTES: u64 = 32 * 1024 * 1024;
/// Longest text of one call in a transcript for people, in bytes; `--full` prints all of it.
pub const TRANSCRIPT_TEXT_BYTES: usize = 2 * 1024;
/// A page of a transcript ends with the entry that passes this many bytes; escaped at its worst, and with one entry of the
/// largest output, it fits an answer of the control socket.
pub const TRANSCRIPT_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// How long a connection to the control socket may ask for nothing before it loses its place; a client that follows has asked.
pub const SOCKET_IDLE_MS: u64 = 60_000;
/// Most clients of the control socket at once.
pub const SOCKET_CLIENTS: usize = 256;
/// Most records sent to a following client in one go.
pub const FOLLOW_BATCH_RECORDS: usize = 1_000;
/// Largest file the engine reads whole into memory for its own use (not workflow files, which have their own bound).
pub const SMALL_FILE_BYTES: u64 = 1024 * 1024;
/// Longest command line of a step: below Linux's own bound of 128 KiB for a single argument.
pub const COMMAND_BYTES: usize = 120 * 1024;
/// Largest HTTP response body of a step.
pub const HTTP_BODY_BYTES: usize = 16 * 1024 * 1024;
/// Most redirects followed by one HTTP step.
pub const HTTP_REDIRECTS: usize = 5;
/// Largest single file of a worktree that a checkpoint takes; it is held in memory once while it is hashed.
pub const CHECKPOINT_FILE_BYTES: u64 = 1024 * 1024 * 1024;
/// Most files of one worktree; beyond it a checkpoint would take minutes, and something is not ignored that should be.
pub const CHECKPOINT_FILES: usize = 1_000_000;
/// Most steps put on record before a worker is free for them: enough to hide the latency of a commit.
pub const STARTS_AHEAD: usize = 4;
/// Longest line of a command's output that becomes its failure's message.
pub const MESSAGE_CHARS: usize = 300;
/// Largest environment captured at a start (`pass_env`), names and values together: it is part of one record.
pub const CAPTURED_ENV_BYTES: usize = 64 * 1024;
/// Most tasks of one record of an undo plan; a longer plan is several records.
pub const UNDO_PLAN_TASKS: usize = 50_000;
/// Most that an external worker is given; it is part of one record.
pub const EXTERNAL_PAYLOAD_BYTES: usize = 64 * 1024;
/// The role of the agent that resolves a conflict with the integration branch.
pub const MERGER_ROLE: &str = "merger";
/// Most times that a conflict of one task is given to a merger before a person is asked.
pub const MERGE_BRANCHES: u32 = 3;
/// Most failures of earlier attempts that an agent is told of; older ones are forgotten.
pub const REMEMBERED_FAILURES: usize = 3;
/// Longest failure that is told to the next attempt of an agent.
pub const REMEMBERED_FAILURE_BYTES: usize = 8 * 1024;
/// Most of a log that a phase is told of when the project goes back to it: its end.
pub const FEEDBACK_LOG_BYTES: usize = 8 * 1024;
/// Most calls of one attempt of an agent.
pub const CALLS_PER_ATTEMPT: usize = 10_000;
