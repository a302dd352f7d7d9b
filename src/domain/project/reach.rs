//! What commands of the project may reach: what the person allowed at the start and since, narrowed by what the workflow and the
//! task say.

use std::sync::Arc;

use crate::domain::event::Event;
use crate::domain::ids::TaskIx;
use crate::domain::limits;
use crate::domain::sandbox::{Allowance, SandboxSpec};
use crate::domain::workflow::Definition;

use super::input::{Refusal, RefusalKind};
use super::lifecycle::Taking;
use super::state::Project;

impl Taking<'_> {
    /// A person allows more. What is allowed already changes nothing.
    pub fn allow(&mut self, more: &SandboxSpec) -> Result<(), Refusal> {
        let allowed = self.project.allowed.and_more(more);
        if allowed == *self.project.allowed {
            return Ok(());
        }
        let allowed = serde_json::to_string(&allowed).expect("an allowance holds only texts and numbers");
        if allowed.len() > limits::ALLOWANCE_BYTES {
            let message = format!("more is allowed than the {} bytes that are kept", limits::ALLOWANCE_BYTES);
            return Err(Refusal::new(RefusalKind::Limit, message));
        }
        self.emit_as_asked(Event::AllowanceRaised { allowed });
        Ok(())
    }
}

impl Project {
    /// What its commands may reach at most.
    pub fn allowed(&self) -> &Arc<Allowance> {
        &self.allowed
    }

    pub(super) fn raise_allowance(&mut self, allowed: &str) -> Result<(), String> {
        self.allowed = Arc::new(serde_json::from_str(allowed).map_err(|error| error.to_string())?);
        self.core.allowed = Some(allowed.to_owned());
        Ok(())
    }

    /// What the commands of a task may reach.
    pub(super) fn reach_of(&self, ix: TaskIx) -> Arc<Allowance> {
        let (workflow, task) = (&self.definition.sandbox, self.task(ix).spec.sandbox.as_deref());
        match task {
            None if workflow.is_empty() => self.allowed.clone(),
            None => Arc::new(self.allowed.narrowed(workflow)),
            Some(task) => Arc::new(self.allowed.narrowed(&task.over(workflow))),
        }
    }
}

/// What was allowed when a project of `definition` was started.
pub(super) fn allowed_at_start(definition: &Definition) -> Arc<Allowance> {
    definition.allowed.clone().unwrap_or_default()
}

impl Allowance {
    /// This and what `more` names; nothing is taken away.
    #[must_use]
    pub fn and_more(&self, more: &SandboxSpec) -> Self {
        let mut all = self.clone();
        all.network.extend(&more.network.clone().unwrap_or_default());
        all.git = more.git.map_or(all.git, |git| git.max(all.git));
        all.caches = more.caches.map_or(all.caches, |caches| caches.max(all.caches));
        for (mine, theirs) in
            [(&mut all.writable, &more.writable), (&mut all.readable, &more.readable), (&mut all.env, &more.env)]
        {
            mine.extend(theirs.iter().flatten().cloned());
        }
        all.limits = more.limits.over(&all.limits);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sandbox::Hosts;

    #[test]
    fn more_takes_nothing_away() {
        let some = SandboxSpec { network: Some(Hosts::of(["a.b".to_owned()])), ..SandboxSpec::default() };
        let other = SandboxSpec { network: Some(Hosts::of(["c.d".to_owned()])), ..SandboxSpec::default() };
        let both = Allowance::default().and_more(&some).and_more(&other);
        assert_eq!(both.network, Hosts::of(["a.b".to_owned(), "c.d".to_owned()]));
        assert_eq!(both.and_more(&some), both);
    }
}
