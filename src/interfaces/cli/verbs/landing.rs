//! Where the work of a project goes: checked before it begins, told when it did not get there.

use std::path::Path;

use serde_json::{Map, Value};

use super::super::context::Context;
use super::super::error::Error;
use crate::domain::view::ProjectView;
use crate::domain::workflow::{self, Action, Definition, Expressions};

/// Refuses a branch that is not there: after hours of work it would be too late. Only what follows from the inputs is known.
pub fn check(context: &Context, definition: &Definition, inputs: &Map<String, Value>, dir: &Path) -> Result<(), Error> {
    let values = workflow::Context::new(&Value::Object(inputs.clone()), &Value::Null, &Value::Null);
    let expressions = Expressions::new();
    for (_, task) in definition.tasks() {
        let Action::Land(land) = &task.action else { continue };
        // One that needs more than the inputs cannot be known yet.
        let Ok(into) = expressions.render(&land.into, &values) else { continue };
        if let Err(problem) = context.app.check_landing(dir, into.trim()) {
            return Err(Error::Usage {
                message: format!("task {} could not land: {problem}", task.name),
                hint: match into.trim() {
                    "" => "Check a branch out first, or name the branch to land on with the input it comes from."
                        .to_owned(),
                    branch => format!("Make it with `git branch {branch}`, or name another one."),
                },
            });
        }
    }
    Ok(())
}

/// Work that did not get where it should: the task, and why, with the command that does it by hand.
pub fn not_landed(view: &ProjectView) -> Vec<(&str, &str)> {
    let lands = view.tasks.iter().filter(|task| task.action == "land");
    lands.filter_map(|task| Some((task.name.as_str(), task.output.as_ref()?.get("why_not")?.as_str()?))).collect()
}
