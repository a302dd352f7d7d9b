//! Steps of kind `run`: a command in its workspace.
//!
//! Order of things: workspace made ready, probe when the step may have run already, command, output kept, checkpoint taken.

use std::ffi::OsString;
use std::sync::Arc;

use super::containment::passed_on;
use super::memory::out_of_memory;
use super::runner::{Done, Settings, off_the_loop, stopped};
use super::value;
use crate::domain::effect::{StepOrder, StepRequest, StopCause};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::limits;
use crate::domain::sandbox::{Allowance, SandboxLimits};
use crate::domain::workflow::OutputFormat;
use crate::engine::ports::StepControl;
use crate::secrets::Secret;
use crate::workspace::process::{self, Command, End, Report};
use crate::workspace::{Lease, command_line, excerpt, leftovers};

/// Shells and `env` report a program that cannot be executed, or is not there, with these.
const NOT_EXECUTABLE: i32 = 126;
const NOT_FOUND: i32 = 127;
/// An unattended git must neither ask for a password nor open an editor.
pub(super) const UNATTENDED: [(&str, &str); 2] = [("GIT_TERMINAL_PROMPT", "0"), ("GIT_EDITOR", "true")];
/// Shells report death by signal n as 128 + n; the highest signal of Linux is 64.
const SIGNAL_CODES: std::ops::RangeInclusive<i32> = 129..=192;

/// Where a command runs, and what it is handed there.
#[derive(Clone, Copy)]
struct Place<'p> {
    lease: &'p Lease,
    handed: &'p [(String, Secret)],
}

/// One step of kind `run`.
pub(super) struct ShellStep<'r> {
    pub settings: &'r Settings,
    pub order: &'r StepOrder,
}

impl ShellStep<'_> {
    pub async fn run(&self, control: StepControl) -> Done {
        let StepRequest::Run { command, probe, output } = &self.order.request else {
            return Failure::new(FailureClass::Internal, "this is not a command").into();
        };
        let handed = match self.settings.secrets.get(&self.order.secrets).await {
            Ok(handed) => handed,
            Err(failure) => return failure.into(),
        };
        let lease = match self.settings.workspaces.prepare(&self.order.project, &self.order.workspace).await {
            Ok(lease) => lease,
            Err(failure) => return failure.into(),
        };
        let place = Place { lease: &lease, handed: &handed };
        let mut done = match probe {
            Some(probe) if self.order.maybe_ran => match self.adopted(probe, *output, place, &control).await {
                Ok(Some(done)) => done,
                Ok(None) => self.executed(command, *output, place, &control).await,
                Err(failure) => failure.into(),
            },
            Some(_) | None => self.executed(command, *output, place, &control).await,
        };
        match self.settings.workspaces.finish(lease).await {
            Ok(tree) => done.tree = tree,
            // A step that failed by itself keeps its own reason.
            Err(failure) if done.result.is_ok() => done.result = Err(failure),
            Err(failure) => tracing::warn!(step = self.order.key(), %failure, "no checkpoint after a failed step"),
        }
        done
    }

    /// Asks the probe: exit 0 means that it happened, and its stdout is the result; any other code means that it did not.
    async fn adopted(
        &self,
        probe: &str,
        output: OutputFormat,
        place: Place<'_>,
        control: &StepControl,
    ) -> Result<Option<Done>, Failure> {
        let report = self.process(probe, place, control).await.map_err(Unstarted::failure)?;
        match report.end {
            End::Exited(0) => Ok(Some(self.kept(report, output))),
            // Not being able to ask is not a "no": the effect might be repeated.
            End::Exited(NOT_FOUND | NOT_EXECUTABLE) => {
                Err(Failure::new(FailureClass::NotFound, format!("the probe cannot be run: {}", said(&report))))
            }
            End::Exited(_) => Ok(None),
            End::Signalled(_) | End::Stopped(_) | End::Flooded | End::LogFailed(_) => {
                let failure = self.kept(report, output).result.err();
                Err(failure.unwrap_or_else(|| Failure::new(FailureClass::Internal, "the probe has no end")))
            }
        }
    }

    async fn executed(&self, command: &str, output: OutputFormat, place: Place<'_>, control: &StepControl) -> Done {
        match self.process(command, place, control).await {
            Ok(report) => self.kept(report, output),
            Err(error) => {
                let code = match &error {
                    Unstarted::Process(process::Error::CommandLine(command_line::Error::NotFound(_))) => {
                        Some(NOT_FOUND)
                    }
                    Unstarted::Process(process::Error::CommandLine(command_line::Error::NotExecutable(_))) => {
                        Some(NOT_EXECUTABLE)
                    }
                    Unstarted::Process(_) | Unstarted::Uncontained(_) => None,
                };
                Done { code, ..error.failure().into() }
            }
        }
    }

    async fn process(&self, line: &str, place: Place<'_>, control: &StepControl) -> Result<Report, Unstarted> {
        let settings = self.settings;
        let (order, mut stop) = (self.order, control.clone());
        let dir = place.lease.dir();
        let environment = step_environment(settings, order, &order.allowed, place.handed);
        let contained = settings.containments.of(order, &order.allowed, dir, environment).await?;
        let command = Command {
            line: line.to_owned(),
            dir: dir.to_owned(),
            env: contained.environment,
            log: Some(settings.live_log(&order.project, order.task, order.attempt, order.step)),
            log_bytes_max: limits::BLOB_BYTES,
            value_bytes_max: value::KEPT_BYTES,
            grace: settings.grace,
            shutdown_grace: settings.shutdown_grace,
            key: order.key(),
            contained: contained.containment,
            masker: settings.masks.now(),
        };
        let alive = || control.alive(settings.clock.monotonic_ms());
        Ok(process::run(&command, Some(&settings.leftovers), stop.stopped(), alive).await?)
    }

    /// Makes an outcome of a command's end; its log becomes a blob, its live file goes away.
    fn kept(&self, report: Report, format: OutputFormat) -> Done {
        let order = self.order;
        let path = self.settings.live_log(&order.project, order.task, order.attempt, order.step);
        let mut log = Ok(None);
        if report.output.log_bytes > 0 {
            log = off_the_loop(|| self.settings.sink.put_log(&path));
            if let Err(error) = crate::workspace::files::remove_if_there(&path) {
                tracing::warn!(step = order.key(), %error, "a live log stays behind");
            }
        }
        let code = match report.end {
            End::Exited(code) => Some(code),
            End::Signalled(_) | End::Stopped(_) | End::Flooded | End::LogFailed(_) => None,
        };
        let result = failure_of(&report, &order.allowed.limits)
            .map_or_else(|| value::of(&report.output.stdout, format).and_then(|value| self.settings.keep(&value)), Err);
        let ran_under = Some(Arc::new(report.ran_under));
        match log {
            Ok(log) => Done { result, log, code, tree: None, ran_under },
            Err(error) => {
                let failure = Failure::new(FailureClass::Internal, format!("cannot keep the log: {error}"));
                Done { result: result.and(Err(failure)), log: None, code, tree: None, ran_under }
            }
        }
    }
}

/// Why a command was not started.
enum Unstarted {
    /// What should keep it in its place cannot be had.
    Uncontained(Failure),
    Process(process::Error),
}

impl From<Failure> for Unstarted {
    fn from(failure: Failure) -> Self {
        Self::Uncontained(failure)
    }
}

impl From<process::Error> for Unstarted {
    fn from(error: process::Error) -> Self {
        Self::Process(error)
    }
}

impl Unstarted {
    fn failure(self) -> Failure {
        match self {
            Self::Uncontained(failure) => failure,
            Self::Process(error) => refused(error),
        }
    }
}

/// What of the engine's environment a command inherits (all but its own variables and those that open secrets when it is not
/// contained), then the step's, then the secrets that it is handed, then what every step is told; later ones win.
pub(super) fn step_environment(
    settings: &Settings,
    order: &StepOrder,
    allowed: &Allowance,
    handed: &[(String, Secret)],
) -> Vec<(OsString, OsString)> {
    let mut environment = passed_on(&settings.environment, allowed, &settings.secrets.withheld());
    let added = UNATTENDED.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let added = added.chain(order.env.iter().cloned());
    let added = added.chain(handed.iter().map(|(name, secret)| (name.clone(), secret.expose().to_owned())));
    let added = added.chain(told(settings, order).into_iter().map(|(name, value)| (name.to_owned(), value)));
    for (name, value) in added {
        environment.retain(|(known, _)| *known != *name);
        environment.push((name.into(), value.into()));
    }
    environment
}

/// What every process of a step is told about itself.
pub(super) fn told(settings: &Settings, order: &StepOrder) -> [(&'static str, String); 5] {
    [
        (leftovers::STEP_VARIABLE, order.key()),
        (leftovers::ENGINE_VARIABLE, settings.leftovers.engine_marker().to_owned()),
        ("WFCTL_PROJECT", order.project.to_string()),
        ("WFCTL_TASK", order.name.to_string()),
        ("WFCTL_ATTEMPT", order.attempt.to_string()),
    ]
}

/// Why a command that ended did not succeed.
fn failure_of(report: &Report, limits: &SandboxLimits) -> Option<Failure> {
    let fail = |class, what: String| {
        let said = said(report);
        let what = match out_of_memory(&report.ran_under, limits) {
            Some(cause) => format!("{cause}; {what}"),
            None => what,
        };
        Some(Failure::new(class, if said.is_empty() { what } else { format!("{what}: {said}") }))
    };
    match &report.end {
        End::Exited(0) => None,
        End::Exited(code @ (NOT_FOUND | NOT_EXECUTABLE)) => fail(FailureClass::NotFound, format!("exit code {code}")),
        End::Exited(code) if SIGNAL_CODES.contains(code) => {
            fail(FailureClass::Signal, format!("exit code {code} (signal {})", code - 128))
        }
        End::Exited(code) => fail(FailureClass::Exit, format!("exit code {code}")),
        End::Signalled(signal) => fail(FailureClass::Signal, format!("killed by signal {signal}")),
        End::Stopped(cause) => {
            let Failure { class, message, .. } = stopped(*cause);
            match cause {
                StopCause::Timeout | StopCause::Idle => fail(class, message),
                StopCause::Cancel | StopCause::Shutdown => Some(Failure::new(class, message)),
            }
        }
        End::Flooded => {
            let message = format!("killed: more than {} bytes of output", limits::BLOB_BYTES);
            Some(Failure::new(FailureClass::Oversized, message))
        }
        End::LogFailed(error) => {
            Some(Failure::new(FailureClass::Internal, format!("killed: its output cannot be written: {error}")))
        }
    }
}

/// What the command said last: on stderr, else on stdout.
fn said(report: &Report) -> String {
    let stderr = excerpt::last_line(&report.output.stderr_tail);
    if stderr.is_empty() { excerpt::last_line(&report.output.stdout_tail) } else { stderr }
}

/// The failure of a command that was not started.
fn refused(error: process::Error) -> Failure {
    use command_line::Error as Line;
    let class = match &error {
        process::Error::CommandLine(Line::Empty | Line::NullByte | Line::NotFound(_) | Line::NotExecutable(_)) => {
            FailureClass::NotFound
        }
        process::Error::CommandLine(Line::TooLong(_)) => FailureClass::Oversized,
        process::Error::Environment(_) => FailureClass::Malformed,
        process::Error::NoFolder(_) | process::Error::Repository(_) => FailureClass::Workspace,
        process::Error::Sandbox(_) => FailureClass::Sandbox,
        process::Error::Spawn { .. } | process::Error::Watch(_) => FailureClass::Internal,
    };
    Failure::new(class, error.to_string())
}

#[cfg(test)]
mod tests;
