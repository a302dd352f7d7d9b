//! Commands of agents and of checks: each a process group of the step, its whole output kept for the caller. Keys of providers are
//! taken out of what they inherit.

use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::super::memory::out_of_memory;
use super::super::runner::{Settings, off_the_loop, stopped};
use super::super::shell::step_environment;
use crate::agents::{secrets, tools};
use crate::domain::effect::{StepOrder, StepRequest, StopCause};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::limits;
use crate::domain::sandbox::{Allowance, Attestation};
use crate::engine::ports::StepControl;
use crate::workspace::process::{self, Command, End};
use crate::workspace::{checks, files};

/// Runs command lines in one folder.
pub(in crate::steps) struct Shell<'s> {
    settings: &'s Settings,
    order: &'s StepOrder,
    control: &'s StepControl,
    dir: &'s Path,
    /// Numbers the files that outputs go through.
    made: AtomicU32,
    /// What its commands may reach.
    allowed: Arc<Allowance>,
    /// How many commands run, of all shells of the step.
    running: Running,
    witness: Witness,
}

/// Remembers what commands ran under, and what they took together.
#[derive(Clone, Default)]
pub(in crate::steps) struct Witness(Arc<Mutex<Option<Arc<Attestation>>>>);

impl Witness {
    pub(in crate::steps) fn saw(&self, mut ran_under: Arc<Attestation>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = seen.as_ref().filter(|before| !before.took.is_nothing()) {
            let took = before.took.and(ran_under.took);
            Arc::make_mut(&mut ran_under).took = took;
        }
        *seen = Some(ran_under);
    }

    /// What the last command since this was asked ran under.
    pub(in crate::steps) fn take(&self) -> Option<Arc<Attestation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Counts the commands of a step that run: while there are some, a step that is stopped waits for their end.
#[derive(Clone, Default)]
pub(in crate::steps) struct Running(Arc<AtomicUsize>);

impl Running {
    pub(in crate::steps) fn any(&self) -> bool {
        self.0.load(Ordering::Acquire) > 0
    }

    fn one(&self) -> impl Drop + use<> {
        struct One(Arc<AtomicUsize>);
        impl Drop for One {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Release);
            }
        }
        self.0.fetch_add(1, Ordering::Release);
        One(self.0.clone())
    }
}

/// How a command ended.
struct Ran {
    code: Option<i32>,
    timed_out: bool,
    output: Vec<u8>,
    output_bytes: u64,
    duration_ms: u64,
}

impl<'s> Shell<'s> {
    pub(in crate::steps) fn new(
        settings: &'s Settings,
        order: &'s StepOrder,
        control: &'s StepControl,
        dir: &'s Path,
        allowed: Arc<Allowance>,
        running: Running,
        witness: Witness,
    ) -> Self {
        Self { settings, order, control, dir, made: AtomicU32::new(0), allowed, running, witness }
    }

    async fn run_line(&self, line: &str, timeout_ms: u64) -> Result<Ran, Failure> {
        let settings = self.settings;
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let log = settings.live_log(&self.order.project, self.order.task, self.order.attempt, self.order.step);
        let log = log.with_extension(format!("{number}.out"));
        let environment = environment(settings, self.order, &self.allowed);
        let contained = settings.containments.of(self.order, &self.allowed, self.dir, environment).await?;
        let command = Command {
            line: line.to_owned(),
            dir: self.dir.to_owned(),
            env: contained.environment,
            log: Some(log.clone()),
            log_bytes_max: limits::BLOB_BYTES,
            value_bytes_max: 0,
            grace: settings.grace,
            shutdown_grace: settings.shutdown_grace,
            key: self.order.key(),
            contained: contained.containment,
            masker: settings.masks.now(),
        };
        let mut control = self.control.clone();
        let stop = async {
            tokio::select! {
                cause = control.stopped() => cause,
                () = tokio::time::sleep(Duration::from_millis(timeout_ms)) => StopCause::Timeout,
            }
        };
        let began_ms = settings.clock.monotonic_ms();
        let alive = || self.control.alive(settings.clock.monotonic_ms());
        let running = self.running.one();
        let report = process::run(&command, Some(&settings.leftovers), stop, alive).await;
        drop(running);
        let output = off_the_loop(|| taken(&log));
        let duration_ms = settings.clock.monotonic_ms().saturating_sub(began_ms);
        let report = match report {
            Ok(report) => report,
            // It may not run without its sandbox, and that is nothing for a model to work around.
            Err(process::Error::Sandbox(error)) => {
                return Err(Failure::new(FailureClass::Sandbox, error.to_string()));
            }
            Err(error) => return Ok(refused(&error.to_string(), duration_ms)),
        };
        let out_of_memory = out_of_memory(&report.ran_under, &self.allowed.limits);
        self.witness.saw(Arc::new(report.ran_under));
        let (code, timed_out) = match report.end {
            End::Exited(code) => (Some(code), false),
            End::Signalled(_) | End::Flooded => (None, false),
            End::Stopped(StopCause::Timeout) => (None, true),
            End::Stopped(cause @ (StopCause::Idle | StopCause::Cancel | StopCause::Shutdown)) => {
                return Err(stopped(cause));
            }
            End::LogFailed(error) => {
                return Err(Failure::new(FailureClass::Internal, format!("an output cannot be written: {error}")));
            }
        };
        let output = output.map_err(|error| {
            Failure::new(FailureClass::Internal, format!("cannot read an output at {}: {error}", log.display()))
        })?;
        let output = match out_of_memory.filter(|_| code != Some(0)) {
            Some(cause) => [&output[..], format!("\n[wfctl: {cause}]\n").as_bytes()].concat(),
            None => output,
        };
        // It becomes part of reports, of a gate's excerpt too; what is no text is not shown to anybody.
        let output = match String::from_utf8(output) {
            Ok(text) => settings.models.redact(text).into_bytes(),
            Err(other) => other.into_bytes(),
        };
        Ok(Ran { code, timed_out, output_bytes: report.output.log_bytes, output, duration_ms })
    }
}

/// A command that could not be started says so like one that was not found by a shell.
fn refused(problem: &str, duration_ms: u64) -> Ran {
    const NOT_FOUND: i32 = 127;
    let output = problem.as_bytes().to_vec();
    Ran { code: Some(NOT_FOUND), timed_out: false, output_bytes: output.len() as u64, output, duration_ms }
}

fn taken(log: &Path) -> std::io::Result<Vec<u8>> {
    let output = match files::read_bounded(log, limits::BLOB_BYTES) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        output => output?,
    };
    files::remove_if_there(log)?;
    Ok(output)
}

/// What an agent's commands inherit: what every command does, without what pays for models or is a secret of the user's.
fn environment(settings: &Settings, order: &StepOrder, allowed: &Allowance) -> Vec<(OsString, OsString)> {
    let is_secret = withheld(settings, order);
    step_environment(settings, order, allowed, &[]).into_iter().filter(|(name, _)| !is_secret(name)).collect()
}

/// Tells the names of variables that pay for models or are a secret of the user's.
pub(super) fn withheld(settings: &Settings, order: &StepOrder) -> impl Fn(&OsString) -> bool + use<> {
    let mut keys = settings.models.key_names();
    if let StepRequest::Agent(agent) = &order.request {
        // Of the pinned definition: after a restart nobody may have asked a model yet.
        keys.extend(agent.models.models.providers.values().filter_map(|provider| provider.key_env.clone()));
    }
    move |name| {
        let text = name.to_string_lossy();
        secrets::withheld(&text) || keys.contains(&*text)
    }
}

#[async_trait]
impl tools::Commands for Shell<'_> {
    async fn run(&self, line: &str, timeout_ms: u64) -> Result<tools::Ran, Failure> {
        let Ran { code, timed_out, output, output_bytes, .. } = self.run_line(line, timeout_ms).await?;
        Ok(tools::Ran { code, timed_out, output, output_bytes })
    }
}

#[async_trait]
impl checks::Runner for Shell<'_> {
    async fn run(&self, line: &str) -> Result<checks::Ran, Failure> {
        let Ran { code, timed_out, output, duration_ms, .. } = self.run_line(line, limits::CHECK_TIMEOUT_MS).await?;
        Ok(checks::Ran { code, timed_out, output, duration_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::runner::testing::Rig;
    use super::*;
    use crate::domain::workflow::OutputFormat;

    #[test]
    fn commands_of_models_inherit_no_secrets() {
        let rig = Rig::new();
        let run = StepRequest::Run { command: String::new(), probe: None, output: OutputFormat::Auto };
        let mut order = rig.order(run);
        let given = ["OPENAI_API_KEY", "DB_PASSWORD", "AWS_PROFILE", "SSH_AUTH_SOCK", "GH_HOST", "CARGO_HOME"];
        order.env = given.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
        let inherited = environment(&rig.runner.settings, &order, &order.allowed);
        let has = |name: &str| inherited.iter().any(|(it, _)| it == name);
        assert!(has("KEPT") && has("CARGO_HOME") && has("PATH"), "{inherited:?}");
        assert_eq!(given.iter().filter(|name| has(name)).collect::<Vec<_>>(), [&"CARGO_HOME"]);
    }
}
