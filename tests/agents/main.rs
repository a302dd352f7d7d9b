//! Agents from end to end: the real engine, real steps, git and a journal; models are a server on the loopback interface that
//! says what a script or a test says. Kills at every append, faults of providers, bad input, a storm of merges, the demo.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod binary;
mod built_in;
mod faults;
#[path = "../crash_support/home.rs"]
#[expect(dead_code, reason = "the crash tests use more of it")]
mod home;
mod house;
mod input;
#[path = "../model_server/mod.rs"]
#[expect(dead_code, reason = "the tests of providers use all of it")]
mod model_server;
mod notes;
#[expect(dead_code, reason = "the tests of teams use more of it")]
mod player;
mod storm;
mod sweep;
