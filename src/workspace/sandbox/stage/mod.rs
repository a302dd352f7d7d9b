//! The program between the engine and a contained command: this binary, executed anew with [`VERB`] as its first argument.
//!
//! ```text
//! engine ──socket, order── outer   host's namespaces: closes descriptors, joins control groups, makes the namespaces
//!                            └─ inner   process 1 of the new pid namespace: mounts, limits, Landlock, seccomp
//!                                 └─ the command
//! ```
//!
//! For a container (`container`, `guard`) the engine that makes it stands in the place of the inner part.
//!
//! Both parts are single-threaded when they change what they are, hold no secret and read no configuration. Whatever ends the
//! engine closes its end of the socket; both parts watch for that. Whatever ends the outer part ends the inner one
//! (`PR_SET_PDEATHSIG`; the outer part has one thread), and with process 1 the kernel ends everything that is left inside.

mod bridge;
mod bwrap;
mod capabilities;
#[cfg(feature = "docker")]
mod container;
#[cfg(feature = "docker")]
mod guard;
mod init;
mod inner;
mod landlock;
mod loopback;
mod mounts;
mod outer;
mod rlimits;
mod seccomp;
mod socket;

use std::process::ExitCode;

/// The hidden verb of the binary.
pub const VERB: &str = "sandbox-stage";
/// Its second argument for the part that runs inside.
const INNER: &str = "inner";
/// The same for the part that stands before a container, and for the one that removes it.
pub(super) const CONTAINER: &str = "container";
#[cfg(feature = "docker")]
const GUARD: &str = "guard";

/// Does the work of the stage when the command line asks for it; `None`: this is an ordinary start. To be called before
/// there is a second thread.
pub fn main() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != VERB {
        return None;
    }
    Some(match arguments.next() {
        None => outer::run(),
        Some(part) if part == INNER => inner::Left::told(arguments).map_or(ExitCode::from(NOT_FOR_PEOPLE), inner::run),
        #[cfg(feature = "docker")]
        Some(part) if part == CONTAINER => container::run(),
        #[cfg(feature = "docker")]
        Some(part) if part == GUARD => guard::run(arguments.next().as_deref(), arguments.next().as_deref()),
        Some(_) => ExitCode::from(NOT_FOR_PEOPLE),
    })
}

/// The exit code of a stage that nobody gave an order.
const NOT_FOR_PEOPLE: u8 = 2;
