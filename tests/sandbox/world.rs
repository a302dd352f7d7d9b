//! What a command must not reach, made anew for each test: keys, a home of an engine with its socket, other worktrees, a
//! repository, a process, listeners. And the one folder that it may change.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use wfctl::workspace::sandbox::{Limits, Network, Policy};

/// What is in every file that must stay secret or unchanged.
pub const TREASURE: &str = "treasure";

/// A host for one test.
pub struct World {
    pub base: PathBuf,
    pub stranger: Child,
    pub tcp: TcpListener,
    pub udp: UdpSocket,
    temporary: tempfile::NamedTempFile,
    _sockets: Vec<UnixListener>,
    _dir: tempfile::TempDir,
}

impl World {
    pub fn make() -> Self {
        let dir = tempfile::Builder::new().prefix("world-").tempdir_in(super::rig::base()).unwrap();
        let base = fs::canonicalize(dir.path()).unwrap();
        let files = guarded(&base);
        for (file, text) in files.iter().chain([&("work/file", "mine".to_owned())]) {
            let path = base.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        for folder in ["repo/.git/objects", "repo/.git/refs"] {
            fs::create_dir_all(base.join(folder)).unwrap();
        }
        let abstract_name = SocketAddr::from_abstract_name(base.as_os_str().as_encoded_bytes()).unwrap();
        let sockets = vec![
            UnixListener::bind(base.join("home/wfctl/socket")).unwrap(),
            UnixListener::bind(base.join("outside/socket")).unwrap(),
            UnixListener::bind_addr(&abstract_name).unwrap(),
        ];
        let stranger = Command::new("/bin/sleep")
            .arg("1000")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        udp.set_nonblocking(true).unwrap();
        let temporary = tempfile::NamedTempFile::new_in("/tmp").unwrap();
        fs::write(temporary.path(), TREASURE).unwrap();
        Self { base, stranger, tcp, udp, temporary, _sockets: sockets, _dir: dir }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.base.join(name)
    }

    /// What an agent's command gets.
    pub fn policy(&self) -> Policy {
        Policy {
            writable: vec![self.at("work")],
            read_only: vec![self.at("work/.git"), self.at("repo/.git")],
            // Other worlds come and go while this one is in use.
            readable: vec![self.base.clone()],
            hidden: vec![super::rig::base(), self.at("home"), self.at("other")],
            scratch: Vec::new(),
            network: Network::None,
            limits: Limits {
                memory_bytes: Some(256 << 20),
                cpu_seconds: Some(60),
                processes: Some(128),
                open_files: Some(128),
                file_bytes: Some(8 << 20),
                disk_bytes: Some(8 << 20),
            },
        }
    }

    /// Tells a probe where everything is.
    pub fn variables(&self) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
        let pair = |name: &str, value: String| (name.into(), value.into());
        vec![
            ("PATH".into(), "/usr/bin:/bin:/usr/sbin:/sbin".into()),
            ("WORLD".into(), self.base.clone().into()),
            ("TEMPORARY".into(), self.temporary.path().into()),
            pair("STRANGER", self.stranger.id().to_string()),
            pair("TCP", self.tcp.local_addr().unwrap().port().to_string()),
            pair("UDP", self.udp.local_addr().unwrap().port().to_string()),
        ]
    }

    /// Nothing that was to be protected has changed.
    pub fn is_untouched(&mut self) -> bool {
        let same = |(file, text): &(&str, String)| fs::read_to_string(self.base.join(file)).is_ok_and(|it| it == *text);
        let names = |dir: &Path| fs::read_dir(dir).unwrap().count();
        guarded(&self.base).iter().all(same)
            && names(&self.base.join("outside")) == 2
            && self.stranger.try_wait().unwrap().is_none()
    }
}

/// What must stay as it is: secrets, and a repository with one worktree, as git makes them.
fn guarded(base: &Path) -> Vec<(&'static str, String)> {
    let secret = ["home/.ssh/id_ed25519", "home/wfctl/journal", "outside/file", "other/file"];
    let mut all: Vec<(&'static str, String)> = secret.map(|file| (file, TREASURE.to_owned())).into();
    let at = |name: &str| base.join(name).display().to_string();
    all.extend([
        ("repo/.git/HEAD", "ref: refs/heads/main\n".to_owned()),
        ("repo/.git/config", "[core]\n\trepositoryformatversion = 0\n\tbare = false\n".to_owned()),
        ("repo/.git/worktrees/work/HEAD", "ref: refs/heads/work\n".to_owned()),
        ("repo/.git/worktrees/work/commondir", "../..\n".to_owned()),
        ("repo/.git/worktrees/work/gitdir", format!("{}\n", at("work/.git"))),
        ("work/.git", format!("gitdir: {}\n", at("repo/.git/worktrees/work"))),
    ]);
    all
}

impl Drop for World {
    fn drop(&mut self) {
        let _gone = self.stranger.kill();
        let _reaped = self.stranger.wait();
    }
}
