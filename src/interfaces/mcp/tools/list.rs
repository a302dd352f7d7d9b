//! `list`: which projects there are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Effect, Tool};
use crate::app::Need;
use crate::domain::ids::ProjectId;
use crate::domain::machine::ProjectStatus;
use crate::domain::time::Millis;
use crate::domain::view::Summary;
use crate::domain::workflow::did_you_mean;
use crate::interfaces::api::{Fault, FaultKind};
use crate::interfaces::mcp::desk::Room;
use crate::interfaces::mcp::page;
use crate::interfaces::mcp::refusal::Trouble;
use crate::interfaces::mcp::views::Project;

/// Most problems of stored projects that are told.
const DAMAGED: usize = 10;

/// The arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Only projects in this state, for example PAUSED; or `live` (not ended), `held` (waits for a person), `ended`.
    pub status: Option<String>,
    /// Only projects of this workflow.
    pub workflow: Option<String>,
    /// Also projects that are children of others.
    #[serde(default)]
    pub children: bool,
    /// Most projects in the answer: 1 to 500, 50 if absent.
    pub limit: Option<u16>,
    /// `next` of the answer before.
    pub cursor: Option<String>,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Listed {
    /// The projects, the newest first.
    projects: Vec<Project>,
    /// How many there are that fit, on all pages.
    total: usize,
    /// Pass it as `cursor` for more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Projects that cannot be read, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    damaged: Vec<String>,
}

impl Tool for List {
    const NAME: &'static str = "list";
    const TITLE: &'static str = "List projects";
    const ABOUT: &'static str = "Lists projects (runs of workflows) with their state, the newest first.";
    const EFFECT: Effect = Effect::Looks;
    const NEED: Need = Need::Read;
    type Answer = Listed;

    async fn run(self, room: Room) -> Result<Listed, Trouble> {
        let status = self.status.as_deref().map(Filter::read).transpose()?;
        let after = self.cursor.as_deref().map(place).transpose()?;
        let (mut projects, damaged) = room.home.find("").await?;
        projects.retain(|summary| {
            status.is_none_or(|status| status.takes(summary.status))
                && self.workflow.as_ref().is_none_or(|workflow| *workflow == summary.workflow)
                && (self.children || summary.parent.is_none())
        });
        projects.sort_by_key(order);
        let total = projects.len();
        let rest = projects.iter().filter(|summary| after.as_ref().is_none_or(|after| order(summary) > *after));
        let (shown, more) = page::fill(rest.map(Project::from), page::items(self.limit));
        let last = shown.last().and_then(|last| projects.iter().find(|summary| summary.id.as_str() == last.id));
        let next = last.filter(|_| more).map(|last| format!("{}.{}", last.created.0, last.id));
        let damaged = damaged.iter().take(DAMAGED).map(|problem| page::field(problem)).collect();
        Ok(Listed { projects: shown, total, next, damaged })
    }
}

/// The newest first, and always in the same order.
fn order(summary: &Summary) -> (std::cmp::Reverse<Millis>, ProjectId) {
    (std::cmp::Reverse(summary.created), summary.id.clone())
}

fn place(cursor: &str) -> Result<(std::cmp::Reverse<Millis>, ProjectId), Fault> {
    let read = || {
        let (created, id) = cursor.split_once('.')?;
        Some((std::cmp::Reverse(Millis(created.parse().ok()?)), ProjectId::new(id).ok()?))
    };
    let message = "`cursor` is not the `next` of an answer before";
    read().ok_or_else(|| Fault::new(FaultKind::Invalid, message))
}

/// Which states are wanted.
#[derive(Debug, Clone, Copy)]
enum Filter {
    Live,
    Held,
    Ended,
    Is(ProjectStatus),
}

impl Filter {
    fn read(text: &str) -> Result<Self, Fault> {
        match text {
            "live" => return Ok(Self::Live),
            "held" => return Ok(Self::Held),
            "ended" => return Ok(Self::Ended),
            _ => {}
        }
        let named = |status: &&ProjectStatus| status.name().eq_ignore_ascii_case(text);
        ProjectStatus::ALL.iter().find(named).copied().map(Self::Is).ok_or_else(|| {
            let names = || ProjectStatus::ALL.iter().map(|status| status.name()).chain(["live", "held", "ended"]);
            let near = did_you_mean(text, names())
                .unwrap_or_else(|| format!("it is one of {}", names().collect::<Vec<_>>().join(", ")));
            let message = format!("`{text}` is not a state of projects");
            Fault { causes: vec![near], ..Fault::new(FaultKind::Invalid, message) }
        })
    }

    fn takes(self, status: ProjectStatus) -> bool {
        match self {
            Self::Live => !status.is_terminal(),
            Self::Held => status.is_held(),
            Self::Ended => status.is_terminal(),
            Self::Is(wanted) => wanted == status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_back_and_others_refused() {
        let (created, id) = place("17.a.b-1").unwrap();
        assert_eq!((created.0, id.as_str()), (Millis(17), "a.b-1"));
        for bad in ["", "17", "x.a", "17.", "17.UPPER"] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn states_are_read_by_name_or_kind() {
        assert!(Filter::read("live").unwrap().takes(ProjectStatus::Paused));
        assert!(Filter::read("paused").unwrap().takes(ProjectStatus::Paused));
        assert!(!Filter::read("ended").unwrap().takes(ProjectStatus::Paused));
        assert_eq!(Filter::read("PAUSD").unwrap_err().causes, ["Did you mean `PAUSED`?"]);
    }
}
