//! Where tasks come from: the definition, additions, `foreach` items, branches, undo. Also the reset of whole phases.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use crate::domain::budget::{Caps, Ledger};
use crate::domain::event::Created;
use crate::domain::failure::Failure;
use crate::domain::ids::{Attempt, ProjectId, TaskIx};
use crate::domain::limits;
use crate::domain::machine::{Phase, ProjectStatus, TaskStatus};
use crate::domain::payload::{Payload, PayloadSource};
use crate::domain::retry::OnExhausted;
use crate::domain::time::Millis;
use crate::domain::workflow::{Action, AgentSpec, Definition, RetryRules, TaskSpec};

use super::apply::ReplayError;
use super::state::{Core, More, Origin, Project, Task};

impl Project {
    /// The state after the first record. `definition` is the one that `created` names.
    pub fn create(
        id: ProjectId,
        created: Created,
        definition: Arc<Definition>,
        at: Millis,
        vault: &dyn PayloadSource,
    ) -> Result<Self, ReplayError> {
        let error = |problem: String| ReplayError { seq: 1, problem };
        let inputs = vault.read(&created.inputs).map_err(|unreadable| error(unreadable.to_string()))?;
        let inputs = serde_json::from_slice(&inputs).map_err(|bad| error(format!("the inputs are not JSON: {bad}")))?;
        let core = Core {
            allowed: None,
            status: ProjectStatus::New,
            changed: at,
            held_from: None,
            hold: None,
            held_since: None,
            held_total_ms: 0,
            phase: None,
            rounds: [0; 7],
            loops_taken: [0; 7],
            gate: None,
            caps: definition.budget,
            ledger: Ledger::default(),
            phase_ledgers: [Ledger::default(); 7],
            phase_caps_off: false,
            integration: None,
            came_from: None,
            feedback: Vec::new(),
            signals: VecDeque::new(),
            requests: VecDeque::new(),
            cancel_undo: false,
            undo_planned: false,
            closing_note: String::new(),
            closing_output: Payload::default(),
            carried_trees: Vec::new(),
            completions: 0,
            tasks: Vec::new(),
            added: BTreeMap::new(),
        };
        let mut project = Self::around(id, Arc::new(created), at, definition, Arc::new(inputs), core);
        let definition = project.definition.clone();
        for (position, (phase, spec)) in definition.tasks().enumerate() {
            let name = Arc::from(spec.name.as_str());
            project.push_task(Origin::Declared(position as u32), phase, name, spec.clone(), at);
        }
        for (position, (_, spec)) in definition.tasks().enumerate() {
            let needs = project.resolve(&spec.needs).map_err(error)?;
            project.link(TaskIx(position as u32), needs);
        }
        project.seq = 1;
        Ok(project)
    }

    pub(super) fn around(
        id: ProjectId,
        created: Arc<Created>,
        created_at: Millis,
        definition: Arc<Definition>,
        inputs: Arc<serde_json::Value>,
        core: Core,
    ) -> Self {
        let groups = usize::from(Self::merger_group(&definition)) + 1;
        Self {
            id,
            created,
            created_at,
            allowed: super::reach::allowed_at_start(&definition),
            definition,
            inputs,
            core,
            names: HashMap::new(),
            ready: vec![BTreeSet::new(); groups],
            awaiting: BTreeSet::new(),
            active: BTreeSet::new(),
            active_by_group: vec![0; groups],
            open: [0; 7],
            failed: [0; 7],
            seq: 0,
        }
    }

    fn resolve(&self, names: &[String]) -> Result<Box<[TaskIx]>, String> {
        names.iter().map(|name| self.find(name).ok_or_else(|| format!("there is no task {name:?} to need"))).collect()
    }

    /// Adds a task without needs; [`Project::link`] gives it some.
    fn push_task(&mut self, origin: Origin, phase: Phase, name: Arc<str>, spec: Arc<TaskSpec>, at: Millis) -> TaskIx {
        let ix = TaskIx(self.core.tasks.len() as u32);
        let task = Task {
            origin,
            name: name.clone(),
            group: Self::group_of(&self.definition, &spec),
            spec,
            phase,
            round: self.core.rounds[phase as usize],
            retired: false,
            status: TaskStatus::Pending,
            since: at,
            needs: Box::default(),
            dependents: Vec::new(),
            unmet: 0,
            attempt: Attempt(0),
            first_started: None,
            output: None,
            more: None,
        };
        self.core.tasks.push(task);
        self.names.insert(name, ix);
        self.list(ix);
        ix
    }

    pub(super) fn link(&mut self, ix: TaskIx, needs: Box<[TaskIx]>) {
        let mut unmet = 0;
        for need in &needs {
            self.core.tasks[need.at()].dependents.push(ix);
            unmet += u32::from(!self.task(*need).status.is_terminal());
        }
        let task = &mut self.core.tasks[ix.at()];
        task.unmet = unmet;
        task.needs = needs;
    }

    // --- events ------------------------------------------------------------------------------------------------------

    pub(super) fn apply_tasks_added(
        &mut self,
        phase: Phase,
        tasks: &Payload,
        at: Millis,
        vault: &dyn PayloadSource,
    ) -> Result<(), String> {
        let text = vault.read(tasks).map_err(|error| error.to_string())?;
        let specs: Vec<TaskSpec> = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        let first = self.core.tasks.len();
        for spec in &specs {
            let json = serde_json::to_string(spec).map_err(|error| error.to_string())?;
            let name = Arc::from(spec.name.as_str());
            let ix = self.push_task(Origin::Added, phase, name, Arc::new(spec.clone()), at);
            self.core.added.insert(ix.0, json);
        }
        for (offset, spec) in specs.iter().enumerate() {
            let needs = self.resolve(&spec.needs)?;
            self.link(TaskIx((first + offset) as u32), needs);
        }
        Ok(())
    }

    pub(super) fn apply_expanded(
        &mut self,
        of: TaskIx,
        items: &Payload,
        count: u32,
        at: Millis,
        vault: &dyn PayloadSource,
    ) -> Result<(), String> {
        let text = vault.read(items).map_err(|error| error.to_string())?;
        let items: Vec<serde_json::Value> = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        if items.len() != count as usize {
            return Err(format!("{} items where {count} are recorded", items.len()));
        }
        let phase = self.known(of)?.phase;
        let spec = self.task(of).spec.clone();
        let first = TaskIx(self.core.tasks.len() as u32);
        let there = self.task(of).items().count() as u32;
        let needs = match &spec.item_graph {
            Some(graph) => super::item_graph::needs_of(graph, &items, &|id| self.item_named(of, id))?,
            None => Vec::new(),
        };
        // Whoever gives these items has given: a history that ends here does not give them twice.
        let giver = items.first().and_then(|item| self.item_named(of, item.get("parent")?.as_str()?));
        if let Some(giver) = giver.filter(|_| spec.names_items()) {
            self.core.tasks[giver.at()].more_mut().gave = true;
        }
        let mut shapes = ItemShapes::default();
        for (index, item) in items.into_iter().enumerate() {
            let origin = Origin::Item { of, index: there + index as u32 };
            let shape = shapes.of(of, &spec, &item).ok_or("an item is of no kind")?;
            let ix = self.push_task(origin, phase, self.derived_name(origin, Some(&item)), shape, at);
            self.core.tasks[ix.at()].more_mut().item = Some(item.to_string());
        }
        for (index, needs) in needs.into_iter().enumerate() {
            let needs = needs.into_iter().map(|need| need.at(first)).collect();
            self.link(TaskIx(first.0 + index as u32), needs);
        }
        let more = self.core.tasks[of.at()].more_mut();
        more.items.get_or_insert_default().push((first, count));
        more.open_items += count;
        Ok(())
    }

    /// The item of a growing `foreach` that has this id, in the present round.
    pub(super) fn item_named(&self, of: TaskIx, id: &str) -> Option<TaskIx> {
        let origin = Origin::Item { of, index: 0 };
        self.find(&self.name_in_round(origin, self.core.rounds[self.task(of).phase as usize], Some(id)))
    }

    pub(super) fn apply_branch(
        &mut self,
        of: TaskIx,
        number: u32,
        failure: &Failure,
        at: Millis,
    ) -> Result<(), String> {
        self.move_task(of, crate::domain::machine::task::Input::Branch, at)?;
        let is_conflict = self.is_merge_conflict(of, failure);
        let spec = if is_conflict {
            Some(merger_spec(&self.task(of).spec, &self.definition.retry))
        } else {
            branch_spec(&self.task(of).spec, &self.definition.retry)
        };
        let spec = spec.ok_or("the task declares no branch")?;
        let origin = Origin::Branch { of, number };
        let name = self.derived_name(origin, None);
        let (phase, item) = (self.task(of).phase, self.item_of(of));
        let ix = self.push_task(origin, phase, name, spec, at);
        self.core.tasks[ix.at()].more_mut().item = item;
        if is_conflict {
            let group = Self::merger_group(&self.definition);
            let task = &mut self.core.tasks[ix.at()];
            task.group = group;
            task.more_mut().merges_for = true;
        }
        let more = self.core.tasks[of.at()].more_mut();
        if is_conflict {
            // What it did stands; when the conflict is resolved, the same attempt asks for its merge again.
            more.steps.pop();
            more.interrupted = true;
            more.maybe_ran = true;
            more.mergers += 1;
        }
        more.failure = Some(failure.clone());
        more.branches = number;
        more.branch = Some(ix);
        more.awaits = None;
        more.answer = None;
        more.lease = None;
        more.due = None;
        Ok(())
    }

    pub(super) fn apply_undo_plan(&mut self, tasks: &[TaskIx], at: Millis) -> Result<(), String> {
        // A long plan comes in several records; each goes on behind the one before.
        let last = TaskIx((self.core.tasks.len() as u32).saturating_sub(1));
        let mut before = self.core.undo_planned.then_some(last);
        for &of in tasks {
            let spec = undo_spec(&self.known(of)?.spec).ok_or("the task declares no undo")?;
            let origin = Origin::Undo { of };
            let (phase, item) = (self.task(of).phase, self.item_of(of));
            let ix = self.push_task(origin, phase, self.derived_name(origin, None), spec, at);
            self.core.tasks[ix.at()].more_mut().item = item;
            self.link(ix, before.into_iter().collect());
            before = Some(ix);
        }
        self.core.undo_planned = true;
        Ok(())
    }

    /// Everything between two phases, both included, starts afresh; what was derived in earlier rounds is retired.
    pub(super) fn reset_phases(&mut self, from: Phase, to: Phase, at: Millis) {
        let all: Vec<TaskIx> = (0..self.core.tasks.len() as u32).map(TaskIx).collect();
        for &ix in &all {
            let task = self.task(ix);
            if task.phase < from || task.phase > to || task.retired {
                continue;
            }
            self.unlist(ix);
            let task = &mut self.core.tasks[ix.at()];
            match task.origin {
                Origin::Declared(_) | Origin::Added => {
                    task.status = TaskStatus::Pending;
                    task.since = at;
                    task.output = None;
                    task.more = Some(Box::new(More { before_series: task.attempt.0, ..More::default() }));
                }
                Origin::Item { .. } | Origin::Branch { .. } | Origin::Undo { .. } => task.retired = true,
            }
            self.list(ix);
        }
        for ix in all {
            let unmet = self.task(ix).needs.iter().filter(|need| !self.task(**need).status.is_terminal()).count();
            self.core.tasks[ix.at()].unmet = unmet as u32;
        }
    }

    // --- names and specs that follow from the origin -----------------------------------------------------------------

    fn item_of(&self, ix: TaskIx) -> Option<String> {
        self.task(ix).more.as_ref().and_then(|more| more.item.clone())
    }

    /// The name of a derived task: `task[3]`, `task[id]`, `task.fix1`, `task.undo`; in later rounds of its phase with `#round`.
    fn derived_name(&self, origin: Origin, item: Option<&serde_json::Value>) -> Arc<str> {
        let phase = match origin {
            Origin::Item { of, .. } | Origin::Branch { of, .. } | Origin::Undo { of } => self.task(of).phase,
            Origin::Declared(_) | Origin::Added => Phase::Build,
        };
        let id = match origin {
            Origin::Item { of, .. } => item.and_then(|item| item_id(&self.task(of).spec, item)),
            Origin::Branch { .. } | Origin::Undo { .. } | Origin::Declared(_) | Origin::Added => None,
        };
        self.name_in_round(origin, self.core.rounds[phase as usize], id)
    }

    /// `id`: of an item that has a name of its own.
    pub(super) fn name_in_round(&self, origin: Origin, round: u32, id: Option<&str>) -> Arc<str> {
        let (of, suffix) = match origin {
            Origin::Item { of, index } => (of, id.map_or_else(|| format!("[{index}]"), |id| format!("[{id}]"))),
            Origin::Branch { of, number } => (of, format!(".fix{number}")),
            Origin::Undo { of } => (of, ".undo".to_owned()),
            Origin::Declared(_) | Origin::Added => (TaskIx(0), String::new()),
        };
        let parent = &self.task(of).name;
        if round > 1 && !parent.contains('#') {
            Arc::from(format!("{parent}{suffix}#{round}"))
        } else {
            Arc::from(format!("{parent}{suffix}"))
        }
    }
}

/// The id of an item, where items have names of their own.
pub(super) fn item_id<'i>(of: &TaskSpec, item: &'i serde_json::Value) -> Option<&'i str> {
    let graph = of.item_graph.as_ref().filter(|_| of.names_items())?;
    item.get(&graph.id)?.as_str()
}

/// What the items of `foreach` tasks run: made once for all items of a task that are alike.
#[derive(Default)]
pub(super) struct ItemShapes(HashMap<(TaskIx, String, Option<u8>), Arc<TaskSpec>>);

impl ItemShapes {
    /// What an item of task `ix` runs; `None` when it is of a kind that there is not.
    pub fn of(&mut self, ix: TaskIx, of: &TaskSpec, item: &serde_json::Value) -> Option<Arc<TaskSpec>> {
        let kind = match of.kinds.is_empty() {
            true => "",
            false => item.get("kind")?.as_str()?,
        };
        let priority = of.item_graph.as_ref().and_then(|_| priority_of(item.get("priority")?));
        if let Some(shape) = self.0.get(&(ix, kind.to_owned(), priority)) {
            return Some(shape.clone());
        }
        let mut shape = match of.kinds.is_empty() {
            true => of.clone(),
            false => {
                TaskSpec { name: of.name.clone(), item_graph: of.item_graph.clone(), ..(**of.kinds.get(kind)?).clone() }
            }
        };
        (shape.foreach, shape.needs) = (None, Vec::new());
        shape.priority = priority.unwrap_or(shape.priority);
        let shape = Arc::new(shape);
        self.0.insert((ix, kind.to_owned(), priority), shape.clone());
        Some(shape)
    }
}

/// A number from 1 to 10, or one of the four words; `medium` is what some say for `normal`.
fn priority_of(value: &serde_json::Value) -> Option<u8> {
    match value.as_str() {
        Some("critical") => Some(10),
        Some("high") => Some(8),
        Some("normal" | "medium") => Some(5),
        Some("low") => Some(2),
        Some(_) => None,
        None => value.as_u64().and_then(|number| u8::try_from(number.clamp(1, 10)).ok()),
    }
}

/// What the branch task of a failing task runs; it fails for good when its own retries are used up.
pub(super) fn branch_spec(of: &TaskSpec, default: &RetryRules) -> Option<Arc<TaskSpec>> {
    let branch = of.on_failure.as_ref()?;
    let mut spec = TaskSpec::new(format!("{}.fix", of.name), branch.action.clone());
    // What it repairs has to be where the next attempt of its task begins.
    spec.merge = of.merge && matches!(branch.action, Action::Agent(_) | Action::Run(_));
    spec.sandbox.clone_from(&of.sandbox);
    spec.with = of.with.clone();
    spec.env = of.env.clone();
    spec.secrets = of.secrets.clone();
    spec.timeout = of.timeout;
    spec.priority = of.priority.saturating_add(1).min(10);
    let mut rules = of.retry.as_deref().unwrap_or(default).clone();
    for policy in [Some(&mut rules.all), rules.running.as_mut(), rules.validating.as_mut()].into_iter().flatten() {
        policy.on_exhausted = OnExhausted::Fail;
    }
    spec.retry = Some(Arc::new(rules));
    Some(Arc::new(spec))
}

/// What resolves the conflict of a task's work with the integration branch.
pub(super) fn merger_spec(of: &TaskSpec, default: &RetryRules) -> Arc<TaskSpec> {
    let role = limits::MERGER_ROLE.to_owned();
    let models = match &of.action {
        Action::Agent(agent) => agent.models.clone(),
        Action::Run(_)
        | Action::Approval(_)
        | Action::Wait(_)
        | Action::Http(_)
        | Action::Workflow(_)
        | Action::External(_)
        | Action::Land(_) => Vec::new(),
    };
    let agent = AgentSpec { role, models, tools: Vec::new(), turns: None, budget: Caps::default() };
    let mut spec = TaskSpec::new(format!("{}.fix", of.name), Action::Agent(agent));
    spec.sandbox.clone_from(&of.sandbox);
    spec.merge = true;
    spec.with = of.with.clone();
    spec.env = of.env.clone();
    spec.timeout = of.timeout;
    spec.validate = of.validate.clone();
    spec.priority = of.priority.saturating_add(1).min(10);
    let mut rules = of.retry.as_deref().unwrap_or(default).clone();
    for policy in [Some(&mut rules.all), rules.running.as_mut(), rules.validating.as_mut()].into_iter().flatten() {
        policy.on_exhausted = OnExhausted::Fail;
    }
    spec.retry = Some(Arc::new(rules));
    Arc::new(spec)
}

/// What takes a completed task back.
pub(super) fn undo_spec(of: &TaskSpec) -> Option<Arc<TaskSpec>> {
    let undo = of.undo.as_ref().filter(|_| of.foreach.is_none())?;
    let mut spec = TaskSpec::new(format!("{}.undo", of.name), Action::Run(undo.clone()));
    spec.sandbox.clone_from(&of.sandbox);
    spec.with = of.with.clone();
    spec.env = of.env.clone();
    spec.secrets = of.secrets.clone();
    spec.timeout = of.timeout;
    spec.retry.clone_from(&of.retry);
    Some(Arc::new(spec))
}

impl Project {
    /// The retry rules of a task: its own, else the workflow's.
    pub(super) fn retry_rules(&self, ix: TaskIx) -> &RetryRules {
        self.task(ix).spec.retry.as_deref().unwrap_or(&self.definition.retry)
    }
}
