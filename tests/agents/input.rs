//! Bad input from models and repositories, through the whole engine: the model is told or the attempt ends with what is wrong; the
//! engine goes on, and nothing outside the worktree is touched.

use serde_json::{Value, json};
use wfctl::domain::event::Event;
use wfctl::domain::failure::FailureClass;
use wfctl::domain::ids::{ProjectId, Seq};
use wfctl::domain::machine::ProjectStatus;

use crate::faults::finish;
use crate::house::{Driven, House, definition};
use crate::model_server::{Asked, ModelServer, Reply};
use crate::notes;

fn workflow(role: &str) -> String {
    format!(
        "name: one\nworkspace: worktree\nretry: {{max_attempts: 1}}\ntasks:\n  work: {{agent: {role}, with: {{goal: g}}, merge: true}}\n"
    )
}

/// Says these first, one call a turn, and then finishes.
fn server(calls: Vec<(&'static str, Value)>, end: Reply) -> ModelServer {
    ModelServer::start(move |asked: &Asked| match calls.get(asked.turns()) {
        Some((name, arguments)) => Reply::calls("", &[(name, &arguments.to_string())]),
        None => end.clone(),
    })
}

/// Runs one agent; what it was told as results, in order.
fn told(house: &House, role: &str, server: &ModelServer) -> (Driven, Vec<String>) {
    let life = house.open();
    let id = life.begin(house.start("p", definition(&workflow(role), &server.base_url()), json!({}))).unwrap();
    let driven = life.drive(&id);
    assert_eq!(life.close(), None);
    let last = server.asked().pop();
    let messages = last.iter().flat_map(|asked| asked.messages().to_vec());
    let results = messages.filter(|message| message["role"] == "tool");
    (driven, results.map(|message| message["content"].as_str().unwrap().to_owned()).collect())
}

fn failure(house: &House) -> (FailureClass, String) {
    let records = house.records(&ProjectId::new("p").unwrap());
    let failure = records.into_iter().find_map(|record| match record.event {
        Event::StepFinished { outcome, .. } => outcome.result.err(),
        _ => None,
    });
    let failure = failure.expect("a step failed");
    (failure.class, failure.message)
}

fn plan(tasks: Vec<Value>) -> Value {
    json!({"summary": "s", "tasks": tasks})
}

fn planned(id: &str, needs: &[&str]) -> Value {
    json!({"id": id, "title": id, "description": "d", "needs": needs, "files": [], "priority": 5, "acceptance": ["a"]})
}

#[test]
fn a_plan_with_a_cycle_or_too_many_tasks_is_sent_back() {
    let house = House::new(&notes::FILES);
    let circle = plan(vec![planned("a", &["b"]), planned("b", &["a"])]);
    let many = plan((0..10_000).map(|at| planned(&format!("t{at}"), &[])).collect());
    let good = Reply::calls("", &[("finish", &plan(vec![planned("a", &[])]).to_string())]);
    let server = server(vec![("finish", circle), ("finish", many)], good);
    let (driven, told) = told(&house, "planner", &server);
    assert_eq!(driven, Driven::Ended(ProjectStatus::Done));
    assert!(told[0].contains("in a circle: a -> b -> a"), "{}", told[0]);
    assert!(told[1].contains("/tasks"), "{}", told[1]);
}

#[test]
fn what_lies_outside_is_neither_read_nor_written() {
    let house = House::new(&notes::FILES);
    std::fs::write(house.home().parent().unwrap().join("secret.txt"), "secret").unwrap();
    let outside = "../../../../secret.txt";
    let server = server(
        vec![
            ("read_file", json!({"path": outside})),
            ("write_file", json!({"path": outside, "content": "x"})),
            ("write_file", json!({"path": "/etc/passwd", "content": "x"})),
            ("write_file", json!({"path": ".git/config", "content": "x"})),
            ("launch_rocket", json!({})),
        ],
        finish(),
    );
    let (driven, told) = told(&house, "implementer", &server);
    assert_eq!(driven, Driven::Ended(ProjectStatus::Done));
    assert_eq!(told.len(), 5);
    assert!(told.iter().all(|text| text.starts_with("error: ")), "{told:#?}");
    assert!(told[4].contains("there is no tool \"launch_rocket\""), "{}", told[4]);
    assert_eq!(std::fs::read_to_string(house.home().parent().unwrap().join("secret.txt")).unwrap(), "secret");
}

#[test]
fn fifty_megabytes_of_output_are_shown_by_head_and_tail() {
    let house = House::new(&notes::FILES);
    let loud = "echo begin; head -c 52428800 /dev/zero | tr '\\0' x; echo; echo end";
    let server = server(vec![("run_command", json!({"command": loud}))], finish());
    let (driven, told) = told(&house, "implementer", &server);
    assert_eq!(driven, Driven::Ended(ProjectStatus::Done));
    assert!(told[0].len() < 64 * 1024, "{} bytes", told[0].len());
    assert!(told[0].contains("begin") && told[0].contains("end"), "head and tail");
}

#[test]
fn a_broken_role_of_the_repository_and_an_unknown_one_end_the_task_with_what_is_wrong() {
    let mut files = notes::FILES.to_vec();
    files.push((".wfctl/roles/implementer.md", "---\nturns = \"many\"\n---\nYou write.\n"));
    let house = House::new(&files);
    let server = server(Vec::new(), finish());
    assert_eq!(told(&house, "implementer", &server).0, Driven::Held);
    let (class, message) = failure(&house);
    assert_eq!(class, FailureClass::NotFound);
    assert!(message.contains("implementer"), "{message}");
    let house = House::new(&notes::FILES);
    assert_eq!(told(&house, "astronaut", &server).0, Driven::Held);
    assert!(failure(&house).1.contains("astronaut"), "{}", failure(&house).1);
    assert_eq!(server.counts().requests, 0, "no model is asked");
}

#[test]
fn odd_files_of_a_repository_come_through_unharmed() {
    let house = House::new(&notes::FILES);
    use std::os::unix::ffi::OsStrExt as _;
    let root = house.repository();
    let lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    std::fs::write(root.join("big.bin"), lfs).unwrap();
    std::fs::write(root.join("dos.txt"), "one\r\ntwo\r\n").unwrap();
    std::fs::write(root.join(std::ffi::OsStr::from_bytes(b"caf\xe9.txt")), "latin").unwrap();
    house.git(&["init", "-q", "../sub"]);
    house.git(&["-C", "../sub", "commit", "-q", "--allow-empty", "-m", "first"]);
    house.git(&["submodule", "--quiet", "add", "../sub", "sub"]);
    house.git(&["add", "."]);
    house.git(&["commit", "-q", "-m", "odd files"]);
    let before = house.git(&["ls-tree", "-r", "HEAD"]);
    let edit = json!({"path": "dos.txt", "old": "one", "new": "three"});
    let server = server(vec![("edit_file", edit), ("tree", json!({}))], finish());
    let (driven, told) = told(&house, "implementer", &server);
    assert_eq!(driven, Driven::Ended(ProjectStatus::Done), "{told:?}");
    let after = house.git(&["ls-tree", "-r", "ai/generated/p/result"]);
    let kept = |line: &&str| !line.ends_with("dos.txt");
    for line in before.lines().filter(kept) {
        assert!(after.contains(line), "{line} is gone:\n{after}");
    }
    assert_eq!(house.file("ai/generated/p/result", "dos.txt"), "three\r\ntwo");
}

#[test]
fn a_repository_without_a_commit_is_refused_in_words() {
    let house = House::bare();
    std::fs::create_dir_all(house.repository()).unwrap();
    house.git(&["init", "-q"]);
    let server = server(Vec::new(), finish());
    let (driven, _) = told(&house, "implementer", &server);
    assert_eq!(driven, Driven::Held);
    let (class, message) = failure(&house);
    assert_eq!(class, FailureClass::Workspace, "{message}");
    assert_eq!(house.records(&ProjectId::new("p").unwrap())[0].seq, Seq(1));
}
