//! `wfctl mcp` from outside, as an agent's client sees it.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use rmcp::model::{ServerNotification, SubscriptionFilter};
use serde_json::{Value, json};
use wfctl::domain::call::CallKind;
use wfctl::domain::event::Event;

use crate::mcp_client::{Client, newest};
use crate::rig::{Rig, until};
use crate::scripted::{Stage, scene};

const ASKS: &str = "name: w
tasks:
  hello: {run: 'echo hello; echo käse'}
  ask: {needs: [hello], approval: {ask: 'Go?'}}
  done: {needs: [ask], run: echo x >> done}
";

const LOOKS: [&str; 7] = ["artifacts", "cost", "events", "list", "logs", "show", "why"];
const ACTS: [&str; 7] = ["approve", "cancel", "fork", "pause", "reject", "resume", "start"];

fn sorted(client: &Client) -> Vec<&str> {
    let mut names: Vec<&str> = client.tools.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// A project in the background that asks.
fn asking(rig: &Rig) {
    rig.write("w.yaml", ASKS);
    assert_eq!(rig.wfctl(&["run", "--detach", "w.yaml", "--id", "p"]).out, "p\n");
    until("it asks", || rig.wfctl(&["why", "p"]).out.contains("wfctl approve p ask"));
}

#[test]
fn an_agent_looks_at_a_project_and_changes_nothing() {
    let rig = Rig::new();
    asking(&rig);
    let client = Client::start(&rig, &[]);
    let info = client.service.peer_info().unwrap();
    assert_eq!(info.server_info.as_ref().unwrap().name, "wfctl");
    assert_eq!(sorted(&client), LOOKS);

    let listed = client.call("list", json!({"status": "live"}));
    assert_eq!((&listed["total"], &listed["projects"][0]["id"]), (&json!(1), &json!("p")));
    assert_eq!(client.call("list", json!({"status": "DONE"}))["total"], 0);
    let shown = client.call("show", json!({"project": "p", "task": "ask"}));
    assert_eq!(shown["tasks"][0]["status"], "AWAITING_APPROVAL");
    assert_eq!(shown["tasks"].as_array().unwrap().len(), 1);
    let why = client.call("why", json!({"project": "p"}));
    assert_eq!((&why["driven"], &why["reasons"][0]["command"]), (&json!(true), &json!("wfctl approve p ask")));
    let events = client.call("events", json!({"project": "p", "kind": "taskcompleted", "whole": true}));
    assert_eq!(events["records"][0]["task"], "hello");
    assert!(events["records"][0]["event"]["TaskCompleted"].is_object(), "{events}");
    assert_eq!(client.call("cost", json!({"project": "p"}))["total"]["calls"], 0);
    assert_eq!(client.call("artifacts", json!({"project": "p"}))["artifacts"], json!([]));
    let log = client.call("logs", json!({"project": "p", "task": "hello"}));
    assert_eq!((&log["text"], &log["offset"], &log["more"]), (&json!("hello\nkäse\n"), &json!(0), &json!(false)));

    for tool in ACTS {
        let error = client.ask(tool, json!({"project": "p", "workflow": "ci"})).unwrap_err().to_string();
        assert!(error.contains("--allow-actions"), "{tool}: {error}");
    }
    assert!(rig.wfctl(&["why", "p"]).out.contains("wfctl approve p ask"), "it still waits");
    client.close();
}

#[test]
fn an_agent_starts_answers_and_steers() {
    let rig = Rig::new();
    rig.write("w.yaml", ASKS);
    let client = Client::start(&rig, &["--allow-actions"]);
    let mut all = [LOOKS, ACTS].concat();
    all.sort_unstable();
    assert_eq!(sorted(&client), all);

    let start = json!({"workflow": "w.yaml", "id": "p"});
    assert_eq!(client.call("start", start.clone())["existed"], false);
    assert_eq!(client.call("start", start)["existed"], true);
    let asks = || client.call("why", json!({"project": "p"}))["reasons"][0]["task"] == "ask";
    until("it asks", asks);
    assert_eq!(client.call("pause", json!({"project": "p", "comment": "lunch"}))["project"]["status"], "PAUSED");
    assert_eq!(client.call("resume", json!({"project": "p", "budget": {"calls": 99}}))["driven"], true);
    assert_eq!(client.call("show", json!({"project": "p"}))["budget"]["calls"], 99);
    client.call("approve", json!({"project": "p", "task": "ask", "comment": "looks good"}));
    let is_done = || client.call("show", json!({"project": "p"}))["project"]["status"] == "DONE";
    until("it is done", is_done);
    assert_eq!(rig.read("done"), "x\n");
    let answered = client.call("events", json!({"project": "p", "kind": "TaskAnswered"}));
    assert_eq!(answered["records"][0]["actor"], "api:mcp:tester", "{answered}");

    let again = client.refused("approve", json!({"project": "p"}));
    assert!(
        again.starts_with("error[WF0009]") && again.contains("next: See how it ended with `wfctl show p`"),
        "{again}"
    );
    assert!(client.refused("cancel", json!({"project": "p"})).starts_with("error[WF0009]"));

    let at =
        client.call("events", json!({"project": "p", "kind": "TaskAnswered"}))["records"][0]["seq"].as_u64().unwrap();
    let forked = client.call("fork", json!({"project": "p", "at": at - 1, "id": "other"}));
    assert_eq!((&forked["project"], &forked["existed"]), (&json!("other"), &json!(false)));
    client.call("reject", json!({"project": "other", "comment": "not again"}));
    let is_over = || client.call("show", json!({"project": "other"}))["project"]["status"] != "BUILD";
    until("the fork is over", is_over);
    let ended = client.call("show", json!({"project": "other"}));
    if ended["project"]["status"] == "PAUSED" {
        client.call("cancel", json!({"project": "other", "undo": false}));
        until("it is cancelled", || {
            client.call("show", json!({"project": "other"}))["project"]["status"] == "CANCELLED"
        });
    }
    assert_eq!(rig.read("done"), "x\n", "what was rejected did not run");
    client.close();
    for id in ["p", "other"] {
        assert_eq!(rig.wfctl(&["audit", "verify", id]).code, Some(0));
    }
}

#[test]
fn refusals_say_what_and_what_next() {
    let rig = Rig::new();
    let client = Client::start(&rig, &["--allow-actions"]);
    assert_eq!(client.call("list", json!({}))["total"], 0);
    let none = client.refused("show", json!({"project": "x"}));
    assert_eq!(none, "error[WF0004]: there is no project `x`\n  next: See them all with `wfctl list --all`.");
    assert!(!rig.folder().join("home").exists(), "looking made a home");

    let unknown = client.refused("start", json!({"workflow": "realease"}));
    assert_eq!(unknown, "error[WF0002]: there is no workflow `realease`\n  next: Did you mean `release`?");
    rig.write("in.yaml", "name: w\ninputs: {to: {type: string, required: true}}\ntasks: {a: {run: 'echo hi'}}\n");
    let inputs = client.refused("start", json!({"workflow": "in.yaml", "inputs": {"too": "x"}}));
    assert!(inputs.contains("WF0001") && inputs.contains("`to`"), "{inputs}");
    rig.write("bad.yaml", "name: w\ntasks: {a: {rum: echo}}\n");
    let bad = client.refused("start", json!({"workflow": "bad.yaml"}));
    assert!(bad.contains("bad.yaml:2") && bad.contains("rum"), "{bad}");
    rig.repository("r");
    rig.write("r/w.yaml", "name: w\ntasks: {a: {run: 'echo hi'}}\n");
    let untrusted = client.refused("start", json!({"workflow": rig.path("r/w.yaml").display().to_string()}));
    assert!(untrusted.starts_with("error[WF0042]") && untrusted.contains("wfctl trust"), "{untrusted}");
    let id = client.refused("start", json!({"workflow": "in.yaml", "id": "../UP"}));
    assert!(id.starts_with("error[WF0015]"), "{id}");
    let typo = client.refused("show", json!({"projekt": "x"}));
    assert!(
        typo.starts_with("error[WF0015]: the arguments of show are not valid") && typo.contains("`project`"),
        "{typo}"
    );
    let state = client.refused("list", json!({"status": "PAUSD"}));
    assert!(state.contains("Did you mean `PAUSED`?"), "{state}");
    assert!(client.refused("list", json!({"cursor": "x"})).starts_with("error[WF0015]"));

    let tool = client.ask("drop_tables", json!({})).unwrap_err().to_string();
    assert!(tool.contains("-32602") && tool.contains("there is no tool `drop_tables`"), "{tool}");
    for uri in ["file:///etc/passwd", "wfctl://project/x/journal", "wfctl://project/x/artifact/t/n"] {
        let error = client.read(uri).unwrap_err().to_string();
        assert!(error.contains("-32002"), "{uri}: {error}");
    }
    client.close();
}

#[test]
fn long_answers_come_in_pages_that_fit_together() {
    let rig = Rig::new();
    let items: Vec<String> = (0..130).map(|n| n.to_string()).collect();
    let workflow = format!(
        "name: many\ntasks:\n  many: {{foreach: [{}], run: 'true'}}\n  loud: {{run: yes käse | head -c 300000}}\n",
        items.join(", ")
    );
    rig.write("w.yaml", &workflow);
    for id in ["a1", "a2", "a3"] {
        assert_eq!(rig.wfctl(&["run", "w.yaml", "--id", id]).code, Some(0));
    }
    let client = Client::start(&rig, &[]);

    let (mut names, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let mut ask = json!({"project": "a1", "limit": 60});
        if cursor != Value::Null {
            ask["cursor"] = cursor;
        }
        let page = client.call("show", ask);
        let tasks = page["tasks"].as_array().unwrap();
        assert!(!tasks.is_empty() && tasks.len() <= 60);
        names.extend(tasks.iter().map(|task| task["name"].as_str().unwrap().to_owned()));
        cursor = page["next"].clone();
        if cursor == Value::Null {
            break;
        }
    }
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!((all, names.len()), (132, 132));

    let (mut seqs, mut from) = (Vec::new(), 1);
    loop {
        let page = client.call("events", json!({"project": "a1", "from": from, "limit": 200}));
        seqs.extend(page["records"].as_array().unwrap().iter().map(|record| record["seq"].as_u64().unwrap()));
        let Some(next) = page["next"].as_u64() else { break };
        from = next;
    }
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "every record once");
    let last = client.call("events", json!({"project": "a1", "last": 2}));
    assert_eq!(last["records"][1]["kind"], "Closed");
    assert_eq!(last["records"].as_array().unwrap().len(), 2);
    let completed = client.call("events", json!({"project": "a1", "kind": "TaskCompleted", "limit": 500}));
    assert_eq!(completed["records"].as_array().unwrap().len(), 132);

    let first = client.call("list", json!({"limit": 2}));
    let rest = client.call("list", json!({"limit": 2, "cursor": first["next"]}));
    let ids = |page: &Value| page["projects"].as_array().unwrap().iter().map(|it| it["id"].clone()).collect::<Vec<_>>();
    assert_eq!([ids(&first), ids(&rest)].concat(), ["a3", "a2", "a1"].map(Value::from));
    assert_eq!((&first["total"], &rest["next"]), (&json!(3), &Value::Null));

    let end = client.call("logs", json!({"project": "a1", "task": "loud", "bytes": 1000}));
    let whole = rig.wfctl(&["logs", "a1", "loud"]).out;
    let text = end["text"].as_str().unwrap();
    assert!(text.len() <= 1000 && !text.contains('\u{fffd}') && whole.trim_end().ends_with(text.trim_end()), "{end}");
    let (mut read, mut offset) = (String::new(), 0);
    loop {
        let piece = client.call("logs", json!({"project": "a1", "task": "loud", "offset": offset, "bytes": 65536}));
        assert!(piece["text"].as_str().unwrap().len() <= 65536);
        read.push_str(piece["text"].as_str().unwrap());
        offset = piece["next"].as_u64().unwrap();
        if piece["more"] == false {
            break;
        }
    }
    assert_eq!(read.trim_end(), whole.trim_end());
    client.close();
}

#[test]
fn journals_and_artifacts_are_resources() {
    let rig = Rig::new();
    let stage = Stage::open(&rig);
    let long = "ü".repeat(40_000);
    stage.script([
        scene(CallKind::Prompt, "prompt", "Plan it.\n"),
        scene(CallKind::Artifact, "plan", "{\"one\": 1}"),
        scene(CallKind::Artifact, "a b/c", long.as_str()),
    ]);
    let id =
        stage.start("p", "name: w\nworkspace: worktree\nphases:\n  planning: {tasks: {'plan': {agent: architect}}}\n");
    stage.until(&id, |record| matches!(record.event, Event::Closed { .. }));
    stage.close();
    let client = Client::start(&rig, &[]);
    let resources = client.runtime.block_on(client.service.list_all_resources()).unwrap();
    assert_eq!(resources.iter().map(|it| it.uri.as_str()).collect::<Vec<_>>(), ["wfctl://project/p/journal"]);
    let templates = client.runtime.block_on(client.service.list_all_resource_templates()).unwrap();
    assert_eq!(templates.len(), 2);

    let (journal, next) = client.read("wfctl://project/p/journal").unwrap();
    assert_eq!((journal.as_str(), next), (rig.wfctl(&["events", "p", "--json"]).out.as_str(), None));
    let (rest, _) = client.read("wfctl://project/p/journal?from=3").unwrap();
    assert_eq!(rest, journal.lines().skip(2).map(|line| format!("{line}\n")).collect::<String>());

    let listed = client.call("artifacts", json!({"project": "p", "task": "plan"}));
    let uris: Vec<&str> =
        listed["artifacts"].as_array().unwrap().iter().map(|it| it["uri"].as_str().unwrap()).collect();
    assert_eq!(uris, ["wfctl://project/p/artifact/plan/a%20b%2Fc", "wfctl://project/p/artifact/plan/plan"]);
    assert_eq!(client.read(uris[1]).unwrap().0, "{\"one\": 1}");
    assert_eq!(client.read(uris[0]).unwrap().0, long);
    let (mut read, mut offset) = (String::new(), json!(0));
    while offset != Value::Null {
        let piece = client.call("artifacts", json!({"project": "p", "name": "a b/c", "offset": offset}));
        read.push_str(piece["content"]["text"].as_str().unwrap());
        offset = piece["content"]["next"].clone();
    }
    assert_eq!(read, long);
    let near = client.refused("artifacts", json!({"project": "p", "name": "plam"}));
    assert!(near.starts_with("error[WF0016]") && near.contains("Did you mean `plan`?"), "{near}");
    client.close();
}

#[test]
fn who_subscribes_is_told_of_new_records() {
    let rig = Rig::new();
    asking(&rig);
    let uri = "wfctl://project/p/journal";
    let older = Client::start(&rig, &[]);
    #[expect(deprecated, reason = "clients of today subscribe like this")]
    let subscribed = older.service.subscribe(rmcp::model::SubscribeRequestParams::new(uri));
    older.runtime.block_on(subscribed).unwrap();
    let newer = Client::start_as(&rig, &[], newest());
    let filter = SubscriptionFilter::builder().resource_subscription(uri).build();
    let mut subscription = newer.runtime.block_on(newer.service.listen(filter)).unwrap();
    assert_eq!(subscription.acknowledged().resource_subscriptions.as_deref(), Some([uri.to_owned()].as_slice()));
    assert_eq!(rig.wfctl(&["approve", "p"]).code, Some(0));
    assert_eq!(older.told(), uri);
    let news = newer.runtime.block_on(subscription.next()).unwrap();
    assert!(matches!(news, Some(ServerNotification::ResourceUpdatedNotification(it)) if it.params.uri == uri));
    drop(subscription);
    newer.close();
    older.close();
}

/// What stands on stdout is the protocol and nothing else, whatever comes in; the process ends with its input.
#[test]
fn stdout_carries_the_protocol_only_and_nonsense_ends_nothing() {
    let rig = Rig::new();
    rig.write("w.yaml", "name: w\ntasks: {a: {run: 'echo hi', env: {X: '1'}}}\n");
    let mut child = rig.command(&["mcp", "--allow-actions"]);
    child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let message = |value: Value| format!("{value}\n");
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    input.write_all(message(hello).as_bytes()).unwrap();
    input.write_all(message(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).as_bytes()).unwrap();
    input.write_all(b"this is not JSON\n{\"jsonrpc\": \"2.0\", \"id\": 7}\n[]\n\xff\xfe\n").unwrap();
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
        "name": "start", "arguments": {"workflow": "w.yaml", "id": "p"}}});
    input.write_all(message(list).as_bytes()).unwrap();
    let mut reader = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut answered = Vec::new();
    while !answered.iter().any(|value: &Value| value["id"] == 2) {
        let mut line = String::new();
        assert!(std::io::BufRead::read_line(&mut reader, &mut line).unwrap() > 0, "it ended: {answered:?}");
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["jsonrpc"], "2.0");
        answered.push(value);
    }
    assert_eq!(answered.last().unwrap()["result"]["structuredContent"]["project"], "p");
    drop(input);
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert!(rest.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{rest}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    until("it is done", || rig.wfctl(&["show", "p", "--json"]).out.contains("\"DONE\""));
}

/// A server that waits for its client keeps nobody out of the home.
#[test]
fn other_verbs_work_beside_an_idle_server() {
    let rig = Rig::new();
    rig.write("w.yaml", "name: w\ntasks: {a: {run: 'echo hi'}}\n");
    let client = Client::start(&rig, &[]);
    assert_eq!(client.call("list", json!({}))["total"], 0);
    assert_eq!(rig.wfctl(&["run", "w.yaml", "--id", "p"]).code, Some(0));
    assert_eq!(client.call("list", json!({}))["projects"][0]["status"], "DONE");
    assert_eq!(rig.wfctl(&["gc", "--older-than", "0s"]).code, Some(0));
    assert_eq!(client.call("list", json!({}))["total"], 0);
    client.close();
}
