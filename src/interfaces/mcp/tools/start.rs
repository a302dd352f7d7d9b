//! `start`: a project of a workflow.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Effect, Tool};
use crate::app::Need;
use crate::domain::ids::ProjectId;
use crate::domain::project::Command;
use crate::interfaces::api::{Fault, FaultKind, Home, StartRequest};
use crate::interfaces::mcp::desk::Room;
use crate::interfaces::mcp::parts::{Parts, Wanted};
use crate::interfaces::mcp::refusal::Trouble;

/// The arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// The workflow: a name such as `sdlc`, or the path of a file.
    pub workflow: String,
    /// Its inputs, by name.
    #[serde(default)]
    pub inputs: Map<String, Value>,
    /// The id of the project; starting again with the same one is the same start. One is made if absent.
    pub id: Option<String>,
    /// The folder to run in; the git repository around the server's folder if absent.
    pub dir: Option<String>,
    /// The models of all its agents, each as provider/model; later ones are fallbacks.
    #[serde(default)]
    pub models: Vec<String>,
    #[serde(skip)]
    #[schemars(skip)]
    prepared: Option<Arc<StartRequest>>,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Started {
    /// The project's id.
    pub project: String,
    /// Whether it was started before.
    pub existed: bool,
    /// Its journal as a resource, which can be subscribed to.
    pub journal: String,
}

impl Started {
    /// A project that is on record now.
    pub fn new(id: ProjectId, existed: bool) -> Self {
        let journal = crate::interfaces::mcp::uri::Place::journal(&id).to_string();
        Self { project: id.to_string(), existed, journal }
    }
}

impl Tool for Start {
    const NAME: &'static str = "start";
    const TITLE: &'static str = "Start a project";
    const ABOUT: &'static str = "Starts a project of a workflow in the background and returns its id once it is on record. Its commands and \
                                 agents run on this machine.";
    const EFFECT: Effect = Effect::Starts;
    const NEED: Need = Need::Drive;
    type Answer = Started;

    async fn prepare(self, parts: &Arc<Parts>) -> Result<Self, Trouble> {
        let id = self.id.as_deref().map(project_id).transpose()?;
        let wanted = Wanted {
            workflow: self.workflow.clone(),
            inputs: self.inputs.clone(),
            id,
            dir: self.dir.clone(),
            models: self.models.clone(),
        };
        let of_the_task = parts.clone();
        let prepared = tokio::task::spawn_blocking(move || of_the_task.launcher.prepare(wanted)).await;
        let defect = |error| Fault::new(FaultKind::Defect, format!("a start was not prepared: {error}"));
        Ok(Self { prepared: Some(Arc::new(prepared.map_err(defect)??)), ..self })
    }

    async fn run(self, room: Room) -> Result<Started, Trouble> {
        let Some(start) = self.prepared else {
            return Err(Fault::new(FaultKind::Defect, "a start was not prepared").into());
        };
        let (id, existed) = room.home.start((*start).clone()).await?;
        go_on_if(existed, &room.home, &id).await?;
        Ok(Started::new(id, existed))
    }
}

/// An id that somebody chose.
pub fn project_id(text: &str) -> Result<ProjectId, Fault> {
    ProjectId::new(text).map_err(|error| Fault::new(FaultKind::Invalid, error.to_string()))
}

/// Lets the engine drive a project that was there before; one that has ended stays as it is.
pub async fn go_on_if(existed: bool, home: &Home, id: &ProjectId) -> Result<(), Fault> {
    if !existed {
        return Ok(());
    }
    let command = Command::Resume { in_doubt: None, budget: None, comment: String::new() };
    match home.resume(id, command).await {
        Err(fault) if fault.kind != FaultKind::Terminal => Err(fault),
        Ok(()) | Err(_) => Ok(()),
    }
}
