//! Where a server that is started runs: in the sandbox of the step that asks it, or, where the person says so, beside the engine.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::connection::Connection;
use crate::domain::failure::Failure;
use crate::domain::tool_server::ToolServer;
use crate::workspace::sandbox::Containment;

/// Names and values, as the system has them.
pub type Variables = Vec<(OsString, OsString)>;

/// Puts variables in the place of those of the same names.
pub fn put(all: &mut Variables, more: Variables) {
    all.retain(|(known, _)| !more.iter().any(|(name, _)| name == known));
    all.extend(more);
}

/// What keeps a server in its place while a step asks it.
pub struct Enclosure {
    /// The sandbox, and what can be reached from inside.
    pub containment: Containment,
    /// Its whole environment.
    pub environment: Variables,
    /// Where it runs.
    pub dir: PathBuf,
    /// The workspace of the step.
    pub workspace: PathBuf,
}

/// Whoever knows how commands of a step are contained.
#[async_trait]
pub trait Encloses: Send + Sync {
    /// What keeps `server` in its place, which is given the variables `given`; `None`: nothing does, because the person said so.
    async fn enclosure(&self, server: &ToolServer, given: Variables) -> Result<Option<Enclosure>, Failure>;
}

/// Servers that were started for one step: its sandbox is theirs, and they end with it.
#[derive(Default)]
pub struct OwnServers(pub(super) Mutex<BTreeMap<String, Arc<Connection>>>);

impl OwnServers {
    /// Whether there is one, or one is being started.
    pub fn any(&self) -> bool {
        self.0.try_lock().map_or(true, |own| !own.is_empty())
    }
}
