//! A repository, agents whose words are in a script, and a person who answers.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use crate::rig::{Done, Rig};

/// Longer than any of these takes, on any machine.
const PATIENCE: Duration = Duration::from_secs(240);
const POLL: Duration = Duration::from_millis(20);
/// The project.
pub const ID: &str = "p";
/// The branch that it lands on.
pub const BRANCH: &str = "release";

/// A home with a scripted provider, and a repository.
pub struct Crew {
    pub rig: Rig,
    arguments: Vec<String>,
}

/// A file of this repository's fixtures.
pub fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

/// Whether there is Python; says so where there is not.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
pub fn has_python() -> bool {
    let there =
        ["/usr/local/bin/python3", "/usr/bin/python3", "/bin/python3"].iter().any(|path| Path::new(path).exists());
    if !there {
        eprintln!("skipped: python3 is not installed, and the repository of this test is written in it");
    }
    there
}

/// Has the agents of `rig` ask the provider that has this in its table.
pub fn ask(rig: &Rig, provider: &str) {
    let head = "workers = 4\n[sandbox]\nbackend = \"none\"\n[models]\ndefault = [\"x/scripted\"]\n[models.providers.x]\nfree = true\n";
    std::fs::write(rig.folder().join(".config/wfctl/config.toml"), format!("{head}{provider}\n")).unwrap();
}

impl Crew {
    /// Agents that say what `script` says, at work on a copy of a fixture repository, or on one of a single file.
    pub fn new(script: &str, repository: Option<&str>, workflow: &str, inputs: &[&str]) -> Self {
        let rig = Rig::new();
        rig.write("script.yaml", script);
        ask(&rig, &format!("script = {:?}", rig.path("script.yaml")));
        match repository {
            Some(name) => {
                rig.host("", "cp", &["-r", fixture(&format!("repos/{name}")).to_str().unwrap(), "repo"]);
            }
            None => {
                std::fs::create_dir(rig.path("repo")).unwrap();
                rig.write("repo/README", "read me\n");
            }
        }
        rig.git("repo", &["init", "-q", "-b", "main"]);
        rig.git("repo", &["add", "."]);
        // The same files are the same commit: a package names it.
        let dates = "export GIT_AUTHOR_DATE='2026-11-21T12:00:00Z' GIT_COMMITTER_DATE='2026-11-21T12:00:00Z'";
        let commit = "git -c user.name=tester -c user.email=t@localhost commit -q -m first";
        rig.host("repo", "sh", &["-c", &format!("{dates}; {commit}")]);
        rig.git("repo", &["branch", BRANCH]);
        let into = format!("into={BRANCH}");
        let given = inputs.iter().copied().chain([into.as_str()]).flat_map(|input| ["-i", input]);
        let arguments = ["run", workflow, "--id", ID, "--dir", "repo"].into_iter().chain(given);
        let arguments = arguments.map(str::to_owned).collect();
        Self { rig, arguments }
    }

    /// One more input, for what is known only once there is a folder.
    pub fn give(&mut self, input: &str) {
        self.arguments.extend(["-i".to_owned(), input.to_owned()]);
    }

    /// Begins it.
    pub fn begin(&self) -> Child {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        self.rig.spawn(&arguments)
    }

    /// What it waits for.
    pub fn why(&self) -> String {
        self.rig.wfctl(&["why", ID]).out
    }

    /// How many records it has; 0 while there is none.
    pub fn records(&self) -> usize {
        self.rig.wfctl(&["events", ID, "--json"]).out.lines().count()
    }

    /// Follows a process to its end; whatever is asked is answered by `answer`, which is given the task and the question.
    #[expect(clippy::disallowed_methods, reason = "a bound on waiting for another process")]
    pub fn finish(&self, mut running: Child, answer: impl Fn(&str, &str) -> &'static str) -> Done {
        let start = Instant::now();
        while running.try_wait().unwrap().is_none() {
            for (task, question) in self.questions() {
                self.rig.wfctl(&[answer(&task, &question), ID, &task]);
            }
            assert!(start.elapsed() < PATIENCE, "it does not end: {}", self.why());
            std::thread::sleep(POLL);
        }
        running.wait_with_output().unwrap().into()
    }

    /// What a person is asked at this moment, by task.
    pub fn questions(&self) -> Vec<(String, String)> {
        let why = self.rig.wfctl(&["why", ID, "--json"]).out;
        let why: serde_json::Value = serde_json::from_str(&why).unwrap_or_default();
        let reasons = why["reasons"].as_array().cloned().unwrap_or_default();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let asks = |reason: &&serde_json::Value| text(&reason["command"]).starts_with("wfctl approve");
        reasons.iter().filter(asks).map(|reason| (text(&reason["task"]), text(&reason["waits_for"]))).collect()
    }

    /// From its beginning to its end, saying yes to everything.
    pub fn run(&self) -> Done {
        self.finish(self.begin(), |_, _| "approve")
    }

    /// A file as the branch has it that was landed on.
    pub fn file(&self, path: &str) -> String {
        self.rig.git("repo", &["show", &format!("{BRANCH}:{path}")])
    }

    /// The files of the branch that was landed on, those of the agents' artifacts left out, with their digests.
    pub fn files(&self) -> String {
        let all = self.rig.git("repo", &["ls-tree", "-r", BRANCH]);
        all.lines().filter(|line| !line.contains("\t.wfctl/")).collect::<Vec<_>>().join("\n")
    }

    /// Tasks with how they ended, by name.
    pub fn status(&self, task: &str) -> String {
        let shown: serde_json::Value = serde_json::from_str(&self.rig.wfctl(&["show", ID, "--json"]).out).unwrap();
        let tasks = shown["tasks"].as_array().cloned().unwrap_or_default();
        let found = tasks.iter().find(|found| found["name"] == task);
        found.map_or_else(|| "NOT THERE".to_owned(), |found| found["status"].as_str().unwrap_or_default().to_owned())
    }

    /// The journal is whole, and no worktree is left.
    pub fn is_tidy(&self) {
        let verified = self.rig.wfctl(&["audit", "verify", ID]);
        assert_eq!(verified.code, Some(0), "{}", verified.err);
        assert_eq!(self.rig.git("repo", &["worktree", "list"]).lines().count(), 1);
    }
}
