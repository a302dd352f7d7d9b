//! What models say while they are still saying it: told ahead of the records of their replies, to whoever is quick enough, and
//! kept nowhere.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::live::{Reader, Told, follow, ids, read, rest};
use crate::model_server::{Asked, ModelServer, Reply};
use crate::rig::Rig;
use crate::server::{PATIENCE, Server};

const KEY: &str = "sk-very-secret-key-of-nobody";
const WORKFLOW: &str =
    "name: write\nworkspace: worktree\nretry: {max_attempts: 1}\ntasks:\n  plan: {agent: planner, with: {goal: g}}\n";

/// A server whose agents ask `model`, and a project of theirs.
async fn begun(model: &ModelServer) -> (Server, String) {
    let rig = Rig::new();
    rig.repository("repository");
    std::fs::create_dir(rig.path("workflows")).unwrap();
    rig.write("workflows/write.yaml", WORKFLOW);
    let config = rig.folder().join(".config/wfctl");
    let provider = format!("base_url = \"{}\"\nkey_env = \"LOCAL_KEY\"\nfree = true\n", model.base_url());
    let text = format!(
        "[sandbox]\nbackend = \"none\"\n[models]\ndefault = [\"local/m\"]\n[models.providers.local]\n{provider}"
    );
    std::fs::write(config.join("config.toml"), text).unwrap();
    let mut secrets = std::fs::File::options();
    std::os::unix::fs::OpenOptionsExt::mode(&mut secrets, 0o600);
    let secrets = secrets.create(true).write(true).open(config.join("secrets.toml")).unwrap();
    std::io::Write::write_all(&mut &secrets, format!("LOCAL_KEY = \"{KEY}\"\n").as_bytes()).unwrap();
    let server = Server::over(rig, &[]);
    let dir = server.rig.path("repository").display().to_string();
    let (status, body) = server.post("/api/v1/projects", &json!({"workflow": "write", "dir": dir})).await;
    assert_eq!(status, 201, "{body}");
    (server, body["id"].as_str().unwrap().to_owned())
}

/// Thinks aloud, pauses, and ends with a plan.
fn thinks(before: &'static str, after: &'static str) -> ModelServer {
    ModelServer::start(move |_: &Asked| {
        let task = json!({"id": "a", "title": "a", "description": "d", "needs": [], "files": [], "priority": 5, "acceptance": ["a"]});
        let plan = json!({"summary": "s", "tasks": [task]}).to_string();
        Reply::paused(before, Reply::calls(after, &[("finish", &plan)]))
    })
}

fn is_end_of_reply(event: &Told, call: u64) -> bool {
    event.data["record"]["event"]["CallFinished"]["call"] == call
}

/// The words of an event, with where they belong.
fn words(event: &Value) -> (u64, u64, String) {
    let number = |name: &str| event[name].as_u64().unwrap();
    (number("call"), number("at"), event["text"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn words_come_ahead_of_the_record_of_their_reply_and_are_on_no_record() {
    let model =
        thinks("First I look at what there is: sk-very-secret-", "key-of-nobody is the key, häl🙂lo. Then a plan.");
    let (server, id) = begun(&model).await;
    let path = format!("/api/v1/projects/{id}/events");
    let mut reader = Reader::new(follow(&server, &path, None).await);
    let (mut events, mut said) = (Vec::new(), String::new());
    while !said.contains("there is: ") {
        let event = reader.next().await.expect("words, while the model pauses");
        if event.name == "delta" {
            said.push_str(event.data["text"].as_str().unwrap());
        }
        events.push(event);
    }
    let (call, ..) = words(&events.last().unwrap().data);
    assert!(!events.iter().any(|event| is_end_of_reply(event, call)));
    // Somebody who comes now hears what follows, and is told how much came before.
    let known = *ids(&events).last().unwrap();
    let mut late = Reader::new(follow(&server, &path, Some(&known.to_string())).await);
    let mut of_late = Vec::new();
    model.release();
    while let Some(event) = reader.next().await {
        events.push(event);
    }
    while let Some(event) = late.next().await {
        of_late.push(event);
    }
    let deltas: Vec<&Told> = events.iter().filter(|event| event.name == "delta").collect();
    assert!(deltas.iter().all(|event| event.id.is_none() && event.data["task"] == "plan"));
    let mut text = String::new();
    for delta in &deltas {
        let (of, at, words) = words(&delta.data);
        assert_eq!((of, at), (call, text.chars().count() as u64), "no word is missing");
        text.push_str(&words);
    }
    assert_eq!(text, "First I look at what there is: [secret] is the key, häl🙂lo. Then a plan.");
    for (told, from) in [(&events, 0), (&of_late, known)] {
        let end = told.iter().position(|event| is_end_of_reply(event, call)).expect("the reply is on record");
        assert!(told[end..].iter().all(|event| event.name != "delta"), "no word comes behind the record");
        let records: Vec<Told> = told.iter().filter(|event| event.name != "delta").cloned().collect();
        let last = from + records.len() as u64;
        assert_eq!(ids(&records), (from + 1..last).collect::<Vec<_>>(), "and every record once");
    }
    let first_of_late = of_late.iter().find(|event| event.name == "delta").expect("the rest of the reply");
    assert_eq!(words(&first_of_late.data).1, said.chars().count() as u64);
    // Whoever comes when all is over hears of records alone, and so does the command line.
    let again = read(follow(&server, &path, None).await, usize::MAX).await;
    assert_eq!(again, events.into_iter().filter(|event| event.name != "delta").collect::<Vec<_>>());
    let lines = server.rig.wfctl(&["events", &id, "--json"]).out;
    assert_eq!(lines.lines().count(), again.len() - 1);
    let transcript = server.rig.wfctl(&["transcript", &id, "plan"]).out;
    assert!(transcript.contains("[secret] is the key") && !transcript.contains(KEY), "{transcript}");
}

#[tokio::test]
async fn a_websocket_hears_them_too() {
    let model = thinks("Thinking aloud, ", "done.");
    let (server, id) = begun(&model).await;
    let address = format!("{}/api/v1/ws", server.url.replacen("http", "ws", 1));
    let mut request = address.into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {}", server.token("read")).parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    socket.send(Message::Text(json!({"follow": id}).to_string().into())).await.unwrap();
    let (mut said, mut is_over) = (String::new(), false);
    while !is_over {
        let Message::Text(text) = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap() else {
            continue;
        };
        let line: Value = serde_json::from_str(&text).unwrap();
        if line["type"] == "delta" {
            said.push_str(line["text"].as_str().unwrap());
            model.release();
        }
        is_over = line["type"] == "ended";
    }
    assert_eq!(said, "Thinking aloud, done.");
}

#[tokio::test]
async fn a_client_that_does_not_read_slows_nobody_and_misses_words_but_no_record() {
    // Far more than the kernel keeps for a connection whose other end takes nothing.
    let long: &'static str = "many words that nobody reads; ".repeat(200_000).leak();
    let model = thinks("x", long);
    let (server, id) = begun(&model).await;
    let path = format!("/api/v1/projects/{id}/events");
    let slow = Reader::narrow(&server, &path).await;
    let quick = tokio::spawn(read(follow(&server, &path, None).await, usize::MAX));
    model.release();
    server.until(&id, "DONE").await;
    let quick = quick.await.unwrap();
    let of = |events: &[Told]| -> Vec<Told> { events.iter().filter(|event| event.name != "delta").cloned().collect() };
    let heard = |events: &[Told]| -> usize {
        events
            .iter()
            .filter(|event| event.name == "delta")
            .map(|event| event.data["text"].as_str().unwrap().len())
            .sum()
    };
    // All of it is over, and not a byte was read yet.
    let slow = rest(slow, usize::MAX).await;
    assert_eq!(of(&slow), of(&quick), "each has every record once");
    let (slow, quick) = (heard(&slow), heard(&quick));
    assert!(quick > 0, "whoever reads hears words");
    assert!(slow < long.len() / 4, "{slow} bytes of words were kept for a client that did not read");
}
