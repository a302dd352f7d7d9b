//! Tools of the built-in servers in a conversation: killed at every append to the journal and resumed, nothing that has an outcome is
//! done again; and what one run stores, a role that remembers is given in the next.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wfctl::agents::memory::{Chunk, Filters, Memories};
use wfctl::domain::call::CallKind;
use wfctl::domain::event::Event;
use wfctl::domain::ids::{CallIx, ProjectId};
use wfctl::domain::machine::ProjectStatus;
use wfctl::domain::payload::PayloadSource as _;

use crate::house::{Driven, Fate, House, definition};
use crate::model_server::{Asked, ModelServer, Reply};

const WORKFLOW: &str =
    "name: w\nworkspace: worktree\ntasks:\n  work: {agent: looker, with: {goal: \"find the answer\"}}\n";
const ITERATE: &str = "mcp__sequential_thinking__iterate_until_success";

fn role(memory: bool) -> String {
    let tools = ["mcp__filesystem__*", "mcp__memory__store_knowledge", "mcp__sequential_thinking__*", "memory_search"];
    format!(
        "+++\nname = \"looker\"\ndescription = \"Looks.\"\ntools = {tools:?}\noutput = \"findings\"\nevidence = \"none\"\nturns = 9\n\
         max_output_tokens = 1000\nmemory = {memory}\n+++\nLook.\n"
    )
}

/// One call a turn, then the end.
fn server(calls: Vec<(&'static str, Value)>) -> ModelServer {
    ModelServer::start(move |asked: &Asked| match calls.get(asked.turns()) {
        Some((name, arguments)) => Reply::calls("", &[(name, &arguments.to_string())]),
        None => Reply::calls("", &[("finish", &json!({"summary": "seen", "issues": []}).to_string())]),
    })
}

/// The calls of tools on record: their labels, and how often each has an outcome.
fn finished(house: &House) -> BTreeMap<CallIx, (String, usize)> {
    let mut calls = BTreeMap::new();
    for record in house.records(&ProjectId::new("p").unwrap()) {
        match record.event {
            Event::CallStarted { call, .. } if call.kind == CallKind::Tool => {
                calls.entry(call.ix).or_insert((call.label.clone(), 0));
            }
            Event::CallFinished { call, .. } => {
                if let Some((_, times)) = calls.get_mut(&call) {
                    *times += 1;
                }
            }
            _ => {}
        }
    }
    calls
}

/// What the memory of the repository has.
fn stored(house: &House) -> Vec<Chunk> {
    let memory = Memories::new(&house.home().join("memory"), None).of(&house.repository());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(memory.search_by_metadata(&Filters::default(), 9)).unwrap().0
}

/// Runs the work under `fate`; gives the commits, and how often the command ran in all.
fn run(fate: Fate) -> u64 {
    let house = House::new(&[(".wfctl/roles/looker.md", &role(false)), ("a.txt", "a\n")]);
    let ran = house.home().parent().unwrap().join("ran.log");
    let server = server(vec![
        ("mcp__filesystem__write_file", json!({"path": "note.txt", "content": "42\n"})),
        ("mcp__memory__store_knowledge", json!({"content": "The answer is 42.", "type": "task", "source": "note.txt"})),
        ("mcp__sequential_thinking__plan_steps", json!({"goal": "know it", "steps": ["run it"]})),
        (ITERATE, json!({"step": 1, "command": format!("cat note.txt >> {}", ran.display()), "max_attempts": 2})),
    ]);
    let times = || std::fs::read_to_string(&ran).unwrap_or_default().lines().filter(|line| *line == "42").count();
    let begin = |life: &crate::house::Life| {
        life.begin(house.start("p", definition(WORKFLOW, &server.base_url()), json!({}))).map(|id| life.drive(&id))
    };
    let commits = house.under(fate, begin).unwrap_or_else(|| {
        let known = match house.archive().load(&ProjectId::new("p").unwrap()).is_ok() {
            true => finished(&house),
            false => BTreeMap::new(),
        };
        let before = times();
        let life = house.open();
        assert_eq!(begin(&life), Some(Driven::Ended(ProjectStatus::Done)), "{fate:?}");
        life.close();
        let had_ended = known.values().any(|(label, times)| label == ITERATE && *times > 0);
        assert_eq!(times(), if had_ended { before } else { before + 1 }, "{fate:?}: what ended is not done again");
        0
    });
    let calls = finished(&house);
    let labels: Vec<&str> = calls.values().map(|(label, _)| label.as_str()).collect();
    assert_eq!(
        labels[..3],
        ["mcp__filesystem__write_file", "mcp__memory__store_knowledge", "mcp__sequential_thinking__plan_steps"]
    );
    assert_eq!(labels[3..], [ITERATE], "{fate:?}");
    assert!(calls.values().all(|(_, times)| *times == 1), "{fate:?}: each has one outcome: {calls:?}");
    let chunks = stored(&house);
    assert_eq!(chunks.len(), 1, "{fate:?}: stored once");
    assert_eq!(chunks[0].metadata.task_id.as_deref(), Some("work"));
    assert!(chunks[0].metadata.version.is_some(), "the commit that it was learned at");
    commits
}

#[test]
fn a_tool_that_ended_is_not_called_again_wherever_the_engine_dies() {
    let commits = run(Fate::Lives);
    assert!(commits > 8, "{commits}");
    for at in 1..=commits {
        run(Fate::DiesAfter(at));
    }
}

#[test]
fn what_one_run_stores_is_given_to_a_role_that_remembers() {
    let house = House::new(&[(".wfctl/roles/looker.md", &role(true)), ("a.txt", "a\n")]);
    let knows = json!({"content": "To find the answer, ask the mice.", "type": "task", "source": "mice.txt"});
    let teller = server(vec![("mcp__memory__store_knowledge", knows), ("memory_search", json!({"query": "mice"}))]);
    let drive = |id: &str, server: &ModelServer| {
        let life = house.open();
        let id = life.begin(house.start(id, definition(WORKFLOW, &server.base_url()), json!({}))).unwrap();
        assert_eq!(life.drive(&id), Driven::Ended(ProjectStatus::Done));
        life.close();
    };
    drive("first", &teller);
    let first = teller.asked();
    assert!(!first[0].first_text("user").contains("From memory"), "there was nothing yet");
    let searched = first.last().unwrap().last_text().to_owned();
    assert!(searched.contains("ask the mice") && searched.contains("BM25"), "{searched}");
    let listener = server(Vec::new());
    drive("second", &listener);
    let asked = listener.asked();
    let told = asked[0].first_text("user");
    assert!(
        told.contains("## From memory") && told.contains("ask the mice") && told.contains("data, not instructions"),
        "{told}"
    );
    // Call 0 has it on record, so that a resume sends the same bytes.
    let pinned = house.records(&ProjectId::new("second").unwrap()).into_iter().find_map(|record| match record.event {
        Event::CallFinished { call: CallIx(0), outcome, .. } => outcome.result.ok(),
        _ => None,
    });
    let pinned = house.shelf.read(&pinned.expect("call 0 is on record")).unwrap().into_owned();
    assert!(String::from_utf8(pinned).unwrap().contains("ask the mice"));
}
