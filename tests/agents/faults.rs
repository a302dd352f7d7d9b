//! What goes wrong between an agent and its models, one test each, through the whole engine: who waits for what and how long, what
//! it says meanwhile, that the same attempt goes on with the same conversation, and what it costs. Nothing here waits for a clock.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;
use wfctl::domain::call::CallKind;
use wfctl::domain::chat::Usage;
use wfctl::domain::event::{Event, HoldReason};
use wfctl::domain::failure::{Failure, FailureClass};
use wfctl::domain::ids::{ProjectId, Seq};
use wfctl::domain::machine::ProjectStatus;
use wfctl::domain::time::Millis;
use wfctl::domain::workflow::{Definition, ProviderSpec};

use crate::house::{Driven, House, Life, NOW, definition};
use crate::model_server::reply::End;
use crate::model_server::{Asked, ModelServer, Reply};
use crate::notes;

const WORKFLOW: &str = "
name: one
workspace: worktree
retry: {max_attempts: 2, initial: 2s, jitter: 0}
tasks:
  work: {agent: implementer, with: {goal: Add a note.}, merge: true}
";
const HOUR_MS: u64 = 3_600_000;

/// A conversation that works: write, finish. What `instead` has for a request by number is sent in its place.
pub fn serve(instead: impl IntoIterator<Item = (usize, Reply)>) -> ModelServer {
    let instead: HashMap<usize, Reply> = instead.into_iter().collect();
    ModelServer::start(move |asked| instead.get(&asked.number).cloned().unwrap_or_else(|| as_it_should(asked)))
}

/// What a good model says.
pub fn as_it_should(asked: &Asked) -> Reply {
    if asked.last_text().starts_with("The conversation is too long") {
        return Reply::text("## Done\nA note is written.");
    }
    let says =
        |message: &serde_json::Value, text: &str| message["content"].as_str().is_some_and(|it| it.contains(text));
    let written =
        asked.messages().iter().any(|message| says(message, "new.txt`") || says(message, "A note is written."));
    if !written {
        return Reply::calls("I write.", &[("write_file", r#"{"path": "notes/new.txt", "content": "new\n"}"#)]);
    }
    finish()
}

/// The end of an implementer's work.
pub fn finish() -> Reply {
    let answer = json!({"summary": "s", "changes": [], "tests": [], "risks": [], "commit_message": "Add a note"});
    Reply::calls("", &[("finish", &answer.to_string())])
}

struct Case {
    house: House,
    server: ModelServer,
    id: ProjectId,
}

impl Case {
    fn new(instead: impl IntoIterator<Item = (usize, Reply)>) -> Self {
        Self { house: House::new(&notes::FILES), server: serve(instead), id: ProjectId::new("p").unwrap() }
    }

    fn definition(&self) -> Definition {
        definition(WORKFLOW, &self.server.base_url())
    }

    fn begin(&self, definition: Definition) -> Life {
        let life = self.house.open();
        life.begin(self.house.start("p", definition, json!({}))).unwrap();
        life
    }

    /// To its end, which must be good: one attempt, the file in the result.
    fn ends(&self, life: Life) {
        assert_eq!(life.drive(&self.id), Driven::Ended(ProjectStatus::Done), "{:?}", self.why());
        assert_eq!(life.close(), None);
        assert_eq!(self.house.file("ai/generated/p/result", "notes/new.txt"), "new");
        for record in self.house.records(&self.id) {
            if let Event::TaskStarted { attempt, .. } = record.event {
                assert_eq!(attempt.0, 1, "the same attempt goes on");
            }
        }
    }

    fn parked(&self, life: &Life, from: Seq) -> (Seq, Failure, Option<Millis>) {
        let record = life.until(&self.id, from, |event| matches!(event, Event::TaskParked { .. })).unwrap();
        match record.event {
            Event::TaskParked { failure, due, .. } => (record.seq, failure, due),
            other => panic!("{other:?}"),
        }
    }

    fn held(&self, life: &Life) -> HoldReason {
        match life.until(&self.id, Seq(0), |event| matches!(event, Event::Held { .. })).unwrap().event {
            Event::Held { reason } => reason,
            other => panic!("{other:?}"),
        }
    }

    /// The classes of failed model calls, in order.
    fn failures(&self) -> Vec<FailureClass> {
        self.finished(CallKind::Model).into_iter().filter_map(|(result, _)| result.err()).collect()
    }

    fn finished(&self, of: CallKind) -> Vec<(Result<(), FailureClass>, Option<Usage>)> {
        let mut kinds = BTreeMap::new();
        let mut found = Vec::new();
        for record in self.house.records(&self.id) {
            match record.event {
                Event::CallStarted { task, call, .. } => drop(kinds.insert((task, call.ix), call.kind)),
                Event::CallFinished { task, call, outcome, .. } if kinds[&(task, call)] == of => {
                    let result = outcome.result.as_ref().map(drop).map_err(|failure| failure.class);
                    found.push((result, outcome.usage));
                }
                _ => {}
            }
        }
        found
    }

    fn why(&self) -> Vec<String> {
        let project = self.house.archive().load(&self.id).unwrap().project;
        let line = |reason: wfctl::domain::view::Reason| {
            format!("{} | {}", reason.waits_for, reason.command.unwrap_or_default())
        };
        project.why().into_iter().map(line).collect()
    }

    /// The conversation of one request begins with all of another.
    fn goes_on(&self, later: usize, earlier: usize) {
        let asked = self.server.asked();
        assert!(asked[later].messages().starts_with(asked[earlier].messages()), "the conversation is another one");
    }
}

#[test]
fn rate_limited_it_waits_as_long_as_it_was_told() {
    let case = Case::new([(1, Reply::rate_limited(30))]);
    let life = case.begin(case.definition());
    let (_, failure, due) = case.parked(&life, Seq(0));
    assert_eq!((failure.class, due), (FailureClass::RateLimited, Some(NOW.plus(30_000))));
    case.house.clock.advance(29_999);
    life.poke(&case.id);
    assert_eq!(case.server.counts().requests, 2, "not a millisecond too early");
    assert!(case.why()[0].contains("a provider"), "{:?}", case.why());
    case.house.clock.advance(1);
    life.poke(&case.id);
    case.ends(life);
    assert_eq!(case.server.counts().requests, 3);
    case.goes_on(2, 1);
}

#[test]
fn a_quota_is_waited_for_by_an_engine_that_was_stopped_meanwhile() {
    let body =
        json!({"error": {"message": "usage limit", "code": "usage_limit_reached", "resets_in_seconds": 5 * 3600}});
    let headers = vec![("retry-after".to_owned(), (5 * 3600).to_string())];
    let case = Case::new([(1, Reply::Status { status: 429, headers, body: body.to_string() })]);
    let life = case.begin(case.definition());
    let (_, failure, due) = case.parked(&life, Seq(0));
    assert_eq!((failure.class, due), (FailureClass::Quota, Some(NOW.plus(5 * HOUR_MS))));
    assert_eq!(life.close(), None);
    case.house.clock.advance(2 * HOUR_MS);
    let life = case.house.open();
    life.resume(&case.id).unwrap();
    life.poke(&case.id);
    assert_eq!(case.server.counts().requests, 2, "a new engine waits the rest");
    case.house.clock.advance(3 * HOUR_MS);
    life.poke(&case.id);
    case.ends(life);
    assert_eq!(case.server.counts().requests, 3);
    case.goes_on(2, 1);
}

/// The first wait of a provider's policy: two seconds, of which a part is random.
fn is_soon(due: Option<Millis>) {
    let due = due.expect("it waits for a time");
    assert!(due > NOW.plus(1_000) && due <= NOW.plus(2_000), "{due}");
}

#[test]
fn what_passes_by_itself_is_tried_again_after_the_policys_delay() {
    let cases = [
        (Reply::overloaded(), FailureClass::Overloaded),
        (Reply::refused(500, "server_error", "oops"), FailureClass::HttpServer),
        (Reply::cut("half a sen"), FailureClass::Transport),
        (Reply::Drop, FailureClass::Uncertain),
    ];
    for (reply, class) in cases {
        let case = Case::new([(1, reply)]);
        let life = case.begin(case.definition());
        let (_, failure, due) = case.parked(&life, Seq(0));
        assert_eq!(failure.class, class, "{failure}");
        is_soon(due);
        case.house.clock.advance(2_000);
        life.poke(&case.id);
        case.ends(life);
        assert_eq!(case.failures(), [class]);
        assert_eq!(case.server.counts().requests, 3);
        case.goes_on(2, 1);
    }
}

#[test]
fn a_reply_that_was_cut_off_is_charged() {
    let case = Case::new([(1, Reply::cut("half a sentence that was paid for"))]);
    let life = case.begin(case.definition());
    case.parked(&life, Seq(0));
    let cut = case.finished(CallKind::Model).pop().unwrap();
    assert_eq!(cut.0, Err(FailureClass::Transport));
    let usage = cut.1.expect("it was sent, so it may have been billed");
    assert!(usage.estimated && usage.input_tokens > 100, "{usage:?}");
    case.house.clock.advance(2_000);
    life.poke(&case.id);
    case.ends(life);
}

#[test]
fn a_call_that_is_no_json_is_repaired() {
    let case = Case::new([(0, Reply::broken_call("write_file"))]);
    let life = case.begin(case.definition());
    case.ends(life);
    assert_eq!(case.failures(), []);
    assert!(case.server.asked()[1].last_text().contains("the arguments are not JSON"));
}

#[test]
fn the_fourth_unusable_reply_in_a_row_ends_the_attempt() {
    let case = Case::new((0..8).map(|number| (number, Reply::broken_call("write_file"))));
    let life = case.begin(case.definition());
    let failed = life.until(&case.id, Seq(0), |event| matches!(event, Event::TaskBackoff { .. })).unwrap();
    match failed.event {
        Event::TaskBackoff { attempt, failure, .. } => {
            assert_eq!((attempt.0, failure.class), (1, FailureClass::Malformed), "{failure}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(case.server.counts().requests, 4);
    case.house.clock.advance(2_000);
    life.poke(&case.id);
    assert_eq!(life.drive(&case.id), Driven::Held);
    assert_eq!(case.server.counts().requests, 8, "two attempts");
    let told = case.server.asked()[4].first_text("user").to_owned();
    assert!(told.contains("What was tried before"), "the second attempt knows of the first");
    assert_eq!(life.close(), None);
}

#[test]
fn done_twice_and_no_done_at_all_are_both_the_end_of_a_reply() {
    let whole = |end| match finish() {
        Reply::Stream { events, .. } => Reply::Stream { events, end },
        other => other,
    };
    let case = Case::new([(1, whole(End::DoneTwice))]);
    let life = case.begin(case.definition());
    case.ends(life);
    assert_eq!(case.server.counts().requests, 2);
    let case = Case::new([(1, whole(End::Unmarked))]);
    let life = case.begin(case.definition());
    case.ends(life);
    assert_eq!(case.server.counts().requests, 2);
}

#[test]
fn an_empty_reply_is_asked_for_again() {
    let case = Case::new([(1, Reply::empty())]);
    let life = case.begin(case.definition());
    case.ends(life);
    assert_eq!(case.server.counts().requests, 3);
}

#[test]
fn a_refusal_goes_to_the_other_model() {
    let case = Case::new([(1, Reply::refusal("I will not."))]);
    let mut definition = case.definition();
    definition.models.default = vec!["test/m".to_owned(), "test/n".to_owned()];
    let life = case.begin(definition);
    case.ends(life);
    assert_eq!(case.failures(), [FailureClass::Refusal]);
    let asked: Vec<String> = case.server.asked().iter().map(|asked| asked.model().to_owned()).collect();
    assert_eq!(asked, ["m", "m", "n"]);
    case.goes_on(2, 1);
}

#[test]
fn an_overflow_is_summed_up() {
    let case = Case::new([(1, Reply::overflow())]);
    let life = case.begin(case.definition());
    case.ends(life);
    assert_eq!(case.failures(), [FailureClass::ContextOverflow]);
    assert_eq!(case.finished(CallKind::Compact).len(), 1);
    assert!(case.server.asked()[3].messages().iter().any(|message| message.to_string().contains("A note is written.")));
}

#[test]
fn usage_that_is_missing_is_estimated() {
    let events = match finish() {
        Reply::Stream { mut events, .. } => {
            events.pop();
            events
        }
        other => panic!("{other:?}"),
    };
    let case = Case::new([(1, Reply::Stream { events, end: End::Done })]);
    let life = case.begin(case.definition());
    case.ends(life);
    let usage: Vec<Usage> = case.finished(CallKind::Model).into_iter().filter_map(|(_, usage)| usage).collect();
    assert_eq!(usage.iter().map(|usage| usage.estimated).collect::<Vec<_>>(), [false, true]);
    assert!(usage[1].input_tokens > 100 && usage[1].output_tokens > 5, "{:?}", usage[1]);
}

#[test]
fn silence_is_given_up_and_tried_again() {
    let silent = Reply::Hang(Box::new(Reply::empty()));
    let stalled = Reply::Stall(crate::model_server::reply::delta(json!({"content": "I beg"})));
    for reply in [silent, stalled] {
        let case = Case::new([(1, reply)]);
        let mut definition = case.definition();
        definition.models.providers.get_mut("test").unwrap().idle_ms = Some(300);
        let life = case.begin(definition);
        let (_, failure, due) = case.parked(&life, Seq(0));
        assert_eq!(failure.class, FailureClass::Idle, "{failure}");
        is_soon(due);
        case.house.clock.advance(2_000);
        life.poke(&case.id);
        case.ends(life);
        case.goes_on(2, 1);
    }
}

#[test]
fn without_a_key_it_waits_for_one_and_says_so() {
    let mut case = Case::new([]);
    let mut definition = case.definition();
    definition.models.providers.get_mut("test").unwrap().key_env = Some("TEST_KEY".to_owned());
    let life = case.begin(definition);
    assert!(matches!(case.held(&life), HoldReason::Exhausted { class: FailureClass::Auth, .. }));
    assert!(case.why().iter().any(|line| line.contains("set the key, then: wfctl resume p")), "{:?}", case.why());
    assert!(case.why().iter().any(|line| line.contains("TEST_KEY")), "{:?}", case.why());
    assert_eq!(life.close(), None);
    assert_eq!(case.server.counts().requests, 0);
    case.house.set("TEST_KEY", "sk-test");
    let life = case.house.open();
    life.resume(&case.id).unwrap();
    let released = life.until(&case.id, Seq(0), |event| matches!(event, Event::Released { .. })).unwrap();
    life.until(&case.id, released.seq, |event| matches!(event, Event::Closed { .. })).unwrap();
    assert_eq!(life.close(), None);
    assert_eq!(case.house.file("ai/generated/p/result", "notes/new.txt"), "new");
    assert!(case.server.asked().iter().all(|asked| asked.header("authorization") == Some("Bearer sk-test")));
}

/// What a person has to see to: held at once, and the same conversation goes on when they did.
#[test]
fn what_only_a_person_can_help_with_is_held_and_goes_on_after() {
    let cases = [
        (Reply::refused(401, "invalid_api_key", "Incorrect API key"), FailureClass::Auth, "set the key"),
        (Reply::refused(404, "model_not_found", "no such model"), FailureClass::ModelNotFound, "wfctl fork p"),
        (Reply::refused(402, "payment_required", "Insufficient credits"), FailureClass::Credits, "put money"),
    ];
    for (reply, class, told) in cases {
        let case = Case::new([(1, reply)]);
        let life = case.begin(case.definition());
        assert!(matches!(case.held(&life), HoldReason::Exhausted { class: of, .. } if of == class), "{class}");
        assert!(case.why().iter().any(|line| line.contains(told)), "{class}: {:?}", case.why());
        life.resume(&case.id).unwrap();
        let released = life.until(&case.id, Seq(0), |event| matches!(event, Event::Released { .. })).unwrap();
        life.until(&case.id, released.seq, |event| matches!(event, Event::Closed { .. })).unwrap();
        assert_eq!(life.close(), None);
        assert_eq!(case.house.file("ai/generated/p/result", "notes/new.txt"), "new");
        assert_eq!((case.failures(), case.server.counts().requests), (vec![class], 3), "{class}");
        case.goes_on(2, 1);
    }
}

#[test]
fn a_server_that_is_not_there_is_tried_for_a_while_and_then_a_person_is_asked() {
    let case = Case::new([]);
    let mut definition = case.definition();
    // A port that is ours and that nobody listens at.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed = held.local_addr().unwrap();
    let provider = definition.models.providers.get_mut("test").unwrap();
    provider.base_url = Some(format!("http://{closed}/v1"));
    let life = case.begin(definition);
    let (mut seq, failure, due) = case.parked(&life, Seq(0));
    assert_eq!(failure.class, FailureClass::Unreachable, "{failure}");
    is_soon(due);
    let attempts = wfctl::domain::retry::RetryPolicy::of_providers().max_attempts;
    for attempt in 2..=attempts {
        case.house.clock.advance(300_000);
        life.poke(&case.id);
        if attempt < attempts {
            (seq, ..) = case.parked(&life, seq);
        }
    }
    assert!(matches!(case.held(&life), HoldReason::Exhausted { class: FailureClass::Unreachable, .. }));
    assert!(case.why().iter().any(|line| line.contains("wfctl resume p")), "{:?}", case.why());
    assert_eq!(life.close(), None);
}

#[test]
fn under_a_cap_on_money_a_model_without_a_price_is_not_asked() {
    let case = Case::new([]);
    let priced = WORKFLOW.replace("workspace:", "budget: {usd: 1}\nworkspace:");
    let mut priced = definition(&priced, &case.server.base_url());
    priced
        .models
        .providers
        .insert("test".to_owned(), ProviderSpec { base_url: Some(case.server.base_url()), ..ProviderSpec::default() });
    let life = case.begin(priced);
    assert_eq!(life.drive(&case.id), Driven::Held);
    assert_eq!(case.server.counts().requests, 0, "nothing was sent");
    let why = case.why();
    assert!(why.iter().any(|line| line.contains("price")), "{why:?}");
    assert_eq!(life.close(), None);
}
