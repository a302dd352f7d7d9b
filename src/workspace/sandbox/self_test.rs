//! A small escape for each layer of a sandbox, tried for real: what must fail inside. For `doctor`; the whole suite is in
//! `tests/sandbox/`.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use super::super::command_line::Program;
use super::super::files;
use super::policy::Policy;
use super::{Error, Sandbox};

/// The shell that tries; the files are named by its arguments.
const SHELL: &str = "/bin/sh";

/// One escape that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escape {
    /// Which layer should stop it.
    pub layer: &'static str,
    /// What was tried, in words.
    pub what: &'static str,
    /// What came of it.
    pub came: Came,
}

/// What came of an escape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    /// It was stopped.
    Stopped,
    /// It got through: the layer does not hold.
    Through,
    /// It could not be tried.
    Untried(String),
}

/// Each line succeeds when it gets through. `$1` is a file outside, `$2` a hidden one, `$3` a port of the host's, `$4` a
/// process of the host's, `$5` a folder that may be written.
const TRIED: &[(&str, &str, &str)] = &[
    ("mount namespace", "write a file outside", "echo escaped >>\"$1\""),
    ("mount namespace", "read a hidden file", "cat \"$2\""),
    ("mount namespace", "write below /etc", "echo >/etc/wfctl-escape"),
    (
        "network namespace",
        "connect to a port of the host",
        "bash -c \"echo >/dev/tcp/127.0.0.1/$3\" || ! command -v bash",
    ),
    ("pid namespace", "see a process of the host", "test -d \"/proc/$4\" && test \"$4\" != 1 && test \"$4\" != $$"),
    ("pid namespace", "signal a process of the host", "test \"$4\" -gt 9 && kill -0 \"$4\""),
    ("seccomp", "mount a file system", "mount -t tmpfs none \"$5\""),
    ("seccomp", "make a user namespace", "unshare -U true"),
    ("no capabilities", "make a device", "mknod \"$5/null\" c 1 3"),
    ("rlimits", "raise a limit", "ulimit -n 100000"),
];

/// Tries them all, with files of its own below `dir`, the home of wfctl.
pub async fn run(sandbox: &Sandbox, dir: &Path) -> Vec<Escape> {
    let field = match Field::make(dir) {
        Ok(field) => field,
        Err(error) => {
            let came = Came::Untried(error.to_string());
            return TRIED.iter().map(|(layer, what, _)| Escape { layer, what, came: came.clone() }).collect();
        }
    };
    let mut escapes = Vec::new();
    for (layer, what, line) in TRIED {
        let came = match field.tries(sandbox, line).await {
            Ok(true) => Came::Through,
            Ok(false) => Came::Stopped,
            Err(error) => Came::Untried(error.to_string()),
        };
        escapes.push(Escape { layer, what, came });
    }
    escapes
}

/// What there is to reach.
struct Field {
    dir: PathBuf,
    listener: TcpListener,
}

impl Field {
    fn make(home: &Path) -> io::Result<Self> {
        let dir = home.join(format!("self-test-{}", std::process::id()));
        for folder in ["outside", "hidden", "work"] {
            files::private_dir(&dir.join(folder))?;
        }
        fs::write(dir.join("outside/file"), "")?;
        fs::write(dir.join("hidden/file"), "")?;
        Ok(Self { listener: TcpListener::bind("127.0.0.1:0")?, dir })
    }

    async fn tries(&self, sandbox: &Sandbox, line: &str) -> Result<bool, Error> {
        let system = |source| Error::System { doing: "find the port of a listener", source };
        let port = self.listener.local_addr().map_err(system)?.port().to_string();
        let own = std::process::id().to_string();
        let at = |name: &str| self.dir.join(name).into_os_string();
        let words = ["-c".into(), line.into(), "sh".into(), at("outside/file"), at("hidden/file")];
        let arguments = words.into_iter().chain([port.into(), own.into(), at("work")]).collect();
        let program = Program { path: SHELL.into(), name: "sh".into(), arguments };
        let policy = Policy {
            writable: vec![self.dir.join("work")],
            hidden: vec![self.dir.join("hidden")],
            limits: super::Limits { open_files: Some(256), ..super::Limits::default() },
            ..Policy::default()
        };
        let outcome = sandbox.silent(&policy, &program).await?;
        let changed = fs::metadata(self.dir.join("outside/file")).map_or(true, |file| file.len() > 0);
        Ok(outcome.end == Some(Ok(0)) || changed)
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        // In the home, and empty: the next one overwrites it.
        let _left = fs::remove_dir_all(&self.dir);
    }
}
