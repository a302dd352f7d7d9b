//! Notices by a command of the person's: it is told by its environment, for its standard input is closed.
//!
//! | variable | content |
//! |---|---|
//! | `WFCTL_EVENT_JSON` | the whole notice, as a webhook would get it |
//! | `WFCTL_EVENT` | `approval`, `paused`, `failed`, `done` or `cancelled` |
//! | `WFCTL_PROJECT`, `WFCTL_TASK` | what it is about; the task may be empty |
//! | `WFCTL_MESSAGE`, `WFCTL_NEXT` | a sentence, and the command to type next |

use std::sync::Arc;

use async_trait::async_trait;

use super::notice::{Notice, NoticeKind, Watch};
use super::sink::{Entry, Sent, Sink, Unsent};
use crate::domain::ids::ProjectId;

/// Runs commands.
#[async_trait]
pub trait Commands: Send + Sync + 'static {
    /// Runs a command line to its end, with these variables beside the usual ones. An error says how it failed.
    async fn run(&self, line: &str, variables: Vec<(String, String)>) -> Result<(), String>;
}

/// A command that is run for each notice.
pub struct NoticeCommand {
    line: String,
    watch: Watch,
    commands: Arc<dyn Commands>,
}

impl NoticeCommand {
    /// Runs `line` for notices of these kinds.
    pub fn new(line: String, on: Vec<NoticeKind>, commands: Arc<dyn Commands>) -> Self {
        Self { line, watch: Watch::new(on), commands }
    }

    /// Runs it for one notice, for a test.
    pub async fn try_out(&self, notice: &Notice) -> Result<(), String> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let variables = vec![
            ("WFCTL_EVENT_JSON".to_owned(), notice.to_event().to_string()),
            pair("WFCTL_EVENT", notice.kind.name()),
            pair("WFCTL_PROJECT", notice.project.as_str()),
            pair("WFCTL_TASK", notice.task.as_deref().unwrap_or_default()),
            pair("WFCTL_MESSAGE", &notice.message),
            pair("WFCTL_NEXT", &notice.next),
        ];
        self.commands.run(&self.line, variables).await
    }
}

#[async_trait]
impl Sink for NoticeCommand {
    async fn send(&mut self, entries: &[Entry]) -> Sent {
        let Some((at, notice)) = self.watch.first(entries) else { return Sent::all(entries.len()) };
        match self.try_out(&notice).await {
            Ok(()) => Sent::notice(at + 1),
            Err(problem) => Sent::until(at, Unsent::Retry(problem)),
        }
    }

    fn recalls(&self) -> bool {
        true
    }

    fn recall(&mut self, entries: &[Entry]) {
        self.watch.recall(entries);
    }

    fn forget(&mut self, project: &ProjectId) {
        self.watch.forget(project);
    }
}
