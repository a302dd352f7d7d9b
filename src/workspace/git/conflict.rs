//! What an agent needs to resolve a conflict: both sides with their history, a tree with markers, and a commit that ends it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use git2::{Blob, Index, IndexConflict, IndexEntry, IndexTime, MergeFileInput, MergeFileOptions, Oid, Repository};

use super::branches::{self, TaskCommit};
use super::error::Error;
use super::repo::{commit_named, open};
use super::scan::{MODE_EXECUTABLE, MODE_FILE};
use super::{checkpoint, threeway};
use crate::domain::limits;
use crate::workspace::excerpt::harmless;

/// What the markers of a conflict say.
const OUR_LABEL: &str = "integration";
const THEIR_LABEL: &str = "task";

/// Lines shown around what differs.
const CONTEXT_LINES: usize = 8;

/// Everything about a conflict between two commits, bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictContext {
    /// The conflicting paths with their contents, sorted; at most `limits::CONFLICT_PATHS`.
    pub paths: Vec<ConflictPath>,
    /// Conflicting paths beyond those, by name alone.
    pub more: Vec<String>,
    /// What the branch's commits since the common ancestor say, the newest first; at most `limits::CONFLICT_MESSAGES`.
    pub our_messages: Vec<String>,
    /// What the task's commits say.
    pub their_messages: Vec<String>,
}

/// One conflicting path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictPath {
    /// Relative, with `/`; bytes that are no UTF-8 are replaced.
    pub path: String,
    /// What both started from; `None`: it was not there.
    pub base: Option<Side>,
    /// What the branch has; `None`: removed, moved or never there.
    pub ours: Option<Side>,
    /// What the task has.
    pub theirs: Option<Side>,
}

/// The part of one side's text that differs from the others', with a few lines around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The number of its first line; the first line of a file is 1.
    pub first_line: usize,
    /// The text; empty for a file that is not text. At most `limits::CONFLICT_SIDE_BYTES`.
    pub text: String,
    /// Something of what differs had to be left out, or it is no text.
    pub is_cut: bool,
}

/// A tree in which a conflict can be worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// The merge as far as it goes. A text that conflicts has both sides between markers; where one side removed what the other
    /// changed, the changed file is there; where the two cannot be put into one text, ours is.
    pub tree: String,
    /// The conflicting paths, sorted.
    pub paths: Vec<String>,
}

/// Describes the conflict between `ours` (the integration branch) and `theirs` (the task's commit).
pub fn conflict_context(base_dir: &Path, ours: &str, theirs: &str) -> Result<ConflictContext, Error> {
    let repository = open(base_dir)?;
    let (ours, theirs) = (commit_named(&repository, ours)?, commit_named(&repository, theirs)?);
    let index = threeway::commits_index(&repository, ours, theirs)?;
    let mut paths = Vec::new();
    for conflict in index.conflicts()? {
        paths.push(path_of(&repository, &conflict?)?);
    }
    paths.sort_unstable_by(|one: &ConflictPath, other| one.path.cmp(&other.path));
    let more = paths.split_off(paths.len().min(limits::CONFLICT_PATHS));
    Ok(ConflictContext {
        paths,
        more: more.into_iter().map(|path| path.path).collect(),
        our_messages: messages(&repository, ours, theirs)?,
        their_messages: messages(&repository, theirs, ours)?,
    })
}

/// Builds the tree for a worktree in which somebody resolves the conflict. The same arguments give the same tree.
pub fn prepare_conflict(base_dir: &Path, ours: &str, theirs: &str) -> Result<Prepared, Error> {
    let repository = open(base_dir)?;
    let (ours, theirs) = (commit_named(&repository, ours)?, commit_named(&repository, theirs)?);
    let (tree, marked) = with_markers(&repository, ours, theirs)?;
    Ok(Prepared { tree: tree.to_string(), paths: marked.iter().map(|path| text_of(path)).collect() })
}

/// Commits what a conflict was resolved to: like `commit_task`, its parents being the head of the integration branch that the
/// conflict was with and the task's commit. So when this is merged, the task's commit is in the branch as well. Refused while
/// a file that conflicted has markers left.
pub fn commit_resolution(order: &TaskCommit) -> Result<String, Error> {
    let repository = open(&order.base_dir)?;
    let [ours, theirs] = order.parents.as_slice() else {
        return Err(Error::NoSuchCommit(format!("a resolution has two parents, not {}", order.parents.len())));
    };
    let (ours, theirs) = (commit_named(&repository, ours)?, commit_named(&repository, theirs)?);
    let tree = branches::tree_named(&repository, &order.tree)?;
    let tree = repository.find_tree(tree)?;
    let (_, conflicting) = with_markers(&repository, ours, theirs)?;
    let is_marked = |path: &Vec<u8>| {
        let entry = tree.get_path(Path::new(OsStr::from_bytes(path))).ok();
        let blob = entry.and_then(|entry| repository.find_blob(entry.id()).ok());
        blob.is_some_and(|blob| has_markers(blob.content()))
    };
    let unresolved: Vec<String> = conflicting.iter().filter(|path| is_marked(path)).map(|path| text_of(path)).collect();
    if unresolved.is_empty() { branches::commit_task(order) } else { Err(Error::Unresolved(unresolved)) }
}

/// Whether both ends of a conflict that we marked are there, each at the beginning of a line. Our labels tell them from the
/// markers that a text about git has.
fn has_markers(content: &[u8]) -> bool {
    let mut lines = content.split(|byte| *byte == b'\n');
    let begin = [b"<<<<<<< ", OUR_LABEL.as_bytes()].concat();
    let end = [b">>>>>>> ", THEIR_LABEL.as_bytes()].concat();
    lines.any(|line| line.starts_with(&begin)) && lines.any(|line| line.starts_with(&end))
}

fn text_of(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

fn with_markers(repository: &Repository, ours: Oid, theirs: Oid) -> Result<(Oid, BTreeSet<Vec<u8>>), Error> {
    let mut index = threeway::commits_index(repository, ours, theirs)?;
    let conflicts = index.conflicts()?.collect::<Result<Vec<_>, _>>()?;
    let mut paths = BTreeSet::new();
    for conflict in &conflicts {
        for entry in [&conflict.ancestor, &conflict.our, &conflict.their].into_iter().flatten() {
            // None is there when another conflict of the same name took it away.
            let _gone = index.conflict_remove(Path::new(OsStr::from_bytes(&entry.path)));
        }
    }
    for conflict in &conflicts {
        if let Some(mut entry) = resolved(repository, conflict)? {
            paths.insert(entry.path.clone());
            make_room(&index, &mut entry);
            index.add(&entry)?;
        } else if let Some(entry) = &conflict.ancestor {
            paths.insert(entry.path.clone());
        }
    }
    let tree = index.write_tree_to(repository)?;
    let tree_of = |id: Oid| Ok::<_, Error>(repository.find_commit(id)?.tree_id());
    checkpoint::sync_objects(repository, &threeway::added(repository, tree, &[tree_of(ours)?, tree_of(theirs)?])?)?;
    Ok((tree, paths))
}

/// A file that would lie where a folder of the other side is gets another name, as git does it.
fn make_room(index: &Index, entry: &mut IndexEntry) {
    let is_taken = |path: &[u8]| {
        let folder = [path, b"/"].concat();
        index.iter().any(|other| other.path == path || other.path.starts_with(&folder))
    };
    while is_taken(&entry.path) {
        entry.path.extend_from_slice(b"~conflict");
    }
}

/// What is put into the tree for a conflict; `None`: nothing, both have removed it.
fn resolved(repository: &Repository, conflict: &IndexConflict) -> Result<Option<IndexEntry>, Error> {
    let copy = |entry: &IndexEntry| IndexEntry { mode: entry.mode, id: entry.id, ..blank(&entry.path) };
    let (our, their) = match (&conflict.our, &conflict.their) {
        (Some(our), Some(their)) => (our, their),
        (Some(side), None) | (None, Some(side)) => return Ok(Some(copy(side))),
        (None, None) => return Ok(None),
    };
    let is_text = |entry: &IndexEntry| {
        Ok::<_, Error>(
            matches!(entry.mode, MODE_FILE | MODE_EXECUTABLE) && !repository.find_blob(entry.id)?.is_binary(),
        )
    };
    let mut entry = copy(our);
    if !is_text(our)? || !is_text(their)? {
        return Ok(Some(entry));
    }
    let ancestor = match &conflict.ancestor {
        Some(base) if is_text(base)? => Some(repository.find_blob(base.id)?),
        Some(_) | None => None,
    };
    let (left, right) = (repository.find_blob(our.id)?, repository.find_blob(their.id)?);
    let (mut from, mut one, mut two) = (MergeFileInput::new(), MergeFileInput::new(), MergeFileInput::new());
    from.content(ancestor.as_ref().map_or(b"", Blob::content));
    one.content(left.content());
    two.content(right.content());
    let mut options = MergeFileOptions::new();
    options.our_label(OUR_LABEL).their_label(THEIR_LABEL).ancestor_label("base").style_diff3(ancestor.is_some());
    let merged = git2::merge_file(&from, &one, &two, Some(&mut options))?;
    entry.id = repository.blob(merged.content())?;
    Ok(Some(entry))
}

/// An entry of an index without stat data.
pub(super) fn blank(path: &[u8]) -> IndexEntry {
    let never = IndexTime::new(0, 0);
    IndexEntry {
        ctime: never,
        mtime: never,
        dev: 0,
        ino: 0,
        mode: MODE_FILE,
        uid: 0,
        gid: 0,
        file_size: 0,
        id: Oid::ZERO_SHA1,
        flags: 0,
        flags_extended: 0,
        path: path.to_vec(),
    }
}

/// What the commits of `one` that `other` does not have say, merges of the queue left out.
fn messages(repository: &Repository, one: Oid, other: Oid) -> Result<Vec<String>, Error> {
    let mut walk = repository.revwalk()?;
    walk.push(one)?;
    walk.hide(other)?;
    let mut messages = Vec::new();
    for id in walk {
        let commit = repository.find_commit(id?)?;
        if commit.parent_count() < 2 {
            let text = String::from_utf8_lossy(commit.message_bytes());
            messages.push(harmless(cut(text.trim(), limits::EXCERPT_BYTES)));
        }
        if messages.len() == limits::CONFLICT_MESSAGES {
            break;
        }
    }
    Ok(messages)
}

fn path_of(repository: &Repository, conflict: &IndexConflict) -> Result<ConflictPath, Error> {
    let sides = [&conflict.ancestor, &conflict.our, &conflict.their];
    let path = sides.into_iter().rev().flatten().next().map(|entry| text_of(&entry.path));
    let text = |entry: &IndexEntry| match repository.find_blob(entry.id) {
        Ok(blob) if !blob.is_binary() => Some(blob.content().to_vec()),
        Ok(_) | Err(_) => None,
    };
    let texts = sides.map(|entry| entry.as_ref().map(text));
    let lines: Vec<Vec<&[u8]>> = texts.iter().flatten().flatten().map(|text| lines_of(text)).collect();
    let (same_start, same_end) = common(&lines);
    let [base, ours, theirs] = texts.each_ref().map(|text| {
        let no_text = Side { first_line: 1, text: String::new(), is_cut: true };
        let text = text.as_ref()?;
        Some(text.as_ref().map_or(no_text, |text| side(text, same_start, same_end)))
    });
    Ok(ConflictPath { path: path.unwrap_or_default(), base, ours, theirs })
}

fn lines_of(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// How many lines all texts begin with, and how many of the others they end with.
fn common(texts: &[Vec<&[u8]>]) -> (usize, usize) {
    let Some((first, others)) = texts.split_first() else { return (0, 0) };
    let shortest = texts.iter().map(Vec::len).min().unwrap_or_default();
    let start = (0..shortest).take_while(|at| others.iter().all(|other| other[*at] == first[*at])).count();
    let end = (1..=shortest - start)
        .take_while(|at| others.iter().all(|other| other[other.len() - at] == first[first.len() - at]))
        .count();
    (start, end)
}

fn side(text: &[u8], same_start: usize, same_end: usize) -> Side {
    let lines = lines_of(text);
    let from = same_start.saturating_sub(CONTEXT_LINES).min(lines.len());
    let to = (lines.len() - same_end.min(lines.len()) + CONTEXT_LINES).clamp(from, lines.len());
    let whole = String::from_utf8_lossy(&lines[from..to].concat()).into_owned();
    let shown = cut(&whole, limits::CONFLICT_SIDE_BYTES);
    Side { first_line: from + 1, text: harmless(shown), is_cut: shown.len() < whole.len() }
}

/// The beginning of `text`, at most `bytes` of it.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
