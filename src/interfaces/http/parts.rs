//! What the server is made of, given by whoever starts it: this room looks nothing up by itself.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use super::problem::Problem;
use super::tokens::{Role, Tokens};
use crate::app::PrivateFiles;
use crate::domain::budget::Caps;
use crate::domain::ids::ProjectId;
use crate::domain::time::Millis;
use crate::domain::workflow::{Definition, Outside, TaskSpec};
use crate::engine::Handle;
use crate::interfaces::api::{Explained, Fault, Home, StartRequest};

/// Everything that the server needs.
pub struct Parts {
    /// The home that it serves.
    pub home: Home,
    /// The engine that drives it.
    pub engine: Handle,
    /// Where the home is, for people.
    pub home_dir: PathBuf,
    /// Who may ask.
    pub tokens: Tokens,
    /// Where requests with a key are remembered.
    pub requests: PrivateFiles,
    /// Finds and prepares workflows.
    pub launcher: Arc<dyn Launcher>,
    /// What a fault means: its code, and what to type next.
    pub explain: fn(&Fault) -> Explained,
    /// The pages of all codes.
    pub pages: fn() -> Vec<Page>,
    /// Host names that the server may be asked by, beside addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Requests a second that one token may make.
    pub rate: u32,
    /// Whether connections are encrypted.
    pub is_secure: bool,
    /// Other faces.
    pub mounts: Mounts,
}

/// What other faces bring.
#[derive(Clone, Default)]
pub struct Mounts {
    /// The files of the web interface by name; `index.html` is the page itself.
    pub assets: Option<fn(&str) -> Option<Asset>>,
    /// What answers `/mcp`; asked for with a token like everything else.
    pub mcp: Option<axum::Router>,
}

/// A file of the web interface.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Its media type.
    pub content_type: &'static str,
    /// Changes with its content; with its quotes.
    pub etag: String,
    /// What is in it.
    pub bytes: &'static [u8],
}

/// The page of a code.
#[derive(Debug, Clone, Copy, Serialize, utoipa::ToSchema)]
pub struct Page {
    /// The stable code.
    #[schema(value_type = String)]
    pub code: &'static str,
    /// A few words.
    #[schema(value_type = String)]
    pub title: &'static str,
    /// What it means and what to do.
    #[schema(value_type = String)]
    pub text: &'static str,
}

/// Finds workflows among those that the person who started the server named, and makes starts of them. All of it may block.
pub trait Launcher: Send + Sync + 'static {
    /// Everything that a start needs, checked like `wfctl run` does.
    fn prepare(&self, wanted: Wanted) -> Result<StartRequest, Problem>;
    /// All workflows that can be started.
    fn workflows(&self) -> Vec<Listed>;
    /// One of them.
    fn workflow(&self, name: &str) -> Result<ShownWorkflow, Problem>;
    /// What differs between a pinned definition and its file as it is now.
    fn difference(&self, pinned: &Definition, source: Option<&str>, name: &str) -> Result<(Value, String), Problem>;
    /// Tasks to be added to a project, from the text of a workflow file that has nothing else.
    fn tasks(&self, text: &str, outside: &Outside) -> Result<Vec<TaskSpec>, Problem>;
    /// The roles that agents can have.
    fn roles(&self) -> Vec<RoleView>;
    /// An id that nobody has.
    fn fresh_id(&self, workflow: &str) -> ProjectId;
    /// The time.
    fn now(&self) -> Millis;
}

/// What somebody wants to start.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Which workflow.
    pub source: Source,
    /// Its inputs.
    pub inputs: Map<String, Value>,
    /// The folder to run in; `None`: the first of those that are allowed.
    pub dir: Option<String>,
    /// The models of its agents, most preferred first.
    pub models: Vec<String>,
    /// Caps that take the place of the workflow's.
    pub budget: Option<Caps>,
    /// The id.
    pub id: Option<ProjectId>,
    /// Who asks.
    pub role: Role,
}

/// Where a workflow comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// By name, or by its path below a folder that is allowed.
    Named(String),
    /// Written by this program: its name, and its text.
    Composed(String, String),
}

/// A workflow in the list.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Listed {
    /// The name to start it by.
    pub name: String,
    /// `shipped`, or its file.
    pub source: String,
    /// One line for people.
    pub description: String,
    /// Its inputs by name.
    pub inputs: Vec<InputView>,
    /// Why it cannot be started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// An input of a workflow.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct InputView {
    /// Its name.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean`, `list` or `object`.
    #[serde(rename = "type")]
    pub kind: String,
    /// It must be given.
    pub required: bool,
    /// For people.
    pub description: String,
    /// Its value when none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The only values allowed; empty: any.
    pub choices: Vec<Value>,
}

impl InputView {
    /// The inputs of a definition.
    pub fn of(definition: &Definition) -> Vec<Self> {
        let view = |(name, spec): (&String, &crate::domain::workflow::InputSpec)| Self {
            name: name.clone(),
            kind: spec.kind.name().to_owned(),
            required: spec.required,
            description: spec.description.clone(),
            default: spec.default.clone(),
            choices: spec.choices.clone(),
        };
        definition.inputs.iter().map(view).collect()
    }
}

/// A workflow with its definition.
#[derive(Debug, Clone)]
pub struct ShownWorkflow {
    /// The name to start it by.
    pub name: String,
    /// `shipped`, or its file.
    pub source: String,
    /// The file's text.
    pub text: String,
    /// What it says.
    pub definition: Definition,
}

/// A role of agents.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct RoleView {
    /// Its name.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// The tools that it has.
    pub tools: Vec<String>,
    /// The signature of its answer.
    pub output: String,
    /// Its instructions.
    pub prompt: String,
}
