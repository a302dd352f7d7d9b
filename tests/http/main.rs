//! The server as its clients meet it: the built binary, asked over the loopback interface.

#![expect(clippy::unwrap_used, reason = "a test that fails should say where")]

#[path = "../it/rig.rs"]
#[expect(dead_code, reason = "it is shared with tests that need more of it")]
mod rig;

mod access;
mod additions;
mod beside;
mod classic;
mod description;
mod ledger;
mod live;
#[path = "../model_server/mod.rs"]
#[expect(dead_code, reason = "the tests of providers use all of it")]
mod model_server;
mod requests;
mod server;
mod starts;
mod stop;
mod words;
