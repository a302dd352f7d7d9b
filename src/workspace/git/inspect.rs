//! Looking at a worktree and its history without changing anything: what differs from a commit, and which commits there are.
//!
//! What a worktree holds is told by the same scan that a checkpoint takes, so what is shown here is exactly what would be
//! committed: bytes as they are, no filter, ignored files only when they are known.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use git2::{Index, ObjectType, Oid, Repository, Tree};

use super::checkpoint::INDEX;
use super::error::Error;
use super::repo::open;
use super::scan::{MODE_LINK, MODE_SUBMODULE, Objects, scan};
use crate::domain::time::Millis;

/// How a file differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// It was not there.
    Added,
    /// Other content or another mode.
    Modified,
    /// It is no longer there.
    Deleted,
}

/// One file that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Relative to the root, with `/`; may hold bytes that are not UTF-8.
    pub path: Vec<u8>,
    /// How.
    pub difference: Difference,
    /// The permission to execute, or the kind of file, is another one.
    pub mode_changed: bool,
    /// A symbolic link or a repository of its own, before or now: it has no text to compare.
    pub special: bool,
    old: Option<Oid>,
}

/// A commit of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id in hexadecimal.
    pub id: String,
    /// Who wrote it.
    pub author: String,
    /// When.
    pub time: Millis,
    /// The first line of its message.
    pub subject: String,
}

/// A worktree that is looked at.
pub struct Inspection {
    repository: Repository,
    /// The folder that has the `.git`: what a repository's configuration says of its work tree is not asked.
    root: PathBuf,
}

impl Inspection {
    /// Opens the repository of the worktree at `root`.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let top = root.ancestors().find(|folder| folder.join(".git").symlink_metadata().is_ok()).unwrap_or(root);
        Ok(Self { repository: open(root)?, root: top.to_owned() })
    }

    /// What differs from `against` (a commit or a tree as git names it; HEAD when `None`), in path order.
    pub fn changes(&self, against: Option<&str>) -> Result<Vec<Changed>, Error> {
        let base = self.tree(against)?;
        let mut before = flattened(&base)?;
        let now = scan(&self.repository, &self.root, &self.known(&base)?, 0, Objects::HashOnly)?;
        let mut changes: Vec<Changed> = Vec::new();
        for entry in now.entries {
            let old = before.remove(&entry.path);
            if old == Some((entry.id, entry.mode)) {
                continue;
            }
            changes.push(Changed {
                path: entry.path,
                difference: if old.is_some() { Difference::Modified } else { Difference::Added },
                mode_changed: old.is_some_and(|(_, mode)| mode != entry.mode),
                special: is_special(entry.mode) || old.is_some_and(|(_, mode)| is_special(mode)),
                old: old.map(|(id, _)| id),
            });
        }
        changes.extend(before.into_iter().map(|(path, (id, mode))| Changed {
            path,
            difference: Difference::Deleted,
            mode_changed: false,
            special: is_special(mode),
            old: Some(id),
        }));
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(changes)
    }

    /// The content that a changed file had before, nothing when it was not there; `None` when it is larger than `most_bytes`.
    pub fn before(&self, changed: &Changed, most_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
        let Some(id) = changed.old else { return Ok(Some(Vec::new())) };
        // Asked first: a blob is read whole.
        let (bytes, _) = self.repository.odb()?.read_header(id)?;
        if bytes as u64 > most_bytes {
            return Ok(None);
        }
        Ok(Some(self.repository.find_blob(id)?.content().to_vec()))
    }

    /// The newest `most` commits that lead to HEAD, newest first, and whether there are more.
    pub fn log(&self, most: usize) -> Result<(Vec<Commit>, bool), Error> {
        let mut walk = self.repository.revwalk()?;
        walk.set_sorting(git2::Sort::TOPOLOGICAL | git2::Sort::TIME)?;
        walk.push_head()?;
        let mut commits = Vec::new();
        for id in walk {
            if commits.len() == most {
                return Ok((commits, true));
            }
            let commit = self.repository.find_commit(id?)?;
            let subject = commit.message_bytes().split(|byte| *byte == b'\n').next().unwrap_or_default();
            let seconds = u64::try_from(commit.time().seconds()).unwrap_or(0);
            commits.push(Commit {
                id: commit.id().to_string(),
                author: String::from_utf8_lossy(commit.author().name_bytes()).into_owned(),
                time: Millis(seconds.saturating_mul(1000)),
                subject: String::from_utf8_lossy(subject).into_owned(),
            });
        }
        Ok((commits, false))
    }

    fn tree(&self, against: Option<&str>) -> Result<Tree<'_>, Error> {
        let name = against.unwrap_or("HEAD");
        let unknown = || Error::NoSuchCommit(name.to_owned());
        // What git says of a malformed name and of an unknown one is the same to who asked.
        let object = self.repository.revparse_single(name).map_err(|_| unknown())?;
        object.peel(ObjectType::Tree).ok().and_then(|tree| tree.into_tree().ok()).ok_or_else(unknown)
    }

    /// What saves reading unchanged files: the index of our own in a worktree of ours; elsewhere only the names of `base`.
    fn known(&self, base: &Tree<'_>) -> Result<Index, Error> {
        let ours = self.repository.path().join(INDEX);
        if ours.symlink_metadata().is_ok() {
            return Ok(Index::open(&ours)?);
        }
        let mut index = Index::new()?;
        index.read_tree(base)?;
        Ok(index)
    }
}

fn is_special(mode: u32) -> bool {
    mode == MODE_LINK || mode == MODE_SUBMODULE
}

/// All files of a tree with their ids and modes.
fn flattened(tree: &Tree<'_>) -> Result<BTreeMap<Vec<u8>, (Oid, u32)>, Error> {
    let mut index = Index::new()?;
    index.read_tree(tree)?;
    Ok(index.iter().map(|entry| (entry.path, (entry.id, entry.mode))).collect())
}

impl Changed {
    /// The path for people.
    pub fn shown(&self) -> String {
        crate::workspace::boundary::escaped(OsStr::from_bytes(&self.path))
    }
}
