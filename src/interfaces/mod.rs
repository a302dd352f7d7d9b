//! Thin faces: they translate, never decide.
//!
//! `api` is what can be asked of a home and what it answers, the same for all faces and on both sides of the socket.
//! `socket` carries it between processes; `cli` is the command line, `mcp` is for other agents.

pub mod api;
pub mod cli;
pub mod mcp;
pub mod socket;
