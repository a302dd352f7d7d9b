//! What a person allows: the whole of it, with defaults that are safe. Whatever a workflow, a task or a role says stays within.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::limits;

use super::spec::{Hosts, SandboxLimits, SandboxSpec};

/// What enforces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The strongest that works here; if none does, no command runs.
    #[default]
    Auto,
    /// bubblewrap.
    Bwrap,
    /// Namespaces, Landlock and seccomp, by this binary alone.
    Native,
    /// A container of a Docker engine.
    Docker,
    /// A container of Podman.
    Podman,
    /// Nothing. Only a person can ask for it, and it is on record.
    None,
}

impl Backend {
    /// All of them, in the order in which people are told.
    pub const ALL: [Self; 6] = [Self::Auto, Self::Bwrap, Self::Native, Self::Docker, Self::Podman, Self::None];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Bwrap => "bwrap",
            Self::Native => "native",
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::None => "none",
        }
    }

    /// Whether commands see the files of an image instead of the host's.
    pub fn has_own_files(self) -> bool {
        match self {
            Self::Docker | Self::Podman => true,
            Self::Auto | Self::Bwrap | Self::Native | Self::None => false,
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|backend| backend.name() == name)
    }
}

/// What commands may do with the repository that a worktree belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GitAccess {
    /// Read it: log, diff, blame.
    #[default]
    Read,
    /// Change references and objects too; configuration and hooks stay as they are.
    Write,
}

/// What commands see of the caches of package managers in the person's home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Caches {
    /// Nothing.
    None,
    /// What is there; they cannot change it.
    #[default]
    Read,
    /// Caches of the project's own, empty at first, kept until the project is removed.
    Project,
}

/// Everything that commands of a project may reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// What enforces it.
    #[serde(default)]
    pub backend: Backend,
    /// The image that containers are made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Hosts.
    #[serde(default)]
    pub network: Hosts,
    /// The repository.
    #[serde(default)]
    pub git: GitAccess,
    /// Folders beside the workspace.
    #[serde(default)]
    pub writable: BTreeSet<String>,
    /// Paths that are otherwise hidden.
    #[serde(default)]
    pub readable: BTreeSet<String>,
    /// Variables beside the usual ones.
    #[serde(default)]
    pub env: BTreeSet<String>,
    /// Caches of package managers.
    #[serde(default)]
    pub caches: Caches,
    /// Bounds on what is used.
    #[serde(default)]
    pub limits: SandboxLimits,
    /// Time limit of a `run` step that has none of its own; `None`: no limit.
    #[serde(default)]
    pub task_timeout_ms: Option<u64>,
}

impl Default for Allowance {
    /// No network, nothing but the workspace, and bounds that a build does not notice and a runaway does.
    fn default() -> Self {
        const GIB: u64 = 1 << 30;
        Self {
            backend: Backend::Auto,
            image: None,
            network: Hosts::default(),
            git: GitAccess::Read,
            writable: BTreeSet::new(),
            readable: BTreeSet::new(),
            env: BTreeSet::new(),
            caches: Caches::Read,
            limits: SandboxLimits {
                memory_bytes: Some(8 * GIB),
                cpu_seconds: Some(3600),
                processes: Some(2048),
                open_files: Some(8192),
                file_bytes: Some(16 * GIB),
                scratch_bytes: Some(2 * GIB),
            },
            task_timeout_ms: Some(limits::RUN_STEP_MS),
        }
    }
}

/// Something asked for that the person has not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// Who asks: the workflow, or a task by name.
    pub who: String,
    /// What for, in words.
    pub what: String,
    /// The flag that allows it.
    pub flag: String,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} asks for {}", self.who, self.what)
    }
}

impl Allowance {
    /// This, widened or narrowed to what a person's configuration says.
    #[must_use]
    pub fn with(mut self, given: &SandboxSpec) -> Self {
        if let Some(network) = &given.network {
            self.network = network.clone();
        }
        self.git = given.git.unwrap_or(self.git);
        self.caches = given.caches.unwrap_or(self.caches);
        for (mine, theirs) in
            [(&mut self.writable, &given.writable), (&mut self.readable, &given.readable), (&mut self.env, &given.env)]
        {
            if let Some(theirs) = theirs {
                mine.clone_from(theirs);
            }
        }
        self.limits = given.limits.over(&self.limits);
        self
    }

    /// What `asked` wants beyond this. Bounds are no excess: the lower one is kept.
    pub fn excess(&self, who: &str, asked: &SandboxSpec) -> Vec<Excess> {
        let mut found = Vec::new();
        let mut add = |what: String, flag: String| found.push(Excess { who: who.to_owned(), what, flag });
        for host in asked.network.iter().flat_map(|hosts| hosts.beyond(&self.network)) {
            add(format!("network to {host}"), format!("--allow-net {host}"));
        }
        if asked.git.is_some_and(|git| git > self.git) {
            add("writing to the repository".to_owned(), "--allow-git".to_owned());
        }
        let beyond = |asked: &Option<BTreeSet<String>>, allowed: &BTreeSet<String>| -> Vec<String> {
            asked.iter().flatten().filter(|path| !allowed.contains(*path)).cloned().collect()
        };
        for path in beyond(&asked.writable, &self.writable) {
            add(format!("writing to {path}"), format!("--allow-write {path}"));
        }
        for path in beyond(&asked.readable, &self.readable) {
            add(format!("reading {path}"), format!("--allow-read {path}"));
        }
        for name in beyond(&asked.env, &self.env) {
            add(format!("the variable {name}"), format!("--allow-env {name}"));
        }
        if asked.caches.is_some_and(|caches| caches > self.caches) {
            add("package caches of its own".to_owned(), "--allow-caches".to_owned());
        }
        found
    }

    /// What is in force where `asked` is said: never more than this.
    #[must_use]
    pub fn narrowed(&self, asked: &SandboxSpec) -> Self {
        let within = |asked: &Option<BTreeSet<String>>, allowed: &BTreeSet<String>| match asked {
            Some(asked) => asked.intersection(allowed).cloned().collect(),
            None => allowed.clone(),
        };
        Self {
            backend: self.backend,
            image: self.image.clone(),
            network: asked.network.as_ref().map_or_else(|| self.network.clone(), |asked| asked.and(&self.network)),
            git: asked.git.map_or(self.git, |git| git.min(self.git)),
            writable: within(&asked.writable, &self.writable),
            readable: within(&asked.readable, &self.readable),
            env: within(&asked.env, &self.env),
            caches: asked.caches.map_or(self.caches, |caches| caches.min(self.caches)),
            limits: asked.limits.and(&self.limits),
            task_timeout_ms: self.task_timeout_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(patterns: &[&str]) -> Hosts {
        Hosts::of(patterns.iter().map(|pattern| (*pattern).to_owned()))
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn greedy() -> SandboxSpec {
        SandboxSpec {
            network: Some(hosts(&["a.org", "*"])),
            git: Some(GitAccess::Write),
            writable: Some(names(&["/srv"])),
            readable: Some(names(&["~/.ssh"])),
            env: Some(names(&["DISPLAY"])),
            caches: Some(Caches::Project),
            limits: SandboxLimits { memory_bytes: Some(u64::MAX), processes: Some(1), ..SandboxLimits::default() },
        }
    }

    #[test]
    fn nothing_goes_beyond_what_is_allowed() {
        let allowed = Allowance::default();
        let flags: Vec<String> = allowed.excess("x", &greedy()).into_iter().map(|excess| excess.flag).collect();
        let expected = [
            "--allow-net *",
            "--allow-net a.org",
            "--allow-git",
            "--allow-write /srv",
            "--allow-read ~/.ssh",
            "--allow-env DISPLAY",
            "--allow-caches",
        ];
        assert_eq!(flags, expected);
        let narrowed = allowed.narrowed(&greedy());
        assert_eq!(narrowed.limits.processes, Some(1), "a lower bound is taken over");
        assert_eq!(Allowance { limits: allowed.limits, ..narrowed }, allowed);
    }

    #[test]
    fn what_is_allowed_can_be_asked_for_and_a_role_still_narrows_it() {
        let allowed = Allowance::default().with(&greedy());
        assert_eq!(allowed.excess("x", &greedy()), []);
        let task = allowed.narrowed(&SandboxSpec { network: Some(hosts(&["a.org"])), ..SandboxSpec::default() });
        assert_eq!((task.network.clone(), task.git), (hosts(&["a.org"]), GitAccess::Write));
        let role =
            SandboxSpec { network: Some(Hosts::default()), git: Some(GitAccess::Read), ..SandboxSpec::default() };
        let role = task.narrowed(&role);
        assert!(role.network.is_none() && role.git == GitAccess::Read && role.writable == names(&["/srv"]));
    }
}
