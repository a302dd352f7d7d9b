//! Where the work of a project goes: checked before it begins, told when it did not get there.

use std::path::Path;

use serde_json::{Map, Value};

use super::super::context::Context;
use super::super::error::Error;
use super::super::terminal::harmless;
use crate::domain::view::ProjectView;
use crate::domain::workflow::{self, Action, Definition, Expressions, LandSpec};

/// Refuses a branch that is not there: after hours of work it would be too late. Only what follows from the inputs is known.
pub fn check(context: &Context, definition: &Definition, inputs: &Map<String, Value>, dir: &Path) -> Result<(), Error> {
    let values = workflow::Context::new(&Value::Object(inputs.clone()), &Value::Null, &Value::Null);
    let expressions = Expressions::new();
    for (_, task) in definition.tasks() {
        // What is taken back goes where it was landed.
        let Action::Land(LandSpec { into, back: None }) = &task.action else { continue };
        // One that needs more than the inputs cannot be known yet.
        let Ok(into) = expressions.render(into, &values) else { continue };
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

/// Branches that are not where they should be: the task, and why, with the command that does it by hand.
pub fn not_landed(view: &ProjectView) -> Vec<String> {
    let lands = view.tasks.iter().filter(|task| task.action == "land");
    let told = lands.filter_map(|task| {
        let output = task.output.as_ref()?;
        let did_not = if output.get("back").is_some() { "take it back" } else { "land" };
        let why_not = output.get("why_not")?.as_str()?;
        Some(format!("{} did not {did_not}: {}", harmless(&task.name), harmless(why_not)))
    });
    told.collect()
}
