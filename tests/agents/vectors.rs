//! Vectors that somebody is paid for, in a conversation: reserved, charged and on record as calls of models are, wherever the engine
//! dies, and not bought where a cap leaves no room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use wfctl::agents::memory::{Embedder, Kind, Made, Memories, Metadata};
use wfctl::domain::budget::Amounts;
use wfctl::domain::call::CallKind;
use wfctl::domain::chat::Usage;
use wfctl::domain::event::{Event, HoldReason};
use wfctl::domain::failure::Failure;
use wfctl::domain::ids::{ProjectId, Seq};
use wfctl::domain::machine::ProjectStatus;

use crate::house::{Driven, Fate, House, Life, NOW, definition};
use crate::model_server::{Asked, ModelServer, Reply};

const WORKFLOW: &str =
    "name: w\nworkspace: worktree\ntasks:\n  work: {agent: looker, with: {goal: \"repair the car\"}}\n";
const ROLE: &str = "+++\nname = \"looker\"\ndescription = \"Looks.\"\ntools = [\"memory_search\", \"memory_store\"]\noutput = \"findings\"\n\
                    evidence = \"none\"\nturns = 9\nmax_output_tokens = 1000\nmemory = true\n+++\nLook.\n";
/// What each text costs.
const TOKENS: u64 = 7;
const RESERVED: u64 = 20;

/// Vectors by what a text is about, sold by the text.
#[derive(Default)]
struct Seller {
    /// Texts that were sold.
    sold: AtomicU64,
}

#[async_trait]
impl Embedder for Seller {
    fn model(&self) -> &str {
        "seller/meanings"
    }

    fn reserve(&self, texts: &[String], _: bool) -> Option<Result<Amounts, Failure>> {
        Some(Ok(Amounts { tokens: texts.len() as u64 * RESERVED, ..Amounts::default() }))
    }

    async fn embed(&self, texts: &[String]) -> Result<Made, Failure> {
        let count = texts.len() as u64;
        self.sold.fetch_add(count, Ordering::SeqCst);
        let has = |text: &str, words: &[&str]| f32::from(u8::from(words.iter().any(|word| text.contains(word))));
        let of = |text: &String| vec![has(text, &["car", "automobile"]), has(text, &["tree", "oak"]), 0.1];
        let usage = Some(Usage { input_tokens: count * TOKENS, usd_micros: count, ..Usage::default() });
        Ok(Made { vectors: texts.iter().map(of).collect(), usage })
    }
}

/// A house whose memory has something about automobiles already.
fn house(seller: &Arc<Seller>) -> House {
    let mut house = House::new(&[(".wfctl/roles/looker.md", ROLE), ("a.txt", "a\n")]);
    house.embedder = Some(seller.clone());
    let memory = Memories::new(&house.home().join("memory"), None).of(&house.repository());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let about = |source: &str| Metadata::new(Kind::Error, source, NOW);
    runtime.block_on(memory.store("Automobiles want a spark.", about("spark.md"), None)).unwrap();
    runtime.block_on(memory.store("An oak is old.", about("oak.md"), None)).unwrap();
    house
}

fn server() -> ModelServer {
    let calls: [(&str, Value); 2] = [
        ("memory_search", json!({"query": "tree"})),
        ("memory_store", json!({"content": "The spark was it.", "type": "error"})),
    ];
    ModelServer::start(move |asked: &Asked| match calls.get(asked.turns()) {
        Some((name, arguments)) => Reply::calls("", &[(name, &arguments.to_string())]),
        None => Reply::calls("", &[("finish", &json!({"summary": "seen", "issues": []}).to_string())]),
    })
}

fn begin(house: &House, life: &Life, workflow: &str, server: &ModelServer) -> Option<Driven> {
    let start = house.start("p", definition(workflow, &server.base_url()), json!({}));
    life.begin(start).map(|id| life.drive(&id))
}

/// The calls on record, by kind, and what those for vectors were charged in tokens.
fn calls(house: &House) -> (Vec<CallKind>, u64) {
    let (mut kinds, mut charged) = (Vec::new(), 0);
    for record in house.records(&ProjectId::new("p").unwrap()) {
        match record.event {
            Event::CallStarted { call, .. } => {
                kinds.truncate(call.ix.0 as usize);
                kinds.push(call.kind);
            }
            Event::CallFinished { call, outcome, .. } if kinds.get(call.0 as usize) == Some(&CallKind::Embed) => {
                charged += outcome.used().tokens;
            }
            Event::CallUncertain { call, charged: lost, .. }
                if kinds.get(call.0 as usize) == Some(&CallKind::Embed) =>
            {
                charged += lost.tokens;
            }
            _ => {}
        }
    }
    (kinds, charged)
}

/// Runs the work under `fate`; gives the commits.
fn run(fate: Fate) -> u64 {
    use CallKind as K;
    let (seller, server) = (Arc::new(Seller::default()), server());
    let house = house(&seller);
    let commits = house.under(fate, |life| begin(&house, life, WORKFLOW, &server)).unwrap_or_else(|| {
        let life = house.open();
        assert_eq!(begin(&house, &life, WORKFLOW, &server), Some(Driven::Ended(ProjectStatus::Done)), "{fate:?}");
        life.close();
        0
    });
    let (kinds, charged) = calls(&house);
    let wanted = [K::Embed, K::Prompt, K::Model, K::Embed, K::Tool, K::Model, K::Tool, K::Model];
    assert_eq!(
        kinds[..wanted.len()],
        wanted,
        "{fate:?}: each search has its vectors before it, and a chunk in a folder needs none to be stored"
    );
    // Two chunks and two queries; one that was sold while the engine died is charged at what was held back, and sold again.
    let sold = seller.sold.load(Ordering::SeqCst);
    assert!((4..=7).contains(&sold) && charged >= 4 * TOKENS, "{fate:?}: {sold} sold, {charged} tokens charged");
    if fate == Fate::Lives {
        assert_eq!((sold, charged), (4, 4 * TOKENS));
    }
    let ledger = *house.archive().load(&ProjectId::new("p").unwrap()).unwrap().project.ledger();
    assert!(ledger.spent.tokens > charged && ledger.reserved == Amounts::default(), "{fate:?}: {ledger:?}, {charged}");
    let asked = server.asked();
    let (told, found) = (asked[0].first_text("user"), asked.last().unwrap().messages());
    assert!(told.contains("Automobiles want a spark."), "{fate:?}: no word of it is in the task: {told}");
    assert!(json!(found).to_string().contains("An oak is old."), "{fate:?}");
    commits
}

#[test]
fn vectors_are_charged_and_on_record_wherever_the_engine_dies() {
    let commits = run(Fate::Lives);
    assert!(commits > 8, "{commits}");
    for at in 1..=commits {
        run(Fate::DiesAfter(at));
    }
}

/// At the project's cap nothing is bought: the project is held, as before a call of a model.
#[test]
fn a_cap_without_room_holds_the_project_before_anything_is_bought() {
    let (seller, server) = (Arc::new(Seller::default()), server());
    let house = house(&seller);
    let life = house.open();
    let capped = WORKFLOW.replace("workspace:", "budget: {tokens: 50}\nworkspace:");
    assert_eq!(begin(&house, &life, &capped, &server), Some(Driven::Held));
    let id = ProjectId::new("p").unwrap();
    let held = life.until(&id, Seq(0), |event| matches!(event, Event::Held { .. })).unwrap().event;
    assert!(matches!(held, Event::Held { reason: HoldReason::Budget { .. } }), "{held:?}");
    life.close();
    assert_eq!((seller.sold.load(Ordering::SeqCst), server.asked().len()), (0, 0));
}

/// At the attempt's own cap memory is searched by words, and the model is told why.
#[test]
fn a_cap_of_the_attempt_leaves_the_words() {
    let (seller, server) = (Arc::new(Seller::default()), server());
    let house = house(&seller);
    let life = house.open();
    let capped = WORKFLOW.replace("agent: looker", "agent: {role: looker, budget: {tokens: 5}}");
    let driven = begin(&house, &life, &capped, &server);
    assert!(matches!(driven, Some(Driven::Held | Driven::Ended(_))), "{driven:?}");
    life.close();
    assert_eq!(seller.sold.load(Ordering::SeqCst), 0);
    assert_eq!(calls(&house).0[0], CallKind::Prompt);
}
