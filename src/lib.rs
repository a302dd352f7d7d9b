//! wfctl: a durable workflow engine.
//!
//! The rooms, in the order a newcomer should read them:
//!
//! - [`domain`]: pure. What a project is, what may happen to it, what follows.
//! - [`journal`]: where what happened is kept: hash-chained records, blobs, snapshots.
//! - [`engine`]: the loop: decide, append, apply, perform.
//! - [`workspace`]: everything that touches the host: process groups, files, git worktrees.
//! - [`secrets`]: secrets by name, and the places where people keep them.
//! - [`agents`]: roles, providers of models, tools, the loop of a conversation.
//! - [`steps`]: the adapters that run one step of each kind.
//! - [`interfaces`]: thin faces: the command line, the control socket, the bus, metrics.
//! - [`config`]: settings in layers; [`telemetry`]: the log.
//! - [`app`]: wires every room together.

#![cfg_attr(
    test,
    expect(clippy::disallowed_methods, reason = "tests measure time, read switches and start processes of their own")
)]

pub mod agents;
pub mod app;
pub mod config;
pub mod domain;
pub mod engine;
pub mod interfaces;
pub mod journal;
pub mod secrets;
pub mod steps;
pub mod telemetry;
pub mod workspace;
