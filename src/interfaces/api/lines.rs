//! The JSON lines that a machine follows a project by: `run --json`, `events --json`, and whatever streams later.

use serde::{Deserialize, Serialize};

use crate::domain::ids::ProjectId;
use crate::domain::view::{RecordView, Summary};

/// One line. `v` is 1 for all of them; kinds may be added, fields of a kind never change their meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    /// The project is durably accepted, or was found.
    Started {
        /// The format's version.
        v: u32,
        /// The project.
        project: ProjectId,
        /// It was started before.
        existed: bool,
    },
    /// A record became durable.
    Record {
        /// The format's version.
        v: u32,
        /// The record.
        record: Box<RecordView>,
    },
    /// The next words of a reply that a model is still writing. They are on no record: the record of the reply has all of them,
    /// and whoever listens may miss some.
    Delta {
        /// The format's version.
        v: u32,
        /// The project.
        project: ProjectId,
        /// The task's name.
        task: String,
        /// The attempt.
        attempt: u32,
        /// The call within the attempt, as its record numbers it.
        call: u32,
        /// How many characters of the reply came before. Where it is not what was heard so far, words were missed, or, when it is
        /// less, the call was made again.
        at: u64,
        /// The words.
        text: String,
    },
    /// Nothing more follows.
    Ended {
        /// The format's version.
        v: u32,
        /// The project as it is now.
        project: Box<Summary>,
        /// The exit code that goes with it.
        exit: u8,
    },
}

impl Line {
    /// The project is accepted.
    pub fn started(project: &ProjectId, existed: bool) -> Self {
        Self::Started { v: 1, project: project.clone(), existed }
    }

    /// A record.
    pub fn record(record: RecordView) -> Self {
        Self::Record { v: 1, record: Box::new(record) }
    }

    /// The end.
    pub fn ended(project: Summary, exit: u8) -> Self {
        Self::Ended { v: 1, project: Box::new(project), exit }
    }
}
