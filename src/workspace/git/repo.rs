//! Opening a repository with clear errors, and building commits from given data only.

use std::path::Path;

use git2::{ErrorCode, Oid, Repository, RepositoryOpenFlags, Signature, Time};

use super::error::Error;
use crate::domain::time::Millis;

/// Looks at a locked reference before its lock is taken for a leftover: half a second, far beyond any change of ours.
const LOCK_LOOKS: u32 = 50;
/// Between two of them.
const LOCK_LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(10);

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
    match past_stale_lock(repository, name, || repository.reference(name, to, false, "wfctl")) {
        Ok(_) => Ok(()),
        Err(error) if error.code() == ErrorCode::Exists => match repository.find_reference(name) {
            Ok(reference) if reference.target() == Some(to) => Ok(()),
            Ok(_) => Err(Error::BranchTaken(name.to_owned())),
            Err(error) => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// Changes a reference of ours. git takes a lock file for the moment of a change; an engine that is killed in that moment
/// leaves it behind, and nobody would ever be able to change the reference again. A lock on one of our references that stays
/// for as long as we wait here is such a leftover: the home's lock says that no other engine is at work.
pub(super) fn past_stale_lock<T>(
    repository: &Repository,
    name: &str,
    mut change: impl FnMut() -> Result<T, git2::Error>,
) -> Result<T, git2::Error> {
    for _ in 0..LOCK_LOOKS {
        match change() {
            Err(error) if error.code() == ErrorCode::Locked => {
                #[expect(clippy::disallowed_methods, reason = "git does not tell when a lock is given back")]
                std::thread::sleep(LOCK_LOOK_AGAIN);
            }
            done => return done,
        }
    }
    let lock = repository.commondir().join(format!("{name}.lock"));
    tracing::warn!(lock = %lock.display(), "a lock that a dead engine left behind is removed");
    // If that fails, the change fails as well, and says why.
    let _removed = std::fs::remove_file(&lock);
    change()
}

/// A project's id as one component of a reference: git forbids some ids (`a..b`, `a.lock`), whose dots are written `%2e`.
pub(super) fn ref_component(project: &str) -> String {
    if git2::Reference::is_valid_name(&format!("refs/heads/{project}")) {
        project.to_owned()
    } else {
        project.replace('.', "%2e")
    }
}
