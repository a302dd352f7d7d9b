//! What all handlers share.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::guard::Caller;
use super::idempotency::Remembered;
use super::parts::{Parts, Wanted};
use super::problem::Problem;
use super::rate::Rate;
use super::stream::Hub;
use super::tokens::Role;
use crate::domain::limits;
use crate::interfaces::api::{Fault, FaultKind, Home, StartRequest};

/// The state of the server.
pub struct Api {
    /// What it was made of.
    pub parts: Parts,
    /// How fast a token may ask.
    pub rate: Rate<Role>,
    /// How fast anybody may ask without a token that is known.
    pub strangers: Rate<()>,
    /// Places for requests.
    pub places: Arc<Semaphore>,
    /// Places for streams.
    pub streams: Arc<Semaphore>,
    /// Live events.
    pub hub: Arc<Hub>,
    /// Requests that were made with a key.
    pub remembered: Remembered,
    /// Ends the streams.
    pub stopping: CancellationToken,
}

impl Api {
    /// The state of a server that has not been asked anything.
    pub fn new(parts: Parts, stopping: CancellationToken) -> Arc<Self> {
        /// Whoever guesses a token of 256 bits at this rate is busy for a while.
        const STRANGERS: u32 = 20;
        let hub = Hub::new(parts.home.clone(), parts.engine.clone(), stopping.clone());
        Arc::new(Self {
            rate: Rate::new(parts.rate),
            strangers: Rate::new(STRANGERS),
            places: Arc::new(Semaphore::new(limits::API_REQUESTS)),
            streams: Arc::new(Semaphore::new(limits::API_STREAMS)),
            hub,
            remembered: Remembered::new(parts.requests.clone()),
            parts,
            stopping,
        })
    }

    /// The home, asked by a caller: that is who the journal names.
    pub fn home(&self, caller: Caller) -> Home {
        self.parts.home.asked_by(format!("api:{}", caller.role.name()))
    }

    /// Prepares a start away from the threads that everybody shares.
    pub async fn prepare(self: &Arc<Self>, wanted: Wanted) -> Result<StartRequest, Problem> {
        let launcher = self.parts.launcher.clone();
        blocking(move || launcher.prepare(wanted)).await
    }
}

/// Runs what blocks away from the threads that everybody shares.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Fault::new(FaultKind::Defect, format!("a request was not answered: {error}")).into()),
    }
}
