//! Finding and paging the output of a step: a file while it runs, a blob once it is done.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::fault::{Fault, FaultKind};
use super::request::LogPage;
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
    let page = |(text, next, more): (String, u64, bool), live: bool| LogPage {
        attempt: attempt.0,
        step: step.0,
        text,
        next,
        more,
        live,
    };
    let bytes = match found.end {
        Some(None) => Vec::new(),
        Some(Some(blob)) => {
            archive.vault().read_blob(&blob).map_err(|error| Fault::new(FaultKind::Damaged, error.to_string()))?
        }
        None => {
            let file = live_log(task, attempt, step);
            let bytes = read_at(&file, wanted.offset)
                .map_err(|error| Fault::new(FaultKind::Store, format!("cannot read {}: {error}", file.display())))?;
            return Ok(page(cut(&bytes, wanted.offset, PAGE_BYTES), true));
        }
    };
    let start = usize::try_from(wanted.offset).unwrap_or(usize::MAX).min(bytes.len());
    Ok(page(cut(&bytes[start..], start as u64, STORED_PAGE_BYTES), false))
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

/// At most a page from `offset` on; a file that is not there has no output yet.
fn read_at(path: &Path, offset: u64) -> std::io::Result<Vec<u8>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(PAGE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
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
}
