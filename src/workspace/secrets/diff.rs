//! Only what a change adds: the `+` lines of a unified diff.

use super::{Finding, scan_lines};
use crate::domain::limits;

/// The secrets that a unified diff (as git writes it) adds. Lines that were there before are not told.
pub fn scan_diff(diff: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut file = String::new();
    let mut added: Vec<(u32, &str)> = Vec::new();
    // Lines of the open hunk that are still to come, before and after the change. Inside it, `+++` is an added line.
    let (mut old_left, mut new_left, mut number) = (0_u32, 0_u32, 0_u32);
    for line in diff.lines() {
        if old_left == 0 && new_left == 0 {
            if let Some(name) = line.strip_prefix("+++ ") {
                findings.extend(scan_lines(&file, added.drain(..)));
                file = unquoted(name);
            } else if let Some((old, new)) = line.strip_prefix("@@ -").and_then(hunk) {
                (old_left, (number, new_left)) = (old, new);
            }
            continue;
        }
        match line.as_bytes().first() {
            Some(b'+') => {
                added.push((number, &line[1..]));
                number = number.saturating_add(1);
                new_left = new_left.saturating_sub(1);
            }
            Some(b'-') => old_left = old_left.saturating_sub(1),
            // "\ No newline at end of file"
            Some(b'\\') => {}
            // Some tools drop the blank of an empty context line.
            Some(_) | None => {
                number = number.saturating_add(1);
                (old_left, new_left) = (old_left.saturating_sub(1), new_left.saturating_sub(1));
            }
        }
    }
    findings.extend(scan_lines(&file, added.drain(..)));
    findings.truncate(limits::SECRET_FINDINGS);
    findings
}

/// `a,b +c,d @@ …`: lines before, and where and how many after.
fn hunk(rest: &str) -> Option<(u32, (u32, u32))> {
    let (old, rest) = rest.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let range = |text: &str| match text.split_once(',') {
        Some((start, count)) => Some((start.parse().ok()?, count.parse().ok()?)),
        None => Some((text.parse().ok()?, 1)),
    };
    let (_, old_count): (u32, u32) = range(old)?;
    Some((old_count, range(new)?))
}

/// The path of `b/path`; quotes and a tab after it, which git and diff write around strange names, go.
fn unquoted(name: &str) -> String {
    let name = name.split('\t').next().unwrap_or(name).trim_matches('"');
    name.strip_prefix("b/").unwrap_or(name).to_owned()
}
