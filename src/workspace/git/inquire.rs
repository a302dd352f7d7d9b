//! Questions about a repository that change nothing: which files two trees differ in, the tree of a commit, the branch that the
//! user is on.

use std::path::Path;

use git2::{BranchType, Delta, ErrorCode, Oid};

use super::error::Error;
use super::repo::{commit_named, open};

/// The modes of plain files; links and submodules are none. Source: git's modes of tree entries.
const PLAIN: [i32; 2] = [0o100_644, 0o100_755];

/// The files that differ between two trees, sorted; bytes that are no UTF-8 are replaced.
pub fn changed_files(dir: &Path, from: &str, to: &str) -> Result<Vec<String>, Error> {
    if from == to {
        return Ok(Vec::new());
    }
    let repository = open(dir)?;
    let (from, to) = (repository.find_tree(Oid::from_str(from)?)?, repository.find_tree(Oid::from_str(to)?)?);
    let diff = repository.diff_tree_to_tree(Some(&from), Some(&to), None)?;
    let path = |delta: git2::DiffDelta<'_>| {
        let file = if delta.status() == Delta::Deleted { delta.old_file() } else { delta.new_file() };
        file.path_bytes().map(|path| String::from_utf8_lossy(path).into_owned())
    };
    let mut paths: Vec<String> = diff.deltas().filter_map(path).collect();
    paths.sort_unstable();
    Ok(paths)
}

/// Shows each file of the tree `to` that is not the same in `from`; larger ones than `most` bytes are left out.
pub fn visit_changed(
    dir: &Path,
    from: &str,
    to: &str,
    most: u64,
    mut visit: impl FnMut(&str, &[u8]),
) -> Result<(), Error> {
    if from == to {
        return Ok(());
    }
    let repository = open(dir)?;
    let (from, to) = (repository.find_tree(Oid::from_str(from)?)?, repository.find_tree(Oid::from_str(to)?)?);
    let diff = repository.diff_tree_to_tree(Some(&from), Some(&to), None)?;
    for delta in diff.deltas().filter(|delta| delta.status() != Delta::Deleted) {
        let file = delta.new_file();
        // A submodule is no blob.
        let blob = repository.find_blob(file.id()).ok().filter(|blob| blob.size() as u64 <= most);
        if let (Some(path), Some(blob)) = (file.path_bytes(), blob) {
            visit(&String::from_utf8_lossy(path), blob.content());
        }
    }
    Ok(())
}

/// The tree of a commit.
pub fn tree_of(dir: &Path, commit: &str) -> Result<String, Error> {
    let repository = open(dir)?;
    let commit = commit_named(&repository, commit)?;
    Ok(repository.find_commit(commit)?.tree_id().to_string())
}

/// A plain file of a commit, of at most `most` bytes.
pub fn file_at(dir: &Path, commit: &str, path: &str, most: u64) -> Result<Option<Vec<u8>>, Error> {
    let repository = open(dir)?;
    let tree = repository.find_commit(commit_named(&repository, commit)?)?.tree()?;
    let entry = match tree.get_path(Path::new(path)) {
        Ok(entry) => entry,
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if !PLAIN.contains(&entry.filemode()) {
        return Ok(None);
    }
    let (size, _) = repository.odb()?.read_header(entry.id())?;
    Ok(if size as u64 <= most { Some(repository.find_blob(entry.id())?.content().to_vec()) } else { None })
}

/// The plain files directly in a folder of a commit, by name, with their contents. Errors: more than `most_files` of them, or one
/// with more than `most_bytes`. A name that is no UTF-8 is none that anybody asks for.
pub fn files_below(
    dir: &Path,
    commit: &str,
    folder: &str,
    most_files: usize,
    most_bytes: u64,
) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let repository = open(dir)?;
    let tree = repository.find_commit(commit_named(&repository, commit)?)?.tree()?;
    let inner = match tree.get_path(Path::new(folder)) {
        Ok(entry) if entry.kind() == Some(git2::ObjectType::Tree) => repository.find_tree(entry.id())?,
        Ok(_) => return Ok(Vec::new()),
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut files = Vec::new();
    for entry in inner.iter().filter(|entry| PLAIN.contains(&entry.filemode())) {
        let Ok(name) = entry.name() else { continue };
        if files.len() == most_files {
            return Err(Error::Bound(format!("{folder} has more than {most_files} files")));
        }
        let (size, _) = repository.odb()?.read_header(entry.id())?;
        if size as u64 > most_bytes {
            return Err(Error::Bound(format!("{folder}/{name} has more than {most_bytes} bytes")));
        }
        files.push((name.to_owned(), repository.find_blob(entry.id())?.content().to_vec()));
    }
    Ok(files)
}

/// The branch that the user's checkout is on.
pub fn checked_out_branch(dir: &Path) -> Result<String, Error> {
    let repository = open(dir)?;
    let head = repository.find_reference("HEAD")?;
    let target = head.symbolic_target_bytes().map(|name| String::from_utf8_lossy(name).into_owned());
    let branch = target.as_deref().and_then(|name| name.strip_prefix("refs/heads/")).map(str::to_owned);
    branch.ok_or(Error::NoBranch)
}

/// Whether something can land on `into`: a branch that exists; empty: the one that the checkout is on.
pub fn landing(dir: &Path, into: &str) -> Result<(), Error> {
    if into.is_empty() {
        return checked_out_branch(dir).map(|_| ());
    }
    match open(dir)?.find_branch(into, BranchType::Local) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.code(), ErrorCode::NotFound | ErrorCode::InvalidSpec) => {
            Err(Error::NoSuchBranch(into.to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}
