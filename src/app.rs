//! The composition root: opens a home, and plugs the real store, files, clock and runner into the engine.
//!
//! Whoever holds the home's lock is the engine; for everyone else a [`Session`] is a line to it. A verb cannot tell the two
//! apart, except that it must [`Session::close`] what it opened.

mod adapters;
mod closing;
mod code;
mod documents;
mod error;
mod keeper;
mod lock;
mod memory;
mod models;
mod places;
mod private;
mod publishing;
mod replay;
mod roles;
mod sandbox;
mod servers;
mod session;
mod tool_server;
mod trust;

pub use closing::Closing;
pub use code::{CodeIndex, Definition, LanguageCount, LeftOut};
pub use documents::{DOCUMENTS, DocumentKind};
pub use error::{Error, HeldHow};
pub use lock::{Holder, Role};
pub use memory::{
    Memory, MemoryChanged, MemoryChunk, MemoryError, MemoryFilters, MemoryFound, MemoryKind, MemoryMetadata,
    MemoryPlatform, MemoryStatus, Remembered,
};
pub use models::{ModelProblem, Source as ModelsHere};
pub use private::PrivateFiles;
pub use publishing::SinkTried;
pub use replay::{Counts, Difference, Replayed};
pub use roles::{RoleText, shipped_roles};
pub use sandbox::{Came, Escape, Found, Health, Trial, TrialError, Tried};
pub use session::{Need, Session};
pub use trust::{Entry as TrustEntry, Standing, Trust, is_in_repository};

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{Config, Environment, Key, Layers};
use crate::domain::workflow::ModelsSpec;
use crate::engine::clock::SystemClock;
use crate::engine::entropy::SystemEntropy;
use crate::engine::ports::{Clock as _, Entropy as _};
use crate::interfaces::api::Check;
use crate::journal::doctor;
use crate::secrets::Shelf;
use crate::steps::{self, Containments};
use crate::telemetry::Log;
use crate::workspace::{Workspaces, detached};
use places::Places;

/// The program that runs, also after its file was replaced by a newer one.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Everything that is known before a home is opened.
pub struct App {
    config: Config,
    layers: Layers,
    environment: Environment,
    places: Places,
    log: Log,
    secrets: Arc<Shelf>,
    clock: Arc<SystemClock>,
    /// What the layers were read from, to read them again.
    sources: Sources,
}

/// What the layers of the configuration are read from, beside the environment.
struct Sources {
    folder: PathBuf,
    flags: Vec<(Key, &'static str, String)>,
}

impl App {
    /// Reads the configuration and begins to log; writes no file of the home. The settings of a repository that are not trusted do
    /// not count; see [`App::untrusted_settings`].
    pub fn new(
        environment: Environment,
        home: Option<PathBuf>,
        flags: &[(Key, &'static str, String)],
    ) -> Result<Self, Error> {
        let cwd = std::env::current_dir()
            .map_err(|source| Error::io("find out the current folder", Path::new("."), source))?;
        let home = home.or_else(|| environment.home()).ok_or(Error::NoHome)?;
        let places = Places::new(cwd.join(home), environment.runtime_dir());
        let clock = Arc::<SystemClock>::default();
        let sources = Sources { folder: git_root(&cwd).unwrap_or(cwd), flags: flags.to_vec() };
        let layers = sources.read(&environment, &Trust::of(&places, clock.now()))?;
        let config = Config::new(&layers);
        let asked_for = !matches!(layers.get(Key::Log).origin, crate::config::Origin::Default);
        let log = Log::begin(&config.log, config.log_json, asked_for);
        let (declared, own) = (layers.secrets().clone(), environment.config_file());
        let secrets = Arc::new(Shelf::new(declared, environment.texts(), own.as_deref(), log.masks().clone()));
        Ok(Self { config, layers, environment, places, log, secrets, clock, sources })
    }

    /// The secrets that the user has declared.
    pub fn secrets(&self) -> &Shelf {
        &self.secrets
    }

    /// The settings of the repository around here that do not count, for nobody has agreed to them: the file and its text.
    pub fn untrusted_settings(&self) -> Option<(&Path, &str)> {
        self.layers.untrusted()
    }

    /// Reads the configuration again, after a person has agreed to something. What is logged stays as it was.
    pub fn read_settings_again(&mut self) -> Result<(), Error> {
        self.layers = self.sources.read(&self.environment, &self.trust())?;
        self.config = Config::new(&self.layers);
        Ok(())
    }

    /// The settings in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where each of them comes from.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The environment.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The home's folder.
    pub fn home(&self) -> &Path {
        &self.places.home
    }

    /// An id for a project of a workflow, before it is started.
    pub fn fresh_id(&self, workflow: &str) -> crate::domain::ids::ProjectId {
        crate::domain::ids::ProjectId::fresh(workflow, SystemEntropy.next())
    }

    /// Whether nobody has ever used the home: whoever only looks need not make it.
    pub fn is_untouched(&self) -> bool {
        !self.places.lock().exists()
    }

    /// The time.
    pub fn now(&self) -> crate::domain::time::Millis {
        self.clock.now()
    }

    /// The commit that worktrees of a project started in `dir` begin with.
    pub fn base_commit(&self, dir: &Path) -> Result<String, Error> {
        Workspaces::new(&self.places.home).base_commit(dir).map_err(|failure| match git_root(dir) {
            Some(_) => Error::NoCommit(failure.message),
            None => Error::NoRepository(failure.message),
        })
    }

    /// Whether what a project makes can land: the branch `into` exists, or, when that is empty, the checkout is on one.
    pub fn check_landing(&self, dir: &Path, into: &str) -> Result<(), String> {
        crate::workspace::git::landing(dir, into).map_err(|error| error.to_string())
    }

    /// Whether these models can be asked, as far as that is known without asking. `priced`: there is a cap on money.
    pub fn check_models(&self, spec: &ModelsSpec, models: &BTreeSet<String>, priced: bool) -> Result<(), ModelProblem> {
        models::check(spec, models, priced, self.config_file().as_deref())
    }

    /// Makes a repository for a demonstration.
    pub fn make_repository(&self, dir: &Path, contents: &[(&str, &str)], branch: &str) -> Result<(), Error> {
        let made = crate::workspace::git::create(dir, contents, branch, self.now());
        made.map_err(|error| Error::io("make a repository", dir, std::io::Error::other(error)))
    }

    /// The file of the user's configuration, when there may be one.
    pub fn config_file(&self) -> Option<PathBuf> {
        self.environment.config_file()
    }

    /// What keeps commands in their place, for an engine whose home is `home`.
    fn containments(&self, home: &Path) -> Containments {
        let config = self.config_file();
        let folder = config.as_deref().and_then(Path::parent);
        let config = match folder {
            Some(folder) if folder.file_name() == Some(OsStr::new("wfctl")) => vec![folder.to_owned()],
            Some(folder) => config.iter().cloned().chain([folder.join("secrets.toml")]).collect(),
            None => Vec::new(),
        };
        let sockets = self.places.socket().ok().and_then(|socket| Some(socket.parent()?.to_owned()));
        let mut places = steps::Places::new(home, PathBuf::from(THIS_PROGRAM));
        places.user_home = self.environment.user_home();
        places.config = config;
        places.sockets = sockets.unwrap_or(places.sockets);
        places.path = self.environment.text("PATH").map(Into::into);
        places.engines = sandbox::engines(&self.environment);
        Containments::new(places)
    }

    /// Starts an engine in the background. It may lose the race for the home, and then ends by itself.
    pub fn spawn_engine(&self) -> Result<u32, Error> {
        use std::os::unix::fs::OpenOptionsExt as _;
        self.places.create()?;
        let doing = "start an engine in the background";
        let path = self.places.engine_log();
        let log = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let log = log.map_err(|source| Error::io(doing, &path, source))?;
        let program =
            std::env::current_exe().map_err(|source| Error::io(doing, Path::new("/proc/self/exe"), source))?;
        let workers = self.config.workers.to_string();
        let arguments: [&OsStr; 5] =
            ["--home".as_ref(), self.places.home.as_ref(), "--workers".as_ref(), workers.as_ref(), "engine".as_ref()];
        detached::spawn(&program, &arguments, &log).map_err(|source| Error::io(doing, &program, source))
    }

    /// A folder of the home for small files of a face.
    pub fn private_files(&self, folder: &str) -> PrivateFiles {
        PrivateFiles::new(self.places.home.join(folder))
    }

    /// A secret of 256 bits, as letters and digits.
    pub fn fresh_secret(&self) -> String {
        use std::fmt::Write as _;
        (0..4).fold(String::new(), |mut text, _| {
            // Writing to a string does not fail.
            let _ = write!(text, "{:016x}", SystemEntropy.next());
            text
        })
    }

    /// Opens the home, or a line to the engine that holds it.
    pub async fn open(&self, need: Need, command: &str) -> Result<Session, Error> {
        session::open(self, need, command).await
    }

    /// Sends an event to everyone who is told of records, or to one of them.
    pub async fn try_sinks(&self, only: Option<&str>) -> Result<Vec<SinkTried>, Error> {
        publishing::try_out(self, only).await
    }

    /// A line to the engine in another process, waiting for one that was just started.
    pub async fn attach(&self, command: &str) -> Result<Session, Error> {
        session::attach_to_engine(self, command).await
    }

    /// A line to the engine that is at work in another process; `None` when there is none that answers.
    pub async fn engine_line(&self) -> Option<Session> {
        session::engine_line(self).await
    }

    /// Runs a finished project again from its records, in folders of its own, and tells the first difference. `tell` hears each
    /// record that came again; `None`: `interrupted` came first.
    pub async fn replay(
        &self,
        records: &[crate::domain::view::RecordView],
        keep: bool,
        tell: &(dyn Fn(&crate::domain::view::RecordView) + Send + Sync),
        interrupted: impl Future<Output = ()>,
    ) -> Result<Option<Replayed>, Error> {
        replay::replay(self, records, keep, tell, interrupted).await
    }

    /// Heals what can be healed without losing anything; needs the home for itself.
    pub async fn repair(&self) -> Result<Vec<Check>, Error> {
        let lock = session::lock_alone(self, "doctor --repair").await?;
        let places = self.places.journal();
        let mut done = doctor::repair_files(&places).map_err(Error::store)?;
        let base = session::Base::open(self, true).await?;
        let epoch = base.archive.store().take_over().map_err(Error::store)?;
        let rebuild =
            |id: &_| base.archive.replay(id, crate::domain::ids::Seq(u64::MAX)).ok().map(|it| it.project.summary());
        done.extend(doctor::repair(&**base.archive.store(), epoch, &places, rebuild).map_err(Error::store)?);
        drop(lock);
        let repaired = |repaired: doctor::Repaired| Check {
            severity: "note".to_owned(),
            kind: "repaired".to_owned(),
            what: repaired.what,
            place: repaired.place,
            next: String::new(),
        };
        Ok(done.into_iter().map(repaired).collect())
    }
}

impl Sources {
    fn read(&self, environment: &Environment, trust: &Trust) -> Result<Layers, Error> {
        let problem = std::cell::RefCell::new(None);
        let counts = |path: &Path, text: &str| match trust.standing(path, text.as_bytes()) {
            Ok(standing) => standing.counts(),
            Err(error) => {
                *problem.borrow_mut() = Some(error);
                false
            }
        };
        let layers = Layers::read(environment, Some(&self.folder), &counts, &self.flags)?;
        match problem.into_inner() {
            Some(error) => Err(error),
            None => Ok(layers),
        }
    }
}

/// The folder of the git repository that `dir` is in: whatever has a name `.git`, be it a link that leads nowhere.
pub fn git_root(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().find(|folder| folder.join(".git").symlink_metadata().is_ok()).map(Path::to_owned)
}
