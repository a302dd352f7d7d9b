//! What an agent does, as text for people: the live log of its step. It is never read back by the engine.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::super::runner::off_the_loop;
use super::super::sink::PayloadSink;
use crate::domain::payload::BlobRef;
use crate::telemetry::mask::Masks;
use crate::workspace::files;

/// An open log. What cannot be written is lost for people only.
pub(super) struct Diary {
    path: PathBuf,
    file: Mutex<Option<File>>,
    masks: Masks,
}

impl Diary {
    /// Goes on with a log that an engine left behind in its middle.
    pub(super) fn open(path: &Path, masks: &Masks) -> Self {
        let made = path.parent().map_or(Ok(()), files::private_dir);
        let file = made.and_then(|()| File::options().create(true).append(true).open(path));
        let file = file.inspect_err(|error| tracing::warn!(path = %path.display(), %error, "no log of an agent")).ok();
        Self { path: path.to_owned(), file: Mutex::new(file), masks: masks.clone() }
    }

    pub(super) fn say(&self, text: &str) {
        let text = self.masks.now().text(text.to_owned());
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = file.as_mut()
            && let Err(error) = open.write_all(text.as_bytes())
        {
            tracing::warn!(path = %self.path.display(), %error, "the log of an agent ends here");
            *file = None;
        }
    }

    /// Ends the log and keeps it.
    pub(super) fn kept(&self, sink: &dyn PayloadSink) -> Option<BlobRef> {
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let kept = off_the_loop(|| sink.put_log(&self.path));
        let kept = kept.inspect_err(|error| tracing::warn!(path = %self.path.display(), %error, "a log is not kept"));
        if let Err(error) = files::remove_if_there(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a live log stays behind");
        }
        kept.ok().flatten()
    }
}
