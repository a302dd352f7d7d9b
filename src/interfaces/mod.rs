//! Thin faces: they translate, never decide.
//!
//! `api` is what can be asked of a home and what it answers, the same for all faces and on both sides of the socket.
//! `socket` carries it between processes; `cli` is the command line, `http` what `wfctl serve` answers, `web` the pages that a
//! browser shows, `mcp` is for other agents. `bus` tells others of committed records, `metrics` adds them up.

pub mod api;
pub mod bus;
pub mod cli;
pub mod http;
pub mod mcp;
pub mod metrics;
pub mod socket;
pub mod web;
