//! Rules within one task: its group is declared, its effect, probe and retries fit each other.

use super::Checker;
use crate::domain::workflow::codes::Code;
use crate::domain::workflow::near::{did_you_mean, listed};
use crate::domain::workflow::spec::{Action, EffectClass, InputType, LandSpec, WorkspaceKind};

impl Checker<'_> {
    /// Numbers that are inputs: declared, and whole.
    pub(super) fn numbers(&mut self) {
        for (name, span) in &self.decoded.numbers {
            let declared = self.decoded.definition.inputs.get(name);
            if declared.is_some_and(|input| input.kind == InputType::Integer) {
                continue;
            }
            let what = if declared.is_some() { "is not an integer" } else { "is not declared" };
            self.problems
                .error(Code::UndeclaredInput, *span, format!("the input `{name}` {what}"))
                .help(format!("Declare it: `inputs: {{{name}: {{type: integer, default: 4}}}}`."));
        }
    }

    pub(super) fn rules(&mut self) {
        for (ix, (_, task)) in self.tasks.clone().into_iter().enumerate() {
            let places = &self.decoded.places[ix];
            let of_task = || std::iter::once(task.as_ref()).chain(task.kinds.values().map(|kind| kind.as_ref()));
            let mut told = None;
            for one in of_task().filter(|_| self.decoded.definition.workspace != WorkspaceKind::Worktree) {
                let key = match &one.action {
                    _ if one.merge => Some((places.merge, "merge")),
                    Action::Agent(_) => Some((places.action, "agent")),
                    Action::Land(_) => Some((places.action, "land")),
                    Action::Run(_)
                    | Action::Approval(_)
                    | Action::Wait(_)
                    | Action::Http(_)
                    | Action::Workflow(_)
                    | Action::External(_) => None,
                };
                // Kinds have no places of their own: what holds for several is told once.
                if let Some((span, key)) = key.filter(|(_, key)| told.replace(*key) != Some(*key)) {
                    self.problems
                        .error(Code::Agent, span, format!("`{key}` needs a workflow whose tasks run in git worktrees"))
                        .help("Add `workspace: worktree` to the workflow.");
                }
            }
            if let Action::Land(LandSpec { back: Some(back), .. }) = &task.action {
                self.taken_back(ix, back);
            }
            if !task.secrets.is_empty() && !matches!(task.action, Action::Run(_) | Action::Http(_)) {
                let what = task.action.keyword();
                self.problems
                    .error(Code::Secrets, places.secrets, format!("a task with `{what}` is handed no secrets"))
                    .help("Name them in the task whose `run` or `http` needs them.");
            }
            let groups = &self.decoded.definition.limits.groups;
            for group in of_task().filter_map(|one| one.group.as_ref()).filter(|group| !groups.contains_key(*group)) {
                let known = || groups.keys().map(String::as_str);
                let help = did_you_mean(group, known()).unwrap_or_else(|| match groups.len() {
                    0 => format!("Declare it: `limits: {{groups: {{{group}: 1}}}}`."),
                    _ => format!("The declared groups are {}.", listed(known(), "and")),
                });
                self.problems
                    .error(Code::UnknownGroup, places.group, format!("the group `{group}` is not declared"))
                    .help(help);
            }
            match (task.effect, &task.probe) {
                (Some(EffectClass::Probed), None) => {
                    self.problems
                        .error(
                            Code::EffectProbe,
                            places.effect,
                            format!("task `{}` is `probed` but has no probe", task.name),
                        )
                        .help("Add `probe: <command that succeeds when it has happened>`, or choose another effect.");
                }
                (Some(effect), Some(_)) if effect != EffectClass::Probed => {
                    self.problems
                        .error(
                            Code::EffectProbe,
                            places.probe,
                            format!("a task with `effect: {}` has no use for a probe", effect.name()),
                        )
                        .note(places.effect, "the effect is set here")
                        .help("Remove `effect`: a task with a probe is `probed`.");
                }
                (None | Some(_), None | Some(_)) => {}
            }
            let retried = task.retry.as_ref().is_some_and(|retry| retry.for_running().max_attempts > 1);
            if task.effect == Some(EffectClass::Once) && retried {
                self.problems
                    .warning(
                        Code::OnceRetried,
                        places.retry,
                        format!("task `{}` is `effect: once` and is retried when it fails", task.name),
                    )
                    .help("Each failed attempt may have had its effect: set `max_attempts: 1`, or give it a `probe`.");
            }
        }
    }

    /// A landing that is taken back is one of an earlier phase, or one that the task needs.
    fn taken_back(&mut self, ix: usize, back: &str) {
        let (phase, task) = self.tasks[ix];
        let target = self.by_name.get(back).map(|at| self.tasks[*at as usize]);
        let (code, message, help) = match target {
            None => {
                let help = did_you_mean(back, self.by_name.keys().copied());
                let help = help.unwrap_or_else(|| "Name a task with `land`.".to_owned());
                (Code::UnknownTaskRead, format!("there is no task `{back}` whose landing could be taken back"), help)
            }
            Some((_, target)) if !matches!(&target.action, Action::Land(LandSpec { back: None, .. })) => {
                let help = "Name a task with `land`, such as `land: {into: main}`.".to_owned();
                (Code::InvalidValue, format!("task `{back}` lands nothing that could be taken back"), help)
            }
            Some((earlier, _)) if earlier < phase || task.needs.iter().any(|need| need == back) => return,
            Some(_) => {
                let message = format!("task `{}` takes `{back}` back, which may not be done by then", task.name);
                (Code::NotUpstream, message, format!("Add `{back}` to its `needs`."))
            }
        };
        self.problems.error(code, self.decoded.places[ix].action, message).help(help);
    }
}
