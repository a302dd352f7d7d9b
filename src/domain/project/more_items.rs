//! A `foreach` that grows: what an item gives once it is done, and what has become of the tasks that a task needs.

use serde_json::{Value, json};

use crate::domain::event::Event;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::TaskIx;
use crate::domain::limits;
use crate::domain::payload::Payload;
use crate::domain::workflow::{Context, Join, TaskSpec, did_you_mean};

use super::item_graph;
use super::lifecycle::Taking;
use super::render::unevaluated;
use super::state::{Origin, Project};

impl Taking<'_> {
    /// The items that an item with this `output` gives, as they go on record. An error is the agent's: it is told what is wrong.
    pub fn further_items(&self, ix: TaskIx, output: &Payload) -> Result<Vec<Value>, Failure> {
        let task = self.project.task(ix);
        let (Origin::Item { of, .. }, Some(source)) = (task.origin, task.spec.more.clone()) else {
            return Ok(Vec::new());
        };
        if task.more.as_ref().is_some_and(|more| more.gave) {
            return Ok(Vec::new());
        }
        let mut context = self.context(Some(ix), &[&source])?;
        let serial = self.project.task(of).items().count();
        context.set_output(&super::output::value_of(output, self.turn.vault)?, serial);
        // What cannot be evaluated is what the agent answered, so it is told.
        let malformed = |failure: Failure| Failure { class: FailureClass::Malformed, ..failure };
        let items = self.turn.expressions.items(&source, &context);
        let items = items.map_err(unevaluated("`more`", &source)).map_err(malformed)?;
        let giver = task.item();
        let refused =
            |problem: String| Failure::new(FailureClass::Malformed, format!("the tasks that it gives: {problem}"));
        let placed = self.placed(of, items, Some(&giver)).map_err(refused)?;
        self.have_room(placed.len())?;
        Ok(placed)
    }

    /// Whether so many more tasks fit the project.
    pub fn have_room(&self, count: usize) -> Result<(), Failure> {
        let total = self.project.core.tasks.len();
        if count > limits::FOREACH_ITEMS || total + count > limits::TASKS_PER_PROJECT {
            let message = format!("{count} items are more than a project of {total} tasks can take");
            return Err(Failure::new(FailureClass::Oversized, message));
        }
        Ok(())
    }

    /// Items of a `foreach` as they go on record: each with its full id, the ids of what it needs, its kind and its depth.
    pub fn placed(&self, of: TaskIx, items: Vec<Value>, giver: Option<&Value>) -> Result<Vec<Value>, String> {
        let spec = &self.project.task(of).spec;
        let Some(graph) = &spec.item_graph else { return Ok(items) };
        let is_there = |id: &str| self.project.item_named(of, id);
        if !spec.names_items() {
            return item_graph::needs_of(graph, &items, &is_there).map(|_| items);
        }
        let items = item_graph::placed(graph, items, giver, &|id| is_there(id).is_some())?;
        for (at, item) in items.iter().enumerate() {
            kind_is_known(spec, item, at)?;
        }
        item_graph::needs_of(graph, &items, &is_there)?;
        Ok(items)
    }

    /// Puts further items of a `foreach` on record and lets go those that nothing holds back.
    pub fn add_items(&mut self, of: TaskIx, items: Vec<Value>) -> Result<(), Failure> {
        let (count, first) = (items.len() as u32, self.project.core.tasks.len() as u32);
        let items = self.turn.vault.keep(Value::Array(items).to_string().into_bytes())?;
        self.emit(Event::Expanded { task: of, items, count });
        self.unblocked.extend((first..first + count).rev().map(TaskIx));
        Ok(())
    }

    /// Sets `handoffs` and `open`: what a task is told of those that it needs.
    pub fn add_handoffs(&self, context: &mut Context, ix: TaskIx) -> Result<(), Failure> {
        let project = &self.project;
        let told = project.told_of(ix);
        let mut handoffs = Vec::with_capacity(told.len());
        for need in &told {
            handoffs.push(self.handoff(*need)?);
        }
        let rest = project.task(ix).needs.iter().filter(|need| !told.contains(need));
        let open: Vec<Value> = rest.map(|need| project.id_of(*need).into()).collect();
        context.set_handoffs(&handoffs.into(), &open.into());
        Ok(())
    }

    fn handoff(&self, need: TaskIx) -> Result<Value, Failure> {
        let (item, became) = (self.project.task(need).item(), self.task_value(need)?);
        Ok(json!({
            "id": self.project.id_of(need),
            "kind": item["kind"],
            "title": item["title"],
            "status": became.status,
            "output": became.output,
            "failure": became.failure,
        }))
    }

    /// The output of a `foreach` whose items have names: what became of each. Outputs are left out when they are too large together.
    pub fn named_outputs(&self, of: TaskIx) -> Result<Payload, Failure> {
        let items: Vec<TaskIx> = self.project.task(of).items().collect();
        let total: u64 = items.iter().filter_map(|ix| self.project.task(*ix).output.as_ref()).map(Payload::bytes).sum();
        let mut all = Vec::with_capacity(items.len());
        for ix in items {
            let mut told = match total > limits::EXPRESSION_VALUE_BYTES / 2 {
                true => json!({ "id": self.project.id_of(ix), "status": self.project.task(ix).status.name() }),
                false => self.handoff(ix)?,
            };
            if let Value::Object(fields) = &mut told {
                fields.retain(|_, value| !value.is_null());
            }
            all.push(told);
        }
        Ok(self.turn.vault.keep(Value::Array(all).to_string().into_bytes())?)
    }
}

impl Project {
    /// Of the tasks that one needs, those that it is told of: all, or those that had ended when its attempt began.
    fn told_of(&self, ix: TaskIx) -> Vec<TaskIx> {
        let task = self.task(ix);
        let more = task.more.as_ref();
        let has_begun = task.status.is_active() || more.is_some_and(|more| more.interrupted);
        match (task.spec.join, more.and_then(|more| more.taken.as_ref()).filter(|_| has_begun)) {
            (Join::Any, Some(taken)) => taken.clone(),
            (Join::Any, None) => self.ended_needs(ix),
            (Join::All | Join::Settled, _) => task.needs.to_vec(),
        }
    }

    /// The id of an item that has one, else the task's name.
    fn id_of(&self, ix: TaskIx) -> String {
        let task = self.task(ix);
        if let Origin::Item { of, .. } = task.origin
            && let Some(id) = super::growth::item_id(&self.task(of).spec, &task.item())
        {
            return id.to_owned();
        }
        task.name.to_string()
    }
}

fn kind_is_known(spec: &TaskSpec, item: &Value, at: usize) -> Result<(), String> {
    if spec.kinds.is_empty() {
        return Ok(());
    }
    let known = || spec.kinds.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    match item["kind"].as_str() {
        Some(kind) if spec.kinds.contains_key(kind) => Ok(()),
        Some(kind) => {
            let near = did_you_mean(kind, spec.kinds.keys().map(String::as_str)).unwrap_or_default();
            Err(format!("item {at} is of the kind {kind:?}; the kinds are {}. {near}", known()).trim_end().to_owned())
        }
        None => Err(format!("item {at} has no text `kind`; the kinds are {}", known())),
    }
}
