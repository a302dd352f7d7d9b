//! How many files a tree stands for, found out without going through all of them: a tree that stands in several places is looked
//! at once.

use std::collections::HashMap;

use git2::{ObjectType, Oid, Repository};

use super::error::Error;
use crate::domain::limits;

/// Refuses a tree with more files than a checkpoint may have, or nested deeper.
pub(super) fn check(repository: &Repository, tree: Oid) -> Result<(), Error> {
    let files = Sizes { repository, known: HashMap::new() }.of(tree, 0)?.files;
    if files > limits::CHECKPOINT_FILES as u64 {
        return Err(Error::Bound(format!("it has more than {} files", limits::CHECKPOINT_FILES)));
    }
    Ok(())
}

/// What a tree holds.
#[derive(Clone, Copy)]
struct Size {
    files: u64,
    /// Folders in folders.
    height: usize,
}

struct Sizes<'r> {
    repository: &'r Repository,
    known: HashMap<Oid, Size>,
}

impl Sizes<'_> {
    fn of(&mut self, tree: Oid, depth: usize) -> Result<Size, Error> {
        let height_left = limits::TREE_DEPTH.saturating_sub(depth);
        let deep = || Error::Bound(format!("its folders nest deeper than {}", limits::TREE_DEPTH));
        if let Some(size) = self.known.get(&tree) {
            return if size.height > height_left { Err(deep()) } else { Ok(*size) };
        }
        let (mut files, mut height) = (0u64, 0);
        for entry in self.repository.find_tree(tree)?.iter() {
            if entry.kind() == Some(ObjectType::Tree) {
                if height_left == 0 {
                    return Err(deep());
                }
                let inner = self.of(entry.id(), depth + 1)?;
                files = files.saturating_add(inner.files);
                height = height.max(inner.height + 1);
            } else {
                files = files.saturating_add(1);
            }
        }
        let size = Size { files, height };
        self.known.insert(tree, size);
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree that names another one `times` times, and so on, `depth` times over one file.
    fn nested(repository: &Repository, times: usize, depth: usize) -> Oid {
        let blob = repository.blob(b"x").unwrap();
        let mut builder = repository.treebuilder(None).unwrap();
        builder.insert("f", blob, 0o100_644).unwrap();
        let mut tree = builder.write().unwrap();
        for _ in 0..depth {
            let mut builder = repository.treebuilder(None).unwrap();
            for name in 0..times {
                builder.insert(format!("d{name}"), tree, 0o040_000).unwrap();
            }
            tree = builder.write().unwrap();
        }
        tree
    }

    #[test]
    fn a_bomb_of_trees_is_refused_without_going_through_it() {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        let refused = check(&repository, nested(&repository, 10, 60)).unwrap_err();
        assert!(refused.to_string().contains("more than"), "{refused}");
        assert!(check(&repository, nested(&repository, 10, 2)).is_ok());
    }

    #[test]
    fn one_folder_past_the_bound_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        assert!(check(&repository, nested(&repository, 1, limits::TREE_DEPTH)).is_ok());
        let refused = check(&repository, nested(&repository, 1, limits::TREE_DEPTH + 1)).unwrap_err();
        assert!(refused.to_string().contains("nest deeper"), "{refused}");
    }
}
