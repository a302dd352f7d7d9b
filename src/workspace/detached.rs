//! What an engine is as a process: started in the background, closed to the processes that it starts.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// Starts `program` with `arguments`, its output appended to `log`, and does not wait for it. It begins in `/`, so that it
/// keeps no folder busy; it makes a session of its own.
pub fn spawn(program: &Path, arguments: &[&OsStr], log: &File) -> io::Result<u32> {
    #[expect(clippy::disallowed_methods, reason = "this room starts processes")]
    let mut command = Command::new(program);
    command.args(arguments).current_dir("/").stdin(Stdio::null());
    let child = command.stdout(log.try_clone()?).stderr(log.try_clone()?).spawn()?;
    Ok(child.id())
}

/// Keeps other processes of this user, commands of agents among them, from reading this one's memory and environment, where
/// the keys of providers are. What it starts is not affected. A system that cannot do that goes on without.
pub fn hide_memory() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "other processes may read this engine's environment");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, dumpable_behavior};

    #[test]
    fn a_hidden_process_is_not_dumpable() {
        super::hide_memory();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
