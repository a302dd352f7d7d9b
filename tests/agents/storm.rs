//! Twenty implementers at once on one repository, all of them at the same line: everything is merged and nothing is lost.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use wfctl::domain::ids::ProjectId;
use wfctl::domain::machine::ProjectStatus;

use crate::faults::finish;
use crate::house::{Driven, House, definition};
use crate::model_server::{Asked, ModelServer, Reply};
use crate::player::task_of;

const TASKS: usize = 20;

fn workflow() -> String {
    let items: Vec<usize> = (0..TASKS).collect();
    format!(
        "name: storm\nworkspace: worktree\nlimits: {{workers: 20}}\nmerge: {{gates: [\"sh check.sh\"]}}\n\
         retry: {{max_attempts: 1}}\ntasks:\n  work: {{foreach: \"{{{{ {items:?} }}}}\", agent: implementer, \
         with: {{word: \"{{{{ item }}}}\"}}, merge: true}}\n"
    )
}

/// The number of an implementer's task.
fn number(asked: &Asked) -> &str {
    let name = task_of(asked);
    let inside = name.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    inside.unwrap_or_else(|| panic!("no item: {name}")).0
}

/// The lines of a text with conflict markers, each once, sorted: both sides are kept.
fn both_sides(text: &str) -> String {
    let marks = ["<<<<<<<", "=======", ">>>>>>>", "|||||||"];
    let lines = text.lines().filter(|line| !marks.iter().any(|mark| line.starts_with(mark)));
    let lines: BTreeSet<&str> = lines.filter(|line| !line.is_empty()).collect();
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}

/// An implementer writes its line below the first one and a file of its own; a merger keeps both sides.
fn play(asked: &Asked) -> Reply {
    let write = |path: &str, content: &str| ("write_file", json!({"path": path, "content": content}).to_string());
    let said = |calls: Vec<(&str, String)>| {
        let calls: Vec<(&str, &str)> = calls.iter().map(|(name, arguments)| (*name, arguments.as_str())).collect();
        Reply::calls("", &calls)
    };
    let is_merger = asked.first_text("user").contains("\"integrated\"");
    match (is_merger, asked.turns()) {
        (false, 0) => {
            let number = number(asked);
            let old_new = json!({"path": "list.txt", "old": "first\n", "new": format!("first\nline {number}\n")});
            said(vec![("edit_file", old_new.to_string()), write(&format!("own/{number}.txt"), "mine\n")])
        }
        (true, 0) => said(vec![("run_command", json!({"command": "cat list.txt"}).to_string())]),
        (true, 1) => {
            let shown = asked.last_text();
            let from = shown.find("first").expect("the file begins with it");
            said(vec![write("list.txt", &both_sides(&shown[from..]))])
        }
        _ => finish(),
    }
}

#[test]
fn twenty_at_once_on_one_line_all_come_in() {
    let server = ModelServer::start(play);
    let files = [("list.txt", "first\n"), ("check.sh", "! grep -n '<<<<<<<' list.txt\n")];
    let house = House::new(&files).with_workers(20);
    let life = house.open();
    let id: ProjectId = life.begin(house.start("p", definition(&workflow(), &server.base_url()), Value::Null)).unwrap();
    let driven = life.drive(&id);
    let why = house.archive().load(&id).unwrap().project.why();
    assert_eq!(driven, Driven::Ended(ProjectStatus::Done), "{why:?}");
    assert_eq!(life.close(), None);
    let integration = "ai/generated/p/integration";
    let wanted: String = (0..TASKS).map(|at| format!("\nline {at}")).collect();
    let wanted: BTreeSet<&str> = wanted.lines().filter(|line| !line.is_empty()).collect();
    let list = house.file(integration, "list.txt");
    assert_eq!(list.lines().filter(|line| *line != "first").collect::<BTreeSet<_>>(), wanted);
    assert_eq!(list.lines().count(), TASKS + 1, "no line twice: {list}");
    for at in 0..TASKS {
        assert_eq!(house.file(integration, &format!("own/{at}.txt")), "mine");
    }
    let merged = house.git(&["log", "--first-parent", "--format=%s", integration]);
    for record in house.records(&id) {
        let wfctl::domain::event::Event::StepFinished { outcome, .. } = &record.event else { continue };
        let Ok(wfctl::domain::payload::Payload::Inline(bytes)) = &outcome.result else { continue };
        let Ok(answer) = serde_json::from_slice::<Value>(bytes) else { continue };
        if let Some(commit) = answer["commit"].as_str() {
            house.git(&["merge-base", "--is-ancestor", commit, integration]);
        }
    }
    let mergers = merged.lines().filter(|line| line.contains(".fix")).count();
    assert_eq!(mergers, TASKS - 1, "each conflict is resolved once:\n{merged}");
}
