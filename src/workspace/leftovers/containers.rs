//! Containers of engines that died. Which engines were ever asked for one stands in a file of the register, so that a home
//! without containers asks nobody.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use super::super::{files, sandbox};
use super::Leftovers;
use crate::domain::limits;

/// The sockets of engines, one a line. No number, so that it is no file of a group's.
const FILE: &str = "container-engines";

impl Leftovers {
    /// Remembers that the engine at `socket` makes containers for this home. A failure is only logged, as for a group.
    pub(in super::super) fn note_engine(&self, socket: &Path) {
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        if !engines.insert(socket.to_owned()) {
            return;
        }
        let lines = engines.iter().fold(String::new(), |mut lines, socket| {
            // Writing to a string does not fail.
            let _ = writeln!(lines, "{}", socket.display());
            lines
        });
        if let Err(error) = files::write_atomic(&self.dir.join(FILE), lines.as_bytes()) {
            tracing::warn!(engine = %socket.display(), %error, "an engine with containers could not be registered");
        }
    }

    /// Removes the containers of dead engines of this home; tells how many there were. An engine that does not answer is passed
    /// over and asked at the next start: a step that needs it will say what is wrong.
    pub(super) async fn reap_containers(&self) -> io::Result<usize> {
        let mut count = 0;
        let mut silent = BTreeSet::new();
        let file = self.dir.join(FILE);
        for socket in noted(&file)? {
            let is_dead = |marker: &str| self.is_of_the_dead(marker, None);
            match sandbox::reap_containers(&socket, &self.home_id, is_dead).await {
                Ok(removed) => count += removed,
                Err(error) => {
                    tracing::warn!(engine = %socket.display(), error, "containers that were left could not be removed");
                    silent.insert(socket);
                }
            }
        }
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        if silent.is_empty() {
            engines.clear();
            files::remove_if_there(&file)?;
        } else {
            *engines = silent;
        }
        Ok(count)
    }
}

fn noted(file: &Path) -> io::Result<Vec<PathBuf>> {
    match files::read_bounded(file, limits::SMALL_FILE_BYTES) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).lines().map(PathBuf::from).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
