//! Repositories for the tests of other rooms, which know no git.

use std::path::Path;

use git2::{IndexAddOption, Repository, Signature, Time};

/// Commits everything in `dir`, ignored files too, on HEAD; a repository is made there when there is none.
pub(crate) fn commit_all(dir: &Path, message: &str) {
    let repository = Repository::open(dir).or_else(|_| Repository::init(dir)).unwrap();
    let mut index = repository.index().unwrap();
    index.add_all(["*"], IndexAddOption::FORCE, None).unwrap();
    index.update_all(["*"], None).unwrap();
    index.write().unwrap();
    let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
    let author = Signature::new("a", "a@b", &Time::new(1, 0)).unwrap();
    let parent = repository.head().ok().map(|head| head.peel_to_commit().unwrap());
    let parents: Vec<_> = parent.iter().collect();
    repository.commit(Some("HEAD"), &author, &author, message, &tree, &parents).unwrap();
}

/// A commit of these files alone, whose parent `revision` names; no branch is moved.
pub(crate) fn commit_on(dir: &Path, revision: &str, files: &[(&str, &str)]) -> String {
    let repository = Repository::open(dir).unwrap();
    let mut builder = repository.treebuilder(None).unwrap();
    for (name, content) in files {
        builder.insert(name, repository.blob(content.as_bytes()).unwrap(), 0o100_644).unwrap();
    }
    let tree = repository.find_tree(builder.write().unwrap()).unwrap();
    let author = Signature::new("a", "a@b", &Time::new(1, 0)).unwrap();
    let parent = repository.revparse_single(revision).unwrap().peel_to_commit().unwrap();
    repository.commit(None, &author, &author, "other", &tree, &[&parent]).unwrap().to_string()
}
