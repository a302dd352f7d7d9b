//! From the order of one command to what an engine is asked for. Pure, but for a look at which covers are still needed.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount,
    MountBindOptions, MountBindOptionsPropagationEnum, MountType, ResourcesUlimits, RestartPolicy,
    RestartPolicyNameEnum,
};

use super::super::order::Order;
use super::super::plan::{Entry, How, governing};
use super::super::policy::Limits;
use super::{Container, as_text};

/// Process 1 of a container, and the engine's own that enters it.
const OWN_PROCESSES: u64 = 8;
/// Room in a cover that nobody may write to.
const COVER: &str = "ro,noexec,nosuid,nodev,size=4k,mode=0555";

/// What the engine is asked for. An error says what cannot be done.
pub(in super::super) fn body(order: &Order, container: &Container) -> Result<ContainerCreateBody, String> {
    let mut env = Vec::new();
    for (name, value) in &order.env {
        env.push(format!("{}={}", as_text("the variable", name)?, as_text("a variable with the value", value)?));
    }
    let mut arguments = Vec::new();
    for argument in &order.arguments {
        arguments.push(as_text("the argument", argument)?);
    }
    Ok(ContainerCreateBody {
        image: Some(container.engine.image.clone()),
        // Whatever the image would run: this is what runs.
        entrypoint: Some(vec![as_text("the program", order.program.as_os_str())?]),
        cmd: Some(arguments),
        env: Some(env),
        working_dir: Some(as_text("the folder", order.dir.as_os_str())?),
        user: Some(container.engine.user.clone()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(false),
        open_stdin: Some(false),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        labels: Some(container.labels.iter().cloned().collect()),
        host_config: Some(host_config(order, container)?),
        ..ContainerCreateBody::default()
    })
}

fn host_config(order: &Order, container: &Container) -> Result<HostConfig, String> {
    let limits = &order.limits;
    let (mounts, tmpfs) = shown(order, container)?;
    let network = if order.private_network { "none" } else { "host" };
    Ok(HostConfig {
        mounts: Some(mounts),
        tmpfs: Some(tmpfs),
        network_mode: Some(network.to_owned()),
        readonly_rootfs: Some(true),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        privileged: Some(false),
        ipc_mode: Some("private".to_owned()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        userns_mode: container.engine.keeps_ids.then(|| "keep-id".to_owned()),
        init: Some(true),
        memory: limits.memory_bytes.map(signed),
        // All of it: no swap beside the memory.
        memory_swap: limits.memory_bytes.map(signed),
        pids_limit: limits.processes.map(|most| signed(most.saturating_add(OWN_PROCESSES))),
        ulimits: Some(ulimits(limits)),
        shm_size: limits.disk_bytes.map(signed),
        // What it says goes to whoever started it, and nowhere else.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
        auto_remove: Some(false),
        ..HostConfig::default()
    })
}

/// The bounds of each process.
pub(super) fn ulimits(limits: &Limits) -> Vec<ResourcesUlimits> {
    let all =
        [("core", Some(0)), ("cpu", limits.cpu_seconds), ("fsize", limits.file_bytes), ("nofile", limits.open_files)];
    let bound = |(name, most): (&str, Option<u64>)| {
        let most = signed(most?);
        Some(ResourcesUlimits { name: Some(name.to_owned()), soft: Some(most), hard: Some(most) })
    };
    all.into_iter().filter_map(bound).collect()
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The host's files that are shown, and what is private and empty. Everything else is the image's.
fn shown(order: &Order, container: &Container) -> Result<(Vec<Mount>, HashMap<String, String>), String> {
    let mut mounts = Vec::new();
    let mut tmpfs = HashMap::new();
    let size = order.limits.disk_bytes.map(|bytes| format!(",size={bytes}")).unwrap_or_default();
    let scratch = format!("rw,exec,nosuid,nodev{size},mode=1777");
    for entry in &order.plan {
        let target = as_text("the path", entry.path.as_os_str())?;
        match entry.how {
            How::Writable => mounts.push(bind(&target, &target, Access::Write)),
            How::ReadOnly => mounts.push(bind(&target, &target, Access::Read)),
            How::Scratch => drop(tmpfs.insert(target, scratch.clone())),
            // What hides the host's files has nothing to hide where none are shown.
            How::HiddenFolder if is_of_the_host(&order.plan, entry) => drop(tmpfs.insert(target, COVER.to_owned())),
            How::HiddenFile if is_of_the_host(&order.plan, entry) && entry.path.exists() => {
                mounts.push(bind("/dev/null", &target, Access::Read));
            }
            How::HiddenFolder | How::HiddenFile => {}
        }
    }
    // A volume would be a place to write without a bound.
    for volume in &container.engine.volumes {
        let is_shown = order.plan.iter().any(|entry| entry.path == *volume);
        if !is_shown && is_absolute(volume) {
            tmpfs.insert(as_text("the volume", volume.as_os_str())?, scratch.clone());
        }
    }
    Ok((mounts, tmpfs))
}

fn is_absolute(path: &Path) -> bool {
    path.is_absolute() && path.as_os_str() != OsStr::new("/")
}

/// Whether what lies around a path is shown of the host's.
fn is_of_the_host(plan: &[Entry], entry: &Entry) -> bool {
    let around = entry.path.parent().and_then(|parent| governing(plan, parent));
    matches!(around, Some(How::Writable | How::ReadOnly))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// A mount, and not a "bind": the engine would make a source that is missing.
fn bind(source: &str, target: &str, access: Access) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source.to_owned()),
        target: Some(target.to_owned()),
        read_only: Some(access == Access::Read),
        bind_options: Some(MountBindOptions {
            propagation: Some(MountBindOptionsPropagationEnum::RPRIVATE),
            ..MountBindOptions::default()
        }),
        ..Mount::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::order::{Bounded, Maker};
    use super::super::Engine;
    use super::*;

    fn order(container: &Container) -> Order {
        let entry = |path: &str, how| Entry { path: path.into(), how };
        Order {
            maker: Maker::Container(Box::new(container.clone())),
            program: "sh".into(),
            name: "sh".into(),
            arguments: vec!["-c".into(), "echo $X".into()],
            env: vec![("X".into(), "a=b".into())],
            dir: "/srv/work".into(),
            plan: vec![
                entry("/tmp", How::Scratch),
                entry("/root", How::HiddenFolder),
                entry("/srv/work", How::Writable),
                entry("/srv/work/.git", How::ReadOnly),
                entry("/srv/work/keys", How::HiddenFolder),
                entry("/srv/work/gone", How::HiddenFile),
            ],
            private_network: true,
            proxy: None,
            limits: Limits { memory_bytes: Some(1 << 30), disk_bytes: Some(7), ..Limits::default() },
            groups: Vec::new(),
            bounded: Bounded::default(),
        }
    }

    fn container() -> Container {
        let volumes = vec!["/data".into(), "/tmp".into(), "/".into()];
        let engine = Engine { user: "7:8".to_owned(), volumes, ..Engine::default() };
        Container { engine, name: "x".to_owned(), labels: Vec::new() }
    }

    #[test]
    fn only_what_the_policy_shows_is_mounted() {
        let container = container();
        let config = body(&order(&container), &container).unwrap().host_config.unwrap();
        let mounts: Vec<_> = config.mounts.unwrap().into_iter().map(|it| (it.target.unwrap(), it.read_only)).collect();
        let expected = [("/srv/work", Some(false)), ("/srv/work/.git", Some(true))];
        assert_eq!(mounts, expected.map(|(path, is_read)| (path.to_owned(), is_read)));
        let mut tmpfs: Vec<_> = config.tmpfs.unwrap().into_iter().collect();
        tmpfs.sort_unstable();
        let scratch = "rw,exec,nosuid,nodev,size=7,mode=1777";
        let expected = [("/data", scratch), ("/srv/work/keys", COVER), ("/tmp", scratch)];
        assert_eq!(tmpfs, expected.map(|(path, how)| (path.to_owned(), how.to_owned())));
    }

    #[test]
    fn the_command_is_the_persons_and_not_the_images() {
        let container = container();
        let asked = body(&order(&container), &container).unwrap();
        assert_eq!(asked.entrypoint.unwrap(), ["sh"]);
        assert_eq!(asked.cmd.unwrap(), ["-c", "echo $X"]);
        assert_eq!((asked.env.unwrap(), asked.user.unwrap()), (vec!["X=a=b".to_owned()], "7:8".to_owned()));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        use std::os::unix::ffi::OsStrExt as _;
        let container = container();
        let order = Order { arguments: vec![OsStr::from_bytes(b"\xff").into()], ..order(&container) };
        assert!(body(&order, &container).unwrap_err().contains("UTF-8"));
    }
}
