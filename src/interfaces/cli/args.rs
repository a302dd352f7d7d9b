//! What can be typed. The doc comments are the help texts.

mod documents;
mod faces;
mod journal;
mod memory;
mod sandbox;
mod secrets;

pub use documents::{Schema, Validate};
pub use faces::{Bus, BusWhat, Mcp, Metrics};
pub use journal::{Audit, AuditWhat, Export};
pub use memory::{Memory, MemoryFilter, MemoryWhat};
pub use sandbox::{Contained, Sandbox};
pub use secrets::{Secrets, SecretsWhat};

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::exit::Exit;

fn exit_codes() -> String {
    let lines = Exit::ALL.map(|exit| format!("  {:>3}  {}", exit.code(), exit.meaning()));
    format!("Exit codes:\n{}\n\nProjects are named by id or any unique beginning of one.", lines.join("\n"))
}

/// A durable workflow engine: kill it at any instant, resume it exactly, audit every transition.
#[derive(Debug, Parser)]
#[command(name = "wfctl", version, after_help = exit_codes(), max_term_width = 100, disable_help_subcommand = false)]
#[command(propagate_version = false, subcommand_required = true, arg_required_else_help = true)]
pub struct Arguments {
    /// Where everything is kept [default: $WFCTL_HOME, else ~/.local/state/wfctl]
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// When to colour
    #[arg(long, global = true, value_name = "WHEN", value_parser = ["auto", "always", "never"])]
    pub color: Option<String>,
    /// Most steps at once [default: number of cores]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), hide = true)]
    pub workers: Option<u16>,
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show all of it at work: a team of scripted agents changes a small real repository
    Demo(Demo),
    /// Write an example workflow to begin with
    Init(Init),
    /// Check workflow files without running them
    Validate(Validate),
    /// Show what a repository brings that wfctl would run or obey, and agree to it
    Trust(Trust),
    /// Start a project and follow it
    Run(Run),
    /// Start a project that shares the records of another one up to a point, and goes on from there by itself
    Fork(Fork),
    /// Go on with a project where it was
    Resume(Resume),
    /// List projects
    List(List),
    /// Show one project with its tasks
    Show(Project),
    /// Watch a project live
    Watch(Project),
    /// Print the journal of a project
    Events(Events),
    /// Print the output of a task
    Logs(Logs),
    /// Tell what a project waits for, and the command that unblocks it
    Why(Project),
    /// Say yes to an approval
    Approve(Decide),
    /// Say no to an approval
    Reject(Decide),
    /// Send a signal to a project
    Signal(Signal),
    /// Pause a project: steps that run end, none starts until it is resumed
    Pause(Comment),
    /// Stop a project and take back what it did (undo)
    Cancel(Cancel),
    /// Stop a project at once and take nothing back
    Kill(Comment),
    /// Give a task, or all failed ones, a new series of attempts
    Retry(Retry),
    /// Add tasks to a project while it runs
    Add(Add),
    /// Take an external task as a worker
    Claim(Claim),
    /// Tell that the worker of an external task is alive
    Heartbeat(Heartbeat),
    /// Deliver the result of an external task
    Answer(Answer),
    /// Draw a workflow file, or a project with its states
    Graph(Graph),
    /// Tell what the code in a folder defines: counts, a map, definitions
    Index(Index),
    /// Prove, export or pin the journal of a project
    Audit(Audit),
    /// Write a project as an SQLite database: tasks, planners, cycles
    Export(Export),
    /// Tell what the models of a project cost
    Cost(Cost),
    /// List what agents kept, or print one of it
    Artifacts(Artifacts),
    /// Print the conversation of an agent
    Transcript(Transcript),
    /// Run a finished project again from its records, and show the first difference
    Replay(Replay),
    /// Compare what a project pinned with the file it came from
    Diff(Diff),
    /// Print a JSON Schema: of workflow files, or of a document of agents
    Schema(Schema),
    /// Serve projects to other agents over stdin and stdout, in the Model Context Protocol
    Mcp(Mcp),
    /// Search, list and change what agents remember of a repository
    Memory(Memory),
    /// Check everything that is stored
    Doctor(Doctor),
    /// Run one command as commands of projects are run: contained, without network, to try it out
    Sandbox(Sandbox),
    /// Print numbers for a monitoring system, in the text format of Prometheus
    Metrics(Metrics),
    /// Tell who is told of records, and whether they take them
    Bus(Bus),
    /// Remove ended projects and what nobody names any more
    Gc(Gc),
    /// Explain an error code
    Explain(Explain),
    /// Show the settings
    Config(Config),
    /// List, set, check or remove secrets that workflows can name
    Secrets(Secrets),
    /// Print completions for a shell
    Completions(Completions),
    /// Print the manual page
    Man,
    /// Serve the home over HTTP: an API, live events, a web interface
    Serve(Serve),
    /// Print a token for the server
    Token(Token),
    /// Print the version
    Version,
    /// The engine in the background
    #[command(hide = true)]
    Engine,
}

/// `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// The folder for the repository; it must not exist or be empty
    #[arg(default_value = "wfctl-demo")]
    pub dir: PathBuf,
    /// Do not answer its questions: `wfctl approve` does, from another shell
    #[arg(long)]
    pub ask: bool,
    /// The id of the project
    #[arg(long)]
    pub id: Option<String>,
}

/// `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Where to listen; beyond this machine only with --tls-cert and --tls-key
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7171")]
    pub listen: std::net::SocketAddr,
    /// A certificate chain, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// A name that the server is asked by, beside addresses and localhost; may be given several times
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,
    /// A folder that projects may be started in; may be given several times [default: the git repository around here, else here]
    #[arg(long, value_name = "DIR")]
    pub dir: Vec<PathBuf>,
    /// A folder of workflows that may be started; may be given several times [default: workflows and .wfctl/workflows of --dir]
    #[arg(long, value_name = "DIR")]
    pub workflows: Vec<PathBuf>,
    /// Requests a second that one token may make
    #[arg(long, value_name = "N", default_value_t = crate::domain::limits::API_RATE)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// Print a unit for systemd that serves from here after each start of the machine, and do nothing
    #[arg(long)]
    pub print_unit: bool,
}

/// `token`.
#[derive(Debug, Args)]
pub struct Token {
    /// What its bearer may do
    #[arg(long, value_enum, default_value_t = TokenRole::Operate)]
    pub role: TokenRole,
    /// Put another one in its place; the one before is void at once
    #[arg(long)]
    pub rotate: bool,
}

/// What the bearer of a token may do.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum TokenRole {
    /// Look at everything
    Read,
    /// Start, answer and steer projects
    Operate,
    /// Remove projects too
    Admin,
}

/// `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// The file to write
    #[arg(default_value = "workflow.yaml")]
    pub file: PathBuf,
}

/// `trust`.
#[derive(Debug, Args)]
pub struct Trust {
    /// Workflows, roles or a .wfctl.toml [default: everything in this repository that needs it]
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// Agree to all of it without asking
    #[arg(short, long)]
    pub yes: bool,
    /// List what is trusted
    #[arg(long, conflicts_with_all = ["paths", "yes", "revoke"])]
    pub list: bool,
    /// Take back what was agreed to for a file
    #[arg(long, value_name = "PATH", conflicts_with_all = ["paths", "yes"])]
    pub revoke: Vec<PathBuf>,
}

/// What a workflow is given.
#[derive(Debug, Args)]
pub struct Inputs {
    /// An input; `KEY=@FILE` reads its value from a file
    #[arg(short, long = "input", value_name = "KEY=VALUE")]
    pub input: Vec<String>,
    /// A JSON file with an object of inputs; `-i` wins over it
    #[arg(long, value_name = "FILE")]
    pub inputs: Option<PathBuf>,
}

/// Which models the agents of a project use; pinned with it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Agents")]
pub struct Models {
    /// The model of all agents, `provider/model`; several: the later ones are fallbacks
    #[arg(short, long = "model", value_name = "MODEL")]
    pub model: Vec<String>,
    /// An OpenAI-compatible endpoint, e.g. http://localhost:11434/v1; `--model` then names models of it
    #[arg(long, value_name = "URL", requires = "model")]
    pub base_url: Option<String>,
    /// The environment variable that holds the key for --base-url [default: no key is sent]
    #[arg(long, value_name = "NAME", requires = "base_url")]
    pub key_env: Option<String>,
    /// The models at --base-url cost nothing [default for one on this machine]
    #[arg(long, requires = "base_url")]
    pub free: bool,
    /// Send keys and code to the providers that the workflow's file names
    #[arg(long)]
    pub trust_providers: bool,
}

/// What commands may reach beside their workspace.
#[derive(Debug, Args, Default)]
#[command(next_help_heading = "Sandbox")]
pub struct Allow {
    /// Let commands reach a host through the engine's proxy: NAME, *.NAME, NAME:PORT; `*` is all of the network
    #[arg(long, value_name = "HOST")]
    pub allow_net: Vec<String>,
    /// Let commands write to a folder beside their workspace
    #[arg(long, value_name = "DIR")]
    pub allow_write: Vec<String>,
    /// Let commands read a path that is hidden, such as one of your home
    #[arg(long, value_name = "PATH")]
    pub allow_read: Vec<String>,
    /// Let commands inherit a variable of your environment
    #[arg(long, value_name = "NAME")]
    pub allow_env: Vec<String>,
    /// Let commands change the repository: tags, branches, commits
    #[arg(long)]
    pub allow_git: bool,
    /// Let the project have package caches of its own that commands fill
    #[arg(long)]
    pub allow_caches: bool,
}

/// `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// A workflow file, or the name of one in ./workflows, .wfctl/workflows or among the shipped ones
    pub workflow: String,
    #[command(flatten)]
    pub inputs: Inputs,
    #[command(flatten)]
    pub models: Models,
    #[command(flatten)]
    pub allow: Allow,
    #[command(flatten)]
    pub contained: Contained,
    /// The id of the project; starting twice with the same one is one start
    #[arg(long)]
    pub id: Option<String>,
    /// The folder to run in [default: the git repository around here, else here]
    #[arg(long, value_name = "DIR", visible_alias = "repo")]
    pub dir: Option<PathBuf>,
    /// Start it in the background and print its id
    #[arg(short, long)]
    pub detach: bool,
    /// Print the plan and do nothing
    #[arg(long, conflicts_with = "detach")]
    pub dry_run: bool,
    /// Agree to what the repository brings as it is now: the workflow, its roles, its .wfctl.toml
    #[arg(long)]
    pub trust: bool,
}

/// `fork`.
#[derive(Debug, Args)]
pub struct Fork {
    /// The project
    pub project: String,
    /// The last record that both have in common; `wfctl events` numbers them
    #[arg(long, value_name = "SEQ")]
    pub at: u64,
    /// The id of the fork; forking twice with the same one is one fork [default: PROJECT.fSEQ]
    #[arg(long, value_name = "NEW")]
    pub id: Option<String>,
    /// The model that its agents ask from there on; more of them are asked when the first cannot answer
    #[arg(long = "model", value_name = "PROVIDER/MODEL")]
    pub models: Vec<String>,
    /// Other caps: calls=N, tokens=N, usd=N, wall=DURATION, separated by commas
    #[arg(long, value_name = "CAPS")]
    pub budget: Option<String>,
    /// Let it run in the background and print its id
    #[arg(short, long)]
    pub detach: bool,
}

/// `resume`.
#[derive(Debug, Args)]
pub struct Resume {
    /// The project
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub project: Option<String>,
    /// Every project that has not ended
    #[arg(long)]
    pub all: bool,
    /// Print what would be read back, run again, looked for or asked, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Settle steps of which nobody knows whether they happened
    #[arg(long, value_name = "HOW")]
    pub in_doubt: Option<InDoubt>,
    /// Raise caps: calls=N, tokens=N, usd=N, wall=DURATION, separated by commas
    #[arg(long, value_name = "CAPS")]
    pub budget: Option<String>,
    #[command(flatten)]
    pub allow: Allow,
    /// Go on in the background
    #[arg(short, long)]
    pub detach: bool,
}

/// How a doubt is settled.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum InDoubt {
    /// Run it again
    Rerun,
    /// It happened; go on
    Done,
    /// It did not work; fail the task
    Fail,
}

/// `list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only projects in this state, e.g. PAUSED
    #[arg(long)]
    pub status: Option<String>,
    /// Only projects of this workflow
    #[arg(long)]
    pub workflow: Option<String>,
    /// Also projects that ended more than a day ago, and children
    #[arg(short, long)]
    pub all: bool,
}

/// One project.
#[derive(Debug, Args)]
pub struct Project {
    /// The project
    pub project: String,
}

/// `events`.
#[derive(Debug, Args)]
pub struct Events {
    /// The project
    pub project: String,
    /// Wait for more
    #[arg(short, long)]
    pub follow: bool,
    /// Begin at this record
    #[arg(long, value_name = "SEQ", default_value_t = 1)]
    pub from: u64,
    /// Only records of this task
    #[arg(long)]
    pub task: Option<String>,
    /// Only records of this kind, e.g. TaskFailed
    #[arg(long)]
    pub kind: Option<String>,
}

/// `logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// The project
    pub project: String,
    /// The task [default: all that have any]
    pub task: Option<String>,
    /// The attempt [default: the last]
    #[arg(long, value_name = "N")]
    pub attempt: Option<u32>,
    /// The step of the attempt; 0 is the command itself [default: the last]
    #[arg(long, value_name = "N")]
    pub step: Option<u32>,
    /// Wait for more while it runs
    #[arg(short, long, requires = "task")]
    pub follow: bool,
}

/// `approve` and `reject`.
#[derive(Debug, Args)]
pub struct Decide {
    /// The project
    pub project: String,
    /// The task that asks [default: the only one that does]
    pub task: Option<String>,
    /// Why
    #[arg(short = 'm', long, default_value = "")]
    pub comment: String,
}

/// `signal`.
#[derive(Debug, Args)]
pub struct Signal {
    /// The project
    pub project: String,
    /// The signal's name
    pub name: String,
    /// What comes with it
    #[arg(long, value_name = "JSON", default_value = "null")]
    pub payload: String,
    /// Your id for it; a second signal with the same one is the same signal
    #[arg(long, value_name = "ID", default_value = "")]
    pub request: String,
}

/// `pause` and `kill`.
#[derive(Debug, Args)]
pub struct Comment {
    /// The project
    pub project: String,
    /// Why
    #[arg(short = 'm', long, default_value = "")]
    pub comment: String,
}

/// `cancel`.
#[derive(Debug, Args)]
pub struct Cancel {
    /// The project
    pub project: String,
    /// Take nothing back
    #[arg(long)]
    pub no_undo: bool,
    /// Why
    #[arg(short = 'm', long, default_value = "")]
    pub comment: String,
}

/// `retry`.
#[derive(Debug, Args)]
pub struct Retry {
    /// The project
    pub project: String,
    /// The task [default: all that failed or have no attempts left]
    pub task: Option<String>,
}

/// `add`.
#[derive(Debug, Args)]
pub struct Add {
    /// The project
    pub project: String,
    /// A workflow file with the tasks
    pub file: PathBuf,
    /// The phase they belong to [default: the present one]
    #[arg(long)]
    pub phase: Option<String>,
    /// Agree to the file as it is now, should it come with a repository
    #[arg(long)]
    pub trust: bool,
}

/// `claim`.
#[derive(Debug, Args)]
pub struct Claim {
    /// The project
    pub project: String,
    /// The task
    pub task: String,
    /// Who works on it [default: the user]
    #[arg(long)]
    pub worker: Option<String>,
}

/// `heartbeat`.
#[derive(Debug, Args)]
pub struct Heartbeat {
    /// The project
    pub project: String,
    /// The task
    pub task: String,
    /// The token that the claim gave
    #[arg(long)]
    pub token: u64,
}

/// `answer`.
#[derive(Debug, Args)]
pub struct Answer {
    /// The project
    pub project: String,
    /// The task
    pub task: String,
    /// The token that the claim gave; 0 when it was never claimed
    #[arg(long, default_value_t = 0)]
    pub token: u64,
    /// The result
    #[arg(long, value_name = "JSON", required_unless_present = "error", conflicts_with = "error")]
    pub output: Option<String>,
    /// It failed, and why
    #[arg(long, value_name = "MESSAGE")]
    pub error: Option<String>,
}

/// `graph`.
#[derive(Debug, Args)]
pub struct Graph {
    /// A workflow file or name, or a project
    pub what: String,
    /// As what
    #[arg(long, default_value = "tree")]
    pub format: GraphFormat,
}

/// Kinds of pictures.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum GraphFormat {
    /// For a terminal
    Tree,
    /// For Markdown
    Mermaid,
    /// For Graphviz
    Dot,
    /// For a browser
    Svg,
}

/// `index`.
#[derive(Debug, Args)]
pub struct Index {
    /// The folder [default: here]
    pub dir: Option<PathBuf>,
    /// Print the signatures that matter most in at most so many tokens, at four bytes each
    #[arg(long, value_name = "TOKENS")]
    pub map: Option<usize>,
    /// A word: files with it in their path or in a symbol's name come first; may be given several times
    #[arg(long, value_name = "WORD", conflicts_with = "symbol")]
    pub focus: Vec<String>,
    /// Print where this is defined; `Container.NAME` asks for that of a container
    #[arg(long, value_name = "NAME", conflicts_with = "map")]
    pub symbol: Option<String>,
}

/// `cost`.
#[derive(Debug, Args)]
pub struct Cost {
    /// The project
    pub project: String,
    /// Only one table [default: all of them, and the ten dearest tasks]
    #[arg(long)]
    pub by: Option<CostBy>,
    /// Count its child projects too
    #[arg(long)]
    pub children: bool,
}

/// What costs are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CostBy {
    /// What the agents are
    Role,
    /// What they ask
    Model,
    /// What they do, all of them
    Task,
    /// When
    Phase,
    /// Which model was asked for which role, and why
    Route,
}

/// `artifacts`.
#[derive(Debug, Args)]
pub struct Artifacts {
    /// The project
    pub project: String,
    /// The artifact to print [default: list all of them]
    pub name: Option<String>,
    /// Only of this task
    #[arg(long)]
    pub task: Option<String>,
    /// Write it to a file
    #[arg(short, long, value_name = "FILE", requires = "name")]
    pub output: Option<PathBuf>,
}

/// `transcript`.
#[derive(Debug, Args)]
pub struct Transcript {
    /// The project
    pub project: String,
    /// The task
    pub task: String,
    /// The attempt [default: the last]
    #[arg(long, value_name = "N")]
    pub attempt: Option<u32>,
    /// Long texts whole
    #[arg(long)]
    pub full: bool,
}

/// `replay`.
#[derive(Debug, Args)]
#[command(after_help = REPLAY_HELP)]
pub struct Replay {
    /// The project
    pub project: String,
    /// Keep the folders in which it ran again
    #[arg(long)]
    pub keep: bool,
}

const REPLAY_HELP: &str = "Commands, tools, checks and merges really run again, in worktrees of a private repository; of yours nothing changes.
Models say what they said; no network is used by wfctl itself, and nothing is waited for. Taken from the records: what people,
timers, signals, external workers and child projects did (run a child again by its own id), and the ends of steps that act on the
world outside: `http`, `land`, `effect: once`, steps with a `probe`, and steps that were stopped (time limits).
A project with `workspace: dir` runs in a copy of its folder as that is now: what the folder was at the start is not on record.

The same means: the same calls in the same order with the same inputs, the same outputs, files, commits and decisions, to the byte.
Outputs of commands, tools and checks may differ in durations, folders and the order of lines; that is told. Merges may have been
batched otherwise.";

/// `diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// The project
    pub project: String,
    /// Another workflow to compare with [default: the file it came from]
    pub workflow: Option<String>,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Heal what can be healed; damaged projects are put aside, nothing is deleted
    #[arg(long)]
    pub repair: bool,
    /// Show what keeps commands in their place on this machine, and try to get out of it
    #[arg(long, conflicts_with = "repair")]
    pub sandbox: bool,
}

/// `gc`.
#[derive(Debug, Args)]
pub struct Gc {
    /// Only projects that ended longer ago than this
    #[arg(long, value_name = "DURATION", default_value = "7d")]
    pub older_than: String,
    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// The code, e.g. WF0004, or `exit-codes` [default: list all]
    pub code: Option<String>,
}

/// `config`.
#[derive(Debug, Args)]
pub struct Config {
    #[command(subcommand)]
    pub what: ConfigWhat,
}

/// What is done with settings.
#[derive(Debug, Subcommand)]
pub enum ConfigWhat {
    /// Print every setting
    Show {
        /// Also where each comes from
        #[arg(long)]
        origin: bool,
    },
}

/// `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}
