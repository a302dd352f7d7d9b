//! The README's tour, run as a newcomer would: every command of it, in order, in a fresh folder. What the README shows below a
//! command must be what it prints, up to times, durations and hashes.

#![expect(clippy::disallowed_methods, reason = "a test starts processes of its own")]

use std::path::Path;
use std::process::Command;

struct Act {
    command: String,
    shown: Vec<String>,
}

fn acts(readme: &str) -> Vec<Act> {
    let tour = readme.split("## A 60-second tour").nth(1).expect("the README has a tour");
    let block =
        tour.split("```console\n").nth(1).and_then(|rest| rest.split("\n```").next()).expect("in a console block");
    let mut acts: Vec<Act> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), acts.last_mut()) {
            (Some(command), _) => acts.push(Act { command: command.to_owned(), shown: Vec::new() }),
            (None, Some(act)) => act.shown.push(line.to_owned()),
            (None, None) => panic!("the tour begins with output: {line}"),
        }
    }
    acts
}

/// Times, durations, ids and hashes differ from run to run: digits and long hexadecimal words become one mark.
fn masked(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        let hex = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let parts = hex.split(':').filter(|part| part.len() >= 32 && part.bytes().all(|b| b.is_ascii_hexdigit()));
        if parts.count() > 0 { "#".to_owned() } else { word.to_owned() }
    });
    let mut out = String::new();
    for c in words.collect::<Vec<_>>().join(" ").chars() {
        match (c.is_ascii_digit() || c == '.', out.ends_with('#')) {
            (true, true) => {}
            (true, false) => out.push('#'),
            (false, _) => out.push(c),
        }
    }
    // Durations: "1.2s", "37ms", "4m 2s" and so on all read "#".
    for unit in ["#ms", "#s", "#m #s"] {
        out = out.replace(unit, "#");
    }
    out
}

#[test]
fn the_tour_of_the_readme_works_and_prints_what_it_shows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).expect("a README");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let binary = Path::new(env!("CARGO_BIN_EXE_wfctl")).parent().expect("the binary is in a folder");
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", binary.display());
    let acts = acts(&readme);
    assert!(acts.len() >= 8, "the tour shows run, kill, resume, why, approve, logs, events and audit");
    for act in acts {
        let output = Command::new("sh")
            .args(["-c", &act.command])
            .current_dir(dir.path())
            .env_clear()
            .env("PATH", &path)
            .env("HOME", dir.path())
            .env("WFCTL_HOME", dir.path().join("home"))
            .output()
            .expect("a shell");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let killed = act.command.contains("KILL");
        assert!(output.status.success() || killed, "`{}` ended with {}:\n{said}", act.command, output.status);
        let printed: Vec<String> = said.lines().map(masked).collect();
        for line in act.shown.iter().filter(|line| !line.trim().is_empty() && line.trim() != "...") {
            let line = masked(line);
            assert!(
                printed.contains(&line),
                "`{}` no longer prints\n  {line}\nbut\n  {}",
                act.command,
                printed.join("\n  ")
            );
        }
    }
}
