//! The command line from outside: every test has a home of its own, a cleared environment, and waits for conditions, never
//! for a time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod crash;
mod rig;
mod second_shell;
mod verbs;
mod workflows;
mod worktrees;
