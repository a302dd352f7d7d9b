//! The owner's epoch: a file of twelve bytes beside sled's directory, replaced by rename and read by path on every commit, so
//! that an owner that lost its lock without noticing is refused.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::guard::io_error;
use crate::domain::ids::Epoch;
use crate::journal::files;
use crate::journal::store::Error;

const FILE_BYTES: usize = 12;

/// Where it is.
pub fn path(dir: &Path) -> PathBuf {
    dir.join("epoch")
}

/// The stored epoch; `None` before the first take-over.
pub fn read(dir: &Path) -> Result<Option<Epoch>, Error> {
    let mut bytes = [0; FILE_BYTES + 1];
    let mut file = match File::open(path(dir)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("open the epoch file", error)),
    };
    // One read gets a file of this size as a whole.
    let length = file.read(&mut bytes).map_err(|error| io_error("read the epoch file", error))?;
    let epoch = decode(&bytes[..length]).ok_or_else(|| Error::Corrupt {
        problem: format!("{} is damaged; run `wfctl doctor --repair`", path(dir).display()),
    })?;
    Ok(Some(epoch))
}

fn decode(bytes: &[u8]) -> Option<Epoch> {
    let bytes: &[u8; FILE_BYTES] = bytes.try_into().ok()?;
    let (number, checksum) = bytes.split_first_chunk::<8>()?;
    (crc32c::crc32c(number).to_le_bytes() == checksum).then(|| Epoch(u64::from_le_bytes(*number)))
}

/// Stores `epoch` durably.
pub fn write(dir: &Path, epoch: Epoch) -> Result<(), Error> {
    let mut bytes = epoch.0.to_le_bytes().to_vec();
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    files::replace(&path(dir), &bytes).map_err(|error| io_error("write the epoch file", error))
}
