//! `wfctl replay`: finished projects run again from their records, in folders of their own.

use serde_json::Value;
use wfctl::agents::calls::Calls;
use wfctl::agents::memory_calls::{Break, MemoryCalls};
use wfctl::agents::provider::{CallContext, ModelFailure};
use wfctl::agents::roles::Role;
use wfctl::agents::walk::{self, AgentOrder, Brief, CheckReport, Choice, History, Limits, Models, Offered, Policy};
use wfctl::agents::walk::{ToolResult, ToolRun, Worksite};
use wfctl::domain::budget::Amounts;
use wfctl::domain::call::{CallIntent, CallKind, RecordedCall};
use wfctl::domain::chat::{ModelReply, ModelRequest};
use wfctl::domain::event::Event;
use wfctl::domain::failure::{Failure, FailureClass};
use wfctl::domain::ids::{Digest, ProjectId};
use wfctl::domain::payload::PayloadSource;
use wfctl::engine::archive::Archive;
use wfctl::journal::blobs::Blobs;
use wfctl::journal::doctor::Places;
use wfctl::journal::sled_store::SledStore;

use crate::rig::{Done, Rig, signal, until};

/// An agent that looks at something outside, writes, runs checks and finishes, and a second one whose work conflicts.
const SCRIPT: &str = r#"conversations:
  - role: implementer
    task: one
    turns:
      - say: I look.
        calls:
          - read_file: {path: README}
          - run_command: {command: "cat OUTSIDE; echo took $(date +%N) ns"}
        usage: {input: 100, output: 10}
      - fails: [{class: overloaded}]
        calls:
          - write_file: {path: one.txt, content: "one\n"}
        usage: {input: 200, output: 10}
      - calls:
          - ask_human: {question: May I end?}
        usage: {input: 300, output: 10}
      - calls:
          - finish: {summary: Done., changes: [{file: one.txt, what: new}], tests: [], risks: [], commit_message: Write one}
        usage: {input: 300, output: 10}
"#;

struct Finished {
    rig: Rig,
}

impl Finished {
    /// A project `p` of commands and agents in worktrees, DONE.
    fn worktree() -> Self {
        let rig = Rig::new();
        rig.repository("repo");
        rig.write("outside", "quiet\n");
        let outside = rig.path("outside").display().to_string();
        rig.write("script.yaml", &SCRIPT.replace("OUTSIDE", &outside));
        let workflow = format!(
            "name: w
workspace: worktree
retry: {{max_attempts: 3, initial: 10ms}}
models: {{default: [s/x], providers: {{s: {{script: {}, free: true}}}}}}
tasks:
  made: {{run: 'echo made > made.txt; echo out', validate: ['cat {outside}; test -e made.txt'], merge: true}}
  one: {{agent: implementer, merge: true, needs: [made]}}
  seen: {{run: 'ls; git log -1 --format=%H ai/generated/p/integration 2>/dev/null || true', needs: [one]}}
  asked: {{approval: 'go on?', needs: [seen]}}
  told: {{run: 'touch {}; echo told', effect: once, needs: [asked]}}
",
            rig.path("script.yaml").display(),
            rig.path("told").display(),
        );
        rig.write("w.yaml", &workflow);
        let mut child = rig.shimmed("repo", &["run", "../w.yaml", "--id", "p"]).spawn().unwrap();
        for comment in ["end", "fine"] {
            until("it asks", || rig.wfctl_in("repo", &["approve", "p", "--comment", comment]).code == Some(0));
        }
        assert!(child.wait().unwrap().success(), "{}", rig.wfctl(&["show", "p"]).out);
        Self { rig }
    }

    fn replay(&self) -> Done {
        self.rig.wfctl_in("repo", &["replay", "p"])
    }

    fn leaves_nothing(&self) {
        let left = std::fs::read_dir(self.rig.folder().join("home/replay")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "folders of a replay stay");
    }
}

/// What it says, without the position: how often the person was too early is on record, too.
fn shown(done: &Done) -> String {
    let line = |line: &str| match line.strip_prefix("record ").and_then(|rest| rest.split_once(',')) {
        Some((_, rest)) => format!("record N,{rest}\n"),
        None => format!("{line}\n"),
    };
    done.out.lines().map(line).collect()
}

/// Everything in a repository: files, references, configuration, objects.
fn all(rig: &Rig) -> String {
    rig.host("repo", "sh", &["-c", "find . -type f | LC_ALL=C sort | xargs sha256sum"])
}

#[test]
fn a_project_of_agents_comes_out_the_same_and_changes_nothing() {
    let finished = Finished::worktree();
    let (rig, told) = (&finished.rig, finished.rig.path("told"));
    std::fs::remove_file(&told).unwrap();
    let before = all(rig);
    let done = finished.replay();
    insta::assert_snapshot!(done.out, @"replayed: 5 tasks, 7 steps, 5 model calls, 4 tool calls: no difference");
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.err.contains("asked answered: fine"), "{}", done.err);
    assert!(done.err.contains("or were stopped: 1"), "{}", done.err);
    assert!(done.err.contains("or the order of lines only: 1"), "the tool told how long it took: {}", done.err);
    assert_eq!(all(rig), before, "nothing of the repository changes");
    assert!(!told.exists(), "what must happen once does not happen again");
    finished.leaves_nothing();
    let json = rig.wfctl_in("repo", &["replay", "p", "--json", "--keep"]);
    let json: Value = serde_json::from_str(json.out.trim()).unwrap();
    assert_eq!((json["same"].as_bool(), json["counts"]["model_calls"].as_u64()), (Some(true), Some(5)), "{json}");
    let kept = std::path::PathBuf::from(json["kept"].as_str().unwrap());
    let branch = "ai/generated/p/integration";
    let head = rig.git(&kept.join("folder").display().to_string(), &["rev-parse", branch]);
    assert_eq!(head, rig.git("repo", &["rev-parse", branch]), "the same commits, to the id");
    assert_eq!(finished.replay().code, Some(0), "over what was kept");
}

#[test]
fn the_first_difference_of_a_check_is_shown() {
    let finished = Finished::worktree();
    finished.rig.write("outside", "loud\n");
    let done = finished.replay();
    assert_eq!(done.code, Some(1), "{done:?}");
    insta::assert_snapshot!(shown(&done), @r"
    replayed: 0 tasks, 2 steps, 0 model calls, 0 tool calls: a difference
    record N, task made, attempt 1, step 1: the output differs
      recorded:
        quiet
      came:
        loud
    ");
    finished.leaves_nothing();
}

#[test]
fn the_first_difference_of_a_tool_is_shown() {
    let finished = Finished::worktree();
    // The check sees what it saw, the tool, which comes later, does not.
    let outside = finished.rig.path("outside");
    finished.rig.shim(
        "cat",
        &format!(
            "n=$(/bin/cat {0}.n 2>/dev/null); echo x >> {0}.n; [ -z \"$n\" ] || echo more; exec /bin/cat \"$@\"",
            outside.display()
        ),
    );
    let done = finished.replay();
    assert_eq!(done.code, Some(1), "{done:?}");
    insta::assert_snapshot!(shown(&done), @r"
    replayed: 1 task, 3 steps, 1 model call, 1 tool call: a difference
    record N, task one, attempt 1, call 3: the tool says something else
      recorded:
        exit code 0
        quiet
        took <time>
      came:
        exit code 0
        more
        quiet
        took <time>
    ");
    let json = std::fs::remove_file(finished.rig.path("outside.n"))
        .map(|()| finished.rig.wfctl_in("repo", &["replay", "p", "--json"]));
    let json: Value = serde_json::from_str(json.unwrap().out.trim()).unwrap();
    let difference = &json["difference"];
    assert_eq!((difference["task"].as_str(), difference["call"].as_u64()), (Some("one"), Some(3)), "{json}");
    assert_eq!(json["same"], false);
}

#[test]
fn a_plain_project_and_one_that_was_killed_and_resumed() {
    let rig = Rig::new();
    rig.repository("repo");
    let go = rig.path("go").display().to_string();
    rig.write(
        "w.yaml",
        &format!(
            "name: w
workspace: worktree
retry: {{max_attempts: 3, initial: 1h}}
tasks:
  a: {{run: 'echo a > a; echo first', validate: ['cat a']}}
  b: {{run: 'while ! test -e {go}; do sleep 0.02; done; cat a', needs: [a]}}
  c: {{run: 'sleep 60', timeout: 1s, retry: {{max_attempts: 1, on_exhausted: continue}}}}
  d: {{wait: 1s, needs: [b]}}
"
        ),
    );
    let mut child = rig.shimmed("repo", &["run", "../w.yaml", "--id", "p"]).spawn().unwrap();
    let started = |name: &str| {
        let out = rig.wfctl_in("repo", &["events", "p", "--json"]).out;
        out.lines().any(|line| {
            line.contains("TaskStarted") && line.contains(&format!("\"{name}\""))
                || line.contains("\"task\":1") && line.contains("StepStarted")
        })
    };
    until("b runs", || started("b"));
    signal(&child, rustix::process::Signal::KILL);
    child.wait().unwrap();
    let unfinished = rig.wfctl_in("repo", &["replay", "p"]);
    assert_eq!(unfinished.code, Some(6), "{unfinished:?}");
    insta::assert_snapshot!(unfinished.err, @r"
    error[WF0010]: project p cannot be run again: it has not ended; only a finished project is run again
      hint: See what it does with `wfctl why p`.
    ");
    std::fs::write(&go, "").unwrap();
    let done = rig.wfctl_in("repo", &["resume", "p"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let done = rig.wfctl_in("repo", &["replay", "p"]);
    insta::assert_snapshot!(done.out, @"replayed: 4 tasks, 3 steps, 0 model calls, 0 tool calls: no difference");
    assert_eq!(done.code, Some(0), "{done:?}");
}

#[test]
fn merges_that_were_batched_otherwise_are_the_same() {
    let rig = Rig::new();
    rig.repository("repo");
    rig.write(
        "w.yaml",
        "name: w
workspace: worktree
merge: {gates: ['test ! -e bad']}
tasks:
  list: {run: 'seq 1 8', output: lines}
  each: {foreach: '{{ tasks.list.output }}', run: 'echo {{ item }} > out-{{ item }}', merge: true, needs: [list]}
  all: {run: 'cat out-*; echo sum > sum', merge: true, needs: [each]}
",
    );
    assert_eq!(rig.wfctl_in("repo", &["--workers", "8", "run", "../w.yaml", "--id", "p"]).code, Some(0));
    let done = rig.wfctl_in("repo", &["replay", "p"]);
    insta::assert_snapshot!(done.out, @"replayed: 11 tasks, 19 steps, 0 model calls, 0 tool calls: no difference");
    assert_eq!(done.code, Some(0), "{done:?}");
}

#[test]
fn a_project_in_a_folder_runs_again_in_a_copy() {
    let rig = Rig::new();
    rig.write("input", "5\n");
    rig.write("w.yaml", "name: w\ntasks: {a: {run: 'cat input', output: json}, b: {run: 'echo {{ tasks.a.output + 1 }} > made; cat made', needs: [a]}}\n");
    assert_eq!(rig.wfctl(&["run", "w.yaml", "--id", "p"]).code, Some(0));
    std::fs::remove_file(rig.path("made")).unwrap();
    let done = rig.wfctl(&["replay", "p"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    insta::assert_snapshot!(done.out, @"replayed: 2 tasks, 2 steps, 0 model calls, 0 tool calls: no difference");
    assert!(!rig.path("made").exists(), "it ran elsewhere");
    rig.write("input", "6\n");
    let done = rig.wfctl(&["replay", "p"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    insta::assert_snapshot!(shown(&done), @r"
    replayed: 0 tasks, 1 step, 0 model calls, 0 tool calls: a difference
    record N, task a, attempt 1: the output differs
      recorded:
        5
      came:
        6
    ");
}

#[test]
fn what_cannot_be_run_again_is_refused() {
    let finished = Finished::worktree();
    let rig = &finished.rig;
    let unknown = rig.wfctl(&["replay", "nobody"]);
    assert_eq!(unknown.code, Some(5), "{unknown:?}");
    let git = rig.path("repo/.git");
    std::fs::rename(&git, rig.path("aside")).unwrap();
    let gone = finished.replay();
    assert_eq!(gone.code, Some(6), "{gone:?}");
    insta::assert_snapshot!(gone.err.replace(&rig.folder().display().to_string(), "TMP"), @r"
    error[WF0018]: project p cannot be run again: its beginning is gone: not a git repository: TMP/work/repo
      hint: Bring the repository back, or start anew with `wfctl run`.
    ");
    rig.git("repo", &["init", "-q", "-b", "main"]);
    rig.git("repo", &["commit", "-q", "--allow-empty", "-m", "another one"]);
    let gone = finished.replay();
    assert_eq!(gone.code, Some(6), "another repository: {gone:?}");
    assert!(gone.err.contains("not a commit of this repository"), "{}", gone.err);
    std::fs::remove_dir_all(&git).unwrap();
    std::fs::rename(rig.path("aside"), &git).unwrap();
    let blobs = rig.folder().join("home/blobs");
    std::fs::rename(&blobs, rig.folder().join("aside")).unwrap();
    let damaged = finished.replay();
    assert_eq!(damaged.code, Some(8), "{damaged:?}");
    finished.leaves_nothing();
}

/// Hears what a model would be asked, and answers nothing.
#[derive(Default)]
struct Listening(std::sync::Mutex<Option<ModelRequest>>);

#[async_trait::async_trait]
impl Models for Listening {
    fn next(&self, _: &Policy, _: &History) -> Choice {
        Choice::Ask("s/x".to_owned())
    }

    fn window(&self, _: &str) -> Option<u64> {
        None
    }

    fn reserve(&self, request: &ModelRequest) -> Result<Amounts, Failure> {
        *self.0.lock().unwrap() = Some(request.clone());
        Ok(Amounts::default())
    }

    async fn complete(
        &self,
        _: &ModelRequest,
        _: &CallContext,
        _: wfctl::agents::provider::Heard<'_>,
    ) -> Result<ModelReply, ModelFailure> {
        panic!("nothing is sent")
    }
}

/// Nothing may be looked at: all that a request says is on record.
struct Nowhere;

fn nothing<T>() -> Result<T, Failure> {
    Err(Failure::new(FailureClass::Internal, "a request was rebuilt from something else than the record"))
}

#[async_trait::async_trait]
impl Worksite for Nowhere {
    async fn brief(&self, _: Option<wfctl::agents::memory::Given>) -> Result<Brief, Failure> {
        nothing()
    }
    async fn tools(&self, _: &[String]) -> Result<Vec<Offered>, Failure> {
        nothing()
    }
    async fn run(&self, _: ToolRun<'_>) -> Result<ToolResult, Failure> {
        nothing()
    }
    async fn checkpoint(&self) -> Result<Option<String>, Failure> {
        nothing()
    }
    async fn restore(&self, _: &str) -> Result<(), Failure> {
        nothing()
    }
    async fn check(&self) -> Result<CheckReport, Failure> {
        nothing()
    }
    fn merges(&self) -> bool {
        true
    }
    async fn commit(&self, _: &str) -> Result<String, Failure> {
        nothing()
    }
    async fn changed_files(&self) -> Result<Vec<String>, Failure> {
        nothing()
    }
}

/// Records in memory, values in the home's blobs.
struct OnRecord(MemoryCalls, Blobs);

#[async_trait::async_trait]
impl Calls for OnRecord {
    fn recorded(&self) -> &[RecordedCall] {
        self.0.recorded()
    }
    async fn begin(&self, intent: CallIntent) -> Result<(), wfctl::agents::Denied> {
        self.0.begin(intent).await
    }
    async fn end(
        &self,
        ix: wfctl::domain::ids::CallIx,
        outcome: wfctl::domain::call::CallOutcome,
    ) -> Result<(), wfctl::agents::Denied> {
        self.0.end(ix, outcome).await
    }
    async fn note(
        &self,
        calls: Vec<(CallIntent, wfctl::domain::call::CallOutcome)>,
    ) -> Result<(), wfctl::agents::Denied> {
        self.0.note(calls).await
    }
    async fn ask(&self, intent: CallIntent, question: String) -> Result<(), wfctl::agents::Denied> {
        self.0.ask(intent, question).await
    }
    fn keep(&self, value: &[u8]) -> Result<wfctl::domain::payload::Payload, Failure> {
        self.0.keep(value)
    }
    fn read(&self, value: &wfctl::domain::payload::Payload) -> Result<Vec<u8>, Failure> {
        self.1.read(value).map(std::borrow::Cow::into_owned).map_err(Failure::from)
    }
    fn monotonic_ms(&self) -> u64 {
        0
    }
    fn alive(&self) {}

    fn said(&self, _: wfctl::domain::ids::CallIx, _: &str) {}
}

#[test]
fn each_request_to_a_model_can_be_rebuilt_from_the_journal_to_the_byte() {
    let finished = Finished::worktree();
    let home = finished.rig.folder().join("home");
    let places = Places::in_home(&home);
    let blobs = Blobs::open(&places.blobs).unwrap();
    let vault = std::sync::Arc::new(crate::scripted::Shelf(blobs.clone()));
    let archive = Archive::new(std::sync::Arc::new(SledStore::open(&places.store).unwrap()), vault, None);
    let mut calls: Vec<RecordedCall> = Vec::new();
    let mut asked: Vec<(usize, Digest)> = Vec::new();
    archive
        .visit(&ProjectId::new("p").unwrap(), |record| match record.event {
            Event::CallStarted { call, .. } => {
                if call.kind == CallKind::Model {
                    asked.push((call.ix.0 as usize, call.input));
                }
                calls.push(RecordedCall {
                    ix: call.ix,
                    kind: call.kind,
                    label: call.label,
                    input: call.input,
                    effect: call.effect,
                    reserved: call.reserved,
                    lost: 0,
                    is_open: false,
                    outcome: None,
                });
            }
            Event::CallFinished { call, outcome, .. } => calls[call.0 as usize].outcome = Some(outcome),
            _ => {}
        })
        .unwrap();
    assert_eq!(asked.len(), 5, "a failed one among them");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (at, digest) in asked {
        let order = AgentOrder {
            project: "p".to_owned(),
            task: "one".to_owned(),
            role: Role::load("implementer", None).unwrap(),
            with: serde_json::json!({}),
            attempt: 1,
            previous: Vec::new(),
            models: vec!["s/x".to_owned()],
            limits: Limits::default(),
        };
        let record = MemoryCalls::over(calls[..at].to_vec()).broken(Break::Before(0));
        let (models, record) = (Listening::default(), OnRecord(record, blobs.clone()));
        let end = runtime.block_on(walk::run(&order, &record, &models, &Nowhere));
        assert_eq!(end.answer.unwrap_err().class, FailureClass::Interrupted, "the call is not made");
        let request = models.0.into_inner().unwrap().unwrap();
        assert_eq!(
            Digest::of(serde_json::to_string(&request).unwrap().as_bytes()),
            request.digest(),
            "the digest is of its JSON"
        );
        assert_eq!(request.digest(), digest, "call {at}");
    }
}
