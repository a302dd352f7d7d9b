//! Opening a repository with clear errors, and building commits from given data only.

use std::fs::File;
use std::path::Path;

use git2::{Commit, ErrorCode, Oid, Repository, RepositoryOpenFlags, Signature, Time};

use super::error::{At as _, Error};
use crate::domain::limits;
use crate::domain::time::Millis;
use crate::workspace::files;

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
    leads_to_its_own(dir, &repository)?;
    Ok(repository)
}

/// A `.git` that is a file or a link says where the git folder is. One that leads into another checkout is refused: whoever wrote
/// it would have us read, and write branches of, a repository that nobody named. A worktree that its repository knows, a
/// submodule and a git folder that is kept apart lead to what is their own.
fn leads_to_its_own(dir: &Path, repository: &Repository) -> Result<(), Error> {
    let Some(folder) = dir.ancestors().find(|folder| folder.join(".git").symlink_metadata().is_ok()) else {
        return Ok(());
    };
    let link = folder.join(".git");
    if link.symlink_metadata().at(&link)?.is_dir() {
        return Ok(());
    }
    let elsewhere = || Error::Elsewhere { link: link.clone(), target: repository.path().to_owned() };
    let here = folder.canonicalize().at(folder)?;
    if repository.is_worktree() {
        // The repository's own note of where the worktree is.
        let known = repository.workdir().and_then(|known| known.canonicalize().ok());
        return if known.as_deref() == Some(&here) { Ok(()) } else { Err(elsewhere()) };
    }
    let target = repository.path().canonicalize().at(repository.path())?;
    let is_of_a_checkout = target.file_name().is_some_and(|name| name == ".git");
    if is_of_a_checkout && target.parent() != Some(&here) { Err(elsewhere()) } else { Ok(()) }
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

/// Writes a commit of the engine's own; the same arguments give the same id.
pub(super) fn commit_tree(
    repository: &Repository,
    tree: Oid,
    parents: &[Oid],
    message: &str,
    time: Millis,
) -> Result<Oid, Error> {
    commit_by(repository, AUTHOR, tree, parents, message, time)
}

/// Writes a commit by `author`, committed by the engine; the same arguments give the same id. Characters that a commit
/// cannot hold are left out.
pub(super) fn commit_by(
    repository: &Repository,
    author: &str,
    tree: Oid,
    parents: &[Oid],
    message: &str,
    time: Millis,
) -> Result<Oid, Error> {
    let when = Time::new(i64::try_from(time.0 / 1000).unwrap_or(i64::MAX), 0);
    let name: String = author.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>')).collect();
    let name = if name.trim().is_empty() { AUTHOR } else { name.trim() };
    let (author, committer) = (Signature::new(name, AUTHOR_MAIL, &when)?, Signature::new(AUTHOR, AUTHOR_MAIL, &when)?);
    let message = message.replace('\0', "");
    let tree = repository.find_tree(tree)?;
    let parents = parents.iter().map(|id| repository.find_commit(*id)).collect::<Result<Vec<_>, _>>()?;
    let parents: Vec<_> = parents.iter().collect();
    Ok(repository.commit(None, &author, &committer, &message, &tree, &parents)?)
}

/// Whether the engine made this commit, on its own or for an agent.
pub(super) fn is_ours(commit: &Commit<'_>) -> bool {
    commit.committer().email_bytes() == AUTHOR_MAIL.as_bytes()
}

/// The commit that `text` names in hexadecimal.
pub(super) fn commit_named(repository: &Repository, text: &str) -> Result<Oid, Error> {
    let missing = || Error::NoSuchCommit(text.to_owned());
    let id = Oid::from_str(text).map_err(|_| missing())?;
    Ok(repository.find_commit(id).map_err(|_| missing())?.id())
}

/// Where the reference is now; `None` when there is none.
pub(super) fn target_of(repository: &Repository, name: &str) -> Result<Option<Oid>, Error> {
    match repository.find_reference(name) {
        Ok(reference) => Ok(Some(reference.peel_to_commit()?.id())),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Moves a reference of ours by compare-and-swap and makes it durable; `from` is `None` when there must be none yet.
/// Says whether it was moved: if not, somebody else was faster.
pub(super) fn move_ref(repository: &Repository, name: &str, from: Option<Oid>, to: Oid) -> Result<bool, Error> {
    let swap = || swap_ref(repository, name, from, to);
    let moved = past_stale_lock(repository, name, swap)?;
    if moved {
        sync_ref(repository, name)?;
    }
    Ok(moved)
}

/// The compare-and-swap alone; a locked reference is an error.
pub(super) fn swap_ref(repository: &Repository, name: &str, from: Option<Oid>, to: Oid) -> Result<bool, git2::Error> {
    match repository.reference_matching(name, to, true, from.unwrap_or(Oid::ZERO_SHA1), "wfctl") {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.code(), ErrorCode::Modified | ErrorCode::Exists | ErrorCode::NotFound) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Makes a reference survive a power cut: libgit2 renames it into place without a sync.
pub(super) fn sync_ref(repository: &Repository, name: &str) -> Result<(), Error> {
    let path = repository.commondir().join(name);
    match File::open(&path) {
        Ok(file) => file.sync_all().at(&path)?,
        // Packed in the meantime, by a git that syncs.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).at(&path),
    }
    let top = repository.commondir().join("refs");
    for folder in path.ancestors().skip(1).take_while(|folder| folder.starts_with(&top)) {
        files::sync_dir(folder).at(folder)?;
    }
    Ok(())
}

/// Whether a work tree, the user's or any other, has the branch checked out or is in the middle of rebasing it: then moving
/// it would make that work tree's files look changed.
pub(super) fn is_checked_out(repository: &Repository, branch: &str) -> bool {
    let common = repository.commondir();
    let others = std::fs::read_dir(common.join("worktrees")).into_iter().flatten().flatten().map(|entry| entry.path());
    let holds = |file: &Path| {
        let text = files::read_bounded(file, limits::SMALL_FILE_BYTES).unwrap_or_default();
        let text = text.strip_prefix(b"ref: ").unwrap_or(&text).trim_ascii();
        text == branch.as_bytes() || branch.as_bytes().strip_prefix(b"refs/heads/") == Some(text)
    };
    std::iter::once(common.to_owned()).chain(others).any(|admin| {
        ["HEAD", "rebase-merge/head-name", "rebase-apply/head-name", "BISECT_START"]
            .iter()
            .any(|file| holds(&admin.join(file)))
    })
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
