//! From a tree id to a worktree: exactly the tree's files, and whatever is ignored.
//!
//! Only what differs is touched. Nothing is ever written or removed through a link: a parent that is not a real folder is replaced
//! by one, and each name is opened from the folder above it, so that swapping one for a link meanwhile leads nowhere.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use cap_std::fs::Dir;
use git2::{Index, IndexEntry, Oid, Repository};
use rustix::fs::FileType;

use super::beneath;
use super::checkpoint::{CLOCK, INDEX};
use super::error::{At as _, Error};
use super::names::means_git;
use super::scan::{MODE_EXECUTABLE, MODE_LINK, MODE_SUBMODULE, Objects, Scan, entry_of, now_ns, scan};
use crate::workspace::files;

/// Restored `.gitignore` files may uncover files that were ignored before, those may uncover none: two rounds are enough, the
/// third shows it.
const ROUNDS: usize = 3;

/// Makes the files in `root` those of `tree`.
pub(super) fn to(repository: &Repository, root: &Path, admin: &Path, tree: Oid) -> Result<(), Error> {
    let found = repository.find_tree(tree).map_err(|_| Error::NoSuchTree(tree.to_string()))?;
    let mut target = Index::new()?;
    target.read_tree(&found)?;
    for _ in 0..ROUNDS {
        let path = admin.join(INDEX);
        let known = Index::open(&path)?;
        let now = now_ns(&admin.join(CLOCK))?;
        let scan = scan(repository, root, &known, now, Objects::HashOnly)?;
        drop(known);
        let round = Round { repository, root, folder: beneath::open_root(root).at(root)?, now };
        let (entries, rules_changed) = round.run(&target, scan)?;
        files::remove_if_there(&path).at(&path)?;
        let mut index = Index::open(&path)?;
        for entry in &entries {
            index.add(entry)?;
        }
        index.write()?;
        if !rules_changed {
            break;
        }
    }
    Ok(())
}

struct Round<'r> {
    repository: &'r Repository,
    root: &'r Path,
    /// The root, opened.
    folder: OwnedFd,
    now: i128,
}

impl Round<'_> {
    /// Returns the stat data of what is there now, and whether the rules of what is ignored changed.
    fn run(&self, target: &Index, scan: Scan) -> Result<(Vec<IndexEntry>, bool), Error> {
        let mut rules_changed = false;
        let mut present: BTreeMap<Vec<u8>, IndexEntry> =
            scan.entries.into_iter().map(|entry| (entry.path.clone(), entry)).collect();
        let mut missing = Vec::new();
        let mut entries = Vec::new();
        for wanted in target.iter() {
            match present.remove(&wanted.path) {
                Some(entry) if entry.id == wanted.id && entry.mode == wanted.mode => entries.push(entry),
                Some(_) | None => missing.push(wanted),
            }
        }
        let wanted_again: std::collections::BTreeSet<&[u8]> =
            missing.iter().map(|entry| entry.path.as_slice()).collect();
        for (path, entry) in &present {
            rules_changed |= is_rules(path);
            if !wanted_again.contains(path.as_slice()) && entry.mode != MODE_SUBMODULE {
                self.remove(path)?;
            }
        }
        for other in &scan.others {
            self.remove(other)?;
        }
        for folder in &scan.empty_dirs {
            self.remove_empty(folder.split(|byte| *byte == b'/').collect());
        }
        for wanted in missing {
            rules_changed |= is_rules(&wanted.path);
            entries.push(self.write(wanted)?);
        }
        Ok((entries, rules_changed))
    }

    /// Removes what is at `path`, and the folders above it that are empty then.
    fn remove(&self, path: &[u8]) -> Result<(), Error> {
        let (folders, name) = split(path);
        match self.folder(&folders) {
            Ok(folder) => beneath::remove(&folder, name).at(&self.full(path))?,
            // With a folder above it, it went away as well.
            Err(error) if error.kind() == io::ErrorKind::NotFound || beneath::is_none(&error) => return Ok(()),
            Err(error) => return Err(error).at(&self.full(path)),
        }
        self.remove_empty(folders);
        Ok(())
    }

    /// Removes the folder that `names` lead to and those above it as long as they are empty.
    fn remove_empty(&self, mut names: Vec<&[u8]>) {
        while let Some(name) = names.pop() {
            // One that is gone already has none above it that we would be asked for.
            let Ok(folder) = self.folder(&names) else { continue };
            if !beneath::remove_empty(&folder, name) {
                return;
            }
        }
    }

    /// The folder that `names` lead to.
    fn folder(&self, names: &[&[u8]]) -> io::Result<OwnedFd> {
        let mut folder = self.folder.try_clone()?;
        for name in names {
            folder = beneath::enter(&folder, name)?;
        }
        Ok(folder)
    }

    fn write(&self, mut wanted: IndexEntry) -> Result<IndexEntry, Error> {
        check(Path::new(OsStr::from_bytes(&wanted.path)))?;
        let full = self.full(&wanted.path);
        let (folders, name) = split(&wanted.path);
        let mut folder = self.folder.try_clone().at(&full)?;
        for above in folders {
            folder = beneath::enter_or_make(&folder, above).at(&full)?;
        }
        self.make_room(&folder, name, &full)?;
        if wanted.mode == MODE_SUBMODULE {
            beneath::enter_or_make(&folder, name).at(&full)?;
            return Ok(wanted);
        }
        let blob = self.repository.find_blob(wanted.id)?;
        if wanted.mode == MODE_LINK {
            let made = rustix::fs::symlinkat(OsStr::from_bytes(blob.content()), &folder, OsStr::from_bytes(name));
            made.map_err(io::Error::from).at(&full)?;
        } else {
            let mode = if wanted.mode == MODE_EXECUTABLE { 0o777 } else { 0o666 };
            let file = beneath::create_file(&folder, name, mode);
            file.and_then(|mut file| file.write_all(blob.content())).at(&full)?;
        }
        let gone = || io::Error::new(io::ErrorKind::NotFound, "it was removed while it was restored");
        let stat = beneath::look(&folder, name).and_then(|stat| stat.ok_or_else(gone)).at(&full)?;
        let (id, mode) = (wanted.id, wanted.mode);
        wanted = entry_of(wanted.path, &stat, self.now);
        (wanted.id, wanted.mode) = (id, mode);
        Ok(wanted)
    }

    /// Makes a place empty; a folder that is a repository of its own stays.
    fn make_room(&self, folder: &OwnedFd, name: &[u8], full: &Path) -> Result<(), Error> {
        let Some(found) = beneath::look(folder, name).at(full)? else { return Ok(()) };
        if beneath::kind(&found) != FileType::Directory {
            return beneath::remove(folder, name).at(full);
        }
        let inner = beneath::enter(folder, name).at(full)?;
        if beneath::look(&inner, b".git").at(full)?.is_some() {
            return Ok(());
        }
        let above = Dir::from_std_file(folder.try_clone().at(full)?.into());
        match above.remove_dir_all(OsStr::from_bytes(name)) {
            // Its owner made it read-only.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => files::remove_tree(full).at(full),
            removed => removed.at(full),
        }
    }

    /// For messages.
    fn full(&self, path: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(path))
    }
}

/// The names of the folders above a path, and its last name.
fn split(path: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    let last = names.pop().unwrap_or_default();
    (names, last)
}

/// A hostile repository may hold any name; ours are plain ones that are not git's own.
fn check(relative: &Path) -> Result<(), Error> {
    let is_plain = |component: Component<'_>| match component {
        Component::Normal(name) => !means_git(name.as_bytes()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => false,
    };
    if relative.components().all(is_plain) && relative.components().next().is_some() {
        Ok(())
    } else {
        Err(Error::Path(relative.display().to_string()))
    }
}

fn is_rules(path: &[u8]) -> bool {
    path == b".gitignore" || path.ends_with(b"/.gitignore")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_worktree_are_refused() {
        for bad in ["", "/x", "../x", "a/../../x", ".git/config", "a/.GIT/x", "git~1", "a/.git ./x"] {
            assert!(check(Path::new(bad)).is_err(), "{bad}");
        }
        assert!(check(Path::new("a/.gitignore")).is_ok());
    }
}
