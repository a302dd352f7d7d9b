//! What can be typed about what agents remember.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `memory`.
#[derive(Debug, Args)]
#[command(after_help = MEMORY_HELP)]
pub struct Memory {
    /// A folder of the repository [default: the current one]
    #[arg(long, global = true, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    #[command(subcommand)]
    pub what: MemoryWhat,
}

const MEMORY_HELP: &str = "Each repository has a memory of its own in the home; all of its worktrees and runs share it. It is searched by words (BM25),
and by vectors as well once your configuration names a model for them; a Qdrant server, if it names one, has the chunks:
  [memory]
  embeddings = \"openai/text-embedding-3-small\"   or \"local\" with model_dir = \"/opt/all-MiniLM-L6-v2\"
  store = \"qdrant\"   with url, collection, api_key = \"NAME of a secret\"";

/// Which chunks are meant.
#[derive(Debug, Clone, Default, Args)]
pub struct MemoryFilter {
    /// Only of this type
    #[arg(long = "type", value_name = "TYPE", value_parser = ["api_doc", "code", "task", "test", "error"])]
    pub kind: Option<String>,
    /// Only from this source; with `/` or `*` at its end, from what begins with it
    #[arg(long)]
    pub source: Option<String>,
    /// Only of this task
    #[arg(long, value_name = "TASK")]
    pub task: Option<String>,
    /// Only of this commit
    #[arg(long = "at", value_name = "COMMIT")]
    pub version: Option<String>,
    /// Only of this side of an application
    #[arg(long, value_parser = ["web", "ios", "android", "backend"])]
    pub platform: Option<String>,
    /// Only with this tag; may be given several times
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
}

/// What is done with it.
#[derive(Debug, Subcommand)]
pub enum MemoryWhat {
    /// List chunks, newest first
    List {
        #[command(flatten)]
        filter: MemoryFilter,
        /// Most chunks
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Find the chunks that fit best
    Search {
        /// What is looked for, in words
        query: String,
        #[command(flatten)]
        filter: MemoryFilter,
        /// Most chunks
        #[arg(long, value_name = "N", default_value_t = 5)]
        top: usize,
    },
    /// Print one chunk
    Show {
        /// Its id
        id: String,
    },
    /// Store a text file in chunks
    Add {
        /// The file; `-` is stdin
        file: PathBuf,
        /// What it is about
        #[arg(long = "type", value_name = "TYPE", default_value = "api_doc", value_parser = ["api_doc", "code", "task", "test", "error"])]
        kind: String,
        /// Where it is from [default: the file]
        #[arg(long)]
        source: Option<String>,
        /// The task that it belongs to
        #[arg(long, value_name = "TASK")]
        task: Option<String>,
        /// The commit that it is true at
        #[arg(long = "at", value_name = "COMMIT")]
        version: Option<String>,
        /// The side of an application
        #[arg(long, value_parser = ["web", "ios", "android", "backend"])]
        platform: Option<String>,
        /// A word to find it by; may be given several times
        #[arg(long = "tag", value_name = "TAG")]
        tags: Vec<String>,
    },
    /// Forget chunks
    Delete {
        /// Their ids
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Tell how the memory is, and how it is searched
    Status {
        /// Of all repositories
        #[arg(long)]
        all: bool,
    },
}
