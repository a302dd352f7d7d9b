//! The HTTP face: `wfctl serve`. REST under `/api/v1`, live streams, and whatever other faces mount beside it.
//!
//! It translates and never decides: each request becomes one of [`crate::interfaces::api`], each fault a problem with the code
//! that the command line has for it. What it cannot know (how a workflow is found, what a code means) it is given as [`Parts`].
//!
//! Reading order: `parts`, `problem`, `tokens`, `guard`, `state`, `router`, `server`; then `routes/`, `stream/`, `classic/`.

mod classic;
mod extract;
mod guard;
mod idempotency;
mod openapi;
mod parts;
mod problem;
mod rate;
mod router;
mod routes;
mod schema;
mod server;
mod state;
mod stream;
mod tls;
mod tokens;

pub use guard::Caller;
pub use openapi::document as openapi;
pub use parts::{Asset, InputView, Launcher, Listed, Mounts, Page, Parts, RoleView, ShownWorkflow, Source, Wanted};
pub use problem::Problem;
pub use server::{Running, Security, ServeError, check_exposure};
pub use tokens::{Role, Tokens};
