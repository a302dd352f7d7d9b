//! Where a secret is kept, as a person declares it: `[secrets] NAME = "env:VAR"`. Names and places only; values are never here.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Where the value of a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretOrigin {
    /// A variable of the environment that the engine was started with.
    Environment(String),
    /// The entry of the secret's own name in the secrets file.
    File,
    /// An entry of the desktop's keyring.
    Keyring {
        /// The service that it belongs to.
        service: String,
        /// Whose it is.
        user: String,
    },
    /// A field of a secret in the key-value engine (version 2) of HashiCorp Vault.
    Vault {
        /// Where the engine is mounted.
        mount: String,
        /// The path of the secret in it.
        path: String,
        /// The field.
        field: String,
    },
}

/// How origins are written.
pub const FORMS: &str = "\"env:VAR\", \"file\", \"keyring:service/user\" or \"vault:mount/path#field\"";

impl fmt::Display for SecretOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(variable) => write!(f, "env:{variable}"),
            Self::File => f.write_str("file"),
            Self::Keyring { service, user } => write!(f, "keyring:{service}/{user}"),
            Self::Vault { mount, path, field } => write!(f, "vault:{mount}/{path}#{field}"),
        }
    }
}

impl FromStr for SecretOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("it is {FORMS}");
        let plain = |part: &str| !part.is_empty() && !part.chars().any(char::is_control);
        match text.split_once(':') {
            None if text == "file" => Ok(Self::File),
            Some(("env", variable)) if is_variable(variable) => Ok(Self::Environment(variable.to_owned())),
            Some(("keyring", rest)) => match rest.split_once('/') {
                Some((service, user)) if plain(service) && plain(user) => {
                    Ok(Self::Keyring { service: service.to_owned(), user: user.to_owned() })
                }
                Some(_) | None => Err(wrong()),
            },
            Some(("vault", rest)) => {
                let (place, field) = rest.split_once('#').ok_or_else(wrong)?;
                let (mount, path) = place.split_once('/').ok_or_else(wrong)?;
                // What goes into a URL must stay below its mount.
                let climbs = path.split('/').any(|part| matches!(part, "" | "." | "..")) || path.contains(['?', '%']);
                if !plain(mount) || !plain(path) || !plain(field) || climbs || mount.contains(['?', '%', '.']) {
                    return Err(wrong());
                }
                Ok(Self::Vault { mount: mount.to_owned(), path: path.to_owned(), field: field.to_owned() })
            }
            Some(_) | None => Err(wrong()),
        }
    }
}

/// Why a name cannot be that of a secret: it becomes a variable of commands.
pub fn refused_name(name: &str) -> Option<&'static str> {
    if !is_variable(name) {
        return Some(
            "it is not a name for an environment variable: use letters, digits and `_`, not beginning with a digit",
        );
    }
    let taken =
        name.starts_with("WFCTL_") || name.starts_with("LD_") || matches!(name, "PATH" | "HOME" | "IFS" | "SHELL");
    taken.then_some("a variable of that name means something to the commands themselves")
}

/// Where `text` has `$NAME` or `${NAME}` of one of these names: the place as bytes, and which name.
pub fn mentions<'t>(text: &'t str, names: &'t [String]) -> impl Iterator<Item = (Range<usize>, &'t str)> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    text.match_indices('$').filter_map(move |(at, _)| {
        let rest = &text[at + 1..];
        let (name, length) = match rest.strip_prefix('{') {
            Some(braced) => braced.split_once('}').map(|(name, _)| (name, name.len() + 3))?,
            None => {
                let end = rest.as_bytes().iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
                (&rest[..end], end + 1)
            }
        };
        names.iter().any(|known| known == name).then_some((at..at + length, name))
    })
}

fn is_variable(name: &str) -> bool {
    let valid = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    valid && !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_and_written_the_same() {
        for text in ["env:DB_PASSWORD", "file", "keyring:wfctl/me@example.org", "vault:kv/team/db#password"] {
            assert_eq!(text.parse::<SecretOrigin>().unwrap().to_string(), text);
        }
        let SecretOrigin::Vault { mount, path, field } = "vault:kv/team/db#pass#word".parse().unwrap() else {
            panic!()
        };
        assert_eq!((mount.as_str(), path.as_str(), field.as_str()), ("kv", "team/db", "pass#word"));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "env",
            "env:",
            "env:A-B",
            "env:1A",
            "files",
            "keyring:",
            "keyring:a",
            "keyring:/b",
            "keyring:a/",
            "vault:kv#f",
            "vault:kv/#f",
            "vault:kv/a",
            "vault:kv/a#",
            "vault:kv/../sys#f",
            "vault:kv/a//b#f",
            "vault:kv/a?x#f",
            "vault:../a#f",
            "hunter2hunter2",
        ] {
            let error = text.parse::<SecretOrigin>().unwrap_err();
            assert!(
                error.contains("vault:mount/path#field") && (text.is_empty() || !error.contains(&format!("`{text}`")))
            );
        }
    }

    #[test]
    fn a_name_is_mentioned_as_a_whole() {
        let names = ["A".to_owned(), "AB".to_owned()];
        let found = |text| {
            mentions(text, &names).map(|(at, name)| format!("{name}@{}..{}", at.start, at.end)).collect::<Vec<_>>()
        };
        assert_eq!(found("Bearer $A, ${AB}$AB"), ["A@7..9", "AB@11..16", "AB@16..19"]);
        assert_eq!(found("$ABC $ $$A ${A ${C} A"), ["A@8..10"]);
    }

    #[test]
    fn names_that_mean_something_else_are_refused() {
        for name in ["", "A-B", "1A", "WFCTL_HOME", "LD_PRELOAD", "PATH", "A B", "Ä"] {
            assert!(refused_name(name).is_some(), "{name}");
        }
        assert_eq!(refused_name("DB_PASSWORD"), None);
    }
}
