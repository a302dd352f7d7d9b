//! What tools answer: small, with stable field names and a schema of their own. Times are RFC 3339, money is in dollars.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::page;
use crate::domain::budget::{Amounts, Caps};
use crate::domain::time::{Millis, human_duration, parse_duration};
use crate::domain::view::{Summary, TaskView};
use crate::interfaces::api::{Fault, FaultKind};

/// One project.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Project {
    /// Its id.
    pub id: String,
    /// Its workflow's name.
    pub workflow: String,
    /// Its state: NEW, a phase (PLANNING, DESIGN, BUILD, TEST, REVIEW, DEPLOY, MONITOR), AWAITING_APPROVAL, PAUSED, CANCELLING,
    /// or one of the final ones DONE, FAILED, CANCELLED.
    pub status: String,
    /// When it was created.
    pub created: String,
    /// When its state last changed.
    pub changed: String,
    /// Its parent, for a child project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Why it is held or how it ended.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl From<&Summary> for Project {
    fn from(summary: &Summary) -> Self {
        Self {
            id: summary.id.to_string(),
            workflow: summary.workflow.clone(),
            status: summary.status.name().to_owned(),
            created: summary.created.to_rfc3339(),
            changed: summary.changed.to_rfc3339(),
            parent: summary.parent.as_ref().map(ToString::to_string),
            note: page::field(&summary.note),
        }
    }
}

/// One task.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// Its phase.
    pub phase: String,
    /// Its state.
    pub status: String,
    /// What it does: run, agent, approval, wait, http, workflow, external, land.
    pub action: String,
    /// The number of its last attempt; 0 before the first.
    pub attempt: u32,
    /// Names of what it needs, the first of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// When its present state began.
    pub since: String,
    /// When it goes on by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// What it does now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doing: Option<String>,
    /// The child project that it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub child: Option<String>,
    /// Its last failure, with its class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Its output when completed: JSON, or the beginning of its text when it is long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<serde_json::Value>,
}

/// Most needs of a task that are named.
const NEEDS: usize = 20;

impl From<TaskView> for Task {
    fn from(task: TaskView) -> Self {
        let text = |text: String| page::field(&text);
        Self {
            name: task.name,
            phase: task.phase.name().to_owned(),
            status: task.status.name().to_owned(),
            action: task.action,
            attempt: task.attempt,
            needs: task.needs.into_iter().take(NEEDS).collect(),
            since: task.since.to_rfc3339(),
            due: task.due.map(Millis::to_rfc3339),
            waits_for: task.waits_for.map(text),
            doing: task.doing.map(|doing| text(doing.what)),
            child: task.child.map(|id| id.to_string()),
            failure: task.failure.map(|failure| page::field(&failure.to_string())),
            output: task.output.map(page::value),
        }
    }
}

/// Limits of a project; what is absent is not limited.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Most steps and calls started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// Most model tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Most money in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<f64>,
    /// Most wall time, for example `90m` or `8h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall: Option<String>,
}

impl From<&Caps> for Budget {
    fn from(caps: &Caps) -> Self {
        let Caps { calls, tokens, usd_micros, wall_ms } = *caps;
        Self { calls, tokens, usd: usd_micros.map(dollars), wall: wall_ms.map(human_duration) }
    }
}

impl Budget {
    /// As caps of a project.
    pub fn caps(&self) -> Result<Caps, Fault> {
        let usd_micros = self.usd.map(|usd| match usd.is_finite() && (0.0..1e12).contains(&usd) {
            // In range by the check.
            true => Ok((usd * 1e6).round() as u64),
            false => Err(Fault::new(FaultKind::Invalid, format!("{usd} is no amount of dollars"))),
        });
        let wall_ms = self.wall.as_ref().map(|wall| {
            let wrong =
                || Fault::new(FaultKind::Invalid, format!("`{wall}` is no duration; write for example 90m or 8h"));
            parse_duration(wall).ok_or_else(wrong)
        });
        Ok(Caps {
            calls: self.calls,
            tokens: self.tokens,
            usd_micros: usd_micros.transpose()?,
            wall_ms: wall_ms.transpose()?,
        })
    }
}

/// Amounts used.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Used {
    /// Steps and calls started.
    pub calls: u64,
    /// Model tokens.
    pub tokens: u64,
    /// Money in US dollars.
    pub usd: f64,
}

impl From<Amounts> for Used {
    fn from(amounts: Amounts) -> Self {
        Self { calls: amounts.calls, tokens: amounts.tokens, usd: dollars(amounts.usd_micros) }
    }
}

/// Millionths of a dollar as dollars. Exact far beyond any budget.
pub fn dollars(usd_micros: u64) -> f64 {
    usd_micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_come_back_as_they_were_and_nonsense_is_refused() {
        let caps = Caps { calls: Some(3), tokens: None, usd_micros: Some(1_500_000), wall_ms: Some(5_400_000) };
        let budget = Budget::from(&caps);
        assert_eq!((budget.usd, budget.wall.as_deref()), (Some(1.5), Some("1h 30m")));
        let given = Budget { wall: Some("90m".to_owned()), ..budget };
        assert_eq!(given.caps().unwrap(), caps);
        assert!(Budget { usd: Some(f64::NAN), ..Budget::default() }.caps().is_err());
        assert!(Budget { usd: Some(-1.0), ..Budget::default() }.caps().is_err());
        assert!(Budget { wall: Some("soon".to_owned()), ..Budget::default() }.caps().is_err());
    }
}
