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
