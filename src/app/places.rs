//! Where everything is in a home.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::error::Error;
use crate::domain::ids::Digest;
use crate::journal::doctor;
use crate::journal::files;

/// `sun_path` holds 108 bytes with its end, on every Linux.
const SOCKET_PATH_BYTES: usize = 107;

/// The mode's bits for anybody but the user.
const OTHERS: u32 = 0o077;

/// The paths of a home.
#[derive(Debug, Clone)]
pub struct Places {
    /// The folder itself; absolute.
    pub home: PathBuf,
    runtime_dir: Option<PathBuf>,
}

impl Places {
    pub fn new(home: PathBuf, runtime_dir: Option<PathBuf>) -> Self {
        Self { home, runtime_dir }
    }

    /// Makes the home, for the user alone. One of the user's that others may enter is closed to them; another user's is refused.
    pub fn create(&self) -> Result<(), Error> {
        files::create_dir(&self.home).map_err(|source| Error::io("create the home", &self.home, source))?;
        make_private(&self.home).map_err(|source| Error::io("make the home private", &self.home, source))
    }

    pub fn lock(&self) -> PathBuf {
        self.home.join("lock")
    }

    pub fn engine_log(&self) -> PathBuf {
        self.home.join("engine.log")
    }

    pub fn logs(&self) -> PathBuf {
        self.home.join("logs")
    }

    /// Caches of code indexes.
    pub fn code(&self) -> PathBuf {
        self.home.join("code")
    }

    /// What agents remember.
    pub fn memory(&self) -> PathBuf {
        self.home.join("memory")
    }

    /// How far each of those is who are told of records.
    pub fn bus(&self) -> PathBuf {
        self.home.join("bus")
    }

    pub fn run(&self) -> PathBuf {
        self.home.join("run")
    }

    /// What the journal keeps.
    pub fn journal(&self) -> doctor::Places {
        doctor::Places::in_home(&self.home)
    }

    /// A short name of this home among others.
    pub fn id(&self) -> String {
        Digest::of(self.home.as_os_str().as_encoded_bytes()).to_hex()[..16].to_owned()
    }

    /// The control socket: in the home, or in a private folder with a shorter path.
    pub fn socket(&self) -> Result<PathBuf, Error> {
        let plain = self.home.join("socket");
        if plain.as_os_str().len() <= SOCKET_PATH_BYTES {
            return Ok(plain);
        }
        if let Some(dir) = &self.runtime_dir {
            let path = dir.join(format!("wfctl-{}.sock", self.id()));
            if path.as_os_str().len() <= SOCKET_PATH_BYTES {
                return Ok(path);
            }
        }
        let dir = PathBuf::from(format!("/tmp/wfctl-{}-{}", rustix::process::geteuid().as_raw(), self.id()));
        let doing = "make a private folder for the socket";
        files::create_dir(&dir).map_err(|source| Error::io(doing, &dir, source))?;
        if !is_private(&dir) {
            let source = std::io::Error::other("it belongs to another user, or others may enter it");
            return Err(Error::io(doing, &dir, source));
        }
        Ok(dir.join("socket"))
    }
}

fn make_private(dir: &Path) -> io::Result<()> {
    let found = std::fs::metadata(dir)?;
    if found.uid() != rustix::process::geteuid().as_raw() {
        let problem = format!(
            "it belongs to another user (uid {}); choose another home with --home, or take it over: chown -R $USER {dir} && \
             chmod 700 {dir}",
            found.uid(),
            dir = dir.display()
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, problem));
    }
    let mode = found.mode() & 0o7777;
    if mode & OTHERS != 0 {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(mode & !OTHERS))?;
        tracing::warn!(dir = %dir.display(), "other users could enter the home; its mode is now {:o}", mode & !OTHERS);
    }
    Ok(())
}

fn is_private(dir: &Path) -> bool {
    let mine = rustix::process::geteuid().as_raw();
    std::fs::symlink_metadata(dir).is_ok_and(|it| it.is_dir() && it.uid() == mine && it.mode().trailing_zeros() >= 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_that_others_may_enter_is_closed_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::new(folder.path().join("home"), None);
        places.create().unwrap();
        std::fs::set_permissions(&places.home, std::fs::Permissions::from_mode(0o755)).unwrap();
        places.create().unwrap();
        assert!(is_private(&places.home));
    }

    #[test]
    fn a_long_home_has_a_short_socket() {
        let runtime = tempfile::tempdir().unwrap();
        let places = Places::new(PathBuf::from("/x".repeat(80)), Some(runtime.path().to_owned()));
        assert!(places.socket().unwrap().starts_with(runtime.path()));
        let places = Places::new(PathBuf::from("/home"), None);
        assert_eq!(places.socket().unwrap(), Path::new("/home/socket"));
    }
}
