//! A project as three tables, for people who would rather ask in SQL: its tasks, the planners that handed them on, the cycles that it
//! went through. A fold over its records, like all that is counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fault::Fault;
use crate::domain::event::{Event, PhaseCause};
use crate::domain::ids::{ProjectId, TaskIx};
use crate::domain::machine::{Phase, TaskStatus};
use crate::domain::payload::Payload;
use crate::domain::project::{Origin, Project, Task};
use crate::domain::time::Millis;
use crate::domain::workflow::Action;
use crate::engine::archive::Archive;

/// The tables.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Tables {
    /// Every task, those of rounds that are over included.
    pub tasks: Vec<TaskRow>,
    /// Every task whose answer handed on tasks or scopes.
    pub planners: Vec<PlannerRow>,
    /// Every round of the phases.
    pub cycles: Vec<CycleRow>,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRow {
    /// Its name.
    pub id: String,
    /// A few words.
    pub title: String,
    /// What is to be done.
    pub description: String,
    /// `critical`, `high`, `medium`, `low`.
    pub priority: String,
    /// `pending`, `in_progress`, `completed`, `failed`.
    pub status: String,
    /// The files that it is about.
    pub file_paths: Vec<String>,
    /// Who handed it on: a task, or the workflow.
    pub created_by: String,
    /// The role or action that does it, once it was begun.
    pub assigned_to: Option<String>,
    /// Its output, as JSON.
    pub result: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// When it came to be, RFC 3339.
    pub created_at: String,
    /// When it ended.
    pub completed_at: Option<String>,
}

/// A planner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannerRow {
    /// The task.
    pub planner_id: String,
    /// What it plans.
    pub domain: String,
    /// The files that are its own.
    pub file_patterns: Vec<String>,
    /// The planner above it.
    pub parent_planner: Option<String>,
    /// The planners below it.
    pub sub_planners: Vec<String>,
    /// The tasks that it handed on.
    pub tasks_created: Vec<String>,
    /// When it came to be.
    pub created_at: String,
}

/// A round.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CycleRow {
    /// From 1.
    pub cycle_number: u32,
    /// Tasks that were completed in it, planners not counted.
    pub tasks_completed: u32,
    /// Tasks that failed in it.
    pub tasks_failed: u32,
    /// Planners below the first that were begun in it.
    pub sub_planners_spawned: u32,
    /// Most tasks at work at once.
    pub workers_active: u32,
    /// Whether another one followed, or follows.
    pub continue_next_cycle: bool,
    /// Why, in the words of whoever sent it back or was satisfied.
    pub judge_reasoning: Option<String>,
    /// When it began.
    pub created_at: String,
}

/// When something happened to a task, and in which cycle.
#[derive(Default)]
struct Seen {
    created: BTreeMap<TaskIx, (Millis, u32)>,
    ended: BTreeMap<TaskIx, (Millis, u32, bool)>,
    cycles: Vec<CycleRow>,
    tasks: u32,
    active: u32,
}

/// Makes them.
pub fn tables(archive: &Archive, id: &ProjectId) -> Result<Tables, Fault> {
    let project = archive.load(id)?.project;
    let mut seen = Seen::default();
    let listed = |tasks: &Payload| {
        let text = archive.vault().read(tasks).map(|text| text.into_owned()).unwrap_or_default();
        serde_json::from_slice::<Vec<Value>>(&text).map_or(0, |tasks| tasks.len() as u32)
    };
    archive.visit(id, |record| seen.note(&project, &record.event, record.at, &listed))?;
    let made: BTreeMap<String, Vec<TaskIx>> = handed_on(&project);
    let vault = &**archive.vault();
    let outputs: Vec<Value> = (0..project.tasks().len() as u32)
        .map(|ix| project.output_value(TaskIx(ix), vault).unwrap_or_default())
        .collect();
    let is_planner = |ix: TaskIx| plans(project.task(ix), &outputs[ix.0 as usize]);
    let mut tables = Tables { cycles: seen.cycles, ..Tables::default() };
    for (at, task) in project.tasks().iter().enumerate() {
        let ix = TaskIx(at as u32);
        let (created, cycle) = seen.created.get(&ix).copied().unwrap_or((project.created_at, 1));
        let ended = seen.ended.get(&ix).copied();
        let item = task.item();
        let planner = is_planner(ix);
        if let Some((_, cycle, well)) = ended.filter(|_| !planner && task.spec.foreach.is_none())
            && let Some(row) = tables.cycles.get_mut(cycle.saturating_sub(1) as usize)
        {
            row.tasks_completed += u32::from(well);
            row.tasks_failed += u32::from(!well);
        }
        let own = made.get(&*task.name).cloned().unwrap_or_default();
        if planner {
            let above = creator(&project, task);
            if above.is_some()
                && let Some(row) = tables.cycles.get_mut(cycle.saturating_sub(1) as usize)
            {
                row.sub_planners_spawned += 1;
            }
            let (below, tasks): (Vec<TaskIx>, Vec<TaskIx>) = own.into_iter().partition(|ix| is_planner(*ix));
            let names = |all: Vec<TaskIx>| all.into_iter().map(|ix| project.task(ix).name.to_string()).collect();
            tables.planners.push(PlannerRow {
                planner_id: task.name.to_string(),
                domain: text(&item, "title").unwrap_or_else(|| task.spec.description.clone()),
                file_patterns: texts(&item, "files"),
                parent_planner: above,
                sub_planners: names(below),
                tasks_created: names(tasks),
                created_at: created.to_rfc3339(),
            });
        }
        tables.tasks.push(row_of(&project, task, &item, &outputs[at], created, ended.map(|(at, _, _)| at)));
    }
    Ok(tables)
}

impl Seen {
    fn note(&mut self, project: &Project, event: &Event, at: Millis, listed: &dyn Fn(&Payload) -> u32) {
        match event {
            Event::Created(_) => {
                self.tasks = project.definition.tasks().count() as u32;
                self.created.extend((0..self.tasks).map(|ix| (TaskIx(ix), (at, 1))));
            }
            Event::PhaseEntered { cause, .. }
                if self.cycles.is_empty() || matches!(cause, PhaseCause::LoopBack { .. }) =>
            {
                if let (Some(last), PhaseCause::LoopBack { .. }) = (self.cycles.last_mut(), cause) {
                    last.continue_next_cycle = true;
                }
                let cycle_number = self.cycles.len() as u32 + 1;
                self.cycles.push(CycleRow { cycle_number, created_at: at.to_rfc3339(), ..CycleRow::default() });
            }
            Event::Expanded { count, .. } => self.more(*count, at),
            Event::BranchOpened { .. } => self.more(1, at),
            Event::UndoPlanned { tasks } => self.more(tasks.len() as u32, at),
            Event::TasksAdded { tasks, .. } => self.more(listed(tasks), at),
            Event::TaskStarted { .. } => {
                self.active += 1;
                if let Some(cycle) = self.cycles.last_mut() {
                    cycle.workers_active = cycle.workers_active.max(self.active);
                }
            }
            Event::TaskCompleted { task, .. } => self.end(project, *task, at, true, None),
            Event::TaskFailed { task, failure, .. } => self.end(project, *task, at, false, Some(&failure.message)),
            Event::TaskBackoff { .. }
            | Event::TaskParked { .. }
            | Event::TaskExhausted { .. }
            | Event::TaskInDoubt { .. }
            | Event::StepInterrupted { .. } => self.active = self.active.saturating_sub(1),
            _ => {}
        }
    }

    fn more(&mut self, count: u32, at: Millis) {
        let cycle = self.cycles.len() as u32;
        self.created.extend((self.tasks..self.tasks + count).map(|ix| (TaskIx(ix), (at, cycle))));
        self.tasks += count;
    }

    fn end(&mut self, project: &Project, ix: TaskIx, at: Millis, well: bool, why: Option<&str>) {
        self.active = self.active.saturating_sub(1);
        self.ended.insert(ix, (at, self.cycles.len() as u32, well));
        let judges = project.tasks().get(ix.0 as usize).is_some_and(|task| task.phase == Phase::Review);
        if let Some(cycle) = self.cycles.last_mut().filter(|_| judges) {
            cycle.judge_reasoning = Some(why.map_or_else(|| "the goal is reached".to_owned(), ToOwned::to_owned));
        }
    }
}

/// The items that each item gave, by the name of the giver.
fn handed_on(project: &Project) -> BTreeMap<String, Vec<TaskIx>> {
    let mut made: BTreeMap<String, Vec<TaskIx>> = BTreeMap::new();
    for (at, task) in project.tasks().iter().enumerate() {
        if let Some(name) = creator(project, task) {
            made.entry(name).or_default().push(TaskIx(at as u32));
        }
    }
    made
}

/// The task that handed this one on.
fn creator(project: &Project, task: &Task) -> Option<String> {
    let of = match task.origin {
        Origin::Item { of, .. } => project.task(of),
        Origin::Branch { of, .. } | Origin::Undo { of } => return Some(project.task(of).name.to_string()),
        Origin::Declared(_) | Origin::Added => return None,
    };
    let item = task.item();
    let parent = item.get("parent").and_then(Value::as_str)?;
    let round = if task.round > 1 { format!("#{}", task.round) } else { String::new() };
    Some(format!("{}[{parent}]{round}", of.name))
}

/// Whether its answer is one that hands on work.
fn plans(task: &Task, output: &Value) -> bool {
    let is_agent = matches!(task.spec.action, Action::Agent(_)) && task.spec.foreach.is_none();
    is_agent && output.get("tasks").is_some_and(Value::is_array) && output.get("summary").is_some()
}

fn row_of(
    project: &Project,
    task: &Task,
    item: &Value,
    output: &Value,
    created: Millis,
    ended: Option<Millis>,
) -> TaskRow {
    let done_by = match &task.spec.action {
        Action::Agent(agent) => agent.role.clone(),
        other => other.keyword().to_owned(),
    };
    TaskRow {
        id: task.name.to_string(),
        title: text(item, "title").unwrap_or_else(|| task.spec.description.clone()),
        description: text(item, "description").unwrap_or_default(),
        priority: match task.spec.priority {
            9.. => "critical",
            7..=8 => "high",
            4..=6 => "medium",
            0..=3 => "low",
        }
        .to_owned(),
        status: match task.status {
            TaskStatus::Completed => "completed",
            TaskStatus::Failed | TaskStatus::Cancelled => "failed",
            TaskStatus::Skipped => "completed",
            TaskStatus::Pending | TaskStatus::Ready => "pending",
            TaskStatus::Running
            | TaskStatus::Validating
            | TaskStatus::Backoff
            | TaskStatus::AwaitingApproval
            | TaskStatus::AwaitingSignal
            | TaskStatus::InDoubt
            | TaskStatus::Debugging => "in_progress",
        }
        .to_owned(),
        file_paths: texts(item, "files"),
        created_by: creator(project, task).unwrap_or_else(|| project.created.workflow.clone()),
        assigned_to: (task.attempt.0 > 0).then_some(done_by),
        result: (!output.is_null()).then(|| output.to_string()),
        error: task.failure().filter(|_| task.status != TaskStatus::Completed).map(ToString::to_string),
        created_at: created.to_rfc3339(),
        completed_at: ended.filter(|_| task.status.is_terminal()).map(Millis::to_rfc3339),
    }
}

/// A field of an item, or of the object that a stage of it is about.
fn field<'i>(item: &'i Value, name: &str) -> Option<&'i Value> {
    item.get(name).or_else(|| item.get("task")?.get(name))
}

fn text(item: &Value, name: &str) -> Option<String> {
    field(item, name).and_then(Value::as_str).map(ToOwned::to_owned)
}

fn texts(item: &Value, name: &str) -> Vec<String> {
    let all = field(item, name).and_then(Value::as_array);
    all.into_iter().flatten().filter_map(|text| text.as_str().map(ToOwned::to_owned)).collect()
}
