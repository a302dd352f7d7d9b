//! A repository of notes whose checks take no time, and the models' part in a run of the SDLC workflow on it: a red check, a
//! conflict of two tasks that run side by side, a task behind both.

/// The repository.
pub const FILES: [(&str, &str); 4] = [
    ("AGENTS.md", "Notes are one line each.\n"),
    ("Makefile", "check:\n\tsh check.sh\n"),
    ("check.sh", "! grep -n WRONG notes/*.txt\n"),
    ("notes/list.txt", "one\n"),
];

/// What the models say.
pub const SCRIPT: &str = r#"
conversations:
  - role: planner
    turns:
      - calls: [{read_file: {path: notes/list.txt}}, {tree: {}}]
      - calls:
          - finish:
              summary: Two notes, then a title.
              tasks:
                - {id: a, title: Note a, description: Add a., needs: [], files: [notes/list.txt], priority: 5, acceptance: [a]}
                - {id: b, title: Note b, description: Add b., needs: [], files: [notes/list.txt], priority: 5, acceptance: [b]}
                - {id: c, title: Title, description: Add a title., needs: [a, b], files: [title.txt], priority: 5, acceptance: [c]}
  - role: designer
    turns:
      - calls:
          - finish:
              summary: One line each.
              contracts: [{name: list, definition: a line per note}]
              adr: {title: Lines, context: Notes., decision: A line each., consequences: Merges meet.}
  - role: implementer
    task: "implement[0]*"
    turns:
      - calls: [{edit_file: {path: notes/list.txt, old: "one\n", new: "one\nWRONG\n"}}]
      - calls: [{finish: {summary: a, changes: [{file: notes/list.txt, what: a}], tests: [], risks: [], commit_message: Add a}}]
      - calls: [{edit_file: {path: notes/list.txt, old: WRONG, new: a}}, {run_command: {command: "make check"}}]
      - calls: [{finish: {summary: a, changes: [{file: notes/list.txt, what: a}], tests: [], risks: [], commit_message: Add a}}]
  - role: implementer
    task: "implement[1]*"
    turns:
      - calls: [{edit_file: {path: notes/list.txt, old: "one\n", new: "one\nb\n"}}]
      - calls: [{finish: {summary: b, changes: [{file: notes/list.txt, what: b}], tests: [], risks: [], commit_message: Add b}}]
  - role: implementer
    task: "implement[2]*"
    turns:
      - calls: [{write_file: {path: title.txt, content: "Notes\n"}}]
      - calls: [{finish: {summary: c, changes: [{file: title.txt, what: c}], tests: [], risks: [], commit_message: Add a title}}]
  - role: merger
    turns:
      - calls: [{write_file: {path: notes/list.txt, content: "one\na\nb\n"}}]
      - calls: [{finish: {summary: both, changes: [{file: notes/list.txt, what: both}], tests: [], risks: [], commit_message: Keep both}}]
  - role: tester
    turns:
      - calls: [{finish: {verdict: pass, summary: Fine., failures: [], added_tests: []}}]
  - role: reviewer
    turns:
      - calls: [{finish: {verdict: approve, summary: Fine., requests: []}}]
  - role: critic
    turns:
      - calls: [{finish: {accept: true, summary: Good., scores: [{criterion: correct, score: 9, evidence: notes/list.txt}], improvements: []}}]
  - role: deployer
    turns:
      - calls:
          - finish: {summary: Notes., notes: Notes., runbook: cat, rollback: revert, pull_request: {title: Notes, body: Notes.}}
  - role: monitor
    turns:
      - calls: [{finish: {summary: Quiet., issues: []}}]
"#;

/// The list when all is merged.
pub const MERGED: &str = "one\na\nb";
