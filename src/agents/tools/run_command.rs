//! `run_command`: a command line in the worktree. It goes to the runner of commands and nowhere else.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Ran, Site, Tool, ToolFault, ToolOutput, arguments, object, spec};
use crate::domain::chat::ToolSpec;
use crate::domain::limits;

pub(super) struct RunCommand;

#[derive(Deserialize)]
struct Arguments {
    command: String,
    timeout_s: Option<u64>,
}

#[async_trait]
impl Tool for RunCommand {
    fn spec(&self) -> ToolSpec {
        let (usual_s, most_s) = (limits::TOOL_COMMAND_MS / 1000, limits::TOOL_COMMAND_MOST_MS / 1000);
        spec(
            "run_command",
            "Run a command line with /bin/sh in the root of the worktree and see its exit code and output. Nothing is typed into \
             it, and nothing it starts outlives it. A long output is cut in its middle.",
            object(
                json!({
                    "command": { "type": "string", "minLength": 1, "description": "The command line." },
                    "timeout_s": {
                        "type": "integer", "minimum": 1, "maximum": most_s,
                        "description": format!("It is killed after so many seconds; {usual_s} when left out.")
                    },
                }),
                &["command"],
            ),
        )
    }

    async fn call(&self, arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
        let Arguments { command, timeout_s } = arguments::typed(arguments)?;
        if command.contains('\0') {
            return Err(ToolFault::Told("the command holds a NUL byte".to_owned()));
        }
        if command.len() > limits::COMMAND_BYTES {
            let most = limits::COMMAND_BYTES;
            let given = command.len();
            return Err(ToolFault::Told(format!(
                "the command has {given} bytes, more than {most}: write a script with write_file and run that"
            )));
        }
        let timeout_ms = timeout_s.map_or(limits::TOOL_COMMAND_MS, |seconds| seconds.saturating_mul(1000));
        let ran = site.commands.run(&command, timeout_ms).await.map_err(ToolFault::Ends)?;
        Ok(ToolOutput::new(report(&ran, timeout_ms)))
    }
}

/// How it ended, then what it said.
fn report(ran: &Ran, timeout_ms: u64) -> String {
    let end = match (ran.timed_out, ran.code) {
        (true, _) => format!("killed: it did not end within {} s", timeout_ms / 1000),
        (false, Some(code)) => format!("exit code {code}"),
        (false, None) => "ended by a signal".to_owned(),
    };
    let output = String::from_utf8_lossy(&ran.output);
    let lost = ran.output_bytes.saturating_sub(ran.output.len() as u64);
    let note = if lost > 0 { format!("\n({lost} bytes of output were not kept)") } else { String::new() };
    if output.is_empty() { format!("{end}\n(no output){note}") } else { format!("{end}\n{output}{note}") }
}
