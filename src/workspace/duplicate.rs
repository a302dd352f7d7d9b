//! A copy of a folder: files, links as links, modes; nothing that a copy cannot be made of (sockets, pipes).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::files;

/// Copies what is in `from` into `to`, which is made, but for the folder `leave_out`. At most `max_bytes`; beyond that nothing
/// more is copied and an error says so.
pub fn duplicate(from: &Path, to: &Path, leave_out: &Path, max_bytes: u64) -> io::Result<()> {
    let mut left = max_bytes;
    let mut open: Vec<(PathBuf, PathBuf)> = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = open.pop() {
        files::private_dir(&to)?;
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let (kind, path, target) = (entry.file_type()?, entry.path(), to.join(entry.file_name()));
            if kind.is_dir() && path != leave_out {
                open.push((path, target));
            } else if kind.is_symlink() {
                std::os::unix::fs::symlink(fs::read_link(&path)?, &target)?;
            } else if kind.is_file() {
                let bytes = entry.metadata()?.len();
                left = left.checked_sub(bytes).ok_or_else(|| too_large(max_bytes))?;
                fs::copy(&path, &target)?;
            }
        }
    }
    Ok(())
}

fn too_large(max_bytes: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("the folder has more than {max_bytes} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_everything_but_what_is_left_out_and_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::create_dir_all(from.join("home")).unwrap();
        fs::write(from.join("a/b/x"), "12345").unwrap();
        fs::write(from.join("home/secret"), "no").unwrap();
        std::os::unix::fs::symlink("b/x", from.join("a/link")).unwrap();
        let to = folder.path().join("to");
        duplicate(&from, &to, &from.join("home"), 5).unwrap();
        assert_eq!(fs::read_to_string(to.join("a/b/x")).unwrap(), "12345");
        assert_eq!(fs::read_link(to.join("a/link")).unwrap(), Path::new("b/x"));
        assert!(!to.join("home").exists());
        let refused = duplicate(&from, &folder.path().join("again"), &from.join("home"), 4).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
    }
}
