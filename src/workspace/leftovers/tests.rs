//! A dead engine is simulated: commands are spawned by hand, registered, and never looked after.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use super::{ENGINE_VARIABLE, Leftovers, STEP_VARIABLE};

fn spawned(line: &str, variables: &[(&str, &str)]) -> Child {
    Command::new("/bin/sh")
        .args(["-c", line])
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap()
}

fn pid(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap()
}

/// A home of its own for each test: they run at once, and each ends what its home's dead engines left.
fn home_id(dir: &tempfile::TempDir) -> String {
    dir.path().file_name().unwrap().to_str().unwrap().to_owned()
}

fn register(dir: &tempfile::TempDir) -> Leftovers {
    Leftovers::open(dir.path().join("run"), &home_id(dir)).unwrap()
}

#[tokio::test]
async fn a_registered_group_is_killed_with_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = spawned("sleep 1000 & sleep 1000", &[]);
    register(&dir).register(pid(&child), "p/0/1/0");
    let killed = register(&dir).reap().await.unwrap();
    assert!(killed >= 1);
    assert!(!child.wait().unwrap().success());
    assert_eq!(std::fs::read_dir(dir.path().join("run")).unwrap().count(), 0);
    assert_eq!(register(&dir).reap().await.unwrap(), 0);
}

#[tokio::test]
async fn members_without_their_leader_are_known_by_the_step() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let line = format!("sleep 1000 & echo $! > {}", file.display());
    let mut leader = spawned(&line, &[(STEP_VARIABLE, "p/0/1/0")]);
    let leftovers = register(&dir);
    leftovers.register(pid(&leader), "p/0/1/0");
    leader.wait().unwrap();
    let member: i32 = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
    // In the middle of its exec a process has no environment to be known by.
    while super::procfs::environment_value(member, STEP_VARIABLE).is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(leftovers.reap().await.unwrap(), 1);
    assert!(super::procfs::stat(member).is_none_or(|process| process.is_zombie));
}

#[tokio::test]
async fn a_recycled_pid_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut stranger = spawned("exec sleep 1000", &[]);
    let leftovers = register(&dir);
    let file = dir.path().join("run").join(stranger.id().to_string());
    for content in
        [format!("{} 1 {} p/0/1/0\n", stranger.id(), leftovers.boot), format!("{} 1", stranger.id()), String::new()]
    {
        std::fs::write(&file, content).unwrap();
        assert_eq!(leftovers.reap().await.unwrap(), 0);
        assert!(!file.exists());
    }
    let started = super::procfs::stat(pid(&stranger)).unwrap().started_ticks;
    std::fs::write(&file, format!("{} {started} another-boot p/0/1/0\n", stranger.id())).unwrap();
    assert_eq!(leftovers.reap().await.unwrap(), 0);
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn what_left_its_group_is_known_by_its_dead_engine() {
    let dir = tempfile::tempdir().unwrap();
    let leftovers = register(&dir);
    let mut dead = spawned("exec sleep 1000", &[(ENGINE_VARIABLE, &format!("{}:1:1", home_id(&dir)))]);
    let mut other_home = spawned("exec sleep 1000", &[(ENGINE_VARIABLE, "home-2:1:1")]);
    let mut ours = spawned("exec sleep 1000", &[(ENGINE_VARIABLE, leftovers.engine_marker())]);
    assert_eq!(leftovers.reap().await.unwrap(), 1);
    assert!(!dead.wait().unwrap().success());
    for child in [&mut other_home, &mut ours] {
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
