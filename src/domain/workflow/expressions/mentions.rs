//! Which tasks a text reads, so that of 100,000 outputs only those are fetched.

use std::collections::BTreeSet;

use super::{is_template, scan};

/// The tasks that a text may read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mentions {
    /// Their names as written.
    pub tasks: BTreeSet<String>,
    /// The text reads `tasks` in a way that can mean any of them, such as `tasks[item]`.
    pub every_task: bool,
    /// The text reads `handoffs` or `open`.
    pub handoffs: bool,
}

impl Mentions {
    /// Adds what another text mentions.
    pub fn extend(&mut self, other: Self) {
        self.tasks.extend(other.tasks);
        self.every_task |= other.every_task;
        self.handoffs |= other.handoffs;
    }
}

/// The tasks that a template or a bare expression may read, and whether it reads what became of those that its task needs.
pub fn mentions(text: &str) -> Mentions {
    let mut found = Mentions::default();
    if !["tasks", "handoffs", "open"].iter().any(|root| text.contains(root)) {
        return found;
    }
    let blocks = if is_template(text) { scan::template(text) } else { vec![scan::expression(text)] };
    for read in blocks.iter().flat_map(scan::Block::reads) {
        match (read.root, read.path.first()) {
            ("tasks", Some((name, _))) => drop(found.tasks.insert((*name).to_owned())),
            ("tasks", None) => found.every_task = true,
            ("handoffs" | "open", _) => found.handoffs = true,
            _ => {}
        }
    }
    found
}
