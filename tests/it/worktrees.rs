//! Projects in worktrees of a real repository: files flow along the edges, the user's own checkout never changes.

use std::os::unix::ffi::OsStrExt as _;

use crate::rig::{Done, Rig, until};

/// Everything of a repository that is its user's.
fn mine(rig: &Rig) -> Vec<String> {
    let refs = rig.git("repo", &["for-each-ref"]);
    let refs = refs.lines().filter(|line| !line.contains("refs/heads/ai/generated/")).collect::<Vec<_>>().join("\n");
    let read = |name: &str| format!("{:?}", std::fs::read(rig.path(&format!("repo/.git/{name}"))).ok());
    vec![
        read("index"),
        read("HEAD"),
        read("config"),
        refs,
        rig.git("repo", &["status", "--porcelain=v2", "--branch", "-uall"]),
        rig.git("repo", &["stash", "list"]),
        rig.host("repo", "find", &[".", "-path", "./.git", "-prune", "-o", "-printf", "%P %m %l\n"]),
    ]
}

fn nothing_left(rig: &Rig, id: &str) {
    assert_eq!(rig.git("repo", &["for-each-ref", "refs/wfctl"]), "");
    assert!(!rig.path("repo/.git/worktrees").exists(), "an admin folder stays");
    assert!(!rig.folder().join("home/worktrees").join(id).exists(), "a worktree stays");
    assert_eq!(rig.git("repo", &["worktree", "list"]).lines().count(), 1);
}

fn result(rig: &Rig, id: &str) -> String {
    rig.git("repo", &["rev-parse", &format!("ai/generated/{id}/result")])
}

fn dirty(rig: &Rig) {
    rig.repository("repo");
    rig.write("repo/staged", "1");
    rig.git("repo", &["add", "staged"]);
    rig.write("repo/README", "changed by hand\n");
    rig.write("repo/untracked", "mine\n");
    rig.git("repo", &["branch", "other"]);
    rig.git("repo", &["status"]);
}

fn run(rig: &Rig, id: &str, workflow: &str) -> Done {
    rig.write("w.yaml", workflow);
    rig.wfctl_in("repo", &["run", "../w.yaml", "--id", id])
}

#[test]
fn files_flow_along_edges_and_the_checkout_stays_as_it_is() {
    let rig = Rig::new();
    dirty(&rig);
    let before = mine(&rig);
    let seen = rig.path("seen").display().to_string();
    let done = run(
        &rig,
        "p",
        &format!(
            "name: w
workspace: worktree
limits: {{workers: 3}}
tasks:
  a: {{run: 'grep -q \"read me\" README && ! test -e untracked && ! test -e staged && echo a > a'}}
  b: {{needs: [a], run: 'cp a b && touch {seen}'}}
  c: {{run: 'while ! test -e {seen}; do sleep 0.05; done; ! test -e a && echo c > c'}}
  d: {{needs: [b, c], run: 'cat a b c > d'}}
"
        ),
    );
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(mine(&rig), before);
    assert_eq!(rig.git("repo", &["ls-tree", "-r", "--name-only", &result(&rig, "p")]), "README\na\nb\nc\nd");
    assert_eq!(rig.git("repo", &["show", "ai/generated/p/result:d"]), "a\na\nc");
    assert_eq!(rig.git("repo", &["rev-parse", "ai/generated/p/result^"]), rig.git("repo", &["rev-parse", "HEAD"]));
    nothing_left(&rig, "p");
    rig.git("repo", &["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn files_that_cannot_be_merged_end_the_task_with_their_names() {
    let rig = Rig::new();
    dirty(&rig);
    let before = mine(&rig);
    let done = run(
        &rig,
        "p",
        "name: w
workspace: worktree
retry: {max_attempts: 3, on_exhausted: fail}
tasks:
  a: {run: 'mkdir -p in && echo 1 > \"in/one file\" && echo a > a'}
  b: {run: 'mkdir -p in && echo 2 > \"in/one file\" && echo b > b'}
  c: {needs: [a, b], run: 'true'}
",
    );
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(done.err.contains("cannot merge the files of the tasks: in/one file"), "{}", done.err);
    assert!(rig.wfctl(&["why", "p"]).code == Some(0) && rig.wfctl(&["show", "p"]).out.contains("in/one file"));
    assert_eq!(rig.wfctl(&["events", "p", "--kind", "TaskBackoff"]).out, "", "a conflict is not tried again");
    assert_eq!(mine(&rig), before);
    nothing_left(&rig, "p");
}

/// What a half-done task leaves: new, deleted, executable, replaced, and names that are no text.
const MESS: &str = "name: w
workspace: worktree
tasks:
  base:
    run: |
      printf 'target/\\n' > .gitignore
      mkdir -p sub target && echo tracked > sub/tracked && echo plain > plain && ln -s plain link && echo old > target/cache
      printf x > \"$(printf 'n\\377me')\" && chmod +x plain
  mess:
    needs: [base]
    run: |
      find . -path ./.git -prune -o -path ./target -prune -o -printf '%P %m %l %s\\n' | sort >> LIST
      echo -- >> LIST
      if ! test -e STARTED; then
        echo new > untracked && rm -r sub && chmod -x plain && ln -sf README link && echo y > \"$(printf 'n\\377me')\"
        echo z > \"$(printf 'w\\376rd')\" && echo warm > target/cache && touch STARTED
        while :; do sleep 1; done
      fi
      cat target/cache > kept
";

#[test]
fn fault_02_killed_in_the_middle_of_its_files_a_task_begins_again_from_exactly_what_it_had() {
    let rig = Rig::new();
    dirty(&rig);
    let before = mine(&rig);
    let place = |name: &str| rig.path(name).display().to_string();
    rig.write("w.yaml", &MESS.replace("LIST", &place("list")).replace("STARTED", &place("started")));
    let mut child = rig.shimmed("repo", &["run", "../w.yaml", "--id", "p"]).spawn().unwrap();
    until("the mess is made", || rig.path("started").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(rig.wfctl(&["resume", "--dry-run", "p"]).out.contains("run again from the restored worktree"));
    let resumed = rig.wfctl(&["resume", "p"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    let list = std::fs::read(rig.path("list")).unwrap();
    let runs: Vec<&[u8]> = list.split(|byte| *byte == b'\n').collect();
    let runs: Vec<&[&[u8]]> = runs.split(|line| *line == b"--").filter(|run| run.len() > 1).collect();
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[0], runs[1], "{}", String::from_utf8_lossy(&list));
    assert!(list.windows(4).any(|four| four == b"n\xffme"));
    assert_eq!(rig.git("repo", &["show", "ai/generated/p/result:kept"]), "warm", "ignored files are left alone");
    let names = rig.git("repo", &["ls-tree", "-r", "-z", "--name-only", "ai/generated/p/result"]);
    assert!(!names.contains("untracked") && !names.contains("target"), "{names}");
    let modes = rig.git("repo", &["ls-tree", "ai/generated/p/result", "plain", "link"]);
    assert!(modes.contains("100755 ") && modes.contains("120000 "), "{modes}");
    assert_eq!(mine(&rig), before);
    nothing_left(&rig, "p");
}

#[test]
fn a_cancelled_project_leaves_nothing_in_the_repository() {
    let rig = Rig::new();
    dirty(&rig);
    let before = mine(&rig);
    rig.write("w.yaml", "name: w\nworkspace: worktree\ntasks:\n  a: {run: 'echo a > a', undo: 'test -e a && touch UNDONE'}\n  b: {needs: [a], approval: {ask: 'Go?'}}\n".replace("UNDONE", &rig.path("undone").display().to_string()).as_str());
    let child = rig.shimmed("repo", &["run", "../w.yaml", "--id", "p"]).spawn().unwrap();
    until("it asks", || rig.wfctl(&["why", "p"]).out.contains("wfctl approve p b"));
    assert_eq!(rig.wfctl(&["cancel", "p"]).code, Some(0));
    assert_eq!(Done::from(child.wait_with_output().unwrap()).code, Some(4));
    assert!(rig.path("undone").exists(), "it is undone where its files are");
    assert_eq!(mine(&rig), before);
    assert_eq!(rig.git("repo", &["branch", "--list", "ai/*"]), "");
    nothing_left(&rig, "p");
}

const ONE: &str = "name: w\nworkspace: worktree\ntasks: {a: {run: 'echo a > a'}, b: {run: 'echo b > b'}}\n";

/// Fault scenario 2: the engine dies behind the record that ends a project and before its result is a branch. The state of
/// that moment is made with a branch in the way of the result; the note of the refusal is what a dead engine had no time for.
#[test]
fn fault_02_a_result_whose_engine_died_is_published_by_the_next_one_as_the_same_commit() {
    let rig = Rig::new();
    dirty(&rig);
    rig.git("repo", &["branch", "ai"]);
    let done = run(&rig, "p", ONE);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.err.contains("what follows its end is not done"), "{}", done.err);
    let note = rig.folder().join("home/worktrees/p/refused");
    std::fs::remove_file(&note).unwrap();
    rig.git("repo", &["branch", "-D", "ai"]);
    let before = mine(&rig);
    let copy = |from: &str, to: &str| rig.host("", "cp", &["-a", from, to]);
    let home = rig.folder().join("home").display().to_string();
    let saved = rig.folder().join("saved").display().to_string();
    copy(&home, &saved);
    copy("repo", "repo.saved");
    let mut commits = Vec::new();
    for round in 0..2 {
        if round == 1 {
            std::fs::remove_dir_all(&home).unwrap();
            std::fs::remove_dir_all(rig.path("repo")).unwrap();
            copy(&saved, &home);
            copy("repo.saved", "repo");
        }
        let resumed = rig.wfctl(&["resume", "--all"]);
        assert_eq!(resumed.code, Some(0), "{}", resumed.err);
        commits.push(result(&rig, "p"));
        nothing_left(&rig, "p");
    }
    assert_eq!(commits[0], commits[1]);
    assert_eq!(mine(&rig)[4], before[4]);
    assert_eq!(rig.git("repo", &["ls-tree", "--name-only", &commits[0]]), "README\na\nb");
    // Nothing is done a third time: a result that its user removed stays removed.
    rig.git("repo", &["branch", "-D", "ai/generated/p/result"]);
    assert_eq!(rig.wfctl(&["resume", "--all"]).code, Some(0));
    assert_eq!(rig.git("repo", &["branch", "--list", "ai/*"]), "");
}

#[test]
fn fault_02_killed_at_the_end_of_a_project_its_result_is_not_lost() {
    let rig = Rig::new();
    dirty(&rig);
    rig.write("w.yaml", ONE);
    let mut missing = 0;
    for round in 0..6 {
        let id = format!("p{round}");
        let mut child = rig.shimmed("repo", &["run", "../w.yaml", "--id", &id]).spawn().unwrap();
        // The summary of the project is the last thing to appear before its result.
        let index = rig.folder().join("home/worktrees").join(&id);
        until("its worktrees are there", || index.exists() || child.try_wait().unwrap().is_some());
        until("it is about to end", || {
            let refs = rig.path("repo/.git/refs/wfctl");
            let checkpoints =
                walk(&refs).iter().filter(|path| path.display().to_string().contains(&format!("/{id}/"))).count();
            checkpoints >= 2 || child.try_wait().unwrap().is_some()
        });
        child.kill().unwrap();
        child.wait().unwrap();
        missing += usize::from(rig.git("repo", &["branch", "--list", &format!("ai/generated/{id}/result")]).is_empty());
        let resumed = rig.wfctl(&["resume", "--all"]);
        assert_eq!(resumed.code, Some(0), "{}", resumed.err);
        let branch = rig.git("repo", &["branch", "--list", &format!("ai/generated/{id}/result")]);
        let log = || std::fs::read_to_string(rig.folder().join("home/engine.log")).unwrap_or_default();
        let told = || (resumed.err.clone(), log(), rig.git("repo", &["for-each-ref"]));
        assert!(!branch.is_empty(), "{id} has no result: {:#?}", told());
        assert_eq!(rig.git("repo", &["ls-tree", "--name-only", &result(&rig, &id)]), "README\na\nb");
        nothing_left(&rig, &id);
    }
    eprintln!("killed before the result was there: {missing} of 6");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(walk(&path)),
            path if path.as_os_str().as_bytes().ends_with(b".lock") => {}
            path => found.push(path),
        }
    }
    found
}

#[test]
fn places_that_cannot_be_used_say_why_and_change_nothing() {
    let rig = Rig::new();
    rig.write("w.yaml", ONE);
    for folder in ["empty", "bare", "plain"] {
        std::fs::create_dir(rig.path(folder)).unwrap();
    }
    rig.git("empty", &["init", "-q"]);
    rig.git("bare", &["init", "-q", "--bare"]);
    let messages = [
        ("empty", "the repository has no commits yet"),
        ("bare", "the repository is bare"),
        ("plain", "not a git repository"),
    ];
    for (folder, message) in messages {
        let run = rig.wfctl_in(folder, &["run", "../w.yaml"]);
        assert!(run.err.contains(message) && run.err.contains("hint"), "{folder}: {}", run.err);
        assert!(matches!(run.code, Some(2 | 5 | 6)), "{folder}: {:?}", run.code);
    }
    assert!(!rig.folder().join("home/store").exists(), "a refused start opened a store");
}

#[test]
fn a_detached_head_and_submodules_are_no_obstacle() {
    let rig = Rig::new();
    rig.repository("inner");
    rig.repository("repo");
    let inner = rig.path("inner").display().to_string();
    rig.git("repo", &["submodule", "--quiet", "add", &inner, "module"]);
    rig.git("repo", &["commit", "-q", "-m", "with a submodule"]);
    rig.git("repo", &["checkout", "-q", "--detach"]);
    let module = rig.git("repo", &["rev-parse", "HEAD:module"]);
    let before = mine(&rig);
    let done =
        run(&rig, "p", "name: w\nworkspace: worktree\ntasks: {a: {run: '! test -e module/README && echo a > a'}}\n");
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(mine(&rig), before);
    assert_eq!(
        rig.git("repo", &["rev-parse", "ai/generated/p/result:module"]),
        module,
        "the submodule stays as it was"
    );
    assert_eq!(rig.git("repo", &["rev-parse", "ai/generated/p/result^"]), rig.git("repo", &["rev-parse", "HEAD"]));
    nothing_left(&rig, "p");
}
