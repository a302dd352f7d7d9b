//! Spans, as a collector gets them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::receiver::{Answer, Receiver};
use crate::rig::{Done, Rig, until};

/// Every span that was taken, by its id.
fn spans(receiver: &Receiver) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for posted in receiver.posted() {
        assert_eq!((posted.path.as_str(), posted.header("content-type")), ("/v1/traces", "application/json"));
        let resource = &posted.event()["resourceSpans"][0];
        assert_eq!(resource["resource"]["attributes"][0]["value"]["stringValue"], "wfctl");
        for span in resource["scopeSpans"][0]["spans"].as_array().unwrap() {
            let id = span["spanId"].as_str().unwrap().to_owned();
            let before = all.insert(id, span.clone());
            assert!(before.is_none_or(|before| before == *span), "sent twice, it is the same");
        }
    }
    all
}

fn attribute<'s>(span: &'s Value, name: &str) -> Option<&'s Value> {
    let found = span["attributes"].as_array()?.iter().find(|attribute| attribute["key"] == name)?;
    found["value"].as_object()?.values().next()
}

fn traced(rig: &Rig, receiver: &Receiver, arguments: &[&str]) -> std::process::Command {
    let mut command = rig.command(arguments);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url.trim_end_matches("/hook"));
    command
}

#[test]
fn a_resumed_project_goes_on_in_its_trace() {
    let rig = Rig::new();
    // The collector is not there at first.
    let receiver = Receiver::start(|number| Answer::Status(if number < 2 { 503 } else { 200 }));
    rig.write(
        "w.yaml",
        "name: w
tasks:
  a: {run: echo x}
  b: {needs: [a], run: 'while ! test -e go; do sleep 0.05; done'}
",
    );
    let mut child = traced(&rig, &receiver, &["run", "w.yaml", "--id", "p"]).spawn().unwrap();
    until("the first task is told", || spans(&receiver).values().any(|span| span["name"] == "task a"));
    until("it is taken", || receiver.posted().len() >= 3);
    child.kill().unwrap();
    child.wait().unwrap();
    rig.write("go", "");
    let resumed = Done::from(traced(&rig, &receiver, &["resume", "p"]).output().unwrap());
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    let spans = spans(&receiver);
    let traces: BTreeSet<&str> = spans.values().map(|span| span["traceId"].as_str().unwrap()).collect();
    assert_eq!(traces.len(), 1);
    let named = |name: &str| spans.values().filter(|span| span["name"] == name).collect::<Vec<_>>();
    let [root] = named("project w")[..] else { panic!("one root: {spans:#?}") };
    assert_eq!(root["parentSpanId"], "");
    for span in spans.values().filter(|span| *span != root) {
        assert!(spans.contains_key(span["parentSpanId"].as_str().unwrap()), "{span}");
    }
    let [a, b] = ["task a", "task b"].map(|name| named(name)[0]);
    assert_eq!((&a["parentSpanId"], &b["parentSpanId"]), (&root["spanId"], &root["spanId"]));
    let broken = named("step 0").into_iter().filter(|span| span["status"]["message"] == "the engine died");
    assert_eq!(broken.count(), 1, "the step that was cut off, and the one that took its place");
    assert!(root["events"].as_array().unwrap().iter().any(|moment| moment["name"] == "taken over by another engine"));
}

#[test]
fn calls_of_models_follow_the_conventions() {
    let rig = Rig::new();
    let receiver = Receiver::start(|_| Answer::Status(200));
    let demo = Done::from(traced(&rig, &receiver, &["demo", "--id", "p"]).output().unwrap());
    // Held, where there is no cargo: agents have worked until then.
    assert!(matches!(demo.code, Some(0 | 3)), "{}", demo.err);
    let spans = spans(&receiver);
    let chats: Vec<&Value> =
        spans.values().filter(|span| attribute(span, "gen_ai.operation.name").is_some_and(|it| it == "chat")).collect();
    assert!(!chats.is_empty());
    for chat in chats {
        let model = attribute(chat, "gen_ai.request.model").unwrap().as_str().unwrap();
        assert_eq!((&chat["name"], &chat["kind"]), (&format!("chat {model}").into(), &3.into()));
        assert!(
            attribute(chat, "gen_ai.provider.name").is_some() && attribute(chat, "gen_ai.usage.input_tokens").is_some()
        );
        let step = &spans[chat["parentSpanId"].as_str().unwrap()];
        assert_eq!(attribute(step, "gen_ai.operation.name").unwrap(), "invoke_agent", "{step}");
        let start = |span: &Value| span["startTimeUnixNano"].as_str().unwrap().parse::<u64>().unwrap();
        assert!(start(step) <= start(chat));
    }
    assert!(spans.values().any(|span| attribute(span, "gen_ai.tool.name").is_some()), "tools are spans too");
    let tested = Done::from(traced(&rig, &receiver, &["bus", "test", "otlp"]).output().unwrap());
    assert_eq!((tested.code, tested.out.starts_with("otlp: taken")), (Some(0), true), "{}", tested.out);
}

/// Every line that is logged about a step says which one it is.
#[test]
fn a_log_in_json_has_the_names_of_what_it_is_about() {
    let rig = Rig::new();
    rig.write("w.yaml", "name: w\ntasks: {a: {run: 'sleep 100 & echo x'}, b: {http: {url: 'http://127.0.0.1:9/'}, retry: {max_attempts: 1, on_exhausted: continue}}}\n");
    let mut command = rig.command(&["run", "w.yaml", "--id", "p"]);
    let ran = Done::from(command.env("WFCTL_LOG", "debug").env("WFCTL_LOG_FORMAT", "json").output().unwrap());
    let lines = ran.err.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let in_step: Vec<Value> = lines.filter(|line| line["span"]["name"] == "step").collect();
    assert!(!in_step.is_empty(), "{}", ran.err);
    for line in in_step {
        let span = &line["span"];
        assert_eq!((&span["project"], &span["attempt"], &span["step"]), (&"p".into(), &1.into(), &0.into()), "{line}");
        assert!(["a", "b"].contains(&span["task"].as_str().unwrap()), "{line}");
    }
}
