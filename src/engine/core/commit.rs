//! The end of a turn: one durable commit, snapshots, and what may leave after it.

use super::*;

impl<R> Core<R> {
    /// Makes everything that was decided in this turn durable, all of it or none: what projects told each other in the turn
    /// is never cut apart by a crash.
    pub(super) fn commit(&mut self) -> Result<u64, Error> {
        let dirty = std::mem::take(&mut self.turn.dirty);
        let mut appends = Vec::with_capacity(dirty.len());
        let mut heads = Vec::with_capacity(dirty.len());
        for &slot in &dirty {
            let Some(live) = self.slots[slot as usize].as_mut() else { continue };
            match frames_of(live) {
                Ok((frames, head)) => {
                    appends.extend(frames);
                    heads.push((slot, head));
                }
                Err(problem) => {
                    // One project's record cannot be encoded: that project stops, the others go on.
                    let error = self.set_aside(slot, &problem);
                    tracing::error!(%error, "project set aside");
                }
            }
        }
        if !appends.is_empty() {
            let began_us = self.clock.monotonic_us();
            let committed = self.archive.store().commit(self.epoch, &appends);
            let pulse = self.archive.pulse();
            pulse.committed(self.clock.monotonic_us().saturating_sub(began_us), committed.as_ref().err());
            committed?;
        }
        let mut records = 0;
        for (slot, head) in heads {
            if let Some(live) = self.slots[slot as usize].as_mut() {
                if head.seq > live.head.seq {
                    self.turn.committed.push((live.project.id.clone(), head.seq));
                }
                records += head.seq.0 - live.head.seq.0;
                self.archive.pulse().moved(&live.project.id, head.seq);
                live.head = head;
                live.pending.clear();
            }
        }
        for slot in dirty {
            self.after_commit(slot);
        }
        Ok(records)
    }

    fn after_commit(&mut self, slot: u32) {
        let Some(live) = self.slots[slot as usize].as_mut() else { return };
        if live.project.status().is_terminal() {
            self.forget(slot);
            return;
        }
        let every = limits::SNAPSHOT_EVERY_RECORDS.max(2 * live.project.tasks().len() as u64);
        if live.project.seq() - live.snapshot >= every {
            self.snapshot(slot);
        }
    }

    fn snapshot(&mut self, slot: u32) {
        let (Some(live), Some(snapshots)) = (self.slots[slot as usize].as_mut(), self.archive.snapshots()) else {
            return;
        };
        debug_assert_eq!(live.project.seq(), live.head.seq.0, "a snapshot is taken of what is committed");
        snapshots.save(&live.project.id, live.head.seq, live.head.hash, SNAPSHOT_FORMAT, live.project.to_snapshot());
        live.snapshot = live.project.seq();
    }

    /// Snapshots of long journals, so that the next engine need not replay them: for an orderly stop.
    pub fn snapshot_all(&mut self) {
        const WORTH_IT: u64 = 200;
        for slot in 0..self.slots.len() as u32 {
            let worth =
                self.slots[slot as usize].as_ref().is_some_and(|live| live.project.seq() - live.snapshot >= WORTH_IT);
            if worth {
                self.snapshot(slot);
            }
        }
    }

    pub(super) fn hand_out(&mut self, records: u64) -> Turned<R> {
        let replies = std::mem::take(&mut self.turn.replies);
        Turned {
            effects: std::mem::take(&mut self.turn.effects),
            replies: replies.into_iter().map(|(to, _, reply)| (to, reply)).collect(),
            closed: std::mem::take(&mut self.turn.closed),
            abandoned: std::mem::take(&mut self.turn.abandoned),
            records,
            committed: std::mem::take(&mut self.turn.committed),
        }
    }
}

/// The pending records of a project in frames, and the end of its chain after them. The summary goes with the last one.
fn frames_of(live: &mut Live) -> Result<(Vec<Append>, ChainHead), String> {
    let mut appends = Vec::new();
    let mut head = live.head;
    let mut pending = live.pending.iter().peekable();
    while pending.peek().is_some() {
        let mut builder = FrameBuilder::new(&live.project.id, head);
        while let Some(record) = pending.peek()
            && (builder.is_empty() || builder.bytes() < limits::FRAME_BYTES / 2)
        {
            builder.push(record).map_err(|error| error.to_string())?;
            pending.next();
        }
        let (frame, after) = builder.finish().ok_or("a frame without records")?;
        head = after;
        appends.push(Append { project: live.project.id.clone(), frame, last: head.seq, summary: None });
    }
    let key = (live.project.status(), live.project.summary_changed());
    if live.summarised != Some(key)
        && let Some(last) = appends.last_mut()
    {
        live.summarised = Some(key);
        last.summary = Some(live.project.summary());
    }
    Ok((appends, head))
}
