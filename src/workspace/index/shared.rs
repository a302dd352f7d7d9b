//! Indexes that are asked for by many at once: agents that begin from the same tree share one.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Index, cache_file};
use crate::domain::limits;
use crate::workspace::files;

/// What an index is of: its repository, as the name of its cache, and the git tree.
type Of = (PathBuf, String);

/// Makes indexes, one at a time, and keeps the last ones.
#[derive(Debug)]
pub struct Indexes {
    folder: PathBuf,
    last: Mutex<VecDeque<(Of, Arc<Index>)>>,
}

impl Indexes {
    /// With its caches in `folder`, which is created when it is needed.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, last: Mutex::default() }
    }

    /// The index of the files at `root`, which are those of `tree` if that is known; an error says why there is none. Whoever
    /// comes while one is made waits: indexes of two trees of a repository have most of their work in common, and what was done
    /// for the first is in the cache. Blocks.
    pub fn of(&self, root: &Path, tree: Option<&str>) -> Result<Arc<Index>, String> {
        files::private_dir(&self.folder).map_err(|error| error.to_string())?;
        let cache = cache_file(&self.folder, root);
        let of = tree.map(|tree| (cache.clone(), tree.to_owned()));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let known = of.as_ref().and_then(|of| last.iter().find(|(known, _)| known == of));
        if let Some((_, index)) = known {
            return Ok(index.clone());
        }
        let made = Arc::new(Index::update(root, Some(&cache)).map_err(|error| error.to_string())?);
        if let Some(of) = of {
            last.truncate(limits::INDEXES_KEPT - 1);
            last.push_front((of, made.clone()));
        }
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_tree_is_indexed_once_and_only_the_last_ones_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("tree");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("a.rs"), "pub fn one() {}\n").unwrap();
        let indexes = Indexes::new(folder.path().join("indexes"));
        let of = |tree: Option<&str>| indexes.of(&root, tree).unwrap();
        let first = of(Some("t0"));
        assert!(Arc::ptr_eq(&first, &of(Some("t0"))));
        assert!(!Arc::ptr_eq(&first, &of(None)), "without a tree nobody knows whether it is the same");
        std::fs::write(root.join("b.rs"), "pub fn two() {}\n").unwrap();
        assert_eq!(of(Some("t1")).files.len(), 2);
        for tree in 2..limits::INDEXES_KEPT {
            of(Some(&format!("t{tree}")));
        }
        assert!(Arc::ptr_eq(&first, &of(Some("t0"))), "as many as are kept");
        of(Some("one more"));
        assert!(!Arc::ptr_eq(&first, &of(Some("t0"))), "one past the bound");
    }

    #[test]
    fn a_folder_that_is_not_there_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let indexes = Indexes::new(folder.path().join("indexes"));
        let missing = indexes.of(&folder.path().join("missing"), Some("t")).unwrap_err();
        assert!(missing.contains("cannot read the folder"), "{missing}");
    }
}
