//! Servers of tools that are built in: no process, no configuration. A role names their tools `mcp__SERVER__TOOL` like those of any
//! server; `wfctl mcp --server NAME` serves them to other clients. What they reach is what the tools of a role reach: the worktree through
//! its boundary, commands through the runner of commands, hosts and the repository as far as a person allows it.
//!
//! Reading order: this file (the table), then a file or folder per server.

use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;

use async_trait::async_trait;
use serde_json::Value;

use super::{Site, Tool, ToolFault, ToolOutput, spec};
use crate::agents::mcp;
use crate::domain::chat::ToolSpec;
use crate::domain::workflow::EffectClass;

#[cfg(feature = "sqlite")]
mod database;
mod filesystem;
mod git;
mod memory;
mod thinking;
mod time;
mod web;

/// A call under way.
type Working<'c> = Pin<Box<dyn Future<Output = Result<ToolOutput, ToolFault>> + Send + 'c>>;

/// A tool of a built-in server.
pub struct Served {
    /// The server.
    pub server: &'static str,
    name: &'static str,
    about: &'static str,
    effect: EffectClass,
    parameters: fn() -> Value,
    work: for<'c> fn(&'c Value, &'c Site<'c>) -> Working<'c>,
}

impl Served {
    /// The name that models know.
    pub fn full_name(&self) -> String {
        mcp::full_name(self.server, self.name).expect("a test makes the names of all built-in tools")
    }

    /// How clients of the server are told of it.
    pub fn told(&self) -> ToolSpec {
        spec(self.name, self.about, (self.parameters)())
    }

    /// What may be done when its outcome stays unknown.
    pub fn effect_class(&self) -> EffectClass {
        self.effect
    }
}

#[async_trait]
impl Tool for &'static Served {
    fn spec(&self) -> ToolSpec {
        spec(&self.full_name(), self.about, (self.parameters)())
    }

    fn effect(&self) -> EffectClass {
        self.effect
    }

    async fn call(&self, arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
        (self.work)(arguments, site).await
    }
}

static ALL: LazyLock<Vec<Served>> = LazyLock::new(|| {
    let mut all = Vec::new();
    all.extend(web::TOOLS);
    all.extend(memory::TOOLS);
    all.extend(git::TOOLS);
    all.extend(filesystem::TOOLS);
    all.extend(thinking::TOOLS);
    #[cfg(feature = "sqlite")]
    all.extend(database::TOOLS);
    all.extend(time::TOOLS);
    all
});

/// All tools of all built-in servers, in their stable order.
pub fn all() -> &'static [Served] {
    &ALL
}

/// The names of the built-in servers.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = all().iter().map(|tool| tool.server).collect();
    names.dedup();
    names
}

/// The tools of a built-in server; none when there is no such server.
pub fn tools_of(server: &str) -> impl Iterator<Item = &'static Served> {
    all().iter().filter(move |tool| tool.server == server)
}

#[cfg(test)]
mod tests;
