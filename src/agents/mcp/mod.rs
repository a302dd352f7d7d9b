//! Tools of other servers, by the Model Context Protocol: the side of the client. A role names them `mcp__SERVER__TOOL`, or all of
//! a server's `mcp__SERVER__*`.
//!
//! A server is connected to when it is first needed and kept as long as the engine lives. What it says of itself is not proof: a
//! tool that does not say that it may be repeated is one that may not.

mod connection;
mod naming;
mod offer;
mod servers;

pub use naming::{is_foreign, name as full_name, parts};
pub use servers::{Host, Servers};

/// What a tool of another server gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The text.
    pub text: String,
    /// The text says why it was not done.
    pub failed: bool,
}
