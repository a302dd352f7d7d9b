//! What a project pinned: its definition, how that differs from its file by now, and the picture of it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::domain::ids::Digest;
use crate::domain::machine::TaskStatus;
use crate::domain::view::ProjectView;
use crate::domain::workflow::{Definition, graph_of, svg, tree};
use crate::interfaces::http::extract::{self, Asked};
use crate::interfaces::http::guard::Caller;
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::state::{Api, blocking};

/// A definition as pinned.
#[derive(Debug, Serialize, ToSchema)]
pub struct DefinitionView {
    /// The definition.
    #[schema(value_type = Object)]
    definition: Definition,
    /// Its digest.
    #[schema(value_type = String)]
    digest: Digest,
    /// The file that it came from.
    source: Option<String>,
}

/// The definition that a project pinned when it started.
#[utoipa::path(get, path = "/api/v1/projects/{id}/definition", tag = "projects", params(("id" = String, Path, description = "The project")),
    responses((status = 200, description = "The definition", body = DefinitionView)))]
pub async fn definition(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<DefinitionView>, Problem> {
    let pinned = api.home(caller).definition(&extract::project(&id)?).await?;
    Ok(Json(DefinitionView { definition: pinned.definition, digest: pinned.digest, source: pinned.source }))
}

/// How a file differs from what was pinned.
#[derive(Debug, Serialize, ToSchema)]
pub struct DifferenceView {
    /// For machines, as `wfctl diff --json`.
    #[schema(value_type = Object)]
    changes: Value,
    /// For people; empty when nothing differs.
    text: String,
}

/// What differs between the pinned definition and the workflow's file as it is now.
#[utoipa::path(get, path = "/api/v1/projects/{id}/definition/diff", tag = "projects",
    params(("id" = String, Path, description = "The project")),
    responses((status = 200, description = "The differences", body = DifferenceView)))]
pub async fn difference(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<DifferenceView>, Problem> {
    let pinned = api.home(caller).definition(&extract::project(&id)?).await?;
    let launcher = api.parts.launcher.clone();
    let compare = move || {
        let name = pinned.definition.name.clone();
        launcher.difference(&pinned.definition, pinned.source.as_deref(), &name)
    };
    let (changes, text) = blocking(compare).await?;
    Ok(Json(DifferenceView { changes, text }))
}

/// Which form of a picture.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct GraphQuery {
    /// The form; `json` when left out.
    #[serde(default)]
    pub format: GraphFormat,
}

/// The forms of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GraphFormat {
    /// Nodes and edges.
    #[default]
    Json,
    /// A picture.
    Svg,
    /// A tree of text.
    Text,
}

/// A graph of tasks.
#[derive(Debug, Serialize, ToSchema)]
pub struct GraphView {
    /// The phases, in order.
    phases: Vec<String>,
    /// The tasks.
    nodes: Vec<Node>,
    /// Pairs of indices: the second needs the first.
    edges: Vec<[u32; 2]>,
}

/// A task of a graph.
#[derive(Debug, Serialize, ToSchema)]
pub struct Node {
    /// Its index.
    ix: u32,
    /// Its name.
    name: String,
    /// Its phase.
    phase: String,
    /// Its state; of a workflow that was not started, none.
    status: Option<String>,
    /// `run`, `agent`, ...
    action: String,
    /// The role of its agent.
    role: Option<String>,
}

/// The graph of a project, with the states of its tasks.
#[utoipa::path(get, path = "/api/v1/projects/{id}/graph", tag = "projects",
    params(("id" = String, Path, description = "The project"), GraphQuery),
    responses((status = 200, description = "The graph", content(
        (GraphView = "application/json"), (String = "image/svg+xml"), (String = "text/plain")))))]
pub async fn graph(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Asked(query): Asked<GraphQuery>,
) -> Result<Response, Problem> {
    let (id, home) = (extract::project(&id)?, api.home(caller));
    let view = home.show(&id).await?;
    if query.format == GraphFormat::Json {
        return Ok(Json(graph_of_view(&view)).into_response());
    }
    let pinned = home.definition(&id).await?;
    let states: HashMap<String, TaskStatus> = view.tasks.into_iter().map(|task| (task.name, task.status)).collect();
    Ok(picture(&pinned.definition, Some(&states), query.format))
}

fn graph_of_view(view: &ProjectView) -> GraphView {
    let by_name: HashMap<&str, u32> = view.tasks.iter().map(|task| (task.name.as_str(), task.ix)).collect();
    let edges = view.tasks.iter().flat_map(|task| {
        let by_name = &by_name;
        task.needs.iter().filter_map(move |need| Some([*by_name.get(need.as_str())?, task.ix]))
    });
    let node = |task: &crate::domain::view::TaskView| Node {
        ix: task.ix,
        name: task.name.clone(),
        phase: task.phase.name().to_owned(),
        status: Some(task.status.name().to_owned()),
        action: task.action.clone(),
        role: task.role.clone(),
    };
    GraphView {
        phases: view.phases.iter().map(|phase| phase.name().to_owned()).collect(),
        edges: edges.collect(),
        nodes: view.tasks.iter().map(node).collect(),
    }
}

/// The graph of a definition that is not running.
pub fn graph_of_definition(definition: &Definition) -> GraphView {
    use crate::domain::workflow::Action;
    let graph = graph_of(definition);
    let node =
        |(ix, (phase, task)): (u32, (crate::domain::machine::Phase, &Arc<crate::domain::workflow::TaskSpec>))| Node {
            ix,
            name: task.name.clone(),
            phase: phase.name().to_owned(),
            status: None,
            action: if task.foreach.is_some() { "foreach" } else { task.action.keyword() }.to_owned(),
            role: match &task.action {
                Action::Agent(agent) => Some(agent.role.clone()),
                _ => None,
            },
        };
    let nodes: Vec<Node> = (0u32..).zip(definition.tasks()).map(node).collect();
    let edges = nodes.iter().flat_map(|to| graph.predecessors(to.ix).iter().map(move |from| [*from, to.ix])).collect();
    let phases = definition.phases.iter().map(|spec| spec.phase.name().to_owned()).collect();
    GraphView { phases, nodes, edges }
}

/// A picture of a definition, in one of the forms that are no data.
pub fn picture(definition: &Definition, states: Option<&HashMap<String, TaskStatus>>, format: GraphFormat) -> Response {
    let known = states.map(|states| move |name: &str| states.get(name).copied());
    let status = known.as_ref().map(|known| known as &dyn Fn(&str) -> Option<TaskStatus>);
    let (kind, text) = match format {
        GraphFormat::Svg => ("image/svg+xml", svg(definition, status)),
        GraphFormat::Text | GraphFormat::Json => ("text/plain; charset=utf-8", tree(definition, status)),
    };
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
