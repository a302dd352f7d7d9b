//! Some consecutive events of a project, rendered once for everybody.

use bytes::Bytes;

use crate::domain::ids::Seq;
use crate::domain::machine::ProjectStatus;
use crate::domain::view::{RecordView, Summary};
use crate::interfaces::api::Line;

/// Consecutive events.
#[derive(Debug)]
pub struct Piece {
    /// The first position.
    pub first: Seq,
    /// The last position.
    pub last: Seq,
    /// Each event as a JSON line without its end.
    lines: Vec<Bytes>,
    /// All of them as server-sent events.
    sse: Bytes,
}

impl Piece {
    /// Renders records, which follow each other; `None` without any. `names` are those of the tasks.
    pub fn of(records: Vec<RecordView>, names: &[String]) -> Option<Self> {
        let (first, last) = (records.first()?.seq, records.last()?.seq);
        let (mut lines, mut sse) = (Vec::with_capacity(records.len()), Vec::new());
        for record in records {
            let seq = record.seq;
            let line = render(&Line::record(named(record, names)));
            push(&mut sse, Some(&seq.to_string()), "record", &line);
            lines.push(line);
        }
        Some(Self { first, last, lines, sse: sse.into() })
    }

    /// The events after `from`.
    pub fn lines_after(&self, from: Seq) -> &[Bytes] {
        let skipped = from.0.saturating_sub(self.first.0.saturating_sub(1));
        self.lines.get(usize::try_from(skipped).unwrap_or(usize::MAX)..).unwrap_or_default()
    }

    /// The same as server-sent events.
    pub fn sse_after(&self, from: Seq) -> Bytes {
        if from < self.first {
            return self.sse.clone();
        }
        let mut sse = Vec::new();
        for (seq, line) in (from.0 + 1..).zip(self.lines_after(from)) {
            push(&mut sse, Some(&seq.to_string()), "record", line);
        }
        sse.into()
    }

    /// How much memory it takes, about.
    pub fn bytes(&self) -> usize {
        self.sse.len() + self.lines.iter().map(Bytes::len).sum::<usize>()
    }
}

/// A record with the name of its task.
pub fn named(record: RecordView, names: &[String]) -> RecordView {
    let task = record.event.task().and_then(|task| names.get(task.at()).cloned());
    RecordView { task, ..record }
}

/// The line that ends the events of a project.
pub fn ended(summary: Summary) -> Bytes {
    // The exit codes of `wfctl run`, as `run --json` has them.
    let exit = match summary.status {
        ProjectStatus::Done => 0,
        ProjectStatus::Cancelled => 4,
        _ => 1,
    };
    render(&Line::ended(summary, exit))
}

/// A line as JSON.
pub fn render(line: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(line).unwrap_or_else(|error| error.to_string().into_bytes()).into()
}

/// Appends one server-sent event; its data is one line.
pub fn push(sse: &mut Vec<u8>, id: Option<&str>, event: &str, data: &[u8]) {
    if let Some(id) = id {
        sse.extend_from_slice(b"id: ");
        sse.extend_from_slice(id.as_bytes());
        sse.push(b'\n');
    }
    sse.extend_from_slice(b"event: ");
    sse.extend_from_slice(event.as_bytes());
    sse.extend_from_slice(b"\ndata: ");
    sse.extend_from_slice(data);
    sse.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Actor, Event};
    use crate::domain::ids::{Digest, Epoch, ProjectId, TaskIx};
    use crate::domain::time::Millis;

    fn record(seq: u64) -> RecordView {
        RecordView {
            project: ProjectId::new("p").unwrap(),
            seq: Seq(seq),
            epoch: Epoch(1),
            at: Millis(1),
            actor: Actor::Engine,
            event: Event::TaskReady { task: TaskIx(0) },
            hash: Digest::default(),
            task: None,
        }
    }

    #[test]
    fn a_part_of_a_piece_begins_behind_what_is_known() {
        let piece = Piece::of((5..=8).map(record).collect(), &["build".to_owned()]).unwrap();
        assert_eq!((piece.first, piece.last), (Seq(5), Seq(8)));
        let ids = |from: u64| -> Vec<String> {
            let text = String::from_utf8(piece.sse_after(Seq(from)).to_vec()).unwrap();
            text.lines().filter_map(|line| line.strip_prefix("id: ")).map(str::to_owned).collect()
        };
        assert_eq!(ids(4), ["5", "6", "7", "8"]);
        assert_eq!(ids(6), ["7", "8"]);
        assert!(ids(8).is_empty());
        assert_eq!(piece.lines_after(Seq(7)).len(), 1);
        assert!(String::from_utf8_lossy(&piece.lines_after(Seq(7))[0]).contains("\"task\":\"build\""));
    }
}
