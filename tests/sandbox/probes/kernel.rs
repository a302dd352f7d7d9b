//! System calls that lead out: mounts, namespaces, and parts of the kernel with a history.

use nix::libc;

use super::{Bare, Probe, Stopped, at, considered};

/// Refused before the kernel looks at the arguments; on a bare host these calls fail for what is wrong with them.
const REFUSED: &[i32] = &[libc::EPERM];

pub const ALL: &[(&str, Bare, Probe)] = &[
    ("mount", Bare::AsRoot, mount),
    ("uncover", Bare::Unknown, uncover),
    ("uncover_lazily", Bare::Unknown, || {
        asked(libc::SYS_umount2, [at_home().as_ptr() as i64, libc::MNT_DETACH.into(), 0, 0, 0])
    }),
    ("make_writable_again", Bare::Unknown, make_writable_again),
    ("new_mount_api", Bare::AsRoot, || asked(libc::SYS_fsopen, [c"tmpfs".as_ptr() as i64, 0, 0, 0, 0])),
    ("copy_mounts", Bare::AsRoot, || asked(libc::SYS_open_tree, [-100, c"/".as_ptr() as i64, 1, 0, 0])),
    ("change_mount_flags", Bare::AsRoot, || asked(libc::SYS_mount_setattr, [-1, 0, 0, 0, 0])),
    ("change_root", Bare::AsRoot, || asked(libc::SYS_chroot, [c"/tmp".as_ptr() as i64, 0, 0, 0, 0])),
    ("new_user_namespace", Bare::Through, || asked(libc::SYS_unshare, [libc::CLONE_NEWUSER.into(), 0, 0, 0, 0])),
    ("new_mount_namespace", Bare::AsRoot, || asked(libc::SYS_unshare, [libc::CLONE_NEWNS.into(), 0, 0, 0, 0])),
    ("enter_namespace", Bare::Through, || asked(libc::SYS_setns, [-1, 0, 0, 0, 0])),
    ("fork_into_namespace", Bare::Through, fork_into_namespace),
    ("fork_with_hidden_flags", Bare::Through, || considered(call(libc::SYS_clone3, [0; 5]), &[libc::ENOSYS])),
    ("io_uring", Bare::Unknown, || asked(libc::SYS_io_uring_setup, [1, 0, 0, 0, 0])),
    ("bpf", Bare::AsRoot, || asked(libc::SYS_bpf, [0, 0, 0, 0, 0])),
    ("perf_events", Bare::Unknown, || asked(libc::SYS_perf_event_open, [0, 0, -1, -1, 0])),
    ("user_faults", Bare::Unknown, || asked(libc::SYS_userfaultfd, [0x7fff_ffff, 0, 0, 0, 0])),
    ("keyring", Bare::Unknown, || asked(libc::SYS_keyctl, [0, -3, 0, 0, 0])),
    ("add_key", Bare::Unknown, || asked(libc::SYS_add_key, [0; 5])),
    ("load_module", Bare::AsRoot, || asked(libc::SYS_finit_module, [-1, 0, 0, 0, 0])),
    ("load_kernel", Bare::Unknown, || asked(libc::SYS_kexec_load, [0, 0, 0, 0, 0])),
    ("kernel_log", Bare::AsRoot, || asked(libc::SYS_syslog, [10, 0, 0, 0, 0])),
    ("host_name", Bare::Unknown, || asked(libc::SYS_sethostname, [c"x".as_ptr() as i64, 1, 0, 0, 0])),
    ("set_clock", Bare::AsRoot, || asked(libc::SYS_clock_settime, [99, 0, 0, 0, 0])),
    ("type_into_terminal", Bare::Through, || asked(libc::SYS_ioctl, [-1, libc::TIOCSTI as i64, 0, 0, 0])),
    ("controlling_terminal", Bare::Unknown, || Ok(std::fs::File::open("/dev/tty").map(drop)?)),
    ("foreign_numbers", Bare::Unknown, || asked(0x4000_0000 + 39, [0; 5])),
    ("capabilities", Bare::AsRoot, capabilities),
    ("set_user_id_program", Bare::AsRoot, set_user_id_program),
    ("become_somebody_else", Bare::AsRoot, || {
        asked(libc::SYS_setresuid, [12345, 12345, 12345, 0, 0]).and_then(|()| unmapped())
    }),
];

/// One raw system call.
#[expect(unsafe_code, reason = "a probe asks the kernel for what no safe interface offers")]
pub fn call(number: i64, [a, b, c, d, e]: [i64; 5]) -> i64 {
    // SAFETY: every pointer passed is null or names a constant that lives for the whole call.
    unsafe { libc::syscall(number, a, b, c, d, e) }
}

fn asked(number: i64, arguments: [i64; 5]) -> Result<(), Stopped> {
    considered(call(number, arguments), REFUSED)
}

fn at_home() -> &'static std::ffi::CStr {
    let path = std::ffi::CString::new(at("home").into_os_string().into_encoded_bytes()).expect("a path");
    Box::leak(path.into_boxed_c_str())
}

fn mount() -> Result<(), Stopped> {
    std::fs::create_dir_all("point")?;
    rustix::mount::mount("none", "point", "tmpfs", rustix::mount::MountFlags::empty(), None)?;
    Ok(rustix::mount::unmount("point", rustix::mount::UnmountFlags::DETACH)?)
}

fn uncover() -> Result<(), Stopped> {
    rustix::mount::unmount(at("home"), rustix::mount::UnmountFlags::empty())?;
    Ok(())
}

fn make_writable_again() -> Result<(), Stopped> {
    // Remounting what is no mount point fails as well, but not with "not permitted".
    match rustix::mount::mount_remount("/", rustix::mount::MountFlags::BIND, "") {
        Err(rustix::io::Errno::PERM) => Err("not permitted".into()),
        _ => Ok(()),
    }
}

/// Without a stack and with flags that exclude each other, so that nothing is forked where it is allowed.
fn fork_into_namespace() -> Result<(), Stopped> {
    let flags = libc::CLONE_NEWUSER | libc::CLONE_FS;
    asked(libc::SYS_clone, [flags.into(), 0, 0, 0, 0])
}

fn capabilities() -> Result<(), Stopped> {
    let sets = rustix::thread::capabilities(None)?;
    let held = sets.effective | sets.permitted | sets.inheritable;
    if held.is_empty() { Err("there are none".into()) } else { Ok(()) }
}

/// The rig has put a program there that belongs to another user and has the bit.
fn set_user_id_program() -> Result<(), Stopped> {
    let output = std::process::Command::new(at("programs/id")).arg("-u").output()?;
    let told = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if told == rustix::process::getuid().as_raw().to_string() { Err(format!("still {told}").into()) } else { Ok(()) }
}

fn unmapped() -> Result<(), Stopped> {
    if rustix::process::getuid().as_raw() == 12345 { Ok(()) } else { Err("the user stayed the same".into()) }
}
