//! The command line from outside: every test has a home of its own, a cleared environment, and waits for conditions, never
//! for a time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agents;
mod bus;
mod by_hand;
mod crash;
mod fork;
mod held;
mod index;
mod mcp;
mod mcp_client;
mod mcp_http;
mod mcp_servers;
mod memory;
mod metrics;
#[path = "../model_server/mod.rs"]
#[expect(dead_code, reason = "the tests of providers use all of it")]
mod model_server;
#[path = "../agents/player.rs"]
#[expect(dead_code, reason = "the tests of agents use more of it")]
mod player;
mod receiver;
mod replay;
mod rig;
mod safety;
mod sandboxed;
mod scripted;
mod second_shell;
mod secrets;
mod teams;
mod traces;
mod trust;
mod verbs;
mod workflows;
mod worktrees;
