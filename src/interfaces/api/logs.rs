//! Finding and paging the output of a step: a file while it runs, a blob once it is done.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::fault::{Fault, FaultKind};
use super::request::{LogPage, LogPiece};
use crate::domain::event::Event;
use crate::domain::ids::{Attempt, ProjectId, StepIx, TaskIx};
use crate::domain::payload::BlobRef;
use crate::domain::project::Project;
use crate::domain::workflow::did_you_mean;
use crate::engine::archive::Archive;

/// Most bytes of one page of a file that is being written.
const PAGE_BYTES: usize = 256 * 1024;
/// Most bytes of one page of a stored output. Each page unpacks and checks the whole of it, so there are few of them; escaped
/// as JSON at its worst, one still fits into an answer.
const STORED_PAGE_BYTES: usize = 16 * 1024 * 1024;

/// Which output is wanted.
pub struct Wanted<'w> {
    pub project: &'w ProjectId,
    pub task: &'w str,
    pub attempt: Option<u32>,
    pub step: Option<u32>,
    pub offset: u64,
    pub piece: Option<LogPiece>,
}

impl Wanted<'_> {
    /// Where the piece begins in an output of `length` bytes, and most of its bytes: a page, or less.
    fn span(&self, length: u64, page: usize) -> (u64, usize) {
        match self.piece {
            None => (self.offset, page),
            Some(LogPiece::From { offset, most }) => (offset, most.clamp(1, page)),
            Some(LogPiece::End { most }) => {
                let most = most.clamp(1, page);
                (length.saturating_sub(most as u64), most)
            }
        }
    }
}

/// A step that has begun, and what is known of its output.
struct Found {
    attempt: Attempt,
    step: StepIx,
    /// `None` while it runs or when its end was never seen.
    end: Option<Option<BlobRef>>,
}

/// One page of a step's output. `live_log` names the file of a running step.
pub fn page(
    archive: &Archive,
    wanted: &Wanted<'_>,
    live_log: impl Fn(TaskIx, Attempt, StepIx) -> std::path::PathBuf,
) -> Result<LogPage, Fault> {
    let project = archive.load(wanted.project)?.project;
    let task = task_of(&project, wanted.task)?;
    let found = find(archive, wanted, task)?.ok_or_else(|| {
        Fault::new(FaultKind::NoLog, format!("task `{}` has not run a command yet", wanted.task)).of(wanted.project)
    })?;
    let (attempt, step) = (found.attempt, found.step);
    let page = |start: u64, (text, next, more): (String, u64, bool), live: bool| LogPage {
        attempt: attempt.0,
        step: step.0,
        text,
        start,
        next,
        more,
        live,
    };
    let is_end = matches!(wanted.piece, Some(LogPiece::End { .. }));
    let bytes = match found.end {
        Some(None) => Vec::new(),
        Some(Some(blob)) => {
            archive.vault().read_blob(&blob).map_err(|error| Fault::new(FaultKind::Damaged, error.to_string()))?
        }
        None => {
            let file = live_log(task, attempt, step);
            let unreadable = |error| Fault::new(FaultKind::Store, format!("cannot read {}: {error}", file.display()));
            let length = length_of(&file).map_err(unreadable)?;
            let (start, most) = wanted.span(length, PAGE_BYTES);
            let bytes = read_at(&file, start, most).map_err(unreadable)?;
            let skipped = if is_end && start > 0 { within_character(&bytes) } else { 0 };
            let start = start + skipped as u64;
            return Ok(page(start, cut(&bytes[skipped..], start, most), true));
        }
    };
    let (start, most) = wanted.span(bytes.len() as u64, STORED_PAGE_BYTES);
    let mut start = usize::try_from(start).unwrap_or(usize::MAX).min(bytes.len());
    if is_end && start > 0 {
        start += within_character(&bytes[start..]);
    }
    Ok(page(start as u64, cut(&bytes[start..], start as u64, most), false))
}

/// How many bytes at the beginning are the rest of a character that began before.
fn within_character(bytes: &[u8]) -> usize {
    bytes.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count()
}

/// The task of a project by name.
pub fn task_of(project: &Project, name: &str) -> Result<TaskIx, Fault> {
    project.find(name).ok_or_else(|| {
        let near = did_you_mean(name, project.tasks().iter().map(|task| &*task.name));
        let message = format!("project {} has no task `{name}`", project.id);
        let fault = Fault::new(FaultKind::UnknownTask, message).of(&project.id);
        Fault { causes: near.into_iter().collect(), ..fault }
    })
}

/// The last step of the task that fits.
fn find(archive: &Archive, wanted: &Wanted<'_>, ix: TaskIx) -> Result<Option<Found>, Fault> {
    let mut found: Option<Found> = None;
    let fits = |attempt: Attempt, step: StepIx| {
        wanted.attempt.is_none_or(|wanted| wanted == attempt.0) && wanted.step.is_none_or(|wanted| wanted == step.0)
    };
    let mut with_log: Option<Found> = None;
    archive.visit(wanted.project, |record| {
        if let Event::StepStarted { task, attempt, step, .. } = record.event
            && task == ix
            && fits(attempt, step)
        {
            found = Some(Found { attempt, step, end: None });
        } else if let Event::StepFinished { task, attempt, step, outcome } = record.event
            && task == ix
            && fits(attempt, step)
        {
            found = Some(Found { attempt, step, end: Some(outcome.log) });
            if outcome.log.is_some() {
                with_log = Some(Found { attempt, step, end: Some(outcome.log) });
            }
        }
    })?;
    // A step without output (a merge) is not what somebody means who names none.
    let is_silent = matches!(found, Some(Found { end: Some(None), .. })) && wanted.step.is_none();
    Ok(if is_silent { with_log.or(found) } else { found })
}

/// The length of a file; one that is not there has no output yet.
fn length_of(path: &Path) -> std::io::Result<u64> {
    match std::fs::metadata(path) {
        Ok(found) => Ok(found.len()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// At most `most` bytes and one more from `offset` on; a file that is not there has no output yet.
fn read_at(path: &Path, offset: u64, most: usize) -> std::io::Result<Vec<u8>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of the first page of `bytes`, at most `most` of them, where the next one begins, and whether there is one. A page does not end within a
/// character.
fn cut(bytes: &[u8], offset: u64, most: usize) -> (String, u64, bool) {
    let mut length = bytes.len().min(most);
    if let Some(last) = bytes[..length].utf8_chunks().last()
        && bytes.len() > length
        && last.invalid().len() < 4
    {
        length -= last.invalid().len();
    }
    let length = if length == 0 { bytes.len().min(most) } else { length };
    (String::from_utf8_lossy(&bytes[..length]).into_owned(), offset + length as u64, bytes.len() > length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_end_between_characters() {
        let text = format!("{}ü", "x".repeat(PAGE_BYTES - 1));
        let (page, next, more) = cut(text.as_bytes(), 10, PAGE_BYTES);
        assert_eq!((page.len(), next, more), (PAGE_BYTES - 1, 10 + PAGE_BYTES as u64 - 1, true));
        assert_eq!(cut(b"a\xff", 0, PAGE_BYTES), ("a\u{fffd}".to_owned(), 2, false));
        assert_eq!(cut(b"", 5, PAGE_BYTES), (String::new(), 5, false));
    }

    #[test]
    fn a_piece_is_never_larger_than_a_page_and_its_end_begins_with_a_character() {
        let id = ProjectId::new("x").unwrap();
        let of = |piece| Wanted { project: &id, task: "t", attempt: None, step: None, offset: 7, piece };
        assert_eq!(of(None).span(100, 10), (7, 10));
        assert_eq!(of(Some(LogPiece::From { offset: 3, most: usize::MAX })).span(100, 10), (3, 10));
        assert_eq!(of(Some(LogPiece::End { most: 4 })).span(100, 10), (96, 4));
        assert_eq!(of(Some(LogPiece::End { most: 4 })).span(2, 10), (0, 4));
        assert_eq!(within_character(&"aü".as_bytes()[2..]), 1);
        assert_eq!(within_character(b"abc"), 0);
    }
}
