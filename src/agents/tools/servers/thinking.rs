//! The server `sequential_thinking`: a plan in steps that is worked off one by one. A step counts as done when a command says so, or when
//! it was said with evidence what shows it; the plan is kept beside the conversation, so that it survives summaries and crashes.

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{Ran, Site, ToolFault, ToolOutput, arguments, object};
use super::Served;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::limits;
use crate::domain::workflow::EffectClass;
use crate::workspace::files;

/// The tools.
pub(super) const TOOLS: [Served; 4] = [
    Served {
        server: "sequential_thinking",
        name: "plan_steps",
        about: "Lay down a goal and the steps that lead to it, each small enough to be checked. A new plan takes the place of the old one; \
                steps that keep their words keep their state.",
        effect: EffectClass::Restorable,
        parameters: || {
            let steps = json!({ "type": "array", "items": { "type": "string", "minLength": 1, "maxLength": 1000 }, "minItems": 1, "maxItems": limits::THOUGHT_STEPS });
            object(json!({ "goal": text_schema("What is to be reached."), "steps": steps }), &["goal", "steps"])
        },
        work: |arguments, site| Box::pin(plan_steps(arguments, site)),
    },
    Served {
        server: "sequential_thinking",
        name: "execute_step",
        about: "Do a step of the plan: with `command` it is run in the worktree, with `result` it is written down what you did by other tools.",
        effect: EffectClass::Restorable,
        parameters: || {
            object(
                json!({ "step": step_schema(), "command": command_schema(), "result": text_schema("What you did.") }),
                &["step"],
            )
        },
        work: |arguments, site| Box::pin(execute_step(arguments, site)),
    },
    Served {
        server: "sequential_thinking",
        name: "validate_step",
        about: "Check a step: with `command` it is valid when that ends with 0; without, say whether it is and what shows it.",
        effect: EffectClass::Restorable,
        parameters: || {
            object(
                json!({
                    "step": step_schema(), "command": command_schema(), "valid": { "type": "boolean" },
                    "evidence": text_schema("What shows it."),
                }),
                &["step"],
            )
        },
        work: |arguments, site| Box::pin(validate_step(arguments, site)),
    },
    Served {
        server: "sequential_thinking",
        name: "iterate_until_success",
        about: "Run a step's command again and again until it ends with 0, at most so many times; for what becomes true by itself. To \
                change something in between, use execute_step and validate_step.",
        effect: EffectClass::Restorable,
        parameters: || {
            let times = json!({ "type": "integer", "minimum": 1, "maximum": limits::THOUGHT_TRIES });
            let pause = json!({ "type": "integer", "minimum": 0, "maximum": 60, "description": "Seconds between two tries; 0 when left out." });
            object(
                json!({ "step": step_schema(), "command": command_schema(), "max_attempts": times, "pause_s": pause }),
                &["step", "command", "max_attempts"],
            )
        },
        work: |arguments, site| Box::pin(iterate(arguments, site)),
    },
];

fn text_schema(description: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": limits::COMMENT_BYTES, "description": description })
}

fn step_schema() -> Value {
    json!({ "type": "integer", "minimum": 1, "description": "The step's number, from 1." })
}

fn command_schema() -> Value {
    json!({ "type": "string", "minLength": 1, "description": "A command line, run with /bin/sh in the root of the worktree." })
}

#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    goal: String,
    steps: Vec<Step>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Step {
    what: String,
    state: State,
    /// How often its command was run or its result written down.
    tries: u32,
    /// What was last said of it.
    said: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Planned,
    Executed,
    Failed,
    Valid,
}

#[derive(Deserialize)]
struct Planned {
    goal: String,
    steps: Vec<String>,
}

#[derive(Deserialize)]
struct Executed {
    step: usize,
    command: Option<String>,
    result: Option<String>,
}

#[derive(Deserialize)]
struct Validated {
    step: usize,
    command: Option<String>,
    valid: Option<bool>,
    evidence: Option<String>,
}

#[derive(Deserialize)]
struct Iterated {
    step: usize,
    command: String,
    max_attempts: u32,
    pause_s: Option<u64>,
}

async fn plan_steps(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Planned { goal, steps } = arguments::typed(arguments)?;
    let mut before = read(site)?.map_or_else(Vec::new, |plan| plan.steps);
    let step = |what: String| match before.iter().position(|step| step.what == what) {
        Some(at) => before.swap_remove(at),
        None => Step { what, state: State::Planned, tries: 0, said: String::new() },
    };
    let plan = Plan { goal, steps: steps.into_iter().map(step).collect() };
    write(site, &plan)?;
    Ok(ToolOutput::new(told(&plan)))
}

async fn execute_step(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Executed { step, command, result } = arguments::typed(arguments)?;
    let mut plan = planned(site)?;
    at(&mut plan, step)?;
    let (state, said) = match (command, result) {
        (Some(command), None) => {
            let (is_well, said) = run(site, &command).await?;
            (if is_well { State::Executed } else { State::Failed }, said)
        }
        (None, Some(result)) => (State::Executed, result),
        (Some(_), Some(_)) | (None, None) => {
            return Err(ToolFault::Told("give either `command` or `result`".to_owned()));
        }
    };
    settle(site, plan, step, state, said, 1)
}

async fn validate_step(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Validated { step, command, valid, evidence } = arguments::typed(arguments)?;
    let mut plan = planned(site)?;
    if at(&mut plan, step)?.state == State::Planned {
        return Err(ToolFault::Told(format!("step {step} was not executed yet")));
    }
    let (is_valid, said) = match (command, valid, evidence) {
        (Some(command), None, None) => run(site, &command).await?,
        (None, Some(valid), Some(evidence)) => (valid, evidence),
        _ => return Err(ToolFault::Told("give either `command`, or `valid` with its `evidence`".to_owned())),
    };
    settle(site, plan, step, if is_valid { State::Valid } else { State::Failed }, said, 0)
}

async fn iterate(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Iterated { step, command, max_attempts, pause_s } = arguments::typed(arguments)?;
    let mut plan = planned(site)?;
    at(&mut plan, step)?;
    let mut tries = 0;
    loop {
        tries += 1;
        let (is_well, said) = run(site, &command).await?;
        if is_well || tries == max_attempts {
            let outcome = if is_well { "it ended well" } else { "it never ended well" };
            let said = format!("{outcome} ({tries} of at most {max_attempts} tries)\n{said}");
            return settle(site, plan, step, if is_well { State::Valid } else { State::Failed }, said, tries);
        }
        tokio::time::sleep(Duration::from_secs(pause_s.unwrap_or(0))).await;
    }
}

/// Runs a command of a step: whether it ended with 0, and what it said.
async fn run(site: &Site<'_>, command: &str) -> Result<(bool, String), ToolFault> {
    if command.contains('\0') || command.len() > limits::COMMAND_BYTES {
        return Err(ToolFault::Told(format!("a command has no NUL byte and at most {} bytes", limits::COMMAND_BYTES)));
    }
    let ran: Ran = site.commands.run(command, limits::TOOL_COMMAND_MS).await.map_err(ToolFault::Ends)?;
    let end = match (ran.timed_out, ran.code) {
        (true, _) => "killed at its time limit".to_owned(),
        (false, Some(code)) => format!("exit code {code}"),
        (false, None) => "ended by a signal".to_owned(),
    };
    Ok((ran.code == Some(0), format!("{end}\n{}", String::from_utf8_lossy(&ran.output))))
}

/// Writes down what became of a step, and tells it with the plan.
fn settle(
    site: &Site<'_>,
    mut plan: Plan,
    number: usize,
    state: State,
    said: String,
    tries: u32,
) -> Result<ToolOutput, ToolFault> {
    let step = at(&mut plan, number)?;
    step.state = state;
    step.tries = step.tries.saturating_add(tries);
    step.said = said.chars().take(limits::MESSAGE_CHARS).collect();
    write(site, &plan)?;
    Ok(ToolOutput::new(format!("step {number}: {}\n{}\n\n{}", name(state), said.trim_end(), told(&plan))))
}

fn at(plan: &mut Plan, number: usize) -> Result<&mut Step, ToolFault> {
    let all = plan.steps.len();
    let step = number.checked_sub(1).and_then(|at| plan.steps.get_mut(at));
    step.ok_or_else(|| ToolFault::Told(format!("there is no step {number}; the plan has {all}")))
}

fn name(state: State) -> &'static str {
    match state {
        State::Planned => "planned",
        State::Executed => "executed, not validated",
        State::Failed => "failed",
        State::Valid => "valid",
    }
}

fn told(plan: &Plan) -> String {
    let mut out = format!("Goal: {}\n", plan.goal);
    for (step, number) in plan.steps.iter().zip(1..) {
        let tries = if step.tries > 1 { format!(", {} tries", step.tries) } else { String::new() };
        // Writing to a string does not fail.
        let _ = writeln!(out, "{number}. {} ({}{tries})", step.what, name(step.state));
    }
    match plan.steps.iter().zip(1..).find(|(step, _)| step.state != State::Valid) {
        Some((_, next)) => {
            let _ = writeln!(out, "Next: step {next}");
        }
        None => out.push_str("All steps are valid.\n"),
    }
    out
}

fn planned(site: &Site<'_>) -> Result<Plan, ToolFault> {
    read(site)?.ok_or_else(|| ToolFault::Told("there is no plan yet; begin with plan_steps".to_owned()))
}

fn read(site: &Site<'_>) -> Result<Option<Plan>, ToolFault> {
    match files::read_plain(site.beyond.notes, limits::SMALL_FILE_BYTES) {
        // One that cannot be read is none: a new plan takes its place.
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(broken(&error)),
    }
}

fn write(site: &Site<'_>, plan: &Plan) -> Result<(), ToolFault> {
    let bytes = serde_json::to_vec(plan).map_err(|error| broken(&std::io::Error::other(error)))?;
    let folder = site.beyond.notes.parent().map_or(Ok(()), files::private_dir);
    folder.and_then(|()| files::write_atomic(site.beyond.notes, &bytes)).map_err(|error| broken(&error))
}

fn broken(error: &std::io::Error) -> ToolFault {
    ToolFault::Ends(Failure::new(FailureClass::Internal, format!("the plan of a conversation cannot be kept: {error}")))
}
