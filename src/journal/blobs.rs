//! Content-addressed files for payloads too large for a record. Knows nothing of records: whoever journals a [`BlobRef`] has
//! put the blob before, so that a durable record never names a blob that is not.
//!
//! `blobs/ab/cdef...` holds one byte saying how, then the content, as it is or in zstd. A file is written aside, synced, renamed
//! and its directory synced; its content is checked against its name on each read.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::files;
use crate::domain::ids::Digest;
use crate::domain::limits;
use crate::domain::payload::{BlobRef, PayloadSource, UnreadablePayload};

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
const ZSTD_LEVEL: i32 = 3;
/// Compression must save at least this share (one in so many bytes), else reading it back is not worth it.
const LEAST_SAVING: usize = 8;
const COPY_BYTES: usize = 64 * 1024;

/// The blobs of a home. Any number of threads may use it at once.
#[derive(Debug, Clone)]
pub struct Blobs {
    dir: PathBuf,
    /// The directories of which this process knows that their names are durable.
    durable: Arc<Mutex<BTreeSet<PathBuf>>>,
}

/// Why a blob cannot be put, read or removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Larger than [`limits::BLOB_BYTES`]; nothing was kept.
    #[error("the content is larger than {} bytes", limits::BLOB_BYTES)]
    TooLarge,
    /// No such blob.
    #[error("there is no blob {digest}")]
    Missing {
        /// Its name.
        digest: Digest,
    },
    /// The file is there, its content is not what its name says.
    #[error("the file of blob {digest} is damaged")]
    Damaged {
        /// Its name.
        digest: Digest,
    },
    /// No space is left on the device.
    #[error("no space is left on the device of the blobs")]
    DiskFull,
    /// The system refused.
    #[error("could not {doing}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

fn system(doing: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::DiskFull,
        _ => Error::Io { doing, source },
    }
}

impl Blobs {
    /// The blobs in `dir`, which is created when absent.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        files::create_dir(dir).map_err(system("create the blobs' directory"))?;
        Ok(Self { dir: dir.to_owned(), durable: Arc::default() })
    }

    /// Where a blob's file is, or would be.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.to_hex();
        self.dir.join(&hex[..2]).join(&hex[2..])
    }

    /// Keeps `content`, durably on return. Putting what is there already writes nothing.
    pub fn put(&self, content: &[u8]) -> Result<BlobRef, Error> {
        Ok(self.put_all(&[content])?[0])
    }

    /// Keeps several contents, durably on return; each directory is synced once.
    pub fn put_all(&self, contents: &[&[u8]]) -> Result<Vec<BlobRef>, Error> {
        let mut touched = BTreeSet::new();
        let blobs = contents.iter().map(|content| self.write(content, &mut touched)).collect::<Result<_, _>>()?;
        self.sync(touched)?;
        Ok(blobs)
    }

    /// Keeps the content of the file at `path` (a long log) without reading it into memory; durable on return.
    pub fn put_file(&self, path: &Path) -> Result<BlobRef, Error> {
        let reading = system("read the file to keep");
        let mut source = File::open(path).map_err(&reading)?;
        let writing = system("write a blob");
        let (aside, file) = files::temporary_in(&self.dir).map_err(&writing)?;
        let streamed = stream(&mut source, file).and_then(|blob| {
            let target = self.path(&blob.digest);
            self.make_place(&target)?;
            fs::rename(&aside, &target).map_err(&writing)?;
            self.sync(target.parent().map(Path::to_owned).into_iter().collect())?;
            Ok(blob)
        });
        if streamed.is_err() {
            // The failure is what matters; a leftover is found by the doctor.
            drop(files::remove(&aside));
        }
        streamed
    }

    fn write(&self, content: &[u8], touched: &mut BTreeSet<PathBuf>) -> Result<BlobRef, Error> {
        if content.len() as u64 > limits::BLOB_BYTES {
            return Err(Error::TooLarge);
        }
        let blob = BlobRef { digest: Digest::of(content), bytes: content.len() as u64 };
        let target = self.path(&blob.digest);
        let place = target.parent().expect("a blob's path has two parts below the directory").to_owned();
        // Another thread may have renamed it a moment ago, so the directory is synced even when there is nothing to write.
        touched.insert(place.clone());
        if self.get(&blob).is_ok() {
            return Ok(blob);
        }
        self.make_place(&target)?;
        let writing = system("write a blob");
        let packed = zstd::bulk::compress(content, ZSTD_LEVEL).map_err(&writing)?;
        let (how, body) = match packed.len() <= content.len() - content.len() / LEAST_SAVING && !content.is_empty() {
            true => (ZSTD, &*packed),
            false => (PLAIN, content),
        };
        let (aside, mut file) = files::temporary_in(&place).map_err(&writing)?;
        let written = file.write_all(&[how]).and_then(|()| file.write_all(body)).and_then(|()| file.sync_all());
        if let Err(error) = written.and_then(|()| fs::rename(&aside, &target)) {
            drop(files::remove(&aside));
            return Err(writing(error));
        }
        Ok(blob)
    }

    fn make_place(&self, target: &Path) -> Result<(), Error> {
        let place = target.parent().expect("a blob's path has two parts below the directory");
        files::create_dir(place).map_err(system("create a blobs' directory"))
    }

    /// Makes the name of a directory durable, once: whoever created it may have died, or be about to sync it.
    fn settle(&self, place: &Path) -> Result<(), Error> {
        if self.durable().contains(place) {
            return Ok(());
        }
        files::sync_dir(&self.dir).map_err(system("sync the blobs' directory"))?;
        self.durable().insert(place.to_owned());
        Ok(())
    }

    fn durable(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sync(&self, touched: BTreeSet<PathBuf>) -> Result<(), Error> {
        let syncing = system("sync a blobs' directory");
        touched.iter().try_for_each(|place| {
            self.settle(place)?;
            files::sync_dir(place).map_err(&syncing)
        })
    }

    /// The content of a blob, checked against its name.
    pub fn get(&self, blob: &BlobRef) -> Result<Vec<u8>, Error> {
        let digest = blob.digest;
        let file = match File::open(self.path(&digest)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::Missing { digest }),
            Err(error) => return Err(system("open a blob")(error)),
        };
        let content = unpack(file, blob.bytes).map_err(|_| Error::Damaged { digest })?;
        if content.len() as u64 != blob.bytes || Digest::of(&content) != digest {
            return Err(Error::Damaged { digest });
        }
        Ok(content)
    }

    /// At most `length` bytes from `offset`, for pages of a long log. The whole blob is checked all the same.
    pub fn get_range(&self, blob: &BlobRef, offset: u64, length: usize) -> Result<Vec<u8>, Error> {
        let content = self.get(blob)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        Ok(content[start..content.len().min(start.saturating_add(length))].to_vec())
    }

    /// Removes a blob (`gc`); that it is not there is fine.
    pub fn remove(&self, digest: &Digest) -> Result<(), Error> {
        files::remove(&self.path(digest)).map_err(system("remove a blob"))
    }

    /// The names of all blobs, in order. Says nothing of their content.
    pub fn list(&self) -> Result<Vec<Digest>, Error> {
        let listing = system("list the blobs");
        let mut digests = Vec::new();
        for place in files::entries(&self.dir).map_err(&listing)? {
            let Some(prefix) = place.file_name().and_then(|name| name.to_str()).filter(|name| name.len() == 2) else {
                continue;
            };
            for path in files::entries(&place).map_err(&listing)? {
                let rest = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                digests.extend(Digest::from_hex(&format!("{prefix}{rest}")));
            }
        }
        Ok(digests)
    }

    /// Files that an interrupted write left behind.
    pub fn leftovers(&self) -> Result<Vec<PathBuf>, Error> {
        let listing = system("list the blobs");
        let mut found = Vec::new();
        for path in files::entries(&self.dir).map_err(&listing)? {
            if files::is_temporary(&path) {
                found.push(path);
            } else if path.is_dir() {
                found.extend(
                    files::entries(&path).map_err(&listing)?.into_iter().filter(|path| files::is_temporary(path)),
                );
            }
        }
        Ok(found)
    }
}

/// Packs `source` into `file`, hashing on the way, and syncs it.
fn stream(source: &mut File, file: File) -> Result<BlobRef, Error> {
    let (reading, writing) = (system("read the file to keep"), system("write a blob"));
    let mut file = file;
    file.write_all(&[ZSTD]).map_err(&writing)?;
    let mut packer = zstd::stream::Encoder::new(file, ZSTD_LEVEL).map_err(&writing)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; COPY_BYTES];
    let mut bytes = 0;
    loop {
        let length = source.read(&mut buffer).map_err(&reading)?;
        if length == 0 {
            break;
        }
        bytes += length as u64;
        if bytes > limits::BLOB_BYTES {
            return Err(Error::TooLarge);
        }
        hasher.update(&buffer[..length]);
        packer.write_all(&buffer[..length]).map_err(&writing)?;
    }
    packer.finish().and_then(|file| file.sync_all()).map_err(&writing)?;
    Ok(BlobRef { digest: Digest(*hasher.finalize().as_bytes()), bytes })
}

/// Reads a blob's file; never more than one byte past what is expected, so that damage cannot fill the memory.
fn unpack(mut file: File, expected_bytes: u64) -> io::Result<Vec<u8>> {
    let mut how = [0];
    file.read_exact(&mut how)?;
    let mut content = Vec::new();
    let bound = expected_bytes.min(limits::BLOB_BYTES) + 1;
    match how[0] {
        PLAIN => file.take(bound).read_to_end(&mut content)?,
        ZSTD => zstd::stream::Decoder::new(file)?.take(bound).read_to_end(&mut content)?,
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    Ok(content)
}

impl PayloadSource for Blobs {
    fn read_blob(&self, blob: &BlobRef) -> Result<Vec<u8>, UnreadablePayload> {
        self.get(blob).map_err(|error| {
            let problem = match &error {
                Error::Io { source, .. } => format!("{error}: {source}"),
                Error::TooLarge | Error::Missing { .. } | Error::Damaged { .. } | Error::DiskFull => error.to_string(),
            };
            UnreadablePayload { digest: blob.digest, problem }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blobs() -> (tempfile::TempDir, Blobs) {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&dir.path().join("blobs")).unwrap();
        (dir, blobs)
    }

    #[test]
    fn contents_come_back_whole_and_in_pages() {
        let (_dir, blobs) = blobs();
        let long = b"line\n".repeat(10_000);
        let noise: Vec<u8> = (0..5_000u32).flat_map(|n| Digest::of(&n.to_le_bytes()).0).collect();
        let put = blobs.put_all(&[b"", b"\0\xff", &long, &noise]).unwrap();
        for (blob, content) in put.iter().zip([&b""[..], b"\0\xff", &long, &noise]) {
            assert_eq!(blobs.get(blob).unwrap(), content);
        }
        assert!(fs::metadata(blobs.path(&put[2].digest)).unwrap().len() < 1_000, "compressible content is compressed");
        assert_eq!(blobs.get_range(&put[2], 5, 7).unwrap(), b"line\nli");
        assert_eq!(blobs.get_range(&put[2], u64::MAX, 7).unwrap(), b"");
        assert_eq!(blobs.list().unwrap().len(), 4);
        blobs.remove(&put[2].digest).unwrap();
        blobs.remove(&put[2].digest).unwrap();
        assert!(matches!(blobs.get(&put[2]), Err(Error::Missing { .. })));
    }

    #[test]
    fn a_file_is_kept_as_its_content_would_be() {
        let (dir, blobs) = blobs();
        let path = dir.path().join("log");
        let content = b"some output ".repeat(50_000);
        fs::write(&path, &content).unwrap();
        assert_eq!(blobs.put_file(&path).unwrap(), blobs.put(&content).unwrap());
        assert_eq!(blobs.leftovers().unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn damage_is_seen_by_the_read_and_healed_by_the_next_put() {
        let (_dir, blobs) = blobs();
        let content = b"precious ".repeat(100);
        let blob = blobs.put(&content).unwrap();
        let path = blobs.path(&blob.digest);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bad = whole.clone();
            bad[at] ^= 0x20;
            fs::write(&path, &bad).unwrap();
            // zstd ignores a few bits of its header: then the content must be right.
            match blobs.get(&blob) {
                Ok(read) => assert_eq!(read, content),
                Err(error) => assert!(matches!(error, Error::Damaged { .. }), "{error}"),
            }
        }
        fs::write(&path, b"").unwrap();
        assert!(matches!(blobs.get(&blob), Err(Error::Damaged { .. })));
        blobs.put(&content).unwrap();
        assert_eq!(blobs.get(&blob).unwrap(), content);
    }

    #[test]
    fn one_byte_past_the_bound_is_refused_and_leaves_nothing() {
        let (dir, blobs) = blobs();
        let path = dir.path().join("sparse");
        File::create(&path).unwrap().set_len(limits::BLOB_BYTES + 1).unwrap();
        assert!(matches!(blobs.put_file(&path), Err(Error::TooLarge)));
        assert!(blobs.list().unwrap().is_empty());
        assert!(blobs.leftovers().unwrap().is_empty());
    }
}
