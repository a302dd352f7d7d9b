//! Commands that take too much or do nothing: they are ended as a whole, the cause is told, and their task is tried again.

use serde_json::json;

use crate::mcp_servers::prepare;
use crate::rig::Rig;

/// The live processes of the host whose command line has `word`.
fn alive(word: &str) -> usize {
    let lines =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|byte| *byte == 0).any(|part| part == word.as_bytes())).count()
}

/// A rig in whose sandbox commands run; `None`, and said so, where there is none.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn contained() -> Option<Rig> {
    let rig = Rig::contained();
    let tried = rig.wfctl(&["sandbox", "--", "true"]);
    if tried.code == Some(6) {
        eprintln!("skipped: {}", tried.err);
        return None;
    }
    Some(rig)
}

#[test]
fn a_command_that_is_out_of_memory_fails_with_that_cause_and_is_tried_again() {
    let Some(rig) = contained() else { return };
    rig.write(
        "w.yaml",
        "name: w
retry: {max_attempts: 2, initial: 1ms, on_exhausted: fail}
sandbox: {limits: {memory: 128MiB}}
tasks:
  hog: {run: 'head -c 1073741824 /dev/zero | tail -n 1 >/dev/null'}
",
    );
    let run = rig.wfctl(&["run", "w.yaml", "--id", "p"]);
    assert_ne!(run.code, Some(0), "{}", run.out);
    let told = rig.wfctl(&["events", "p"]).out;
    assert_eq!(told.matches("StepFinished hog").count(), 2, "{told}");
    assert!(told.contains("out of memory") && told.contains("128.0 MiB"), "{told}");
    assert!(told.contains("under [sandbox] in your config.toml raises it"), "{told}");
    let shown = rig.wfctl(&["show", "p"]).out;
    assert!(shown.contains(" of memory"), "{shown}");
    let metrics = rig.wfctl(&["metrics"]).out;
    assert!(metrics.contains("wfctl_command_memory_max_bytes{role=\"run\"} 1"), "{metrics}");
    assert!(metrics.contains("wfctl_command_cpu_seconds_total{role=\"run\"} "), "{metrics}");
}

/// A model is told, and what the command took counts for its task.
#[test]
fn an_agent_whose_command_is_out_of_memory_is_told_so() {
    let Some(rig) = contained() else { return };
    let turns =
        json!([{"calls": [{"run_command": {"command": "head -c 1073741824 /dev/zero | tail -n 1 >/dev/null"}}]}]);
    prepare(&rig, &["run_command"], &turns, "[sandbox]\nlimits = {memory = \"128MiB\"}\n");
    let run = rig.wfctl_in("r", &["run", "w.yaml", "--id", "p"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let told = rig.wfctl(&["transcript", "p", "look", "--full"]).out;
    assert!(told.contains("out of memory") && told.contains("128.0 MiB"), "{told}");
    let shown = rig.wfctl(&["show", "p"]).out;
    assert!(shown.contains(" s of processor, ") && shown.contains(" of memory"), "{shown}");
}

#[test]
fn a_command_that_hangs_is_ended_with_all_its_processes_and_its_task_is_tried_again() {
    for (limit, class) in [("{idle: 400ms}", "idle"), ("{total: 1s}", "timeout")] {
        let Some(rig) = contained() else { return };
        let sleep = format!("{}.{}", 200_000 + std::process::id() % 100_000, class.len());
        let command =
            format!("test -e seen && exit 0; echo >seen; sh -c \"sleep {sleep} & sleep {sleep}\" & sleep {sleep}");
        rig.write(
            "w.yaml",
            &format!(
                "name: w\nworkspace: dir\nretry: {{max_attempts: 2, initial: 1ms}}\ntasks:\n  hang: {{run: '{command}', timeout: {limit}}}\n"
            ),
        );
        let run = rig.wfctl(&["run", "w.yaml", "--id", "p"]);
        assert_eq!(run.code, Some(0), "{class}: the second attempt goes through: {}", run.err);
        assert!(rig.path("seen").exists(), "{class}: the first one had begun");
        assert_eq!(alive(&sleep), 0, "{class}");
        let told = rig.wfctl(&["events", "p"]).out;
        assert!(told.contains("attempt 1 failed") && told.contains(&format!("({class})")), "{told}");
    }
}
