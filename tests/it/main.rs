//! The command line from outside: every test has a home of its own, a cleared environment, and waits for conditions, never
//! for a time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agents;
mod by_hand;
mod crash;
mod fork;
mod held;
mod index;
mod replay;
mod rig;
mod safety;
mod scripted;
mod second_shell;
mod trust;
mod verbs;
mod workflows;
mod worktrees;
