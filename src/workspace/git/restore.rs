//! From a tree id to a worktree: exactly the tree's files, and whatever is ignored.
//!
//! Only what differs is touched. Nothing is ever written through a link: a parent that is not a real folder is replaced by one.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Component, Path};

use git2::{Index, IndexEntry, Oid, Repository};

use super::checkpoint::{CLOCK, INDEX};
use super::error::{At as _, Error};
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
        let round = Round { repository, root, now };
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
                self.remove(&self.root.join(OsStr::from_bytes(path)))?;
            }
        }
        for other in &scan.others {
            self.remove(other)?;
        }
        for folder in &scan.empty_dirs {
            self.remove_empty(folder);
        }
        for wanted in missing {
            rules_changed |= is_rules(&wanted.path);
            entries.push(self.write(wanted)?);
        }
        Ok((entries, rules_changed))
    }

    fn remove(&self, full: &Path) -> Result<(), Error> {
        files::remove_if_there(full).at(full)?;
        if let Some(folder) = full.parent() {
            self.remove_empty(folder);
        }
        Ok(())
    }

    /// Removes `folder` and those above it as long as they are empty.
    fn remove_empty(&self, folder: &Path) {
        let mut folder = Some(folder);
        while let Some(path) = folder.filter(|path| *path != self.root && path.starts_with(self.root)) {
            // The error says that it is not empty or already gone; both are fine.
            if fs::remove_dir(path).is_err() && path.exists() {
                return;
            }
            folder = path.parent();
        }
    }

    fn write(&self, mut wanted: IndexEntry) -> Result<IndexEntry, Error> {
        let relative = Path::new(OsStr::from_bytes(&wanted.path));
        check(relative)?;
        let full = self.root.join(relative);
        self.make_room(relative)?;
        if wanted.mode == MODE_SUBMODULE {
            fs::create_dir_all(&full).at(&full)?;
            return Ok(wanted);
        }
        let blob = self.repository.find_blob(wanted.id)?;
        if wanted.mode == MODE_LINK {
            symlink(OsStr::from_bytes(blob.content()), &full).at(&full)?;
        } else {
            let mode = if wanted.mode == MODE_EXECUTABLE { 0o777 } else { 0o666 };
            let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&full);
            file.and_then(|mut file| file.write_all(blob.content())).at(&full)?;
        }
        let (id, mode) = (wanted.id, wanted.mode);
        wanted = entry_of(wanted.path, &fs::symlink_metadata(&full).at(&full)?, self.now);
        (wanted.id, wanted.mode) = (id, mode);
        Ok(wanted)
    }

    /// Makes every parent a real folder, and the place itself empty (a submodule's folder stays).
    fn make_room(&self, relative: &Path) -> Result<(), Error> {
        let mut path = self.root.to_owned();
        let mut components = relative.components().peekable();
        while let Some(component) = components.next() {
            path.push(component);
            let is_last = components.peek().is_none();
            match fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_dir() && !is_last => {}
                Ok(metadata) if metadata.is_dir() => {
                    if !path.join(".git").exists() {
                        files::remove_tree(&path).at(&path)?;
                    }
                }
                Ok(_) => {
                    fs::remove_file(&path).at(&path)?;
                    if !is_last {
                        fs::create_dir(&path).at(&path)?;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    if !is_last {
                        fs::create_dir(&path).at(&path)?;
                    }
                }
                Err(error) => return Err(error).at(&path),
            }
        }
        Ok(())
    }
}

/// A hostile repository may hold any name; ours are plain ones that are not git's own.
fn check(relative: &Path) -> Result<(), Error> {
    let is_plain = |component: Component<'_>| match component {
        Component::Normal(name) => !name.as_bytes().eq_ignore_ascii_case(b".git"),
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
        for bad in ["", "/x", "../x", "a/../../x", ".git/config", "a/.GIT/x"] {
            assert!(check(Path::new(bad)).is_err(), "{bad}");
        }
        assert!(check(Path::new("a/.gitignore")).is_ok());
    }
}
