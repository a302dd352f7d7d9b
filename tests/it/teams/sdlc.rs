//! `sdlc`: a reviewer and a critic who do not hear each other, and deployments that are well, that are not, and that are cut off.

use super::crew::{BRANCH, Crew, ID};
use crate::rig::until;

const SCRIPT: &str = include_str!("../../../fixtures/transcripts/sdlc.yaml");
/// What the monitor says of the first deployment where that is found wanting.
const ALARM: &str = "conversations:
  - role: monitor
    attempt: 1
    turns:
      - calls:
          - finish:
              summary: The greeting has no mark.
              issues: [{title: The mark is missing, description: greet.txt on the site does not end with a mark., severity: high}]
";

/// The script over a repository of one file; nothing is deployed.
pub fn team() -> Crew {
    Crew::new(SCRIPT, None, "sdlc", &["goal=Greet."])
}

/// A site that is a folder, with a log of what was done to it.
struct Site {
    team: Crew,
}

impl Site {
    /// It is well when the greeting on it has `mark`. `rollback` comes between the line in the log and what is taken away.
    fn new(script: &str, deploy: &str, mark: &str, rollback: &str) -> Self {
        let mut team = Crew::new(script, None, "sdlc", &["goal=Greet.", "health_checks=2", "health_interval=0"]);
        std::fs::create_dir(team.rig.path("site")).unwrap();
        let [file, log, hang] = ["site/greet.txt", "log", "hang"].map(|name| team.rig.path(name).display().to_string());
        let rollback = rollback.replace("HANG", &hang);
        team.give(&format!(
            "deploy=echo \"deploy $DEPLOY_COMMIT over $DEPLOY_BEFORE\" >> '{log}'; {deploy} greet.txt '{file}'"
        ));
        team.give(&format!("health=grep -q '{mark}' '{file}'"));
        team.give(&format!("rollback=echo \"back $DEPLOY_BRANCH\" >> '{log}'; {rollback} rm -f '{file}'"));
        Self { team }
    }

    /// The first words of the lines of the log.
    fn log(&self) -> Vec<String> {
        self.team.rig.read("log").lines().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
    }

    fn told(&self, task: &str, attempt: &str) -> String {
        told(&self.team, task, attempt)
    }

    fn start(&self) -> String {
        self.team.rig.git("repo", &["rev-parse", "main"])
    }
}

fn told(team: &Crew, task: &str, attempt: &str) -> String {
    team.rig.wfctl(&["transcript", ID, task, "--attempt", attempt, "--full"]).out
}

#[test]
fn a_reviewer_and_a_critic_send_it_back_each_for_a_reason_of_their_own() {
    let team = team();
    let done = team.run();
    assert_eq!(done.code, Some(0), "{}\n{}", done.err, team.why());
    assert_eq!(team.file("greet.txt"), "Hello, world");
    // The first time both said no, and whoever repaired it was told both; the second time the critic alone did.
    let first = told(&team, "fix", "1");
    assert!(first.contains("The greeting greets nobody.") && first.contains("It must greet the world."), "{first}");
    assert!(first.contains("It is not a sentence.") && first.contains("capital letter and greet someone"), "{first}");
    let second = told(&team, "fix", "2");
    assert!(second.contains("It still begins with a small letter."), "{second}");
    assert!(!second.contains("The world is greeted."), "who says yes is not part of it: {second}");
    // Neither heard the other, in any round, nor reads in the files what was said.
    for attempt in ["1", "2", "3"] {
        let critic = told(&team, "critique", attempt);
        assert!(critic.contains("## plan") && !critic.contains("greets nobody") && !critic.contains("is greeted"));
        let reviewer = told(&team, "review", attempt);
        assert!(!reviewer.contains("not a sentence") && !reviewer.contains("small letter"), "{reviewer}");
    }
    let files = team.rig.git("repo", &["ls-tree", "-r", "--name-only", BRANCH]);
    assert!(!files.contains("review.md") && !files.contains("judgement.md"), "{files}");
    let kept = team.rig.wfctl(&["artifacts", ID]).out;
    assert!(kept.contains("review.md") && kept.contains("judgement.md"), "{kept}");
    for task in ["apply", "health", "rollback", "unland"] {
        assert_eq!(team.status(task), "SKIPPED", "nothing is deployed: {task}");
    }
    team.is_tidy();
}

#[test]
fn without_a_critic_nobody_asks_one() {
    let team = Crew::new(SCRIPT, None, "sdlc", &["goal=Greet.", "critic=false"]);
    let done = team.run();
    assert_eq!(done.code, Some(0), "{}\n{}", done.err, team.why());
    assert_eq!(team.status("critique"), "SKIPPED");
    assert_eq!(team.file("greet.txt"), "hello, world", "sent back once, by the reviewer");
    assert!(!team.rig.wfctl(&["cost", ID]).out.contains("critic"));
}

#[test]
fn a_deployment_that_is_well_stays() {
    let site = Site::new(SCRIPT, "cp", "Hello", "");
    let team = &site.team;
    let begun = team.begin();
    let asked = std::sync::Mutex::new(String::new());
    let done = team.finish(begun, |_, question| {
        question.clone_into(&mut asked.lock().unwrap());
        "approve"
    });
    assert_eq!(done.code, Some(0), "{}\n{}", done.err, team.why());
    let asked = asked.into_inner().unwrap();
    assert!(asked.contains("then run `echo"), "who says yes knows what is run: {asked}");
    assert_eq!(site.log(), ["deploy"]);
    assert_eq!(team.rig.read("site/greet.txt"), "Hello, world\n");
    let landed = team.rig.git("repo", &["rev-parse", BRANCH]);
    assert_eq!(team.rig.read("log"), format!("deploy {landed} over {}\n", site.start()));
    assert_eq!(["health", "rollback", "unland"].map(|task| team.status(task)), ["COMPLETED", "SKIPPED", "SKIPPED"]);
    let health = team.rig.wfctl(&["logs", ID, "health"]).out;
    assert!(health.contains("health check 2 of 2 went well"), "{health}");
    team.is_tidy();
}

#[test]
fn one_that_is_not_is_rolled_back_once_and_what_is_found_becomes_tasks() {
    let site = Site::new(&SCRIPT.replacen("conversations:\n", ALARM, 1), "cp", "!", "");
    let team = &site.team;
    let done = team.run();
    assert_eq!(done.code, Some(0), "{}\n{}", done.err, team.why());
    assert_eq!(site.log(), ["deploy", "back", "deploy"]);
    // The branch had gone back, all the way, and the monitor was told of all of it.
    let watched = site.told("watch", "1");
    let start = site.start();
    assert!(watched.contains("\"moved\": true") && watched.contains(&format!("\"to\": \"{start}\"")), "{watched}");
    assert!(watched.contains("FAILED"), "{watched}");
    let log = team.rig.read("log");
    assert_eq!(log.lines().filter(|line| line.ends_with(&format!("over {start}"))).count(), 2, "{log}");
    // Health and findings went to the planner, whose new task repaired it.
    let planned = site.told("plan", "2");
    assert!(planned.contains("health check 1 of 2 failed") && planned.contains("The mark is missing"), "{planned}");
    assert_eq!(team.file("greet.txt"), "Hello, world!");
    assert_eq!(team.rig.read("site/greet.txt"), "Hello, world!\n");
    assert_eq!(["health", "rollback", "unland"].map(|task| team.status(task)), ["COMPLETED", "SKIPPED", "SKIPPED"]);
    team.is_tidy();
}

#[test]
fn a_deployment_that_fails_is_rolled_back_too() {
    let site = Site::new(SCRIPT, "false", "Hello", "");
    let team = &site.team;
    let done = team.run();
    assert_eq!(done.code, Some(1), "{}\n{}", done.err, team.why());
    assert!(done.err.contains("went back to planning 1 of 1 times"), "{}", done.err);
    assert_eq!(site.log(), ["deploy", "back", "deploy", "back"], "once for each");
    assert_eq!(team.status("apply"), "FAILED");
    assert_eq!(team.rig.git("repo", &["rev-parse", BRANCH]), site.start(), "nothing of it stays on the branch");
    assert!(site.told("plan", "2").contains("the deployment failed: "), "the planner is told");
}

#[test]
fn killed_in_the_middle_of_a_rollback_it_is_not_rolled_back_twice() {
    let site = Site::new(
        &SCRIPT.replacen("conversations:\n", ALARM, 1),
        "cp",
        "!",
        "while test -e 'HANG'; do sleep 0.05; done;",
    );
    let team = &site.team;
    team.rig.write("hang", "");
    let mut engine = team.begin();
    until("it rolls back", || {
        for (task, _) in team.questions() {
            team.rig.wfctl(&["approve", ID, &task]);
        }
        site.log() == ["deploy", "back"]
    });
    engine.kill().unwrap();
    engine.wait().unwrap();
    std::fs::remove_file(team.rig.path("hang")).unwrap();
    // Whether it happened is not known: nobody but a person may have it run again.
    let resumed = team.rig.wfctl(&["resume", ID]);
    assert_ne!(resumed.code, Some(0), "{}", resumed.out);
    assert!(team.why().contains("wfctl resume --in-doubt rerun|done|fail p"), "{}", team.why());
    assert_eq!(site.log(), ["deploy", "back"]);
    let running = team.rig.spawn(&["resume", ID, "--in-doubt", "done"]);
    let done = team.finish(running, |_, _| "approve");
    assert_eq!(done.code, Some(0), "{}\n{}", done.err, team.why());
    assert_eq!(site.log(), ["deploy", "back", "deploy"]);
    assert_eq!(team.file("greet.txt"), "Hello, world!");
    team.is_tidy();
}
