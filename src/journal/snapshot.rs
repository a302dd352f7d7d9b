//! Snapshots: a cache of projects' states, so that resuming reads the last records and not all. The state's bytes are opaque.
//!
//! `snapshots/<project>/<seq>.snap`: magic, format, state version, seq, hash of the record at seq, length, zstd, crc32c. Whatever
//! is damaged or of another version is as good as absent.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::chain::ChainHead;
use super::files;
use crate::domain::ids::{Digest, ProjectId, Seq};
use crate::domain::limits;

const MAGIC: &[u8; 4] = b"wfs1";
const ZSTD_LEVEL: i32 = 1;
const HEADER_BYTES: usize = 4 + 2 + 8 + 32 + 8;

/// The snapshots of a home.
#[derive(Debug, Clone)]
pub struct Snapshots {
    dir: PathBuf,
}

/// A state and the record up to which it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The last record applied; replay goes on after it and checks its hash.
    pub head: ChainHead,
    /// The encoded state.
    pub state: Vec<u8>,
}

impl Snapshots {
    /// The snapshots in `dir`, which is created with the first one.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    fn of(&self, project: &ProjectId) -> PathBuf {
        self.dir.join(project.as_str())
    }

    fn files_of(&self, project: &ProjectId) -> io::Result<Vec<PathBuf>> {
        let files = files::entries(&self.of(project))?;
        Ok(files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "snap")).collect())
    }

    /// Keeps `state` as of `head`, and of the older ones only as many as [`limits::SNAPSHOTS_KEPT`] allows.
    /// `state_version` names the encoding of the state.
    pub fn save(&self, project: &ProjectId, head: &ChainHead, state_version: u16, state: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + state.len() / 2);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&state_version.to_le_bytes());
        bytes.extend_from_slice(&head.seq.0.to_le_bytes());
        bytes.extend_from_slice(&head.hash.0);
        bytes.extend_from_slice(&(state.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&zstd::bulk::compress(state, ZSTD_LEVEL)?);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        files::create_dir(&self.of(project))?;
        // Twenty digits, so that names sort as numbers do.
        files::replace(&self.of(project).join(format!("{:020}.snap", head.seq)), &bytes)?;
        let files = self.files_of(project)?;
        files.iter().rev().skip(limits::SNAPSHOTS_KEPT).try_for_each(|path| files::remove(path))
    }

    /// The newest snapshot that is whole and of `state_version`.
    pub fn load(&self, project: &ProjectId, state_version: u16) -> Option<Snapshot> {
        let files = self.files_of(project).ok()?;
        files.iter().rev().find_map(|path| read(path, state_version))
    }

    /// Up to which record the newest whole snapshot reaches, whatever its version.
    pub fn newest(&self, project: &ProjectId) -> Option<Seq> {
        let files = self.files_of(project).ok()?;
        let named = |path: &PathBuf| path.file_stem()?.to_str()?.parse().ok().map(Seq);
        files.iter().rev().filter(|path| is_whole(path)).find_map(named)
    }

    /// Removes all snapshots of a project (`gc`, or a doctor who doubts them).
    pub fn remove(&self, project: &ProjectId) -> io::Result<()> {
        match fs::remove_dir_all(self.of(project)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Files that are of no use: damaged snapshots and leftovers of interrupted writes.
    pub fn useless(&self) -> io::Result<Vec<PathBuf>> {
        let mut useless = Vec::new();
        for project in files::entries(&self.dir)? {
            useless.extend(
                files::entries(&project)?.into_iter().filter(|path| files::is_temporary(path) || !is_whole(path)),
            );
        }
        Ok(useless)
    }
}

fn is_whole(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| checked(&bytes).is_some())
}

/// The content without its checksum, when that fits.
fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (content, checksum) = bytes.split_last_chunk::<4>()?;
    (content.starts_with(MAGIC) && crc32c::crc32c(content).to_le_bytes() == *checksum).then_some(content)
}

fn read(path: &Path, state_version: u16) -> Option<Snapshot> {
    let bytes = fs::read(path).ok()?;
    let rest = checked(&bytes)?.strip_prefix(MAGIC)?;
    let (version, rest) = rest.split_first_chunk()?;
    let (seq, rest) = rest.split_first_chunk()?;
    let (hash, rest) = rest.split_first_chunk()?;
    let (length, packed) = rest.split_first_chunk()?;
    if u16::from_le_bytes(*version) != state_version {
        return None;
    }
    let length = u64::from_le_bytes(*length);
    let mut state = Vec::new();
    zstd::stream::Decoder::new(packed).ok()?.take(length + 1).read_to_end(&mut state).ok()?;
    let head = ChainHead { seq: Seq(u64::from_le_bytes(*seq)), hash: Digest(*hash) };
    (state.len() as u64 == length).then_some(Snapshot { head, state })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(seq: u64) -> ChainHead {
        ChainHead { seq: Seq(seq), hash: Digest::of(&seq.to_le_bytes()) }
    }

    #[test]
    fn the_newest_whole_one_is_loaded_and_two_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (snapshots, project) = (Snapshots::new(dir.path()), ProjectId::new("p").unwrap());
        assert_eq!(snapshots.load(&project, 1), None);
        for seq in [9, 10, 11] {
            snapshots.save(&project, &head(seq), 1, format!("state {seq}").as_bytes()).unwrap();
        }
        let files = snapshots.files_of(&project).unwrap();
        assert_eq!(files.len(), limits::SNAPSHOTS_KEPT);
        assert_eq!(snapshots.load(&project, 2), None, "another version is as good as absent");
        let newest = fs::read(&files[1]).unwrap();
        for at in 0..newest.len() {
            let mut bad = newest.clone();
            bad[at] ^= 1;
            fs::write(&files[1], bad).unwrap();
            let loaded = snapshots.load(&project, 1).unwrap();
            assert_eq!(loaded, Snapshot { head: head(10), state: b"state 10".to_vec() }, "byte {at}");
            assert_eq!(snapshots.useless().unwrap(), [files[1].clone()]);
        }
        fs::write(&files[1], newest).unwrap();
        assert_eq!(snapshots.load(&project, 1).unwrap().head, head(11));
        snapshots.remove(&project).unwrap();
        snapshots.remove(&project).unwrap();
    }
}
