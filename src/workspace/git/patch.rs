//! What two states of a repository differ in, as text for people: bounded, and without touching any file of theirs.

use std::path::Path;

use git2::{Delta, Diff, DiffFindOptions, DiffOptions, Oid, Patch, Repository};

use super::error::Error;
use super::repo::{commit_named, open};
use crate::domain::limits;

/// The files that differ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compared {
    /// In path order.
    pub files: Vec<ComparedFile>,
    /// There are more, or the texts of some are left out.
    pub truncated: bool,
}

/// One file that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedFile {
    /// Its path; bytes that are no UTF-8 are replaced.
    pub path: String,
    /// Its path before, when it was another one.
    pub old_path: Option<String>,
    /// `added`, `modified`, `deleted` or `renamed`.
    pub status: &'static str,
    /// It is no text, or too large to be compared.
    pub binary: bool,
    /// Lines that are new.
    pub additions: usize,
    /// Lines that are gone.
    pub deletions: usize,
    /// In the unified format, with its head; `None` for what is no text and when there was no room for it.
    pub patch: Option<String>,
}

/// Compares two trees.
pub(super) fn compare(repository: &Repository, from: Oid, to: Oid) -> Result<Compared, Error> {
    if from == to {
        return Ok(Compared::default());
    }
    let (from, to) = (repository.find_tree(from)?, repository.find_tree(to)?);
    let mut options = DiffOptions::new();
    options.context_lines(3).max_size(limits::DIFF_FILE_BYTES).ignore_submodules(true);
    let mut diff = repository.diff_tree_to_tree(Some(&from), Some(&to), Some(&mut options))?;
    diff.find_similar(Some(DiffFindOptions::new().renames(true).rename_limit(200)))?;
    told(&diff)
}

/// Compares a commit with the one that it was made from; the first with nothing.
pub fn compare_commit(dir: &Path, commit: &str) -> Result<Compared, Error> {
    let repository = open(dir)?;
    let commit = repository.find_commit(commit_named(&repository, commit)?)?;
    let before = match commit.parent_ids().next() {
        Some(parent) => repository.find_commit(parent)?.tree_id(),
        None => repository.treebuilder(None)?.write()?,
    };
    compare(&repository, before, commit.tree_id())
}

fn told(diff: &Diff<'_>) -> Result<Compared, Error> {
    let mut compared = Compared::default();
    let mut room = limits::DIFF_BYTES;
    for at in 0..diff.deltas().len() {
        if compared.files.len() == limits::DIFF_FILES {
            compared.truncated = true;
            break;
        }
        let Some(delta) = diff.get_delta(at) else { continue };
        let text = |path: Option<&[u8]>| path.map(|path| String::from_utf8_lossy(path).into_owned());
        let (old, new) = (text(delta.old_file().path_bytes()), text(delta.new_file().path_bytes()));
        let status = match delta.status() {
            Delta::Added | Delta::Copied => "added",
            Delta::Deleted => "deleted",
            Delta::Renamed => "renamed",
            _ => "modified",
        };
        let patch = Patch::from_diff(diff, at)?;
        // Only known once it was looked at.
        let binary = diff.get_delta(at).is_some_and(|delta| delta.flags().is_binary());
        let (mut additions, mut deletions, mut shown) = (0, 0, None);
        if let Some(mut patch) = patch.filter(|_| !binary) {
            (_, additions, deletions) = patch.line_stats()?;
            let whole = patch.to_buf()?;
            if whole.len() <= room {
                room -= whole.len();
                shown = Some(String::from_utf8_lossy(&whole).into_owned());
            } else {
                compared.truncated = true;
            }
        }
        let path = if status == "deleted" { old.clone().or(new) } else { new.or_else(|| old.clone()) };
        compared.files.push(ComparedFile {
            path: path.unwrap_or_default(),
            old_path: old.filter(|_| status == "renamed"),
            status,
            binary,
            additions,
            deletions,
            patch: shown,
        });
    }
    Ok(compared)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(repository: &Repository, files: &[(&str, &[u8])]) -> Oid {
        let mut builder = repository.treebuilder(None).unwrap();
        for (name, content) in files {
            builder.insert(name, repository.blob(content).unwrap(), 0o100_644).unwrap();
        }
        builder.write().unwrap()
    }

    #[test]
    fn each_kind_of_change_is_told_with_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init(folder.path()).unwrap();
        let long: String = (0..40).map(|n| format!("line {n}\n")).collect();
        let old = [("a", b"one\n".as_slice()), ("gone", b"x\n"), ("moved", long.as_bytes()), ("same", b"s")];
        let new = [("a", b"two\n".as_slice()), ("bin", b"\0\x01"), ("renamed", long.as_bytes()), ("same", b"s")];
        let compared = compare(&repository, tree(&repository, &old), tree(&repository, &new)).unwrap();
        let lines: Vec<_> = compared.files.iter().map(|file| (file.path.as_str(), file.status, file.binary)).collect();
        let expected = [
            ("a", "modified", false),
            ("bin", "added", true),
            ("gone", "deleted", false),
            ("renamed", "renamed", false),
        ];
        assert_eq!(lines, expected);
        let a = &compared.files[0];
        assert_eq!((a.additions, a.deletions), (1, 1));
        assert!(a.patch.as_deref().unwrap().contains("-one\n+two\n"));
        assert_eq!(compared.files[3].old_path.as_deref(), Some("moved"));
        assert!(!compared.truncated);
    }

    #[test]
    fn one_file_past_the_bound_is_left_out_and_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init(folder.path()).unwrap();
        let names: Vec<String> = (0..=limits::DIFF_FILES).map(|n| format!("f{n:05}")).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"x".as_slice())).collect();
        let compared = compare(&repository, tree(&repository, &[]), tree(&repository, &files)).unwrap();
        assert_eq!((compared.files.len(), compared.truncated), (limits::DIFF_FILES, true));
    }
}
