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
/// Most records of a project that is run again; they are in memory at once, some hundred bytes each.
pub const REPLAY_RECORDS: usize = 500_000;
/// Longest that a replay waits for a step or call beyond ten times what it took: a cold cache, a slower machine.
pub const REPLAY_PATIENCE_MS: u64 = 300_000;
/// Largest folder that a replay makes a copy of, in bytes: a project without a repository runs again in a copy.
pub const REPLAY_COPY_BYTES: u64 = 1024 * 1024 * 1024;
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
/// Commits that a listener may be behind before it has to look for itself what is new.
pub const COMMITS_TOLD: usize = 1_024;
/// Pieces of replies that a listener may be behind before it misses some.
pub const DELTAS_TOLD: usize = 1_024;
/// Most bytes of one such piece; what comes at once and is longer is told in several.
pub const DELTA_BYTES: usize = 4 * 1024;
/// Most rows (attempts and waits) of the timeline of a project in one answer; the newest ones, the rest is counted.
pub const TIMELINE_ROWS: usize = 20_000;
/// Most files of one comparison that are shown.
pub const DIFF_FILES: usize = 1_000;
/// Most bytes of the texts of one comparison; files beyond it are named without their text.
pub const DIFF_BYTES: usize = 4 * 1024 * 1024;
/// Largest file that is compared line by line.
pub const DIFF_FILE_BYTES: i64 = 1024 * 1024;
/// Largest body of an HTTP request: the largest payload of a signal, escaped, and inputs of a workflow fit.
pub const API_BODY_BYTES: usize = 4 * 1024 * 1024;
/// Most HTTP requests that are answered at once; later ones wait, and are told to come again when that takes too long.
pub const API_REQUESTS: usize = 256;
/// How long a request waits to be answered before it is told to come again; those that wait are bounded by their connections.
pub const API_WAIT_MS: u64 = 10_000;
/// Most connections to the HTTP server.
pub const API_CONNECTIONS: usize = 4_096;
/// Most live streams of events.
pub const API_STREAMS: usize = 2_048;
/// How long a connection may take to send the head of a request.
pub const API_HEAD_MS: u64 = 15_000;
/// How long open streams and requests have to end when the server stops.
pub const API_STOP_MS: u64 = 5_000;
/// Requests a second that one token may make, over a while; twice as many in a burst.
pub const API_RATE: u32 = 200;
/// Longest idempotency key.
pub const API_KEY_BYTES: usize = 200;
/// How long an idempotency key is remembered: far longer than anybody repeats a request.
pub const API_KEY_MS: u64 = 30 * 86_400_000;
/// Most projects, tasks or records of one page of an answer.
pub const API_PAGE: usize = 1_000;
/// Most bytes of rendered events of a project that are kept for clients that are nearly up to date; others read the journal.
pub const STREAM_KEPT_BYTES: usize = 8 * 1024 * 1024;
/// Most bytes of words of models that are told to the clients of a project in one go.
pub const STREAM_DELTAS_BYTES: usize = 64 * 1024;
/// Goes that a client may be behind before it misses words.
pub const STREAM_DELTAS: usize = 64;
/// Clients that read the journal to catch up at the same time; others wait for their turn.
pub const STREAM_READERS: usize = 4;
/// A sign of life goes to a client that hears nothing for this long.
pub const STREAM_BEAT_MS: u64 = 15_000;
/// Most projects that one cursor over all projects may name.
pub const STREAM_CURSOR_PROJECTS: usize = 1_000;
/// Most projects that one WebSocket follows.
pub const SOCKET_FOLLOWED: usize = 64;
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
/// Most mergers at work in one project. Of two that begin from the same branch one has to be done again, and each costs money.
pub const MERGERS: u32 = 1;
/// Most failures of earlier attempts that an agent is told of; older ones are forgotten.
pub const REMEMBERED_FAILURES: usize = 3;
/// Longest failure that is told to the next attempt of an agent.
pub const REMEMBERED_FAILURE_BYTES: usize = 8 * 1024;
/// Most of a log that a phase is told of when the project goes back to it: its end.
pub const FEEDBACK_LOG_BYTES: usize = 8 * 1024;
/// Most failed tasks that a phase is told of when the project goes back to it: each brings a piece of its log.
pub const FEEDBACK_TASKS: usize = 50;
/// Most calls of one attempt of an agent.
pub const CALLS_PER_ATTEMPT: usize = 10_000;
/// Most replies in a row that a model is asked to repair (malformed calls, text where an answer is due), and most answers of one
/// attempt that may be refused; what is not right by then will not be.
pub const MALFORMED_REPAIRS: u32 = 3;
/// Most times in a row that a reply cut at its output limit is continued.
pub const CONTINUATIONS: u32 = 2;
/// Most summaries of one attempt's conversation; beyond it the work is too large for one task.
pub const COMPACTIONS_PER_ATTEMPT: u32 = 8;
/// Most failed model calls in a row that are followed by another one without waiting.
pub const MODEL_FAILURES_IN_A_ROW: u32 = 8;
/// A request estimated at more than this share of the model's window is preceded by a summary.
pub const COMPACT_AT_PERCENT: u64 = 80;
/// Share of a conversation that the turns kept beside its summary may take.
pub const KEPT_TURNS_PERCENT: u64 = 20;
/// Longest tool result within a request for a summary, in bytes; the summary needs its gist.
pub const SUMMARISED_RESULT_BYTES: usize = 4 * 1024;
/// Most tools of one reply that run at the same time.
pub const PARALLEL_TOOLS: usize = 8;
/// Most tool calls of one reply; further ones are answered with an error.
pub const TOOL_CALLS_PER_REPLY: usize = 64;
/// Most turns of one attempt that a role may ask for.
pub const AGENT_TURNS: u32 = 1_000;
/// Turns without a changed tree, fewer failing checks or a file read for the first time before an agent is told.
pub const NO_PROGRESS_TURNS: u32 = 25;
/// Turns that an agent has after it was told that it makes no progress.
pub const NO_PROGRESS_GRACE_TURNS: u32 = 5;
/// A tool that ran at least this long was waiting for something: its repetition is not counted.
pub const WAITING_TOOL_MS: u64 = 10_000;
/// Most tasks of one agent's plan; a larger one is made of several plans.
pub const PLAN_TASKS: usize = 200;
/// Most parts that a planner hands to planners of their own at once.
pub const PLAN_SCOPES: usize = 50;
/// Largest role file.
pub const ROLE_FILE_BYTES: usize = 64 * 1024;
/// Longest excerpt of an earlier attempt's failure in the prompt of the next.
pub const PREVIOUS_FAILURE_BYTES: usize = 4 * 1024;
/// Most earlier failures in the prompt of an attempt: the newest ones.
pub const PREVIOUS_FAILURES: usize = 5;
/// Most standing instructions (`AGENTS.md`) in a prompt, in bytes over all files; the nearest ones come first.
pub const STANDING_BYTES: usize = 48 * 1024;
/// Most errors named in one refusal of an answer or of arguments.
pub const SCHEMA_ERRORS: usize = 10;
/// Most of a whole output that one reading of it gives back, in bytes.
pub const READ_OUTPUT_BYTES: usize = 16 * 1024;
/// Largest file that an agent's tool reads, searches, edits or writes: far above any source file, and held in memory once.
pub const TOOL_FILE_BYTES: u64 = 16 * 1024 * 1024;
/// Longest path that a tool accepts: Linux's own bound.
pub const TOOL_PATH_BYTES: usize = 4096;
/// Most entries of one folder that are listed; the rest is counted.
pub const TOOL_FOLDER_ENTRIES: usize = 2_000;
/// Most entries that one walk over a worktree visits; beyond it something is not ignored that should be.
pub const TOOL_WALK_ENTRIES: usize = 500_000;
/// Deepest folder that a walk enters; each level keeps a file descriptor open.
pub const TOOL_WALK_DEPTH: usize = 64;
/// Largest `.gitignore` that a walk obeys.
pub const TOOL_IGNORE_BYTES: u64 = 1024 * 1024;
/// Most lines that one `read_file` gives back.
pub const TOOL_READ_LINES: usize = 2_000;
/// Longest line shown to a model, in characters; more is cut with a note.
pub const TOOL_LINE_CHARS: usize = 2_000;
/// Most matches that one search gives back.
pub const TOOL_MATCHES: usize = 1_000;
/// Matches that a search gives back unless more are asked for: what a model can take in at once.
pub const TOOL_MATCHES_DEFAULT: usize = 100;
/// Largest compiled pattern of a search; ends patterns such as `(.{1000}){1000}`.
pub const TOOL_PATTERN_BYTES: usize = 4 * 1024 * 1024;
/// Most lines of one `tree`.
pub const TOOL_TREE_LINES: usize = 500;
/// Largest text of arguments of one tool call; larger than any model writes in one reply.
pub const TOOL_ARGUMENT_BYTES: usize = 4 * 1024 * 1024;
/// What a model is shown of one output; the whole is kept and can be paged.
pub const TOOL_OUTPUT_BYTES: usize = 16 * 1024;
/// Diffs of more files are left out of one `git_diff` beyond this; the files are counted.
pub const TOOL_GIT_DIFF_BYTES: usize = 4 * 1024 * 1024;
/// Time limit of a tool's command unless it asks for another.
pub const TOOL_COMMAND_MS: u64 = 300_000;
/// Time limit of a `run` step without one of its own, unless the person's configuration says another.
pub const RUN_STEP_MS: u64 = 600_000;
/// Largest text of what a person allows a project's commands to reach.
pub const ALLOWANCE_BYTES: usize = 64 * 1024;
/// Longest time limit that a tool's command may ask for.
pub const TOOL_COMMAND_MOST_MS: u64 = 1_800_000;
/// Most operations (files) of one patch.
pub const TOOL_PATCH_FILES: usize = 200;
/// Most lines of a diff that says what an edit changed.
pub const TOOL_DIFF_LINES: usize = 120;
/// Most work of looking for the region nearest to one that was not found, in compared lines.
pub const TOOL_NEAREST_LINES: usize = 2_000_000;
/// Most commits that one `git_log` gives back.
pub const TOOL_LOG_COMMITS: usize = 100;
/// Most tasks that one run of the gates may stand for; a red run is then bisected in at most six steps.
pub const MERGE_BATCH: u32 = 64;
/// Most tasks waiting to be merged into one integration branch: more agents than any machine runs at once.
pub const MERGE_WAITING: usize = 1_024;
/// How often a merge is built anew because someone else moved the branch in between.
pub const MERGE_REBUILDS: u32 = 16;
/// Most commits looked at to find where a task's commit left the integration branch; beyond it libgit2 searches.
pub const MERGE_ANCESTRY: usize = 1_000;
/// Most conflicting paths whose contents are shown to whoever resolves them; the rest is named.
pub const CONFLICT_PATHS: usize = 32;
/// Most bytes of one side of one conflicting file that are shown: with three sides and all paths about 400 KiB.
pub const CONFLICT_SIDE_BYTES: usize = 4 * 1024;
/// Most commit messages of one side that are shown with a conflict.
pub const CONFLICT_MESSAGES: usize = 16;
/// Most folders below the root of a tree that are looked at for tool chains of their own.
pub const CHECK_FOLDERS: usize = 32;
/// Longest excerpt of a failed check's output: a dozen compiler errors, and small beside a model's context.
pub const CHECK_EXCERPT_BYTES: usize = 8 * 1024;
/// Longest message of one failed test.
pub const TEST_MESSAGE_BYTES: usize = 1024;
/// Most tests named in the result of one check, failed ones first; more are only counted. A report is one payload of a record.
pub const CHECK_TESTS: usize = 5_000;
/// Most failed tests of a check that are run once more to see whether they are flaky; more of them are no accident.
pub const FLAKY_TESTS: usize = 50;
/// How long one check of a repository may take.
pub const CHECK_TIMEOUT_MS: u64 = 30 * 60 * 1000;
/// Most of a report of checks that a model is shown.
pub const CHECK_REPORT_BYTES: usize = 12 * 1024;
/// Size of the repository's map in an agent's prompt.
pub const REPOSITORY_MAP_TOKENS: usize = 2_000;
/// Most words of its task that a map is focused on.
pub const MAP_FOCUS_WORDS: usize = 200;
/// Largest single event of a model's stream; a whole reply of a provider that does not stream fits.
pub const MODEL_EVENT_BYTES: usize = 8 * 1024 * 1024;
/// Largest reply of a model, text and arguments of its calls together: some hundred times what any model may put out.
pub const MODEL_REPLY_BYTES: usize = 8 * 1024 * 1024;
/// Most tool calls of one reply; real ones have a few dozen.
pub const MODEL_REPLY_CALLS: usize = 256;
/// Most that is read of a provider's error answer: whole pages of HTML happen.
pub const MODEL_ERROR_BYTES: usize = 64 * 1024;
/// Longest file of scripted answers: a run of some hundred tasks that write files fits.
pub const SCRIPT_BYTES: u64 = 16 * 1024 * 1024;
/// Most secrets told of one scan; whoever has that many has to look at more than the list.
pub const SECRET_FINDINGS: usize = 100;
/// Largest source file that is indexed; beyond it a file was written by a program.
pub const INDEX_FILE_BYTES: u64 = 1024 * 1024;
/// Most source files of one index.
pub const INDEX_FILES: usize = 100_000;
/// Most symbols of one file.
pub const INDEX_SYMBOLS_PER_FILE: usize = 10_000;
/// Longest name of a symbol; a longer one was made by a program.
pub const INDEX_NAME_BYTES: usize = 128;
/// Longest signature and first line of documentation: what fits on a line.
pub const INDEX_SIGNATURE_BYTES: usize = 240;
/// Most names of nested containers told with a symbol; the innermost ones.
pub const INDEX_CONTAINERS: usize = 4;
/// Longest line of a source file that people write; a file with a longer one is minified.
pub const INDEX_LINE_BYTES: usize = 10_000;
/// Largest cache of an index that is read.
pub const INDEX_CACHE_BYTES: u64 = 256 * 1024 * 1024;
/// Indexes kept in memory for agents that begin from the same tree, in trees: the projects that run at once start from few, and one
/// of a very large repository takes tens of MiB.
pub const INDEXES_KEPT: usize = 4;
/// Deepest nesting of brackets in a source file that is indexed; people's files have less than a hundredth of it.
pub const INDEX_NESTING: usize = 1_000;
/// Most waits in a row that a provider of models may ask for by itself; then a person is asked.
pub const PROVIDER_WAITS: u32 = 100;
/// Most contents of files that one home trusts; the oldest ones are forgotten, and asked for again.
pub const TRUSTED_CONTENTS: usize = 4_096;
/// Largest ledger of what is trusted: as many entries with the longest paths that Linux has.
pub const TRUST_LEDGER_BYTES: u64 = 24 * 1024 * 1024;
/// Most roles that a repository may bring.
pub const ROLES: usize = 256;
/// Largest `.wfctl.toml` of a repository, and configuration of a user: some hundred lines are a long one.
pub const CONFIG_FILE_BYTES: u64 = 1024 * 1024;
/// Most folders in folders of a worktree, or of a commit that a project begins from; each level keeps a file descriptor open.
pub const TREE_DEPTH: usize = 256;
/// How long whoever is told of records may take for one answer.
pub const BUS_ANSWER_MS: u64 = 10_000;
/// Most records that are read for one sink at once; they are in memory, some KiB each at most.
pub const BUS_BATCH_RECORDS: usize = 500;
/// A batch for a message broker ends with the record that would pass this many bytes.
pub const BUS_BATCH_BYTES: usize = 4 * 1024 * 1024;
/// How long a sink that is up to date waits for more records to come with the first new one.
pub const BUS_GATHER_MS: u64 = 20;
/// How far a sink is, is written down at least this often while it is busy.
pub const BUS_PAGE_MS: u64 = 1_000;
/// How long an engine that ends waits for sinks that are not done; the next one goes on where they were.
pub const BUS_DRAIN_MS: u64 = 5_000;
/// Longest that a sink that failed is left alone before it is tried again.
pub const BUS_RETRY_MS: u64 = 60_000;
/// Longest message of a notice.
pub const NOTICE_CHARS: usize = 2_000;
/// How long a command that is told of a notice may run.
pub const NOTICE_COMMAND_MS: u64 = 30_000;
/// Most budgets told as metrics, one per project and dimension: a monitoring system keeps a series for each.
pub const METRIC_BUDGETS: usize = 500;
/// Largest chunk of an agent's memory, and the smallest that a longer text is cut into, in tokens.
pub const MEMORY_CHUNK_TOKENS: usize = 1024;
/// See [`MEMORY_CHUNK_TOKENS`].
pub const MEMORY_CHUNK_TOKENS_LEAST: usize = 512;
/// Most chunks of one repository's memory: its index of words is in memory, a few KiB each.
pub const MEMORY_CHUNKS: usize = 20_000;
/// Largest log of one memory: as many chunks of the largest size, and as much again that is outdated.
pub const MEMORY_BYTES: u64 = 256 * 1024 * 1024;
/// Largest cache of vectors of one memory and model; beyond it, it starts over.
pub const MEMORY_VECTOR_BYTES: u64 = 512 * 1024 * 1024;
/// Largest text that is stored at once; a larger one is stored in parts.
pub const MEMORY_CONTENT_BYTES: usize = 1024 * 1024;
/// Most tags of one chunk.
pub const MEMORY_TAGS: usize = 16;
/// Most chunks that one search gives back.
pub const MEMORY_HITS: usize = 50;
/// Most texts of one request for embeddings.
pub const MEMORY_EMBEDDED_AT_ONCE: usize = 64;
/// Most new chunks that one search has embedded before it looks; the others are for the next one.
pub const MEMORY_EMBEDDED_PER_SEARCH: usize = 1024;
/// The same for a model of this machine: a chunk of the largest size takes it up to half a second, and somebody waits.
pub const MEMORY_EMBEDDED_LOCALLY: usize = 64;
/// Largest file of weights of a model of this machine; the whole of it is in memory.
pub const EMBEDDING_MODEL_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Largest file of its words: those of the largest vocabularies have 20 MB.
pub const TOKENIZER_BYTES: u64 = 64 * 1024 * 1024;
/// Largest answer of a Qdrant server: the most chunks of one request, each of the largest size.
pub const QDRANT_BYTES: usize = 64 * 1024 * 1024;
/// Chunks of one request to a Qdrant server, up or down.
pub const QDRANT_PAGE: usize = 100;
/// Most chunks that a Qdrant server is asked to put in order; of more, all are fetched.
pub const QDRANT_LISTED: usize = 1000;
/// Chunks of memory that a role which remembers is given with its task.
pub const MEMORY_PROMPT_CHUNKS: usize = 5;
/// Most of them, in bytes over all chunks.
pub const MEMORY_PROMPT_BYTES: usize = 16 * 1024;
/// Most of a page that a tool fetches; more is cut.
pub const FETCH_BYTES: usize = 4 * 1024 * 1024;
/// How long a tool waits for a whole page, redirects included.
pub const FETCH_MS: u64 = 60_000;
/// Most pages of one scrape.
pub const FETCH_PAGES: usize = 20;
/// Longest that a tool waits for a time: it holds a worker meanwhile.
pub const TOOL_WAIT_MS: u64 = 1_800_000;
/// Most steps of a plan of one conversation.
pub const THOUGHT_STEPS: usize = 100;
/// Most times that a step's command is run by one call.
pub const THOUGHT_TRIES: u32 = 20;
/// Most rows of a database that a tool shows.
pub const DATABASE_ROWS: usize = 1_000;
/// How long one call may work in a database.
pub const DATABASE_MS: u64 = 60_000;
/// Most rows that one call puts into a database.
pub const DATABASE_SEEDS: usize = 10_000;
/// Largest answer of an endpoint for embeddings: vectors of the most texts of one request, as decimal numbers.
pub const EMBEDDINGS_BYTES: usize = 32 * 1024 * 1024;
