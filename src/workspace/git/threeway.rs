//! One three-way merge of trees in the object store, without a work tree and without an index where none is needed.
//!
//! libgit2's own merge walks every file of three trees and writes every folder of the result. Here only what differs is
//! visited: a folder that one side left alone is taken whole from the other. Whatever is not plain (one side removed what the
//! other changed, both added or removed one name, a file met a folder, the texts overlap) is given to libgit2 with its
//! detection of renames, so that there is one opinion about what a conflict is. Attributes and drivers are not asked.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use git2::{Index, MergeFileInput, MergeOptions, Oid, Repository, Tree};

use super::error::Error;
use super::scan::{MODE_EXECUTABLE, MODE_FILE};

/// The mode of a folder in a tree.
const MODE_TREE: u32 = 0o040_000;

/// What came out of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Merge {
    /// The tree with both sides' changes.
    Clean(Oid),
    /// The paths that both sides changed differently, sorted.
    Conflict(Vec<String>),
}

/// Merges two commits over what they have in common.
pub(super) fn commits(repository: &Repository, ours: Oid, theirs: Oid) -> Result<Merge, Error> {
    if let Some(base) = only_base(repository, ours, theirs)? {
        let tree_of = |id: Oid| Ok::<_, Error>(repository.find_commit(id)?.tree_id());
        return trees(repository, tree_of(base)?, tree_of(ours)?, tree_of(theirs)?);
    }
    outcome(repository, commits_index(repository, ours, theirs)?)
}

/// Merges two trees over `base`.
pub(super) fn trees(repository: &Repository, base: Oid, ours: Oid, theirs: Oid) -> Result<Merge, Error> {
    match (Descent { repository }).merge(Some(base), ours, theirs)? {
        Some(tree) => Ok(Merge::Clean(tree)),
        None => {
            let (base, ours, theirs) =
                (repository.find_tree(base)?, repository.find_tree(ours)?, repository.find_tree(theirs)?);
            outcome(repository, repository.merge_trees(&base, &ours, &theirs, Some(&options()))?)
        }
    }
}

/// The merge of two commits as libgit2's index, conflicts included.
pub(super) fn commits_index(repository: &Repository, ours: Oid, theirs: Oid) -> Result<Index, Error> {
    let (ours, theirs) = (repository.find_commit(ours)?, repository.find_commit(theirs)?);
    Ok(repository.merge_commits(&ours, &theirs, Some(&options()))?)
}

/// The only nearest common ancestor; `None` when there is none or more than one.
pub(super) fn only_base(repository: &Repository, ours: Oid, theirs: Oid) -> Result<Option<Oid>, Error> {
    match repository.merge_bases(ours, theirs) {
        Ok(bases) if bases.len() == 1 => Ok(bases.first().copied()),
        Ok(_) => Ok(None),
        Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The paths of the conflicts in `index`, sorted.
pub(super) fn conflicts(index: &Index) -> Result<Vec<String>, Error> {
    let mut paths = Vec::new();
    for conflict in index.conflicts()? {
        let conflict = conflict?;
        let side = conflict.our.or(conflict.their).or(conflict.ancestor);
        paths.extend(side.map(|entry| String::from_utf8_lossy(&entry.path).into_owned()));
    }
    paths.sort_unstable();
    paths.dedup();
    Ok(paths)
}

/// The objects of `tree` that are in none of the trees `known` at the same place: what a merge or a step added.
pub(super) fn added(repository: &Repository, tree: Oid, known: &[Oid]) -> Result<Vec<Oid>, Error> {
    let mut found = Vec::new();
    let mut open = vec![(tree, known.to_vec())];
    while let Some((id, known)) = open.pop() {
        if known.contains(&id) {
            continue;
        }
        found.push(id);
        let known = known.into_iter().map(|id| repository.find_tree(id)).collect::<Result<Vec<_>, _>>()?;
        for entry in repository.find_tree(id)?.iter() {
            let before: Vec<Entry> = known.iter().filter_map(|tree| entry_of(Some(tree), entry.name_bytes())).collect();
            if before.iter().any(|known| known.id == entry.id()) {
                continue;
            }
            if is_folder(entry.filemode_raw()) {
                let folders = before.into_iter().filter(|entry| is_folder(entry.mode));
                open.push((entry.id(), folders.map(|entry| entry.id).collect()));
            } else if entry.kind() == Some(git2::ObjectType::Blob) {
                found.push(entry.id());
            }
        }
    }
    Ok(found)
}

fn options() -> MergeOptions {
    let mut options = MergeOptions::new();
    options.find_renames(true).skip_reuc(true);
    options
}

fn outcome(repository: &Repository, mut index: Index) -> Result<Merge, Error> {
    if index.has_conflicts() {
        return Ok(Merge::Conflict(conflicts(&index)?));
    }
    Ok(Merge::Clean(index.write_tree_to(repository)?))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    id: Oid,
    mode: i32,
}

fn entry_of(tree: Option<&Tree<'_>>, name: &[u8]) -> Option<Entry> {
    tree?.get_name_bytes(name).map(|entry| Entry { id: entry.id(), mode: entry.filemode_raw() })
}

fn is_folder(mode: i32) -> bool {
    mode.cast_unsigned() == MODE_TREE
}

fn is_file(mode: i32) -> bool {
    matches!(mode.cast_unsigned(), MODE_FILE | MODE_EXECUTABLE)
}

/// What becomes of one name.
enum Verdict {
    /// As our side has it.
    Ours,
    /// This instead; `None` removes it.
    Set(Option<Entry>),
    /// Not plain: libgit2 is asked about the whole merge.
    Unclear,
}

struct Descent<'r> {
    repository: &'r Repository,
}

impl Descent<'_> {
    /// The merged tree, or `None` when it is not plain.
    fn merge(&self, base: Option<Oid>, ours: Oid, theirs: Oid) -> Result<Option<Oid>, Error> {
        if ours == theirs || base == Some(theirs) {
            return Ok(Some(ours));
        }
        if base == Some(ours) {
            return Ok(Some(theirs));
        }
        let base = base.map(|id| self.repository.find_tree(id)).transpose()?;
        let (ours, theirs) = (self.repository.find_tree(ours)?, self.repository.find_tree(theirs)?);
        let mut edits: Vec<(Vec<u8>, Option<Entry>)> = Vec::new();
        let removed =
            base.iter().flat_map(Tree::iter).filter(|entry| theirs.get_name_bytes(entry.name_bytes()).is_none());
        for entry in theirs.iter().chain(removed) {
            let name = entry.name_bytes();
            let (before, their) = (entry_of(base.as_ref(), name), entry_of(Some(&theirs), name));
            if before == their {
                continue;
            }
            match self.name(before, entry_of(Some(&ours), name), their)? {
                Verdict::Ours => {}
                Verdict::Set(entry) => edits.push((name.to_vec(), entry)),
                Verdict::Unclear => return Ok(None),
            }
        }
        let mut builder = self.repository.treebuilder(Some(&ours))?;
        for (name, entry) in edits {
            let name = OsStr::from_bytes(&name);
            match entry {
                Some(entry) => drop(builder.insert(name, entry.id, entry.mode)?),
                None => builder.remove(name)?,
            }
        }
        Ok(Some(builder.write()?))
    }

    /// One name that their side changed.
    fn name(&self, base: Option<Entry>, our: Option<Entry>, their: Option<Entry>) -> Result<Verdict, Error> {
        if our == base {
            return Ok(Verdict::Set(their));
        }
        // What both removed, both may have moved, each to another place.
        let (Some(our), Some(their)) = (our, their) else { return Ok(Verdict::Unclear) };
        if our == their {
            return Ok(Verdict::Ours);
        }
        if is_folder(our.mode) && is_folder(their.mode) && base.is_none_or(|base| is_folder(base.mode)) {
            let Some(id) = self.merge(base.map(|base| base.id), our.id, their.id)? else { return Ok(Verdict::Unclear) };
            let is_empty = self.repository.find_tree(id)?.is_empty();
            return Ok(Verdict::Set((!is_empty).then_some(Entry { id, mode: our.mode })));
        }
        match base {
            Some(base) if [base, our, their].iter().all(|entry| is_file(entry.mode)) => self.file(base, our, their),
            Some(_) | None => Ok(Verdict::Unclear),
        }
    }

    /// One file that both sides changed.
    fn file(&self, base: Entry, our: Entry, their: Entry) -> Result<Verdict, Error> {
        let mode = if our.mode == base.mode { their.mode } else { our.mode };
        let id = if our.id == base.id || our.id == their.id {
            their.id
        } else if their.id == base.id {
            our.id
        } else {
            let blob = |entry: Entry| self.repository.find_blob(entry.id);
            let (base, our, their) = (blob(base)?, blob(our)?, blob(their)?);
            let (mut from, mut left, mut right) = (MergeFileInput::new(), MergeFileInput::new(), MergeFileInput::new());
            from.content(base.content());
            left.content(our.content());
            right.content(their.content());
            if our.is_binary() || their.is_binary() {
                return Ok(Verdict::Unclear);
            }
            let merged = git2::merge_file(&from, &left, &right, None)?;
            if !merged.is_automergeable() {
                return Ok(Verdict::Unclear);
            }
            self.repository.blob(merged.content())?
        };
        Ok(Verdict::Set(Some(Entry { id, mode })))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Files = BTreeMap<&'static str, (Vec<u8>, i32)>;

    const PLACES: [&str; 8] = ["a", "b", "d/a", "d/b", "d/e/a", "d/e/b", "f", "f/g"];
    const TEXTS: [&str; 6] = ["", "1\n2\n3\n4\n5\n", "x\n2\n3\n4\n5\n", "1\n2\n3\n4\ny\n", "x\n2\n3\n4\ny\n", "\0"];

    fn tree(repository: &Repository, files: &Files) -> Oid {
        let mut index = Index::new().unwrap();
        for (path, (content, mode)) in files {
            let mut entry = crate::workspace::git::conflict::blank(path.as_bytes());
            (entry.id, entry.mode) = (repository.blob(content).unwrap(), mode.cast_unsigned());
            index.add(&entry).unwrap();
        }
        index.write_tree_to(repository).unwrap()
    }

    /// Files that do not stand in for folders of others.
    fn files() -> impl Strategy<Value = Files> {
        let mode = prop_oneof![5 => Just(0o100_644), 1 => Just(0o100_755), 1 => Just(0o120_000), 1 => Just(0o160_000)];
        let one = (0..PLACES.len(), 0..TEXTS.len(), mode);
        proptest::collection::vec(one, 0..8).prop_map(|all| {
            let mut files = Files::new();
            for (place, text, mode) in all {
                files.insert(PLACES[place], (TEXTS[text].as_bytes().to_vec(), mode));
            }
            if files.contains_key("f") {
                files.remove("f/g");
            }
            files
        })
    }

    /// A few changes of `base`: whole random trees would nearly always conflict.
    fn changed(base: &Files, by: &Files, kept: u8) -> Files {
        let mut files = base.clone();
        for (at, place) in PLACES.iter().enumerate() {
            if kept & (1 << at) == 0 {
                match by.get(place) {
                    Some(file) => drop(files.insert(place, file.clone())),
                    None => drop(files.remove(place)),
                }
            }
        }
        if files.contains_key("f") {
            files.remove("f/g");
        }
        files
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn what_is_plain_is_merged_as_libgit2_merges_it(
            base in files(), one in files(), two in files(), kept_one: u8, kept_two: u8,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let repository = Repository::init_bare(folder.path()).unwrap();
            let (ours, theirs) = (changed(&base, &one, kept_one), changed(&base, &two, kept_two));
            let ids = [&base, &ours, &theirs].map(|files| tree(&repository, files));
            let found = (Descent { repository: &repository }).merge(Some(ids[0]), ids[1], ids[2]).unwrap();
            let [base, ours, theirs] = ids.map(|id| repository.find_tree(id).unwrap());
            let index = repository.merge_trees(&base, &ours, &theirs, Some(&options())).unwrap();
            if let Some(found) = found {
                // Where both sides have the same new file and one of them took it from a file that it removed, libgit2 sees a
                // conflict of a rename with an addition; without looking for renames it agrees.
                let mut without_renames = MergeOptions::new();
                without_renames.find_renames(false);
                let plain = repository.merge_trees(&base, &ours, &theirs, Some(&without_renames)).unwrap();
                let outcomes = [outcome(&repository, index).unwrap(), outcome(&repository, plain).unwrap()];
                prop_assert!(outcomes.contains(&Merge::Clean(found)), "{found} is neither of {outcomes:?}");
                let new = added(&repository, found, &[ours.id(), theirs.id()]).unwrap();
                prop_assert_eq!(new.contains(&found), found != ours.id() && found != theirs.id());
            }
        }
    }
}
