//! The tools, a file for each kind, and the table of them.

mod artifacts;
mod cost;
mod decide;
mod events;
mod fork;
mod list;
mod logs;
mod show;
mod start;
mod steer;
mod table;
mod why;

pub use table::{all, call, find};

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::desk::Room;
use super::parts::Parts;
use super::refusal::Trouble;
use crate::app::Need;

/// A tool; its fields are its arguments, their docs what a model is told of them.
pub trait Tool: DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static {
    /// Its name.
    const NAME: &'static str;
    /// Its name for people.
    const TITLE: &'static str;
    /// What a model is told of it.
    const ABOUT: &'static str;
    /// What it may change.
    const EFFECT: Effect;
    /// What it needs of the home.
    const NEED: Need;
    /// What it answers.
    type Answer: Serialize + JsonSchema + Send + 'static;

    /// What is to be done before the home is open.
    fn prepare(self, _parts: &Arc<Parts>) -> impl Future<Output = Result<Self, Trouble>> + Send {
        std::future::ready(Ok(self))
    }

    /// Does it. It may be asked of another engine after the first one went away, and must be safe to ask twice.
    fn run(self, room: Room) -> impl Future<Output = Result<Self::Answer, Trouble>> + Send;
}

/// What a tool may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Looks,
    /// Something that only adds or holds back; asked again, it changes nothing more.
    Holds,
    /// It lets commands of a workflow run, or stops them; asked again with the same arguments, it changes nothing more.
    Steers,
    /// It lets commands of a workflow run, once more each time.
    Starts,
}

impl Effect {
    /// Whether it changes anything.
    pub fn acts(self) -> bool {
        self != Self::Looks
    }
}
