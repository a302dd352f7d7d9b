//! Brings an index up to date with a tree: walk, read, hash, parse what is new.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::cache::{self, Outlines};
use super::extract::Extractor;
use super::{Index, Language, Outline, Skipped, SourceFile, Why};
use crate::domain::limits;
use crate::workspace::files;

/// Files are read and parsed by this many threads: agents work on the same machine at the same time.
const THREADS: usize = 2;

/// Stack of such a thread: the parser may call itself for each level of a nested text. Only what is used of it is memory.
const STACK_BYTES: usize = 256 * 1024 * 1024;

/// Of a cache, contents that this tree does not have are kept as well, for other worktrees and branches: at most as many as it
/// has, and at least this many.
const KEPT_AT_LEAST: usize = 1_000;

/// Bytes looked at for a null byte. Source: git's own `buffer_is_binary`.
const BINARY_PROBE_BYTES: usize = 8_000;

/// Why there is no index.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The root is no folder that can be read.
    #[error("cannot read the folder {}: {source}", path.display())]
    Root {
        /// The root.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Index {
    /// The index of the tree at `root`, without what git ignores. Contents whose outline is in `cache` are not parsed; the file
    /// is brought up to date. Links are not followed.
    pub fn update(root: &Path, cache: Option<&Path>) -> Result<Self, Error> {
        fs::read_dir(root).map_err(|source| Error::Root { path: root.to_owned(), source })?;
        let known = cache.map(cache::load).unwrap_or_default();
        let (paths, is_cut) = sources(root);
        let found = read_all(root, &paths, &known);
        let mut index = Self { is_cut, ..Self::default() };
        let mut seen = Outlines::new();
        for ((path, language), looked) in paths.into_iter().zip(found) {
            match looked {
                Looked::At { digest, bytes, outline, is_new } => {
                    // Two files of one content count once, whichever thread came first.
                    let is_first = seen.insert((language, digest), outline.clone()).is_none();
                    index.parsed += usize::from(is_new && is_first);
                    match outline {
                        Some(outline) => index.files.push(SourceFile { path, language, bytes, outline }),
                        None => index.skipped.push(Skipped { path, why: Why::TooHard }),
                    }
                }
                Looked::Away(why) => index.skipped.push(Skipped { path, why }),
            }
        }
        if let Some(cache) = cache.filter(|_| index.parsed > 0) {
            let room = seen.len().max(KEPT_AT_LEAST);
            let others: Vec<_> = known.into_iter().filter(|(key, _)| !seen.contains_key(key)).take(room).collect();
            seen.extend(others);
            cache::save(cache, &seen);
        }
        Ok(index)
    }
}

/// The source files below `root` by path, and whether there were too many.
fn sources(root: &Path) -> (Vec<(String, Language)>, bool) {
    let walk = ignore::WalkBuilder::new(root).require_git(false).follow_links(false).build();
    let source = |entry: &ignore::DirEntry| {
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        // A name that is no UTF-8 could be told to nobody.
        let path = entry.path().strip_prefix(root).ok().filter(|_| is_file)?.to_str()?;
        Some((path.to_owned(), Language::of(path)?))
    };
    let all = walk.filter_map(Result::ok).filter_map(|entry| source(&entry));
    let mut paths: Vec<_> = all.take(limits::INDEX_FILES + 1).collect();
    let is_cut = paths.len() > limits::INDEX_FILES;
    paths.truncate(limits::INDEX_FILES);
    paths.sort();
    (paths, is_cut)
}

/// What came of a file.
enum Looked {
    At { digest: [u8; 32], bytes: u64, outline: Option<Outline>, is_new: bool },
    Away(Why),
}

/// Looks at every file; the answers are in the order of `paths`.
fn read_all(root: &Path, paths: &[(String, Language)], known: &Outlines) -> Vec<Looked> {
    let next = AtomicUsize::new(0);
    let all: Mutex<Vec<(usize, Looked)>> = Mutex::new(Vec::with_capacity(paths.len()));
    let work = || {
        let mut extractor = Extractor::new();
        let mut mine = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((path, language)) = paths.get(at) else { break };
            mine.push((at, look(&root.join(path), *language, known, &mut extractor)));
        }
        all.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(mine);
    };
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let named = thread::Builder::new().name("wfctl-index".to_owned()).stack_size(STACK_BYTES);
            if named.spawn_scoped(scope, work).is_err() {
                // No room for another thread; those that run, or this one, do its share.
                work();
            }
        }
    });
    let mut all = all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, looked)| looked).collect()
}

fn look(path: &Path, language: Language, known: &Outlines, extractor: &mut Extractor) -> Looked {
    let content = match files::read_bounded(path, limits::INDEX_FILE_BYTES) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Looked::Away(Why::TooLarge),
        Err(_) => return Looked::Away(Why::Unreadable),
    };
    if content[..content.len().min(BINARY_PROBE_BYTES)].contains(&0) {
        return Looked::Away(Why::Binary);
    }
    let Ok(source) = std::str::from_utf8(&content) else { return Looked::Away(Why::Binary) };
    if source.lines().any(|line| line.len() > limits::INDEX_LINE_BYTES) {
        return Looked::Away(Why::Minified);
    }
    let digest = *blake3::hash(&content).as_bytes();
    let cached = known.get(&(language, digest)).cloned();
    let is_new = cached.is_none();
    let outline = cached.unwrap_or_else(|| extractor.outline(language, source));
    Looked::At { digest, bytes: content.len() as u64, outline, is_new }
}
