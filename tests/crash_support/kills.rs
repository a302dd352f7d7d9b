//! `kill -9` of a child at a random moment, again and again: while it opens, recovers, runs, answers. What it had accepted is
//! then in the journal, and no finished step ran twice.

use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use wfctl::domain::event::Event;
use wfctl::domain::ids::ProjectId;
use wfctl::domain::machine::ProjectStatus;
use wfctl::engine::archive::Archive;
use wfctl::journal::record::Record;

use super::chance::Chance;
use super::child::{self, HOME, MARK, WHAT};
use super::driver::ending;
use super::workload::executions;
use super::{checker, home};

/// No child is silent for this long unless something is wrong.
pub const SILENCE: Duration = Duration::from_secs(60);

/// A child and what it says. Killed when dropped.
pub struct Running {
    /// The process.
    pub child: Child,
    lines: Receiver<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Starts a child on a home.
    pub fn start(dir: &Path, what: &str) -> Self {
        let binary = std::env::current_exe().expect("this binary has a path");
        #[expect(clippy::disallowed_methods, reason = "the child is this very binary")]
        let mut command = Command::new(binary);
        command.args(["--exact", "the_child_of_the_rigs", "--nocapture", "--test-threads=1"]);
        command.env(HOME, dir).env(WHAT, what).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("this binary starts again");
        let out = child.stdout.take().expect("its output is piped");
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                // The harness may have begun the line.
                let Some((_, said)) = line.split_once(MARK) else { continue };
                if send.send(said.to_owned()).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// Its next line; `None` when it has ended, or nothing came in time.
    pub fn next(&self, within: Duration) -> Result<Option<String>, RecvTimeoutError> {
        match self.lines.recv_timeout(within) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(timeout) => Err(timeout),
        }
    }

    /// Waits for a line that begins with `start`.
    pub fn until(&self, start: &str) -> String {
        loop {
            match self.next(SILENCE).expect("a child that says something") {
                Some(line) if line.starts_with(start) => return line,
                Some(_) => {}
                None => panic!("the child ended before it said {start:?}"),
            }
        }
    }

    /// Kills it and gives back what it had said until then.
    pub fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends");
        self.lines.iter().collect()
    }
}

/// What a run of kills has seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// Kills.
    pub kills: u64,
    /// Of those, before the store was open.
    pub while_opening: u64,
    /// Of those, after that and before a project was taken up again.
    pub while_recovering: u64,
    /// How often a project was started or found.
    pub started: u64,
    /// Lines of acceptance: `started`, `signalled`, `answered`.
    pub accepted: BTreeSet<String>,
    /// The epochs that were taken, in order.
    pub epochs: Vec<u64>,
}

impl Seen {
    /// Takes a line of a child in.
    pub fn hear(&mut self, line: &str) {
        if let Some(epoch) = line.strip_prefix("epoch ") {
            self.epochs.push(epoch.parse().expect("a number"));
        }
        self.started += u64::from(line.starts_with("started "));
        if ["started ", "signalled ", "answered "].iter().any(|start| line.starts_with(start)) {
            self.accepted.insert(line.to_owned());
        }
    }
}

/// Runs children on `dir` until one comes to its end, killing at most `kills` of them.
pub fn run(dir: &Path, what: &str, chance: &mut Chance, kills: u64) -> Seen {
    let mut seen = Seen::default();
    loop {
        let (epochs, started) = (seen.epochs.len(), seen.started);
        let running = Running::start(dir, what);
        let done =
            if seen.kills < kills { one_life(&running, chance, &mut seen) } else { last_life(&running, &mut seen) };
        if done {
            return seen;
        }
        running.kill().iter().for_each(|line| seen.hear(line));
        seen.kills += 1;
        seen.while_opening += u64::from(seen.epochs.len() == epochs);
        seen.while_recovering += u64::from(seen.epochs.len() > epochs && seen.started == started);
        if seen.kills % 5 == 1 {
            check_copy(dir, what, &seen);
        }
    }
}

/// Listens until the moment has come: some number of lines, then a little more; or a span of time. True: it is done.
fn one_life(running: &Running, chance: &mut Chance, seen: &mut Seen) -> bool {
    let (lines, spin_us) = match chance.below(4) {
        // While it starts, opens and recovers.
        0 => (chance.below(4), chance.below(8_000)),
        _ => (chance.below(40), chance.below(1_500)),
    };
    for _ in 0..lines {
        match running.next(SILENCE).expect("a child that says something") {
            Some(line) if line == "done" => return true,
            Some(line) => seen.hear(&line),
            None => panic!("the child ended by itself"),
        }
    }
    match running.next(Duration::from_micros(spin_us)) {
        Ok(Some(line)) if line == "done" => true,
        Ok(Some(line)) => {
            seen.hear(&line);
            false
        }
        Ok(None) => panic!("the child ended by itself"),
        Err(_) => false,
    }
}

fn last_life(running: &Running, seen: &mut Seen) -> bool {
    loop {
        match running.next(SILENCE).expect("a child that says something") {
            Some(line) if line == "done" => return true,
            Some(line) => seen.hear(&line),
            None => panic!("the child ended by itself, after {seen:?}"),
        }
    }
}

/// What a kill left behind, looked at in a copy: the next child must find the home as the kill left it.
fn check_copy(dir: &Path, what: &str, seen: &Seen) {
    let copy = tempfile::tempdir().expect("a temporary folder");
    home::copy(dir, copy.path());
    let archive = match home::open(copy.path()) {
        Ok(archive) => archive,
        Err(error) => panic!("what a kill left behind does not open: {error}; see {}", copy.keep().display()),
    };
    let problems = contradictions(&archive, copy.path(), what, seen);
    assert!(problems.is_empty(), "{problems:#?}");
}

/// Everything that contradicts the promises, in a home as it is.
pub fn contradictions(archive: &Archive, dir: &Path, what: &str, seen: &Seen) -> Vec<String> {
    let (definition, executed) = (child::definition(what), executions(dir));
    let mut problems = Vec::new();
    let mut histories = HashMap::new();
    for id in archive.store().projects().expect("a readable store") {
        match checker::history(&**archive.store(), &id) {
            Ok(records) => {
                problems.extend(checker::problems(&id, &records, &definition, &executed));
                histories.insert(id.to_string(), records);
            }
            Err(problem) => problems.push(problem),
        }
    }
    problems.extend(not_there(&histories, seen));
    if seen.epochs.windows(2).any(|pair| pair[1] <= pair[0]) {
        problems.push(format!("an epoch came back: {:?}", seen.epochs));
    }
    problems
}

/// What was acknowledged and cannot be read back.
pub fn lost(archive: &Archive, seen: &Seen) -> Vec<String> {
    let read = |id: &ProjectId| (id.to_string(), checker::history(&**archive.store(), id).unwrap_or_default());
    not_there(&archive.store().projects().expect("a readable store").iter().map(read).collect(), seen)
}

fn not_there(histories: &HashMap<String, Vec<Record>>, seen: &Seen) -> Vec<String> {
    let mut problems = Vec::new();
    for accepted in &seen.accepted {
        let words: Vec<&str> = accepted.split(' ').collect();
        let records = histories.get(words[1]).map(Vec::as_slice).unwrap_or_default();
        let is_there = match words[0] {
            "started" => !records.is_empty(),
            "signalled" => checker::signals(records).contains(words[2]),
            _ => records.iter().any(|record| match &record.event {
                Event::TaskAnswered { task, .. } | Event::DoubtSettled { task, .. } => task.to_string() == words[2],
                _ => false,
            }),
        };
        if !is_there {
            problems.push(format!("it was acknowledged and is not in the journal: {accepted}"));
        }
    }
    problems
}

/// A home whose runs have come to their end: everything holds, and every project is done.
pub fn check_end(dir: &Path, what: &str, seen: &Seen) {
    let archive = home::open(dir).expect("a home that opens");
    let problems = contradictions(&archive, dir, what, seen);
    assert!(problems.is_empty(), "{problems:#?}");
    for id in child::projects(what) {
        let end = ending(&archive, &id);
        assert_eq!(end.status, ProjectStatus::Done, "{id}: {end:?}");
    }
    let ids: Vec<ProjectId> = archive.store().projects().expect("a readable store");
    assert_eq!(ids, child::projects(what));
}
