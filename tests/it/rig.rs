//! A folder with a home, and processes in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything takes, on any machine.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// A folder to work in; gone with all engines' homes when it is dropped.
pub struct Rig {
    folder: tempfile::TempDir,
}

/// What a process left.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Rig {
    /// One in which commands are not contained: what most tests look at is what commands leave beside their workspace.
    pub fn new() -> Self {
        let rig = Self::contained();
        let config = rig.folder().join(".config/wfctl");
        std::fs::create_dir_all(&config).unwrap();
        std::fs::write(config.join("config.toml"), "[sandbox]\nbackend = \"none\"\n").unwrap();
        rig
    }

    /// One in which commands are contained, as they are for everybody.
    pub fn contained() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("work")).unwrap();
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A verb; what it runs is trusted, whether or not it lies in a repository.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.wary(arguments);
        if arguments.contains(&"run") {
            command.arg("--trust");
        }
        command
    }

    /// A verb, and nothing is trusted that was not before.
    #[expect(clippy::disallowed_methods, reason = "a test starts the binary")]
    pub fn wary(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wfctl"));
        command.args(arguments).current_dir(self.path("")).env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("USER", "tester");
        command.env("HOME", self.folder.path()).env("WFCTL_HOME", self.folder.path().join("home"));
        command.stdin(Stdio::null());
        command
    }

    /// A command of the host in a folder of the rig, with nothing of its user's configuration.
    #[expect(clippy::disallowed_methods, reason = "a test prepares repositories")]
    pub fn host(&self, folder: &str, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.path(folder)).env_clear().env("HOME", self.folder.path());
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("GIT_CONFIG_NOSYSTEM", "1");
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {told}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// git in a folder of the rig.
    pub fn git(&self, folder: &str, arguments: &[&str]) -> String {
        let author = ["-c", "user.name=tester", "-c", "user.email=t@localhost", "-c", "protocol.file.allow=always"];
        self.host(folder, "git", &[&author, arguments].concat()).trim_end().to_owned()
    }

    /// A repository with one commit of one file.
    pub fn repository(&self, folder: &str) {
        std::fs::create_dir_all(self.path(folder)).unwrap();
        self.git(folder, &["init", "-q", "-b", "main"]);
        self.write(&format!("{folder}/README"), "read me\n");
        self.git(folder, &["add", "."]);
        self.git(folder, &["commit", "-q", "-m", "first"]);
    }

    /// An executable script that the verbs of this rig find before the real program, see [`Rig::shimmed`].
    pub fn shim(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let bin = self.folder.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let path = bin.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A verb in a folder, with the scripts of [`Rig::shim`] first in its path.
    pub fn shimmed(&self, folder: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        let bin = self.folder.path().join("bin");
        command.current_dir(self.path(folder));
        command.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The same, to its end.
    pub fn wfctl_in(&self, folder: &str, arguments: &[&str]) -> Done {
        done(self.shimmed(folder, arguments).output().unwrap())
    }

    /// Runs a verb to its end.
    pub fn wfctl(&self, arguments: &[&str]) -> Done {
        done(self.command(arguments).output().unwrap())
    }

    /// Starts a verb and leaves it running.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Rig {
    /// No engine in the background outlives its test.
    fn drop(&mut self) {
        let Ok(text) = std::fs::read(self.folder.path().join("home/lock")) else { return };
        let Ok(holder) = serde_json::from_slice::<serde_json::Value>(&text) else { return };
        let Some(pid) = holder["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()) else { return };
        // The number may be another process's by now.
        let home = self.folder.path().join("home");
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let is_engine = words.split(|byte| *byte == 0).any(|word| word == home.as_os_str().as_encoded_bytes());
        if let Some(pid) = rustix::process::Pid::from_raw(pid).filter(|_| is_engine) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        done(output)
    }
}

fn done(output: Output) -> Done {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Sends a signal to a process that this test started.
pub fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Waits until `condition` holds.
#[expect(clippy::disallowed_methods, reason = "a bound on waiting for another process")]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(POLL);
    }
}
