//! What tools do with a repository by name: make one, branch, merge, commit where its HEAD is. No hook, filter or program of a
//! repository's configuration is run, and nothing is sent anywhere.

use std::path::{Path, PathBuf};

use git2::build::CheckoutBuilder;
use git2::{BranchType, Commit, ErrorCode, Index, Oid, Reference, Repository, RepositoryInitOptions, Signature, Time};

use super::checkpoint::sync_objects;
use super::error::Error;
use super::repo::{create_ref, open};
use super::scan::{Objects, scan};
use super::threeway::{self, Merge};
use crate::domain::time::Millis;

/// Branches that are the engine's own.
const OURS: &str = "ai/generated/";
/// Most branches that are listed.
const LISTED: usize = 500;

/// What a merge of a revision into files came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntoFiles {
    /// The tree of the merged files, durable.
    Tree(String),
    /// The paths that both sides changed differently.
    Conflict(Vec<String>),
}

/// Makes a repository in `folder`, whose first branch will be `branch`; `false`: it is in one already.
pub fn init(folder: &Path, branch: &str) -> Result<bool, Error> {
    match open(folder) {
        Ok(_) => return Ok(false),
        Err(Error::NoRepository(_)) => {}
        Err(error) => return Err(error),
    }
    valid(branch)?;
    // Without the templates of this machine, which may bring hooks.
    Repository::init_opts(folder, RepositoryInitOptions::new().initial_head(branch).external_template(false))?;
    Ok(true)
}

/// The local branches: name, commit, whether HEAD is on it.
pub fn branches_of(root: &Path) -> Result<Vec<(String, String, bool)>, Error> {
    let repository = open(root)?;
    let mut branches = Vec::new();
    for branch in repository.branches(Some(BranchType::Local))?.take(LISTED) {
        let (branch, _) = branch?;
        let name = String::from_utf8_lossy(branch.name_bytes()?).into_owned();
        let Ok(commit) = branch.get().peel_to_commit() else { continue };
        branches.push((name, commit.id().to_string(), branch.is_head()));
    }
    Ok(branches)
}

/// Creates a branch at `from` (HEAD when `None`) and gives its commit; one that is just there is fine.
pub fn create_branch(root: &Path, name: &str, from: Option<&str>) -> Result<String, Error> {
    valid(name)?;
    if name.starts_with(OURS) {
        return Err(Error::Refused(format!("branches below {OURS} are made by wfctl itself")));
    }
    let repository = open(root)?;
    let commit = named(&repository, from.unwrap_or("HEAD"))?.id();
    create_ref(&repository, &format!("refs/heads/{name}"), commit)?;
    Ok(commit.to_string())
}

/// The names of the remotes.
pub fn remotes(root: &Path) -> Result<Vec<String>, Error> {
    let repository = open(root)?;
    let names = repository.remotes()?;
    let names =
        (0..names.len()).filter_map(|at| names.get_bytes(at)).map(|name| String::from_utf8_lossy(name).into_owned());
    Ok(names.collect())
}

/// Merges `revision` into files whose tree is `ours`, in the worktree at `root`. Nothing but objects is written.
pub fn merge_into(root: &Path, ours: &str, revision: &str) -> Result<IntoFiles, Error> {
    let repository = open(root)?;
    let ours = super::branches::tree_named(&repository, ours)?;
    let (head, theirs) = (named(&repository, "HEAD")?, named(&repository, revision)?);
    let base = threeway::only_base(&repository, head.id(), theirs.id())?;
    let base = base.ok_or_else(|| Error::Refused(format!("{revision} has no one commit in common with HEAD")))?;
    let base = repository.find_commit(base)?.tree_id();
    match threeway::trees(&repository, base, ours, theirs.tree_id())? {
        Merge::Clean(tree) => {
            sync_objects(&repository, &threeway::added(&repository, tree, &[ours, theirs.tree_id()])?)?;
            Ok(IntoFiles::Tree(tree.to_string()))
        }
        Merge::Conflict(paths) => Ok(IntoFiles::Conflict(paths)),
    }
}

/// Commits all files of the worktree at `root` where HEAD is. What HEAD has already, with this message, is that commit.
pub fn commit_here(root: &Path, message: &str, time: Millis) -> Result<String, Error> {
    let repository = open(root)?;
    let head = match repository.head() {
        Ok(head) => Some(head.peel_to_commit()?),
        Err(error) if matches!(error.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => None,
        Err(error) => return Err(error.into()),
    };
    let tree = files_of(&repository, root, head.as_ref())?;
    let message = format!("{}\n", message.trim().replace('\0', ""));
    if let Some(head) = head.as_ref().filter(|head| head.tree_id() == tree) {
        if head.message_bytes() == message.as_bytes() {
            return Ok(head.id().to_string());
        }
        return Err(Error::Refused("nothing is changed since the last commit".to_owned()));
    }
    let parents: Vec<&Commit<'_>> = head.iter().collect();
    let id = commit(&repository, tree, &message, &parents, time)?;
    // The index of the person's checkout follows, or git would show the commit taken back.
    let mut index = repository.index()?;
    index.read_tree(&repository.find_tree(tree)?)?;
    index.write()?;
    Ok(id.to_string())
}

/// Merges `revision` into what HEAD of the worktree at `root` is on, and says what came of it. There must be no changes.
pub fn merge_here(root: &Path, revision: &str, time: Millis) -> Result<String, Error> {
    let repository = open(root)?;
    let (head, theirs) = (named(&repository, "HEAD")?, named(&repository, revision)?);
    if files_of(&repository, root, Some(&head))? != head.tree_id() {
        return Err(Error::Refused("there are changes that are not committed; commit them first".to_owned()));
    }
    let has = |of: &Commit<'_>, other: &Commit<'_>| {
        Ok::<_, Error>(of.id() == other.id() || repository.graph_descendant_of(of.id(), other.id())?)
    };
    if has(&head, &theirs)? {
        return Ok(format!("{revision} is in HEAD already"));
    }
    let forward = has(&theirs, &head)?;
    let tree = match forward {
        true => theirs.tree_id(),
        false => match threeway::commits(&repository, head.id(), theirs.id())? {
            Merge::Clean(tree) => tree,
            Merge::Conflict(paths) => return Err(Error::Conflict(paths)),
        },
    };
    let object = repository.find_object(tree, None)?;
    repository.checkout_tree(&object, Some(CheckoutBuilder::new().safe().disable_filters(true)))?;
    let id = match forward {
        true => {
            move_head(&repository, theirs.id())?;
            theirs.id()
        }
        false => commit(&repository, tree, &format!("Merge {revision}\n"), &[&head, &theirs], time)?,
    };
    Ok(format!("merged {revision}: HEAD is {id}"))
}

fn move_head(repository: &Repository, to: Oid) -> Result<(), Error> {
    match repository.head_detached()? {
        true => repository.set_head_detached(to)?,
        false => drop(repository.head()?.set_target(to, "wfctl: merge")?),
    }
    Ok(())
}

/// The tree of the files of a worktree, ignored ones left out; its objects are durable.
fn files_of(repository: &Repository, root: &Path, head: Option<&Commit<'_>>) -> Result<Oid, Error> {
    let top: PathBuf =
        root.ancestors().find(|folder| folder.join(".git").symlink_metadata().is_ok()).unwrap_or(root).to_owned();
    let mut known = Index::new()?;
    if let Some(head) = head {
        known.read_tree(&head.tree()?)?;
    }
    let scan = scan(repository, &top, &known, 0, Objects::Write)?;
    let mut index = Index::new()?;
    for entry in &scan.entries {
        index.add(entry)?;
    }
    let tree = index.write_tree_to(repository)?;
    let mut new = scan.written;
    let before: Vec<Oid> = head.map(|head| head.tree_id()).into_iter().collect();
    new.extend(threeway::added(repository, tree, &before)?);
    sync_objects(repository, &new)?;
    Ok(tree)
}

/// A commit on HEAD, by whom the configuration names.
fn commit(
    repository: &Repository,
    tree: Oid,
    message: &str,
    parents: &[&Commit<'_>],
    time: Millis,
) -> Result<Oid, Error> {
    let when = Time::new(i64::try_from(time.0 / 1000).unwrap_or(i64::MAX), 0);
    let signature = match repository.signature() {
        Ok(known) => Signature::new(
            &String::from_utf8_lossy(known.name_bytes()),
            &String::from_utf8_lossy(known.email_bytes()),
            &when,
        )?,
        Err(_) => Signature::new("wfctl", "wfctl@localhost", &when)?,
    };
    let tree = repository.find_tree(tree)?;
    let id = repository.commit(Some("HEAD"), &signature, &signature, message, &tree, parents)?;
    sync_objects(repository, &[id])?;
    Ok(id)
}

/// The commit that a revision names.
fn named<'r>(repository: &'r Repository, revision: &str) -> Result<Commit<'r>, Error> {
    let found = repository.revparse_single(revision).and_then(|object| object.peel_to_commit());
    found.map_err(|_| Error::NoSuchCommit(revision.to_owned()))
}

fn valid(branch: &str) -> Result<(), Error> {
    match Reference::is_valid_name(&format!("refs/heads/{branch}")) {
        true => Ok(()),
        false => Err(Error::Refused(format!("{branch:?} is no name of a branch"))),
    }
}
