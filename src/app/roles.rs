//! The roles of agents, in words that the faces may know.

use crate::agents::roles::{Role, shipped_names};

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleText {
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

/// The shipped roles, in the order of a project's life.
pub fn shipped_roles() -> Vec<RoleText> {
    let text = |role: Role| RoleText {
        name: role.name,
        description: role.description,
        tools: role.tools,
        output: role.output,
        prompt: role.prompt,
    };
    // A test of the roles reads all of them.
    shipped_names().into_iter().filter_map(|name| Role::load(name, None).ok()).map(text).collect()
}
