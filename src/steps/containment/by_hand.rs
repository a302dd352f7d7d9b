//! A command that somebody tries by hand: what it reaches is what a `run` step reaches that works in the folder itself.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use super::{Containments, Ground, passed_on};
use crate::domain::sandbox::Allowance;
use crate::domain::workflow::WorkspaceKind;
use crate::workspace::sandbox::{self, Policy, Sandbox};

/// The folder of its package caches. No project has such an id.
const OWNER: &str = "_by_hand";

/// How it is contained, and what it inherits.
#[derive(Debug)]
pub struct ByHand {
    /// Who contains it.
    pub sandbox: Arc<Sandbox>,
    /// What it may reach.
    pub policy: Policy,
    /// Its whole environment.
    pub environment: Vec<(OsString, OsString)>,
}

/// Why it cannot be contained.
#[derive(Debug, thiserror::Error)]
pub enum Uncontained {
    /// No sandbox can be had.
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    /// What is allowed cannot be given.
    #[error("{0}")]
    Policy(String),
}

impl Containments {
    /// How a command in `dir` is contained; `environment` is the person's, of which `withheld` is not passed on.
    pub async fn by_hand(
        &self,
        allowed: &Allowance,
        dir: &Path,
        environment: &[(OsString, OsString)],
        withheld: &BTreeSet<String>,
    ) -> Result<ByHand, Uncontained> {
        let sandbox = self.sandbox(allowed).await?;
        let ground = Ground { owner: OWNER, kind: WorkspaceKind::Dir, base_dir: dir };
        let environment = passed_on(environment, allowed, withheld);
        let policy = self.policy(ground, allowed, dir, environment);
        let (policy, environment) = policy.map_err(|failure| Uncontained::Policy(failure.message))?;
        Ok(ByHand { sandbox, policy, environment })
    }
}
