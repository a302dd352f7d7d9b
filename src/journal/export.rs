//! A project's history as JSON lines with hashes, for people and for other programs (`audit export`).

use std::io::{self, Write};

use super::chain::ChainHead;
use super::reader::{self, for_each_record};
use super::store::Store;
use crate::domain::ids::{ProjectId, Seq};
use crate::domain::view::RecordView;

/// Why an export ended early. What was written before it is whole lines of proven records.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The history could not be read on.
    #[error(transparent)]
    History(#[from] reader::Error),
    /// The lines could not be written.
    #[error("the export could not be written")]
    Write(#[source] io::Error),
}

/// Writes one [`RecordView`] a line, from `from` on, and returns the head of the chain.
pub fn export(
    store: &(impl Store + ?Sized),
    project: &ProjectId,
    from: Seq,
    out: &mut dyn Write,
) -> Result<ChainHead, Error> {
    let mut written = Ok(());
    let head = for_each_record(store, project, from, None, |record, hash| {
        if written.is_err() {
            return;
        }
        let view = RecordView {
            project: project.clone(),
            seq: record.seq,
            epoch: record.epoch,
            at: record.at,
            actor: record.actor,
            event: record.event,
            hash,
            task: None,
        };
        written = serde_json::to_writer(&mut *out, &view).map_err(io::Error::from).and_then(|()| out.write_all(b"\n"));
    })?;
    written.and_then(|()| out.flush()).map_err(Error::Write)?;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::memory_store::MemoryStore;
    use crate::journal::{chain, samples};

    #[test]
    fn lines_hold_records_and_hashes() {
        let project = ProjectId::new("demo").unwrap();
        let store = MemoryStore::new();
        let (frame, head) =
            chain::encode_frame(&project, &ChainHead::genesis(&project), &samples::one_of_each()).unwrap();
        store.load(&project, frame);
        let mut out = Vec::new();
        assert_eq!(export(&store, &project, Seq(1), &mut out).unwrap(), head);
        let lines: Vec<RecordView> =
            out.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect();
        assert_eq!(lines.len(), samples::one_of_each().len());
        assert_eq!(lines.last().unwrap().hash, head.hash);
        assert_eq!(lines[3].event, samples::one_of_each()[3].event);
    }
}
