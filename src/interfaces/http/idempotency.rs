//! Starts that are made with a key: the same key and body are the same start, however often and whoever died in between.
//!
//! Before a project is started, its id and a digest of the request are written down under the key, durably. Whoever repeats the
//! request finds them, and starting with an id is idempotent by itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::state::blocking;
use crate::app::PrivateFiles;
use crate::domain::ids::{Digest, ProjectId};
use crate::domain::limits;
use crate::domain::time::Millis;
use crate::interfaces::api::{Fault, FaultKind};

/// Requests with a key.
#[derive(Debug)]
pub struct Remembered {
    files: PrivateFiles,
    busy: Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    id: ProjectId,
    request: Digest,
    at: Millis,
}

/// The right to act on a key; nobody else has it meanwhile.
#[derive(Debug)]
pub struct Turn {
    _held: tokio::sync::OwnedMutexGuard<()>,
    /// The project that the key stands for.
    pub id: ProjectId,
}

impl Remembered {
    /// Over the files that were left by earlier servers.
    pub fn new(files: PrivateFiles) -> Self {
        Self { files, busy: Mutex::default() }
    }

    /// The id that `key` stands for: the one noted earlier, or `fresh`, noted now. A key that was used for another request is
    /// refused.
    pub async fn take(&self, key: &str, request: Digest, fresh: ProjectId, now: Millis) -> Result<Turn, Problem> {
        let name = Digest::of(key.as_bytes());
        let of_key = {
            let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            busy.retain(|_, lock| Arc::strong_count(lock) > 1);
            busy.entry(name).or_default().clone()
        };
        let held = of_key.lock_owned().await;
        let files = self.files.clone();
        let id = blocking(move || note(&files, &name.to_hex(), request, fresh, now)).await?;
        Ok(Turn { _held: held, id })
    }

    /// Forgets what is older than anybody repeats a request. Blocks.
    pub fn forget_old(&self, now: Millis) -> std::io::Result<()> {
        for name in self.files.names()? {
            let note = self.files.read(&name)?.and_then(|text| serde_json::from_slice::<Note>(&text).ok());
            if note.is_some_and(|note| now.since(note.at) > limits::API_KEY_MS) {
                self.files.remove(&name)?;
            }
        }
        Ok(())
    }
}

fn note(
    files: &PrivateFiles,
    name: &str,
    request: Digest,
    fresh: ProjectId,
    now: Millis,
) -> Result<ProjectId, Problem> {
    let refused = |error: std::io::Error| {
        let causes = vec![error.to_string()];
        Problem::from(Fault { causes, ..Fault::new(FaultKind::Store, "the request's key cannot be kept") })
    };
    if let Some(text) = files.read(name).map_err(refused)?
        && let Ok(note) = serde_json::from_slice::<Note>(&text)
    {
        if note.request != request {
            let message = "the Idempotency-Key was used for another request";
            return Err(Fault::new(FaultKind::KeyReused, message).of(&note.id).into());
        }
        return Ok(note.id);
    }
    let note = Note { id: fresh, request, at: now };
    let text = serde_json::to_vec(&note).map_err(|error| refused(error.into()))?;
    files.write(name, &text).map_err(refused)?;
    Ok(note.id)
}
