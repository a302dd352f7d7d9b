//! Worktrees of our own: created by hand, handed out to one step at a time, reset instead of created anew, removed at the end.
//!
//! A worktree is `<home>/worktrees/<project>/<n>` with an admin folder `worktrees/wfctl-<home>-<project>-<n>` in the repository,
//! HEAD detached at the project's base commit. libgit2's own way of adding one would leave a branch behind for each.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use git2::{Oid, Repository};

use super::adopt::{Adoption, adopt};
use super::error::{At as _, Error};
use super::land::{self, LandOrder, Landed};
use super::merge::History;
use super::patch::{Compared, compare};
use super::repo::{commit_named, commit_tree, create_ref, open, past_stale_lock, ref_component, target_of};
use super::{branches, checkpoint, restore, tree_size};
use crate::domain::effect::WorkspaceOrder;
use crate::domain::ids::{Digest, ProjectId};
use crate::domain::time::Millis;
use crate::workspace::files;

/// What is ours or git's own in an admin folder; anything else is left by a step (a merge in progress) and goes away.
const ADMIN_FILES: [&str; 7] = ["commondir", "gitdir", "HEAD", "index", "locked", checkpoint::INDEX, checkpoint::CLOCK];

/// In a project's folder: its result is published, only its traces are left to be removed.
const PUBLISHED: &str = "published";
/// In a project's folder: why its result could not be published.
const REFUSED: &str = "refused";

/// Whether the end of a project is dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unpublished {
    /// It is.
    No,
    /// Not yet.
    Yet,
    /// It was tried and cannot be done; the next engine tries again.
    Because(String),
}

/// The worktrees of all projects of one home.
#[derive(Debug)]
pub struct Pools {
    worktrees_dir: PathBuf,
    home_id: String,
    slots: Mutex<HashMap<ProjectId, Slots>>,
    /// Base commits whose trees are not too large to be put into a worktree.
    bounded: Mutex<BTreeSet<Oid>>,
}

/// The worktrees of one project, by number.
#[derive(Debug, Default)]
struct Slots {
    leased: BTreeSet<u32>,
    /// What a free one holds.
    free: BTreeMap<u32, Option<Oid>>,
}

impl Slots {
    /// A free one that already has the files, else any free one, else a new one.
    fn take(&mut self, tree: Oid) -> u32 {
        let fitting = self.free.iter().find(|(_, held)| **held == Some(tree)).or_else(|| self.free.first_key_value());
        let slot = match fitting.map(|(slot, _)| *slot) {
            Some(slot) => slot,
            None => (0..).find(|slot| !self.leased.contains(slot)).unwrap_or(u32::MAX),
        };
        self.free.remove(&slot);
        self.leased.insert(slot);
        slot
    }
}

/// One worktree, handed out. Dropping it gives it back.
#[derive(Debug)]
pub struct Worktree {
    pools: Arc<Pools>,
    project: ProjectId,
    slot: u32,
    root: PathBuf,
    admin: PathBuf,
    base: Oid,
    inputs: Vec<Oid>,
    /// The tree that its files were last known to be.
    holds: Mutex<Option<Oid>>,
}

impl Pools {
    /// Worktrees under `home`; nothing is created yet.
    pub fn new(home: &Path) -> Self {
        let home_id = Digest::of(home.as_os_str().as_bytes()).to_hex()[..8].to_owned();
        Self { worktrees_dir: home.join("worktrees"), home_id, slots: Mutex::default(), bounded: Mutex::default() }
    }

    /// Hands out a worktree that has exactly the files of the merged trees of `order`.
    pub fn lease(self: &Arc<Self>, project: &ProjectId, order: &WorkspaceOrder) -> Result<Worktree, Error> {
        let repository = open(Path::new(&*order.base_dir))?;
        let (base, prefix) = (base_of(&repository, order)?, self.prefix(project));
        self.within_bounds(&repository, base)?;
        let history = History { repository: &repository, prefix: &prefix, base };
        let inputs = history.inputs(&order.trees)?;
        let tree = history.merged(&inputs)?;
        let slot = self.slots().entry(project.clone()).or_default().take(tree);
        let root = self.worktrees_dir.join(project.as_str()).join(slot.to_string());
        let admin = repository.commondir().join("worktrees").join(format!("{}{slot}", self.admin_prefix(project)));
        let holds = Mutex::default();
        let worktree =
            Worktree { pools: self.clone(), project: project.clone(), slot, root, admin, base, inputs, holds };
        worktree.reset(tree)?;
        *worktree.holds() = Some(tree);
        Ok(worktree)
    }

    /// See `Workspaces::adopt`.
    pub fn adopt(&self, base_dir: &Path, adoption: &Adoption) -> Result<(), Error> {
        let repository = open(base_dir)?;
        let base = commit_named(&repository, adoption.base_commit.as_deref().unwrap_or("no base commit"))?;
        adopt(&repository, adoption, base, &self.prefix(&adoption.from), &self.prefix(&adoption.to))
    }

    /// What the merged trees of `to` have that those of `from` have not; nothing stands for the project's base.
    pub fn compare(
        &self,
        project: &ProjectId,
        base_dir: &Path,
        base_commit: Option<&str>,
        [from, to]: [&[String]; 2],
    ) -> Result<Compared, Error> {
        let repository = open(base_dir)?;
        let base = commit_named(&repository, base_commit.unwrap_or("no base commit"))?;
        let prefix = self.prefix(project);
        let history = History { repository: &repository, prefix: &prefix, base };
        let tree = |trees: &[String]| history.merged(&history.inputs(trees)?);
        compare(&repository, tree(from)?, tree(to)?)
    }

    /// The projects that have a folder here.
    pub fn projects(&self) -> Vec<ProjectId> {
        let folders = fs::read_dir(&self.worktrees_dir).into_iter().flatten().flatten();
        let mut projects: Vec<ProjectId> =
            folders.filter_map(|entry| ProjectId::new(entry.file_name().to_str()?).ok()).collect();
        projects.sort_unstable();
        projects
    }

    /// See `Workspaces::unpublished`.
    pub fn unpublished(&self, project: &ProjectId) -> Unpublished {
        let folder = self.worktrees_dir.join(project.as_str());
        match fs::read_to_string(folder.join(REFUSED)) {
            Ok(problem) => Unpublished::Because(problem),
            Err(_) if folder.exists() => Unpublished::Yet,
            Err(_) => Unpublished::No,
        }
    }

    /// See `Workspaces::publish`.
    pub fn publish(
        &self,
        project: &ProjectId,
        order: &WorkspaceOrder,
        message: &str,
        time: Millis,
    ) -> Result<Option<String>, Error> {
        let folder = self.worktrees_dir.join(project.as_str());
        let what = format!("{:?} {:?} {} {message:?}", order.base_commit, order.trees, time.0);
        let what = Digest::of(what.as_bytes()).to_hex();
        if let Ok(note) = fs::read_to_string(folder.join(PUBLISHED))
            && let Some(commit) = note.strip_prefix(&what)
        {
            // What its trees were merged from may be gone already.
            return Ok(Some(commit.trim().to_owned()).filter(|commit| !commit.is_empty()));
        }
        let published = match self.publish_branch(project, order, message, time) {
            // The whole folder is gone, and the result with it.
            Err(Error::NoRepository(gone)) if !gone.exists() => Ok(None),
            published => published,
        };
        let refused = folder.join(REFUSED);
        match &published {
            Ok(commit) if folder.exists() => {
                let note = format!("{what} {}\n", commit.as_deref().unwrap_or_default());
                put(&folder.join(PUBLISHED), note.as_bytes())?;
                files::remove_if_there(&refused).at(&refused)?;
            }
            Ok(_) => {}
            Err(error) => self.refuse(project, error),
        }
        published
    }

    /// Tells whoever waits for the end of the project that it did not come to pass.
    fn refuse(&self, project: &ProjectId, error: &Error) {
        let folder = self.worktrees_dir.join(project.as_str());
        if folder.exists()
            && let Err(unwritten) = put(&folder.join(REFUSED), error.to_string().as_bytes())
        {
            tracing::warn!(%project, %unwritten, "nobody can be told what its end lacks");
        }
    }

    fn publish_branch(
        &self,
        project: &ProjectId,
        order: &WorkspaceOrder,
        message: &str,
        time: Millis,
    ) -> Result<Option<String>, Error> {
        let repository = open(Path::new(&*order.base_dir))?;
        let (base, prefix) = (base_of(&repository, order)?, self.prefix(project));
        let history = History { repository: &repository, prefix: &prefix, base };
        let tree = history.merged(&history.inputs(&order.trees)?)?;
        if repository.find_commit(base)?.tree_id() == tree {
            return Ok(None);
        }
        // With an integration branch of these very files the result is its head, history and all.
        let head = target_of(&repository, &branches::integration(project))?;
        let is_head = head.map(|head| repository.find_commit(head)).transpose()?.filter(|head| head.tree_id() == tree);
        let commit = match is_head {
            Some(head) => head.id(),
            None => commit_tree(&repository, tree, &[base], message, time)?,
        };
        checkpoint::sync_objects(&repository, &[tree, commit])?;
        let branch = format!("refs/heads/ai/generated/{}/result", ref_component(project.as_str()));
        create_ref(&repository, &branch, commit)?;
        Ok(Some(commit.to_string()))
    }

    /// See `Workspaces::land`.
    pub fn land(&self, order: &LandOrder) -> Result<Landed, Error> {
        land::land(order, &self.prefix(&order.project))
    }

    /// Removes all that the project has in the home and in the repository but its result and integration branches and the
    /// tasks' branches that were not merged. Doing it twice is harmless.
    pub fn close(&self, project: &ProjectId, base_dir: &Path) -> Result<(), Error> {
        self.try_to_close(project, base_dir).inspect_err(|error| self.refuse(project, error))
    }

    fn try_to_close(&self, project: &ProjectId, base_dir: &Path) -> Result<(), Error> {
        self.slots().remove(project);
        match open(base_dir) {
            Ok(repository) => self.close_in(&repository, project)?,
            // It was deleted, or there never was one: nothing to tidy up.
            Err(Error::NoRepository(_) | Error::Bare(_)) => {}
            Err(error) => return Err(error),
        }
        // Last: as long as it is there, the next engine closes the project again.
        let folder = self.worktrees_dir.join(project.as_str());
        files::remove_tree(&folder).at(&folder)
    }

    fn close_in(&self, repository: &Repository, project: &ProjectId) -> Result<(), Error> {
        let admins = repository.commondir().join("worktrees");
        let prefix = self.admin_prefix(project);
        for entry in fs::read_dir(&admins).into_iter().flatten() {
            let entry = entry.at(&admins)?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(&prefix));
            if number.is_some_and(|number| number.parse::<u32>().is_ok()) {
                files::remove_tree(&entry.path()).at(&entry.path())?;
            }
        }
        // Fails when the user has worktrees, too.
        let _in_use = fs::remove_dir(&admins);
        for reference in repository.references_glob(&format!("{}*", self.prefix(project)))? {
            let mut reference = reference?;
            let name = String::from_utf8_lossy(reference.name_bytes()).into_owned();
            past_stale_lock(repository, &name, || reference.delete())?;
        }
        branches::remove_merged(repository, project)
    }

    /// Refuses a commit whose tree no worktree can hold, before anything reads it whole: trees that name one another a few times
    /// each stand for more files than there is room for. What steps add is bounded when it is taken.
    fn within_bounds(&self, repository: &Repository, base: Oid) -> Result<(), Error> {
        let bounded = || self.bounded.lock().unwrap_or_else(PoisonError::into_inner);
        if bounded().contains(&base) {
            return Ok(());
        }
        tree_size::check(repository, repository.find_commit(base)?.tree_id())?;
        bounded().insert(base);
        Ok(())
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<ProjectId, Slots>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The home is part of each name: two homes may run projects of one id in one repository.
    fn prefix(&self, project: &ProjectId) -> String {
        format!("refs/wfctl/{}/{}/", self.home_id, ref_component(project.as_str()))
    }

    fn admin_prefix(&self, project: &ProjectId) -> String {
        format!("wfctl-{}-{project}-", self.home_id)
    }
}

impl Worktree {
    /// Where its files are.
    pub fn dir(&self) -> &Path {
        &self.root
    }

    /// The tree of its files, kept from garbage collection. It costs a look at each file's stat data when nothing changed.
    pub fn checkpoint(&self) -> Result<String, Error> {
        let mut holds = self.holds();
        *holds = None;
        self.link()?;
        let repository = Repository::open(&self.root)?;
        let tree = checkpoint::take(&repository, &self.root, &self.admin)?;
        let commit = self.kept(&repository, tree)?;
        checkpoint::sync_objects(&repository, &[commit])?;
        *holds = Some(tree);
        Ok(tree.to_string())
    }

    /// What a checkpoint gives when nothing was written since the last one or since the files were put in place, which is for the
    /// caller to know: no file is looked at.
    pub fn checkpoint_untouched(&self) -> Result<String, Error> {
        let holds = self.holds();
        let Some(tree) = *holds else {
            drop(holds);
            return self.checkpoint();
        };
        self.link()?;
        let repository = Repository::open(&self.root)?;
        let commit = self.kept(&repository, tree)?;
        checkpoint::sync_objects(&repository, &[tree, commit])?;
        Ok(tree.to_string())
    }

    /// The commit that keeps `tree` from garbage collection.
    fn kept(&self, repository: &Repository, tree: Oid) -> Result<Oid, Error> {
        let prefix = self.pools.prefix(&self.project);
        History { repository, prefix: &prefix, base: self.base }.remember(tree, &self.inputs)
    }

    /// Makes its files exactly those of `tree`; ignored ones stay. Only what differs is touched.
    pub fn restore(&self, tree: &str) -> Result<(), Error> {
        let id = Oid::from_str(tree).map_err(|_| Error::NoSuchTree(tree.to_owned()))?;
        let mut holds = self.holds();
        *holds = None;
        self.reset(id)?;
        *holds = Some(id);
        Ok(())
    }

    /// Also the lock that keeps a checkpoint and a restore of one worktree apart.
    fn holds(&self) -> MutexGuard<'_, Option<Oid>> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reset(&self, tree: Oid) -> Result<(), Error> {
        real_folder(&self.root)?;
        self.link()?;
        for entry in fs::read_dir(&self.admin).at(&self.admin)? {
            let entry = entry.at(&self.admin)?;
            if !ADMIN_FILES.iter().any(|known| entry.file_name() == *known) {
                let path = entry.path();
                if entry.file_type().at(&path)?.is_dir() { files::remove_tree(&path) } else { fs::remove_file(&path) }
                    .at(&path)?;
            }
        }
        put(&self.admin.join("HEAD"), format!("{}\n", self.base).as_bytes())?;
        let repository = Repository::open(&self.root)?;
        restore::to(&repository, &self.root, &self.admin, tree)?;
        let index = self.admin.join("index");
        fs::copy(self.admin.join(checkpoint::INDEX), &index).at(&index)?;
        Ok(())
    }

    /// Makes root and admin folder point at each other, whatever a step did to them.
    fn link(&self) -> Result<(), Error> {
        real_folder(&self.admin)?;
        let link = self.root.join(".git");
        put(&link, [b"gitdir: ", self.admin.as_os_str().as_bytes(), b"\n"].concat().as_slice())?;
        put(&self.admin.join("gitdir"), [link.as_os_str().as_bytes(), b"\n"].concat().as_slice())?;
        put(&self.admin.join("commondir"), b"../..\n")?;
        put(&self.admin.join("locked"), format!("in use by wfctl for project {}\n", self.project).as_bytes())?;
        let head = self.admin.join("HEAD");
        if head.exists() { Ok(()) } else { put(&head, format!("{}\n", self.base).as_bytes()) }
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        let held = *self.holds();
        // After `close` its project is not known any more, and neither is the worktree.
        if let Some(slots) = self.pools.slots().get_mut(&self.project) {
            slots.leased.remove(&self.slot);
            slots.free.insert(self.slot, held);
        }
    }
}

fn base_of(repository: &Repository, order: &WorkspaceOrder) -> Result<Oid, Error> {
    commit_named(repository, order.base_commit.as_deref().unwrap_or("no base commit"))
}

/// Makes a private folder; a link or anything else that a step left in its place gives way to it.
fn real_folder(path: &Path) -> Result<(), Error> {
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_dir()) {
        fs::remove_file(path).at(path)?;
    }
    files::private_dir(path).at(path)
}

/// Writes a small file unless it has that content already. Never through a link.
fn put(path: &Path, content: &[u8]) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => files::remove_tree(path).at(path)?,
        Ok(metadata) if metadata.is_file() && fs::read(path).is_ok_and(|found| found == content) => return Ok(()),
        Ok(_) => files::remove_if_there(path).at(path)?,
        Err(_) => {}
    }
    let file = fs::OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(content)).at(path)
}
