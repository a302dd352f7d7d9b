//! What can be typed about files that are held against a schema.

use clap::Args;

/// The documents of agents, as `--type` names them.
const TYPES: [&str; 3] = ["todo", "contract", "test_report"];

/// `validate`.
#[derive(Debug, Args)]
#[command(after_help = VALIDATE_HELP)]
pub struct Validate {
    /// Workflow files or names; with --type files of that kind, JSON or YAML
    #[arg(required = true, value_name = "WORKFLOW")]
    pub workflows: Vec<String>,
    /// Check documents of agents instead: a todo list, a contract or a test report
    #[arg(long = "type", value_name = "TYPE", value_parser = TYPES)]
    pub kind: Option<String>,
}

const VALIDATE_HELP: &str = "`wfctl schema TYPE` prints what a document is held against. In todo lists `depends_on` and `dependencies` are \
    understood as `needs`, and a priority may be a word: critical, high, medium, normal, low.";

/// `schema`.
#[derive(Debug, Args)]
pub struct Schema {
    /// Of what
    #[arg(value_parser = ["workflow", "todo", "contract", "test_report"], default_value = "workflow")]
    pub what: String,
}
