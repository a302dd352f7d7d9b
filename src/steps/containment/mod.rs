//! What keeps the commands of steps in their place: from what a person allowed to the paths, hosts and variables of one command.
//!
//! `places` says which paths are shown and hidden, `tools` knows where tool chains keep things, `environment` which variables
//! are inherited, `by_hand` is for a command without a project. How a policy is enforced is `workspace/sandbox/`. Fails closed:
//! no sandbox, no command.

mod by_hand;
mod environment;
mod places;
mod tools;

pub use by_hand::{ByHand, Uncontained};
pub(super) use environment::passed_on;
pub use places::Places;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::domain::effect::StepOrder;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::sandbox::{Allowance, Backend, Hosts};
use crate::domain::workflow::WorkspaceKind;
use crate::workspace::sandbox::proxy::{Allowed, Proxy};
use crate::workspace::sandbox::{self, Containment, Limits, Network, Place, Policy, Sandbox};

/// What a sandbox is made by, and the image that it is made of where there is one.
type Maker = (&'static str, Option<String>);

/// Sandboxes and proxies of one engine, each made when it is first needed.
pub struct Containments {
    places: Places,
    chosen: tokio::sync::Mutex<BTreeMap<Maker, Arc<Sandbox>>>,
    proxies: Mutex<Vec<(Hosts, Weak<Proxy>)>>,
}

/// How one command is contained, and what it inherits.
pub(super) struct Contained {
    /// For the process runner.
    pub containment: Containment,
    /// Its whole environment.
    pub environment: Vec<(OsString, OsString)>,
}

/// Where a command belongs, as far as its paths depend on it.
#[derive(Debug, Clone, Copy)]
struct Ground<'g> {
    /// The name of the folder with package caches of its own.
    owner: &'g str,
    kind: WorkspaceKind,
    base_dir: &'g Path,
}

impl<'g> Ground<'g> {
    fn of(order: &'g StepOrder) -> Self {
        let workspace = &order.workspace;
        Self { owner: order.project.as_str(), kind: workspace.kind, base_dir: Path::new(&*workspace.base_dir) }
    }
}

impl Containments {
    /// None is made yet.
    pub fn new(places: Places) -> Self {
        Self { places, chosen: tokio::sync::Mutex::default(), proxies: Mutex::default() }
    }

    /// How a command of `order` in `dir` is contained that would otherwise have `environment`. A failure is of class `sandbox`.
    pub(super) async fn of(
        &self,
        order: &StepOrder,
        allowed: &Allowance,
        dir: &Path,
        environment: Vec<(OsString, OsString)>,
    ) -> Result<Contained, Failure> {
        if allowed.backend == Backend::None {
            return Ok(Contained { containment: Containment::Open, environment });
        }
        let sandbox = self.sandbox(allowed).await.map_err(|error| failed(error.to_string()))?;
        let (policy, environment) = self.policy(Ground::of(order), allowed, dir, environment)?;
        Ok(Contained { containment: Containment::Sandbox { sandbox, policy: Arc::new(policy) }, environment })
    }

    /// What the command may reach, and its environment with the variables that lead it there.
    fn policy(
        &self,
        ground: Ground<'_>,
        allowed: &Allowance,
        dir: &Path,
        mut environment: Vec<(OsString, OsString)>,
    ) -> Result<(Policy, Vec<(OsString, OsString)>), Failure> {
        let view = self.places.view(ground, allowed, dir, &environment)?;
        let limits = allowed.limits;
        let policy = Policy {
            writable: view.writable,
            read_only: view.read_only,
            readable: view.readable,
            hidden: view.hidden,
            scratch: view.scratch,
            network: self.network(&allowed.network)?,
            limits: Limits {
                memory_bytes: limits.memory_bytes,
                cpu_seconds: limits.cpu_seconds,
                processes: limits.processes,
                open_files: limits.open_files,
                file_bytes: limits.file_bytes,
                disk_bytes: limits.scratch_bytes,
            },
        };
        for (name, value) in view.variables {
            environment.retain(|(known, _)| *known != name);
            environment.push((name, value));
        }
        Ok((policy, environment))
    }

    /// The backend that the person wants, tried once. One that does not work is tried again the next time: somebody may have installed it.
    async fn sandbox(&self, allowed: &Allowance) -> Result<Arc<Sandbox>, sandbox::Error> {
        let image = allowed.image.clone().filter(|_| allowed.backend.has_own_files());
        let wanted = (allowed.backend.name(), image);
        let mut chosen = self.chosen.lock().await;
        if let Some(sandbox) = chosen.get(&wanted) {
            return Ok(sandbox.clone());
        }
        let place = Place {
            stage: &self.places.stage,
            path: self.places.path.as_deref(),
            untrusted: &self.places.untrusted(),
            engines: &self.places.engines,
            image: wanted.1.as_deref(),
        };
        let sandbox = Sandbox::choose(allowed.backend, &place).await?;
        let sandbox = Arc::new(sandbox);
        tracing::info!(backend = sandbox.backend().name(), under = %sandbox.found(), "commands run in a sandbox");
        chosen.insert(wanted, sandbox.clone());
        Ok(sandbox)
    }

    fn network(&self, hosts: &Hosts) -> Result<Network, Failure> {
        if hosts.is_none() {
            return Ok(Network::None);
        }
        if hosts.is_all() {
            return Ok(Network::Host);
        }
        let mut proxies = self.proxies.lock().unwrap_or_else(PoisonError::into_inner);
        proxies.retain(|(_, proxy)| proxy.strong_count() > 0);
        if let Some(proxy) = proxies.iter().find(|(of, _)| of == hosts).and_then(|(_, proxy)| proxy.upgrade()) {
            return Ok(Network::Hosts(proxy));
        }
        let allowed = Allowed::parse(hosts.patterns()).map_err(|error| failed(error.to_string()))?;
        let proxy = Proxy::start(&self.places.sockets, allowed).map_err(|error| {
            failed(format!("the proxy cannot listen in {}: {error}", self.places.sockets.display()))
        })?;
        proxies.push((hosts.clone(), Arc::downgrade(&proxy)));
        Ok(Network::Hosts(proxy))
    }
}

pub(super) fn failed(message: String) -> Failure {
    Failure::new(FailureClass::Sandbox, message)
}
