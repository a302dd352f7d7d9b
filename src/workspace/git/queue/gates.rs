//! Running the gates on a tree, and finding the member of a batch that makes them red.

use std::sync::Arc;

use super::super::blocking::blocking;
use super::super::pool::{Pools, Worktree};
use super::request::{Flaky, Gate, GateReport, MergeRequest};
use crate::domain::effect::WorkspaceOrder;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::workflow::WorkspaceKind;

/// What the gates say of one tree.
#[derive(Debug)]
pub(super) enum Verdict {
    Green { flaky: Option<Flaky> },
    Red { gate: String, excerpt: String },
}

/// Runs the gates of one request's kind.
pub(super) struct Gates<'g> {
    pub pools: &'g Arc<Pools>,
    pub request: &'g MergeRequest,
    pub gate: &'g Arc<dyn Gate>,
}

/// How much of a batch may come in.
#[derive(Debug)]
pub(super) struct Accepted {
    /// So many members, from the first.
    pub count: usize,
    /// The member behind them, if it is what makes a gate red.
    pub culprit: Option<(String, String)>,
    /// A gate that did not say the same twice.
    pub flaky: Option<Flaky>,
}

impl Gates<'_> {
    /// The gates run once on the last of `trees`, which are those of the batch's members in order. When it is red, a binary
    /// search finds a member without which it is green and with which it is red.
    pub async fn accepted(&self, trees: &[String]) -> Result<Accepted, Failure> {
        let mut flaky = None;
        let (mut green, mut red) = (0, trees.len());
        let mut report = None;
        let mut next = trees.len();
        while next > green && (report.is_none() || next < red) {
            match self.verdict(&trees[next - 1]).await? {
                Verdict::Green { flaky: seen } => {
                    flaky = flaky.or(seen);
                    green = next;
                }
                Verdict::Red { gate, excerpt } => {
                    red = next;
                    report = Some((gate, excerpt));
                }
            }
            next = green + (red - green).div_ceil(2);
        }
        Ok(Accepted { count: green, culprit: report, flaky })
    }

    /// All gates on one tree. A red one is run again: what is red once and then green is accepted, and told.
    async fn verdict(&self, tree: &str) -> Result<Verdict, Failure> {
        let mut flaky = None;
        for gate in &self.request.gates {
            let first = self.check(gate, tree).await?;
            if first.passed {
                continue;
            }
            let second = self.check(gate, tree).await?;
            if !second.passed {
                return Ok(Verdict::Red { gate: gate.clone(), excerpt: second.excerpt });
            }
            tracing::warn!(gate, project = %self.request.project, "a gate was red and then green on the same files");
            flaky = flaky.or(Some(Flaky { gate: gate.clone(), excerpt: first.excerpt }));
        }
        Ok(Verdict::Green { flaky })
    }

    /// One gate in a worktree that has exactly the files of `tree`, whatever the one before left there.
    async fn check(&self, gate: &str, tree: &str) -> Result<GateReport, Failure> {
        let order = WorkspaceOrder {
            kind: WorkspaceKind::Worktree,
            base_dir: self.request.base_dir.to_string_lossy().into(),
            base_commit: Some(self.request.base_commit.as_str().into()),
            trees: vec![tree.to_owned()],
        };
        let (pools, project) = (self.pools.clone(), self.request.project.clone());
        let worktree = blocking(move || pools.lease(&project, &order)).await?;
        let (name, runner) = (gate.to_owned(), self.gate.clone());
        // A task of its own, so that its panic is only its own. It keeps the worktree until it is really over.
        let mut running = Running(tokio::spawn(async move { check_in(&worktree, &name, runner.as_ref()).await }));
        match (&mut running.0).await {
            Ok(report) => report,
            Err(error) => Err(Failure::new(FailureClass::Internal, format!("gate {gate:?} broke: {error}"))),
        }
    }
}

async fn check_in(worktree: &Worktree, gate: &str, runner: &dyn Gate) -> Result<GateReport, Failure> {
    runner.check(gate, worktree.dir()).await
}

/// A gate that is stopped when nobody waits for it any more.
struct Running(tokio::task::JoinHandle<Result<GateReport, Failure>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}
