//! Starting a process that outlives this one: the engine in the background.

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
