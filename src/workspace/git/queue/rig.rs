//! What the queue's tests share: a repository whose commits are made in the object store, and gates that look at files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use git2::{Oid, Repository, Signature, Time};
use tempfile::TempDir;

use super::super::branches::{TaskCommit, commit_task};
use super::super::pool::Pools;
use super::{Gate, GateReport, MergeFault, MergeRequest, Merged, Queue};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::ProjectId;
use crate::domain::time::Millis;

/// Files with their content.
pub(super) type Files = BTreeMap<String, String>;

/// A repository, a home and a queue.
pub(super) struct Rig {
    folder: TempDir,
    pub pools: Arc<Pools>,
    pub queue: Arc<Queue>,
    pub base: String,
}

impl Rig {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init(folder.path().join("repo")).unwrap();
        let files = files.iter().map(|(path, content)| ((*path).to_owned(), (*content).to_owned())).collect();
        let tree = repository.find_tree(write(&repository, &files)).unwrap();
        let author = Signature::new("a", "a@b", &Time::new(1, 0)).unwrap();
        let base = repository.commit(Some("HEAD"), &author, &author, "base", &tree, &[]).unwrap().to_string();
        repository.checkout_head(Some(git2::build::CheckoutBuilder::new().force())).unwrap();
        let pools = Arc::new(Pools::new(&folder.path().join("home")));
        Self { queue: Arc::new(Queue::new(pools.clone())), pools, folder, base }
    }

    pub fn dir(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    pub fn repository(&self) -> Repository {
        Repository::open(self.dir()).unwrap()
    }

    /// The files of a commit.
    pub fn files(&self, commit: &str) -> Files {
        read(&self.repository(), commit)
    }

    /// Commits `files` as the work of `task`, started from `parents`.
    pub fn task(&self, task: &str, parents: &[&str], files: &Files) -> String {
        commit_task(&self.task_order(task, parents, files)).unwrap()
    }

    pub fn task_order(&self, task: &str, parents: &[&str], files: &Files) -> TaskCommit {
        TaskCommit {
            base_dir: self.dir(),
            project: project(),
            task: task.to_owned(),
            tree: write(&self.repository(), files).to_string(),
            parents: parents.iter().map(|id| (*id).to_owned()).collect(),
            message: format!("{task}: done\n"),
            author: "wfctl agent (developer)".to_owned(),
            time: Millis(7000),
        }
    }

    /// The work of `task`: the base with one file changed.
    pub fn edit(&self, task: &str, path: &str, content: &str) -> String {
        let mut files = self.files(&self.base);
        files.insert(path.to_owned(), content.to_owned());
        self.task(task, &[&self.base], &files)
    }

    pub fn request(&self, task: &str, commit: &str) -> MergeRequest {
        MergeRequest {
            project: project(),
            base_dir: self.dir(),
            base_commit: self.base.clone(),
            task: task.to_owned(),
            commit: commit.to_owned(),
            message: String::new(),
            time: Millis(9000),
            gates: Vec::new(),
            batch_max: 8,
            conflict_of: None,
        }
    }

    pub async fn merge(&self, task: &str, commit: &str) -> Result<Merged, MergeFault> {
        self.queue.merge(self.request(task, commit), Arc::new(NoGate)).await
    }

    pub fn head(&self) -> String {
        let branch = format!("refs/heads/ai/generated/{}/integration", project());
        self.repository().refname_to_id(&branch).unwrap().to_string()
    }

    pub fn contains(&self, commit: &str) -> bool {
        let (head, commit) = (self.head().parse::<Oid>().unwrap(), commit.parse::<Oid>().unwrap());
        head == commit || self.repository().graph_descendant_of(head, commit).unwrap()
    }
}

pub(super) fn project() -> ProjectId {
    ProjectId::new("p").unwrap()
}

/// The tree of `files`.
pub(super) fn write(repository: &Repository, files: &Files) -> Oid {
    let mut builder = git2::build::TreeUpdateBuilder::new();
    for (path, content) in files {
        builder.upsert(path.as_str(), repository.blob(content.as_bytes()).unwrap(), git2::FileMode::Blob);
    }
    let empty = repository.find_tree(repository.treebuilder(None).unwrap().write().unwrap()).unwrap();
    builder.create_updated(repository, &empty).unwrap()
}

/// The files of a commit.
pub(super) fn read(repository: &Repository, commit: &str) -> Files {
    let tree = repository.find_commit(commit.parse().unwrap()).unwrap().tree().unwrap();
    let mut files = Files::new();
    tree.walk(git2::TreeWalkMode::PreOrder, |folder, entry| {
        if entry.kind() == Some(git2::ObjectType::Blob) {
            let content = repository.find_blob(entry.id()).unwrap().content().to_vec();
            files.insert(format!("{}{}", folder, entry.name().unwrap()), String::from_utf8(content).unwrap());
        }
        git2::TreeWalkResult::Ok
    })
    .unwrap();
    files
}

/// For requests without gates.
pub(super) struct NoGate;

#[async_trait]
impl Gate for NoGate {
    async fn check(&self, gate: &str, _: &Path) -> Result<GateReport, Failure> {
        Err(Failure::new(FailureClass::Internal, format!("nobody asked for {gate}")))
    }
}

/// What a gate does when it is asked.
pub(super) type Look = dyn Fn(&Path, usize) -> Option<bool> + Send + Sync;

/// A gate that looks at the folder, and can be held until it is let go.
pub(super) struct LookGate {
    look: Box<Look>,
    pub runs: AtomicUsize,
    pub begun: tokio::sync::Semaphore,
    pub go: tokio::sync::Semaphore,
    pub dirs: Mutex<Vec<PathBuf>>,
}

impl LookGate {
    /// `look` is given the folder and the number of the run, the first being 0; `None` is a panic. The first `held` runs
    /// wait for a permit of `go`.
    pub fn new(held: usize, look: impl Fn(&Path, usize) -> Option<bool> + Send + Sync + 'static) -> Arc<Self> {
        let go = tokio::sync::Semaphore::new(if held == 0 { tokio::sync::Semaphore::MAX_PERMITS } else { 0 });
        let begun = tokio::sync::Semaphore::new(0);
        Arc::new(Self { look: Box::new(look), runs: AtomicUsize::new(0), begun, go, dirs: Mutex::default() })
    }
}

#[async_trait]
impl Gate for LookGate {
    async fn check(&self, gate: &str, dir: &Path) -> Result<GateReport, Failure> {
        let run = self.runs.fetch_add(1, Ordering::SeqCst);
        self.dirs.lock().unwrap().push(dir.to_owned());
        self.begun.add_permits(1);
        self.go.acquire().await.unwrap().forget();
        let passed = (self.look)(dir, run).expect("a gate that breaks on purpose");
        Ok(GateReport { passed, excerpt: format!("{gate} in run {run}") })
    }
}
