//! A home on disk as the product lays it out, opened without the product's own wiring; and copies of it, which are what a
//! killed process leaves behind.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use wfctl::domain::ids::{Digest, Epoch, ProjectId, Seq};
use wfctl::domain::payload::{BlobRef, PayloadSource, UnreadablePayload};
use wfctl::domain::project::Vault;
use wfctl::domain::view::Summary;
use wfctl::engine::archive::Archive;
use wfctl::engine::ports::SnapshotCache;
use wfctl::journal::blobs::Blobs;
use wfctl::journal::chain::ChainHead;
use wfctl::journal::doctor::Places;
use wfctl::journal::sled_store::SledStore;
use wfctl::journal::snapshot::Snapshots;
use wfctl::journal::store::{Append, Damaged, Error, Frame, Store};

/// Blobs as the engine wants them.
pub struct DiskVault(pub Blobs);

impl PayloadSource for DiskVault {
    fn read_blob(&self, blob: &BlobRef) -> Result<Vec<u8>, UnreadablePayload> {
        self.0.read_blob(blob)
    }
}

impl Vault for DiskVault {
    fn keep_blob(&self, bytes: &[u8]) -> Result<BlobRef, UnreadablePayload> {
        self.0.put(bytes).map_err(|error| UnreadablePayload { digest: Digest::of(bytes), problem: error.to_string() })
    }
}

/// Snapshots as the engine wants them.
pub struct DiskSnapshots(pub Snapshots);

impl SnapshotCache for DiskSnapshots {
    fn save(&self, project: &ProjectId, seq: Seq, head: Digest, format: u16, bytes: Vec<u8>) {
        self.0.save(project, &ChainHead { seq, hash: head }, format, &bytes).expect("room for a snapshot");
    }

    fn load(&self, project: &ProjectId, format: u16) -> Option<(Seq, Digest, Vec<u8>)> {
        self.0.load(project, format).map(|found| (found.head.seq, found.head.hash, found.state))
    }
}

/// Opens again while it is refused as locked, for a while.
///
/// Another test of this process may be starting a child just now, which holds copies of all our files, our locks among them,
/// until it has become another program: so a lock that was ours is asked for again.
pub fn patient<T>(mut open: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    const TRIES: u32 = 100_000;
    for _ in 0..TRIES {
        match open() {
            Err(Error::Locked) => std::thread::yield_now(),
            opened => return opened,
        }
    }
    open()
}

/// The store of the home in `dir`.
pub fn open_store(dir: &Path) -> Result<Arc<SledStore>, Error> {
    patient(|| SledStore::open(&Places::in_home(dir).store)).map(Arc::new)
}

/// The read side of the home in `dir`, over its store.
pub fn open(dir: &Path) -> Result<Archive, Error> {
    Ok(archive(dir, open_store(dir)?))
}

/// The read side of the home in `dir`, over a store given by the caller.
pub fn archive(dir: &Path, store: Arc<dyn Store>) -> Archive {
    let places = Places::in_home(dir);
    let vault = Arc::new(DiskVault(Blobs::open(&places.blobs).expect("a folder for blobs")));
    Archive::new(store, vault, Some(Arc::new(DiskSnapshots(Snapshots::new(&places.snapshots)))))
}

/// Copies a home as a backup does: the store first, since what its records name was there before them.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a writable folder");
    let places = Places::in_home(from);
    if places.store.exists() {
        copy_tree(&places.store, &to.join("store"));
    }
    for entry in fs::read_dir(from).expect("a readable folder").flatten() {
        if entry.path() != places.store {
            copy_entry(&entry.path(), &to.join(entry.file_name()));
        }
    }
}

fn copy_entry(from: &Path, to: &Path) {
    if from.is_dir() {
        return copy_tree(from, to);
    }
    match fs::copy(from, to) {
        Ok(_) => {}
        // A temporary file that was renamed while the copy was under way.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => panic!("copying {}: {error}", from.display()),
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a writable folder");
    for entry in fs::read_dir(from).expect("a readable folder").flatten() {
        copy_entry(&entry.path(), &to.join(entry.file_name()));
    }
}

/// The epoch file of a home, as a new owner writes it.
pub fn write_epoch(dir: &Path, epoch: Epoch) {
    let mut bytes = epoch.0.to_le_bytes().to_vec();
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    let path = Places::in_home(dir).store.join("epoch");
    let aside = path.with_extension("new");
    fs::write(&aside, bytes).and_then(|()| fs::rename(&aside, path)).expect("a writable store");
}

type Commit = Box<dyn Fn(&dyn Store, Epoch, &[Append]) -> Result<(), Error> + Send + Sync>;

/// A store whose commits go through a function: to take images around them, or to plant a bug.
pub struct Hooked {
    inner: Arc<dyn Store>,
    commit: Commit,
}

impl Hooked {
    /// `commit` is given the store itself, and decides what becomes of a commit.
    pub fn new(
        inner: Arc<dyn Store>,
        commit: impl Fn(&dyn Store, Epoch, &[Append]) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Self {
        Self { inner, commit: Box::new(commit) }
    }
}

impl Store for Hooked {
    fn commit(&self, epoch: Epoch, appends: &[Append]) -> Result<(), Error> {
        (self.commit)(&*self.inner, epoch, appends)
    }
    fn take_over(&self) -> Result<Epoch, Error> {
        self.inner.take_over()
    }
    fn epoch(&self) -> Result<Epoch, Error> {
        self.inner.epoch()
    }
    fn frames(&self, project: &ProjectId, from: Seq, max_bytes: usize) -> Result<Vec<Frame>, Error> {
        self.inner.frames(project, from, max_bytes)
    }
    fn last_frame(&self, project: &ProjectId) -> Result<Option<Frame>, Error> {
        self.inner.last_frame(project)
    }
    fn summary(&self, project: &ProjectId) -> Result<Option<Summary>, Error> {
        self.inner.summary(project)
    }
    fn summaries(&self) -> Result<Vec<Result<Summary, Damaged>>, Error> {
        self.inner.summaries()
    }
    fn projects(&self) -> Result<Vec<ProjectId>, Error> {
        self.inner.projects()
    }
    fn rebuild_summaries(&self, epoch: Epoch, summaries: &[Summary]) -> Result<(), Error> {
        self.inner.rebuild_summaries(epoch, summaries)
    }
    fn remove(&self, epoch: Epoch, project: &ProjectId) -> Result<(), Error> {
        self.inner.remove(epoch, project)
    }
    fn size_on_disk(&self) -> u64 {
        self.inner.size_on_disk()
    }
}
