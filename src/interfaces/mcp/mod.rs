//! The MCP face: projects as tools and resources of the Model Context Protocol, for other agents. Over stdio (`wfctl mcp`) and
//! over streamable HTTP ([`router`]), the same on both.
//!
//! It translates and never decides: each tool is a request to a [`crate::interfaces::api::Home`], each fault a tool error with
//! the code and the next command that the command line has for it. What it cannot know (how a home is opened, how a workflow is
//! found, what a code means) it is given as [`Parts`]. Every answer is bounded; what is longer comes in pages.
//!
//! Reading order: `parts`, `refusal`, `desk`, `page`, `views`, `tools`, `uri`, `resources`, `watch`, `face`, `stdio`, `http`.

mod desk;
mod face;
mod http;
mod page;
mod parts;
mod refusal;
mod resources;
mod stdio;
mod tools;
mod uri;
mod views;
mod watch;

pub use http::router;
pub use parts::{Access, Grant, Launcher, Narrated, Narrator, Parts, Visit, Wanted};
pub use refusal::Refusal;
pub use stdio::{serve, serve_handler};
