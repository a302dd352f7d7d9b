//! Milestones with contracts: branches that repair, branches that do not, and the person behind them.

use std::sync::Mutex;

use super::crew::Crew;

const SCRIPT: &str = include_str!("../../../fixtures/transcripts/contract-first.yaml");

/// The script over a repository of one file.
pub fn team() -> Crew {
    Crew::new(SCRIPT, None, "contract-first", &["request=Greet, answer, prove."])
}

#[test]
fn what_fails_is_debugged_in_branches_and_escalated_when_they_do_not_help() {
    let team = team();
    let asked = Mutex::new(Vec::new());
    let done = team.finish(team.begin(), |task, question| {
        let mut asked = asked.lock().unwrap();
        if !asked.iter().any(|(of, _)| of == task) {
            asked.push((task.to_owned(), question.to_owned()));
        }
        "approve"
    });
    assert_eq!(done.code, Some(0), "{}\n{}", done.err, team.why());
    // The second branch repaired it, after its parent's commands had refused the first one.
    assert_eq!(team.file("answer.txt"), "42");
    assert_eq!(team.status("todo[answer.test]"), "COMPLETED");
    assert_eq!(team.status("todo[answer.test].fix2"), "COMPLETED");
    assert_eq!(team.status("todo[answer.test].fix3"), "NOT THERE");
    assert_eq!(team.status("todo[answer.contract]"), "SKIPPED", "a milestone of the coder has no contract");
    assert!(team.file("greeting.schema").contains("hello"), "one of the architect has");
    // Three branches and no more; each began from what the tester had left, and its work was merged.
    assert_eq!(team.status("todo[proof.test]"), "FAILED");
    assert_eq!(team.status("todo[proof.test].fix3"), "COMPLETED");
    assert_eq!(team.status("todo[proof.test].fix4"), "NOT THERE");
    assert_eq!([1, 2, 3].map(|n| team.file(&format!("proof.seen.{n}"))), ["1", "2", "3"]);
    assert_eq!(team.status("todo[scope.test].fix1"), "FAILED");
    assert_eq!(team.status("todo[scope.test].fix2"), "NOT THERE", "what a person has to decide is not tried again");
    // People: one question for each that was escalated, and the last checkpoint.
    let mut asked = asked.into_inner().unwrap();
    asked.sort();
    let tasks: Vec<&str> = asked.iter().map(|(task, _)| task.as_str()).collect();
    assert_eq!(tasks, ["ask", "todo[proof.escalation]", "todo[scope.escalation]"]);
    assert!(asked[1].1.contains("There is no proof, attempt 4."), "{}", asked[1].1);
    assert!(asked[2].1.contains("Nobody says for whom this is."), "the debugger's reason: {}", asked[2].1);
    // What a debugger was told.
    let told = team.rig.wfctl(&["transcript", "p", "todo[answer.test].fix1", "--full"]).out;
    assert!(told.contains("expected 42, got 40"), "{told}");
    let diagnosis = team.rig.wfctl(&["artifacts", "p", "diagnosis.md", "--task", "todo[answer.test].fix2"]).out;
    assert!(diagnosis.contains("Cause: implementation_bug. Whose it is: coder."), "{diagnosis}");
    team.is_tidy();
}

#[test]
fn a_no_to_an_escalation_goes_back_to_the_plan_and_a_second_one_ends_it() {
    let team = team();
    let done = team.finish(team.begin(), |task, _| if task.contains("escalation") { "reject" } else { "approve" });
    assert_eq!(done.code, Some(1), "{}\n{}", done.err, team.why());
    assert_eq!(team.status("todo[scope.escalation]"), "FAILED", "a person said no");
    assert_eq!(team.status("todo[scope.escalation]#2"), "FAILED", "it went back to the plan, and was asked again");
    assert_eq!(team.rig.git("repo", &["ls-tree", "--name-only", "release"]), "README", "nothing is landed");
}

#[test]
fn documents_are_held_against_the_schemas_of_their_types() {
    let rig = crate::rig::Rig::new();
    let todo = serde_json::json!({"id": "t1", "title": "t", "description": "d", "agent_role": "coder", "priority": "high", "depends_on": [],
        "acceptance_criteria": [{"description": "it runs", "command": "true"}], "expected_artifacts": [], "metrics": []});
    rig.write("todo.json", &serde_json::json!({"summary": "s", "todos": [todo]}).to_string());
    let valid = rig.wfctl(&["validate", "todo.json", "--type", "todo"]);
    assert_eq!((valid.code, valid.out.as_str()), (Some(0), "todo.json: valid, todo\n"), "{}", valid.err);
    rig.write("bad.yaml", "summary: s\ntodos:\n  - {id: t1, title: t, description: d, agent_role: poet, priority: 5, needs: [], expected_artifacts: [], metrics: []}\n");
    let refused = rig.wfctl(&["validate", "bad.yaml", "todo.json", "--type", "todo"]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(2), "todo.json: valid, todo\n"));
    for part in [
        "error[WF0015]: bad.yaml is no valid todo",
        "/todos/0/agent_role: \"poet\"",
        "\"acceptance_criteria\" is a required",
        "`wfctl schema todo`",
    ] {
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
    rig.write("circle.json", &serde_json::json!({"summary": "s", "todos": [
        {"id": "a", "title": "t", "description": "d", "agent_role": "coder", "priority": 1, "dependencies": ["a"],
         "acceptance_criteria": [{"description": "it runs", "command": "true"}], "expected_artifacts": [], "metrics": []}]}).to_string());
    let circle = rig.wfctl(&["validate", "circle.json", "--type", "todo"]);
    assert!(circle.err.contains("todos need each other in a circle: a -> a"), "{}", circle.err);
    rig.write(
        "report.json",
        r#"{"verdict": "pass", "summary": "s", "failures": [], "added_tests": [], "coverage": {"percent": 180}}"#,
    );
    let report = rig.wfctl(&["validate", "report.json", "--type", "test_report"]);
    assert!(report.err.contains("/coverage/percent: 180 is greater than"), "{}", report.err);
    rig.write("contract.json", "{\"summary\": ");
    let contract = rig.wfctl(&["validate", "contract.json", "--type", "contract"]);
    assert!(contract.err.contains("it is not JSON: EOF while parsing a value at line 1"), "{}", contract.err);
    assert_eq!(rig.wfctl(&["validate", "nowhere.json", "--type", "contract"]).code, Some(5));
    for kind in ["todo", "contract", "test_report"] {
        let schema: serde_json::Value = serde_json::from_str(&rig.wfctl(&["schema", kind]).out).unwrap();
        assert_eq!((&schema["title"], &schema["type"]), (&kind.into(), &"object".into()));
    }
}
