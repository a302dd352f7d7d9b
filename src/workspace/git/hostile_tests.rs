//! Repositories made to run something, or to reach outside, when somebody only works in them. Each trick is first shown to work, where
//! git itself can show it: a canary appears. Then ours must leave no canary.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use git2::{ObjectType, Oid, Repository, Signature, Time};

use super::{Error, Inspection, Pools, TaskCommit, Worktree, base_commit, commit_task, file_at, files_below};
use crate::domain::effect::WorkspaceOrder;
use crate::domain::ids::ProjectId;
use crate::domain::time::Millis;
use crate::domain::workflow::WorkspaceKind;
use crate::workspace::process::{self, Command, End};

struct Rig {
    folder: tempfile::TempDir,
    repository: Repository,
    pools: Arc<Pools>,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init(folder.path().join("repo")).unwrap();
        let script = format!("#!/bin/sh\ntouch '{}'\n", folder.path().join("canary").display());
        executable(&folder.path().join("evil"), &script);
        let pools = Arc::new(Pools::new(&folder.path().join("home")));
        Self { folder, repository, pools }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn repo(&self) -> PathBuf {
        self.at("repo")
    }

    /// The program that leaves the canary.
    fn evil(&self) -> String {
        self.at("evil").display().to_string()
    }

    fn configure(&self, key: &str, value: &str) {
        self.repository.config().unwrap().set_str(key, value).unwrap();
    }

    /// Commits a tree on HEAD and puts no file anywhere.
    fn commit(&self, tree: Oid) -> String {
        let author = Signature::new("a", "a@b", &Time::new(1, 0)).unwrap();
        let tree = self.repository.find_tree(tree).unwrap();
        let parent = self.repository.head().ok().map(|head| head.peel_to_commit().unwrap());
        let parents: Vec<_> = parent.iter().collect();
        self.repository.commit(Some("HEAD"), &author, &author, "m", &tree, &parents).unwrap().to_string()
    }

    /// A commit of these files.
    fn files(&self, files: &[(&str, &str)]) -> String {
        let mut index = git2::Index::new().unwrap();
        for (path, text) in files {
            let mut entry = super::conflict::blank(path.as_bytes());
            (entry.id, entry.mode) = (self.repository.blob(text.as_bytes()).unwrap(), 0o100_644);
            index.add(&entry).unwrap();
        }
        let tree = index.write_tree_to(&self.repository).unwrap();
        self.commit(tree)
    }

    /// The object of a tree with entries that no honest program writes, in the order given.
    fn tree(&self, entries: &[(&[u8], &str, Oid)]) -> Oid {
        let mut bytes = Vec::new();
        for (name, mode, id) in entries {
            bytes.extend_from_slice(mode.as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(name);
            bytes.push(0);
            bytes.extend_from_slice(id.as_bytes());
        }
        self.repository.odb().unwrap().write(ObjectType::Tree, &bytes).unwrap()
    }

    fn blob(&self, text: &str) -> Oid {
        self.repository.blob(text.as_bytes()).unwrap()
    }

    fn lease(&self, base: &str) -> Result<Worktree, Error> {
        let order = WorkspaceOrder {
            kind: WorkspaceKind::Worktree,
            base_dir: self.repo().to_str().unwrap().into(),
            base_commit: Some(base.into()),
            trees: Vec::new(),
        };
        self.pools.lease(&project(), &order)
    }

    fn was_fooled(&self) -> bool {
        fs::remove_file(self.at("canary")).is_ok()
    }

    /// git itself, in the repository, with nothing set back; how it ended does not matter.
    #[expect(clippy::disallowed_methods, reason = "a test shows what git does")]
    fn git(&self, line: &str) {
        let mut command = std::process::Command::new("/bin/sh");
        command.args(["-c", line]).current_dir(self.repo()).env_clear().envs(self.environment());
        command.output().unwrap();
    }

    fn environment(&self) -> Vec<(OsString, OsString)> {
        let home = self.folder.path().as_os_str().to_owned();
        let pair = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        let mut env = vec![
            pair("PATH", "/usr/local/bin:/usr/bin:/bin"),
            pair("GIT_CONFIG_NOSYSTEM", "1"),
            pair("GIT_TERMINAL_PROMPT", "0"),
            pair("GIT_EDITOR", "true"),
        ];
        env.extend(
            ["AUTHOR", "COMMITTER"]
                .iter()
                .flat_map(|who| [pair(&format!("GIT_{who}_NAME"), "a"), pair(&format!("GIT_{who}_EMAIL"), "a@b")]),
        );
        env.push(("HOME".into(), home));
        env
    }

    /// The same command as a step runs it.
    async fn step(&self, line: &str) -> (Option<i32>, String) {
        let command = Command {
            line: line.to_owned(),
            dir: self.repo(),
            env: self.environment(),
            log: None,
            log_bytes_max: 1 << 20,
            value_bytes_max: 1 << 20,
            grace: Duration::from_secs(1),
            shutdown_grace: Duration::from_secs(1),
            key: "k".to_owned(),
            contained: crate::workspace::sandbox::Containment::Open,
            masker: crate::telemetry::mask::Masker::default(),
        };
        let report = process::run(&command, None, std::future::pending(), || {}).await.unwrap();
        let code = match report.end {
            End::Exited(code) => Some(code),
            _ => None,
        };
        let told = [report.output.stdout_tail, report.output.stderr_tail].concat();
        (code, String::from_utf8_lossy(&told).into_owned())
    }
}

fn project() -> ProjectId {
    ProjectId::new("p").unwrap()
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Everything of a configuration that names a program.
fn armed(rig: &Rig) {
    let evil = rig.evil();
    let passes = format!("{evil}; cat");
    let keys = [
        ("core.fsmonitor", evil.as_str()),
        ("core.sshCommand", &evil),
        ("core.pager", &evil),
        ("core.editor", &evil),
        ("core.askPass", &evil),
        ("core.gitProxy", &evil),
        ("diff.external", &evil),
        ("diff.x.command", &evil),
        ("diff.x.textconv", &evil),
        ("filter.y.clean", &passes),
        ("filter.y.smudge", &passes),
        ("filter.y.required", "true"),
        ("merge.z.driver", &evil),
        ("gpg.program", &evil),
        ("commit.gpgSign", "true"),
        ("credential.helper", &evil),
        ("sequence.editor", &evil),
        ("interactive.diffFilter", &evil),
    ];
    for (key, value) in keys {
        rig.configure(key, value);
    }
    for hook in [
        "pre-commit",
        "post-commit",
        "post-checkout",
        "post-merge",
        "pre-push",
        "reference-transaction",
        "post-index-change",
    ] {
        executable(&rig.repo().join(".git/hooks").join(hook), &format!("#!/bin/sh\n{evil}\n"));
    }
}

#[test]
fn what_we_do_with_a_repository_runs_nothing_of_it() {
    let rig = Rig::new();
    let base = rig.files(&[
        (".gitattributes", "* filter=y diff=x merge=z\n"),
        (".gitmodules", "[submodule \"../../x\"]\n\tpath = m\n\turl = ext::evil\n\tupdate = !evil\n"),
        ("f", "one\ntwo\n"),
    ]);
    armed(&rig);
    rig.git("git status");
    assert!(rig.was_fooled(), "git itself runs what it is told to");
    assert_eq!(base_commit(&rig.repo()).unwrap(), base);
    let worktree = rig.lease(&base).unwrap();
    assert_eq!(fs::read_to_string(worktree.dir().join("f")).unwrap(), "one\ntwo\n", "no filter came in between");
    fs::write(worktree.dir().join("f"), "three\n").unwrap();
    let tree = worktree.checkpoint().unwrap();
    let inspection = Inspection::open(worktree.dir()).unwrap();
    assert_eq!(inspection.changes(None).unwrap().len(), 1);
    inspection.log(5).unwrap();
    let commit = TaskCommit {
        base_dir: rig.repo(),
        project: project(),
        task: "t".to_owned(),
        tree: tree.clone(),
        parents: vec![base.clone()],
        message: "m\n".to_owned(),
        author: "a".to_owned(),
        time: Millis(1_000),
    };
    let commit = commit_task(&commit).unwrap();
    assert_eq!(file_at(&rig.repo(), &commit, "f", 100).unwrap().unwrap(), b"three\n");
    worktree.restore(&tree).unwrap();
    drop(worktree);
    let order = WorkspaceOrder {
        kind: WorkspaceKind::Worktree,
        base_dir: rig.repo().to_str().unwrap().into(),
        base_commit: Some(base.as_str().into()),
        trees: vec![tree],
    };
    rig.pools.publish(&project(), &order, "m", Millis(1_000)).unwrap().unwrap();
    rig.pools.close(&project(), &rig.repo()).unwrap();
    assert!(!rig.was_fooled());
}

/// Tricks that git falls for: a setting, what else must be there, and the command.
#[tokio::test]
async fn a_command_of_a_step_runs_nothing_of_the_repository() {
    let rig = Rig::new();
    rig.files(&[(".gitattributes", "f filter=y diff=x merge=z\n"), ("f", "one\n")]);
    let evil = rig.evil();
    rig.git("git reset -q --hard; git branch other");
    let passes = format!("{evil}; cat");
    let tricks: &[(&str, &str, &str)] = &[
        ("core.fsmonitor", &evil, "git status"),
        ("core.sshCommand", &evil, "git ls-remote ssh://127.0.0.1:1/x"),
        ("core.gitProxy", &evil, "git ls-remote git://127.0.0.1:1/x"),
        ("diff.external", &evil, "echo $$ >> f; git diff"),
        ("diff.x.command", &evil, "echo $$ >> f; git diff"),
        ("diff.x.textconv", &evil, "echo $$ >> f; git diff"),
        ("filter.y.clean", &passes, "echo $$ >> f; git add f"),
        ("filter.y.smudge", &passes, "rm f; git checkout -q HEAD -- f"),
        ("filter.y.process", &evil, "echo $$ >> f; git add f"),
        ("gpg.program", &evil, "git commit -q --allow-empty -S -m x"),
        ("credential.helper", &evil, "printf 'protocol=https\\nhost=x.invalid\\n\\n' | git credential fill"),
        (
            "credential.https://x.invalid.helper",
            &evil,
            "printf 'protocol=https\\nhost=x.invalid\\n\\n' | git credential fill",
        ),
        ("core.askPass", &evil, "printf 'protocol=https\\nhost=x.invalid\\n\\n' | git credential fill"),
        ("core.hooksPath", "EVIL_HOOKS", "git commit -q --allow-empty -m x"),
        ("include.path", "EVIL_INCLUDE", "git status"),
        ("includeIf.hasconfig:remote.*.url:**.path", "EVIL_FILTER", "echo $$ >> f; git add f"),
    ];
    fs::create_dir(rig.at("hooks")).unwrap();
    executable(&rig.at("hooks/pre-commit"), &format!("#!/bin/sh\n{evil}\n"));
    fs::write(rig.at("include"), format!("[core]\n\tfsmonitor = {evil}\n")).unwrap();
    let (hooks, include) = (rig.at("hooks").display().to_string(), rig.at("include").display().to_string());
    fs::write(rig.at("filter"), format!("[filter \"y\"]\n\tclean = \"{passes}\"\n")).unwrap();
    rig.configure("remote.origin.url", "https://x.invalid/y");
    let clean = fs::read(rig.repo().join(".git/config")).unwrap();
    let unarmed = |rig: &Rig| fs::write(rig.repo().join(".git/config"), &clean).unwrap();
    for (key, value, line) in tricks {
        let value = value.replace("EVIL_HOOKS", &hooks).replace("EVIL_INCLUDE", &include);
        let value = value.replace("EVIL_FILTER", &rig.at("filter").display().to_string());
        for tried in ["git", "step"] {
            unarmed(&rig);
            rig.git("git reset -q --hard");
            rig.configure(key, &value);
            assert!(!rig.was_fooled());
            match tried {
                "git" => {
                    rig.git(line);
                    assert!(rig.was_fooled(), "{key}: the trick does not work, so its absence shows nothing");
                }
                _ => {
                    let (_, told) = rig.step(line).await;
                    assert!(!rig.was_fooled(), "{key} ran: {told}");
                }
            }
        }
    }
}

#[tokio::test]
async fn hooks_in_their_usual_place_and_merge_drivers_run_neither() {
    let rig = Rig::new();
    let text: String = (1..=9).map(|n| format!("{n}\n")).collect();
    rig.files(&[(".gitattributes", "f merge=z\n"), ("f", &text)]);
    let change = "git reset -q --hard; git checkout -q -B side; sed -i s/1/one/ f; git commit -q -a -m one; git checkout -q -; \
                  sed -i s/9/nine/ f; git commit -q -a -m nine";
    rig.git(change);
    rig.configure("merge.z.driver", &rig.evil());
    executable(&rig.repo().join(".git/hooks/post-merge"), &format!("#!/bin/sh\n{}\n", rig.evil()));
    let before = base_commit(&rig.repo()).unwrap();
    rig.git("git merge -q side -m merge");
    assert!(rig.was_fooled(), "git itself runs them");
    rig.git(&format!("git reset -q --hard {before}"));
    let (code, told) = rig.step("git merge -q side -m merge").await;
    assert_eq!(code, Some(0), "{told}");
    assert!(!rig.was_fooled(), "{told}");
    let merged = fs::read_to_string(rig.repo().join("f")).unwrap();
    assert_eq!(merged, text.replace('1', "one").replace('9', "nine"), "and the merge is the one that git makes itself");
}

#[tokio::test]
async fn what_is_set_back_leaves_ordinary_use_as_it_was() {
    let rig = Rig::new();
    rig.files(&[(".gitattributes", "f filter=y diff=x\n"), ("f", "one\n")]);
    rig.git("git reset -q --hard");
    for (key, value) in [("filter.y.clean", "false"), ("filter.y.required", "true"), ("diff.x.textconv", "false")] {
        rig.configure(key, value);
    }
    let (code, told) =
        rig.step("echo two >> f && git diff && git add f && git commit -q -m two && git show --stat").await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("+two") && told.contains("1 file changed"), "{told}");
    // What the command line says still counts.
    executable(&rig.repo().join(".git/hooks/pre-commit"), &format!("#!/bin/sh\n{}\n", rig.evil()));
    rig.step("git commit -q --allow-empty -m x").await;
    assert!(!rig.was_fooled());
    rig.step("git -c core.hooksPath=.git/hooks commit -q --allow-empty -m x").await;
    assert!(rig.was_fooled(), "who asks for hooks gets them");
}

#[test]
fn names_that_mean_something_else_are_refused_and_write_nothing() {
    let rig = Rig::new();
    let blob = rig.blob("evil");
    let hooks = rig.tree(&[(b"post-checkout", "100755", blob)]);
    let inner = rig.tree(&[(b"hooks", "40000", hooks), (b"x", "100644", blob)]);
    let names: [&[u8]; 11] = [
        b"..",
        b".",
        b".git",
        b".GIT",
        b".git ",
        b".git.",
        b"git~1",
        b"GIT~1",
        b".git::$INDEX_ALLOCATION",
        b".g\xe2\x80\x8cit",
        b"../../canary",
    ];
    for name in names {
        for (mode, id) in [("40000", inner), ("100644", blob), ("120000", blob)] {
            let base = rig.commit(rig.tree(&[(name, mode, id)]));
            let refused = rig.lease(&base);
            assert!(refused.is_err(), "{:?} as {mode}", OsStr::from_bytes(name));
        }
        let base = rig.commit(rig.tree(&[(b"a", "40000", rig.tree(&[(name, "40000", inner)]))]));
        assert!(rig.lease(&base).is_err(), "a/{:?}", OsStr::from_bytes(name));
    }
    let outside =
        ["canary", "x", "home/canary", "home/x", "home/worktrees/x", "home/worktrees/p/x", "home/worktrees/p/hooks"];
    assert!(outside.iter().all(|name| !rig.at(name).exists()));
    assert!(!rig.repo().join(".git/hooks/post-checkout").exists());
    let honest = rig.files(&[("f", "x")]);
    assert!(rig.lease(&honest).is_ok(), "what came before is no obstacle");
}

#[test]
fn a_link_and_a_folder_of_one_name_write_nothing_outside() {
    let rig = Rig::new();
    fs::create_dir(rig.at("outside")).unwrap();
    let target = rig.blob(&rig.at("outside").display().to_string());
    let inner = rig.tree(&[(b"owned", "100644", rig.blob("evil"))]);
    for entries in [
        [(b"a".as_slice(), "120000", target), (b"a", "40000", inner)],
        [(b"a".as_slice(), "40000", inner), (b"a", "120000", target)],
    ] {
        let base = rig.commit(rig.tree(&entries));
        // Whether such a tree is refused or one of the two wins, nothing leaves the worktree.
        let _leased = rig.lease(&base);
        assert_eq!(fs::read_dir(rig.at("outside")).unwrap().count(), 0);
    }
}

#[test]
fn a_reset_goes_through_no_link_that_a_step_left() {
    let rig = Rig::new();
    let base = rig.files(&[("a/b/f", "x"), ("g", "y")]);
    let worktree = rig.lease(&base).unwrap();
    let tree = worktree.checkpoint().unwrap();
    fs::create_dir_all(rig.at("outside/b")).unwrap();
    fs::write(rig.at("outside/b/f"), "mine").unwrap();
    fs::write(rig.at("outside/keep"), "mine").unwrap();
    fs::remove_dir_all(worktree.dir().join("a")).unwrap();
    symlink(rig.at("outside"), worktree.dir().join("a")).unwrap();
    worktree.restore(&tree).unwrap();
    assert_eq!(fs::read(worktree.dir().join("a/b/f")).unwrap(), b"x");
    // The whole worktree, and the folder that git keeps for it, as links into what is not theirs.
    let root = worktree.dir().to_owned();
    fs::remove_dir_all(&root).unwrap();
    symlink(rig.at("outside"), &root).unwrap();
    let admins = rig.repo().join(".git/worktrees");
    let admin = fs::read_dir(&admins).unwrap().next().unwrap().unwrap().path();
    fs::remove_dir_all(&admin).unwrap();
    symlink(rig.at("outside"), &admin).unwrap();
    worktree.restore(&tree).unwrap();
    assert!(root.symlink_metadata().unwrap().is_dir(), "a folder again");
    assert_eq!(fs::read(root.join("g")).unwrap(), b"y");
    assert_eq!(fs::read(rig.at("outside/b/f")).unwrap(), b"mine");
    assert_eq!(fs::read(rig.at("outside/keep")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(rig.at("outside")).unwrap().count(), 2, "nothing was put there");
    // Its `.git` as a link to a file that matters.
    fs::remove_file(root.join(".git")).unwrap();
    symlink(rig.at("outside/keep"), root.join(".git")).unwrap();
    worktree.checkpoint().unwrap();
    assert_eq!(fs::read(rig.at("outside/keep")).unwrap(), b"mine");
}

#[test]
fn names_that_are_swapped_for_links_meanwhile_lead_nowhere() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let rig = Rig::new();
    let base = rig.files(&[("a/b/f", "x"), ("a/b/g", "y"), ("a/h", "z")]);
    let worktree = rig.lease(&base).unwrap();
    let tree = worktree.checkpoint().unwrap();
    fs::create_dir_all(rig.at("outside/b")).unwrap();
    fs::write(rig.at("outside/secret"), "secret").unwrap();
    fs::write(rig.at("outside/b/f"), "secret").unwrap();
    let (root, outside, done) = (worktree.dir().to_owned(), rig.at("outside"), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let _ = fs::remove_file(root.join("a"));
                let _ = fs::rename(root.join("a"), root.join("aside"));
                let _ = symlink(&outside, root.join("a"));
                let _ = fs::remove_file(root.join("a"));
                let _ = fs::rename(root.join("aside"), root.join("a"));
            }
        });
        for _ in 0..100 {
            // It may fail, for the ground moves under it; it may not reach outside.
            let _ = worktree.restore(&tree);
            if let Ok(taken) = worktree.checkpoint() {
                let found = rig.repository.find_tree(Oid::from_str(&taken).unwrap()).unwrap();
                found
                    .walk(git2::TreeWalkMode::PreOrder, |_, entry| {
                        let blob = rig.repository.find_blob(entry.id());
                        assert!(blob.is_err() || blob.unwrap().content() != b"secret", "it read outside");
                        git2::TreeWalkResult::Ok
                    })
                    .unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(fs::read(rig.at("outside/secret")).unwrap(), b"secret");
    assert_eq!(fs::read(rig.at("outside/b/f")).unwrap(), b"secret", "it wrote outside");
    assert_eq!(fs::read_dir(rig.at("outside")).unwrap().count(), 2);
    assert_eq!(fs::read_dir(rig.at("outside/b")).unwrap().count(), 1);
    let _ = fs::remove_file(root.join("a"));
    worktree.restore(&tree).unwrap();
    assert_eq!(worktree.checkpoint().unwrap(), tree, "once it is over, all is as it was");
}

#[test]
fn a_git_file_that_leads_into_another_checkout_is_refused() {
    let rig = Rig::new();
    let base = rig.files(&[("private", "x")]);
    let git = rig.repo().join(".git");
    for name in ["gitfile", "link"] {
        fs::create_dir(rig.at(name)).unwrap();
    }
    fs::write(rig.at("gitfile/.git"), format!("gitdir: {}\n", git.display())).unwrap();
    symlink(&git, rig.at("link/.git")).unwrap();
    let worktree = rig.lease(&base).unwrap();
    let admin = fs::read_dir(git.join("worktrees")).unwrap().next().unwrap().unwrap().path();
    fs::create_dir(rig.at("stolen")).unwrap();
    fs::write(rig.at("stolen/.git"), format!("gitdir: {}\n", admin.display())).unwrap();
    for name in ["gitfile", "link", "stolen"] {
        let refused = base_commit(&rig.at(name));
        assert!(matches!(refused, Err(Error::Elsewhere { .. })), "{name}: {refused:?}");
        assert!(Inspection::open(&rig.at(name)).is_err(), "{name}");
    }
    assert_eq!(base_commit(worktree.dir()).unwrap(), base, "a worktree that its repository knows is one");
    // A git folder that is kept apart belongs to no other checkout.
    fs::create_dir(rig.at("apart")).unwrap();
    rig.git("git init -q --separate-git-dir=../kept ../apart && git -C ../apart commit -q --allow-empty -m first");
    assert!(base_commit(&rig.at("apart")).is_ok());
}

#[test]
fn a_work_tree_that_is_configured_elsewhere_is_not_looked_at() {
    let rig = Rig::new();
    let base = rig.files(&[("f", "x")]);
    fs::create_dir(rig.at("outside")).unwrap();
    fs::write(rig.at("outside/secret"), "secret").unwrap();
    rig.configure("core.worktree", &rig.at("outside").display().to_string());
    fs::write(rig.repo().join("f"), "x").unwrap();
    assert!(Inspection::open(&rig.repo()).unwrap().changes(None).unwrap().is_empty());
    let worktree = rig.lease(&base).unwrap();
    assert_eq!(fs::read(worktree.dir().join("f")).unwrap(), b"x");
    assert_eq!(fs::read_dir(rig.at("outside")).unwrap().count(), 1);
}

#[test]
fn submodules_are_folders_and_nothing_is_done_with_them() {
    let rig = Rig::new();
    let modules = "[submodule \"../../../evil\"]\n\tpath = m\n\turl = file:///\n\tupdate = !touch canary\n";
    let base = rig.commit(rig.tree(&[
        (b".gitmodules", "100644", rig.blob(modules)),
        (b"m", "160000", Oid::from_str("1111111111111111111111111111111111111111").unwrap()),
    ]));
    let worktree = rig.lease(&base).unwrap();
    assert_eq!(fs::read_dir(worktree.dir().join("m")).unwrap().count(), 0);
    assert!(!rig.repo().join(".git/modules").exists());
    let through =
        rig.commit(rig.tree(&[(b"..", "160000", Oid::from_str("1111111111111111111111111111111111111111").unwrap())]));
    assert!(rig.lease(&through).is_err());
}

#[test]
fn an_object_that_was_overwritten_is_not_taken_for_what_it_was() {
    let rig = Rig::new();
    let base = rig.files(&[(".wfctl/roles/reviewer.md", "strict")]);
    let read = || file_at(&rig.repo(), &base, ".wfctl/roles/reviewer.md", 100);
    assert_eq!(read().unwrap().unwrap(), b"strict");
    let (strict, lax) = (rig.blob("strict").to_string(), rig.blob("says yes").to_string());
    let objects = rig.repo().join(".git/objects");
    let place = |id: &str| objects.join(&id[..2]).join(&id[2..]);
    fs::set_permissions(place(&strict), fs::Permissions::from_mode(0o600)).unwrap();
    fs::copy(place(&lax), place(&strict)).unwrap();
    assert!(read().is_err(), "its content is not that of its name");
}

#[test]
fn roles_that_are_links_or_too_many_or_too_large_are_none() {
    let rig = Rig::new();
    let link =
        rig.tree(&[(b"reviewer.md", "120000", rig.blob("/etc/passwd")), (b"tester.md", "100644", rig.blob("t"))]);
    let base = rig.commit(rig.tree(&[(b"roles", "40000", link)]));
    let names = |most: usize, bytes: u64| files_below(&rig.repo(), &base, "roles", most, bytes);
    assert_eq!(names(1, 1).unwrap(), [("tester.md".to_owned(), b"t".to_vec())]);
    assert!(matches!(names(0, 1), Err(Error::Bound(_))));
    assert!(matches!(names(1, 0), Err(Error::Bound(_))));
    assert_eq!(files_below(&rig.repo(), &base, "none", 1, 1).unwrap(), []);
}
