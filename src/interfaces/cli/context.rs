//! What every verb has: the app, the terminal, and the way from a typed id to a project.

use super::error::Error;
use super::terminal::Terminal;
use crate::app::{App, Need, Session};
use crate::domain::ids::ProjectId;
use crate::domain::view::Summary;
use crate::domain::workflow::nearest;
use crate::interfaces::api::Home;

/// Most ids listed when several could be meant.
const LISTED: usize = 8;

/// What every verb has.
pub struct Context {
    /// The app.
    pub app: App,
    /// The terminal.
    pub terminal: Terminal,
    /// Whether `--json` was given.
    pub is_json: bool,
}

impl Context {
    /// Puts it together.
    pub fn new(app: App, terminal: Terminal, is_json: bool) -> Self {
        Self { app, terminal, is_json }
    }

    /// Opens the home for reading and finds a project.
    pub async fn read(&self, typed: &str, command: &str) -> Result<(Session, Summary), Error> {
        self.open(Need::Read, typed, command).await
    }

    /// Opens the home and finds a project.
    pub async fn open(&self, need: Need, typed: &str, command: &str) -> Result<(Session, Summary), Error> {
        self.must_have(typed)?;
        let session = self.app.open(need, command).await?;
        match find(session.home(), typed).await {
            Ok(summary) => Ok((session, summary)),
            Err(error) => {
                session.close().await;
                Err(error)
            }
        }
    }
}

impl Context {
    /// Refuses a project in a home that nobody has used yet, so that looking for it does not make the home.
    pub fn must_have(&self, typed: &str) -> Result<(), Error> {
        if self.app.is_untouched() {
            return Err(Error::UnknownProject { typed: typed.to_owned(), nearest: None });
        }
        Ok(())
    }
}

/// The project that `typed` is the id of, or the beginning of its id.
pub async fn find(home: &Home, typed: &str) -> Result<Summary, Error> {
    let (mut found, _) = home.find(typed).await?;
    if found.len() > 1 || typed.is_empty() {
        let ids: Vec<ProjectId> = found.into_iter().take(LISTED).map(|summary| summary.id).collect();
        return Err(Error::Ambiguous { typed: typed.to_owned(), ids });
    }
    match found.pop() {
        Some(summary) => Ok(summary),
        None => {
            let (all, _) = home.find("").await?;
            let near = nearest(typed, all.iter().map(|summary| summary.id.as_str()));
            let nearest = near.and_then(|id| ProjectId::new(id).ok());
            Err(Error::UnknownProject { typed: typed.to_owned(), nearest })
        }
    }
}
