//! Each probe on each backend, and the canary.

use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use wfctl::workspace::sandbox::{Containment, Sandbox};

use crate::probes::{self, Bare};
use crate::rig;
use crate::world::World;

/// A world with a descriptor left open in whatever is started, and a program with the set-user-id bit.
struct Prepared {
    world: World,
    _open: std::fs::File,
}

impl Prepared {
    fn make() -> Self {
        let world = World::make();
        let open = std::fs::File::open(world.at("outside/file")).unwrap();
        assert!(open.as_raw_fd() > 2);
        rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
        if rig::is_root() {
            // Only root can give a program to somebody else.
            std::fs::create_dir(world.at("programs")).unwrap();
            let program = world.at("programs/id");
            std::fs::copy("/usr/bin/id", &program).unwrap();
            std::os::unix::fs::chown(&program, Some(65534), Some(65534)).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o6755)).unwrap();
        }
        Self { world, _open: open }
    }
}

/// What a container does not stop, and need not: its process 1 is its own and holds what the command holds anyway, and which
/// system calls are refused is up to the engine, whose filter is another than ours.
const WITHIN_A_CONTAINER: &[&str] = &[
    "signal_process_one",
    "read_environment_of_one",
    "descriptors_of_one",
    "read_memory_of_one",
    "trace",
    "io_uring",
    "foreign_numbers",
    "type_into_terminal",
    "kernel_events",
    "audit_socket",
    "virtual_machine_socket",
];

/// Runs a probe on every backend; it must not get through, and nothing may have changed.
fn is_stopped(name: &str) {
    let runtime = rig::runtime();
    let is_asked = |sandbox: &&Arc<Sandbox>| !(sandbox.has_own_files() && WITHIN_A_CONTAINER.contains(&name));
    for sandbox in rig::everybody().filter(is_asked) {
        let mut prepared = Prepared::make();
        let policy = prepared.world.policy();
        let stopped = runtime.block_on(rig::probed(&prepared.world, name, rig::by(sandbox, policy)));
        assert!(stopped.is_some(), "{name} got through under {:?}", sandbox.backend());
        assert!(prepared.world.is_untouched(), "{name} changed something under {:?}", sandbox.backend());
    }
}

macro_rules! stopped {
    ($($name:ident)*) => {
        const TESTED: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { is_stopped(stringify!($name)); })*
    };
}

stopped! {
    write_absolute
    write_dot_dot
    write_new_file
    write_through_symlink
    write_through_folder_link
    write_through_hard_link
    write_through_own_root
    write_through_root_of_one
    write_through_own_cwd
    write_through_open_descriptor
    write_through_program_of_one
    rename_outside
    remove_outside
    change_mode_outside
    truncate_outside
    write_hosts_file
    write_kernel_setting
    write_kernel_switch
    make_control_group
    read_key
    read_through_own_root
    read_through_link
    read_engines_home
    list_home
    write_into_hidden
    read_other_worktree
    write_repository
    write_git_file
    replace_git_file
    remove_git_file
    read_disk
    make_device
    open_by_handle
    read_temporary_file
    see_processes
    count_processes
    signal_outside
    signal_process_one
    read_environment_of_one
    descriptors_of_one
    read_memory_of_one
    trace
    read_memory
    write_memory
    take_descriptor
    engines_environment
    shared_memory_of_others
    mount
    uncover
    uncover_lazily
    make_writable_again
    new_mount_api
    copy_mounts
    change_mount_flags
    change_root
    new_user_namespace
    new_mount_namespace
    enter_namespace
    fork_into_namespace
    fork_with_hidden_flags
    io_uring
    bpf
    perf_events
    user_faults
    keyring
    add_key
    load_module
    load_kernel
    kernel_log
    host_name
    set_clock
    type_into_terminal
    controlling_terminal
    foreign_numbers
    capabilities
    set_user_id_program
    become_somebody_else
    tcp_to_host
    tcp_to_host_mapped
    tcp_out
    udp_out
    udp_to_host
    dns
    engines_socket
    unix_socket
    abstract_socket
    raw_socket
    packet_socket
    kernel_events
    audit_socket
    virtual_machine_socket
    crypto_socket
    interfaces
    fork_bomb
    memory_bomb
    fill_tmp
    fill_var_tmp
    fill_shared_memory
    fill_hidden_folder
    fill_devices
    big_file
    open_files
    core_dump
    raise_limits
}

#[test]
fn no_probe_is_left_out() {
    let names: Vec<&str> = probes::all().into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, TESTED);
    assert!(names.len() >= 40);
}

/// Without a sandbox the same probes get through: a suite that cannot fail would prove nothing.
#[test]
fn the_canary_gets_through_without_a_sandbox() {
    let runtime = rig::runtime();
    let mut stopped = Vec::new();
    for (name, bare, _) in probes::all() {
        let is_sure = match bare {
            Bare::Through => true,
            Bare::AsRoot => rig::is_root(),
            Bare::Unknown => false,
        };
        if !is_sure {
            continue;
        }
        let prepared = Prepared::make();
        if let Some(why) = runtime.block_on(rig::probed(&prepared.world, name, Containment::Open)) {
            stopped.push(format!("{name}: {why}"));
        }
    }
    assert!(stopped.is_empty(), "stopped without a sandbox: {stopped:?}");
}
