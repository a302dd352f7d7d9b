//! From a policy to the list of mounts that every backend makes, in the order in which they are made. Looks at the host's
//! files, so that what a symbolic link points to is what gets protected, and changes none.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::policy::{Network, Policy};

/// Hidden for every command: sockets of the system's services, and what the kernel shows to root alone.
const ALWAYS_HIDDEN: &[&str] = &[
    "/run",
    "/lost+found",
    "/sys/firmware",
    "/sys/fs/bpf",
    "/sys/fs/pstore",
    "/sys/kernel/debug",
    "/sys/kernel/security",
    "/sys/kernel/tracing",
];
/// Private and empty for every command.
const SCRATCH: &[&str] = &["/tmp", "/var/tmp"];
/// What a backend replaces as a whole: nothing of the host's is shown there.
const REPLACED: &[&str] = &["/dev", "/proc"];
/// Where the kernel lists the unix sockets that are bound on the host.
const BOUND_SOCKETS: &str = "/proc/net/unix";

/// How a path is shown. In order of precedence for one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum How {
    /// A private empty folder that can be written.
    Scratch,
    /// Covered by an empty folder that cannot be written.
    HiddenFolder,
    /// Covered by an empty file that cannot be read.
    HiddenFile,
    /// The host's, read-only.
    ReadOnly,
    /// The host's.
    Writable,
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Absolute, without symbolic links.
    pub path: PathBuf,
    /// How it is shown.
    pub how: How,
}

/// A folder of a policy that cannot be mounted.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Everything would be writable.
    #[error("{0} cannot be made writable as a whole")]
    TooMuch(PathBuf),
    /// It is not there.
    #[error("cannot find {}: {source}", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The mounts of `policy`, parents before children.
pub(super) fn of(policy: &Policy) -> Result<Vec<Entry>, Problem> {
    let mut plan = BTreeMap::new();
    for path in SCRATCH.iter().map(Path::new).filter(|path| path.is_dir() && !path.is_symlink()) {
        plan.insert(path.to_owned(), How::Scratch);
    }
    for path in policy.scratch.iter().filter_map(|path| fs::canonicalize(path).ok()).filter(|path| path.is_dir()) {
        plan.insert(path, How::Scratch);
    }
    // Later lists overrule earlier ones.
    for path in ALWAYS_HIDDEN.iter().map(PathBuf::from).chain(policy.hidden.iter().cloned()).chain(bound_sockets()) {
        if let Ok(path) = fs::canonicalize(path) {
            let how = if path.is_dir() { How::HiddenFolder } else { How::HiddenFile };
            let at = plan.entry(path).or_insert(how);
            if *at != How::Scratch {
                *at = how;
            }
        }
    }
    let socket = match &policy.network {
        Network::Hosts(proxy) => Some(proxy.socket().to_owned()),
        Network::None | Network::Host => None,
    };
    // On many systems it is a link into `/run`; without the host's network nobody reads it.
    let names = (!policy.network.is_private()).then(|| PathBuf::from("/etc/resolv.conf"));
    for path in policy.readable.iter().cloned().chain(socket).chain(names) {
        if let Ok(path) = fs::canonicalize(path) {
            plan.insert(path, How::ReadOnly);
        }
    }
    for path in &policy.writable {
        let found = fs::canonicalize(path).map_err(|source| Problem::Missing { path: path.clone(), source })?;
        if found == Path::new("/") || REPLACED.iter().any(|replaced| found.starts_with(replaced)) {
            return Err(Problem::TooMuch(found));
        }
        plan.insert(found, How::Writable);
    }
    for path in &policy.read_only {
        if let Ok(path) = fs::canonicalize(path) {
            plan.insert(path, How::ReadOnly);
        }
    }
    let kept = plan.into_iter().filter(|(path, _)| !REPLACED.iter().any(|replaced| path.starts_with(replaced)));
    let mut entries: Vec<Entry> = kept.map(|(path, how)| Entry { path, how }).collect();
    entries.sort_by_key(|entry| entry.path.components().count());
    let shown = |entry: &Entry| needed(entry, &entries);
    Ok(entries.iter().filter(|entry| shown(entry)).cloned().collect())
}

impl Policy {
    /// Whether a command finds something else at `path`, or nothing, where the host has a file or a folder.
    pub fn hides(&self, path: &Path) -> bool {
        let Ok(plan) = of(self) else { return false };
        let is_covered = |path: &Path| match governing(&plan, path) {
            Some(How::Scratch | How::HiddenFolder | How::HiddenFile) => true,
            Some(How::ReadOnly | How::Writable) | None => false,
        };
        // A link is hidden by what covers it as well as by what covers its target.
        fs::canonicalize(path).is_ok_and(|found| is_covered(path) || is_covered(&found))
    }
}

/// A cover inside a cover changes nothing, unless something between the two is shown.
fn needed(entry: &Entry, all: &[Entry]) -> bool {
    match entry.how {
        How::HiddenFolder | How::HiddenFile => {
            let around = governing(all, entry.path.parent().unwrap_or(&entry.path));
            !matches!(around, Some(How::HiddenFolder | How::Scratch))
        }
        How::Scratch | How::ReadOnly | How::Writable => true,
    }
}

/// How `path` is shown by the entry nearest above it; `None`: as the root is.
pub(super) fn governing(entries: &[Entry], path: &Path) -> Option<How> {
    let above = entries.iter().filter(|entry| path.starts_with(&entry.path));
    above.max_by_key(|entry| entry.path.components().count()).map(|entry| entry.how)
}

/// Sockets in the file system that somebody on the host listens on: a connection to one is a way out that no network
/// namespace closes.
fn bound_sockets() -> Vec<PathBuf> {
    // The kernel's word may be missing (hardened systems); then the folders above are all that is hidden.
    let table = fs::read(BOUND_SOCKETS).unwrap_or_default();
    let lines = table.split(|byte| *byte == b'\n').skip(1);
    // Fields: Num RefCount Protocol Flags Type St Inode Path; the path may contain blanks. `@/...` is an abstract name, no path.
    let paths = lines.filter_map(|line| line.windows(2).position(|pair| pair == b" /").map(|at| (line, at + 1)));
    let paths = paths.filter(|(line, at)| !line[..*at].contains(&b'@')).map(|(line, at)| &line[at..]);
    paths.map(|path| PathBuf::from(std::ffi::OsStr::from_bytes(path))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a private folder such as `/tmp` nothing of the host's is shown anyway, so this is where the tests were built.
    fn outside_of_tmp() -> tempfile::TempDir {
        tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap()
    }

    fn shown(policy: &Policy, path: &Path) -> Option<How> {
        governing(&of(policy).unwrap(), &fs::canonicalize(path).unwrap())
    }

    #[test]
    fn the_deeper_path_decides_and_links_are_followed_first() {
        let dir = outside_of_tmp();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("home/work/.git")).unwrap();
        fs::create_dir_all(at("home/cache")).unwrap();
        fs::create_dir_all(at("home/work/keys")).unwrap();
        fs::write(at("home/work/keys/id"), "").unwrap();
        std::os::unix::fs::symlink(at("home/work"), at("link")).unwrap();
        let policy = Policy {
            writable: vec![at("link")],
            read_only: vec![at("link/.git")],
            readable: vec![at("home/cache")],
            hidden: vec![at("home"), at("home/cache"), at("home/work/keys/id"), at("nothing")],
            ..Policy::default()
        };
        assert_eq!(shown(&policy, &at("home")), Some(How::HiddenFolder));
        assert_eq!(shown(&policy, &at("home/work")), Some(How::Writable));
        assert_eq!(shown(&policy, &at("home/work/.git")), Some(How::ReadOnly));
        assert_eq!(shown(&policy, &at("home/cache")), Some(How::ReadOnly));
        assert_eq!(shown(&policy, &at("home/work/keys/id")), Some(How::HiddenFile));
        for (name, is_hidden) in [("home", true), ("home/work", false), ("home/cache", false), ("nothing", false)] {
            assert_eq!(policy.hides(&at(name)), is_hidden, "{name}");
        }
        let plan = of(&policy).unwrap();
        let depths: Vec<usize> = plan.iter().map(|entry| entry.path.components().count()).collect();
        assert!(depths.is_sorted());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let all = Policy { writable: vec!["/".into()], ..Policy::default() };
        assert!(matches!(of(&all), Err(Problem::TooMuch(_))));
        let devices = Policy { writable: vec!["/dev/shm".into()], ..Policy::default() };
        assert!(matches!(of(&devices), Err(Problem::TooMuch(_))));
        let missing = Policy { writable: vec!["/nonexistent/x".into()], ..Policy::default() };
        assert!(matches!(of(&missing), Err(Problem::Missing { .. })));
    }

    #[test]
    fn a_socket_that_somebody_listens_on_is_covered_and_a_folder_of_an_abstract_name_is_not() {
        use std::os::linux::net::SocketAddrExt as _;
        let dir = outside_of_tmp();
        let named = fs::canonicalize(dir.path()).unwrap();
        let name = std::os::unix::net::SocketAddr::from_abstract_name(named.as_os_str().as_encoded_bytes()).unwrap();
        let _elsewhere = std::os::unix::net::UnixListener::bind_addr(&name).unwrap();
        assert_eq!(shown(&Policy::default(), &named), None);
        let path = fs::canonicalize(dir.path()).unwrap().join("a socket");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(shown(&Policy::default(), &path), Some(How::HiddenFile));
    }
}
