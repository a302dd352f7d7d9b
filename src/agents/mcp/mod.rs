//! Tools of other servers, by the Model Context Protocol: the side of the client. A role names them `mcp__SERVER__TOOL`, or all of
//! a server's `mcp__SERVER__*`.
//!
//! A server that is started runs in the sandbox of the step that first needs it and ends with that step (`enclosure`). One that is
//! reached over the network, or that the person wants outside of the sandbox, is kept as long as the engine lives. What a
//! server says of itself is not proof: a tool that does not say that it may be repeated is one that may not.

mod connection;
mod enclosure;
mod naming;
mod offer;
mod servers;

pub use enclosure::{Encloses, Enclosure, OwnServers, Variables, put};
pub use naming::{is_foreign, name as full_name, parts};
pub use servers::{Host, Servers, Step};

use std::sync::Arc;

use crate::domain::sandbox::Attestation;

/// What a tool of another server gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The text.
    pub text: String,
    /// The text says why it was not done.
    pub failed: bool,
    /// What the server runs under, when it was started here.
    pub ran_under: Option<Arc<Attestation>>,
}
