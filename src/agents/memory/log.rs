//! The truth of a memory: a file of lines, each a checksum and an entry, that is only ever added to.
//!
//! ```text
//! 8 hexadecimal digits of CRC-32C, a blank, the entry as JSON, a line end
//! ```
//!
//! A line that a crash cut short is ended by the next writer and counts as damaged; so does one whose checksum is not its own.
//! Whatever stands before and behind it is read. Several processes may write: each takes the lock beside the file, reads what came
//! in the meantime, and adds to its end.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::chunk::Chunk;
use crate::domain::limits;
use crate::workspace::files;

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A chunk is there now, in place of the one with its id.
    Put(Chunk),
    /// The chunk of this id is gone.
    Delete(String),
    /// The first line of a file that was written anew, for the so-manieth time.
    Anew(u64),
}

/// How far the file was read.
#[derive(Debug, Default)]
pub struct Position {
    /// Which file: one that was written anew is another.
    file: Option<(u64, u64)>,
    /// How it begins: a number of a file that is gone is given to another one.
    head: Vec<u8>,
    /// How often it was written anew.
    generation: u64,
    offset: u64,
    /// Whole lines so far.
    pub lines: usize,
    /// Of these, those that cannot be read.
    pub damaged: usize,
}

/// How much of a file's beginning is remembered.
const HEAD_BYTES: usize = 64;

/// What came since.
#[derive(Debug, Default)]
pub struct News {
    /// It was written anew: what was known before counts no more.
    pub is_new: bool,
    /// In the order in which they were written.
    pub entries: Vec<Entry>,
}

/// The file.
#[derive(Debug, Clone)]
pub struct Log {
    folder: PathBuf,
}

/// Held while the file is changed.
pub struct Held {
    _file: File,
}

impl Log {
    /// In `folder`, which is made with the first change.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    fn path(&self) -> PathBuf {
        self.folder.join("chunks.log")
    }

    /// The size of the file.
    pub fn bytes(&self) -> u64 {
        std::fs::metadata(self.path()).map_or(0, |it| it.len())
    }

    /// Waits until nobody else changes the memory. Blocks.
    pub fn hold(&self) -> io::Result<Held> {
        files::private_dir(&self.folder)?;
        let path = self.folder.join("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
        Ok(Held { _file: file })
    }

    /// Reads what came since `position`.
    pub fn read(&self, position: &mut Position) -> io::Result<News> {
        let mut file = match File::open(self.path()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let is_new = position.file.is_some();
                *position = Position::default();
                return Ok(News { is_new, entries: Vec::new() });
            }
            Err(error) => return Err(error),
        };
        let found = file.metadata()?;
        let this = (found.dev(), found.ino());
        let mut news = News::default();
        let mut head = Vec::new();
        (&mut file).take(HEAD_BYTES as u64).read_to_end(&mut head)?;
        if position.file != Some(this) || found.len() < position.offset || !head.starts_with(&position.head) {
            news.is_new = position.file.is_some();
            *position = Position { file: Some(this), head, ..Position::default() };
        }
        if found.len() > limits::MEMORY_BYTES {
            let problem = format!("{} has more than {} bytes", self.path().display(), limits::MEMORY_BYTES);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
        }
        if found.len() == position.offset {
            return Ok(news);
        }
        file.seek(SeekFrom::Start(position.offset))?;
        let mut bytes = Vec::new();
        file.take(limits::MEMORY_BYTES).read_to_end(&mut bytes)?;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            // Somebody is writing it, or died of it.
            let Some(whole) = line.strip_suffix(b"\n") else { break };
            position.offset += line.len() as u64;
            position.lines += 1;
            match decoded(whole) {
                Some(Entry::Anew(generation)) => position.generation = generation,
                Some(entry) => news.entries.push(entry),
                None => position.damaged += 1,
            }
        }
        Ok(news)
    }

    /// Adds entries; they are durable when this returns. Everything before them was read to `position`.
    pub fn add(&self, _held: &Held, position: &mut Position, entries: &[Entry]) -> io::Result<()> {
        let path = self.path();
        let is_new = !path.exists();
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        let found = file.metadata()?;
        let mut text = Vec::new();
        let is_cut = found.len() > position.offset;
        if is_cut {
            // Half a line of somebody who died. It is ended, so that ours is a line of its own.
            text.push(b'\n');
        }
        for entry in entries {
            text.extend(encoded(entry)?);
        }
        if found.len() + text.len() as u64 > limits::MEMORY_BYTES {
            let problem = format!(
                "the memory would have more than {} bytes; delete what is old with `wfctl memory delete`",
                limits::MEMORY_BYTES
            );
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
        }
        file.write_all(&text)?;
        file.sync_data()?;
        if is_new {
            files::sync_dir(&self.folder)?;
        }
        if found.len() == 0 {
            position.head = text[..text.len().min(HEAD_BYTES)].to_vec();
        }
        position.file = Some((found.dev(), found.ino()));
        position.offset = found.len() + text.len() as u64;
        position.lines += entries.len() + usize::from(is_cut);
        position.damaged += usize::from(is_cut);
        Ok(())
    }

    /// Writes the file anew with these chunks alone: whole, or not at all.
    pub fn write_anew<'c>(
        &self,
        _held: &Held,
        position: &mut Position,
        chunks: impl Iterator<Item = &'c Chunk>,
    ) -> io::Result<()> {
        let generation = position.generation + 1;
        let (mut text, mut lines) = (encoded(&Entry::Anew(generation))?, 1);
        for chunk in chunks {
            text.extend(encoded(&Entry::Put(chunk.clone()))?);
            lines += 1;
        }
        let path = self.path();
        files::write_atomic(&path, &text)?;
        let found = std::fs::metadata(&path)?;
        let head = text[..text.len().min(HEAD_BYTES)].to_vec();
        let file = Some((found.dev(), found.ino()));
        *position = Position { file, head, generation, offset: found.len(), lines, damaged: 0 };
        Ok(())
    }
}

fn encoded(entry: &Entry) -> io::Result<Vec<u8>> {
    let json = serde_json::to_string(entry).map_err(io::Error::other)?;
    Ok(format!("{:08x} {json}\n", crc32c::crc32c(json.as_bytes())).into_bytes())
}

fn decoded(line: &[u8]) -> Option<Entry> {
    let (sum, json) = line.split_at_checked(9)?;
    let sum = u32::from_str_radix(std::str::from_utf8(sum).ok()?.strip_suffix(' ')?, 16).ok()?;
    (crc32c::crc32c(json) == sum).then(|| serde_json::from_slice(json).ok())?
}
