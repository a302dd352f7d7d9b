//! A private repository over the objects of another one: whatever happens in it, the other one does not change. It borrows the
//! objects (git's alternates), so it costs nothing, and has one branch at one commit.

use std::fs;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, Repository, RepositoryInitOptions};

use super::branches::integration;
use super::error::{At as _, Error};
use super::repo::{commit_named, open};
use crate::domain::ids::ProjectId;
use crate::workspace::files;

/// Settings of the original that decide what a file's content is, and which files count.
const SETTINGS: [&str; 6] =
    ["core.autocrlf", "core.eol", "core.filemode", "core.symlinks", "core.excludesfile", "core.attributesfile"];
/// Files of its git folder that do the same.
const INFO: [&str; 2] = ["exclude", "attributes"];
/// The branch, when the original's checkout is on none.
const BRANCH: &str = "refs/heads/main";

/// Makes a private repository in `to` over the one that `from` is in, at `commit`, and returns the folder in it that is what
/// `from` is in the original. Its work tree is empty. Errors: there is no repository any more, or it has lost the commit.
pub fn replicate(from: &Path, to: &Path, commit: &str) -> Result<PathBuf, Error> {
    let original = open(from)?;
    let at = commit_named(&original, commit)?;
    original.find_commit(at)?;
    files::private_dir(to).at(to)?;
    let made = Repository::init_opts(to, RepositoryInitOptions::new().external_template(false))?;
    let objects = original.commondir().join("objects");
    let alternates = made.commondir().join("objects/info/alternates");
    put(&alternates, format!("{}\n", objects.display()).as_bytes())?;
    let (theirs, mut ours) = (original.config()?, made.config()?);
    for name in SETTINGS {
        match theirs.get_string(name) {
            Ok(value) => ours.set_str(name, &value)?,
            Err(error) if error.code() == ErrorCode::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    for name in INFO {
        let path = original.commondir().join("info").join(name);
        match fs::read(&path) {
            Ok(text) => put(&made.commondir().join("info").join(name), &text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::Io { path, source }),
        }
    }
    // Opened anew: which objects there are is found out once.
    let made = open(to)?;
    let head = original.find_reference("HEAD").ok();
    let branch = head.as_ref().and_then(|head| head.symbolic_target().ok().flatten()).unwrap_or(BRANCH);
    made.reference(branch, at, true, "replay")?;
    made.set_head(branch)?;
    let root = original.workdir().unwrap_or(from);
    let inside = from.canonicalize().ok().zip(root.canonicalize().ok());
    let inside = inside.and_then(|(from, root)| from.strip_prefix(root).map(Path::to_owned).ok()).unwrap_or_default();
    let dir = to.join(inside);
    files::private_dir(&dir).at(&dir)?;
    Ok(dir)
}

/// Moves the integration branch of a replica to a commit of the original one.
pub fn align(replica: &Path, project: &ProjectId, commit: &str) -> Result<(), Error> {
    let repository = open(replica)?;
    let at = commit_named(&repository, commit)?;
    repository.find_commit(at)?;
    repository.reference(&integration(project), at, true, "replay")?;
    Ok(())
}

fn put(path: &Path, content: &[u8]) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).at(folder)?;
    }
    fs::write(path, content).at(path)
}

#[cfg(test)]
mod tests {
    use super::super::{base_commit, create};
    use super::*;
    use crate::domain::time::Millis;

    #[test]
    fn what_happens_in_a_replica_stays_there() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        create(&from, &[("a/x", "1\n")], "other", Millis(1_000)).unwrap();
        let commit = base_commit(&from).unwrap();
        let dir = replicate(&from.join("a"), &to, &commit).unwrap();
        assert_eq!(dir, to.join("a"), "the same folder in it");
        assert_eq!(base_commit(&dir).unwrap(), commit, "its objects are at hand");
        let replica = open(&dir).unwrap();
        let branches = |repository: &Repository| repository.branches(None).unwrap().count();
        assert_eq!(branches(&replica), 1);
        replica.branch("new", &replica.head().unwrap().peel_to_commit().unwrap(), false).unwrap();
        let blob = replica.blob(b"only here").unwrap();
        let original = open(&from).unwrap();
        assert_eq!(branches(&original), 2);
        assert!(original.find_blob(blob).is_err(), "new objects are its own");
        let none = replicate(&from, &folder.path().join("none"), &"1".repeat(40));
        assert!(matches!(none, Err(Error::NoSuchCommit(_) | Error::Git(_))), "{none:?}");
        assert!(matches!(replicate(folder.path(), &to, &commit), Err(Error::NoRepository(_))));
    }
}
