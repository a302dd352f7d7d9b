//! The store on real files: the contract, damage, locks, a copy taken while it runs.

use super::*;
use crate::journal::chain::{self, ChainHead};
use crate::journal::conformance::{self, append, summary};

fn project() -> ProjectId {
    ProjectId::new("demo").unwrap()
}

/// Commits `commits` frames of one record.
fn fill(store: &SledStore, commits: u64) -> ChainHead {
    let epoch = store.take_over().unwrap();
    let mut head = ChainHead::genesis(&project());
    for _ in 0..commits {
        let (next, new_head) = append(&project(), head, 1);
        store.commit(epoch, &[Append { summary: Some(summary(&project(), "x")), ..next }]).unwrap();
        head = new_head;
    }
    head
}

#[test]
fn conforms() {
    let dir = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    conformance::check(|| {
        number.set(number.get() + 1);
        SledStore::open(&dir.path().join(number.get().to_string())).unwrap()
    });
    conformance::check_reopening(|| SledStore::open(&dir.path().join("reopened")).unwrap());
}

#[test]
fn a_second_opening_is_refused_and_the_next_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path()).unwrap();
    assert!(matches!(SledStore::open(dir.path()), Err(Error::Locked)));
    drop(store);
    SledStore::open(dir.path()).unwrap();
}

#[test]
fn large_values_never_leave_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path()).unwrap();
    let epoch = store.take_over().unwrap();
    let mut head = ChainHead::genesis(&project());
    for n in 0..60 {
        let bytes = limits::STORE_PART_BYTES - 200 + n % 3 * limits::STORE_PART_BYTES;
        let record = crate::journal::samples::released(head.seq.0 + 1, &"x".repeat(bytes));
        let (frame, new_head) = chain::encode_frame(&project(), &head, &[record]).unwrap();
        store.commit(epoch, &[Append { project: project(), frame, last: new_head.seq, summary: None }]).unwrap();
        head = new_head;
    }
    store.remove(epoch, &project()).unwrap();
    let files = std::fs::read_dir(dir.path().join("sled/blobs")).unwrap().count();
    assert_eq!(files, 0, "sled does not sync files outside of its log");
}

#[test]
fn an_empty_snapshot_file_is_named_and_healed() {
    let dir = tempfile::tempdir().unwrap();
    let head = fill(&SledStore::open(dir.path()).unwrap(), 50);
    drop(SledStore::open(dir.path()).unwrap());
    let snapshot = std::fs::read_dir(dir.path().join("sled"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap."))
        .expect("opening a filled store writes a snapshot file");
    std::fs::write(&snapshot, b"").unwrap();
    let error = SledStore::open(dir.path()).unwrap_err();
    assert!(error.to_string().contains("doctor --repair"), "{error}");
    assert_eq!(heal(dir.path()).unwrap().len(), 1);
    let store = SledStore::open(dir.path()).unwrap();
    assert_eq!(store.tail(&project()).unwrap(), head.seq);
}

/// Fault scenario 4: sled is killed while it opens and writes its snapshot file, at any byte of it.
#[test]
fn a_half_written_snapshot_file_does_not_stop_the_next_opening() {
    let dir = tempfile::tempdir().unwrap();
    let head = fill(&SledStore::open(dir.path()).unwrap(), 20);
    drop(SledStore::open(dir.path()).unwrap());
    let is_snapshot = |path: &std::path::PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("snap.");
    let snapshot = || crate::journal::files::entries(&dir.path().join("sled")).unwrap().into_iter().find(is_snapshot);
    for left in [0, 1, 12, 13, 40] {
        let mut name = snapshot().unwrap().into_os_string();
        let bytes = std::fs::read(&name).unwrap();
        name.push(".generating");
        std::fs::write(&name, &bytes[..bytes.len().min(left)]).unwrap();
        assert_eq!(SledStore::open(dir.path()).unwrap().tail(&project()).unwrap(), head.seq, "{left} bytes");
    }
}

/// Fault scenario 4: sled is killed while it makes its directory, at any byte of its configuration.
#[test]
fn a_half_written_configuration_does_not_stop_the_next_opening() {
    let dir = tempfile::tempdir().unwrap();
    drop(SledStore::open(&dir.path().join("whole")).unwrap());
    let conf = std::fs::read(dir.path().join("whole/sled/conf")).unwrap();
    for left in 0..conf.len() {
        let half = dir.path().join(left.to_string());
        std::fs::create_dir_all(half.join("sled")).unwrap();
        std::fs::write(half.join("sled/db"), b"").unwrap();
        std::fs::write(half.join("sled/conf"), &conf[..left]).unwrap();
        fill(&SledStore::open(&half).unwrap_or_else(|error| panic!("{left} bytes: {error}")), 1);
    }
}

#[test]
fn a_lost_or_damaged_epoch_file_never_lets_an_epoch_return() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path()).unwrap();
    fill(&store, 3);
    std::fs::write(dir.path().join("epoch"), b"nonsense").unwrap();
    assert!(matches!(store.take_over(), Err(Error::Corrupt { .. })));
    drop(store);
    assert_eq!(heal(dir.path()).unwrap().len(), 1);
    let store = SledStore::open(dir.path()).unwrap();
    // The sample records carry epoch 3.
    assert_eq!(store.take_over().unwrap(), Epoch(4));
}

#[test]
fn an_owner_is_fenced_by_a_newer_epoch_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path()).unwrap();
    let epoch = store.take_over().unwrap();
    epoch::write(dir.path(), Epoch(9)).unwrap();
    let (one, _) = append(&project(), ChainHead::genesis(&project()), 1);
    assert!(matches!(store.commit(epoch, &[one]), Err(Error::Fenced { owner: Epoch(9), .. })));
}

#[test]
fn after_a_write_of_unknown_outcome_nothing_is_written_until_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path()).unwrap();
    let epoch = store.take_over().unwrap();
    let (one, _) = append(&project(), ChainHead::genesis(&project()), 1);
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let mut writer = store.writer(epoch).unwrap();
    let failed = store.make_durable(&mut writer, |_| Err(sled::Error::Io(full)));
    assert!(matches!(failed, Err(Error::DiskFull)));
    drop(writer);
    assert!(matches!(store.commit(epoch, std::slice::from_ref(&one)), Err(Error::Io { .. })));
    assert!(store.last_frame(&project()).unwrap().is_none(), "reading goes on");
    drop(store);
    SledStore::open(dir.path()).unwrap().commit(epoch, &[one]).unwrap();
}

/// Opens and reads a damaged copy: errors and right data are fine, a panic or wrong data is not.
fn read_all(dir: &Path) -> Result<u64, String> {
    let store = SledStore::open(dir).map_err(|error| error.to_string())?;
    let frames = store.frames(&project(), Seq(1), usize::MAX).map_err(|error| error.to_string())?;
    let mut head = ChainHead::genesis(&project());
    for frame in frames {
        let decoded = chain::decode_frame(&project(), &frame, Some(&head)).map_err(|error| error.to_string())?;
        let (record, hash) = decoded.last().expect("a frame has records");
        head = ChainHead { seq: record.seq, hash: *hash };
    }
    Ok(head.seq.0)
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_dir(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// Fault scenario 5: cut and flipped files.
#[test]
fn damaged_files_give_errors_or_right_data_and_never_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    fill(&SledStore::open(&whole).unwrap(), 200);
    let length = std::fs::metadata(whole.join("sled/db")).unwrap().len();
    for trial in 0..24u64 {
        let damaged = dir.path().join(trial.to_string());
        copy_dir(&whole, &damaged);
        let at = (trial * 7_919 + 101) * 2_654_435_761 % length;
        let db = damaged.join("sled/db");
        if trial % 2 == 0 {
            File::options().write(true).open(&db).unwrap().set_len(at).unwrap();
        } else {
            let mut bytes = std::fs::read(&db).unwrap();
            bytes[usize::try_from(at).unwrap()] ^= 0x40;
            std::fs::write(&db, bytes).unwrap();
        }
        match read_all(&damaged) {
            Ok(records) => assert!(records <= 200),
            Err(problem) => assert!(!problem.is_empty()),
        }
    }
}

/// Fault scenario 31: a copy of the files taken while the store is being written holds a prefix of the commits.
#[test]
fn a_copy_taken_while_it_runs_opens_with_a_consistent_prefix() {
    let dir = tempfile::tempdir().unwrap();
    let live = dir.path().join("live");
    let store = SledStore::open(&live).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let epoch = store.take_over().unwrap();
            let mut head = ChainHead::genesis(&project());
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let (next, new_head) = append(&project(), head, 1);
                store.commit(epoch, &[next]).unwrap();
                head = new_head;
            }
            head.seq.0
        });
        for copy in 0..5 {
            let before = store.last_frame(&project()).unwrap().map_or(0, |frame| frame.first.0);
            let to = dir.path().join(format!("copy-{copy}"));
            copy_dir(&live, &to);
            let records = read_all(&to).expect("a copy of a live home opens");
            assert!(records >= before, "all {before} acknowledged records are in the copy, not only {records}");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(writer.join().unwrap() > 0);
    });
}

/// Fault scenario 7, on a real small file system: needs the right to mount one.
#[test]
#[ignore = "mounts a file system: run as root"]
fn a_full_disk_is_its_own_error_and_what_was_acknowledged_is_there_once_there_is_space() {
    let dir = tempfile::tempdir().unwrap();
    let mount = |arguments: &[&str]| {
        let done = std::process::Command::new(arguments[0]).args(&arguments[1..]).arg(dir.path()).status().unwrap();
        assert!(done.success(), "{arguments:?}");
    };
    mount(&["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs"]);
    let mut acknowledged = ChainHead::genesis(&project());
    {
        let store = SledStore::open(&dir.path().join("store")).unwrap();
        let epoch = store.take_over().unwrap();
        let error = loop {
            let (next, head) = append(&project(), acknowledged, 20);
            match store.commit(epoch, &[next]) {
                Ok(()) => acknowledged = head,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::DiskFull), "{error:?}");
        match store.last_frame(&project()) {
            Ok(last) => assert_eq!(chain::head_after(&project(), &last.unwrap()).unwrap(), acknowledged),
            Err(error) => assert!(matches!(error, Error::DiskFull), "sled answers nothing more after a failed write"),
        }
    }
    mount(&["mount", "-o", "remount,size=30m"]);
    let store = SledStore::open(&dir.path().join("store")).unwrap();
    let frames = store.frames(&project(), Seq(1), usize::MAX).unwrap();
    let mut head = ChainHead::genesis(&project());
    for frame in frames {
        let proven = chain::prove_frame(&project(), &frame, Some(&head)).unwrap();
        let last = proven.last().unwrap();
        head = ChainHead { seq: last.seq, hash: last.hash };
    }
    assert!(head.seq >= acknowledged.seq);
    drop(store);
    mount(&["umount"]);
}
