//! `make check` or `make test`, whichever the Makefile has.

use super::Folder;
use crate::workspace::checks::{Check, Kind, Parser};

/// In the order in which make itself looks for them.
const NAMES: &[&str] = &["GNUmakefile", "makefile", "Makefile"];

pub(super) fn is_here(folder: &Folder) -> bool {
    folder.has_any(NAMES)
}

pub(super) fn checks(folder: &Folder) -> Vec<Check> {
    let text = NAMES.iter().find_map(|name| folder.text(name)).unwrap_or_default();
    let target = ["check", "test"].into_iter().find(|target| text.lines().any(|line| defines(line, target)));
    target
        .map(|target| {
            let name = format!("make {target}");
            Check { parser: Parser::Any, ..Check::found(Kind::UnitTest, &name, name.clone()) }
        })
        .into_iter()
        .collect()
}

/// Whether `line` is a rule for `target`, and no assignment (`test := x`).
fn defines(line: &str, target: &str) -> bool {
    let Some((targets, rest)) = line.split_once(':') else { return false };
    !line.starts_with(['\t', '#', '.'])
        && !rest.trim_start_matches(':').starts_with('=')
        && targets.split_whitespace().any(|it| it == target)
}
