//! The built binary as people meet it: `wfctl demo`, killed and resumed; the SDLC workflow against a server of their own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::player::Player;

/// Longer than anything takes, on any machine.
const PATIENCE: Duration = Duration::from_secs(240);
const POLL: Duration = Duration::from_millis(20);

/// A folder with a home, and the search path of whoever runs the tests: the demo needs cargo.
struct Place {
    folder: tempfile::TempDir,
    path: String,
    cargo_home: Option<String>,
    rustup_home: Option<String>,
}

impl Place {
    #[expect(clippy::disallowed_methods, reason = "the tool chain of whoever runs the tests")]
    fn new() -> Self {
        let read = |name: &str| std::env::var(name).ok();
        let below_home = |name: &str| {
            let folder = PathBuf::from(read("HOME")?).join(name);
            folder.is_dir().then(|| folder.display().to_string())
        };
        Self {
            folder: tempfile::tempdir().unwrap(),
            path: read("PATH").unwrap_or_default(),
            cargo_home: read("CARGO_HOME").or_else(|| below_home(".cargo")),
            rustup_home: read("RUSTUP_HOME").or_else(|| below_home(".rustup")),
        }
    }

    /// Says so when it is not there.
    #[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
    fn has_cargo(&self) -> bool {
        let there = std::env::split_paths(&self.path).any(|folder| folder.join("cargo").is_file());
        if !there {
            println!("skipped: cargo is not in the search path, and the demo builds a small program with it");
        }
        there
    }

    #[expect(clippy::disallowed_methods, reason = "a test starts processes of its own")]
    fn program(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command.env("PATH", &self.path).env("HOME", self.folder.path()).env("USER", "tester");
        command.env("WFCTL_HOME", self.folder.path().join("home")).env("GIT_CONFIG_NOSYSTEM", "1");
        for (name, value) in [("CARGO_HOME", &self.cargo_home), ("RUSTUP_HOME", &self.rustup_home)] {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command
    }

    fn wfctl(&self, arguments: &[&str]) -> Output {
        self.program(env!("CARGO_BIN_EXE_wfctl"), arguments).output().unwrap()
    }

    /// A verb that must go well; what it printed.
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.wfctl(arguments);
        assert!(output.status.success(), "wfctl {arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn host(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.program(program, arguments).output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {}", text(&output.stderr));
        text(&output.stdout).trim_end().to_owned()
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.program(env!("CARGO_BIN_EXE_wfctl"), arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// How many records a project has; 0 while there is none.
    fn records(&self, id: &str) -> usize {
        text(&self.wfctl(&["events", id, "--json"]).stdout).lines().count()
    }

    /// Nothing runs, no worktree is left, and the whole journal is sound.
    fn is_tidy(&self, id: &str, repository: &str) {
        assert_eq!(self.host("git", &["-C", repository, "worktree", "list"]).lines().count(), 1);
        self.says(&["audit", "verify", id]);
        let home = self.folder.path().join("home");
        assert_eq!(running_for(&home), [""; 0], "processes of its steps");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The command lines of living processes that have the home in their environment.
fn running_for(home: &Path) -> Vec<String> {
    let marker = format!("WFCTL_HOME={}", home.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if text(&environment).split('\0').any(|variable| variable == marker) {
            found.push(text(&std::fs::read(entry.path().join("cmdline")).unwrap_or_default()).replace('\0', " "));
        }
    }
    found
}

#[test]
fn the_demo_ends_with_a_feature_that_works() {
    let place = Place::new();
    if !place.has_cargo() {
        return;
    }
    let demo = place.wfctl(&["demo", "--id", "d", "tally"]);
    assert!(demo.status.success(), "{}", text(&demo.stderr));
    place.is_tidy("d", "tally");
    place.host("git", &["clone", "-q", "-b", "release", "tally", "copy"]);
    place.host("cargo", &["test", "-q", "--offline", "--manifest-path", "copy/Cargo.toml"]);
    let printed = place.host("sh", &["-c", "printf 'b a b' | cargo run -q --manifest-path copy/Cargo.toml -- --top 1"]);
    assert_eq!(printed, "      2 b");
    assert!(place.says(&["artifacts", "d"]).contains("plan.md"));
    assert!(place.says(&["cost", "d"]).contains("planner"));
    let transcript = place.says(&["transcript", "d", "implement[0]"]);
    assert!(transcript.contains("src/rank.rs") && transcript.contains("finish"), "{transcript}");
    assert!(place.wfctl(&["why", "d"]).status.success());
}

#[test]
fn the_demo_killed_again_and_again_comes_to_the_same_end() {
    let place = Place::new();
    if !place.has_cargo() {
        return;
    }
    let mut running = place.spawn(&["demo", "--id", "d", "tally"]);
    // Killed in the plan, among the implementers, and at the merges.
    for at in [12, 70, 110] {
        killed_behind(&place, &mut running, at);
        running = place.spawn(&["resume", "d"]);
    }
    ended(&place, "d", &mut running);
    place.is_tidy("d", "tally");
    let main = place.host("git", &["-C", "tally", "show", "release:src/main.rs"]);
    assert!(main.contains("tally::rank::top"), "{main}");
    let options = place.host("git", &["-C", "tally", "show", "release:src/options.rs"]);
    assert!(options.contains("--top needs at least 1"), "{options}");
}

/// Kills it once a project has so many records. The process may have ended before, which is as good.
#[expect(clippy::disallowed_methods, reason = "a bound on waiting for another process")]
fn killed_behind(place: &Place, running: &mut Child, records: usize) {
    let start = Instant::now();
    while place.records("d") < records && running.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < PATIENCE, "it never had {records} records");
        std::thread::sleep(POLL);
    }
    running.kill().unwrap();
    running.wait().unwrap();
}

/// Resumes and approves until it is done.
#[expect(clippy::disallowed_methods, reason = "a bound on waiting for another process")]
fn ended(place: &Place, id: &str, running: &mut Child) {
    let start = Instant::now();
    loop {
        match running.try_wait().unwrap() {
            Some(status) if status.success() => return,
            Some(_) => *running = place.spawn(&["resume", id]),
            None => {}
        }
        let why = text(&place.wfctl(&["why", id]).stdout);
        if why.contains("wfctl approve") {
            place.wfctl(&["approve", id]);
        }
        assert!(start.elapsed() < PATIENCE, "it does not end: {why}");
        std::thread::sleep(POLL);
    }
}

#[test]
fn a_new_user_with_a_server_of_their_own_gets_their_feature() {
    let place = Place::new();
    if !place.has_cargo() {
        return;
    }
    let server = Player::serve(include_str!("../../fixtures/transcripts/demo.yaml"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/repos/tally");
    place.host("cp", &["-r", source.to_str().unwrap(), "tally"]);
    place.host("git", &["init", "-q", "-b", "main", "tally"]);
    let author = ["-C", "tally", "-c", "user.name=tester", "-c", "user.email=t@localhost"];
    place.host("git", &[&author[..], &["add", "."]].concat());
    place.host("git", &[&author[..], &["commit", "-q", "-m", "first"]].concat());
    place.host("git", &["-C", "tally", "branch", "release"]);
    let url = server.base_url();
    let goal = "goal=Add --top N.";
    let mut running = place.spawn(&[
        "run",
        "sdlc",
        "--id",
        "n",
        "--repo",
        "tally",
        "-i",
        goal,
        "-i",
        "into=release",
        "--base-url",
        &url,
        "--model",
        "m",
    ]);
    ended(&place, "n", &mut running);
    place.is_tidy("n", "tally");
    assert!(place.host("git", &["-C", "tally", "show", "release:src/main.rs"]).contains("tally::rank::top"));
    assert_eq!(server.broken(), [""; 0]);
    assert!(server.counts().completed > 20, "{:?}", server.counts());
}
