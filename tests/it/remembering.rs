//! Memory with vectors, for people and for shipped roles: an endpoint that is paid, a Qdrant server, a second project that is given what
//! the first one learned, and replays of both.

#[path = "../support/embeddings.rs"]
mod embeddings;
#[path = "../support/qdrant.rs"]
mod qdrant;

use serde_json::Value;

use crate::rig::{Done, Rig};
use embeddings::{Embeddings, TOKENS};
use qdrant::Qdrant;

const KEY: &str = "a-key-that-is-long";

/// A rig whose memory has vectors of `endpoint`, and `more` in its `[memory]`.
fn rig(endpoint: &Embeddings, more: &str) -> Rig {
    let rig = Rig::new();
    let config = rig.folder().join(".config/wfctl");
    let text = format!(
        "[sandbox]\nbackend = \"none\"\n[models.providers.emb]\nbase_url = \"{}\"\n[secrets]\nQDRANT = \"env:QDRANT_KEY\"\n\
         [memory]\nembeddings = \"emb/small\"\n{more}\n",
        endpoint.base_url
    );
    std::fs::write(config.join("config.toml"), text).unwrap();
    std::fs::write(config.join("prices.toml"), "[models]\n\"emb/small\" = { input = 1000, output = 0 }\n").unwrap();
    rig
}

#[test]
fn a_qdrant_server_has_what_people_store_and_finds_it_by_meaning() {
    let (endpoint, server) = (Embeddings::start(), Qdrant::start(Some(KEY)));
    let more = format!("store = \"qdrant\"\nurl = \"{}\"\ncollection = \"team\"\napi_key = \"QDRANT\"", server.url);
    let rig = rig(&endpoint, &more);
    rig.write("auth.md", "Users authenticate with a bearer token.\n");
    rig.write("oak.md", "An oak is old.\n");
    let ask = |arguments: &[&str]| -> Done {
        let mut command = rig.command(&[&["memory"], arguments].concat());
        let output = command.env("QDRANT_KEY", KEY).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Done { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    };
    assert_eq!(ask(&["list"]).code, Some(0), "there is no collection yet");
    let added = ask(&["add", "auth.md", "--tag", "auth"]);
    assert_eq!(added.code, Some(0), "{added:?}");
    let id = added.out.trim().to_owned();
    assert!(ask(&["add", "auth.md", "--tag", "auth"]).err.contains("1 of 1 chunks were there already"));
    ask(&["add", "oak.md", "--type", "task"]);
    assert_eq!(server.points("team"), 2);
    let found = ask(&["search", "how do I sign in", "--top", "1"]);
    assert!(found.out.contains("bearer token"), "no word is the same: {found:?}");
    assert!(found.err.contains("vectors of emb/small in Qdrant, not by words"), "{}", found.err);
    let listed = ask(&["list", "--tag", "auth", "--json"]);
    assert_eq!(listed.out.lines().count(), 1, "{listed:?}");
    assert!(ask(&["show", &id]).out.contains("bearer token"));
    let status = ask(&["status"]);
    assert!(
        status.out.contains("collection team") && status.out.contains("vectors of emb/small alone; 2"),
        "{status:?}"
    );
    assert_eq!(ask(&["delete", &id]).code, Some(0));
    assert_eq!(server.points("team"), 1);
    // Without its key it says what to do, and no more.
    let locked = rig.wfctl(&["memory", "list"]);
    assert!(locked.code != Some(0) && locked.err.contains("QDRANT"), "{locked:?}");
}

#[test]
fn a_server_that_is_not_there_is_told_with_the_next_command() {
    let rig = rig(&Embeddings::start(), "store = \"qdrant\"\nurl = \"http://127.0.0.1:1\"");
    let told = rig.wfctl(&["memory", "list"]);
    assert!(told.code.is_some_and(|code| code != 0 && code < 100), "{told:?}");
    assert!(told.err.contains("curl http://127.0.0.1:1/collections"), "{}", told.err);
    let config = rig.folder().join(".config/wfctl/config.toml");
    let text = std::fs::read_to_string(&config).unwrap().replace("embeddings = \"emb/small\"\n", "");
    std::fs::write(&config, text).unwrap();
    let told = rig.wfctl(&["memory", "list"]);
    assert!(told.code != Some(0) && told.err.contains("needs `embeddings`"), "{told:?}");
}

/// A build that computes no vectors says which one does, and words are searched meanwhile.
#[cfg(not(feature = "local-embeddings"))]
#[test]
fn a_model_of_this_machine_is_of_another_build() {
    let rig = Rig::new();
    let config = "[memory]\nembeddings = \"local\"\nmodel_dir = \"minilm\"\n";
    std::fs::write(rig.folder().join(".config/wfctl/config.toml"), config).unwrap();
    rig.write("oak.md", "An oak is old.\n");
    rig.wfctl(&["memory", "add", "oak.md"]);
    let found = rig.wfctl(&["memory", "search", "oak"]);
    assert!(found.out.contains("An oak is old."), "{found:?}");
    assert!(found.err.contains("words alone") && found.err.contains("--features local-embeddings"), "{}", found.err);
}

/// The same by meaning, in a build that computes them, where there is a model.
#[cfg(feature = "local-embeddings")]
#[test]
#[expect(clippy::disallowed_methods, reason = "a test is told where the model is")]
fn a_model_of_this_machine_finds_by_meaning() {
    let Some(model) = std::env::var_os("WFCTL_MINILM") else {
        eprintln!("skipped: WFCTL_MINILM names no folder with all-MiniLM-L6-v2");
        return;
    };
    let rig = Rig::new();
    let config = format!("[memory]\nembeddings = \"local\"\nmodel_dir = {model:?}\n");
    std::fs::write(rig.folder().join(".config/wfctl/config.toml"), config).unwrap();
    rig.write("auth.md", "Users authenticate with a bearer token.\n");
    rig.write("oak.md", "An oak is old.\n");
    for file in ["auth.md", "oak.md"] {
        rig.wfctl(&["memory", "add", file]);
    }
    let found = rig.wfctl(&["memory", "search", "how do I sign in", "--top", "1"]);
    assert!(found.out.contains("bearer token") && found.err.contains("vectors of local/"), "{found:?}");
}

/// What an implementer does who learned something, and one who has nothing to add.
const SCRIPT: &str = r#"conversations:
  - role: implementer
    task: learns
    turns:
      - calls:
          - memory_search: {query: "an oak"}
      - calls:
          - memory_store: {content: "Automobiles start only with the choke pulled.", type: error, source: engine.txt}
      - calls:
          - finish: {summary: Done., changes: [], tests: [], risks: [], commit_message: Learn}
  - role: implementer
    task: uses
    turns:
      - calls:
          - finish: {summary: Done., changes: [], tests: [], risks: [], commit_message: Use}
"#;

fn project(rig: &Rig, id: &str, task: &str) -> Done {
    let workflow = format!(
        "name: w\nworkspace: worktree\nmodels: {{default: [s/x], providers: {{s: {{script: {}, free: true}}}}}}\ntasks:\n  \
         {task}: {{agent: implementer, with: {{goal: start the car}}}}\n",
        rig.path("script.yaml").display()
    );
    rig.write(&format!("{id}.yaml"), &workflow);
    rig.wfctl_in("repo", &["run", &format!("../{id}.yaml"), "--id", id])
}

fn cost_of(rig: &Rig, id: &str) -> Value {
    serde_json::from_str(&rig.wfctl_in("repo", &["cost", id, "--json"]).out).unwrap()
}

#[test]
fn a_second_project_of_a_shipped_role_is_given_what_the_first_one_learned_and_a_replay_plays_it() {
    let endpoint = Embeddings::start();
    let rig = rig(&endpoint, "");
    rig.repository("repo");
    rig.write("script.yaml", SCRIPT);
    rig.write("oak.md", "An oak is old.\n");
    rig.wfctl_in("repo", &["memory", "add", "../oak.md"]);
    assert_eq!(endpoint.requests(), 0, "a chunk in a folder has its vector when it is first searched");
    assert_eq!(project(&rig, "first", "learns").code, Some(0), "{}", rig.wfctl(&["show", "first"]).out);
    assert_eq!(project(&rig, "second", "uses").code, Some(0), "{}", rig.wfctl(&["show", "second"]).out);
    let given = rig.wfctl_in("repo", &["transcript", "second", "uses", "--full"]).out;
    assert!(given.contains("## From memory") && given.contains("with the choke pulled"), "{given}");
    assert!(given.contains("embed emb/small") && given.contains("1 vectors of 4 numbers"), "{given}");
    // What it was given is paid for by the project that was given it.
    for (id, texts) in [("first", 3), ("second", 2)] {
        let cost = cost_of(&rig, id);
        let row = cost["models"].as_array().unwrap().iter().find(|row| row["name"] == "emb/small").cloned();
        let used = row.unwrap_or_else(|| panic!("{id}: {cost}"))["used"].clone();
        assert_eq!(
            (&used["input_tokens"], &used["usd_micros"]),
            (&(texts * TOKENS).into(), &(texts * TOKENS * 1_000).into()),
            "{id}: {used}"
        );
        assert!(cost["ledger"]["spent"]["usd_micros"].as_u64() >= Some(texts * TOKENS * 1_000), "{id}: {cost}");
    }
    let before = endpoint.requests();
    // Memory has more in it now than when they ran: a replay tells what was told then, and asks nobody.
    rig.write("car.md", "A car is no oak.\n");
    rig.wfctl_in("repo", &["memory", "add", "../car.md", "--type", "task"]);
    for id in ["first", "second"] {
        let replayed = rig.wfctl_in("repo", &["replay", id]);
        assert_eq!(replayed.code, Some(0), "{id}: {replayed:?}");
        assert!(replayed.out.contains("no difference"), "{id}: {}", replayed.out);
    }
    assert_eq!(endpoint.requests(), before);
    assert!(endpoint.texts().iter().any(|text| text.contains("choke")));
}
