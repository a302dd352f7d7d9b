//! Keys of providers: from the environment (its values are handed in) or from a file that only its owner may read.
//! A [`Secret`] cannot be printed or serialised; whoever sends it says so with [`Secret::expose`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::secrets::file;
pub use crate::secrets::{Secret, SecretsError};

/// Whether a variable of this name holds a secret.
pub fn holds_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "PRIVATE_KEY", "API_KEY", "ACCESS_KEY"]
        .iter()
        .any(|word| name.contains(word))
        || name.ends_with("_KEY")
}

/// Whether a command that a model wrote may not have this variable: one that holds a secret, or opens a door to what only the
/// user may do.
pub fn withheld(name: &str) -> bool {
    const DOORS: [&str; 7] = ["AWS_", "AZURE_", "GOOGLE_APPLICATION_", "GH_", "GITHUB_", "KUBE", "SSH_AUTH_SOCK"];
    let upper = name.to_ascii_uppercase();
    holds_secret(&upper) || DOORS.iter().any(|door| upper.starts_with(door))
}

/// Secrets by the name of their environment variable.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    all: BTreeMap<String, Secret>,
    of_file: BTreeMap<String, Secret>,
    file: Option<PathBuf>,
}

impl Secrets {
    /// Those of `environment` that have a value.
    pub fn from_environment(environment: &BTreeMap<String, String>) -> Self {
        let secret = |(name, value): (&String, &String)| Some((name.clone(), Secret::new(value)?));
        Self { all: environment.iter().filter_map(secret).collect(), of_file: BTreeMap::new(), file: None }
    }

    /// Adds those of a TOML file (`OPENAI_API_KEY = "..."`); the environment wins. A file that is not there adds nothing.
    pub fn with_file(mut self, path: &Path) -> Result<Self, SecretsError> {
        self.file = Some(path.to_owned());
        for (name, secret) in file::read(path)?.unwrap_or_default() {
            self.of_file.insert(name.clone(), secret.clone());
            self.all.entry(name).or_insert(secret);
        }
        Ok(self)
    }

    /// The secret of this name.
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.all.get(name)
    }

    /// Where the file is, or would be.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The secret of this name in the file. What a header names is looked for nowhere else: a header may name any variable.
    pub fn of_file(&self, name: &str) -> Option<&Secret> {
        self.of_file.get(name)
    }

    /// Those that are to be kept out of texts: what is in the file, and what its name gives away in the environment or
    /// `is_key` knows. The environment as a whole is no secret.
    pub fn sensitive(&self, is_key: impl Fn(&str) -> bool) -> Self {
        let is_one = |name: &str| self.of_file.contains_key(name) || holds_secret(name) || is_key(name);
        let all = self.all.iter().filter(|(name, _)| is_one(name));
        Self {
            all: all.map(|(name, it)| (name.clone(), it.clone())).collect(),
            of_file: self.of_file.clone(),
            file: self.file.clone(),
        }
    }

    /// All of them by name, for whoever strikes them out of texts.
    pub fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all.iter().chain(&self.of_file).map(|(name, secret)| (name.as_str(), secret.expose()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::domain::limits;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    fn environment(pairs: &[(&str, &str)]) -> Secrets {
        Secrets::from_environment(&pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secrets = environment(&[("A_KEY", " sk-very-secret\n"), ("EMPTY", " ")]);
        let secret = secrets.get("A_KEY").unwrap();
        assert_eq!(secret.expose(), "sk-very-secret");
        assert!(secrets.get("EMPTY").is_none());
        for shown in [format!("{secret}"), format!("{secret:?}"), format!("{secrets:#?}")] {
            assert!(!shown.contains("very"), "{shown}");
        }
        assert_eq!(secret.redact("wrong key sk-very-secret!"), "wrong key [secret]!");
    }

    #[test]
    fn a_file_adds_what_the_environment_does_not_have() {
        let (_dir, path) = file("A_KEY = \"of the file\"\nB_KEY = \"of the file\"\n", 0o600);
        let secrets = environment(&[("A_KEY", "of the environment")]).with_file(&path).unwrap();
        assert_eq!(secrets.get("A_KEY").unwrap().expose(), "of the environment");
        assert_eq!(secrets.get("B_KEY").unwrap().expose(), "of the file");
        let none = environment(&[]).with_file(Path::new("/nowhere/secrets.toml")).unwrap();
        assert_eq!(none.file(), Some(Path::new("/nowhere/secrets.toml")), "where to put a key");
        assert_eq!(secrets.of_file("A_KEY").unwrap().expose(), "of the file");
        assert!(environment(&[("A_KEY", "x")]).of_file("A_KEY").is_none());
    }

    #[test]
    fn what_a_name_gives_away_is_kept_from_texts_and_commands() {
        let (_dir, path) = file("HOUSE = \"of the file!\"\n", 0o600);
        let pairs = [("DB_PASSWORD", "hunter2hunter2"), ("HOME", "/home/somebody"), ("LLM", "key-of-llm")];
        let secrets = environment(&pairs).with_file(&path).unwrap().sensitive(|name| name == "LLM");
        let text = "hunter2hunter2 /home/somebody key-of-llm of the file!".to_owned();
        let text = crate::telemetry::mask::Masker::new(secrets.values()).text(text);
        assert_eq!(text, "[secret] /home/somebody [secret] [secret]");
        for name in
            ["GH_HOST", "aws_profile", "SSH_AUTH_SOCK", "npm_config_token", "MY_KEY", "GOOGLE_APPLICATION_CREDENTIALS"]
        {
            assert!(withheld(name), "{name}");
        }
        for name in ["PATH", "HOME", "KEYBOARD", "SSH_TTY", "CARGO_HOME", "LANG"] {
            assert!(!withheld(name), "{name}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        for mode in [0o640, 0o604, 0o660] {
            let (_dir, path) = file("A = \"x\"", mode);
            let error = environment(&[]).with_file(&path).unwrap_err().to_string();
            assert!(error.contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn a_broken_file_is_refused_without_showing_it() {
        let (_dir, path) = file("A = \"x\"\nB = sk-very-secret\n", 0o600);
        let error = environment(&[]).with_file(&path).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
        assert!(!format!("{error} {error:?}").contains("very"));
        let (_dir, path) = file(&"#".repeat(limits::SMALL_FILE_BYTES as usize + 1), 0o600);
        assert!(matches!(environment(&[]).with_file(&path), Err(SecretsError::TooLong { .. })));
    }
}
