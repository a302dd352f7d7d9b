//! What a walk needs of the place it works in: tools, checks, the files as a tree that can be named and restored. The worktree, the
//! toolbox and the checks of the repository stand behind it; so does a table in memory in tests.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::agents::memory::{Came, Given, Wanted};
use crate::domain::chat::ToolSpec;
use crate::domain::failure::Failure;
use crate::domain::sandbox::Attestation;
use crate::domain::workflow::EffectClass;

/// Standing instructions found in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where, relative to the root.
    pub path: String,
    /// The text.
    pub text: String,
}

/// What a conversation starts from, as the worktree has it at that moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Brief {
    /// `AGENTS.md` and its like, nearest to the work first.
    pub standing: Vec<Standing>,
    /// The repository's map; empty when there is none.
    pub map: String,
    /// What fits the task from the repository's memory; empty when there is nothing, or the role does not remember.
    pub memory: String,
}

/// A tool on offer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Offered {
    /// How the model is told of it.
    pub spec: ToolSpec,
    /// What may be done when its outcome stays unknown; `Pure` ones run side by side.
    pub effect: EffectClass,
}

/// The whole of outputs that the model was shown a part of.
pub trait WholeOutputs: Send + Sync {
    /// The output whose digest in hexadecimal is `handle`; `None` when this conversation had none of it.
    fn whole(&self, handle: &str) -> Result<Option<Vec<u8>>, Failure>;
}

/// One run of a tool.
pub struct ToolRun<'r> {
    /// The tool.
    pub name: &'r str,
    /// Its arguments; they fit its schema.
    pub arguments: &'r Value,
    /// What it may do; a pure one writes nothing.
    pub effect: EffectClass,
    /// An earlier run of this very call may have left traces outside the worktree.
    pub maybe_ran: bool,
    /// Whole outputs of earlier calls.
    pub outputs: &'r dyn WholeOutputs,
    /// Vectors that were made for it, or why there are none.
    pub given: Option<Given>,
}

/// Who asks memory.
#[derive(Debug, Clone, Copy)]
pub enum Asks<'a> {
    /// The beginning of the conversation.
    Brief,
    /// A call of this tool with these arguments.
    Tool(&'a str, &'a Value),
}

/// What a tool gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolResult {
    /// The text for the model, cut to its budget; where it is cut it names the digest of the whole.
    pub text: String,
    /// The text says why it was not done.
    pub failed: bool,
    /// The whole output, when the text is a part of it.
    pub full: Option<Vec<u8>>,
}

impl ToolResult {
    /// As it was put on record: what says why something was not done begins with a word for it.
    pub fn of_record(text: String, full: Option<Vec<u8>>) -> Self {
        match text.strip_prefix(ERROR) {
            Some(why) => Self { text: why.to_owned(), failed: true, full },
            None => Self { text, failed: false, full },
        }
    }
}

/// What begins the text of a result that says why something was not done.
pub(super) const ERROR: &str = "error: ";

/// What the repository's checks say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Nothing failed.
    pub green: bool,
    /// The report for the model, cut to its budget.
    pub text: String,
    /// Names of the checks that failed.
    pub failing: Vec<String>,
    /// How many tests ran, and how many of them passed only when they were run again.
    #[serde(default)]
    pub tests: TestTally,
}

/// Tests of all checks together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TestTally {
    /// Those that ran.
    pub ran: u64,
    /// Of these, those that failed and passed when run again.
    pub flaky: u64,
}

/// Where an agent works.
#[async_trait]
pub trait Worksite: Send + Sync {
    /// What the conversation starts from. `given`: vectors that were made for what it asks of memory.
    async fn brief(&self, given: Option<Given>) -> Result<Brief, Failure>;

    /// What somebody has to be paid for before memory can be asked; `None`: nobody, or it is not asked. An error says that it may
    /// not be bought: memory is asked without.
    async fn wanted(&self, _asks: Asks<'_>) -> Option<Result<Wanted, Failure>> {
        None
    }

    /// Buys it.
    async fn embed(&self, _asks: Asks<'_>, _wanted: &Wanted) -> Came {
        Came { vectors: Ok(Vec::new()), usage: None }
    }

    /// The tools of these names in a stable order, or the name that there is no tool of. The walk's own
    /// (`finish`, `ask_human`, `run_checks`, `note`, `git_commit`, `git_commit_and_push`) are not asked for.
    async fn tools(&self, names: &[String]) -> Result<Vec<Offered>, Failure>;

    /// Runs a tool; `Err` ends the attempt.
    async fn run(&self, run: ToolRun<'_>) -> Result<ToolResult, Failure>;

    /// Keeps the present files and names them; `None` where files are not kept.
    async fn checkpoint(&self) -> Result<Option<String>, Failure>;

    /// Makes the files those of `tree`; nothing to do when they are.
    async fn restore(&self, tree: &str) -> Result<(), Failure>;

    /// Runs the repository's checks.
    async fn check(&self) -> Result<CheckReport, Failure>;

    /// Whether what the agent leaves behind goes to the project's branch when the task is done.
    fn merges(&self) -> bool;

    /// Commits the present files on the task's branch and gives the commit's id. It may have happened before: the same files with
    /// the same message give the same commit.
    async fn commit(&self, message: &str) -> Result<String, Failure>;

    /// What commands ran under since this was asked last; `None`: none ran.
    fn ran_under(&self) -> Option<Arc<Attestation>> {
        None
    }

    /// The files that differ from where the attempt started, sorted.
    async fn changed_files(&self) -> Result<Vec<String>, Failure>;
}
