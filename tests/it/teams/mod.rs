//! The shipped workflows for teams of agents, from the command line to the merged branch: what the models say is scripted, all else
//! is real. Each is killed at random moments, too, and ends in the same files.

mod autonomous_app;
mod contract_first;
mod crew;
mod endpoint;
mod hierarchical;
mod kills;
mod pushes;
mod sdlc;
mod self_driving;
mod strategy;

use std::collections::BTreeMap;

use wfctl::domain::retry::split_mix;

use crate::rig::{Done, Rig, until};

/// How many runs of each workflow are killed, three times each; more with `WFCTL_TEAM_KILLS`.
const KILLS: usize = 2;

/// A repository of notes whose checks take no time, and a home whose provider `team` says what a script says.
struct Team {
    rig: Rig,
}

/// Has the agents of `rig` ask the provider that has this in its table.
fn ask(rig: &Rig, provider: &str) {
    let config = format!("[sandbox]\nbackend = \"none\"\n[models.providers.team]\n{provider}\n");
    rig.write("../.config/wfctl/config.toml", &config);
}

impl Team {
    /// `script`: a file of `fixtures/transcripts`.
    fn new(script: &str) -> Self {
        let rig = Rig::new();
        let path = format!("{}/fixtures/transcripts/{script}", env!("CARGO_MANIFEST_DIR"));
        ask(&rig, &format!("script = {path:?}"));
        std::fs::create_dir_all(rig.path("notes")).unwrap();
        for (name, text) in [
            ("AGENTS.md", "A note is a file with a line.\n"),
            ("Makefile", "check:\n\tsh check.sh\n"),
            ("check.sh", "! grep -rn WRONG notes\n"),
            ("notes/list.txt", "one\n"),
        ] {
            rig.write(name, text);
        }
        rig.git("", &["init", "-q", "-b", "main", "."]);
        rig.git("", &["add", "-A"]);
        rig.git("", &["commit", "-q", "-m", "init"]);
        rig.git("", &["branch", "release"]);
        Self { rig }
    }

    fn start(&self, workflow: &str, inputs: &[&str]) -> Vec<String> {
        let mut words: Vec<String> =
            ["run", workflow, "--id", "p", "--model", "team/x"].map(ToOwned::to_owned).to_vec();
        words.extend(inputs.iter().flat_map(|input| ["-i".to_owned(), (*input).to_owned()]));
        words
    }

    fn wfctl(&self, words: &[impl AsRef<str>]) -> Done {
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        self.rig.wfctl(&words)
    }

    /// The files of the branch that was landed on, but for agents' artifacts.
    fn landed(&self) -> BTreeMap<String, String> {
        let all = self.rig.git("", &["ls-tree", "-r", "--name-only", "release"]);
        let names = all.lines().filter(|name| !name.starts_with(".wfctl/"));
        names.map(|name| (name.to_owned(), self.rig.git("", &["show", &format!("release:{name}")]))).collect()
    }

    /// The status of each task, by name.
    fn tasks(&self) -> BTreeMap<String, String> {
        let shown = self.wfctl(&["show", "p", "--json"]);
        let shown: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
        let tasks = shown["tasks"].as_array().unwrap().iter();
        tasks
            .map(|task| (task["name"].as_str().unwrap().to_owned(), task["status"].as_str().unwrap().to_owned()))
            .collect()
    }

    /// How many records there are.
    fn records(&self) -> usize {
        let head = self.wfctl(&["audit", "head", "p"]).out;
        head.split(':').next().and_then(|number| number.trim().parse().ok()).unwrap_or_default()
    }

    /// The same run, killed three times when so many records are there, and resumed; then driven to its end, with a yes to what it asks.
    fn killed(script: &str, start: impl Fn(&Self) -> Vec<String>, mut moments: Vec<usize>) -> Self {
        let team = Self::new(script);
        moments.sort_unstable();
        let mut words = start(&team);
        for moment in moments {
            let all: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut engine = team.rig.spawn(&all);
            until("it is far enough", || team.records() >= moment || engine.try_wait().unwrap().is_some());
            let _ = engine.kill();
            engine.wait().unwrap();
            if team.records() > 0 {
                words = vec!["resume".to_owned(), "p".to_owned()];
            }
        }
        team.to_its_end(&words);
        team
    }

    /// Drives it to its end, saying yes to what it asks.
    fn to_its_end(&self, words: &[String]) {
        let all: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut engine = self.rig.spawn(&all);
        until("it ends", || {
            let why = self.wfctl(&["why", "p"]).out;
            if why.contains("waits for approval") {
                self.wfctl(&["approve", "p"]);
            }
            engine.try_wait().unwrap().is_some()
        });
    }
}

/// How often a team is killed: as the long version asks for, else so often.
#[expect(clippy::disallowed_methods, reason = "a long version by request")]
fn kills_or(usual: usize) -> usize {
    std::env::var("WFCTL_TEAM_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Triples of moments in a run of so many records.
fn moments(records: usize) -> impl Iterator<Item = Vec<usize>> {
    let moment = move |at: usize| 1 + split_mix(at as u64) as usize % records;
    (0..kills_or(KILLS)).map(move |run| (0..3).map(|kill| moment(3 * run + kill)).collect())
}
