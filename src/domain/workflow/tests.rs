//! Whole files: every fixture gives its exact message, every code is seen, valid files are read as meant, and nothing panics.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::domain::limits;

const RELEASE: &str = r#"
name: release
description: Check in parallel, ask, tag.
inputs:
  version: {type: string, required: true}
workspace: worktree
limits: {workers: 4}
retry: {max_attempts: 3, initial: 1s}
tasks:
  fmt:  {run: cargo fmt --check}
  test: {run: cargo test, timeout: {total: 20m, idle: 5m}}
  ask:
    needs: [fmt, test]
    approval: {ask: "Tag {{ inputs.version }}?", timeout: 24h, on_timeout: reject}
  tag:
    needs: [ask]
    run: git tag "v{{ inputs.version }}"
    effect: once
"#;

const SDLC: &str = r#"
name: sdlc
inputs: {goal: {type: string, required: true}}
budget: {usd: 5, tokens: 2M, wall: 8h}
phases:
  monitor:  {tasks: {watch: {run: "true"}}, on_issue: {goto: planning, max: 1}}
  planning: {tasks: {plan: {run: "plan {{ inputs.goal | sh }}"}}}
  design:   {tasks: {contract: {run: "design {{ tasks.plan.output | sh }}"}}}
  build:    {tasks: {work: {foreach: "{{ tasks.plan.output.tasks }}", run: "do {{ item | sh }} {{ index }}"}}}
  test:     {tasks: {suite: {run: make test, validate: [a, b], undo: {run: c}}}, on_failure: {goto: build, max: 5}}
  review:   {tasks: {review: {external: {queue: people}}}, on_reject: {goto: build}}
  deploy:   {tasks: {package: {run: make package}}, approval: {ask: "Merge into {{ project.base_branch }}?"}}
"#;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/invalid")
}

/// Reads children from the fixtures; `deep-N.yaml` calls `deep-(N+1).yaml` without end.
struct Folder;

impl Loader for Folder {
    fn load(&self, name: &str, _: &str) -> Result<(String, Vec<u8>), String> {
        if let Some(level) = name.strip_prefix("deep-").and_then(|rest| rest.strip_suffix(".yaml")) {
            let next = level.parse::<u32>().map_err(|error| error.to_string())? + 1;
            return Ok((
                name.to_owned(),
                format!("name: d\ntasks: {{t: {{workflow: deep-{next}.yaml}}}}\n").into_bytes(),
            ));
        }
        if name == "child.yaml" {
            let text = "name: child\ninputs: {version: {type: string, required: true}}\ntasks: {t: {run: make}}\n";
            return Ok((name.to_owned(), text.as_bytes().to_vec()));
        }
        let bytes = fs::read(fixtures().join(name)).map_err(|_| "no such file".to_owned())?;
        Ok((name.to_owned(), bytes))
    }
}

fn read_text(text: &str) -> Result<(Definition, Vec<Diagnostic>), Diagnostics> {
    read(text.as_bytes(), "f.yaml", &Folder)
}

#[track_caller]
fn valid(text: &str) -> Definition {
    match read_text(text) {
        Ok((definition, _)) => definition,
        Err(diagnostics) => panic!("{diagnostics}"),
    }
}

#[track_caller]
fn refused(text: &str) -> Diagnostics {
    read_text(text).expect_err("the file is wrong")
}

fn rendered(bytes: &[u8], origin: &str) -> (String, Vec<Code>) {
    match read(bytes, origin, &Folder) {
        Ok((_, warnings)) => {
            let text: Vec<String> = warnings.iter().map(Diagnostic::to_string).collect();
            (text.join("\n"), warnings.iter().map(|warning| warning.code).collect())
        }
        Err(diagnostics) => (diagnostics.to_string(), diagnostics.shown.iter().map(|shown| shown.code).collect()),
    }
}

/// Codes that need a file too large to keep, with a test of their own below or in `yaml/`, and those of given inputs.
const WITHOUT_FIXTURE: &[Code] =
    &[Code::TooLarge, Code::TooDeep, Code::GivenUnknown, Code::GivenMissing, Code::GivenType, Code::GivenChoice];

#[test]
fn every_fixture_gives_its_exact_message() {
    let bless = std::env::var_os("WFCTL_BLESS").is_some();
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    let mut files: Vec<PathBuf> = fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(files.len() >= 40);
    for path in files {
        let origin = path.file_name().unwrap().to_string_lossy().into_owned();
        let (text, codes) = rendered(&fs::read(&path).unwrap(), &origin);
        seen.extend(codes);
        let expected = path.with_extension("expect");
        if bless {
            fs::write(&expected, &text).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != text {
            wrong.push(format!("{origin}:\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "run with WFCTL_BLESS=1 when these are right:\n{}", wrong.join("\n"));
    let missing: Vec<_> =
        Code::ALL.iter().filter(|code| !seen.contains(code) && !WITHOUT_FIXTURE.contains(code)).collect();
    assert!(missing.is_empty(), "codes without a fixture: {missing:?}");
}

#[test]
fn the_examples_are_read_as_meant() {
    let (release, warnings) = read_text(RELEASE).map_err(|error| error.to_string()).unwrap();
    assert_eq!(release.phases.len(), 1);
    let tag = &release.phases[0].tasks[3];
    assert_eq!((tag.needs.as_slice(), tag.effect), (["ask".to_owned()].as_slice(), Some(EffectClass::Once)));
    assert_eq!(release.phases[0].tasks[1].timeout, Timeouts { total_ms: Some(1_200_000), idle_ms: Some(300_000) });
    assert_eq!(warnings.iter().map(|warning| warning.code.as_str()).collect::<Vec<_>>(), ["WF0141"]);

    let sdlc = valid(SDLC);
    let order: Vec<&str> = sdlc.phases.iter().map(|spec| spec.phase.name()).collect();
    assert_eq!(order, ["planning", "design", "build", "test", "review", "deploy", "monitor"]);
    assert_eq!((sdlc.budget.usd_micros, sdlc.budget.tokens), (Some(5_000_000), Some(2_000_000)));
    assert_eq!(sdlc.phases[4].loop_back.map(|back| back.max), Some(3));
    assert_eq!(sdlc.phases[3].tasks[0].validate, ["a", "b"]);
}

#[test]
fn retry_policies_inherit() {
    let definition = valid(
        "name: a\nretry: {max_attempts: 7, transitions: {\"running -> completed\": {initial: 5s}}}\n\
         tasks: {b: {run: x, retry: {factor: 3, transitions: {\"validating -> completed\": {max_attempts: 2}}}}}\n",
    );
    let rules = definition.phases[0].tasks[0].retry.as_ref().unwrap();
    assert_eq!((rules.all.max_attempts, rules.all.factor_percent, rules.all.initial_ms), (7, 300, 1_000));
    assert_eq!((rules.for_running().initial_ms, rules.for_running().factor_percent), (5_000, 300));
    assert_eq!((rules.for_validating().max_attempts, rules.for_validating().factor_percent), (2, 300));
}

#[test]
fn one_past_each_bound_of_a_file() {
    let large = format!("name: a\n#{}\n", "x".repeat(limits::WORKFLOW_FILE_BYTES));
    assert!(refused(&large).to_string().contains("WF0102"));
    let name = "n".repeat(limits::NAME_BYTES);
    valid(&format!("name: a\ntasks: {{{name}: {{run: x}}}}\n"));
    assert!(refused(&format!("name: a\ntasks: {{{name}n: {{run: x}}}}\n")).to_string().contains("WF0114"));
    let attempts = |n: u32| format!("name: a\nretry: {{max_attempts: {n}}}\ntasks: {{b: {{run: x}}}}\n");
    valid(&attempts(limits::RETRY_ATTEMPTS));
    assert!(refused(&attempts(limits::RETRY_ATTEMPTS + 1)).to_string().contains("WF0116"));
}

#[test]
fn only_the_first_problems_are_shown_and_all_are_counted() {
    let tasks: String = (0..100).map(|i| format!("  t{i}: {{run: x, nede: []}}\n")).collect();
    let diagnostics = refused(&format!("name: a\ntasks:\n{tasks}"));
    assert_eq!((diagnostics.shown.len(), diagnostics.more), (limits::DIAGNOSTICS, 100 - limits::DIAGNOSTICS));
}

#[test]
fn a_deep_chain_of_tasks_needs_no_stack() {
    let chain: String = (1..20_000).map(|i| format!("  t{i}: {{run: x, needs: t{}}}\n", i - 1)).collect();
    let definition = valid(&format!("name: a\ntasks:\n  t0: {{run: x}}\n{chain}"));
    assert_eq!(graph_of(&definition).levels().unwrap().last(), Some(&19_999));
    let diagnostics = refused(&format!("name: a\ntasks:\n  t0: {{run: x, needs: t19999}}\n{chain}"));
    assert_eq!(diagnostics.shown[0].code, Code::Cycle);
}

#[test]
fn a_hundred_thousand_tasks_are_read() {
    let tasks: String = (1..100_000)
        .map(|i| format!("  task-{i}:\n    run: make part-{i} {{{{ inputs.x | sh }}}}\n    needs: [task-{}]\n", i / 2))
        .collect();
    let text = format!("name: a\ninputs: {{x: string}}\ntasks:\n  task-0: {{run: x}}\n{tasks}");
    assert_eq!(valid(&text).tasks().count(), 100_000);
}

#[test]
fn places_hold_with_carriage_returns_marks_and_long_lines() {
    let text = "\u{feff}name: a\r\ndescription: \u{fc}\r\ntasks:\r\n  b: {run: \"echo {{ inputs.x | sh }}\"}\r\n";
    let shown = &refused(text).shown[0];
    assert_eq!((shown.line, shown.column), (4, 28));
    let tasks: Vec<String> = (0..20_000).map(|i| format!("t{i}: {{run: \"x {{{{ inputs.x }}}}\"}}")).collect();
    let long = format!("name: a\ninputs: {{x: string}}\ntasks: {{{}}}\n", tasks.join(", "));
    let (_, warnings) = read_text(&long).map_err(|error| error.to_string()).unwrap();
    assert_eq!(warnings.len(), limits::DIAGNOSTICS);
}

#[test]
fn the_schema_accepts_what_is_valid_and_refuses_most_of_the_rest() {
    let validator = jsonschema::validator_for(&workflow_schema()).unwrap();
    let json = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).ok()?;
        yaml::parse(text, &mut diagnostic::Problems::new("f", text)).map(|node| node.to_json())
    };
    for text in [RELEASE, SDLC] {
        let instance = json(text.as_bytes()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&instance).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
    let structural = [
        "unknown-key",
        "missing-name",
        "missing-tasks",
        "tasks-and-phases",
        "no-action",
        "two-actions",
        "wrong-type",
        "invalid-choice",
        "invalid-workflow-name",
        "invalid-duration",
        "out-of-range",
        "budget",
        "unknown-phase",
        "unknown-transition",
        "not-an-object",
        "number-as-text",
    ];
    for slug in structural {
        let instance = json(&fs::read(fixtures().join(slug).with_extension("yaml")).unwrap()).unwrap();
        assert!(!validator.is_valid(&instance), "{slug}");
    }
}

#[test]
fn pictures_escape_and_count() {
    let definition = valid(SDLC);
    assert!(tree(&definition, None).contains("├─ build"));
    assert!(
        mermaid(&definition, None).contains("t0 --> ") || mermaid(&definition, None).contains("planning ==> design")
    );
    assert!(dot(&definition, None).starts_with("digraph \"sdlc\""));
    let picture =
        svg(&definition, Some(&|name| (name == "plan").then_some(crate::domain::machine::TaskStatus::Completed)));
    assert!(picture.contains("class=\"done\"") && picture.trim_end().ends_with("</svg>"));
    let many: String = (0..3_000).map(|i| format!("  t{i}: {{run: x}}\n")).collect();
    assert!(tree(&valid(&format!("name: a\ntasks:\n{many}")), None).contains("1000 more tasks"));
}

#[test]
fn differences_name_fields() {
    let after = RELEASE
        .replace("cargo test,", "cargo nextest run,")
        .replace("workers: 4", "workers: 8")
        .replace("fmt:  {", "form: {")
        .replace("[fmt, ", "[form, ");
    let found = diff(&valid(RELEASE), &valid(&after));
    assert_eq!(
        (found.added.as_slice(), found.removed.as_slice()),
        (["form".to_owned()].as_slice(), ["fmt".to_owned()].as_slice())
    );
    let text = found.to_string();
    assert!(
        text.contains("~ limits.workers: 4 -> 8")
            && text.contains("~ action.run: \"cargo test\" -> \"cargo nextest run\""),
        "{text}"
    );
    assert!(diff(&valid(RELEASE), &valid(RELEASE)).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes, "f", &NoChildren);
    }

    #[test]
    fn mutated_files_are_read_without_panic(
        second in any::<bool>(), edits in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..6, "[ -~\n\t\u{e9}]{0,3}"), 1..8),
    ) {
        let mut text: Vec<char> = (if second { SDLC } else { RELEASE }).chars().collect();
        for (at, remove, insert) in edits {
            let at = at.index(text.len());
            let end = (at + remove).min(text.len());
            text.splice(at..end, insert.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(diagnostics) = read(text.as_bytes(), "f", &NoChildren) {
            prop_assert!(!diagnostics.shown.is_empty());
            let _ = diagnostics.to_string();
        }
    }

    #[test]
    fn a_definition_is_stable_through_its_canonical_text(
        tasks in proptest::collection::btree_map("[a-z]{1,8}", ("[ -~]{1,20}", 1u8..=10, any::<bool>()), 1..12),
    ) {
        let tasks: serde_json::Map<String, serde_json::Value> = tasks
            .into_iter()
            .map(|(name, (command, priority, once))| {
                let command = format!("echo {}", command.replace(['{', '%', '#'], ""));
                (name, serde_json::json!({"run": command, "priority": priority, "effect": if once { "once" } else { "pure" }}))
            })
            .collect();
        let text = serde_json::json!({"name": "p", "tasks": tasks}).to_string();
        let (definition, _) = read(text.as_bytes(), "f", &NoChildren).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let canonical = definition.to_canonical_json();
        let again: Definition = serde_json::from_slice(&canonical).unwrap();
        prop_assert_eq!(&again, &definition);
        prop_assert_eq!(again.to_canonical_json(), canonical);
    }
}

#[test]
fn parts_of_a_project_have_budgets_without_a_clock() {
    let text = |budget: &str| {
        format!(
            "name: f\nworkspace: worktree\nphases:\n  build:\n    budget: {budget}\n    tasks:\n      a: {{agent: {{role: planner, budget: {budget}}}}}\n"
        )
    };
    let definition = valid(&text("{usd: 0.5, tokens: 5k, calls: 3}"));
    let (_, task) = definition.tasks().next().unwrap();
    let Action::Agent(agent) = &task.action else { panic!("{task:?}") };
    let caps =
        crate::domain::budget::Caps { calls: Some(3), tokens: Some(5_000), usd_micros: Some(500_000), wall_ms: None };
    assert_eq!(agent.budget, caps);
    let said = refused(&text("{wall: 1h}")).to_string();
    assert!(said.contains("has no key `wall`"), "{said}");
}
