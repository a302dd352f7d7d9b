//! What the product says about itself: a log, to a file once a home is open, or to stderr when that was asked for.
//!
//! Nothing that a user needs goes only here; nothing secret goes here at all: lines are masked with all that `mask` knows.

pub mod mask;
pub mod outgoing;

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use mask::Masks;

/// Where the log goes. Lines written before a file is set are dropped, unless it goes to stderr.
#[derive(Debug, Clone)]
pub struct Log {
    to_stderr: bool,
    file: Arc<OnceLock<File>>,
    masks: Masks,
}

impl Log {
    /// Begins to log what `filter` lets through. A second call in one process changes nothing.
    pub fn begin(filter: &str, is_json: bool, to_stderr: bool) -> Self {
        let log = Self { to_stderr, file: Arc::default(), masks: Masks::default() };
        let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("warn"));
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(log.clone());
        // An error says that a log was begun already, by a test in the same process.
        let _begun = if is_json { builder.json().try_init() } else { builder.try_init() };
        log
    }

    /// The values that are struck out of it.
    pub fn masks(&self) -> &Masks {
        &self.masks
    }

    /// From here on lines are appended to the file at `path`.
    pub fn to_file(&self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt as _;
        if !self.to_stderr && self.file.get().is_none() {
            let file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
            // Another thread may have been first; its file is the same one.
            let _ = self.file.set(file);
        }
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = LogWriter<'w>;

    fn make_writer(&'w self) -> LogWriter<'w> {
        LogWriter { to_stderr: self.to_stderr, file: self.file.get(), masks: &self.masks }
    }
}

/// Writes one line, which is what it is given at once.
#[derive(Debug)]
pub struct LogWriter<'w> {
    to_stderr: bool,
    file: Option<&'w File>,
    masks: &'w Masks,
}

impl Write for LogWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let masker = self.masks.now();
        let line = masker.bytes(bytes);
        match (self.to_stderr, &mut self.file) {
            (true, _) => io::stderr().write_all(&line)?,
            (false, Some(file)) => file.write_all(&line)?,
            (false, None) => {}
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_masked_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = Log { to_stderr: false, file: Arc::default(), masks: Masks::default() };
        log.masks().learn([("A", "hunter2hunter2")]);
        log.to_file(&path).unwrap();
        let line = b"WARN a hunter2hunter2 68756e7465723268756e74657232\n";
        assert_eq!(log.make_writer().write(line).unwrap(), line.len(), "the caller must not write the rest again");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "WARN a [secret] [secret]\n");
    }
}
