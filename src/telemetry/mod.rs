//! What the product says about itself: a log, to a file once a home is open, or to stderr when that was asked for.
//!
//! Nothing that a user needs goes only here; nothing secret goes here at all.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Where the log goes. Lines written before a file is set are dropped, unless it goes to stderr.
#[derive(Debug, Clone)]
pub struct Log {
    to_stderr: bool,
    file: Arc<OnceLock<File>>,
}

impl Log {
    /// Begins to log what `filter` lets through. A second call in one process changes nothing.
    pub fn begin(filter: &str, is_json: bool, to_stderr: bool) -> Self {
        let log = Self { to_stderr, file: Arc::default() };
        let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("warn"));
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(log.clone());
        // An error says that a log was begun already, by a test in the same process.
        let _begun = if is_json { builder.json().try_init() } else { builder.try_init() };
        log
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
        LogWriter { to_stderr: self.to_stderr, file: self.file.get() }
    }
}

/// Writes one line.
#[derive(Debug)]
pub struct LogWriter<'w> {
    to_stderr: bool,
    file: Option<&'w File>,
}

impl Write for LogWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match (self.to_stderr, &mut self.file) {
            (true, _) => io::stderr().write(bytes),
            (false, Some(file)) => file.write(bytes),
            (false, None) => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
