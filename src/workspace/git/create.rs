//! A new repository with one commit: for demonstrations. Nothing that exists is touched.

use std::path::Path;

use git2::{Repository, RepositoryInitOptions, Signature, Time};

use super::error::{At as _, Error};
use crate::domain::time::Millis;
use crate::workspace::files;

/// Makes a repository in `dir`, which is not there or empty, on branch `main` with `contents` (path and text) as its first
/// commit, and a second branch of the name `branch` at the same commit.
pub fn create(dir: &Path, contents: &[(&str, &str)], branch: &str, time: Millis) -> Result<(), Error> {
    std::fs::create_dir_all(dir).at(dir)?;
    if std::fs::read_dir(dir).at(dir)?.next().is_some() {
        let source = std::io::Error::new(std::io::ErrorKind::AlreadyExists, "the folder is not empty");
        return Err(Error::Io { path: dir.to_owned(), source });
    }
    let repository =
        Repository::init_opts(dir, RepositoryInitOptions::new().initial_head("main").external_template(false))?;
    let mut index = repository.index()?;
    for (path, text) in contents {
        let file = dir.join(path);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).at(folder)?;
        }
        std::fs::write(&file, text).at(&file)?;
        index.add_path(Path::new(path))?;
    }
    index.write()?;
    let tree = repository.find_tree(index.write_tree()?)?;
    let seconds = i64::try_from(time.0 / 1000).unwrap_or(i64::MAX);
    let author = Signature::new("wfctl demo", "demo@localhost", &Time::new(seconds, 0))?;
    let commit =
        repository.commit(Some("HEAD"), &author, &author, "A small program that counts words\n", &tree, &[])?;
    repository.branch(branch, &repository.find_commit(commit)?, false)?;
    files::sync_dir(dir).at(dir)
}
