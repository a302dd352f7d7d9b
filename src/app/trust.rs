//! What a person has looked at and agreed to: files that came with a repository, each by its very content.
//!
//! Whoever clones a repository has not agreed to what it would run. A workflow file, a role or a `.wfctl.toml` that lies in a git
//! repository counts only when its digest stands in the home's ledger; a file that is in no repository is the person's own. The
//! text that was agreed to is kept, so that a change of it can be shown as one. Asking a person is the business of the
//! interfaces; the format of the ledger stands in `ledger`.

mod ledger;

use std::path::{Component, Path, PathBuf};

use super::error::Error;
use super::places::Places;
use super::{App, git_root};
use crate::domain::ids::Digest;
use crate::domain::limits;
use crate::domain::time::Millis;
use crate::workspace::git;
pub use ledger::Entry;
use ledger::Ledger;

/// Where a repository keeps roles of its own.
const ROLES: &str = ".wfctl/roles";

/// Whether a content counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is in no repository: nobody but the person can have put it there.
    Own,
    /// A person has agreed to this very content.
    Trusted,
    /// Nobody has agreed to any content of this file.
    New,
    /// A person has agreed to another content, which this was.
    Changed {
        /// The content that was agreed to last.
        before: Vec<u8>,
    },
}

impl Standing {
    /// Whether it counts without asking.
    pub fn counts(&self) -> bool {
        match self {
            Self::Own | Self::Trusted => true,
            Self::New | Self::Changed { .. } => false,
        }
    }
}

/// The trust of one home.
#[derive(Debug, Clone)]
pub struct Trust {
    places: Places,
    now: Millis,
}

impl Trust {
    /// How `content`, which was read at `path`, stands. Nothing is written.
    pub fn standing(&self, path: &Path, content: &[u8]) -> Result<Standing, Error> {
        if !is_in_repository(path) {
            return Ok(Standing::Own);
        }
        let (name, digest) = (named(path)?, Digest::of(content).to_hex());
        let ledger = self.read()?;
        let Some(last) = ledger.last_of(&name) else { return Ok(Standing::New) };
        if ledger.has(&name, &digest) {
            return Ok(Standing::Trusted);
        }
        // A text that is lost or was changed shows nothing; then the whole file is shown.
        Ok(match ledger::kept(&self.places.home, last) {
            Some(before) => Standing::Changed { before },
            None => Standing::New,
        })
    }

    /// Agrees to contents, each read at its path, all of them or none. Durable when this returns; makes the home.
    pub fn record(&self, contents: &[(&Path, &[u8])]) -> Result<(), Error> {
        let mut entries = Vec::with_capacity(contents.len());
        for (path, content) in contents {
            entries.push((Entry { path: named(path)?, digest: Digest::of(content).to_hex(), at: self.now }, *content));
        }
        self.places.create()?;
        ledger::record(&self.places.home, entries).map_err(|source| self.refused("write", source))
    }

    /// Everything that was agreed to, the oldest first.
    pub fn entries(&self) -> Result<Vec<Entry>, Error> {
        Ok(self.read()?.trusted)
    }

    /// Takes back what was agreed to for a file, every content of it; how many there were.
    pub fn revoke(&self, path: &Path) -> Result<usize, Error> {
        // A file that is gone has no canonical path; it is named as it was listed.
        let name = named(path)?;
        if self.read()?.last_of(&name).is_none() {
            return Ok(0);
        }
        ledger::revoke(&self.places.home, &name).map_err(|source| self.refused("write", source))
    }

    fn read(&self) -> Result<Ledger, Error> {
        ledger::read(&self.places.home).map_err(|source| self.refused("read", source))
    }

    fn refused(&self, doing: &'static str, source: std::io::Error) -> Error {
        let doing = if doing == "read" { "read what is trusted" } else { "write down what is trusted" };
        Error::io(doing, &ledger::file(&self.places.home), source)
    }
}

impl App {
    /// What the person of this home has agreed to.
    pub fn trust(&self) -> Trust {
        Trust::of(&self.places, self.now())
    }

    /// The roles that a repository brings as its commit `commit` has them, each with the path that it has in the checkout. These are
    /// the ones that count in a project that begins from the commit, whatever is written later.
    pub fn roles_at(&self, dir: &Path, commit: &str) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
        let Some(root) = git_root(dir) else { return Ok(Vec::new()) };
        let read = git::files_below(dir, commit, ROLES, limits::ROLES, limits::ROLE_FILE_BYTES as u64);
        let found = read.map_err(|error| Error::io("read the roles of", &root, std::io::Error::other(error)))?;
        let roles = found.into_iter().filter(|(name, _)| name.ends_with(".md"));
        Ok(roles.map(|(name, content)| (root.join(ROLES).join(name), content)).collect())
    }
}

impl Trust {
    pub(super) fn of(places: &Places, now: Millis) -> Self {
        Self { places: places.clone(), now }
    }
}

/// Whether a file came with a repository: it lies in one, by its own path or by the path that links lead to.
pub fn is_in_repository(path: &Path) -> bool {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let real = whole.canonicalize().ok();
    [Some(plain(&whole)), real].into_iter().flatten().any(|path| path.parent().and_then(git_root).is_some())
}

/// An absolute path without `..`, as it is written: links are for whoever asks where it leads.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::Normal(_) => {
                plain.push(component)
            }
        }
    }
    plain
}

/// The name of a file in the ledger: its canonical path, as far as there still is one.
fn named(path: &Path) -> Result<String, Error> {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let real = whole.canonicalize().unwrap_or(whole);
    real.into_os_string().into_string().map_err(|name| {
        let problem = std::io::Error::new(std::io::ErrorKind::InvalidInput, "its path is not UTF-8 text; rename it");
        Error::io("write down that it is trusted", Path::new(&name), problem)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn rig() -> (tempfile::TempDir, Trust, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let trust = Trust::of(&Places::new(folder.path().join("home"), None), Millis(7));
        fs::create_dir_all(folder.path().join("repo/.git")).unwrap();
        let file = folder.path().join("repo/w.yaml");
        fs::write(&file, "one").unwrap();
        (folder, trust, file)
    }

    #[test]
    fn only_the_very_content_that_was_agreed_to_counts() {
        let (_folder, trust, file) = rig();
        assert_eq!(trust.standing(&file, b"one").unwrap(), Standing::New);
        trust.record(&[(&file, b"one")]).unwrap();
        assert_eq!(trust.standing(&file, b"one").unwrap(), Standing::Trusted);
        let changed = trust.standing(&file, b"two").unwrap();
        assert_eq!(changed, Standing::Changed { before: b"one".to_vec() });
        assert!(!changed.counts());
        trust.record(&[(&file, b"two")]).unwrap();
        assert_eq!(trust.standing(&file, b"one").unwrap(), Standing::Trusted, "going back asks nothing");
        assert_eq!(trust.revoke(&file).unwrap(), 2);
        assert_eq!(trust.standing(&file, b"one").unwrap(), Standing::New);
        assert_eq!(trust.revoke(&file).unwrap(), 0);
    }

    #[test]
    fn another_file_of_the_same_content_is_another_file() {
        let (folder, trust, file) = rig();
        let other = folder.path().join("repo/other.yaml");
        fs::write(&other, "one").unwrap();
        trust.record(&[(&file, b"one")]).unwrap();
        assert_eq!(trust.standing(&other, b"one").unwrap(), Standing::New);
    }

    #[test]
    fn links_into_and_out_of_a_repository_need_trust_too() {
        let (folder, trust, file) = rig();
        let (outside, into, out) =
            (folder.path().join("mine.yaml"), folder.path().join("into.yaml"), folder.path().join("repo/out.yaml"));
        fs::write(&outside, "one").unwrap();
        std::os::unix::fs::symlink(&file, &into).unwrap();
        std::os::unix::fs::symlink(&outside, &out).unwrap();
        assert_eq!(trust.standing(&outside, b"one").unwrap(), Standing::Own);
        let around = folder.path().join("repo/../mine.yaml");
        assert_eq!(trust.standing(&around, b"one").unwrap(), Standing::Own);
        assert_eq!(trust.standing(&into, b"one").unwrap(), Standing::New);
        assert_eq!(trust.standing(&out, b"one").unwrap(), Standing::New);
        trust.record(&[(&file, b"one")]).unwrap();
        assert_eq!(trust.standing(&into, b"one").unwrap(), Standing::Trusted, "it is the same file");
    }

    #[test]
    fn a_broken_git_folder_is_one_as_well() {
        let (folder, trust, _) = rig();
        fs::create_dir(folder.path().join("linked")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("linked/.git")).unwrap();
        assert_eq!(trust.standing(&folder.path().join("linked/w.yaml"), b"x").unwrap(), Standing::New);
    }
}
