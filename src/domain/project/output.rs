//! Outputs: how expressions see a task's, and what a project hands to its parent.

use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::TaskIx;
use crate::domain::limits;
use crate::domain::machine::TaskStatus;
use crate::domain::payload::{Payload, PayloadSource};

use super::lifecycle::Taking;
use super::state::{Origin, Project};

impl Project {
    /// A task's output as expressions see it: `null` until it is completed, and when it is too large to be a value.
    pub fn output_value(&self, ix: TaskIx, source: &dyn PayloadSource) -> Result<serde_json::Value, Failure> {
        match &self.task(ix).output {
            None => Ok(serde_json::Value::Null),
            Some(payload) => value_of(payload, source),
        }
    }
}

/// Payloads of outputs are JSON texts.
pub(super) fn value_of(payload: &Payload, source: &dyn PayloadSource) -> Result<serde_json::Value, Failure> {
    if payload.is_empty() {
        return Ok(serde_json::Value::Null);
    }
    let text = source.read(payload)?;
    serde_json::from_slice(&text)
        .map_err(|error| Failure::new(FailureClass::Internal, format!("a recorded output is not JSON: {error}")))
}

impl Taking<'_> {
    /// The output of a `foreach`: the list of its items' outputs, in order; `null` for items without one.
    pub fn collect_outputs(&self, of: TaskIx) -> Result<Payload, Failure> {
        if self.project.task(of).spec.names_items() {
            return self.named_outputs(of);
        }
        let items: Vec<TaskIx> = self.project.task(of).items().collect();
        let count = items.len();
        let total: u64 = items.iter().filter_map(|ix| self.project.task(*ix).output.as_ref()).map(Payload::bytes).sum();
        if total > limits::EXPRESSION_VALUE_BYTES {
            let message =
                format!("the outputs of {count} items are {total} bytes together, more than a value may have");
            return Err(Failure::new(FailureClass::Oversized, message));
        }
        let values: Result<Vec<_>, _> =
            items.into_iter().map(|ix| self.project.output_value(ix, self.turn.vault)).collect();
        Ok(self.turn.vault.keep(serde_json::Value::Array(values?).to_string().into_bytes())?)
    }

    /// The project's own output: the outputs of the tasks that nothing needs, by name. Left out when they are too large
    /// together or cannot be read: they are with their tasks all the same.
    pub fn final_output(&self) -> Payload {
        let sinks = self.project.indices().filter(|ix| {
            let task = self.project.task(*ix);
            let own = matches!(task.origin, Origin::Declared(_) | Origin::Added);
            own && task.status == TaskStatus::Completed && task.dependents.is_empty() && !task.retired
        });
        let mut output = serde_json::Map::new();
        let mut total = 0;
        for ix in sinks {
            let task = self.project.task(ix);
            total += task.output.as_ref().map_or(0, Payload::bytes) + task.name.len() as u64;
            if total > limits::EXPRESSION_VALUE_BYTES {
                return Payload::default();
            }
            if let Ok(value) = self.project.output_value(ix, self.turn.vault)
                && !value.is_null()
            {
                output.insert(task.name.to_string(), value);
            }
        }
        self.turn.vault.keep(serde_json::Value::Object(output).to_string().into_bytes()).unwrap_or_default()
    }
}
