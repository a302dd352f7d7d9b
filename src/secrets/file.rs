//! The secrets file: TOML with one text per name, readable by its owner alone.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::Secret;
use crate::domain::limits;
use crate::workspace::files;

/// Its name, beside the user's configuration.
pub const NAME: &str = "secrets.toml";

/// What is wrong with a file of secrets. No message shows any of its content.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// It cannot be read.
    #[error("cannot read the secrets file {path}: {cause}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It cannot be written.
    #[error("cannot write the secrets file {path}: {cause}")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Others may read it.
    #[error("the secrets file {path} may be read by others (mode {mode:04o}); run: chmod 600 {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is longer than a list of keys can be.
    #[error("the secrets file {path} has more than {} bytes", limits::SMALL_FILE_BYTES)]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// It is not TOML with one text per name.
    #[error("the secrets file {path} is not a list of NAME = \"value\" lines (line {line})")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where reading stopped, from 1.
        line: usize,
    },
}

/// All that it has; `None` when there is no such file.
pub fn read(path: &Path) -> Result<Option<BTreeMap<String, Secret>>, SecretsError> {
    let Some(text) = private_text(path)? else { return Ok(None) };
    let values = parsed(path, &text)?;
    let secret = |(name, value): (String, String)| Some((name, Secret::new(&value)?));
    Ok(Some(values.into_iter().filter_map(secret).collect()))
}

/// Puts `value` under `name`, or takes the name out; the other lines lose their comments, never their values. Tells whether the
/// name was there. The file is whole or as it was before.
pub fn change(path: &Path, name: &str, value: Option<&Secret>) -> Result<bool, SecretsError> {
    let text = private_text(path)?;
    let mut values = match &text {
        Some(text) => parsed(path, text)?,
        None => BTreeMap::new(),
    };
    let was_there = match value {
        Some(value) => values.insert(name.to_owned(), value.expose().to_owned()).is_some(),
        None => values.remove(name).is_some(),
    };
    if value.is_none() && !was_there {
        return Ok(false);
    }
    let unwritable = |cause| SecretsError::Unwritable { path: path.to_owned(), cause };
    let text = toml::to_string(&values).map_err(|error| unwritable(std::io::Error::other(error.to_string())))?;
    if text.len() as u64 > limits::SMALL_FILE_BYTES {
        return Err(SecretsError::TooLong { path: path.to_owned() });
    }
    if let Some(folder) = path.parent() {
        files::private_dir(folder).map_err(unwritable)?;
    }
    files::write_atomic(path, text.as_bytes()).map_err(unwritable)?;
    Ok(was_there)
}

/// The text of a file that its owner alone may read; `None` when there is no such file.
pub(super) fn private_text(path: &Path) -> Result<Option<String>, SecretsError> {
    let unreadable = |cause| SecretsError::Unreadable { path: path.to_owned(), cause };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let mode = file.metadata().map_err(unreadable)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SecretsError::Open { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(limits::SMALL_FILE_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > limits::SMALL_FILE_BYTES {
        return Err(SecretsError::TooLong { path: path.to_owned() });
    }
    Ok(Some(text))
}

fn parsed(path: &Path, text: &str) -> Result<BTreeMap<String, String>, SecretsError> {
    toml::from_str(text).map_err(|error| {
        // The parser's own message quotes the line, and with it the secret.
        let before = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.as_bytes()[..before].iter().filter(|byte| **byte == b'\n').count() + 1;
        SecretsError::Malformed { path: path.to_owned(), line }
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_set_is_read_back_and_what_is_removed_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/secrets.toml");
        assert!(read(&path).unwrap().is_none());
        let value = |text: &str| Secret::new(text).unwrap();
        let odd = "line one\nline \"two\" = 'x' \\ ü";
        assert!(!change(&path, "A", Some(&value("first"))).unwrap());
        assert!(!change(&path, "B", Some(&value(odd))).unwrap());
        assert!(change(&path, "A", Some(&value("second"))).unwrap());
        let all = read(&path).unwrap().unwrap();
        assert_eq!((all["A"].expose(), all["B"].expose()), ("second", odd));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert!(change(&path, "A", None).unwrap() && !change(&path, "A", None).unwrap());
        assert_eq!(read(&path).unwrap().unwrap().len(), 1);
    }

    #[test]
    fn a_file_that_others_may_read_is_neither_read_nor_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.toml");
        std::fs::write(&path, "A = \"x\"").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(&path), Err(SecretsError::Open { mode: 0o640, .. })));
        assert!(change(&path, "B", Secret::new("y").as_ref()).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "A = \"x\"");
    }
}
