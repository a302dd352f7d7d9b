//! Rendering: from templates of the definition to texts that can run, with what the project knows at that moment.

use serde_json::json;

use crate::domain::effect::{AgentRequest, StepRequest};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::TaskIx;
use crate::domain::limits;
use crate::domain::machine::TaskStatus;
use crate::domain::secret;
use crate::domain::workflow::{
    Action, AgentSpec, Context, ExpressionError, HttpSpec, LandSpec, Mentions, TaskValue, is_template, mentions,
};

use super::lifecycle::Taking;
use super::state::Origin;

pub(super) fn unevaluated(what: &str, text: &str) -> impl FnOnce(ExpressionError) -> Failure {
    let shown: String = text.chars().take(120).collect();
    let what = what.to_owned();
    move |error| Failure::new(FailureClass::Expression, format!("{what} {shown:?} cannot be evaluated: {error}"))
}

/// Refuses a header that names a secret only because of the values in it: what comes from outside must not ask for one.
fn smuggled(handed: &[String], header: &str, template: &str, rendered: &str) -> Result<(), Failure> {
    let count = |text: &str| secret::mentions(text, handed).count();
    if count(rendered) <= count(template) {
        return Ok(());
    }
    let message = format!("the header {header} names a secret in a value that was put into it, not in the workflow");
    Err(Failure::new(FailureClass::Expression, message))
}

impl Taking<'_> {
    /// A template of a task.
    pub fn render(&self, ix: TaskIx, template: &str) -> Result<String, Failure> {
        if !is_template(template) {
            return Ok(template.to_owned());
        }
        let context = self.context(Some(ix), &[template])?;
        self.turn.expressions.render(template, &context).map_err(unevaluated("the template", template))
    }

    /// A template that belongs to no task: the question of a gate.
    pub fn render_for_project(&self, template: &str) -> Result<String, Failure> {
        if !is_template(template) {
            return Ok(template.to_owned());
        }
        let context = self.context(None, &[template])?;
        self.turn.expressions.render(template, &context).map_err(unevaluated("the template", template))
    }

    /// A JSON value whose texts are templates.
    pub fn render_value(&self, ix: TaskIx, value: &serde_json::Value) -> Result<serde_json::Value, Failure> {
        let text = value.to_string();
        if !is_template(&text) {
            return Ok(value.clone());
        }
        let context = self.context(Some(ix), &[&text])?;
        self.turn.expressions.render_json(value, &context).map_err(unevaluated("the value", &text))
    }

    /// Whether a condition holds.
    pub fn holds(&self, ix: TaskIx, condition: &str) -> Result<bool, Failure> {
        let context = self.context(Some(ix), &[condition])?;
        self.turn.expressions.truthy(condition, &context).map_err(unevaluated("the condition", condition))
    }

    /// The items of a `foreach`.
    pub fn items(&self, ix: TaskIx, source: &str) -> Result<Vec<serde_json::Value>, Failure> {
        let context = self.context(Some(ix), &[source])?;
        self.turn.expressions.items(source, &context).map_err(unevaluated("the foreach", source))
    }

    /// The request of step 0 of a task.
    pub fn action_request(&self, ix: TaskIx) -> Result<StepRequest, Failure> {
        let spec = &self.project.task(ix).spec;
        match &spec.action {
            Action::Run(command) => {
                let probe = spec.probe.as_ref().map(|probe| self.render(ix, probe)).transpose()?;
                Ok(StepRequest::Run { command: self.render(ix, command)?, probe, output: spec.output })
            }
            Action::Http(http) => {
                let mut headers = http.headers.clone();
                let handed = self.project.definition.secrets_of(spec);
                for (name, value) in &mut headers {
                    let rendered = self.render(ix, value)?;
                    smuggled(&handed, name, value, &rendered)?;
                    *value = rendered;
                }
                let body = http.body.as_ref().map(|body| self.render_value(ix, body)).transpose()?;
                let request = HttpSpec {
                    method: http.method.clone(),
                    url: self.render(ix, &http.url)?,
                    headers,
                    body,
                    expect: http.expect.clone(),
                };
                Ok(StepRequest::Http { request, output: spec.output })
            }
            Action::Agent(agent) => self.agent_request(ix, agent.clone()),
            Action::Land(LandSpec { back: Some(of), .. }) => {
                Ok(StepRequest::Land(Box::new(self.project.land_back_order(of, self.turn.vault)?)))
            }
            Action::Land(land) => {
                let into = self.render(ix, &land.into)?.trim().to_owned();
                Ok(StepRequest::Land(Box::new(self.project.land_order(ix, into, self.turn.now)?)))
            }
            Action::Approval(_) | Action::Wait(_) | Action::Workflow(_) | Action::External(_) => {
                Err(Failure::new(FailureClass::Internal, format!("a {} runs on no worker", spec.action.keyword())))
            }
        }
    }

    fn agent_request(&self, ix: TaskIx, spec: AgentSpec) -> Result<StepRequest, Failure> {
        let task = self.project.task(ix);
        let with: serde_json::Map<String, serde_json::Value> =
            task.spec.with.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        let with = serde_json::Value::Object(with);
        // Each value is rendered on its own, so that one that is a single expression keeps its type.
        let text = with.to_string();
        let with = if is_template(&text) {
            let context = self.context(Some(ix), &[&text])?;
            self.turn.expressions.render_json(&with, &context).map_err(unevaluated("with", &text))?
        } else {
            with
        };
        let with = self.with_failure(ix, with)?;
        Ok(StepRequest::Agent(Box::new(AgentRequest {
            spec,
            with,
            models: self.project.definition.clone(),
            previous: task.more.as_ref().map(|more| more.previous.clone()).unwrap_or_default(),
            merges: task.spec.merge,
            base: self.project.built_on(ix),
            resolves: self.project.resolves(ix, self.turn.vault),
            // Before the first record of its start is written, this is the moment that it will bear.
            time: task.first_started.unwrap_or(self.turn.now),
            priced: self.project.limits_money(ix),
        })))
    }

    /// Tells an agent that repairs a task how that failed, and the end of the log.
    fn with_failure(&self, ix: TaskIx, mut with: serde_json::Value) -> Result<serde_json::Value, Failure> {
        let Origin::Branch { of, .. } = self.project.task(ix).origin else { return Ok(with) };
        // Whoever resolves a conflict is given the conflict.
        if self.project.task(ix).more.as_ref().is_some_and(|more| more.merges_for) {
            return Ok(with);
        }
        let task = self.project.task(of);
        let (Some(failure), serde_json::Value::Object(fields)) = (task.failure(), &mut with) else { return Ok(with) };
        let log = task.steps().iter().rev().find_map(|step| step.outcome.as_ref()?.log.as_ref());
        let log = log.map(|log| self.turn.vault.read_blob(log)).transpose()?.unwrap_or_default();
        let end = &log[log.len().saturating_sub(limits::FEEDBACK_LOG_BYTES)..];
        fields.entry("failure").or_insert_with(|| {
            json!({
                "task": task.name,
                "class": failure.class.name(),
                "message": failure.message,
                "log": String::from_utf8_lossy(end),
            })
        });
        Ok(with)
    }

    /// What was wrong when the project went back, for templates.
    fn feedback(&self) -> Result<serde_json::Value, Failure> {
        let mut all = Vec::new();
        for said in &self.project.core.feedback {
            let log = match &said.log {
                Some(log) => self.turn.vault.read_blob(log)?,
                None => Vec::new(),
            };
            let end = &log[log.len().saturating_sub(limits::FEEDBACK_LOG_BYTES)..];
            all.push(json!({
                "phase": said.phase.name(),
                "task": said.task,
                "message": said.message,
                "log": String::from_utf8_lossy(end),
            }));
        }
        Ok(all.into())
    }

    /// The environment of a task's commands: the workflow's, then its own.
    pub fn environment(&self, ix: TaskIx) -> Result<Vec<(String, String)>, Failure> {
        let spec = self.project.task(ix).spec.clone();
        let definition = self.project.definition.clone();
        let mut all = std::collections::BTreeMap::new();
        for (name, template) in definition.env.iter().chain(&spec.env) {
            all.insert(name.clone(), self.render(ix, template)?);
        }
        Ok(all.into_iter().collect())
    }

    /// The values that `texts` can read. Of the tasks, only those they mention.
    pub(super) fn context(&self, ix: Option<TaskIx>, texts: &[&str]) -> Result<Context, Failure> {
        let project = &self.project;
        let env: serde_json::Map<_, _> =
            project.created.env.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let about = json!({
            "id": project.id.as_str(),
            "workflow": project.created.workflow,
            "phase": project.core.phase.map(|phase| phase.name()),
            "base_dir": project.created.base_dir,
            "base_commit": project.created.base_commit,
            "created": project.created_at.to_rfc3339(),
            "round": project.core.phase.map(|phase| project.core.rounds[phase as usize]),
            "came_from": project.core.came_from.map(|phase| phase.name()),
            "feedback": if texts.iter().any(|text| text.contains("feedback")) { self.feedback()? } else { json!([]) },
        });
        let mut context = Context::new(&project.inputs, &env.into(), &about);
        let mut wanted = Mentions::default();
        for text in texts {
            wanted.extend(mentions(text));
        }
        // Only where it is read: the `with` of a `foreach` speaks of an item, which the list of items does not know yet.
        let is_read = texts.iter().any(|text| text.contains("with"));
        let with = ix.map(|ix| &project.task(ix).spec.with).filter(|with| is_read && !with.is_empty());
        if let Some(with) = with {
            for value in with.values() {
                wanted.extend(mentions(&value.to_string()));
            }
        }
        self.add_tasks(&mut context, ix, &wanted)?;
        if let Some(ix) = ix {
            self.add_item(&mut context, ix)?;
            if wanted.handoffs {
                self.add_handoffs(&mut context, ix)?;
            }
        }
        if let Some(with) = with {
            let with =
                serde_json::Value::Object(with.iter().map(|(key, value)| (key.clone(), value.clone())).collect());
            let text = with.to_string();
            let rendered = self.turn.expressions.render_json(&with, &context).map_err(unevaluated("with", &text))?;
            context.set_with(&rendered);
        }
        Ok(context)
    }

    fn add_tasks(&self, context: &mut Context, ix: Option<TaskIx>, wanted: &Mentions) -> Result<(), Failure> {
        let named = wanted.tasks.iter().filter_map(|name| self.project.find(name));
        let needs = ix.filter(|_| wanted.every_task).map(|ix| self.project.task(ix).needs.to_vec()).unwrap_or_default();
        // A branch reads the task it repairs.
        let repaired = ix.and_then(|ix| match self.project.task(ix).origin {
            Origin::Branch { of, .. } => Some(of),
            Origin::Declared(_) | Origin::Added | Origin::Item { .. } | Origin::Undo { .. } => None,
        });
        for ix in named.chain(needs).chain(repaired) {
            context.set_task(&self.project.task(ix).name, &self.task_value(ix)?);
        }
        Ok(())
    }

    /// What others see of a task.
    pub(super) fn task_value(&self, ix: TaskIx) -> Result<TaskValue, Failure> {
        let task = self.project.task(ix);
        Ok(TaskValue {
            output: match task.status {
                TaskStatus::Completed => self.project.output_value(ix, self.turn.vault)?,
                _ => serde_json::Value::Null,
            },
            status: task.status.name().to_owned(),
            failure: match task.failure() {
                Some(failure) => json!({ "class": failure.class.name(), "message": failure.message }),
                None => serde_json::Value::Null,
            },
        })
    }

    fn add_item(&self, context: &mut Context, ix: TaskIx) -> Result<(), Failure> {
        let (mut at, task) = (ix, self.project.task(ix));
        let Some(item) = task.more.as_ref().and_then(|more| more.item.as_deref()) else { return Ok(()) };
        // A branch or an undo of an item sees that item.
        loop {
            match self.project.task(at).origin {
                Origin::Branch { of, .. } | Origin::Undo { of } => at = of,
                Origin::Item { index, .. } => {
                    let item = serde_json::from_str(item).map_err(|error| {
                        Failure::new(FailureClass::Internal, format!("a recorded item is not JSON: {error}"))
                    })?;
                    context.set_item(&item, index as usize);
                    return Ok(());
                }
                Origin::Declared(_) | Origin::Added => return Ok(()),
            }
        }
    }
}
