//! What a contained command may not even ask the kernel for. The default is yes: a command is any program at all. Refused is
//! what reaches other processes, changes mounts or namespaces, loads code into the kernel, or has been the way out of
//! sandboxes again and again (`io_uring`, `userfaultfd`, `bpf`, keyrings).

use std::collections::BTreeMap;
use std::io;

use nix::libc;
use seccompiler::{
    SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Op, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter, sock_filter,
};

/// Refused with EPERM whatever the arguments.
const REFUSED: &[i64] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_perf_event_open,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    // The kernel itself.
    libc::SYS_bpf,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_fanotify_init,
    libc::SYS_acct,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
];

/// Those that only one architecture has. `open_tree_attr` (467 everywhere) is younger than the table of names.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[i64] = &[467, libc::SYS_kexec_file_load, libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_uselib];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[i64] = &[467, libc::SYS_kexec_file_load];

/// A system call of the x32 ABI has this bit in its number, and some have numbers of their own. Nothing that is built today
/// uses it, so it is refused as a whole.
const X32_BIT: u32 = 0x4000_0000;

/// Namespaces that `clone` can make. Source: `sched.h`.
const NEW_NAMESPACES: &[i32] = &[
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];
/// Ioctls that put words into a terminal's mouth: `TIOCSTI`, `TIOCLINUX`. Source: `asm-generic/ioctls.h`.
const TERMINAL_INPUT: &[u64] = &[0x5412, 0x541c];

const SOCKET_TYPE: u64 = 0xf;

/// Puts the filters in force for this thread and all that it starts.
pub(super) fn apply() -> io::Result<()> {
    let refused = filter(rules().map_err(io::Error::other)?, libc::EPERM)?;
    // Its flags are behind a pointer, where no filter can look; libraries fall back to `clone`.
    let unknown = filter(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS)?;
    let filters = [foreign_numbers(), unknown, refused];
    filters.iter().try_for_each(|filter| apply_filter(filter)).map_err(io::Error::other)
}

/// Refuses every number from [`X32_BIT`] on, by hand: a list of them would be walked at each call.
fn foreign_numbers() -> seccompiler::BpfProgram {
    let instruction = |code: u32, jf, k| sock_filter { code: code as u16, jt: 0, jf, k };
    vec![
        // The number is the first field of `struct seccomp_data`.
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 1, X32_BIT),
        instruction(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs()),
        instruction(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

fn filter(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) -> io::Result<seccompiler::BpfProgram> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(io::Error::other)?;
    let action = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, arch).map_err(io::Error::other)?;
    filter.try_into().map_err(io::Error::other)
}

fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().chain(REFUSED_HERE).map(|call| (*call, Vec::new())).collect();
    let with_flag = |flag: &i32| {
        let flag = u64::from(flag.unsigned_abs());
        SeccompRule::new(vec![SeccompCondition::new(0, Length::Qword, Op::MaskedEq(flag), flag)?])
    };
    rules.insert(libc::SYS_clone, NEW_NAMESPACES.iter().map(with_flag).collect::<Result<_, _>>()?);
    let asks = |request: &u64| SeccompRule::new(vec![SeccompCondition::new(1, Length::Dword, Op::Eq, *request)?]);
    rules.insert(libc::SYS_ioctl, TERMINAL_INPUT.iter().map(asks).collect::<Result<_, _>>()?);
    rules.insert(libc::SYS_socket, sockets()?);
    rules.insert(libc::SYS_socketpair, sockets()?);
    Ok(rules)
}

/// Sockets that are refused: all but unix, IPv4 and IPv6 ones, which must not be raw, and the netlink protocol by which
/// programs list their interfaces.
fn sockets() -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let family = |op, family: i32| SeccompCondition::new(0, Length::Dword, op, u64::from(family.unsigned_abs()));
    let raw =
        || SeccompCondition::new(1, Length::Dword, Op::MaskedEq(SOCKET_TYPE), libc::SOCK_RAW.unsigned_abs().into());
    let known = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
    Ok(vec![
        SeccompRule::new(known.map(|it| family(Op::Ne, it)).into_iter().collect::<Result<_, _>>()?)?,
        SeccompRule::new(vec![family(Op::Eq, libc::AF_INET)?, raw()?])?,
        SeccompRule::new(vec![family(Op::Eq, libc::AF_INET6)?, raw()?])?,
        SeccompRule::new(vec![
            family(Op::Eq, libc::AF_NETLINK)?,
            SeccompCondition::new(2, Length::Dword, Op::Ne, libc::NETLINK_ROUTE.unsigned_abs().into())?,
        ])?,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_compile_for_this_machine() {
        filter(rules().unwrap(), libc::EPERM).unwrap();
    }
}
