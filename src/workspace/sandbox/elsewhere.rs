//! Systems without a sandbox: the same names, and every answer is no.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;

use super::super::command_line::Program;
use super::{Error, Missing, Place, Policy, Sandbox};
use crate::domain::sandbox::{Attestation, Backend};

/// No command is ever contained here.
#[derive(Debug)]
pub struct Line(Infallible);

/// How a contained command ended.
#[derive(Debug)]
pub struct Outcome {
    /// What it ran under.
    pub ran_under: Attestation,
    /// Its code, or the signal that ended it.
    pub end: Option<Result<i32, i32>>,
}

/// The hidden verb, which does nothing here.
pub mod stage {
    /// This is always an ordinary start.
    pub fn main() -> Option<std::process::ExitCode> {
        None
    }
}

impl Sandbox {
    /// None works here.
    pub async fn choose(wanted: Backend, place: &Place<'_>) -> Result<Self, Error> {
        Self::tried(wanted, place).await.map_err(|missing| Error::Unavailable(vec![missing]))
    }

    /// None works here.
    pub async fn tried(backend: Backend, _: &Place<'_>) -> Result<Self, Missing> {
        let why = "there is no sandbox for this system".to_owned();
        Err(Missing { backend, why, remedy: "run it on Linux, or without: --sandbox none".into() })
    }

    /// Never started here.
    pub async fn foreground(
        &self,
        policy: &Policy,
        program: &Program,
        dir: &Path,
        env: &[(OsString, OsString)],
    ) -> Result<Outcome, Error> {
        let (_, line) = self.prepare(policy, program, dir, env, None)?;
        line.finish().await
    }

    pub(super) async fn silent(&self, policy: &Policy, program: &Program) -> Result<Outcome, Error> {
        self.foreground(policy, program, Path::new("/"), &[]).await
    }

    pub(in super::super) fn prepare(
        &self,
        _: &Policy,
        _: &Program,
        _: &Path,
        _: &[(OsString, OsString)],
        _: Option<OwnedFd>,
    ) -> Result<(Command, Line), Error> {
        let why = "there is no sandbox for this system".to_owned();
        let remedy = "run it on Linux, or without: --sandbox none".into();
        Err(Error::Unavailable(vec![Missing { backend: self.backend, why, remedy }]))
    }
}

/// Engines that make containers, which are not asked here.
pub(super) mod container {
    use std::path::Path;

    use super::super::{Engines, Missing};
    use crate::domain::sandbox::Backend;

    /// None is asked.
    pub(in super::super) async fn answers(backend: Backend, _: &Engines) -> Result<String, Missing> {
        let why = "there is no sandbox for this system".to_owned();
        Err(Missing { backend, why, remedy: "run it on Linux, or without: --sandbox none".into() })
    }

    /// None was made.
    pub(in super::super) async fn reap(_: &Path, _: &str, _: impl Fn(&str) -> bool) -> Result<usize, String> {
        Ok(0)
    }
}

impl Policy {
    /// Nothing is shown or hidden here.
    pub fn hides(&self, _: &Path) -> bool {
        false
    }
}

impl Line {
    /// None makes containers.
    pub(in super::super) fn container_engine(&self) -> Option<&Path> {
        match self.0 {}
    }

    pub(in super::super) fn ask_to_stop(&self) {
        match self.0 {}
    }

    pub(in super::super) async fn finish(self) -> Result<Outcome, Error> {
        match self.0 {}
    }

    pub(in super::super) fn so_far(&mut self) -> Result<Outcome, Error> {
        match self.0 {}
    }

    pub(in super::super) fn block_until_gone(&mut self) {
        match self.0 {}
    }
}
