//! What an agent does now and what it waits for, in words, with the command that helps.

use crate::domain::call::CallKind;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::TaskIx;
use crate::domain::machine::TaskStatus;
use crate::domain::view::Doing;
use crate::domain::workflow::Action;

use super::state::Project;

impl Project {
    /// What a task that runs does now, where its records tell.
    pub(super) fn doing(&self, ix: TaskIx) -> Option<Doing> {
        let task = self.task(ix);
        if !matches!(task.status, TaskStatus::Running | TaskStatus::Validating) {
            return None;
        }
        let step = task.open_step()?;
        if self.is_merge_step(ix, step.ix) {
            return Some(Doing { what: "is merged".to_owned(), turn: None, since: task.since });
        }
        if step.ix.0 > 0 || !matches!(task.spec.action, Action::Agent(_)) {
            return None;
        }
        let turn = task.calls().iter().filter(|call| call.kind == CallKind::Model).count() as u32;
        let since = task.more.as_ref().and_then(|more| more.call_since).unwrap_or(task.since);
        let open = task.calls().last().filter(|call| call.is_open);
        let what = open.map_or_else(
            || "works".to_owned(),
            |call| match call.kind {
                CallKind::Model => format!("asks {}", call.label),
                CallKind::Compact => format!("asks {} for a summary", call.label),
                CallKind::Embed => format!("asks {} for vectors", call.label),
                CallKind::Tool => format!("runs tool {}", call.label),
                CallKind::Check => "runs its checks".to_owned(),
                CallKind::Commit => "commits".to_owned(),
                CallKind::Prompt | CallKind::Ask | CallKind::Artifact => "works".to_owned(),
            },
        );
        Some(Doing { what, turn: (turn > 0).then_some(turn), since })
    }

    /// What a running agent waits for: the same, as `why` puts it.
    pub(super) fn works_with(&self, ix: TaskIx) -> Option<String> {
        let task = self.task(ix);
        let doing = self.doing(ix)?;
        let call = task.calls().last().filter(|call| call.is_open)?;
        let turn = doing.turn.map(|turn| format!(" (turn {turn})")).unwrap_or_default();
        match call.kind {
            CallKind::Model => Some(format!("an answer of {}{turn}", call.label)),
            CallKind::Compact => Some(format!("a summary by {}{turn}", call.label)),
            CallKind::Embed => Some(format!("vectors by {}{turn}", call.label)),
            CallKind::Tool => Some(format!("its tool {}{turn}", call.label)),
            CallKind::Check => Some(format!("its checks{turn}")),
            CallKind::Commit => Some(format!("its commit{turn}")),
            CallKind::Prompt | CallKind::Ask | CallKind::Artifact => None,
        }
    }

    /// The failure of a provider that makes an agent wait in the middle of its conversation.
    pub(super) fn parked(&self, ix: TaskIx) -> Option<&Failure> {
        let task = self.task(ix);
        let in_the_middle = task.more.as_ref().is_some_and(|more| more.interrupted);
        (task.status == TaskStatus::Backoff && in_the_middle).then(|| task.failure()).flatten()
    }

    /// What a parked agent waits for.
    pub(super) fn parked_for(&self, ix: TaskIx) -> Option<String> {
        let failure = self.parked(ix)?;
        let class = failure.class;
        Some(match (class, self.task(ix).due()) {
            (_, Some(_)) => format!("a provider: {class}"),
            (FailureClass::Auth, None) => "a key that its provider takes".to_owned(),
            (FailureClass::Credits, None) => "money on the account with its provider".to_owned(),
            (FailureClass::ModelNotFound, None) => "a model that its provider has".to_owned(),
            (FailureClass::Budget, None) => "more budget, or a model with a known price".to_owned(),
            (_, None) => format!("someone to resume it; its provider failed: {class}"),
        })
    }

    /// The command that lets an agent go on that no timer wakes.
    pub(super) fn unpark(&self, ix: TaskIx) -> Option<String> {
        let failure = self.parked(ix).filter(|_| self.task(ix).due().is_none())?;
        let id = &self.id;
        Some(match failure.class {
            FailureClass::Auth => format!("set the key, then: wfctl resume {id}"),
            FailureClass::Credits => format!("put money on the account, then: wfctl resume {id}"),
            FailureClass::ModelNotFound => format!("wfctl fork {id} --at {} --model <provider/model>", self.seq),
            FailureClass::Budget => format!("wfctl resume --budget usd=<more> {id}"),
            _ => format!("wfctl resume {id}"),
        })
    }
}
