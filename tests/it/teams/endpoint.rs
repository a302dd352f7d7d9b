//! Each team against a server that speaks OpenAI's protocol and knows nothing but the requests: it comes to the same files as with
//! the script in the process.

use super::crew::{self, Crew, has_python};
use super::{Team, ask, autonomous_app, contract_first, hierarchical, sdlc, self_driving, strategy};
use crate::model_server::ModelServer;
use crate::player::Player;

fn served(script: &str) -> ModelServer {
    let path = format!("{}/fixtures/transcripts/{script}", env!("CARGO_MANIFEST_DIR"));
    Player::serve_undisturbed(&std::fs::read_to_string(path).unwrap())
}

/// A team of notes, whose landed files are the same both ways.
fn of_notes(script: &str, start: impl Fn(&Team) -> Vec<String>) {
    let alone = Team::new(script);
    alone.to_its_end(&start(&alone));
    let (server, asking) = (served(script), Team::new(script));
    ask(&asking.rig, &format!("base_url = {:?}\nfree = true", server.base_url()));
    asking.to_its_end(&start(&asking));
    assert_eq!(asking.tasks()["land"], "COMPLETED", "{}", asking.wfctl(&["why", "p"]).out);
    assert_eq!(asking.landed(), alone.landed());
    assert!(server.counts().completed > 0);
}

fn of_crew(script: &str, team: impl Fn() -> Crew) {
    let alone = team();
    assert_eq!(alone.run().code, Some(0), "{}", alone.why());
    let (server, asking) = (served(script), team());
    crew::ask(&asking.rig, &format!("base_url = {:?}", server.base_url()));
    let done = asking.run();
    assert_eq!(done.code, Some(0), "{}\n{}", done.err, asking.why());
    assert_eq!(asking.files(), alone.files());
    assert!(server.counts().completed > 0);
}

#[test]
fn sdlc_over_http() {
    of_crew("sdlc.yaml", sdlc::team);
}

#[test]
fn self_driving_over_http() {
    of_notes(self_driving::SCRIPT, self_driving::start);
}

#[test]
fn hierarchical_over_http() {
    of_notes(hierarchical::SCRIPT, hierarchical::start);
}

#[test]
fn contract_first_over_http() {
    of_crew("contract-first.yaml", contract_first::team);
}

#[test]
fn strategy_over_http() {
    if has_python() {
        of_crew("strategy.yaml", strategy::team);
    }
}

#[test]
fn autonomous_app_over_http() {
    if has_python() {
        of_crew("autonomous-app.yaml", autonomous_app::team);
    }
}
