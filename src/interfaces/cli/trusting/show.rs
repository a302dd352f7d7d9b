//! A file of a repository as text for a person who has to decide about it: nothing in it moves a cursor, nothing in it is
//! invisible, every line has its number, and what it would do stands below.

use std::collections::BTreeSet;
use std::time::Duration;

use similar::{ChangeTag, TextDiff};

use super::super::terminal::{Tone, harmless};
use super::Brought;
use crate::app::Standing;
use crate::domain::sandbox::{Allowance, SandboxSpec};
use crate::domain::workflow::{Action, Definition, LandSpec, TaskSpec};

/// Unchanged lines around a change.
const CONTEXT_LINES: usize = 3;
/// How long the smallest difference is looked for; after that any that is true will do.
const DIFF_TIME: Duration = Duration::from_secs(2);

/// The lines that show a file: whole, or what changed since it was agreed to.
pub fn file(file: &Brought, standing: &Standing, paint: impl Fn(Tone, &str) -> String) -> Vec<String> {
    let path = harmless(&file.path.display().to_string());
    let (head, body) = match standing {
        Standing::Changed { before } => {
            (format!("{} {path} changed since it was trusted:", file.what), changes(before, &file.content, &paint))
        }
        Standing::New | Standing::Own | Standing::Trusted => {
            (format!("{} {path}:", file.what), numbered(&file.content))
        }
    };
    let mut lines = vec![paint(Tone::Bold, &head)];
    lines.extend(body);
    if !file.does.is_empty() {
        lines.push(paint(Tone::Bold, "It would:"));
        lines.extend(file.does.iter().map(|line| format!("  {}", exact(line.as_bytes()))));
    }
    lines.push(String::new());
    lines
}

fn numbered(content: &[u8]) -> Vec<String> {
    lines_of(content).iter().enumerate().map(|(at, line)| format!("{:>5} | {}", at + 1, exact(line))).collect()
}

fn changes(before: &[u8], after: &[u8], paint: &impl Fn(Tone, &str) -> String) -> Vec<String> {
    let exact = |content| lines_of(content).into_iter().map(exact).collect::<Vec<String>>();
    let (before, after) = (exact(before), exact(after));
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.iter().map(String::as_str).collect(), after.iter().map(String::as_str).collect());
    let diff = TextDiff::configure().timeout(DIFF_TIME).diff_slices(&before, &after);
    let mut lines = Vec::new();
    for (at, group) in diff.grouped_ops(CONTEXT_LINES).iter().enumerate() {
        if at > 0 {
            lines.push("      ...".to_owned());
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (sign, tone, number) = match change.tag() {
                ChangeTag::Equal => (' ', Tone::Plain, change.new_index()),
                ChangeTag::Delete => ('-', Tone::Bad, change.old_index()),
                ChangeTag::Insert => ('+', Tone::Good, change.new_index()),
            };
            let number = number.map_or(0, |at| at + 1);
            lines.push(paint(tone, &format!("{number:>5} {sign} {}", change.value())));
        }
    }
    if lines.is_empty() {
        lines.push("      only how its lines end".to_owned());
    }
    lines
}

/// Lines without their ends; a return that does not belong to the end of a line stays in it and is shown.
fn lines_of(content: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = content.split(|byte| *byte == b'\n').collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    lines.into_iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect()
}

/// Text in which every character can be seen: what a terminal obeys, what has no width and what turns the direction of writing
/// is written as its number, and so are bytes that are no text.
pub fn exact(line: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for chunk in line.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\t' => out.push(c),
                c if c.is_control() || is_invisible(c) => out.extend(c.escape_unicode()),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Characters without a glyph. Source: Unicode 16, `Default_Ignorable_Code_Point`, and the separators of lines and paragraphs.
fn is_invisible(c: char) -> bool {
    matches!(u32::from(c),
        0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f | 0x2028..=0x202e
        | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0x1bca0..=0x1bca3
        | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

/// What a workflow would do to the outside, its children included, a line each.
pub fn doings(definition: &Definition) -> Vec<String> {
    let mut lines = Vec::new();
    of_definition(definition, &mut lines);
    let mut seen = BTreeSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    lines
}

fn of_definition(definition: &Definition, lines: &mut Vec<String>) {
    lines.extend(beyond(&definition.sandbox));
    for task in definition.doings() {
        of_task(task, lines);
        lines.extend(task.sandbox.as_deref().map(beyond).unwrap_or_default());
    }
    lines.extend(definition.merge.gates.iter().map(|gate| format!("run before a merge: {gate}")));
    lines.extend(definition.pass_env.iter().map(|name| format!("read ${name} of your environment")));
    for (name, provider) in &definition.models.providers {
        let place = match (&provider.script, &provider.base_url) {
            (Some(script), _) => format!("take what models say from {script}"),
            (None, Some(url)) => format!("send code to the provider {name} at {url}"),
            (None, None) => format!("send code to the provider {name}"),
        };
        let key = provider.key_env.as_ref().map(|key| format!(", with the key {key}")).unwrap_or_default();
        lines.push(format!("{place}{key}"));
    }
    definition.children.values().for_each(|child| of_definition(child, lines));
}

/// What commands would reach beyond what every command reaches. To trust the file does not allow it; the flag does.
fn beyond(asked: &SandboxSpec) -> Vec<String> {
    let excess = Allowance::default().excess("", asked);
    excess.into_iter().map(|it| format!("ask for {} (only if you say {})", it.what, it.flag)).collect()
}

fn of_task(task: &TaskSpec, lines: &mut Vec<String>) {
    let repair = task.on_failure.as_ref().map(|branch| &branch.action);
    for action in [Some(&task.action), repair].into_iter().flatten() {
        match action {
            Action::Run(command) => lines.push(format!("run: {command}")),
            Action::Http(http) => lines.push(format!("send {} {}", http.method, http.url)),
            Action::Agent(agent) => {
                let of =
                    if agent.tools.is_empty() { String::new() } else { format!(" with {}", agent.tools.join(", ")) };
                lines.push(format!("let an agent work: {}{of}", agent.role));
            }
            Action::Land(LandSpec { back: Some(task), .. }) => {
                lines.push(format!("move the branch back that {task} has moved"));
            }
            Action::Land(land) if land.into.is_empty() => lines.push("merge into your branch".to_owned()),
            Action::Land(land) => lines.push(format!("merge into branch {}", land.into)),
            Action::External(external) => lines.push(format!("hand out work: {}", external.queue)),
            Action::Approval(_) | Action::Wait(_) | Action::Workflow(_) => {}
        }
    }
    let more = task.probe.iter().chain(&task.validate).chain(&task.undo);
    lines.extend(more.map(|command| format!("run: {command}")));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(_: Tone, text: &str) -> String {
        text.to_owned()
    }

    fn brought(content: &str) -> Brought {
        Brought {
            what: "workflow",
            path: "w\x1b[2J.yaml".into(),
            content: content.into(),
            does: vec!["run: a\x07".into()],
        }
    }

    #[test]
    fn everything_can_be_seen_and_nothing_is_obeyed() {
        let text = "a\x1b[31m\r\n# x\rrun: evil\n\u{202e}b\u{200b}c\u{e0041}\t\u{ad}\u{2028}\u{9b}1A\n";
        let lines = file(&brought(text), &Standing::New, plain);
        let all = lines.join("\n");
        assert!(all.chars().all(|c| c == '\n' || c == '\t' || !c.is_control() && !is_invisible(c)), "{all}");
        assert_eq!(lines[1], "    1 | a\\u{1b}[31m");
        assert_eq!(lines[2], "    2 | # x\\u{d}run: evil", "a return inside a line hides nothing");
        assert_eq!(lines[3], "    3 | \\u{202e}b\\u{200b}c\\u{e0041}\t\\u{ad}\\u{2028}\\u{9b}1A");
        assert_eq!(exact(b"\xff\xfea"), "\\xff\\xfea");
    }

    #[test]
    fn a_change_is_shown_as_one() {
        let before: String = (1..=20).map(|n| format!("{n}\n")).collect();
        let after = before.replace("10\n", "ten\x1b\n");
        let lines = file(&brought(&after), &Standing::Changed { before: before.into_bytes() }, plain);
        assert_eq!(lines[4..6], ["   10 - 10".to_owned(), "   10 + ten\\u{1b}".to_owned()]);
        assert!(lines.len() < 14, "the rest is not: {lines:?}");
        let ends = Standing::Changed { before: b"a\r\n".to_vec() };
        assert_eq!(file(&brought("a\n"), &ends, plain)[1], "      only how its lines end");
    }

    #[test]
    fn what_a_workflow_does_is_told() {
        let text = "name: w\npass_env: [CI]\ntasks:\n  a: {run: make, validate: [test -f x], undo: rm x}\n  \
                    b: {http: {url: 'https://example.com/x', method: POST}}\n  c: {run: make}\n";
        let (definition, _) =
            crate::domain::workflow::read(text.as_bytes(), "w", &crate::domain::workflow::NoChildren).unwrap();
        let told = doings(&definition);
        let expected = [
            "run: make",
            "run: test -f x",
            "run: rm x",
            "send POST https://example.com/x",
            "read $CI of your environment",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_a_workflow_asks_of_the_sandbox_is_told() {
        let text = "name: w\nsandbox: {network: ['*.example.org'], limits: {memory: 1GiB}}\ntasks:\n  \
                    a: {run: make, sandbox: {git: write, writable: [/srv], readable: ['~/.ssh'], env: [AWS_PROFILE]}}\n  \
                    b: {run: make, sandbox: {network: [], caches: read}}\n  c: {run: make, sandbox: {caches: project}}\n";
        let (definition, _) =
            crate::domain::workflow::read(text.as_bytes(), "w", &crate::domain::workflow::NoChildren).unwrap();
        let expected = [
            "ask for network to *.example.org (only if you say --allow-net *.example.org)",
            "run: make",
            "ask for writing to the repository (only if you say --allow-git)",
            "ask for writing to /srv (only if you say --allow-write /srv)",
            "ask for reading ~/.ssh (only if you say --allow-read ~/.ssh)",
            "ask for the variable AWS_PROFILE (only if you say --allow-env AWS_PROFILE)",
            "ask for package caches of its own (only if you say --allow-caches)",
        ];
        assert_eq!(doings(&definition), expected);
    }
}
