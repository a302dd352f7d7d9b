//! Who else is told of records: webhooks that take them, fail, hang or want nothing any more; a real Redis server; notices.

use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use serde_json::Value;

use crate::receiver::{Answer, Receiver, Redis};
use crate::rig::{Done, Rig, until};

const SIGNED_WITH: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// `b` runs until the file `go` is there.
const WAITS: &str = "name: w
tasks:
  a: {run: echo a >> done}
  b: {needs: [a], run: 'while ! test -e go; do sleep 0.05; done'}
";

fn configure(rig: &Rig, text: &str) {
    let folder = rig.folder().join(".config/wfctl");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), text).unwrap();
    let secrets = folder.join("secrets.toml");
    std::fs::write(&secrets, format!("HOOK = \"{SIGNED_WITH}\"\n")).unwrap();
    std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn webhook(name: &str, receiver: &Receiver, more: &str) -> String {
    format!("[[bus.webhook]]\nname = \"{name}\"\nurl = \"{}\"\nsecret = \"HOOK\"\n{more}\n", receiver.url)
}

/// The position of the last record.
fn head(rig: &Rig, id: &str) -> u64 {
    let head = rig.wfctl(&["audit", "head", id]).out;
    head.trim().rsplit(' ').next().and_then(|text| text.split(':').next()).unwrap().parse().unwrap()
}

/// Every record at least once, and none before all that stand before it.
fn assert_complete(seqs: &[u64], head: u64) {
    let mut max = 0;
    for seq in seqs {
        assert!(*seq <= max + 1, "record {seq} came before {}: {seqs:?}", max + 1);
        max = max.max(*seq);
    }
    assert_eq!(max, head, "{seqs:?}");
}

fn status(rig: &Rig, sink: &str) -> Value {
    let out = rig.wfctl(&["bus", "status", "--json"]).out;
    let line = out.lines().find(|line| line.contains(&format!("\"name\":\"{sink}\""))).unwrap_or("null");
    serde_json::from_str(line).unwrap()
}

#[test]
fn every_transition_is_posted_once_signed_and_in_order() {
    let rig = Rig::new();
    let (all, some) = (Receiver::start(|_| Answer::Status(204)), Receiver::start(|_| Answer::Status(200)));
    let everything = webhook("all", &all, "events = [\"audit.logs\"]");
    configure(&rig, &(everything + &webhook("some", &some, "events = [\"TaskCompleted\", \"Closed\"]")));
    rig.write("w.yaml", "name: w\ntasks: {a: {run: echo x}, b: {needs: [a], run: echo y}}\n");
    let run = rig.wfctl(&["run", "w.yaml", "--id", "p"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let head = head(&rig, "p");
    assert_eq!(all.seqs(), (1..=head).collect::<Vec<_>>());
    let names: Vec<_> =
        some.posted().iter().map(|posted| posted.event()["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["wfctl.TaskCompleted", "wfctl.TaskCompleted", "wfctl.Closed"]);
    let key = base64::engine::general_purpose::STANDARD.decode(&SIGNED_WITH["whsec_".len()..]).unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
    for posted in all.posted() {
        assert_eq!(posted.header("content-type"), "application/cloudevents+json");
        assert_eq!(posted.header("webhook-id"), posted.event()["id"].as_str().unwrap());
        let signed = [posted.header("webhook-id"), posted.header("webhook-timestamp"), ""].join(".");
        let signature = posted.header("webhook-signature").strip_prefix("v1,").unwrap();
        let signature = base64::engine::general_purpose::STANDARD.decode(signature).unwrap();
        ring::hmac::verify(&key, &[signed.as_bytes(), &posted.body].concat(), &signature).unwrap();
    }
    let state = status(&rig, "all");
    assert_eq!((&state["behind"], &state["delivered"], &state["trouble"]), (&0.into(), &head.into(), &Value::Null));
    // A second project, with nothing of the first one told again.
    assert_eq!(rig.wfctl(&["run", "w.yaml", "--id", "q"]).code, Some(0));
    let of_q = all.posted().iter().filter(|posted| posted.event()["partitionkey"] == "q").count();
    assert_eq!((of_q, all.posted().len()), (head as usize, 2 * head as usize));
}

#[test]
fn a_webhook_that_fails_for_a_while_misses_nothing() {
    let rig = Rig::new();
    let receiver = Receiver::start(|number| Answer::Status(if (2..5).contains(&number) { 503 } else { 200 }));
    configure(&rig, &webhook("hook", &receiver, "events = [\"audit.logs\"]"));
    rig.write("w.yaml", WAITS);
    let child = rig.spawn(&["run", "w.yaml", "--id", "p"]);
    until("it takes records again", || receiver.posted().len() > 8);
    rig.write("go", "");
    assert_eq!(Done::from(child.wait_with_output().unwrap()).code, Some(0));
    assert_complete(&receiver.seqs(), head(&rig, "p"));
    assert_eq!(receiver.seqs()[1..6], [2, 3, 3, 3, 3], "the one that is refused is sent again, and nothing before it");
}

#[test]
fn a_webhook_that_is_gone_is_parked_until_someone_resumes_it() {
    let rig = Rig::new();
    let receiver = Receiver::start(|number| Answer::Status(if number == 1 { 410 } else { 200 }));
    configure(&rig, &webhook("hook", &receiver, "events = [\"audit.logs\"]"));
    rig.write("w.yaml", "name: w\ntasks: {a: {run: echo x}}\n");
    assert_eq!(rig.wfctl(&["run", "w.yaml", "--id", "p"]).code, Some(0));
    let state = status(&rig, "hook");
    assert_eq!((&state["parked"], &state["at"]), (&true.into(), &"p/2".into()), "{state}");
    let doctor = rig.wfctl(&["doctor"]);
    assert_eq!(doctor.code, Some(0), "{}", doctor.out);
    assert!(doctor.out.contains("sink-parked") && doctor.out.contains("410"), "{}", doctor.out);
    assert_eq!(rig.wfctl(&["run", "w.yaml", "--id", "q"]).code, Some(0));
    assert_eq!(receiver.posted().len(), 2, "nothing is tried while it is parked");
    assert_eq!(rig.wfctl(&["bus", "resume", "hok"]).code, Some(2));
    assert_eq!(rig.wfctl(&["bus", "resume", "hook", "--skip"]).code, Some(0));
    assert_eq!(rig.wfctl(&["run", "w.yaml", "--id", "r"]).code, Some(0));
    let of = |id: &str| -> Vec<u64> {
        let posted = receiver.posted();
        let of = posted.iter().map(|posted| posted.event()).filter(|event| event["partitionkey"] == id);
        of.map(|event| event["data"]["seq"].as_u64().unwrap()).collect()
    };
    assert_complete(&of("p"), head(&rig, "p"));
    assert_complete(&of("q"), head(&rig, "q"));
    assert_complete(&of("r"), head(&rig, "r"));
}

/// Also one that nobody listens at. The engine, and whoever else is told, do not notice.
#[test]
fn a_webhook_that_hangs_slows_nobody() {
    let rig = Rig::new();
    let (hangs, fine) = (Receiver::start(|_| Answer::Silence), Receiver::start(|_| Answer::Status(200)));
    let nobody = "[[bus.webhook]]\nname = \"nobody\"\nurl = \"http://127.0.0.1:9/\"\nsecret = \"HOOK\"\n";
    let text = webhook("hangs", &hangs, "") + &webhook("fine", &fine, "events = [\"audit.logs\"]") + nobody;
    configure(&rig, &text);
    rig.write("w.yaml", "name: w\ntasks: {a: {foreach: [1, 2, 3, 4, 5, 6, 7, 8], run: 'echo {{ item }}'}}\n");
    let child = rig.spawn(&["run", "w.yaml", "--id", "p"]);
    until("it is done, and told", || {
        fine.posted().last().is_some_and(|posted| posted.event()["type"] == "wfctl.Closed")
    });
    assert_eq!(hangs.posted().len(), 1, "the other one is still at its first record");
    assert_eq!(Done::from(child.wait_with_output().unwrap()).code, Some(0));
    assert_eq!(fine.seqs(), (1..=head(&rig, "p")).collect::<Vec<_>>());
    let state = status(&rig, "nobody");
    assert!(state["trouble"].as_str().unwrap().contains("onnect") && state["parked"] == false, "{state}");
}

#[test]
fn agents_have_channels_of_their_own_in_redis() {
    let rig = Rig::new();
    let Some(redis) = Redis::start(&rig) else { return };
    configure(&rig, &format!("[bus.redis]\nurl = \"redis://127.0.0.1:{}\"\n", redis.port));
    let channels =
        ["agent.requests", "agent.results", "workflow.events", "audit.logs"].map(|name| redis.subscribe(name));
    let demo = rig.wfctl(&["demo", "--id", "p"]);
    // Held, where there is no cargo: agents have worked until then.
    assert!(matches!(demo.code, Some(0 | 3)), "{}", demo.err);
    let head = head(&rig, "p");
    until("all of it is heard", || channels[3].lock().unwrap().len() as u64 >= head);
    let [requests, results, transitions, audit] = channels.map(|heard| heard.lock().unwrap().clone());
    let seqs: Vec<u64> = audit
        .iter()
        .filter(|event| event["partitionkey"] == "p")
        .map(|event| event["data"]["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, (1..=head).collect::<Vec<_>>());
    let kinds = |events: &[Value]| {
        let mut kinds: Vec<String> = events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect();
        kinds.sort();
        kinds.dedup();
        kinds
    };
    assert_eq!(kinds(&requests), ["wfctl.CallStarted", "wfctl.StepStarted"]);
    assert_eq!(kinds(&results), ["wfctl.CallFinished", "wfctl.StepFinished"]);
    assert!(kinds(&transitions).contains(&"wfctl.PhaseEntered".to_owned()));
    assert!(requests.iter().all(|event| event["role"].is_string()), "an agent's records say its role");
    let tested = rig.wfctl(&["bus", "test"]);
    assert_eq!(tested.code, Some(0));
    assert!(tested.out.contains("audit.logs 1"), "{}", tested.out);
}

/// Killed at many moments, while records are on their way to a Redis server and to a webhook: both hear of every record at least
/// once, in order.
#[test]
fn killed_again_and_again_no_record_is_missed() {
    let rig = Rig::new();
    let receiver = Receiver::start(|_| Answer::Status(200));
    let redis = Redis::start(&rig);
    let mut text = webhook("hook", &receiver, "events = [\"audit.logs\"]");
    if let Some(redis) = &redis {
        text += &format!("[bus.redis]\nurl = \"redis://127.0.0.1:{}\"\n", redis.port);
    }
    configure(&rig, &text);
    let heard = redis.as_ref().map(|redis| redis.subscribe("audit.logs"));
    let items: Vec<String> = (0..60).map(|item| item.to_string()).collect();
    let items = items.join(", ");
    rig.write("w.yaml", &format!("name: w\ntasks: {{a: {{foreach: [{items}], run: 'echo {{{{ item }}}}'}}}}\n"));
    let mut seed: u64 = 0x5eed_0005;
    for kill in 0..10 {
        let verb = if kill == 0 { vec!["run", "w.yaml", "--id", "p"] } else { vec!["resume", "p"] };
        let mut child = rig.spawn(&verb);
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let until_seen = receiver.posted().len() + (seed >> 33) as usize % 16 + 1;
        until("some more records are told, or it is done", || {
            receiver.posted().len() >= until_seen || child.try_wait().unwrap().is_some()
        });
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let ended = rig.wfctl(&["resume", "p"]);
    assert!(matches!(ended.code, Some(0 | 6)), "{}", ended.err);
    // One that ended before its last record was told leaves it to the next engine.
    rig.write("v.yaml", "name: v\ntasks: {a: {run: echo x}}\n");
    assert_eq!(rig.wfctl(&["run", "v.yaml", "--id", "q"]).code, Some(0));
    let head = head(&rig, "p");
    let of_p = |events: &[Value]| -> Vec<u64> {
        let of_p = events.iter().filter(|event| event["partitionkey"] == "p");
        of_p.map(|event| event["data"]["seq"].as_u64().unwrap()).collect()
    };
    let posted: Vec<Value> = receiver.posted().iter().map(|posted| posted.event()).collect();
    assert_complete(&of_p(&posted), head);
    if let Some(heard) = heard {
        until("the subscriber hears the last one", || of_p(&heard.lock().unwrap()).contains(&head));
        assert_complete(&of_p(&heard.lock().unwrap()), head);
    }
}

#[test]
fn notices_are_given_once_even_when_the_engine_dies() {
    let rig = Rig::new();
    let receiver = Receiver::start(|_| Answer::Status(200));
    configure(
        &rig,
        &format!(
            "[[notify]]\ncommand = 'printf \"%s|%s|%s\\n\" \"$WFCTL_EVENT\" \"$WFCTL_MESSAGE\" \"$WFCTL_NEXT\" >> {}'\n\
             [[notify]]\nname = \"hook\"\non = [\"failed\", \"done\"]\nwebhook = \"{}\"\n",
            rig.path("notices").display(),
            receiver.url
        ),
    );
    rig.write(
        "w.yaml",
        "name: w
retry: {max_attempts: 1}
tasks:
  ask: {approval: {ask: 'Go?'}}
  work: {needs: [ask], run: test -e go}
",
    );
    for verb in [vec!["run", "w.yaml", "--id", "p"], vec!["resume", "p"]] {
        let mut child = rig.spawn(&verb);
        until("it asks", || rig.wfctl(&["why", "p"]).out.contains("wfctl approve p ask"));
        until("and tells", || rig.read("notices").contains("approval") && status_is_even(&rig));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(rig.wfctl(&["approve", "p"]).code, Some(0));
    assert_eq!(rig.wfctl(&["resume", "p"]).code, Some(3), "it is held: the file is not there");
    rig.write("go", "");
    assert_eq!(rig.wfctl(&["resume", "p"]).code, Some(0));
    rig.write("f.yaml", "name: f\nretry: {max_attempts: 1, on_exhausted: fail}\ntasks: {a: {run: 'false'}}\n");
    assert_eq!(rig.wfctl(&["run", "f.yaml", "--id", "q"]).code, Some(1));
    insta::assert_snapshot!(rig.read("notices"), @r"
    approval|p waits for approval of ask: Go?|wfctl approve p ask
    paused|p is paused: no retry is left for work (exit)|wfctl why p
    done|p is done|wfctl show p
    failed|q failed: task a failed: exit code 1 (exit)|wfctl show q
    ");
    let kinds: Vec<Value> = receiver.posted().iter().map(|posted| posted.event()["data"]["kind"].clone()).collect();
    assert_eq!(kinds, ["done", "failed"]);
    assert!(
        receiver.posted().iter().all(|posted| posted.header("webhook-signature").is_empty()),
        "no secret, no signature"
    );
}

/// Every sink has been told of everything, and that is written down.
fn status_is_even(rig: &Rig) -> bool {
    let out = rig.wfctl(&["bus", "status", "--json"]).out;
    out.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["behind"] == 0)
}

#[test]
fn what_is_configured_wrong_is_told_with_what_to_do() {
    let rig = Rig::new();
    rig.write("w.yaml", "name: w\ntasks: {a: {run: echo x}}\n");
    configure(&rig, "[[bus.webhook]]\nurl = \"http://127.0.0.1:9/secret-path\"\nsecret = \"NOT_THERE\"\n");
    assert_eq!(rig.wfctl(&["run", "w.yaml", "--id", "p"]).code, Some(0), "a run does not depend on who is told of it");
    let told = rig.wfctl(&["bus", "status"]).out;
    assert!(told.contains("there is no secret NOT_THERE") && !told.contains("secret-path"), "{told}");
    configure(&rig, "[[notify]]\ncommand = \"true\"\non = [\"finished\"]\n");
    let refused = rig.wfctl(&["list"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("`finished`") && refused.err.contains("approval, paused"), "{}", refused.err);
    configure(&rig, "[[notify]]\nname = \"me\"\ncommand = \"exit 3\"\n");
    let tested = rig.wfctl(&["bus", "test"]);
    assert_eq!((tested.code, tested.out.as_str()), (Some(1), "me: it ended with code 3 (command exit 3)\n"));
    let in_repository = rig.path(".wfctl.toml");
    std::fs::write(in_repository, "[[notify]]\ncommand = \"true\"\n").unwrap();
    assert!(rig.wfctl(&["list"]).err.contains("your own configuration only"));
}
