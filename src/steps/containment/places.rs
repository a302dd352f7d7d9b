//! Which paths one command sees: its workspace to write, tool chains and allowed paths to read, homes and keys not at all.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{Ground, failed, tools};
use crate::domain::failure::Failure;
use crate::domain::sandbox::{Allowance, Caches, GitAccess};
use crate::domain::workflow::WorkspaceKind;
use crate::workspace::sandbox::Engines;
use crate::workspace::{files, git};

/// Where the engine's own things and the person's are.
#[derive(Debug, Clone)]
pub struct Places {
    /// The home of wfctl.
    pub home: PathBuf,
    /// The person's.
    pub user_home: Option<PathBuf>,
    /// Files and folders with the person's configuration and keys.
    pub config: Vec<PathBuf>,
    /// Where proxies listen; a short path.
    pub sockets: PathBuf,
    /// Package caches of projects.
    pub caches: PathBuf,
    /// This binary, which the sandbox starts anew.
    pub stage: PathBuf,
    /// The person's `PATH`.
    pub path: Option<OsString>,
    /// Where engines that make containers may answer.
    pub engines: Engines,
}

/// What one command sees; see `Policy` for how the lists overrule each other.
#[derive(Debug, Default)]
pub(super) struct View {
    pub writable: Vec<PathBuf>,
    pub read_only: Vec<PathBuf>,
    pub readable: Vec<PathBuf>,
    pub hidden: Vec<PathBuf>,
    pub scratch: Vec<PathBuf>,
    pub variables: Vec<(OsString, OsString)>,
}

impl Places {
    /// Those below the home of wfctl; `stage` is the program that the sandbox starts anew. Nothing is known of a person.
    pub fn new(home: &Path, stage: PathBuf) -> Self {
        Self {
            sockets: home.join("run"),
            caches: home.join("caches"),
            home: home.to_owned(),
            user_home: None,
            config: Vec::new(),
            stage,
            path: None,
            engines: Engines::default(),
        }
    }

    /// Where commands write: no program of the sandbox's is taken from there.
    pub(super) fn untrusted(&self) -> Vec<PathBuf> {
        vec![self.home.clone()]
    }

    pub(super) fn view(
        &self,
        ground: Ground<'_>,
        allowed: &Allowance,
        dir: &Path,
        environment: &[(OsString, OsString)],
    ) -> Result<View, Failure> {
        let mut view = View::default();
        self.hide(&mut view);
        if allowed.backend.has_own_files() {
            bring_own_tools(&mut view);
        } else {
            self.show_tools(&mut view, environment);
        }
        let base_dir = ground.base_dir;
        view.readable.extend(allowed.readable.iter().map(|path| self.absolute(path, base_dir)));
        view.writable.push(dir.to_owned());
        self.caches(&mut view, ground, allowed)?;
        self.repository(&mut view, ground.kind, allowed.git, base_dir, dir);
        for path in &allowed.writable {
            let path = self.absolute(path, base_dir);
            if !path.exists() {
                return Err(failed(format!("a folder that commands may write does not exist: {}", path.display())));
            }
            view.writable.push(path);
        }
        Ok(view)
    }

    fn hide(&self, view: &mut View) {
        view.hidden.extend(tools::SYSTEM_KEYS.iter().map(PathBuf::from));
        view.hidden.push(self.home.clone());
        view.hidden.extend(self.config.iter().cloned());
        view.scratch.extend(tools::HOMES.iter().map(PathBuf::from));
        if let Some(home) = &self.user_home {
            view.scratch.push(home.clone());
            view.hidden.extend(tools::KEYS.iter().map(|key| home.join(key)));
        }
    }

    /// Tool chains in the home, and whatever of it `PATH` and the variables of tools name.
    fn show_tools(&self, view: &mut View, environment: &[(OsString, OsString)]) {
        // What tools keep for later goes where it can be written and is thrown away.
        for (name, value) in [("XDG_CACHE_HOME", "/tmp/.cache"), ("TMPDIR", "/tmp")] {
            view.variables.push((name.into(), value.into()));
        }
        if let Some(home) = &self.user_home {
            view.readable.extend(tools::SHOWN.iter().map(|tool| home.join(tool)));
        }
        let named = |(name, _): &&(OsString, OsString)| tools::FOLDER_VARIABLES.iter().any(|known| *known == *name);
        for (_, value) in environment.iter().filter(named) {
            let folders =
                value.as_bytes().split(|byte| *byte == b':').map(|folder| Path::new(OsStr::from_bytes(folder)));
            for folder in folders.filter(|folder| self.is_inside_a_home(folder)) {
                view.readable.push(folder.to_owned());
                view.hidden.extend(tools::KEYS_OF_TOOLS.iter().map(|key| folder.join(key)));
            }
        }
    }

    /// Whether a folder lies in somebody's home without being one.
    fn is_inside_a_home(&self, folder: &Path) -> bool {
        let below =
            |home: &Path, depth: usize| folder.strip_prefix(home).is_ok_and(|it| it.components().count() > depth);
        // A home is a folder of `/home`, and `/root` itself.
        below(Path::new("/home"), 1) || below(Path::new("/root"), 0) || self.user_home.iter().any(|home| below(home, 0))
    }

    fn caches(&self, view: &mut View, ground: Ground<'_>, allowed: &Allowance) -> Result<(), Failure> {
        let Some(home) = &self.user_home else { return Ok(()) };
        let paths = tools::CACHES.iter().map(|cache| home.join(cache));
        match allowed.caches {
            // Those of the host's tools are nothing to those of an image.
            Caches::Read if allowed.backend.has_own_files() => {}
            Caches::Read => view.readable.extend(paths),
            Caches::None => view.hidden.extend(paths),
            Caches::Project => {
                view.hidden.extend(paths);
                let own = self.caches.join(ground.owner);
                for (variable, name) in tools::OWN_CACHES {
                    let folder = own.join(name);
                    files::private_dir(&folder)
                        .map_err(|error| failed(format!("cannot make {}: {error}", folder.display())))?;
                    view.variables.retain(|(known, _)| known != variable);
                    view.variables.push(((*variable).into(), folder.into()));
                }
                view.writable.push(own);
            }
        }
        Ok(())
    }

    /// The repository: its `.git`, which a worktree needs, can be read; its configuration and hooks are never written, for git
    /// would run outside what they say. The checkout of a project that works in worktrees is not theirs to see.
    fn repository(&self, view: &mut View, kind: WorkspaceKind, access: GitAccess, base_dir: &Path, dir: &Path) {
        let Some(root) = base_dir.ancestors().find(|folder| folder.join(".git").exists()) else { return };
        let shared = git::common_dir(root).unwrap_or_else(|| root.join(".git"));
        match (access, kind) {
            (GitAccess::Write, _) => {
                view.writable.push(shared.clone());
                view.read_only.extend(tools::GIT_SETTINGS.iter().map(|name| shared.join(name)));
            }
            (GitAccess::Read, WorkspaceKind::Dir) => view.read_only.push(shared),
            (GitAccess::Read, WorkspaceKind::Worktree | WorkspaceKind::None) => view.readable.push(shared),
        }
        if kind == WorkspaceKind::Worktree {
            view.hidden.push(root.to_owned());
        }
        // A `.git` that is a file says where the repository is: whoever could write it could lead git elsewhere.
        view.read_only.extend([dir.join(".git"), root.join(".git")].into_iter().filter(|file| file.is_file()));
    }

    /// A path as a person writes it: absolute, `~/...`, or relative to the project's folder.
    fn absolute(&self, path: &str, base_dir: &Path) -> PathBuf {
        match (path.strip_prefix("~/"), &self.user_home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => base_dir.join(path),
        }
    }
}

/// The tools are those of an image, and so is all else but the workspace: a home of the host's there would cover the image's.
fn bring_own_tools(view: &mut View) {
    view.scratch.clear();
    for (name, value) in [("HOME", "/tmp"), ("XDG_CACHE_HOME", "/tmp/.cache"), ("TMPDIR", "/tmp")] {
        view.variables.push((name.into(), value.into()));
    }
}

#[cfg(test)]
mod tests;
