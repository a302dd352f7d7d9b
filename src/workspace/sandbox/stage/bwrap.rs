//! The same plan in the words of bubblewrap. Limits, Landlock and seccomp are our own, put in force by the part inside.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::super::order::Order;
use super::super::plan::How;

/// What bubblewrap is told, without the program to execute.
pub(super) fn arguments(order: &Order) -> Vec<OsString> {
    let mut all = Arguments(Vec::new());
    all.add(["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]);
    if order.private_network {
        all.add(["--unshare-net"]);
    }
    // The part outside has one thread, so that "with parent" means what it says.
    all.add(["--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL"]);
    all.add(["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]);
    if let Some(bytes) = order.limits.disk_bytes {
        all.add(["--size", &bytes.to_string()]);
    }
    all.add(["--tmpfs", "/dev/shm"]);
    let mut covers = vec![OsStr::new("/dev")];
    for entry in &order.plan {
        let path = entry.path.as_os_str();
        match entry.how {
            How::Scratch => {
                all.add(["--perms", "1777"]);
                if let Some(bytes) = order.limits.disk_bytes {
                    all.add(["--size", &bytes.to_string()]);
                }
                all.add([OsStr::new("--tmpfs"), path]);
            }
            How::HiddenFolder => {
                all.add([OsStr::new("--tmpfs"), path]);
                covers.push(path);
            }
            // Gone since the plan was made, a socket for instance: there is nothing to hide, and no folder to make a cover in.
            How::HiddenFile if path_is_gone(&entry.path) => {}
            How::HiddenFile => all.add([OsStr::new("--ro-bind"), OsStr::new("/dev/null"), path]),
            How::ReadOnly => all.add([OsStr::new("--ro-bind"), path, path]),
            How::Writable => all.add([OsStr::new("--bind"), path, path]),
        }
    }
    // Once everything that lies in them is mounted.
    for path in covers {
        all.add([OsStr::new("--remount-ro"), path]);
    }
    all.0
}

fn path_is_gone(path: &Path) -> bool {
    path.symlink_metadata().is_err()
}

struct Arguments(Vec<OsString>);

impl Arguments {
    fn add<A: AsRef<OsStr>>(&mut self, words: impl IntoIterator<Item = A>) {
        self.0.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::order::{Bounded, Maker};
    use super::super::super::plan::Entry;
    use super::super::super::policy::Limits;
    use super::*;

    #[test]
    fn covers_are_closed_after_what_lies_in_them() {
        let entry = |path: &str, how| Entry { path: path.into(), how };
        let order = Order {
            maker: Maker::Bwrap("/usr/bin/bwrap".into()),
            program: "/bin/true".into(),
            name: "true".into(),
            arguments: Vec::new(),
            env: Vec::new(),
            dir: "/home/me/work".into(),
            plan: vec![entry("/home", How::HiddenFolder), entry("/home/me/work", How::Writable)],
            private_network: true,
            proxy: None,
            limits: Limits { disk_bytes: Some(7), ..Limits::default() },
            groups: Vec::new(),
            bounded: Bounded::default(),
        };
        let words = arguments(&order);
        let at = |word: &str| words.iter().rposition(|it| it == word).unwrap();
        assert!(at("--unshare-net") < at("--bind") && at("--bind") < at("--remount-ro"));
        assert_eq!(words[at("--size") + 1], "7");
    }
}
