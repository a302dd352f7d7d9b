//! Opening a repository with clear errors, and building commits from given data only.

use std::path::Path;

use git2::{ErrorCode, Oid, Repository, RepositoryOpenFlags, Signature, Time};

use super::error::Error;
use crate::domain::time::Millis;

/// Who our commits are by.
const AUTHOR: &str = "wfctl";
const AUTHOR_MAIL: &str = "wfctl@localhost";

/// The repository that `dir` is in. The environment (`GIT_DIR`, ...) is not asked.
pub(super) fn open(dir: &Path) -> Result<Repository, Error> {
    let none: [&Path; 0] = [];
    let repository = match Repository::open_ext(dir, RepositoryOpenFlags::empty(), none) {
        Ok(repository) => repository,
        Err(error) if error.code() == ErrorCode::NotFound => return Err(Error::NoRepository(dir.to_owned())),
        Err(error) => return Err(error.into()),
    };
    if repository.is_bare() {
        return Err(Error::Bare(dir.to_owned()));
    }
    Ok(repository)
}

/// The commit of HEAD in hexadecimal; a detached HEAD and uncommitted changes are fine, for the checkout is never touched.
pub fn base_commit(dir: &Path) -> Result<String, Error> {
    let repository = open(dir)?;
    let head = match repository.head() {
        Ok(head) => head.peel_to_commit()?.id(),
        Err(error) if matches!(error.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => {
            return Err(Error::NoCommits(dir.to_owned()));
        }
        Err(error) => return Err(error.into()),
    };
    Ok(head.to_string())
}

/// Writes a commit; the same arguments give the same id.
pub(super) fn commit_tree(
    repository: &Repository,
    tree: Oid,
    parents: &[Oid],
    message: &str,
    time: Millis,
) -> Result<Oid, Error> {
    let seconds = i64::try_from(time.0 / 1000).unwrap_or(i64::MAX);
    let author = Signature::new(AUTHOR, AUTHOR_MAIL, &Time::new(seconds, 0))?;
    let tree = repository.find_tree(tree)?;
    let parents = parents.iter().map(|id| repository.find_commit(*id)).collect::<Result<Vec<_>, _>>()?;
    let parents: Vec<_> = parents.iter().collect();
    Ok(repository.commit(None, &author, &author, message, &tree, &parents)?)
}

/// Creates the reference at `to`, unless it exists: then it must be there already. Never moves one.
pub(super) fn create_ref(repository: &Repository, name: &str, to: Oid) -> Result<(), Error> {
    match repository.reference(name, to, false, "wfctl") {
        Ok(_) => Ok(()),
        Err(error) if error.code() == ErrorCode::Exists => match repository.find_reference(name) {
            Ok(reference) if reference.target() == Some(to) => Ok(()),
            Ok(_) => Err(Error::BranchTaken(name.to_owned())),
            Err(error) => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// A project's id as one component of a reference: git forbids some ids (`a..b`, `a.lock`), whose dots are written `%2e`.
pub(super) fn ref_component(project: &str) -> String {
    if git2::Reference::is_valid_name(&format!("refs/heads/{project}")) {
        project.to_owned()
    } else {
        project.replace('.', "%2e")
    }
}
