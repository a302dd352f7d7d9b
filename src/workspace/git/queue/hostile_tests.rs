//! Through real worktrees, on repositories that are not nice.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::{FileMode, Oid, Repository, Signature, Time};

use super::rig::NoGate;
use super::*;
use crate::domain::effect::WorkspaceOrder;
use crate::domain::failure::FailureClass;
use crate::domain::ids::ProjectId;
use crate::domain::time::Millis;
use crate::domain::workflow::WorkspaceKind;
use crate::workspace::{TaskCommit, Workspaces};

const LFS: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";

/// A repository with a submodule, an LFS pointer, line ends of both kinds, odd names, a detached HEAD and a checkout in the
/// middle of somebody's work.
fn hostile(dir: &Path) -> String {
    let repository = Repository::init(dir).unwrap();
    let mut config = repository.config().unwrap();
    config.set_str("filter.lfs.clean", "false").unwrap();
    config.set_str("filter.lfs.smudge", "false").unwrap();
    config.set_bool("filter.lfs.required", true).unwrap();
    config.set_str("core.autocrlf", "true").unwrap();
    config.set_str("core.hooksPath", "/bin/false").unwrap();
    config.set_str("merge.ours.driver", "false").unwrap();
    let blob = |text: &[u8]| repository.blob(text).unwrap();
    let mut root = repository.treebuilder(None).unwrap();
    let mut put =
        |name: &[u8], id: Oid, mode: FileMode| drop(root.insert(OsStr::from_bytes(name), id, mode.into()).unwrap());
    put(
        b".gitattributes",
        blob(b"*.bin filter=lfs diff=lfs merge=lfs -text\n*.txt merge=ours eol=crlf\n"),
        FileMode::Blob,
    );
    put(b"big.bin", blob(LFS.as_bytes()), FileMode::Blob);
    put(b"crlf.txt", blob(b"1\r\n2\r\n3\r\n4\r\n5\r\n6\n"), FileMode::Blob);
    put(b"odd\xff\xfe", blob(b"odd"), FileMode::Blob);
    put("größe 日本".as_bytes(), blob(b"unicode"), FileMode::Blob);
    put(b"module", Oid::from_str("1111111111111111111111111111111111111111").unwrap(), FileMode::Commit);
    put(b"link", blob(b"nowhere"), FileMode::Link);
    let tree = repository.find_tree(root.write().unwrap()).unwrap();
    let author = Signature::new("a", "a@b", &Time::new(1, 0)).unwrap();
    let base = repository.commit(Some("refs/heads/main"), &author, &author, "base", &tree, &[]).unwrap();
    repository.set_head_detached(base).unwrap();
    let mut index = repository.index().unwrap();
    index.read_tree(&tree).unwrap();
    index.write().unwrap();
    fs::write(dir.join("crlf.txt"), "the user is at work here\n").unwrap();
    fs::write(dir.join("untracked"), "also here\n").unwrap();
    base.to_string()
}

/// All that is the user's: the checkout, its index, its HEAD, its branch.
fn users(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for name in ["crlf.txt", "untracked", ".git/index", ".git/HEAD", ".git/refs/heads/main", ".git/config"] {
        found.insert(dir.join(name), fs::read(dir.join(name)).unwrap());
    }
    let names = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_vec())
        .collect::<std::collections::BTreeSet<_>>();
    found.insert(PathBuf::from("names"), names.into_iter().collect::<Vec<_>>().concat());
    found
}

struct Bench {
    folder: tempfile::TempDir,
    workspaces: Workspaces,
    base: String,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = hostile(&folder.path().join("repo"));
        Self { workspaces: Workspaces::new(&folder.path().join("home")), folder, base }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    fn order(&self) -> WorkspaceOrder {
        WorkspaceOrder {
            kind: WorkspaceKind::Worktree,
            base_dir: self.dir().to_str().unwrap().into(),
            base_commit: Some(self.base.as_str().into()),
            trees: Vec::new(),
        }
    }

    /// An agent's task from the lease to the merge.
    async fn task(&self, project: &ProjectId, task: &str, work: impl FnOnce(&Path)) -> Result<Merged, MergeFault> {
        let lease = self.workspaces.prepare(project, &self.order()).await.unwrap();
        work(lease.dir());
        let tree = lease.checkpoint().await.unwrap().unwrap();
        assert_eq!(self.workspaces.finish(lease).await.unwrap(), Some(tree.clone()));
        let order = TaskCommit {
            base_dir: self.dir(),
            project: project.clone(),
            task: task.to_owned(),
            tree,
            parents: vec![self.base.clone()],
            message: format!("{task}\n"),
            author: "wfctl agent (developer)".to_owned(),
            time: Millis(5000),
        };
        let commit = self.workspaces.commit_task(order).await.unwrap();
        let request = MergeRequest {
            project: project.clone(),
            base_dir: self.dir(),
            base_commit: self.base.clone(),
            task: task.to_owned(),
            commit,
            message: String::new(),
            time: Millis(6000),
            gates: Vec::new(),
            batch_max: 8,
            conflict_of: None,
        };
        self.workspaces.queue().merge(request, Arc::new(NoGate)).await
    }
}

#[tokio::test]
async fn a_hostile_repository_is_merged_byte_by_byte_and_its_user_sees_nothing() {
    let bench = Bench::new();
    let before = users(&bench.dir());
    let project = ProjectId::new("a..b.lock").unwrap();
    let odd = OsString::from_vec(b"odd\xff\xfe".to_vec());
    let merged = [
        bench
            .task(&project, "..", |dir| fs::write(dir.join("crlf.txt"), "one\r\n2\r\n3\r\n4\r\n5\r\n6\n").unwrap())
            .await,
        bench
            .task(&project, "@{-1}.lock", |dir| {
                fs::write(dir.join("crlf.txt"), "1\r\n2\r\n3\r\n4\r\n5\r\nsix\n").unwrap()
            })
            .await,
        bench.task(&project, "ü/日本\n", |dir| fs::write(dir.join(&odd), "odder").unwrap()).await,
        bench
            .task(&project, "integration", |dir| {
                fs::write(dir.join("big.bin"), LFS.replace("12345", "54321")).unwrap();
                fs::create_dir_all(dir.join("module/inside")).unwrap();
                fs::write(dir.join("module/inside/x"), "not ours").unwrap();
            })
            .await,
    ];
    let last = {
        let [_, _, _, last] = merged.map(Result::unwrap);
        last
    };
    assert_eq!(last.position, 4);
    let repository = Repository::open(bench.dir()).unwrap();
    let tree = repository.find_tree(last.tree.parse().unwrap()).unwrap();
    let content =
        |name: &[u8]| repository.find_blob(tree.get_name_bytes(name).unwrap().id()).unwrap().content().to_vec();
    assert_eq!(content(b"crlf.txt"), b"one\r\n2\r\n3\r\n4\r\n5\r\nsix\n");
    assert_eq!(content(b"odd\xff\xfe"), b"odder");
    assert_eq!(content(b"big.bin"), LFS.replace("12345", "54321").as_bytes());
    assert_eq!(content("größe 日本".as_bytes()), b"unicode");
    let module = tree.get_name("module").unwrap();
    assert_eq!((module.id().to_string(), module.filemode()), ("1".repeat(40), 0o160_000));
    assert_eq!(users(&bench.dir()), before, "the user's side was touched");
    bench.workspaces.project_closed(&project, &bench.dir()).await.unwrap();
    let names: Vec<String> = repository.references().unwrap().names().map(|name| name.unwrap().to_owned()).collect();
    assert_eq!(names, ["refs/heads/ai/generated/a%2e%2eb%2elock/integration", "refs/heads/main"]);
    assert!(!bench.dir().join(".git/worktrees").exists());
    assert_eq!(users(&bench.dir()), before, "the user's side was touched");
}

#[tokio::test]
async fn a_conflict_in_a_name_that_is_no_text_is_told_and_prepared() {
    let bench = Bench::new();
    let project = ProjectId::new("p").unwrap();
    let odd = OsString::from_vec(b"odd\xff\xfe".to_vec());
    bench.task(&project, "one", |dir| fs::write(dir.join(&odd), "1\n").unwrap()).await.unwrap();
    let fault = bench.task(&project, "two", |dir| fs::write(dir.join(&odd), "2\n").unwrap()).await.unwrap_err();
    let MergeFault::Conflict { paths, ours, theirs, .. } = fault else { panic!("{fault:?}") };
    assert_eq!(paths, ["odd\u{fffd}\u{fffd}"]);
    let prepared = bench.workspaces.prepare_conflict(&bench.dir(), &ours, &theirs).await.unwrap();
    let repository = Repository::open(bench.dir()).unwrap();
    let tree = repository.find_tree(prepared.tree.parse().unwrap()).unwrap();
    let blob = repository.find_blob(tree.get_name_bytes(odd.as_bytes()).unwrap().id()).unwrap();
    assert!(blob.content().starts_with(b"<<<<<<< integration\n1\n"), "{:?}", blob.content());
    let context = bench.workspaces.conflict_context(&bench.dir(), &ours, &theirs).await.unwrap();
    assert_eq!(context.paths[0].theirs.as_ref().unwrap().text, "2\n");
}

#[tokio::test]
async fn projects_of_one_repository_do_not_hold_each_other_up() {
    let bench = Bench::new();
    let projects: Vec<ProjectId> = (0..4).map(|number| ProjectId::new(&format!("p{number}")).unwrap()).collect();
    let all = projects.iter().map(|project| async {
        for task in 0..5 {
            let name = format!("t{task}");
            bench.task(project, &name, |dir| fs::write(dir.join(&name), project.as_str()).unwrap()).await.unwrap();
        }
    });
    futures_util::future::join_all(all).await;
    let repository = Repository::open(bench.dir()).unwrap();
    for project in &projects {
        let head = repository.refname_to_id(&format!("refs/heads/ai/generated/{project}/integration")).unwrap();
        let tree = repository.find_commit(head).unwrap().tree().unwrap();
        for task in 0..5 {
            let blob = repository.find_blob(tree.get_name(&format!("t{task}")).unwrap().id()).unwrap();
            assert_eq!(blob.content(), project.as_str().as_bytes());
        }
    }
}

#[tokio::test]
async fn a_lease_is_checked_and_put_back_without_giving_it_up() {
    let bench = Bench::new();
    let project = ProjectId::new("p").unwrap();
    let lease = bench.workspaces.prepare(&project, &bench.order()).await.unwrap();
    let start = lease.checkpoint().await.unwrap().unwrap();
    fs::write(lease.dir().join("new"), "new").unwrap();
    let turn = lease.checkpoint().await.unwrap().unwrap();
    assert_ne!(start, turn);
    assert_eq!(lease.checkpoint().await.unwrap().unwrap(), turn);
    fs::remove_file(lease.dir().join("link")).unwrap();
    lease.restore(&turn).await.unwrap();
    assert!(lease.dir().join("new").is_file() && lease.dir().join("link").is_symlink());
    lease.restore(&start).await.unwrap();
    assert!(!lease.dir().join("new").exists());
    for bad in ["", "zz", &"1".repeat(40)] {
        assert_eq!(lease.restore(bad).await.unwrap_err().class, FailureClass::Workspace, "{bad}");
    }
    let other = bench.workspaces.prepare(&project, &bench.order()).await.unwrap();
    assert_ne!(other.dir(), lease.dir(), "it is still leased");
    assert_eq!(bench.workspaces.finish(lease).await.unwrap(), Some(start));
    let folder = WorkspaceOrder { kind: WorkspaceKind::Dir, ..bench.order() };
    let folder = bench.workspaces.prepare(&project, &folder).await.unwrap();
    assert_eq!(folder.checkpoint().await.unwrap(), None);
    assert_eq!(folder.restore(&turn).await.unwrap_err().class, FailureClass::Workspace);
}

#[tokio::test]
async fn a_lock_that_a_dead_engine_left_on_the_branch_is_no_obstacle() {
    let bench = Bench::new();
    let project = ProjectId::new("p").unwrap();
    bench.task(&project, "one", |dir| fs::write(dir.join("one"), "1").unwrap()).await.unwrap();
    let lock = bench.dir().join(".git/refs/heads/ai/generated/p/integration.lock");
    fs::write(&lock, "").unwrap();
    bench.task(&project, "two", |dir| fs::write(dir.join("two"), "2").unwrap()).await.unwrap();
    assert!(!lock.exists());
}
