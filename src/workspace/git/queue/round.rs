//! One batch, from what is waiting to what the branch has.

use std::sync::Arc;

use super::super::Error;
use super::super::blocking::blocking;
use super::super::pool::Pools;
use super::gates::{Accepted, Gates};
use super::lane::{Lane, Ticket};
use super::request::{MergeFault, MergeRequest};
use super::store::Plan;
use crate::domain::failure::Failure;
use crate::domain::limits;

/// A batch at work. A member leaves it with its answer.
pub(super) struct Round<'l> {
    lane: &'l Arc<Lane>,
    pools: &'l Arc<Pools>,
    members: Vec<Option<Ticket>>,
}

impl<'l> Round<'l> {
    pub fn new(lane: &'l Arc<Lane>, pools: &'l Arc<Pools>, batch: Vec<Ticket>) -> Self {
        Self { lane, pools, members: batch.into_iter().map(Some).collect() }
    }

    /// Merges what can be merged and answers for it. Returns those whose answer depends on what this changed.
    pub async fn run(mut self) -> Vec<Ticket> {
        if let Err(failure) = self.try_to_run().await {
            for ticket in self.members.iter_mut().filter_map(Option::take) {
                // Whoever does not wait any more needs no answer.
                let _gone = ticket.answer.send(Err(MergeFault::Failed(failure.clone())));
            }
        }
        self.members.into_iter().flatten().filter(|ticket| !ticket.answer.is_closed()).collect()
    }

    async fn try_to_run(&mut self) -> Result<(), Failure> {
        for _ in 0..limits::MERGE_REBUILDS {
            let Some(request) = self.members.iter().flatten().next().map(|ticket| ticket.request.clone()) else {
                return Ok(());
            };
            let plan = self.plan(&request).await?;
            let Some(accepted) = self.accepted(&plan).await? else { return Ok(()) };
            if self.advance(request, plan, accepted).await? {
                return Ok(());
            }
        }
        let branch = super::super::branches::integration(&self.project());
        Err(Error::Moving(branch).into())
    }

    fn project(&self) -> crate::domain::ids::ProjectId {
        let ticket = self.members.iter().flatten().next();
        ticket.expect("a round without members ends before this").request.project.clone()
    }

    /// Plans for all members, and answers for those that need no move of the branch.
    async fn plan(&mut self, request: &MergeRequest) -> Result<Plan, Failure> {
        let (lane, request) = (self.lane.clone(), request.clone());
        let members: Vec<usize> = (0..self.members.len()).filter(|at| self.members[*at].is_some()).collect();
        let requests: Vec<MergeRequest> = self.members.iter().flatten().map(|ticket| ticket.request.clone()).collect();
        let mut plan = blocking(move || lane.with_store(&request, |store| store.plan(&requests))).await?;
        for step in &mut plan.steps {
            step.member = members[step.member];
        }
        for (member, answer) in plan.answers.drain(..) {
            if let Some(ticket) = self.members[members[member]].take() {
                let _gone = ticket.answer.send(answer);
            }
        }
        Ok(plan)
    }

    /// What the gates let in; `None` when nobody waits for it any more.
    async fn accepted(&mut self, plan: &Plan) -> Result<Option<Accepted>, Failure> {
        let all = Accepted { count: plan.steps.len(), culprit: None, flaky: None };
        let Some(first) = plan.steps.first() else { return Ok(Some(all)) };
        let Some(ticket) = &self.members[first.member] else { return Ok(Some(all)) };
        if ticket.request.gates.is_empty() {
            return Ok(Some(all));
        }
        let (request, gate) = (ticket.request.clone(), ticket.gate.clone());
        let gates = Gates { pools: self.pools, request: &request, gate: &gate };
        let trees: Vec<String> = plan.steps.iter().map(|step| step.tree.to_string()).collect();
        let withdrawn = async {
            for ticket in self.members.iter_mut().flatten() {
                ticket.answer.closed().await;
            }
        };
        tokio::select! {
            accepted = gates.accepted(&trees) => accepted.map(Some),
            () = withdrawn => Ok(None),
        }
    }

    /// Moves the branch over what was accepted and answers for it and for the culprit. Says whether the round is over: if not,
    /// somebody else has moved the branch and all has to be planned anew.
    async fn advance(&mut self, request: MergeRequest, plan: Plan, accepted: Accepted) -> Result<bool, Failure> {
        let (lane, count) = (self.lane.clone(), accepted.count);
        let advance = move || lane.with_store(&request, |store| Ok((store.advance(&plan, count)?, plan)));
        let (Some(merged), plan) = blocking(advance).await? else { return Ok(false) };
        let mut flaky = accepted.flaky;
        for (step, mut merged) in plan.steps.iter().zip(merged) {
            merged.flaky = flaky.take().or(merged.flaky);
            if let Some(ticket) = self.members[step.member].take() {
                let _gone = ticket.answer.send(Ok(merged));
            }
        }
        if let (Some((gate, excerpt)), Some(step)) = (accepted.culprit, plan.steps.get(count))
            && let Some(ticket) = self.members[step.member].take()
        {
            let _gone = ticket.answer.send(Err(MergeFault::Red { gate, excerpt }));
        }
        Ok(true)
    }
}
