//! What commands may reach: flags over the configuration, pinned with the project. A workflow that asks for more is refused before
//! anything begins, with the flags that allow it.

use std::collections::BTreeSet;

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use crate::domain::project::Command;
use crate::domain::sandbox::{Allowance, Backend, Caches, Excess, GitAccess, Hosts, SandboxSpec};
use crate::domain::workflow::Definition;

/// `definition` with what the person allows its commands.
pub fn pinned(
    context: &Context,
    definition: Definition,
    flags: &args::Allow,
    contained: &args::Contained,
) -> Result<Definition, Error> {
    let mut allowed = context.app.layers().allowance();
    by(&mut allowed, contained.sandbox.as_deref(), contained.sandbox_image.as_deref());
    if allowed.backend.has_own_files() && allowed.image.is_none() {
        return Err(no_image(allowed.backend));
    }
    if let Some(more) = spec(flags)? {
        allowed = allowed.and_more(&more);
    }
    let excess = match allowed.backend {
        Backend::None => Vec::new(),
        _ => excess_of(&definition, &allowed),
    };
    match excess.is_empty() {
        true => Ok(Definition { allowed: Some(allowed.into()), ..definition }),
        false => Err(Error::BeyondAllowance { workflow: definition.name, excess }),
    }
}

/// What the flags add for a project that has started, as a command; `None`: there are none.
pub fn more(flags: &args::Allow) -> Result<Option<Command>, Error> {
    Ok(spec(flags)?.map(|more| Command::Allow { more }))
}

/// What the person allows one command by hand: the configuration and the flags.
pub fn by_hand(context: &Context, arguments: &args::Sandbox) -> Result<Allowance, Error> {
    let mut allowed = of_flags(context, &arguments.allow)?;
    by(&mut allowed, arguments.backend.as_deref(), arguments.image.as_deref());
    Ok(allowed)
}

/// What the configuration and the flags allow.
pub fn of_flags(context: &Context, flags: &args::Allow) -> Result<Allowance, Error> {
    let allowed = context.app.layers().allowance();
    Ok(match spec(flags)? {
        Some(more) => allowed.and_more(&more),
        None => allowed,
    })
}

/// Takes over what flags say of who contains commands.
fn by(allowed: &mut Allowance, backend: Option<&str>, image: Option<&str>) {
    allowed.backend = backend.and_then(Backend::named).unwrap_or(allowed.backend);
    if let Some(image) = image {
        allowed.image = Some(image.to_owned());
    }
}

fn no_image(backend: Backend) -> Error {
    Error::NoSandbox {
        why: format!(
            "commands are to run in containers ({}), and no image is named that these are made of",
            backend.name()
        ),
        remedies: vec![
            "name one that is on this machine: --sandbox-image IMAGE".to_owned(),
            "once for all, `image = \"...\"` under [sandbox] in your configuration".to_owned(),
        ],
    }
}

/// The flags as a request; `None`: there are none.
fn spec(flags: &args::Allow) -> Result<Option<SandboxSpec>, Error> {
    for host in &flags.allow_net {
        if let Some(problem) = Hosts::problem(host) {
            return Err(Error::Usage {
                message: format!("--allow-net {host:?} names no host"),
                hint: format!("Hosts are names or addresses, perhaps with a port: {problem}."),
            });
        }
    }
    let some = |given: &[String]| (!given.is_empty()).then(|| given.iter().cloned().collect::<BTreeSet<String>>());
    let spec = SandboxSpec {
        network: (!flags.allow_net.is_empty()).then(|| Hosts::of(flags.allow_net.iter().cloned())),
        git: flags.allow_git.then_some(GitAccess::Write),
        writable: some(&flags.allow_write),
        readable: some(&flags.allow_read),
        env: some(&flags.allow_env),
        caches: flags.allow_caches.then_some(Caches::Project),
        ..SandboxSpec::default()
    };
    Ok((!spec.is_empty()).then_some(spec))
}

/// Everything that a workflow, its tasks and its children ask for and that is not allowed; each thing once.
fn excess_of(definition: &Definition, allowed: &Allowance) -> Vec<Excess> {
    let mut found: Vec<Excess> = Vec::new();
    let mut add = |more: Vec<Excess>| {
        for excess in more {
            if !found.iter().any(|known| known.flag == excess.flag) {
                found.push(excess);
            }
        }
    };
    add(allowed.excess(&format!("workflow {}", definition.name), &definition.sandbox));
    for task in definition.doings() {
        if let Some(sandbox) = &task.sandbox {
            add(allowed.excess(&format!("task {}", task.name), sandbox));
        }
    }
    definition.children.values().for_each(|child| add(excess_of(child, allowed)));
    found
}
