//! Opening a home: taking its lock and becoming the engine, or finding the engine that has it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backoff::backoff::Backoff as _;
use backoff::{ExponentialBackoff, ExponentialBackoffBuilder};
use tokio_util::task::TaskTracker;

use super::App;
use super::adapters::{Disk, SnapshotWriter, Vault};
use super::closing::{self, Closing};
use super::error::{Error, HeldHow};
use super::keeper::Keeper;
use super::lock::{self, Holder, Lock, Role};
use super::memory;
use super::publishing::Publishing;
use super::servers;
use crate::domain::ids::{Epoch, ProjectId};
use crate::engine::archive::Archive;
use crate::engine::entropy::SystemEntropy;
use crate::engine::{Engine, Handle, Parts};
use crate::interfaces::api::{Door, Home, Service};
use crate::interfaces::bus::Bus;
use crate::interfaces::socket::{Client, ConnectError, Server};
use crate::journal::blobs::Blobs;
use crate::journal::sled_store::SledStore;
use crate::journal::store;
use crate::steps::{Runner, Settings};
use crate::workspace::Workspaces;
use crate::workspace::detached;
use crate::workspace::index::Indexes;
use crate::workspace::leftovers::Leftovers;

/// How long a holder may take to open the home, or to finish a brief request, before it counts as unreachable.
const PATIENCE: Duration = Duration::from_secs(20);

/// Most time between two looks at a lock. Short, so that whoever wants to be the engine is not kept out by a stream of brief
/// requests, each of which leaves the lock free for a moment only.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What a verb needs of a home that nobody holds. When an engine has it, every verb talks to that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To read.
    Read,
    /// To record a command; nothing is driven.
    Command,
    /// To drive projects.
    Drive,
}

/// An open home, or a line to the engine that has it.
pub struct Session {
    home: Home,
    workspaces: Arc<Workspaces>,
    side: Side,
}

enum Side {
    /// Another process has the home.
    Remote(Holder),
    /// This process has it.
    Here(Box<Here>),
}

struct Here {
    engine: Option<Engine>,
    server: Option<Server>,
    snapshots: Option<Arc<SnapshotWriter>>,
    closing: TaskTracker,
    bus: Option<Arc<Bus>>,
    /// Released last.
    _lock: Lock,
}

impl Session {
    /// What can be asked.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The engine in this process.
    pub fn engine(&self) -> Option<&Handle> {
        match &self.side {
            Side::Here(here) => here.engine.as_ref().map(Engine::handle),
            Side::Remote(_) => None,
        }
    }

    /// Who else has the home.
    pub fn holder(&self) -> Option<&Holder> {
        match &self.side {
            Side::Here(_) => None,
            Side::Remote(holder) => Some(holder),
        }
    }

    /// Waits until the result of a project that has ended is published and its worktrees are gone, whoever does that.
    /// An error says why it did not come to that.
    pub async fn settled(&self, id: &ProjectId) -> Result<(), String> {
        closing::settled(&self.workspaces, id).await
    }

    /// Gives the home back in order: what runs is interrupted and that is recorded. Says why, if the engine had ended by itself.
    pub async fn close(self) -> Option<String> {
        let Self { home, side, .. } = self;
        let Side::Here(here) = side else { return None };
        // The store closes with the last of those who read from it, and that should be before the lock is given back.
        drop(home);
        drop(here.server);
        let why = match here.engine {
            Some(engine) => engine.shutdown().await,
            None => None,
        };
        here.closing.close();
        let bus = here.bus;
        let told = async {
            if let Some(bus) = &bus {
                bus.drain().await;
            }
        };
        tokio::join!(here.closing.wait(), told);
        if let Some(snapshots) = here.snapshots {
            // A panic there would only lose a cache.
            let _ = tokio::task::spawn_blocking(move || snapshots.flush()).await;
        }
        why
    }
}

/// Opens the home or a line to it.
pub async fn open(app: &App, need: Need, command: &str) -> Result<Session, Error> {
    let path = app.places.lock();
    app.places.create()?;
    let mut waits = patience();
    loop {
        if let Some(lock) = try_lock(&path)? {
            return own(app, lock, need, command).await;
        }
        let holder = lock::holder(&path);
        if let Some(session) = attach(app, holder.as_ref()).await? {
            return Ok(session);
        }
        match waits.next_backoff() {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return Err(held(app, holder, HeldHow::Unreachable)),
        }
    }
}

/// A line to an engine that was started a moment ago, or was there before.
pub async fn attach_to_engine(app: &App, command: &str) -> Result<Session, Error> {
    let path = app.places.lock();
    let mut waits = patience();
    loop {
        let holder = lock::holder(&path);
        // A note of an engine that has died leads to a socket that nobody listens at.
        if let Some(session) = attach(app, holder.as_ref()).await? {
            tracing::debug!(command, "attached");
            return Ok(session);
        }
        match waits.next_backoff() {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return Err(held(app, holder, HeldHow::Unreachable)),
        }
    }
}

/// A line to the engine that is at work now, without waiting for one.
pub async fn engine_line(app: &App) -> Option<Session> {
    let holder = lock::holder(&app.places.lock());
    attach(app, holder.as_ref()).await.ok().flatten()
}

fn patience() -> ExponentialBackoff {
    ExponentialBackoffBuilder::new()
        .with_initial_interval(Duration::from_millis(5))
        .with_max_interval(LOOK_AGAIN)
        .with_max_elapsed_time(Some(PATIENCE))
        .build()
}

/// The home's lock for a repair.
pub async fn lock_alone(app: &App, command: &str) -> Result<Lock, Error> {
    let path = app.places.lock();
    app.places.create()?;
    let lock = try_lock(&path)?.ok_or_else(|| held(app, lock::holder(&path), HeldHow::Busy))?;
    let me = lock::this_process(command, Role::Brief, None, app.now());
    lock.note(&me).map_err(|source| Error::io("write down who holds the home", &path, source))?;
    Ok(lock)
}

fn try_lock(path: &Path) -> Result<Option<Lock>, Error> {
    Lock::try_take(path).map_err(|source| Error::io("take the home's lock", path, source))
}

fn held(app: &App, holder: Option<Holder>, how: HeldHow) -> Error {
    Error::Held { home: app.places.home.clone(), holder, how }
}

/// A line to the engine that holds the home; `None` while it is not there yet, or holds it for a moment only.
async fn attach(app: &App, holder: Option<&Holder>) -> Result<Option<Session>, Error> {
    let Some((holder, socket)) = holder.and_then(|holder| Some((holder, holder.socket.as_ref()?))) else {
        return Ok(None);
    };
    match Client::connect(socket).await {
        Ok((client, _)) => {
            let home = Home::new(Arc::new(client), app.environment.user());
            Ok(Some(Session { home, workspaces: workspaces(app), side: Side::Remote(holder.clone()) }))
        }
        Err(ConnectError::Absent(_)) => Ok(None),
        Err(ConnectError::Silent) => Err(held(app, Some(holder.clone()), HeldHow::Silent)),
        Err(ConnectError::Fault(fault)) => Err(fault.into()),
    }
}

/// The stored half of a home.
pub struct Base {
    pub archive: Archive,
    pub blobs: Blobs,
    snapshots: Option<Arc<SnapshotWriter>>,
}

impl Base {
    /// Opens the store and what lies beside it. The caller holds the lock.
    pub async fn open(app: &App, is_writing: bool) -> Result<Self, Error> {
        let places = app.places.journal();
        let store = open_store(app, &places.store).await?;
        let blobs = Blobs::open(&places.blobs)
            .map_err(|error| Error::io("open the blobs", &places.blobs, std::io::Error::other(error)))?;
        let snapshots = SnapshotWriter::new(&places.snapshots)
            .map_err(|source| Error::io("start the writer of snapshots", &places.snapshots, source))?;
        let snapshots = Arc::new(snapshots);
        let archive = Archive::new(Arc::new(store), Arc::new(Vault(blobs.clone())), Some(snapshots.clone()));
        Ok(Self { archive, blobs, snapshots: is_writing.then_some(snapshots) })
    }
}

/// Opens the store. A holder that has given the home's lock back, or was killed, may take a moment longer to close it.
async fn open_store(app: &App, path: &Path) -> Result<SledStore, Error> {
    let mut waits = patience();
    loop {
        let opening = path.to_owned();
        let store = tokio::task::spawn_blocking(move || SledStore::open(&opening)).await;
        let store = store.map_err(|error| Error::io("open the store", path, std::io::Error::other(error)))?;
        match (store, waits.next_backoff()) {
            (Ok(store), _) => return Ok(store),
            (Err(store::Error::Locked), Some(wait)) => tokio::time::sleep(wait).await,
            (Err(store::Error::Locked), None) => return Err(held(app, None, HeldHow::Unreachable)),
            (Err(error), _) => return Err(Error::store(error)),
        }
    }
}

async fn own(app: &App, lock: Lock, need: Need, command: &str) -> Result<Session, Error> {
    let (role, socket) = match need {
        Need::Drive => (Role::Engine, Some(app.places.socket()?)),
        Need::Read | Need::Command => (Role::Brief, None),
    };
    let me = lock::this_process(command, role, socket.clone(), app.now());
    let path = app.places.lock();
    lock.note(&me).map_err(|source| Error::io("write down who holds the home", &path, source))?;
    if need == Need::Drive {
        detached::hide_memory();
    }
    if need != Need::Read {
        app.secrets.learn_here();
        let path = app.places.engine_log();
        app.log.to_file(&path).map_err(|source| Error::io("open the log", &path, source))?;
    }
    let run = app.places.run();
    let leftovers = Leftovers::open(run.clone(), &app.places.id()).map_err(|source| Error::io("open", &run, source))?;
    let reaped = async {
        match need {
            // Who cancels a project of an engine that died wants its commands to end too.
            Need::Command | Need::Drive => leftovers
                .reap()
                .await
                .map_err(|source| Error::io("end what an earlier engine left running", &run, source)),
            Need::Read => Ok(0),
        }
    };
    let (base, reaped) = tokio::join!(Base::open(app, need != Need::Read), reaped);
    let (base, reaped) = (base?, reaped?);
    if reaped > 0 {
        tracing::warn!(reaped, "processes of an engine that died were ended");
    }
    let workspaces = workspaces(app);
    let closing = TaskTracker::new();
    let mut taken = None;
    // Before anything is written, so that nothing is missed.
    let (publishing, waiting) = Publishing::open(app, base.archive.clone(), need == Need::Drive).await?;
    let engine = match need {
        Need::Read => None,
        Need::Command | Need::Drive => {
            let epoch = base.archive.store().take_over().map_err(Error::store)?;
            taken = Some(epoch);
            if need == Need::Drive {
                Closing::new(base.archive.clone(), workspaces.clone()).catch_up().await;
            }
            Some(start(app, &base, epoch, &workspaces, leftovers, closing.clone())?)
        }
    };
    let keeper = Arc::new(Keeper {
        archive: base.archive.clone(),
        blobs: base.blobs.clone(),
        workspaces: workspaces.clone(),
        places: app.places.journal(),
        logs: app.places.logs(),
        epoch: taken,
        publishing: publishing.clone(),
        clock: app.clock.clone(),
    });
    let handle = engine.as_ref().map(|engine| engine.handle().clone());
    let bus = match (waiting, &handle) {
        (Some(waiting), Some(handle)) => {
            let bus = Arc::new(waiting.start(&handle.watch()));
            publishing.serve(bus.clone());
            Some(bus)
        }
        (Some(_), None) | (None, _) => None,
    };
    let door: Arc<dyn Door> = Arc::new(Service::new(base.archive, handle, keeper).masking(app.log.masks().clone()));
    let server = match &socket {
        Some(path) => {
            let server = Server::listen(path, door.clone());
            Some(server.map_err(|source| Error::io("listen at the control socket", path, source))?)
        }
        None => None,
    };
    let here = Here { engine, server, snapshots: base.snapshots, closing, bus, _lock: lock };
    Ok(Session { home: Home::new(door, app.environment.user()), workspaces, side: Side::Here(Box::new(here)) })
}

fn workspaces(app: &App) -> Arc<Workspaces> {
    Arc::new(Workspaces::new(&app.places.home))
}

fn start(
    app: &App,
    base: &Base,
    epoch: Epoch,
    workspaces: &Arc<Workspaces>,
    leftovers: Leftovers,
    closing: TaskTracker,
) -> Result<Engine, Error> {
    let environment = app.environment.all().map(|(name, value)| (name.clone(), value.clone())).collect();
    let leftovers = Arc::new(leftovers);
    let servers = Arc::new(servers::made(app, &leftovers));
    let models = Arc::new(memory::models(app));
    let memories = Arc::new(memory::memories(app, &models));
    let runner = Arc::new(Runner::new(Settings {
        environment,
        grace: app.config.grace,
        shutdown_grace: app.config.shutdown_grace,
        logs_dir: app.places.logs(),
        workspaces: workspaces.clone(),
        containments: Arc::new(app.containments(&app.places.home)),
        leftovers,
        sink: Arc::new(Vault(base.blobs.clone())),
        source: Arc::new(Vault(base.blobs.clone())),
        models,
        secrets: app.secrets.clone(),
        masks: app.log.masks().clone(),
        indexes: Arc::new(Indexes::new(app.places.code())),
        servers: Some(servers),
        memories: Some(memories),
        recalled: None,
        clock: app.clock.clone(),
    }));
    let last = Closing::new(base.archive.clone(), workspaces.clone());
    let runtime = tokio::runtime::Handle::current();
    let closed = move |id: &ProjectId| {
        let (last, id) = (last.clone(), id.clone());
        closing.spawn_on(async move { last.finish(&id).await }, &runtime);
    };
    let parts = Parts {
        archive: base.archive.clone(),
        epoch,
        runner: Arc::new(runner),
        clock: app.clock.clone(),
        entropy: Arc::new(SystemEntropy),
        disk: Some(Arc::new(Disk(app.places.home.clone()))),
        workers: app.config.workers,
        closed: Box::new(closed),
    };
    Engine::start(parts).map_err(|source| Error::io("start the engine", &app.places.home, source))
}
