//! `cost`: what the models of a project cost.

use std::cmp::Reverse;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Effect, Tool};
use crate::app::Need;
use crate::interfaces::api::{Row, Tally};
use crate::interfaces::mcp::desk::Room;
use crate::interfaces::mcp::page;
use crate::interfaces::mcp::refusal::Trouble;
use crate::interfaces::mcp::views::{Budget, Project, Used, dollars};

/// The arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// The project's id, or any unique beginning of it.
    pub project: String,
    /// Count its child projects too.
    #[serde(default)]
    pub children: bool,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Costs {
    /// The project.
    project: Project,
    /// How many child projects are counted too.
    children: usize,
    /// Everything together.
    total: Sum,
    /// By the role of the agent, the dearest first.
    roles: Vec<Line>,
    /// By model, the dearest first.
    models: Vec<Line>,
    /// By phase, in their order.
    phases: Vec<Line>,
    /// The dearest tasks.
    tasks: Vec<Line>,
    /// How many tasks are left out.
    more_tasks: usize,
    /// The project's own limits.
    budget: Budget,
    /// What it has used of them itself, steps included.
    spent: Used,
    /// What is held back for calls that have not ended.
    reserved: Used,
}

/// What the calls of one role, model, phase or task used.
#[derive(Debug, Serialize, JsonSchema)]
struct Line {
    /// Of what.
    name: String,
    /// How much.
    used: Sum,
    /// Half of its calls took no longer, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    median_ms: Option<u64>,
    /// Nineteen of twenty took no longer, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    p95_ms: Option<u64>,
}

/// What calls used.
#[derive(Debug, Serialize, JsonSchema)]
struct Sum {
    /// Model calls that ended.
    calls: u64,
    /// Of these, those that failed.
    failed: u64,
    /// Tokens of prompts, cached ones included.
    input_tokens: u64,
    /// Of these, read from a provider's cache.
    cached_tokens: u64,
    /// Tokens of replies, reasoning included.
    output_tokens: u64,
    /// Calls that were cut off: sent, and no answer came.
    uncertain: u64,
    /// Money in US dollars, what uncertain calls were charged included.
    usd: f64,
}

impl From<&Tally> for Sum {
    fn from(tally: &Tally) -> Self {
        Self {
            calls: tally.calls,
            failed: tally.failed,
            input_tokens: tally.input_tokens,
            cached_tokens: tally.cached_tokens,
            output_tokens: tally.output_tokens,
            uncertain: tally.uncertain,
            usd: dollars(tally.usd_micros),
        }
    }
}

fn lines(rows: &[Row]) -> (Vec<Line>, usize) {
    let line = |row: &Row| Line {
        name: page::field(&row.name),
        used: Sum::from(&row.used),
        median_ms: row.latency.map(|latency| latency.median_ms),
        p95_ms: row.latency.map(|latency| latency.p95_ms),
    };
    let (shown, _) = page::fill(rows.iter().map(line), page::items(None));
    let left = rows.len() - shown.len();
    (shown, left)
}

/// The dearest first.
fn dearest(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_key(|row| Reverse((row.used.usd_micros, row.used.input_tokens + row.used.output_tokens)));
    rows
}

impl Tool for Cost {
    const NAME: &'static str = "cost";
    const TITLE: &'static str = "What did it cost?";
    const ABOUT: &'static str = "Adds up what the models of a project cost: calls, tokens and money by role, model, phase and task, beside \
                                 its limits.";
    const EFFECT: Effect = Effect::Looks;
    const NEED: Need = Need::Read;
    type Answer = Costs;

    async fn run(self, room: Room) -> Result<Costs, Trouble> {
        let id = room.project(&self.project).await?.id;
        let cost = room.home.cost(&id, self.children).await?;
        let (tasks, more_tasks) = lines(&dearest(cost.tasks));
        Ok(Costs {
            project: Project::from(&cost.project),
            children: cost.children,
            total: Sum::from(&cost.total),
            roles: lines(&dearest(cost.roles)).0,
            models: lines(&dearest(cost.models)).0,
            phases: lines(&cost.phases).0,
            tasks,
            more_tasks,
            budget: Budget::from(&cost.caps),
            spent: cost.ledger.spent.into(),
            reserved: cost.ledger.reserved.into(),
        })
    }
}
