//! Who may ask: three tokens in a private file of the home, one per role. A token that is replaced is void at once, whichever
//! process replaced it.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::app::PrivateFiles;
use crate::domain::ids::Digest;

/// The file's name.
const FILE: &str = "tokens.json";

/// What the bearer of a token may do; each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look at everything.
    Read,
    /// Start projects, answer them, steer them.
    Operate,
    /// Remove what has ended; add tasks, whose commands are the caller's own.
    Admin,
}

impl Role {
    /// All of them, ascending.
    pub const ALL: [Self; 3] = [Self::Read, Self::Operate, Self::Admin];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Read => "wfr_",
            Self::Operate => "wfo_",
            Self::Admin => "wfa_",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    read: String,
    operate: String,
    admin: String,
}

impl Stored {
    fn of(&mut self, role: Role) -> &mut String {
        match role {
            Role::Read => &mut self.read,
            Role::Operate => &mut self.operate,
            Role::Admin => &mut self.admin,
        }
    }
}

/// Which file was read: another one has another of these.
type Version = Option<(u64, i64, i64)>;

#[derive(Debug)]
struct Known {
    version: Version,
    /// Digests, so that how long a comparison takes says nothing about a token.
    digests: Vec<(Digest, Role)>,
}

/// The tokens of a home. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tokens {
    files: PrivateFiles,
    known: Arc<Mutex<Known>>,
}

impl Tokens {
    /// Those in `files`; made of `secret` when there are none yet.
    pub fn open(files: PrivateFiles, secret: impl Fn() -> String) -> io::Result<Self> {
        if files.read(FILE)?.is_none() {
            let make = |role: Role| format!("{}{}", role.prefix(), secret());
            let stored = Stored { read: make(Role::Read), operate: make(Role::Operate), admin: make(Role::Admin) };
            write(&files, &stored)?;
        }
        let known = Arc::new(Mutex::new(Known { version: None, digests: Vec::new() }));
        let tokens = Self { files, known };
        read(&tokens.files)?;
        Ok(tokens)
    }

    /// The token of a role.
    pub fn token(&self, role: Role) -> io::Result<String> {
        Ok(read(&self.files)?.of(role).clone())
    }

    /// Puts another token in the place of a role's; the one before is void.
    pub fn rotate(&self, role: Role, secret: &str) -> io::Result<String> {
        let mut stored = read(&self.files)?;
        let token = format!("{}{secret}", role.prefix());
        stored.of(role).clone_from(&token);
        write(&self.files, &stored)?;
        Ok(token)
    }

    /// The role of a token.
    pub fn role(&self, token: &str) -> io::Result<Option<Role>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let version = self.version();
        if version.is_none() || known.version != version {
            let mut stored = read(&self.files)?;
            known.digests = Role::ALL.iter().map(|role| (Digest::of(stored.of(*role).as_bytes()), *role)).collect();
            known.version = version;
        }
        let digest = Digest::of(token.as_bytes());
        Ok(known.digests.iter().find(|(of, _)| *of == digest).map(|(_, role)| *role))
    }

    fn version(&self) -> Version {
        let metadata = std::fs::metadata(self.files.folder().join(FILE)).ok()?;
        Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec()))
    }
}

fn read(files: &PrivateFiles) -> io::Result<Stored> {
    let text = files.read(FILE)?.ok_or(io::ErrorKind::NotFound)?;
    serde_json::from_slice(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
}

fn write(files: &PrivateFiles, stored: &Stored) -> io::Result<()> {
    files.write(FILE, &serde_json::to_vec_pretty(stored)?)
}
