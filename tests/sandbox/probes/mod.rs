//! What tries to get out. A probe returns when it got through and fails with what stopped it.

mod files;
mod kernel;
mod network;
mod processes;
mod resources;

use std::path::PathBuf;

use crate::rig;

/// What stopped a probe.
pub type Stopped = Box<dyn std::error::Error>;
pub type Probe = fn() -> Result<(), Stopped>;

/// Every probe by name, and whether it gets through on a bare host: always, as root only, or never for sure.
pub fn all() -> Vec<(&'static str, Bare, Probe)> {
    [files::ALL, processes::ALL, kernel::ALL, network::ALL, resources::ALL].concat()
}

/// On a bare host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bare {
    /// It gets through.
    Through,
    /// It gets through as root.
    AsRoot,
    /// That depends on the kernel's configuration, or would harm the host.
    Unknown,
}

/// Not a test: the other side of [`rig::probe`].
#[test]
fn run() {
    let Some(name) = std::env::var_os(rig::PROBE) else { return };
    let (_, _, probe) = all().into_iter().find(|(it, ..)| *it == name).expect("a probe of this name");
    let code = match probe() {
        Ok(()) => rig::THROUGH,
        Err(stopped) => {
            println!("{stopped}");
            rig::STOPPED
        }
    };
    std::process::exit(code);
}

/// A path of the world.
fn at(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("WORLD").expect("the world is told")).join(name)
}

fn number(name: &str) -> i32 {
    std::env::var(name).expect("a number is told").parse().expect("a number")
}

/// The error number of a system call that failed with one of `refusals` becomes what stopped the probe; any other outcome
/// means that the kernel looked at the request.
fn considered(result: i64, refusals: &[i32]) -> Result<(), Stopped> {
    let error = std::io::Error::last_os_error();
    match error.raw_os_error() {
        Some(errno) if result < 0 && refusals.contains(&errno) => Err(error.into()),
        _ => Ok(()),
    }
}
