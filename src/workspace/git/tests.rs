//! On real repositories in temporary folders.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::{Repository, Signature, Time};
use proptest::prelude::*;
use tempfile::TempDir;

use super::{Adoption, Error, Pools, Worktree, base_commit};
use crate::domain::effect::WorkspaceOrder;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::ProjectId;
use crate::domain::project::RecordedTree;
use crate::domain::time::Millis;
use crate::domain::workflow::WorkspaceKind;

struct Rig {
    folder: TempDir,
    pools: Arc<Pools>,
    base: String,
}

impl Rig {
    /// A repository with one commit of `files`; its configuration tries to change what is stored.
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("repo");
        let repository = Repository::init(&dir).unwrap();
        let mut config = repository.config().unwrap();
        config.set_str("core.autocrlf", "true").unwrap();
        config.set_str("core.hooksPath", "/bin/false").unwrap();
        for (path, content) in files {
            fs::create_dir_all(dir.join(path).parent().unwrap()).unwrap();
            fs::write(dir.join(path), content).unwrap();
        }
        config.set_str("core.autocrlf", "false").unwrap();
        let mut index = repository.index().unwrap();
        index.add_all(["*"], git2::IndexAddOption::FORCE, None).unwrap();
        index.write().unwrap();
        let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
        config.set_str("core.autocrlf", "true").unwrap();
        let author = Signature::new("a", "a@b", &Time::new(1, 0)).unwrap();
        let base = repository.commit(Some("HEAD"), &author, &author, "base", &tree, &[]).unwrap().to_string();
        Self { pools: Arc::new(Pools::new(&folder.path().join("home"))), folder, base }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    fn order(&self, trees: &[&str]) -> WorkspaceOrder {
        WorkspaceOrder {
            kind: WorkspaceKind::Worktree,
            base_dir: self.dir().to_str().unwrap().into(),
            base_commit: Some(self.base.as_str().into()),
            trees: trees.iter().map(|tree| (*tree).to_owned()).collect(),
        }
    }

    fn lease(&self, trees: &[&str]) -> Worktree {
        self.pools.lease(&project(), &self.order(trees)).unwrap()
    }

    /// The tree after a step that starts from `trees` and does `step`.
    fn step(&self, trees: &[&str], step: impl FnOnce(&Path)) -> String {
        let worktree = self.lease(trees);
        step(worktree.dir());
        worktree.checkpoint().unwrap()
    }
}

fn project() -> ProjectId {
    ProjectId::new("p..1").unwrap()
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Dir,
    File { content: Vec<u8>, executable: bool },
    Link(PathBuf),
}

/// All that is in a worktree but `.git`, by relative path.
fn contents(root: &Path) -> BTreeMap<PathBuf, Found> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let relative = path.strip_prefix(root).unwrap().to_owned();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if relative == Path::new(".git") {
                continue;
            }
            let what = if metadata.is_dir() {
                folders.push(path.clone());
                Found::Dir
            } else if metadata.is_symlink() {
                Found::Link(fs::read_link(&path).unwrap())
            } else {
                let executable = metadata.permissions().mode() & 0o100 != 0;
                Found::File { content: fs::read(&path).unwrap(), executable }
            };
            found.insert(relative, what);
        }
    }
    found
}

fn make_executable(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_repository_that_cannot_be_used_says_why() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(base_commit(folder.path()), Err(Error::NoRepository(_))));
    Repository::init(folder.path().join("empty")).unwrap();
    assert!(matches!(base_commit(&folder.path().join("empty")), Err(Error::NoCommits(_))));
    Repository::init_bare(folder.path().join("bare")).unwrap();
    assert!(matches!(base_commit(&folder.path().join("bare")), Err(Error::Bare(_))));
    let rig = Rig::new(&[("sub/a", "1")]);
    Repository::open(rig.dir()).unwrap().set_head_detached(rig.base.parse().unwrap()).unwrap();
    assert_eq!(base_commit(&rig.dir().join("sub")).unwrap(), rig.base);
    let mut order = rig.order(&[]);
    order.base_commit = None;
    assert!(matches!(rig.pools.lease(&project(), &order), Err(Error::NoSuchCommit(_))));
    let missing = rig.order(&["1111111111111111111111111111111111111111"]);
    assert!(matches!(rig.pools.lease(&project(), &missing), Err(Error::NoSuchTree(_))));
}

#[test]
fn bytes_modes_links_and_names_come_back_exactly() {
    let rig = Rig::new(&[("crlf", "a\r\nb\n"), (".gitattributes", "* text=auto eol=crlf ident\n"), ("$Id$", "$Id$\n")]);
    let odd = OsString::from_vec(b"odd\xff\xfe".to_vec());
    let mut expected = BTreeMap::new();
    let tree = rig.step(&[], |dir| {
        fs::write(dir.join("new crlf"), "x\r\n$Id$\r\n").unwrap();
        fs::write(dir.join("run.sh"), "#!/bin/sh\n").unwrap();
        make_executable(&dir.join("run.sh"));
        symlink("/etc/passwd", dir.join("link")).unwrap();
        symlink("nowhere", dir.join("dangling")).unwrap();
        fs::create_dir(dir.join("ünï")).unwrap();
        fs::write(dir.join("ünï/日本"), [0, 255, 13, 10]).unwrap();
        fs::write(dir.join(&odd), "odd").unwrap();
        expected = contents(dir);
    });
    let emptied = rig.step(&[&tree], |dir| {
        for path in contents(dir).keys().rev() {
            let path = dir.join(path);
            if path.is_dir() && !path.is_symlink() { fs::remove_dir(path) } else { fs::remove_file(path) }.unwrap();
        }
    });
    assert_eq!(contents(rig.lease(&[&emptied]).dir()), BTreeMap::new());
    let worktree = rig.lease(&[&tree]);
    assert_eq!(contents(worktree.dir()), expected);
    assert_eq!(worktree.checkpoint().unwrap(), tree);
}

#[test]
fn ignored_files_stay_and_are_not_taken() {
    let rig = Rig::new(&[(".gitignore", "target/\n*.o\n"), ("kept.o", "known although ignored"), ("a", "1")]);
    let tree = rig.step(&[], |dir| {
        fs::create_dir_all(dir.join("target/deep")).unwrap();
        fs::write(dir.join("target/deep/x"), "built").unwrap();
        fs::write(dir.join("b.o"), "built").unwrap();
        fs::write(dir.join("kept.o"), "changed").unwrap();
    });
    let worktree = rig.lease(&[]);
    assert_eq!(fs::read(worktree.dir().join("target/deep/x")).unwrap(), b"built");
    assert_eq!(fs::read(worktree.dir().join("b.o")).unwrap(), b"built");
    assert_eq!(fs::read(worktree.dir().join("kept.o")).unwrap(), b"known although ignored");
    assert_ne!(worktree.checkpoint().unwrap(), tree);
    let worktree = rig.lease(&[&tree]);
    assert_eq!(fs::read(worktree.dir().join("kept.o")).unwrap(), b"changed");
    assert_eq!(worktree.checkpoint().unwrap(), tree);
}

#[test]
fn what_new_rules_hid_is_removed_with_them() {
    let rig = Rig::new(&[("a", "1")]);
    let before = rig.step(&[], |_| {});
    drop(rig.step(&[], |dir| {
        fs::write(dir.join(".gitignore"), "junk\n").unwrap();
        fs::write(dir.join("junk"), "x").unwrap();
    }));
    let worktree = rig.lease(&[&before]);
    assert_eq!(contents(worktree.dir()).len(), 1);
    assert_eq!(worktree.checkpoint().unwrap(), before);
}

#[test]
fn a_restore_writes_through_no_link_and_swaps_files_and_folders() {
    let rig = Rig::new(&[("d/f", "1"), ("g", "2")]);
    let outside = rig.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    drop(rig.step(&[], |dir| {
        fs::remove_dir_all(dir.join("d")).unwrap();
        symlink(&outside, dir.join("d")).unwrap();
        fs::remove_file(dir.join("g")).unwrap();
        fs::create_dir_all(dir.join("g/h/i")).unwrap();
        fs::write(dir.join("g/h/x"), "3").unwrap();
    }));
    let worktree = rig.lease(&[]);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(fs::read(worktree.dir().join("d/f")).unwrap(), b"1");
    assert_eq!(contents(worktree.dir()).len(), 3);
}

#[test]
fn a_broken_worktree_is_repaired() {
    let rig = Rig::new(&[("a", "1")]);
    let tree = rig.step(&[], |dir| {
        fs::remove_file(dir.join(".git")).unwrap();
        fs::write(dir.join("b"), "2").unwrap();
    });
    drop(rig.step(&[&tree], |dir| {
        fs::remove_file(dir.join(".git")).unwrap();
        Repository::init(dir).unwrap();
    }));
    assert_eq!(contents(rig.lease(&[&tree]).dir()).len(), 2);
    fs::remove_dir_all(rig.folder.path().join("home")).unwrap();
    assert_eq!(contents(rig.lease(&[&tree]).dir()).len(), 2);
}

#[test]
fn worktrees_are_exclusive_reused_and_leave_nothing_behind() {
    let rig = Rig::new(&[("a", "1")]);
    let (one, two) = (rig.lease(&[]), rig.lease(&[]));
    assert_ne!(one.dir(), two.dir());
    let (first, second) = (one.dir().to_owned(), two.dir().to_owned());
    fs::write(second.join("b"), "2").unwrap();
    let tree = two.checkpoint().unwrap();
    drop(two);
    drop(one);
    assert_eq!(rig.lease(&[&tree]).dir(), second, "the one that has the files already is preferred");
    assert_eq!(rig.lease(&[]).dir(), first);
    let repository = Repository::open(rig.dir()).unwrap();
    assert_eq!(repository.references_glob("refs/wfctl/**").unwrap().count(), 1);
    rig.pools.close(&project(), &rig.dir()).unwrap();
    rig.pools.close(&project(), &rig.dir()).unwrap();
    assert_eq!(repository.references_glob("refs/wfctl/**").unwrap().count(), 0);
    assert_eq!(repository.branches(None).unwrap().count(), 1);
    assert!(!rig.dir().join(".git/worktrees").exists());
    assert!(!first.exists());
    assert!(repository.statuses(None).unwrap().is_empty(), "the user's checkout was touched");
}

#[test]
fn trees_merge_over_what_they_have_in_common() {
    let rig = Rig::new(&[("a", "1\n2\n3\n4\n5\n6\n7\n8\n"), ("b", "x\n")]);
    // `shared` adds a line which `left` then changes: without the common history that would be a conflict with `right`.
    let shared = rig.step(&[], |dir| fs::write(dir.join("b"), "x\ny\n").unwrap());
    let left = rig.step(&[&shared], |dir| fs::write(dir.join("b"), "x\nz\n").unwrap());
    let right = rig.step(&[&shared], |dir| fs::write(dir.join("a"), "1\n2\n3\n4\n5\n6\n7\nnew\n").unwrap());
    let worktree = rig.lease(&[&left, &right, &shared]);
    assert_eq!(fs::read(worktree.dir().join("b")).unwrap(), b"x\nz\n");
    assert_eq!(fs::read(worktree.dir().join("a")).unwrap(), b"1\n2\n3\n4\n5\n6\n7\nnew\n");
    let other = rig.step(&[&shared], |dir| fs::write(dir.join("b"), "x\nother\n").unwrap());
    let conflict = rig.pools.lease(&project(), &rig.order(&[&left, &other])).unwrap_err();
    assert!(matches!(&conflict, Error::Conflict(paths) if paths == &["b"]));
    let failure = Failure::from(conflict);
    assert_eq!(
        (failure.class, failure.message.as_str()),
        (FailureClass::Conflict, "cannot merge the files of the tasks: b")
    );
}

#[test]
fn locks_that_a_dead_engine_left_on_our_references_are_no_obstacle() {
    let rig = Rig::new(&[("a", "1")]);
    let tree = rig.step(&[], |dir| fs::write(dir.join("a"), "2").unwrap());
    let branch = rig.dir().join(".git/refs/heads/ai/generated/p%2e%2e1");
    fs::create_dir_all(&branch).unwrap();
    fs::write(branch.join("result.lock"), "").unwrap();
    let published = rig.pools.publish(&project(), &rig.order(&[&tree]), "result", Millis(5000));
    assert!(published.unwrap().is_some());
    assert!(!branch.join("result.lock").exists());
}

#[test]
fn the_result_is_published_once_and_never_over_another() {
    let rig = Rig::new(&[("a", "1")]);
    let tree = rig.step(&[], |dir| fs::write(dir.join("a"), "2").unwrap());
    let publish = |trees: &[&str], time| rig.pools.publish(&project(), &rig.order(trees), "result", Millis(time));
    assert_eq!(publish(&[], 5000).unwrap(), None);
    let commit = publish(&[&tree], 5000).unwrap().unwrap();
    assert_eq!(publish(&[&tree], 5000).unwrap(), Some(commit.clone()));
    assert!(matches!(publish(&[&tree], 9000), Err(Error::BranchTaken(_))));
    let repository = Repository::open(rig.dir()).unwrap();
    let branch = repository.find_branch("ai/generated/p%2e%2e1/result", git2::BranchType::Local).unwrap();
    let found = branch.get().peel_to_commit().unwrap();
    assert_eq!(found.id().to_string(), commit);
    assert_eq!(found.parent_id(0).unwrap().to_string(), rig.base);
    assert_eq!(found.tree_id().to_string(), tree);
}

#[test]
fn submodules_and_nested_repositories_are_left_alone() {
    let rig = Rig::new(&[("a", "1")]);
    let tree = rig.step(&[], |dir| {
        Repository::init(dir.join("nested")).unwrap();
        fs::write(dir.join("nested/x"), "theirs").unwrap();
        fs::write(dir.join("a"), "2").unwrap();
    });
    let worktree = rig.lease(&[]);
    assert_eq!(fs::read(worktree.dir().join("nested/x")).unwrap(), b"theirs");
    drop(worktree);
    let repository = Repository::open(rig.dir()).unwrap();
    assert!(repository.find_tree(tree.parse().unwrap()).unwrap().get_name("nested").is_none());
    let mut builder = repository.treebuilder(None).unwrap();
    builder.insert("module", rig.base.parse().unwrap(), 0o160_000).unwrap();
    let with_module = builder.write().unwrap().to_string();
    let worktree = rig.lease(&[&with_module]);
    assert!(worktree.dir().join("module").is_dir());
    fs::write(worktree.dir().join("module/y"), "theirs").unwrap();
    assert_eq!(worktree.checkpoint().unwrap(), with_module);
}

/// One change of a random program.
#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Remove(usize),
    Executable(usize),
    Link(usize),
    EmptyDir(usize),
}

/// Places that get in each other's way.
const PLACES: [&str; 8] = ["a", "b", "b/c", "b/c/d", "e.o", "f/g", "f", "té/x"];

fn place(root: &Path, index: usize) -> PathBuf {
    root.join(OsStr::from_bytes(PLACES[index].as_bytes()))
}

fn clear(root: &Path, index: usize) {
    let mut path = root.to_owned();
    for component in Path::new(PLACES[index]).components() {
        if path != root && !path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
            let _absent = fs::remove_file(&path);
            fs::create_dir(&path).unwrap();
        }
        path.push(component);
    }
    let _absent = if path.is_symlink() || path.is_file() { fs::remove_file(&path) } else { fs::remove_dir_all(&path) };
}

fn perform(root: &Path, change: &Change) {
    match change {
        Change::Write(index, content) => {
            clear(root, *index);
            fs::write(place(root, *index), content).unwrap();
        }
        Change::Remove(index) => clear(root, *index),
        Change::Executable(index) => {
            let path = place(root, *index);
            if path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
                make_executable(&path);
            }
        }
        Change::Link(index) => {
            clear(root, *index);
            symlink("a", place(root, *index)).unwrap();
        }
        Change::EmptyDir(index) => {
            clear(root, *index);
            fs::create_dir(place(root, *index)).unwrap();
        }
    }
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let index = 0..PLACES.len();
    let one = prop_oneof![
        4 => (index.clone(), proptest::collection::vec(any::<u8>(), 0..3)).prop_map(|(i, content)| Change::Write(i, content)),
        2 => index.clone().prop_map(Change::Remove),
        1 => index.clone().prop_map(Change::Executable),
        1 => index.clone().prop_map(Change::Link),
        1 => index.prop_map(Change::EmptyDir),
    ];
    proptest::collection::vec(one, 1..12)
}

/// The files and links; folders only exist for them.
fn files_of(root: &Path) -> BTreeMap<PathBuf, Found> {
    contents(root).into_iter().filter(|(_, found)| *found != Found::Dir).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_happened_a_restore_is_exact(first in changes(), second in changes()) {
        let rig = Rig::new(&[("a", "1"), ("b/c/d", "2")]);
        let mut expected = BTreeMap::new();
        let tree = rig.step(&[], |dir| {
            first.iter().for_each(|change| perform(dir, change));
            expected = files_of(dir);
        });
        drop(rig.step(&[&tree], |dir| second.iter().for_each(|change| perform(dir, change))));
        let worktree = rig.lease(&[&tree]);
        prop_assert_eq!(files_of(worktree.dir()), expected);
        for (path, found) in contents(worktree.dir()) {
            let is_empty = found == Found::Dir && fs::read_dir(worktree.dir().join(&path)).unwrap().next().is_none();
            prop_assert!(!is_empty, "{:?} is left empty", path);
        }
        prop_assert_eq!(worktree.checkpoint().unwrap(), tree);
    }
}

/// `cargo test --release reuse_cost -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn reuse_cost() {
    let rig = Rig::new(&[]);
    let fill = |dir: &Path, version: usize| {
        for number in 0..1500 {
            let folder = dir.join(format!("d{}", number % 50));
            fs::create_dir_all(&folder).unwrap();
            fs::write(
                folder.join(format!("f{number}")),
                format!("{number} {}", if number % 10 == 0 { version } else { 0 }),
            )
            .unwrap();
        }
    };
    let time = |what: &str, work: &mut dyn FnMut()| {
        let start = std::time::Instant::now();
        work();
        println!("{what}: {:?}", start.elapsed());
    };
    let (mut one, mut two) = (String::new(), String::new());
    time("write and check point 1,500 new files", &mut || one = rig.step(&[], |dir| fill(dir, 1)));
    time("change 150 of them", &mut || two = rig.step(&[&one], |dir| fill(dir, 2)));
    time("second worktree, all files new", &mut || {
        let held = rig.lease(&[&two]);
        drop(rig.lease(&[&one]));
        drop(held);
    });
    let mut worktree = None;
    time("reuse, 150 files differ", &mut || {
        let held = [rig.lease(&[&two]), rig.lease(&[&two])];
        drop(held);
    });
    time("reuse, none differs", &mut || worktree = Some(rig.lease(&[&one])));
    time("check point, none differs", &mut || drop(worktree.take().unwrap().checkpoint().unwrap()));
}

#[test]
fn a_fork_has_references_of_its_own() {
    let rig = Rig::new(&[("x", "x")]);
    let one = rig.step(&[], |dir| fs::write(dir.join("a"), "a").unwrap());
    let two = rig.step(&[&one], |dir| fs::write(dir.join("b"), "b").unwrap());
    let three = rig.step(&[&one], |dir| fs::write(dir.join("a"), "a2").unwrap());
    let made = |tree: &String, from: Option<&String>| RecordedTree { tree: tree.clone(), from: from.cloned() };
    let adoption = |to: &str| Adoption {
        from: project(),
        to: ProjectId::new(to).unwrap(),
        base_commit: Some(rig.base.clone()),
        trees: vec![made(&one, None), made(&two, Some(&one)), made(&three, Some(&one))],
        integration: Some(rig.base.clone()),
    };
    let repository = Repository::open(rig.dir()).unwrap();
    let targets = |project: &str| -> Vec<git2::Oid> {
        let references = repository.references_glob(&format!("refs/wfctl/*/{project}/*")).unwrap();
        references.map(|reference| reference.unwrap().target().unwrap()).collect()
    };
    rig.pools.adopt(&rig.dir(), &adoption("fork")).unwrap();
    assert_eq!(targets("fork").len(), 3);
    rig.pools.close(&project(), &rig.dir()).unwrap();
    assert_eq!((targets("p%2e%2e1").len(), targets("fork").len()), (0, 3));
    // What both changed since the tree that they come from is merged as it would have been.
    let fork = ProjectId::new("fork").unwrap();
    let worktree = rig.pools.lease(&fork, &rig.order(&[&two, &three])).unwrap();
    assert_eq!(fs::read_to_string(worktree.dir().join("a")).unwrap(), "a2");
    assert!(worktree.dir().join("b").exists());
    drop(worktree);
    // Without the references of the other one, the same commits are made from the records.
    rig.pools.adopt(&rig.dir(), &adoption("late")).unwrap();
    assert_eq!(targets("late"), targets("fork"));
    // Its integration branch is its own: once it has moved, nobody puts it back.
    let branch = "refs/heads/ai/generated/fork/integration";
    assert_eq!(repository.refname_to_id(branch).unwrap().to_string(), rig.base);
    repository.reference(branch, targets("fork")[0], true, "moved").unwrap();
    rig.pools.adopt(&rig.dir(), &adoption("fork")).unwrap();
    assert_eq!(repository.refname_to_id(branch).unwrap(), targets("fork")[0]);
    let lost = Adoption { trees: vec![made(&"1".repeat(40), None)], ..adoption("lost") };
    assert!(matches!(rig.pools.adopt(&rig.dir(), &lost), Err(Error::NoSuchTree(tree)) if tree == "1".repeat(40)));
    let lost = Adoption { integration: Some("1".repeat(40)), ..adoption("lost") };
    assert!(matches!(rig.pools.adopt(&rig.dir(), &lost), Err(Error::NoSuchCommit(_))));
}

#[test]
fn a_file_of_the_base_commit_is_what_it_was() {
    let rig = Rig::new(&[(".wfctl/roles/reviewer.md", "strict"), ("long", "0123456789")]);
    let dir = rig.folder.path().join("repo");
    fs::write(dir.join(".wfctl/roles/reviewer.md"), "says yes to everything").unwrap();
    let at = |path: &str| super::file_at(&dir, &rig.base, path, 9).unwrap();
    assert_eq!(at(".wfctl/roles/reviewer.md").as_deref(), Some(b"strict".as_slice()));
    assert_eq!((at("long"), at("none"), at(".wfctl")), (None, None, None), "one byte too many, not there, a folder");
    assert!(super::file_at(&dir, "no commit", "long", 9).is_err());
}
