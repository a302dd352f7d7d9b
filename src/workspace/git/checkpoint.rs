//! From a worktree to a tree id: every file that belongs, written to the object store and made durable.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use git2::{Index, IndexEntry, Oid, Repository};

use super::error::{At as _, Error};
use super::scan::{Objects, now_ns, scan};
use crate::workspace::files;

/// The index that remembers what a worktree had when it was last looked at; the worktree's own is the step's to use.
pub(super) const INDEX: &str = "wfctl-index";
/// Written to ask for the file system's time.
pub(super) const CLOCK: &str = "wfctl-clock";

/// More new objects than this are made durable with one call for the whole file system instead of one call each.
const SYNC_ONE_BY_ONE: usize = 64;

/// Takes the tree of all files in `root`, the worktree of `repository` with the admin folder `admin`.
pub(super) fn take(repository: &Repository, root: &Path, admin: &Path) -> Result<Oid, Error> {
    let mut index = Index::open(&admin.join(INDEX))?;
    let now = now_ns(&admin.join(CLOCK))?;
    let scan = scan(repository, root, &index, now, Objects::Write)?;
    let (changed_folders, is_stale) = replace_entries(&mut index, &scan.entries)?;
    let tree = index.write_tree_to(repository)?;
    if is_stale {
        index.write()?;
    }
    let mut new = scan.written;
    new.extend(trees_of(repository, tree, &changed_folders)?);
    sync_objects(repository, &new)?;
    Ok(tree)
}

/// Makes `index` hold exactly `entries`, touching only what differs so that unchanged folders keep their cached trees.
/// Returns the folders in which content changed, and all above them (the root is the empty path), and whether anything at all
/// had to be replaced.
fn replace_entries(index: &mut Index, entries: &[IndexEntry]) -> Result<(BTreeSet<Vec<u8>>, bool), Error> {
    let mut old: BTreeMap<Vec<u8>, IndexEntry> = index.iter().map(|entry| (entry.path.clone(), entry)).collect();
    let mut changed = BTreeSet::new();
    let mut added = Vec::new();
    for entry in entries {
        match old.remove(&entry.path) {
            Some(old) if is_same(&old, entry) => {}
            Some(old) => {
                if old.id != entry.id || old.mode != entry.mode {
                    add_folders(&mut changed, &entry.path);
                }
                added.push(entry);
            }
            None => {
                add_folders(&mut changed, &entry.path);
                added.push(entry);
            }
        }
    }
    let is_stale = !added.is_empty() || !old.is_empty();
    for path in old.keys() {
        add_folders(&mut changed, path);
        index.remove(Path::new(OsStr::from_bytes(path)), 0)?;
    }
    for entry in added {
        index.add(entry)?;
    }
    Ok((changed, is_stale))
}

fn is_same(old: &IndexEntry, new: &IndexEntry) -> bool {
    (old.id, old.mode, old.mtime, old.ctime, old.file_size, old.ino)
        == (new.id, new.mode, new.mtime, new.ctime, new.file_size, new.ino)
}

fn add_folders(folders: &mut BTreeSet<Vec<u8>>, mut path: &[u8]) {
    loop {
        path = path.iter().rposition(|byte| *byte == b'/').map_or(&[], |slash| &path[..slash]);
        if !folders.insert(path.to_vec()) || path.is_empty() {
            return;
        }
    }
}

/// The trees of `folders` below `root`, as far as the folders still exist.
fn trees_of(repository: &Repository, root: Oid, folders: &BTreeSet<Vec<u8>>) -> Result<Vec<Oid>, Error> {
    let tree = repository.find_tree(root)?;
    let found = folders.iter().filter_map(|folder| {
        if folder.is_empty() {
            Some(root)
        } else {
            Some(tree.get_path(Path::new(OsStr::from_bytes(folder))).ok()?.id())
        }
    });
    Ok(found.collect())
}

/// Makes objects survive a power cut: libgit2 renames them into place without a sync.
pub(super) fn sync_objects(repository: &Repository, objects: &[Oid]) -> Result<(), Error> {
    let store = repository.commondir().join("objects");
    #[cfg(target_os = "linux")]
    if objects.len() > SYNC_ONE_BY_ONE {
        let folder = File::open(&store).at(&store)?;
        return rustix::fs::syncfs(&folder).map_err(std::io::Error::from).at(&store);
    }
    let mut folders = BTreeSet::new();
    for object in objects {
        let name = object.to_string();
        let folder = store.join(&name[..2]);
        let path = folder.join(&name[2..]);
        match File::open(&path) {
            Ok(file) => file.sync_data().at(&path)?,
            // In a pack already.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).at(&path),
        }
        folders.insert(folder);
    }
    for folder in folders {
        files::sync_dir(&folder).at(&folder)?;
    }
    Ok(())
}
