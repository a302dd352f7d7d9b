//! What the rigs run: a workflow with a bit of everything, and steps whose outcome follows from their command and attempt
//! alone. Each execution of a step appends a line to a file, so that executions are counted from outside.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wfctl::domain::effect::{StepOrder, StepRequest};
use wfctl::domain::event::StepOutcome;
use wfctl::domain::failure::{Failure, FailureClass};
use wfctl::domain::ids::{Epoch, ProjectId};
use wfctl::domain::project::Vault;
use wfctl::domain::workflow::{Definition, NoChildren, read};
use wfctl::engine::Start;

/// Retries, validations, an expansion, an approval, a signal, a step that must not run twice, a value too large for a record.
pub fn everything(backoff: &str) -> Arc<Definition> {
    let text = format!(
        "
name: everything
workspace: none
retry: {{max_attempts: 4, initial: {backoff}}}
tasks:
  first: {{run: plain}}
  list: {{needs: [first], run: items 4}}
  each: {{needs: [list], foreach: '{{{{ tasks.list.output }}}}', run: 'item {{{{ item }}}}'}}
  flaky: {{needs: [first], run: fail 2}}
  checked: {{needs: [first], run: plain, validate: [plain, fail 1]}}
  large: {{needs: [first], run: large}}
  ask: {{needs: [flaky, checked], approval: {{ask: 'Go on?'}}}}
  go: {{needs: [first], wait: {{signal: go}}}}
  pause: {{needs: [first], wait: {{duration: {backoff}}}}}
  only: {{needs: [ask, go], run: plain, effect: once}}
  last: {{needs: [only, each, large, pause], run: plain}}
"
    );
    let (definition, _) = read(text.as_bytes(), "everything.yaml", &NoChildren).expect("a valid workflow");
    Arc::new(definition)
}

/// A start of `definition` under a fixed id.
pub fn start_of(definition: &Arc<Definition>, id: &ProjectId) -> Start {
    Start {
        id: Some(id.clone()),
        definition: definition.clone(),
        inputs: Default::default(),
        env: Vec::new(),
        base_dir: "/".to_owned(),
        source: None,
        base_commit: None,
        parent: None,
        depth: 0,
    }
}

/// How a step ends: by its command and attempt alone.
pub fn outcome_of(order: &StepOrder, vault: &dyn Vault) -> StepOutcome {
    let StepRequest::Run { command, .. } = &order.request else { panic!("only commands are run here") };
    let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
    let number = || rest.parse::<u32>().expect("the command names a number");
    let result = match word {
        "fail" if order.attempt.0 <= number() => Err(Failure::new(FailureClass::Exit, "as planned")),
        "items" => Ok(serde_json::json!((0..number()).collect::<Vec<_>>())),
        "large" => Ok(serde_json::json!("large ".repeat(2_000))),
        "plain" | "fail" | "item" => Ok(serde_json::Value::Null),
        other => panic!("no such step: {other}"),
    };
    let keep = |value: serde_json::Value| match value {
        serde_json::Value::Null => Default::default(),
        value => vault.keep(value.to_string().into_bytes()).expect("room for a blob"),
    };
    StepOutcome {
        code: Some(i32::from(result.is_err())),
        result: result.map(keep),
        log: None,
        duration_ms: 0,
        used: Default::default(),
        tree: None,
        ran_under: None,
    }
}

/// One execution of one step, as counted from outside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Execution {
    /// The project.
    pub project: String,
    /// The task's index.
    pub task: u32,
    /// The attempt.
    pub attempt: u32,
    /// The step.
    pub step: u32,
    /// The engine that ran it.
    pub epoch: u64,
    /// The wall clock, in milliseconds.
    pub at: u64,
}

/// The file that executions are counted in.
pub fn executions_file(home: &Path) -> PathBuf {
    home.join("executions")
}

/// An execution of `order`.
pub fn execution(order: &StepOrder, epoch: Epoch, at: u64) -> Execution {
    let (task, attempt, step) = (order.task.0, order.attempt.0, order.step.0);
    Execution { project: order.project.to_string(), task, attempt, step, epoch: epoch.0, at }
}

/// Appends an execution in one write.
pub fn execute(home: &Path, order: &StepOrder, epoch: Epoch, at: u64) {
    let line = format!("{} {} {} {} {} {at}\n", order.project, order.task, order.attempt, order.step, epoch);
    let file = OpenOptions::new().create(true).append(true).open(executions_file(home));
    file.and_then(|mut file| file.write_all(line.as_bytes())).expect("a writable home");
}

/// All executions so far.
pub fn executions(home: &Path) -> Vec<Execution> {
    let text = fs::read_to_string(executions_file(home)).unwrap_or_default();
    let parse = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let [project, task, attempt, step, epoch, at] = words[..] else { panic!("a torn line: {line:?}") };
        let number = |word: &str| word.parse::<u64>().expect("a number");
        let small = |word: &str| number(word) as u32;
        Execution {
            project: project.to_owned(),
            task: small(task),
            attempt: small(attempt),
            step: small(step),
            epoch: number(epoch),
            at: number(at),
        }
    };
    text.lines().map(parse).collect()
}
