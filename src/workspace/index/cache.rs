//! The cache: outlines by the content they came from, in one file a repository. Nothing in it is needed: a cache that is
//! damaged, of another format or not there is built again, and one that cannot be written costs time only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Language, Outline};
use crate::domain::ids::Digest;
use crate::domain::limits;
use crate::workspace::files;

/// Raised with every change of the rules, the grammars or the form: what another release found is not what this one finds.
const FORMAT: u32 = 1;
const MAGIC: &[u8; 8] = b"wfctlidx";
const HEADER_BYTES: usize = MAGIC.len() + 4 + 32;

/// A content: a parse of the same text is the same in the same language only.
pub(super) type Key = (Language, [u8; 32]);
/// Its outline; `None`: parsing it takes too long.
pub(super) type Outlines = BTreeMap<Key, Option<Outline>>;

/// Where the index of the repository that `root` belongs to is cached below `folder`. All worktrees of a repository share
/// one file; what is in it goes by content.
pub fn cache_file(folder: &Path, root: &Path) -> PathBuf {
    let common = git2::Repository::discover(root).ok().map(|repository| repository.commondir().to_owned());
    let place = common.unwrap_or_else(|| root.to_owned());
    let place = place.canonicalize().unwrap_or(place);
    let name = Digest::of(place.as_os_str().as_encoded_bytes()).to_hex();
    folder.join(format!("{}.index", &name[..32]))
}

/// Reads a cache; an unusable one is empty.
pub(super) fn load(path: &Path) -> Outlines {
    let Ok(bytes) = files::read_bounded(path, limits::INDEX_CACHE_BYTES) else { return Outlines::new() };
    let outlines = decode(&bytes);
    if outlines.is_none() {
        tracing::debug!(path = %path.display(), "the cache of the code index cannot be used; it is built again");
    }
    outlines.unwrap_or_default()
}

/// The checksum comes first: the decoder sees only what was written.
fn decode(bytes: &[u8]) -> Option<Outlines> {
    let (header, body) = bytes.split_at_checked(HEADER_BYTES)?;
    (header == head(body)).then(|| bincode::deserialize(body).ok())?
}

fn head(body: &[u8]) -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    head.extend(FORMAT.to_le_bytes());
    head.extend(blake3::hash(body).as_bytes());
    head
}

/// Writes a cache.
pub(super) fn save(path: &Path, outlines: &Outlines) {
    let body = match bincode::serialize(outlines) {
        Ok(body) => body,
        Err(error) => return tracing::warn!(%error, "the code index cannot be cached"),
    };
    let mut bytes = head(&body);
    bytes.extend(body);
    if bytes.len() as u64 > limits::INDEX_CACHE_BYTES {
        return;
    }
    let written = path.parent().map_or(Ok(()), files::private_dir).and_then(|()| files::write_atomic(path, &bytes));
    if let Err(error) = written {
        tracing::warn!(path = %path.display(), %error, "the code index was not cached");
    }
}
