//! What can be typed about those who look on from outside: other agents, monitoring, subscribers.

use clap::{Args, Subcommand};

/// `mcp`.
#[derive(Debug, Args)]
#[command(after_help = MCP_HELP)]
pub struct Mcp {
    /// Also offer the tools that change something: start, approve, reject, pause, resume, cancel, fork
    #[arg(long)]
    pub allow_actions: bool,
    /// Serve the tools of a built-in server over this folder instead: fetch, memory, git, filesystem, sequential_thinking, database, time
    #[arg(long, value_name = "NAME", conflicts_with = "allow_actions")]
    pub server: Option<String>,
    #[command(flatten)]
    pub allow: super::Allow,
}

const MCP_HELP: &str =
    "A client starts it by itself: {\"mcpServers\": {\"wfctl\": {\"command\": \"wfctl\", \"args\": [\"mcp\"]}}}.
It opens the home for each request and leaves it again, so that other verbs work meanwhile.
Whoever may use --allow-actions can run any workflow here, and with it any command, as you.
With --server its tools reach this folder, and beyond it what your configuration and the --allow-* flags say.";

/// `metrics`.
#[derive(Debug, Args)]
pub struct Metrics {
    /// Print a dashboard for Grafana instead
    #[arg(long)]
    pub grafana: bool,
}

/// `bus`.
#[derive(Debug, Args)]
pub struct Bus {
    #[command(subcommand)]
    pub what: BusWhat,
}

/// What is done with those who are told of records.
#[derive(Debug, Subcommand)]
pub enum BusWhat {
    /// Tell how far each of them is, and what is wrong
    Status,
    /// Send an event to all of them, or to one, and tell what came of it
    Test {
        /// Its name [default: all]
        sink: Option<String>,
    },
    /// Let one that was given up try again
    Resume {
        /// Its name
        sink: String,
        /// Pass over the record that it does not take
        #[arg(long)]
        skip: bool,
    },
}
