//! One request from its beginning to its end: opens the home, asks, gives the home back.

use std::sync::Arc;

use super::parts::Parts;
use super::refusal::{Refusal, Trouble};
use crate::app::Need;
use crate::domain::view::Summary;
use crate::interfaces::api::{Fault, FaultKind, Home};

/// How often an engine that goes away just then is replaced by another one.
const ENGINES: usize = 5;

/// The home during one request.
#[derive(Clone)]
pub struct Room {
    /// What can be asked.
    pub home: Home,
    /// What the face is made of.
    pub parts: Arc<Parts>,
}

impl Room {
    /// The project that `typed` is the id of, or the beginning of its id.
    pub async fn project(&self, typed: &str) -> Result<Summary, Trouble> {
        Ok(self.parts.access.find(&self.home, typed).await?)
    }
}

/// Asks the home. Whoever asked may go away meanwhile: the home is given back all the same.
pub async fn ask<T, F>(
    parts: &Arc<Parts>,
    need: Need,
    work: impl Fn(Room) -> F + Send + Sync + 'static,
) -> Result<T, Refusal>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Trouble>> + Send + 'static,
{
    let of_the_task = parts.clone();
    let asked = tokio::spawn(async move { visit(&of_the_task, need, work).await });
    match asked.await {
        Ok(answer) => answer,
        Err(error) => {
            Err((parts.explain)(&Fault::new(FaultKind::Defect, format!("a request was not answered: {error}"))))
        }
    }
}

/// An idle engine may end between our finding it and its answer; then the next one is asked.
async fn visit<T, F>(parts: &Arc<Parts>, need: Need, work: impl Fn(Room) -> F) -> Result<T, Refusal>
where
    F: Future<Output = Result<T, Trouble>>,
{
    let mut engines = 0;
    loop {
        engines += 1;
        let visit = parts.access.open(need).await?;
        let answer = work(Room { home: visit.home().clone(), parts: parts.clone() }).await;
        visit.close().await;
        match answer {
            Err(Trouble::Fault(fault)) if fault.is_of_the_engine() && engines < ENGINES => {}
            Err(trouble) => return Err(trouble.explained(parts)),
            Ok(answer) => return Ok(answer),
        }
    }
}
