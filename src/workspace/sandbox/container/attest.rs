//! What an engine says that it made, against what it was asked for: an engine on a kernel without a bound leaves that bound
//! out and warns, and a command must not run without it.

use bollard::models::{ContainerInspectResponse, HostConfig, ResourcesUlimits};

use super::super::order::Order;
use super::Container;
use super::create::{signed, ulimits};

/// Told when everything else is in force.
const LAST_LAYER: &str = "no new privileges";

/// The layers of a container, or what the engine cannot do.
pub(in super::super) fn attested(
    order: &Order,
    container: &Container,
    made: &ContainerInspectResponse,
) -> Result<Vec<String>, String> {
    let nothing = HostConfig::default();
    let config = made.host_config.as_ref().unwrap_or(&nothing);
    let limits = &order.limits;
    let mut layers = vec![format!("image {}", container.engine.image)];
    let mut needs = |holds: bool, what: &str, layer: &str| match holds {
        true => {
            layers.push(layer.to_owned());
            Ok(())
        }
        false => Err(format!("{what}: the engine did not take it over")),
    };
    let is_host = |mode: &Option<String>| mode.as_deref() == Some("host");
    if config.privileged == Some(true) || is_host(&config.pid_mode) || is_host(&config.ipc_mode) {
        return Err("keep the container apart from the host: the engine made one with the host's own rights".to_owned());
    }
    if order.private_network {
        needs(config.network_mode.as_deref() == Some("none"), "take the network away", "network none")?;
    }
    needs(config.readonly_rootfs == Some(true), "make the root read-only", "read-only root")?;
    needs(has_no_capabilities(config), "take all capabilities away", "no capabilities")?;
    if let Some(bytes) = limits.memory_bytes {
        needs(config.memory == Some(signed(bytes)), "bound the memory", "memory")?;
    }
    if limits.processes.is_some() {
        needs(config.pids_limit.is_some_and(|most| most > 0), "bound the number of processes", "pids")?;
    }
    let made_bounds = config.ulimits.as_deref().unwrap_or_default();
    let is_kept = |asked: &ResourcesUlimits| made_bounds.iter().any(|made| is_same(asked, made));
    needs(ulimits(limits).iter().all(is_kept), "bound what each process uses", "rlimits")?;
    if container.engine.filters_calls && !options(config).any(|option| option == "seccomp=unconfined") {
        needs(true, "filter system calls", "seccomp")?;
    }
    let is_tight = options(config).any(|option| matches!(option, "no-new-privileges" | "no-new-privileges:true"));
    needs(is_tight, "keep programs from gaining rights", LAST_LAYER)?;
    Ok(layers)
}

fn options(config: &HostConfig) -> impl Iterator<Item = &str> {
    config.security_opt.iter().flatten().map(String::as_str)
}

/// Podman says `ALL` one by one.
fn has_no_capabilities(config: &HostConfig) -> bool {
    /// Those that engines give unless they are told not to; Podman's list of them is the shorter one.
    const GIVEN: [&str; 6] = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "SETPCAP"];
    let dropped: Vec<&str> = config.cap_drop.iter().flatten().map(|name| name.trim_start_matches("CAP_")).collect();
    let all = dropped.contains(&"ALL") || GIVEN.iter().all(|name| dropped.contains(name));
    all && config.cap_add.as_ref().is_none_or(Vec::is_empty)
}

/// Podman says `RLIMIT_NOFILE`.
fn is_same(asked: &ResourcesUlimits, made: &ResourcesUlimits) -> bool {
    let name = |bound: &ResourcesUlimits| {
        let name = bound.name.as_deref().unwrap_or_default().to_ascii_lowercase();
        name.trim_start_matches("rlimit_").to_owned()
    };
    name(asked) == name(made) && asked.soft == made.soft && asked.hard == made.hard
}

#[cfg(test)]
mod tests {
    use super::super::super::order::{Bounded, Maker};
    use super::super::super::policy::Limits;
    use super::*;

    fn order() -> Order {
        Order {
            maker: Maker::Native,
            program: "sh".into(),
            name: "sh".into(),
            arguments: Vec::new(),
            env: Vec::new(),
            dir: "/".into(),
            plan: Vec::new(),
            private_network: true,
            proxy: None,
            limits: Limits { memory_bytes: Some(9), processes: Some(3), open_files: Some(4), ..Limits::default() },
            groups: Vec::new(),
            bounded: Bounded::default(),
        }
    }

    fn made(change: impl FnOnce(&mut HostConfig)) -> ContainerInspectResponse {
        let asked = super::super::create::body(&order(), &Container::default()).unwrap();
        let mut config = asked.host_config.unwrap();
        change(&mut config);
        ContainerInspectResponse { host_config: Some(config), ..ContainerInspectResponse::default() }
    }

    #[test]
    fn what_was_asked_for_and_made_is_told() {
        let layers = attested(&order(), &Container::default(), &made(|_| {})).unwrap();
        let expected =
            ["image ", "network none", "read-only root", "no capabilities", "memory", "pids", "rlimits", LAST_LAYER];
        assert_eq!(layers, expected);
    }

    #[test]
    fn what_an_engine_left_out_is_refused() {
        type Change = fn(&mut HostConfig);
        let left_out: [(Change, &str); 8] = [
            (|it| it.memory = Some(0), "memory"),
            (|it| it.pids_limit = None, "processes"),
            (|it| it.network_mode = Some("bridge".to_owned()), "network"),
            (|it| it.readonly_rootfs = None, "read-only"),
            (|it| it.cap_add = Some(vec!["SYS_ADMIN".to_owned()]), "capabilities"),
            (|it| it.ulimits = None, "each process"),
            (|it| it.security_opt = None, "gaining rights"),
            (|it| it.privileged = Some(true), "apart from the host"),
        ];
        for (change, word) in left_out {
            let refused = attested(&order(), &Container::default(), &made(change)).unwrap_err();
            assert!(refused.contains(word), "{refused}");
        }
    }

    #[test]
    fn the_words_of_podman_are_understood() {
        let made = made(|config| {
            let names = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"];
            config.cap_drop = Some(names.map(|name| format!("CAP_{name}")).into());
            for bound in config.ulimits.iter_mut().flatten() {
                bound.name = bound.name.as_ref().map(|name| format!("RLIMIT_{}", name.to_uppercase()));
            }
        });
        assert!(attested(&order(), &Container::default(), &made).is_ok());
    }
}
