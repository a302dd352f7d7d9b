//! `show`: one project with its tasks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Effect, Tool};
use crate::app::Need;
use crate::domain::time::Millis;
use crate::domain::workflow::did_you_mean;
use crate::interfaces::api::{Fault, FaultKind};
use crate::interfaces::mcp::desk::Room;
use crate::interfaces::mcp::page;
use crate::interfaces::mcp::refusal::Trouble;
use crate::interfaces::mcp::views::{Budget, Project, Task, Used};

/// The arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// The project's id, or any unique beginning of it.
    pub project: String,
    /// Only this task.
    pub task: Option<String>,
    /// Only tasks in this state, for example FAILED or RUNNING.
    pub status: Option<String>,
    /// Most tasks in the answer: 1 to 500, 50 if absent.
    pub limit: Option<u16>,
    /// `next` of the answer before.
    pub cursor: Option<u32>,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Shown {
    /// The project.
    project: Project,
    /// The position of its last record.
    seq: u64,
    /// The phases that its workflow declares.
    phases: Vec<String>,
    /// The phase it is in, or was held in.
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<String>,
    /// The folder it was started for.
    base_dir: String,
    /// Its inputs, or the beginning of their text when they are long.
    inputs: serde_json::Value,
    /// The question that its gate asks now.
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<Gate>,
    /// How many tasks are in which state.
    counts: Vec<Count>,
    /// Its limits.
    budget: Budget,
    /// What is used of them.
    spent: Used,
    /// Its tasks, in the order they were added.
    tasks: Vec<Task>,
    /// Pass it as `cursor` for more tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u32>,
}

/// A question that waits for a person.
#[derive(Debug, Serialize, JsonSchema)]
struct Gate {
    /// The question.
    ask: String,
    /// The deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
}

/// How many tasks are in a state.
#[derive(Debug, Serialize, JsonSchema)]
struct Count {
    /// The state.
    status: String,
    /// How many.
    tasks: u32,
}

impl Tool for Show {
    const NAME: &'static str = "show";
    const TITLE: &'static str = "Show a project";
    const ABOUT: &'static str =
        "Shows one project: its state, limits, and tasks with what they do, wait for, failed of or returned.";
    const EFFECT: Effect = Effect::Looks;
    const NEED: Need = Need::Read;
    type Answer = Shown;

    async fn run(self, room: Room) -> Result<Shown, Trouble> {
        let id = room.project(&self.project).await?.id;
        let view = room.home.show(&id).await?;
        if let Some(name) = &self.task
            && !view.tasks.iter().any(|task| task.name == *name)
        {
            let near = did_you_mean(name, view.tasks.iter().map(|task| task.name.as_str()));
            let fault = Fault::new(FaultKind::UnknownTask, format!("project {id} has no task `{name}`")).of(&id);
            return Err(Fault { causes: near.into_iter().collect(), ..fault }.into());
        }
        let counts: Vec<Count> = view
            .counts
            .iter()
            .map(|(status, tasks)| Count { status: status.name().to_owned(), tasks: *tasks })
            .collect();
        let is_wanted = |task: &crate::domain::view::TaskView| {
            self.cursor.is_none_or(|from| task.ix >= from)
                && self.task.as_ref().is_none_or(|name| task.name == *name)
                && self.status.as_ref().is_none_or(|status| task.status.name().eq_ignore_ascii_case(status))
        };
        let wanted: Vec<_> = view.tasks.into_iter().filter(is_wanted).collect();
        let positions: Vec<u32> = wanted.iter().map(|task| task.ix).collect();
        let (tasks, _) = page::fill(wanted.into_iter().map(Task::from), page::items(self.limit));
        Ok(Shown {
            project: Project::from(&view.summary),
            seq: view.seq.0,
            phases: view.phases.iter().map(|phase| phase.name().to_owned()).collect(),
            phase: view.phase.map(|phase| phase.name().to_owned()),
            base_dir: view.base_dir,
            inputs: page::value(view.inputs),
            gate: view.gate.map(|gate| Gate { ask: page::field(&gate.ask), due: gate.due.map(Millis::to_rfc3339) }),
            counts,
            budget: Budget::from(&view.caps),
            spent: view.ledger.spent.into(),
            next: positions.get(tasks.len()).copied(),
            tasks,
        })
    }
}
