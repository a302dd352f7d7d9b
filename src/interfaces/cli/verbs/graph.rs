//! `wfctl graph`: a picture of a workflow, or of a project with its states.

use std::collections::HashMap;

use super::super::args::{self, GraphFormat};
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::workflows;
use crate::domain::machine::TaskStatus;
use crate::domain::workflow::{Definition, dot, mermaid, svg, tree};

/// Draws it. A workflow wins over a project of the same name.
pub async fn run(context: &Context, arguments: &args::Graph) -> Result<Exit, Error> {
    let (definition, states) = if workflows::exists(&arguments.what) {
        (workflows::load(&context.terminal, &arguments.what)?.definition, None)
    } else {
        let (session, summary) = context.read(&arguments.what, "graph").await?;
        let pinned = session.home().definition(&summary.id).await;
        let view = session.home().show(&summary.id).await;
        session.close().await;
        let states: HashMap<String, TaskStatus> =
            view?.tasks.into_iter().map(|task| (task.name, task.status)).collect();
        (pinned?.definition, Some(states))
    };
    context.terminal.raw(&draw(&definition, states.as_ref(), arguments.format))?;
    Ok(Exit::Done)
}

fn draw(definition: &Definition, states: Option<&HashMap<String, TaskStatus>>, format: GraphFormat) -> String {
    let known = states.map(|states| move |name: &str| states.get(name).copied());
    let status = known.as_ref().map(|known| known as &dyn Fn(&str) -> Option<TaskStatus>);
    let mut picture = match format {
        GraphFormat::Tree => tree(definition, status),
        GraphFormat::Mermaid => mermaid(definition, status),
        GraphFormat::Dot => dot(definition, status),
        GraphFormat::Svg => svg(definition, status),
    };
    if !picture.ends_with('\n') {
        picture.push('\n');
    }
    picture
}
