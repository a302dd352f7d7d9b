//! `events`: the journal of a project in words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Effect, Tool};
use crate::app::Need;
use crate::domain::ids::{ProjectId, Seq};
use crate::domain::view::RecordView;
use crate::interfaces::mcp::desk::Room;
use crate::interfaces::mcp::page;
use crate::interfaces::mcp::parts::Narrator;
use crate::interfaces::mcp::refusal::Trouble;

/// Records looked at for one answer; a filter that fits few of them is answered in pieces.
const LOOKED_AT: usize = 20_000;
/// Largest event that is shown whole.
const WHOLE_BYTES: usize = 8 * 1024;

/// The arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// The project's id, or any unique beginning of it.
    pub project: String,
    /// The first record wanted, counted from 1; the first of all if absent.
    pub from: Option<u64>,
    /// Only the last so many records; instead of `from`.
    pub last: Option<u16>,
    /// Only records about this task.
    pub task: Option<String>,
    /// Only records of this kind, for example TaskFailed.
    pub kind: Option<String>,
    /// Also the whole event of each record, as stored.
    #[serde(default)]
    pub whole: bool,
    /// Most records in the answer: 1 to 500, 50 if absent.
    pub limit: Option<u16>,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Records {
    /// The project's id.
    project: String,
    /// The records, in order.
    records: Vec<Record>,
    /// Pass it as `from` for more; absent at the end of the journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// One record.
#[derive(Debug, Serialize, JsonSchema)]
struct Record {
    /// Its position.
    seq: u64,
    /// When.
    at: String,
    /// Who caused it.
    actor: String,
    /// The stable name of its kind.
    kind: String,
    /// The task it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<String>,
    /// What happened.
    text: String,
    /// The whole event, if it was asked for and is not too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<serde_json::Value>,
}

impl Tool for Events {
    const NAME: &'static str = "events";
    const TITLE: &'static str = "Read the journal";
    const ABOUT: &'static str = "Reads the journal of a project, record by record: every transition, attempt, call, decision and command, \
                                 in words.";
    const EFFECT: Effect = Effect::Looks;
    const NEED: Need = Need::Read;
    type Answer = Records;

    async fn run(self, room: Room) -> Result<Records, Trouble> {
        let id = room.project(&self.project).await?.id;
        let view = room.home.show(&id).await?;
        let before = match (self.from, self.last) {
            (Some(from), _) => from.saturating_sub(1),
            (None, Some(last)) => view.seq.0.saturating_sub(u64::from(last)),
            (None, None) => 0,
        };
        let narrate = (room.parts.narrate)(&view);
        let (found, next) = self.gather(&room, &id, Seq(before), &narrate).await?;
        let positions: Vec<u64> = found.iter().map(|record| record.seq).collect();
        let (records, _) = page::fill(found, page::items(self.limit));
        Ok(Records { project: id.to_string(), next: positions.get(records.len()).copied().or(next), records })
    }
}

impl Events {
    /// The records that fit after `from`, one more than wanted if there are, and the position where another look begins.
    async fn gather(
        &self,
        room: &Room,
        id: &ProjectId,
        mut from: Seq,
        narrate: &Narrator,
    ) -> Result<(Vec<Record>, Option<u64>), Trouble> {
        let (mut found, mut seen) = (Vec::new(), 0);
        loop {
            let records = room.home.records(id, from, false).await?;
            let Some(last) = records.last() else { return Ok((found, None)) };
            from = last.seq;
            seen += records.len();
            found.extend(records.into_iter().filter_map(|record| self.record(record, narrate)));
            if found.len() > page::items(self.limit) || seen >= LOOKED_AT {
                return Ok((found, Some(from.0 + 1)));
            }
        }
    }

    fn record(&self, record: RecordView, narrate: &Narrator) -> Option<Record> {
        let told = narrate(&record);
        let is_kind = self.kind.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(&told.kind));
        let is_task = self.task.as_ref().is_none_or(|wanted| told.task.as_ref() == Some(wanted));
        if !is_kind || !is_task {
            return None;
        }
        let event = serde_json::to_value(&record.event).ok().filter(|_| self.whole);
        Some(Record {
            seq: record.seq.0,
            at: record.at.to_rfc3339(),
            actor: told.actor,
            kind: told.kind,
            task: told.task,
            text: page::field(&told.text),
            event: event.filter(|event| page::bytes_of(event) <= WHOLE_BYTES),
        })
    }
}
