//! Power cuts that are real: an ext4 image on a loop mount, a child that commits and says so, and the ioctl that makes the
//! file system forget whatever has not reached the device. After mounting again, everything acknowledged must be there.
//!
//! Needs root, loop devices and `mkfs.ext4`; says so and does nothing elsewhere. `WFCTL_POWER_CUTS` sets how many cuts,
//! `WFCTL_CRASH_SEED` the seed. The planted bug is the same rig on a store that does without `fdatasync`.

mod crash_support {
    pub mod chance;
}

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crash_support::chance::{self, Chance};
use wfctl::domain::ids::{Digest, Epoch, ProjectId};
use wfctl::domain::payload::BlobRef;
use wfctl::journal::blobs::Blobs;
use wfctl::journal::chain::ChainHead;
use wfctl::journal::conformance::append;
use wfctl::journal::reader;
use wfctl::journal::sled_store::SledStore;
use wfctl::journal::store::Store as _;

const HOME: &str = "WFCTL_POWER_CHILD_HOME";
const STORE: &str = "WFCTL_POWER_CHILD_STORE";
const MARK: &str = "@@ ";
/// `EXT4_IOC_SHUTDOWN`, and its flag for "without flushing the log".
const SHUTDOWN: rustix::ioctl::Opcode = 0x8004_587d;
const NO_LOG_FLUSH: u32 = 2;
const IMAGE_BYTES: u64 = 96 * 1024 * 1024;

/// Which store the child writes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Ours: flush and `fdatasync`.
    Ours,
    /// The planted bug: sled's own flush, acknowledged as if that were enough.
    FlushOnly,
}

fn project() -> ProjectId {
    ProjectId::new("p").expect("valid")
}

fn blob_content(seq: u64) -> Vec<u8> {
    let mut chance = Chance::new(seq);
    (0..700).flat_map(|_| chance.next().to_le_bytes()).collect()
}

// --- the child -------------------------------------------------------------------------------------------------------

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{MARK}{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

/// Commits until the disk is gone: a blob, then the record that could name it, then the acknowledgement of both.
fn write_ours(home: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let store = SledStore::open(&home.join("store"))?;
    let blobs = Blobs::open(&home.join("blobs"))?;
    let epoch = store.take_over()?;
    say(&format!("epoch {epoch}"));
    let mut head = reader::verify(&store, &project()).head;
    loop {
        let (next, after) = append(&project(), head, 1 + head.seq.0 % 3);
        if after.seq.0.is_multiple_of(5) {
            blobs.put(&blob_content(after.seq.0))?;
        }
        store.commit(epoch, &[next])?;
        head = after;
        say(&format!("ack {}", head.seq));
    }
}

fn write_flush_only(home: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let db = sled::Config::default().path(home.join("plain")).flush_every_ms(None).open()?;
    say("epoch 1");
    for n in db.len() as u64 + 1.. {
        db.insert(n.to_be_bytes(), vec![1; 300])?;
        db.flush()?;
        say(&format!("ack {n}"));
    }
    Ok(())
}

/// Not a test: the writer whose power is cut.
#[test]
fn the_child_of_the_power_cut() {
    let (Some(home), Some(kind)) = (chance::text(HOME), chance::text(STORE)) else { return };
    let home = Path::new(&home);
    let ended = if kind == "Ours" { write_ours(home) } else { write_flush_only(home) };
    say(&format!("ended {ended:?}"));
    std::process::exit(0);
}

// --- the disk --------------------------------------------------------------------------------------------------------

#[expect(clippy::disallowed_methods, reason = "mounting is what this test is about, and the child is this binary")]
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}

fn done(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// A file system of its own, unmounted when dropped.
struct Disk {
    image: PathBuf,
    mounted: PathBuf,
    _dir: tempfile::TempDir,
}

impl Disk {
    /// `None` where the machine does not allow it.
    fn new() -> Option<Self> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let disk = Self { image: dir.path().join("image"), mounted: dir.path().join("mounted"), _dir: dir };
        File::create(&disk.image).and_then(|file| file.set_len(IMAGE_BYTES)).expect("a writable folder");
        fs::create_dir(&disk.mounted).expect("a writable folder");
        let made = rustix::process::geteuid().is_root()
            && done(command("mkfs.ext4").args(["-q", "-F"]).arg(&disk.image))
            && disk.mount();
        made.then_some(disk)
    }

    fn mount(&self) -> bool {
        done(command("mount").args(["-o", "loop"]).args([&self.image, &self.mounted]))
    }

    /// The power goes.
    #[expect(unsafe_code, reason = "the ioctl reads one u32 through the pointer, which is what the setter passes")]
    fn cut(&self) {
        let root = File::open(&self.mounted).expect("the mounted folder");
        // SAFETY: EXT4_IOC_SHUTDOWN reads a u32 from the given address and keeps nothing.
        let cut = unsafe { rustix::ioctl::ioctl(&root, rustix::ioctl::Setter::<SHUTDOWN, u32>::new(NO_LOG_FLUSH)) };
        cut.expect("the file system of the image can be shut down");
    }

    /// The power comes back: the file system replays its own log.
    fn come_back(&self) {
        assert!(done(command("umount").arg(&self.mounted)), "the dead file system is unmounted");
        assert!(self.mount(), "it is mounted again");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It may not be mounted at all.
        done(command("umount").arg("-l").arg(&self.mounted));
    }
}

// --- the rig ---------------------------------------------------------------------------------------------------------

/// What a child said before its power went.
#[derive(Debug, Default)]
struct Acknowledged {
    epoch: u64,
    last: u64,
}

impl Acknowledged {
    fn hear(&mut self, line: &str) {
        let Some((_, said)) = line.split_once(MARK) else { return };
        match said.split_once(' ') {
            Some(("epoch", number)) => self.epoch = number.parse().expect("a number"),
            Some(("ack", number)) => self.last = number.parse().expect("a number"),
            _ => {}
        }
    }
}

/// Lets a child write, and cuts the power after some of its lines and a moment.
fn write_and_cut(disk: &Disk, kind: Kind, chance: &mut Chance, so_far: &mut Acknowledged) {
    let mut child = command(std::env::current_exe().expect("this binary has a path"));
    child.args(["--exact", "the_child_of_the_power_cut", "--nocapture", "--test-threads=1"]);
    child.env(HOME, disk.mounted.join("home")).env(STORE, format!("{kind:?}"));
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("this binary starts again");
    let mut lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
    // Few lines: while it opens. Many: long after.
    let wait = if chance.below(5) == 0 { chance.below(4) } else { chance.below(400) };
    for _ in 0..wait {
        let Some(Ok(line)) = lines.next() else { panic!("the child ended by itself") };
        so_far.hear(&line);
    }
    for _ in 0..chance.below(200_000) {
        std::hint::spin_loop();
    }
    disk.cut();
    // What it still says was acknowledged before the cut: after it, nothing can be made durable.
    lines.map_while(Result::ok).for_each(|line| so_far.hear(&line));
    child.wait().expect("a child without a disk ends");
    disk.come_back();
}

/// What was acknowledged and is not there.
fn missing(home: &Path, kind: Kind, acknowledged: &Acknowledged) -> Vec<String> {
    let mut missing = Vec::new();
    match kind {
        Kind::Ours => {
            let store = SledStore::open(&home.join("store")).expect("the store opens after a power cut");
            let report = reader::verify(&store, &project());
            let head = if report.records == 0 { ChainHead::genesis(&project()) } else { report.head };
            if report.first_bad.is_some() || head.seq.0 < acknowledged.last {
                missing.push(format!("record {} was acknowledged: {report:?}", acknowledged.last));
            }
            let blobs = Blobs::open(&home.join("blobs")).expect("a folder for blobs");
            for seq in reader_seqs(&store).into_iter().filter(|seq| seq.is_multiple_of(5)) {
                let content = blob_content(seq);
                let blob = BlobRef { digest: Digest::of(&content), bytes: content.len() as u64 };
                if blobs.get(&blob).ok().as_deref() != Some(&*content) {
                    missing.push(format!("the blob of record {seq}"));
                }
            }
            if store.epoch().expect("an epoch file that is whole") < Epoch(acknowledged.epoch) {
                missing.push(format!("epoch {} was taken", acknowledged.epoch));
            }
        }
        Kind::FlushOnly => {
            let db = sled::Config::default().path(home.join("plain")).flush_every_ms(None).open();
            let found = db.map(|db| db.len() as u64).unwrap_or(0);
            if found < acknowledged.last {
                missing.push(format!("{} of {} acknowledged writes", acknowledged.last - found, acknowledged.last));
            }
        }
    }
    missing
}

/// The positions at which a commit ended.
fn reader_seqs(store: &SledStore) -> Vec<u64> {
    let (mut seqs, mut head) = (Vec::new(), ChainHead::genesis(&project()));
    let end = reader::verify(store, &project()).head.seq;
    while head.seq < end {
        head = append(&project(), head, 1 + head.seq.0 % 3).1;
        seqs.push(head.seq.0);
    }
    seqs
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn disk(test: &str) -> Option<Disk> {
    let disk = Disk::new();
    if disk.is_none() {
        eprintln!("SKIPPED {test}: it needs root, loop devices and mkfs.ext4");
    }
    disk
}

/// Fault scenario 8.
#[test]
fn fault_08_what_was_acknowledged_survives_the_power() {
    let Some(disk) = disk("fault_08_what_was_acknowledged_survives_the_power") else { return };
    let mut chance = Chance::new(chance::seed("power", 0x90_3E4));
    let cuts = chance::number("WFCTL_POWER_CUTS", 6);
    let (home, mut acknowledged) = (disk.mounted.join("home"), Acknowledged::default());
    for cut in 0..cuts {
        write_and_cut(&disk, Kind::Ours, &mut chance, &mut acknowledged);
        let missing = missing(&home, Kind::Ours, &acknowledged);
        assert!(missing.is_empty(), "cut {cut}: {missing:#?}");
    }
    eprintln!("power: {cuts} cuts, {} records and {} epochs acknowledged", acknowledged.last, acknowledged.epoch);
}

/// The rig catches a store that takes sled's flush for durable.
#[test]
fn a_store_that_does_not_sync_is_caught() {
    let Some(disk) = disk("a_store_that_does_not_sync_is_caught") else { return };
    let mut chance = Chance::new(chance::seed("unsynced power", 0x90_3E5));
    let caught = (0..6).any(|_| {
        let (home, mut acknowledged) = (disk.mounted.join("home"), Acknowledged::default());
        write_and_cut(&disk, Kind::FlushOnly, &mut chance, &mut acknowledged);
        let missing = missing(&home, Kind::FlushOnly, &acknowledged);
        fs::remove_dir_all(&home).unwrap_or_default();
        !missing.is_empty()
    });
    assert!(caught, "six power cuts without fdatasync lost nothing");
}
