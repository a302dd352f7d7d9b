//! `git_commit_and_push`: a checkpoint on the task's branch, and the message that the merge queue takes the work in under.

use super::crew::{BRANCH, Crew, ID};

const WORKFLOW: &str = r#"name: pushes
inputs: {into: {type: string}}
workspace: worktree
tasks:
  work: {agent: {role: tester, tools: [read_file, write_file, git_commit_and_push]}, merge: true}
  look: {needs: [work], agent: {role: reviewer, tools: [read_file, write_file, git_commit_and_push]}}
  ask: {needs: [work], approval: "Land?"}
  land: {needs: [ask], land: {into: "{{ inputs.into }}"}}
"#;
const SCRIPT: &str = r#"
conversations:
  - role: tester
    turns:
      - calls: [{git_commit_and_push: {message: Too early}}]
      - calls: [{write_file: {path: a.txt, content: "half\n"}}, {git_commit_and_push: {message: Begin with a}}]
      - calls:
          - write_file: {path: a.txt, content: "whole\n"}
          - git_commit_and_push: {message: "Write all of a\n\nIt was asked for."}
          - git_commit_and_push: {message: Once more}
      - calls: [{finish: {verdict: pass, summary: It is there., failures: [], added_tests: []}}]
  - role: reviewer
    turns:
      - calls: [{write_file: {path: mine.txt, content: "x\n"}}, {git_commit_and_push: {message: Mine}}]
      - calls: [{finish: {verdict: approve, summary: It is there., requests: []}}]
"#;

#[test]
fn the_message_is_that_of_the_commit_on_the_project_s_branch() {
    let team = Crew::new(SCRIPT, None, "pushes.yaml", &[]);
    team.rig.write("pushes.yaml", WORKFLOW);
    let done = team.run();
    assert_eq!(done.code, Some(0), "{}\n{}", done.err, team.why());
    assert_eq!(team.rig.git("repo", &["log", "--no-merges", "--format=%s", BRANCH]), "Write all of a\nfirst");
    let body = team.rig.git("repo", &["log", "-1", "--no-merges", "--format=%b", BRANCH]);
    assert!(body.starts_with("It was asked for.\n\nWfctl-Project: p"), "{body}");
    assert_eq!(team.file("a.txt"), "whole");
    // Nothing to say is refused and told, and so is a push that would go nowhere.
    let told = |task: &str| team.rig.wfctl(&["transcript", ID, task, "--full"]).out;
    let work = told("work");
    for refused in ["nothing has changed since you began", "nothing has changed since your last commit"] {
        assert!(work.contains(refused), "{refused}: {work}");
    }
    assert!(told("look").contains("the work of this task is not merged"), "{}", told("look"));
    let events = team.rig.wfctl(&["events", ID, "--kind", "CallStarted", "--task", "work", "--json"]).out;
    let commits: Vec<&str> = events.lines().filter(|line| line.contains("git_commit_and_push")).collect();
    assert_eq!(commits.len(), 4);
    assert!(commits.iter().all(|line| line.contains("probed")), "after a crash it is looked for: {commits:?}");
    team.is_tidy();
}
