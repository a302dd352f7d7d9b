//! Finished tasks into one integration branch: merges per second against `git` processes and against libgit2 without any sync,
//! and how long it takes to hand out a worktree again.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]
#![expect(clippy::disallowed_methods, reason = "a bench measures wall time and starts git for its floor")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Oid, Repository, Signature, Time};
use support::{head, median, ms, ratio, report, scaled, timed};
use wfctl::domain::effect::WorkspaceOrder;
use wfctl::domain::failure::{Failure, FailureClass};
use wfctl::domain::ids::ProjectId;
use wfctl::domain::time::Millis;
use wfctl::domain::workflow::WorkspaceKind;
use wfctl::workspace::{Gate, GateReport, MergeRequest, TaskCommit, Workspaces};

const SUBMITTERS: usize = 20;

/// No request here has a gate.
struct NoGate;

#[async_trait]
impl Gate for NoGate {
    async fn check(&self, gate: &str, _: &Path) -> Result<GateReport, Failure> {
        Err(Failure::new(FailureClass::Internal, format!("nobody asked for {gate}")))
    }
}

/// A repository of `files` files of 40 lines in folders of 50, and one task per commit: a line of a file of its own.
struct Rig {
    folder: tempfile::TempDir,
    base: Oid,
    tasks: Vec<Oid>,
}

fn path(file: usize) -> String {
    format!("area{}/part{}/file{file}.rs", file / 500, file / 50 % 10)
}

fn text(file: usize, changed: bool) -> String {
    let line = |line: usize| match changed && line == 20 {
        true => format!("pub fn changed_{file}() {{}}\n"),
        false => format!("pub fn f_{file}_{line}() {{}}\n"),
    };
    (0..40).map(line).collect()
}

impl Rig {
    fn new(files: usize, tasks: usize) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let repository = Repository::init(folder.path().join("repo")).expect("a repository");
        let mut builder = TreeUpdateBuilder::new();
        for file in 0..files {
            builder.upsert(path(file), blob(&repository, &text(file, false)), FileMode::Blob);
        }
        let empty = repository.treebuilder(None).and_then(|builder| builder.write()).expect("an empty tree");
        let empty = repository.find_tree(empty).expect("just written");
        let tree = builder.create_updated(&repository, &empty).expect("a tree");
        let base = commit(&repository, Some("HEAD"), tree, &[]);
        let base_tree = repository.find_tree(tree).expect("just written");
        let task = |number: usize| {
            let file = number * (files / tasks).max(1) % files;
            let mut builder = TreeUpdateBuilder::new();
            builder.upsert(path(file), blob(&repository, &text(file, true)), FileMode::Blob);
            let tree = builder.create_updated(&repository, &base_tree).expect("a tree");
            commit(&repository, None, tree, &[base])
        };
        let tasks = (0..tasks).map(task).collect();
        Self { folder, base, tasks }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    fn repository(&self) -> Repository {
        Repository::open(self.dir()).expect("it is there")
    }

    fn request(&self, project: &str, task: usize) -> MergeRequest {
        MergeRequest {
            project: ProjectId::new(project).expect("valid"),
            base_dir: self.dir(),
            base_commit: self.base.to_string(),
            task: format!("task {task}"),
            commit: self.tasks[task].to_string(),
            message: String::new(),
            time: Millis(1_000_000),
            gates: Vec::new(),
            batch_max: 8,
            conflict_of: None,
        }
    }
}

fn blob(repository: &Repository, text: &str) -> Oid {
    repository.blob(text.as_bytes()).expect("room for a blob")
}

fn commit(repository: &Repository, reference: Option<&str>, tree: Oid, parents: &[Oid]) -> Oid {
    let author = Signature::new("bench", "bench@localhost", &Time::new(1, 0)).expect("a valid name");
    let tree = repository.find_tree(tree).expect("a tree");
    let parents: Vec<_> = parents.iter().map(|id| repository.find_commit(*id).expect("a commit")).collect();
    let parents: Vec<_> = parents.iter().collect();
    repository.commit(reference, &author, &author, "bench", &tree, &parents).expect("a commit")
}

/// `git merge-tree`, `commit-tree` and `update-ref` for each of the first `count` tasks; `None` without git.
fn git_processes(rig: &Rig, count: usize) -> Option<Duration> {
    let git = |arguments: &[&str]| -> Option<String> {
        let output = Command::new("git")
            .args(["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-C"])
            .arg(rig.dir())
            .args(arguments)
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    };
    let mut tip = rig.base.to_string();
    git(&["update-ref", "refs/heads/floor", &tip])?;
    let began = Instant::now();
    for task in &rig.tasks[..count] {
        let task = task.to_string();
        let tree = git(&["merge-tree", "--write-tree", &tip, &task])?;
        let merged = git(&["commit-tree", &tree, "-p", &tip, "-p", &task, "-m", "merge"])?;
        git(&["update-ref", "refs/heads/floor", &merged, &tip])?;
        tip = merged;
    }
    Some(began.elapsed() / u32::try_from(count).ok()?)
}

/// libgit2's own merge of commits, written and put into a reference, nothing synced.
fn libgit2_loop(rig: &Rig, count: usize) -> Duration {
    let repository = rig.repository();
    let mut tip = rig.base;
    let ((), took) = timed(|| {
        for task in &rig.tasks[..count] {
            let ours = repository.find_commit(tip).expect("a commit");
            let theirs = repository.find_commit(*task).expect("a commit");
            let mut index = repository.merge_commits(&ours, &theirs, None).expect("a merge");
            let tree = index.write_tree_to(&repository).expect("no conflict");
            let merged = commit(&repository, None, tree, &[tip, *task]);
            repository.reference("refs/heads/bare", merged, true, "bench").expect("a reference");
            tip = merged;
        }
    });
    took / u32::try_from(count).expect("a small number")
}

/// What a merge must make durable at least, file by file: a blob or tree for each level, a commit and the reference.
fn sync_floor(rig: &Rig) -> Duration {
    let mut floor = support::Floor::new(rig.folder.path());
    let count = scaled(50, 5);
    floor.syncs(count * 5, &[7; 300]) / u32::try_from(count).expect("a small number")
}

fn serial(rig: &Rig, runtime: &tokio::runtime::Runtime) -> Duration {
    let home = tempfile::tempdir().expect("a temporary folder");
    let workspaces = Workspaces::new(home.path());
    let began = Instant::now();
    runtime.block_on(async {
        for task in 0..rig.tasks.len() {
            let merged = workspaces.queue().merge(rig.request("serial", task), Arc::new(NoGate)).await;
            assert_eq!(merged.expect("no conflict").position, task as u64 + 1);
        }
    });
    began.elapsed() / u32::try_from(rig.tasks.len()).expect("a small number")
}

fn concurrent(rig: &Arc<Rig>, runtime: &tokio::runtime::Runtime) -> Duration {
    let home = tempfile::tempdir().expect("a temporary folder");
    let queue = Workspaces::new(home.path()).queue().clone();
    let began = Instant::now();
    runtime.block_on(async {
        let submitters: Vec<_> = (0..SUBMITTERS)
            .map(|first| {
                let (queue, rig) = (queue.clone(), rig.clone());
                tokio::spawn(async move {
                    for task in (first..rig.tasks.len()).step_by(SUBMITTERS) {
                        queue.merge(rig.request("many", task), Arc::new(NoGate)).await.expect("no conflict");
                    }
                })
            })
            .collect();
        for submitter in submitters {
            submitter.await.expect("a task that ends");
        }
    });
    let took = began.elapsed() / u32::try_from(rig.tasks.len()).expect("a small number");
    let repository = rig.repository();
    let end = repository.refname_to_id("refs/heads/ai/generated/many/integration").expect("a branch");
    let same = repository.refname_to_id("refs/heads/ai/generated/serial/integration").expect("a branch");
    let tree = |id: Oid| repository.find_commit(id).expect("a commit").tree_id();
    assert_eq!(tree(end), tree(same), "both orders end with the same files");
    took
}

fn merges(runtime: &tokio::runtime::Runtime) {
    let files = scaled(5_000, 200);
    let rig = Arc::new(Rig::new(files, scaled(1_000, 20)));
    let syncs = sync_floor(&rig);
    let bare = libgit2_loop(&rig, scaled(200, 10));
    let processes = git_processes(&rig, scaled(100, 5));
    let one = serial(&rig, runtime);
    let many = concurrent(&rig, runtime);
    let per_second = |each: Duration| format!("{:.0}/s ({})", 1.0 / each.as_secs_f64(), ms(each));
    let against = |each: Duration| {
        let git = processes.map_or("no git here".to_owned(), |git| format!("{} git", ratio(each, git)));
        format!("{git}, {} bare libgit2, {} 5 syncs", ratio(each, bare), ratio(each, syncs))
    };
    report(&format!("{files} files: one merge after the other"), &per_second(one), &against(one), ">= 20/s", "200/s");
    let what = format!("{files} files: {SUBMITTERS} submitters");
    report(&what, &per_second(many), &against(many), ">= 20/s", "200/s");
    if let Some(git) = processes {
        report("floor: three git processes", &per_second(git), "-", "-", "-");
    }
    report("floor: libgit2 loop, no sync", &per_second(bare), "-", "-", "-");
    report("floor: 5 appends with fdatasync", &per_second(syncs), "-", "-", "-");
}

fn worktrees(runtime: &tokio::runtime::Runtime) {
    let files = scaled(1_500, 50);
    let rig = Rig::new(files, 2);
    let home = tempfile::tempdir().expect("a temporary folder");
    let workspaces = Workspaces::new(home.path());
    let project = ProjectId::new("p").expect("valid");
    let order = WorkspaceOrder {
        kind: WorkspaceKind::Worktree,
        base_dir: rig.dir().to_string_lossy().into(),
        base_commit: Some(rig.base.to_string().into()),
        trees: Vec::new(),
    };
    let lease = || runtime.block_on(workspaces.prepare(&project, &order)).expect("a worktree");
    let (first, created) = timed(lease);
    drop(first);
    let rounds = scaled(15, 1);
    let dirty = median(rounds, || {
        let lease = lease();
        for file in (0..files).step_by(10) {
            std::fs::write(lease.dir().join(path(file)), "changed\n").expect("a writable file");
        }
        drop(lease);
        let (lease, took) = timed(|| runtime.block_on(workspaces.prepare(&project, &order)).expect("a worktree"));
        drop(lease);
        took
    });
    let held = lease();
    let unchanged = median(rounds, || timed(|| runtime.block_on(held.checkpoint()).expect("a tree")).1);
    let tree = runtime.block_on(held.checkpoint()).expect("a tree").expect("a worktree has a tree");
    let restored = median(rounds, || timed(|| runtime.block_on(held.restore(&tree)).expect("a tree")).1);
    let mut number = 0;
    let committed = median(rounds, || {
        number += 1;
        std::fs::write(held.dir().join(path(7)), format!("{number}\n")).expect("a writable file");
        timed(|| {
            let tree = runtime.block_on(held.checkpoint()).expect("a tree").expect("a worktree has a tree");
            let order = TaskCommit {
                base_dir: rig.dir(),
                project: project.clone(),
                task: format!("t{number}"),
                tree,
                parents: vec![rig.base.to_string()],
                message: "work".to_owned(),
                author: "wfctl agent (bench)".to_owned(),
                time: Millis(1_000_000),
            };
            runtime.block_on(workspaces.commit_task(order)).expect("a commit")
        })
        .1
    });
    report(&format!("{files} files: first worktree"), &ms(created), "-", "-", "-");
    let what = format!("{files} files: worktree again, {} of them changed", files.div_ceil(10));
    report(&what, &ms(dirty), &ratio(dirty, created), "<= 200 ms", "50 ms");
    report(&format!("{files} files: checkpoint, none changed"), &ms(unchanged), "-", "-", "-");
    report(&format!("{files} files: restore, none changed"), &ms(restored), "-", "-", "-");
    report(&format!("{files} files: checkpoint of a change, and its commit"), &ms(committed), "-", "-", "-");
}

fn main() {
    let runtime = support::runtime();
    println!();
    head();
    merges(&runtime);
    worktrees(&runtime);
}
