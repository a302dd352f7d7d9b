//! The sandbox against what tries to get out of it: every probe is run on every backend that this machine has, and must
//! fail there; the canary runs the same probes without a sandbox, where they must succeed, so that the suite can fail.
//!
//! A probe is code of this binary, executed anew inside; nothing has to be installed. `world` is what there is to be
//! protected, `probes` tries to reach it, `rig` runs one in the other; `contained`, `resources`, `lives`, `companion` and `network` hold
//! the tests. `container` tests what is asked of an engine that makes containers, with `engine`, which is none.

#![expect(clippy::disallowed_methods, reason = "tests start processes and read their own switches")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "what is skipped is told")]
#![cfg(target_os = "linux")]

mod companion;
mod contained;
mod container;
mod engine;
mod lives;
mod network;
mod ordinary;
mod probes;
mod resources;
mod rig;
mod world;
