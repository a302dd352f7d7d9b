//! Where a command's output goes: both streams into one log file in order of arrival, stdout into the value, the ends of
//! both into memory for messages. Known secrets are struck out before anything is kept, in each stream and once more in the log,
//! in which the two meet. Nothing in here waits.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::files;
use crate::domain::limits;
use crate::telemetry::mask::{self, Masker};

/// Which of the two streams a chunk came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// Whether there is room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Left,
    /// The log has reached its bound.
    Full,
}

/// The output of one command so far.
#[derive(Debug)]
pub(super) struct Capture {
    log: Log,
    value: Vec<u8>,
    value_bytes_max: usize,
    stdout_bytes: u64,
    stdout_tail: Tail,
    stderr_tail: Tail,
    masks: Masking,
}

/// What is held back of each stream and of the log, until it is known to be no secret.
#[derive(Debug)]
struct Masking {
    stdout: mask::Stream,
    stderr: mask::Stream,
    log: mask::Stream,
    /// Nothing is known that could be struck out.
    is_off: bool,
}

impl Masking {
    fn with(masker: &Masker) -> Self {
        let stream = || mask::Stream::new(masker.clone());
        Self { stdout: stream(), stderr: stream(), log: stream(), is_off: masker.is_empty() }
    }
}

impl Capture {
    pub fn new(log_path: Option<PathBuf>, log_bytes_max: u64, value_bytes_max: usize) -> Self {
        Self {
            log: Log { path: log_path, file: None, bytes: 0, bytes_max: log_bytes_max },
            value: Vec::new(),
            value_bytes_max,
            stdout_bytes: 0,
            stdout_tail: Tail::default(),
            stderr_tail: Tail::default(),
            masks: Masking::with(&Masker::default()),
        }
    }

    /// The same with known secrets struck out of all that it takes in from here on.
    pub fn masked(mut self, masker: &Masker) -> Self {
        self.masks = Masking::with(masker);
        self
    }

    /// Takes in what arrived on `stream`.
    pub fn take(&mut self, stream: Stream, chunk: &[u8]) -> io::Result<Room> {
        if self.masks.is_off {
            return self.keep(stream, chunk);
        }
        let mut piece = Vec::with_capacity(chunk.len());
        match stream {
            Stream::Stdout => self.masks.stdout.push(chunk, &mut piece),
            Stream::Stderr => self.masks.stderr.push(chunk, &mut piece),
        }
        self.keep(stream, &piece)
    }

    /// Nothing more arrives: takes in what was held back.
    pub fn flush(&mut self) -> io::Result<Room> {
        let (mut stdout, mut stderr, mut log) = (Vec::new(), Vec::new(), Vec::new());
        self.masks.stdout.finish(&mut stdout);
        self.masks.stderr.finish(&mut stderr);
        let rooms = [self.keep(Stream::Stdout, &stdout)?, self.keep(Stream::Stderr, &stderr)?];
        self.masks.log.finish(&mut log);
        let last = self.log.append(&log)?;
        Ok(if rooms.contains(&Room::Full) { Room::Full } else { last })
    }

    fn keep(&mut self, stream: Stream, chunk: &[u8]) -> io::Result<Room> {
        match stream {
            Stream::Stdout => {
                self.stdout_bytes += chunk.len() as u64;
                let room = self.value_bytes_max.saturating_sub(self.value.len());
                self.value.extend_from_slice(&chunk[..chunk.len().min(room)]);
                self.stdout_tail.push(chunk);
            }
            Stream::Stderr => self.stderr_tail.push(chunk),
        }
        if self.masks.is_off {
            return self.log.append(chunk);
        }
        let mut said = Vec::with_capacity(chunk.len());
        self.masks.log.push(chunk, &mut said);
        self.log.append(&said)
    }

    /// The end of stderr until now.
    pub fn stderr_so_far(&mut self) -> &[u8] {
        self.stderr_tail.0.make_contiguous()
    }

    /// Stdout from its beginning, as far as it was kept; its whole length; the ends of stdout and stderr.
    pub fn finish(self) -> Captured {
        Captured {
            stdout: self.value,
            stdout_bytes: self.stdout_bytes,
            stdout_tail: self.stdout_tail.0.into(),
            stderr_tail: self.stderr_tail.0.into(),
            log_bytes: self.log.bytes,
        }
    }
}

/// The output of a command that ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Captured {
    /// Stdout from its beginning; all of it unless `stdout_bytes` says more.
    pub stdout: Vec<u8>,
    /// How much there was.
    pub stdout_bytes: u64,
    /// The end of stdout, for messages.
    pub stdout_tail: Vec<u8>,
    /// The end of stderr, for messages.
    pub stderr_tail: Vec<u8>,
    /// Length of the log file; 0: none was created.
    pub log_bytes: u64,
}

/// The last [`limits::EXCERPT_BYTES`] of a stream.
#[derive(Debug, Default)]
struct Tail(VecDeque<u8>);

impl Tail {
    fn push(&mut self, chunk: &[u8]) {
        let chunk = &chunk[chunk.len().saturating_sub(limits::EXCERPT_BYTES)..];
        let excess = (self.0.len() + chunk.len()).saturating_sub(limits::EXCERPT_BYTES);
        self.0.drain(..excess);
        self.0.extend(chunk);
    }
}

/// The log file, created with the first byte so that silent commands cost none.
#[derive(Debug)]
struct Log {
    path: Option<PathBuf>,
    file: Option<File>,
    bytes: u64,
    bytes_max: u64,
}

impl Log {
    fn append(&mut self, chunk: &[u8]) -> io::Result<Room> {
        if chunk.is_empty() {
            return Ok(Room::Left);
        }
        let room = usize::try_from(self.bytes_max - self.bytes).unwrap_or(usize::MAX);
        let kept = &chunk[..chunk.len().min(room)];
        if let Some(path) = &self.path {
            let mut file = match self.file.take() {
                Some(file) => file,
                None => create(path)?,
            };
            file.write_all(kept)?;
            self.file = Some(file);
        }
        self.bytes += kept.len() as u64;
        Ok(if kept.len() < chunk.len() { Room::Full } else { Room::Left })
    }
}

/// An earlier execution that died with the engine may have left a log of the same name.
fn create(path: &Path) -> io::Result<File> {
    match files::private_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                files::private_dir(folder)?;
            }
            files::private_file(path)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            files::remove_if_there(path)?;
            files::private_file(path)
        }
        created => created,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_both_streams_and_the_value_only_stdout() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/log");
        let mut capture = Capture::new(Some(path.clone()), limits::BLOB_BYTES, 3);
        capture.take(Stream::Stdout, b"ab").unwrap();
        capture.take(Stream::Stderr, b"!").unwrap();
        capture.take(Stream::Stdout, b"cd").unwrap();
        let captured = capture.finish();
        assert_eq!(std::fs::read(path).unwrap(), b"ab!cd");
        assert_eq!((captured.stdout.as_slice(), captured.stdout_bytes), (b"abc".as_slice(), 4));
        assert_eq!(captured.stderr_tail, b"!");
    }

    #[test]
    fn a_secret_is_struck_out_wherever_it_is_cut_and_also_where_the_streams_meet() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let masker = Masker::new([("A", "hunter2hunter2")]);
        let mut capture = Capture::new(Some(path.clone()), limits::BLOB_BYTES, 100).masked(&masker);
        capture.take(Stream::Stdout, b"! hunter2h").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"! ", "what may become a secret is not even in the live log");
        capture.take(Stream::Stdout, b"unter2 b\n").unwrap();
        capture.take(Stream::Stderr, b"! hunter2").unwrap();
        capture.take(Stream::Stdout, b": hunter2").unwrap();
        assert_eq!(capture.flush().unwrap(), Room::Left);
        let captured = capture.finish();
        assert_eq!(captured.stdout, b"! [secret] b\n: hunter2");
        assert_eq!((captured.stdout_bytes, captured.stdout.len()), (22, 22));
        assert_eq!(captured.stderr_tail, b"! hunter2");
        // The end of stdout and that of stderr are no secret in themselves.
        assert_eq!(std::fs::read(path).unwrap(), b"! [secret] b\n! : [secret]");
    }

    #[test]
    fn one_byte_past_the_bound_is_full() {
        let mut capture = Capture::new(None, limits::BLOB_BYTES, 0);
        capture.log.bytes = limits::BLOB_BYTES - 1;
        assert_eq!(capture.take(Stream::Stderr, b"x").unwrap(), Room::Left);
        assert_eq!(capture.take(Stream::Stderr, b"x").unwrap(), Room::Full);
        assert_eq!(capture.finish().log_bytes, limits::BLOB_BYTES);
    }

    #[test]
    fn tails_keep_the_end() {
        let mut tail = Tail::default();
        tail.push(&vec![b'a'; limits::EXCERPT_BYTES]);
        tail.push(b"z");
        assert_eq!((tail.0.len(), tail.0.back()), (limits::EXCERPT_BYTES, Some(&b'z')));
    }
}
