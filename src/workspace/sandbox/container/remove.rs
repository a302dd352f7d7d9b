//! Removing containers: one by its name, and those that an engine of ours left behind when it died.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};

use super::{ENGINE_LABEL, HOME_LABEL, connected, why};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(250);
/// Tries before an engine that does not answer is given up: half a minute. What it has is removed at the next start.
const TRIES: u32 = 120;
/// Tries for a container that was asked for and may yet appear.
const TRIES_UNMADE: u32 = 8;

/// Ends and removes a container, with everything in it. `is_made`: it is known to be there. One that is gone is fine.
pub(in super::super) async fn remove(socket: &Path, name: &str, is_made: bool) -> Result<(), String> {
    let mut last = String::new();
    for tried in 0..TRIES {
        match removed(socket, name).await {
            Ok(true) => return Ok(()),
            Ok(false) if is_made || tried >= TRIES_UNMADE => return Ok(()),
            Ok(false) => {}
            Err(error) => last = why(&error),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(last)
}

/// Whether it was there and is gone now.
async fn removed(socket: &Path, name: &str) -> Result<bool, Error> {
    forced(&connected(socket).await?, name).await
}

async fn forced(client: &Docker, name: &str) -> Result<bool, Error> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    match client.remove_container(name, Some(options)).await {
        Ok(()) => Ok(true),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes the containers of a home whose engine `is_dead`, by the marker that each has; tells how many there were.
pub(in super::super) async fn reap(
    socket: &Path,
    home_id: &str,
    is_dead: impl Fn(&str) -> bool,
) -> Result<usize, String> {
    let told = |error: Error| why(&error);
    let client = connected(socket).await.map_err(told)?;
    let filters = HashMap::from([("label".to_owned(), vec![format!("{HOME_LABEL}={home_id}")])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let mut count = 0;
    for found in client.list_containers(Some(options)).await.map_err(told)? {
        let labels = found.labels.unwrap_or_default();
        let is_left = labels.get(ENGINE_LABEL).is_some_and(|marker| is_dead(marker));
        if let Some(id) = found.id.filter(|_| is_left) {
            remove(socket, &id, true).await?;
            count += 1;
        }
    }
    Ok(count)
}
