//! What the face is made of, given by whoever starts it: this room looks nothing up by itself.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::request;
use serde_json::{Map, Value};

use super::refusal::Refusal;
use crate::app::Need;
use crate::domain::ids::ProjectId;
use crate::domain::view::{ProjectView, RecordView, Summary};
use crate::interfaces::api::{Fault, Home, StartRequest};

/// Everything that the face needs.
pub struct Parts {
    /// The way to the home.
    pub access: Arc<dyn Access>,
    /// Finds workflows and makes starts of them.
    pub launcher: Arc<dyn Launcher>,
    /// What a fault means: its code, and what to type next.
    pub explain: fn(&Fault) -> Refusal,
    /// Tells the records of a project in words.
    pub narrate: fn(&ProjectView) -> Narrator,
    /// Who may use the tools that change something.
    pub grant: Grant,
}

/// Who may use the tools that change something. Whoever may not is not shown them.
#[derive(Debug, Clone, Copy)]
pub enum Grant {
    /// Nobody.
    Nobody,
    /// Whoever asks.
    Everybody,
    /// Each HTTP request says so for itself.
    ByRequest(fn(&request::Parts) -> bool),
}

/// Tells records in words.
pub type Narrator = Box<dyn Fn(&RecordView) -> Narrated + Send + Sync>;

/// A record in words.
#[derive(Debug, Clone)]
pub struct Narrated {
    /// The stable name of its kind.
    pub kind: String,
    /// The task it is about.
    pub task: Option<String>,
    /// Who caused it.
    pub actor: String,
    /// What happened.
    pub text: String,
}

/// The way to the home. Whoever asks leaves again: a face that waits for its next request keeps nobody out.
#[async_trait]
pub trait Access: Send + Sync + 'static {
    /// Opens the home, or a line to the engine that has it.
    async fn open(&self, need: Need) -> Result<Visit, Refusal>;
    /// A line to an engine that is at work now; `None` when there is none.
    async fn line(&self) -> Option<Visit>;
    /// The project that `typed` is the id of, or the beginning of its id.
    async fn find(&self, home: &Home, typed: &str) -> Result<Summary, Refusal>;
}

/// What gives the home back.
type Closing = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// A home for the time of one request.
pub struct Visit {
    home: Home,
    closing: Option<Closing>,
}

impl Visit {
    /// A home that stays open whatever happens here.
    pub fn lasting(home: Home) -> Self {
        Self { home, closing: None }
    }

    /// A home that is given back by `closing`.
    pub fn brief<F>(home: Home, closing: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self { home, closing: Some(Box::new(|| Box::pin(closing()))) }
    }

    /// What can be asked.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Gives the home back.
    pub async fn close(self) {
        // The store closes with the last of those who read from it.
        drop(self.home);
        if let Some(closing) = self.closing {
            closing().await;
        }
    }
}

/// What somebody wants to start.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The workflow: a name, or the path of a file.
    pub workflow: String,
    /// What it is given.
    pub inputs: Map<String, Value>,
    /// The project's id; `None`: one is made.
    pub id: Option<ProjectId>,
    /// The folder to run in.
    pub dir: Option<String>,
    /// The models of its agents.
    pub models: Vec<String>,
}

/// Finds workflows and makes starts of them, checked like those of the command line.
pub trait Launcher: Send + Sync + 'static {
    /// Everything that a start needs, its id included. May block.
    fn prepare(&self, wanted: Wanted) -> Result<StartRequest, Refusal>;
}
