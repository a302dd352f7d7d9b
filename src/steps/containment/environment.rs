//! Which variables a contained command inherits: those that programs need to find their way, and what somebody allowed by name.
//! A list of what may pass, not of what may not: a secret has any name.

use std::collections::BTreeSet;
use std::ffi::OsString;

use crate::domain::sandbox::{Allowance, Backend};
use crate::workspace::git;

/// Inherited by every command: they mean the same wherever it runs.
const EVERYWHERE: &[&str] = &[
    "LANG",
    "LANGUAGE",
    "TZ",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "FORCE_COLOR",
    "CI",
    "SOURCE_DATE_EPOCH",
    "CARGO_INCREMENTAL",
    "CARGO_NET_OFFLINE",
    "GOFLAGS",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "NODE_ENV",
    "PYTHONDONTWRITEBYTECODE",
];

/// Inherited by commands that use the host's tools: they name programs, people and places of the host.
const USUAL: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "EDITOR",
    "LD_LIBRARY_PATH",
    "PKG_CONFIG_PATH",
    "CC",
    "CXX",
    "AR",
    "LD",
    "CFLAGS",
    "CXXFLAGS",
    "CPPFLAGS",
    "LDFLAGS",
    "MAKEFLAGS",
    "JAVA_HOME",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "NVM_DIR",
    "NVM_BIN",
    "GOROOT",
    "GOPATH",
    "GOTOOLCHAIN",
    "GOMODCACHE",
    "CARGO_HOME",
    "CARGO_TARGET_DIR",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PYTHONPATH",
    "PYENV_ROOT",
    "PYENV_VERSION",
    "ASDF_DIR",
    "ASDF_DATA_DIR",
    "SDKMAN_DIR",
];

/// The beginning of the names of a locale's parts.
const LOCALE: &str = "LC_";

/// What a command inherits of `environment`: when it is not contained all of it, but never wfctl's own variables, those that
/// lead git elsewhere, and those that open secrets, which are `withheld`.
pub(in crate::steps) fn passed_on(
    environment: &[(OsString, OsString)],
    allowed: &Allowance,
    withheld: &BTreeSet<String>,
) -> Vec<(OsString, OsString)> {
    let is_withheld = |name: &OsString| name.to_str().is_some_and(|name| withheld.contains(name));
    let passes =
        |(name, _): &&(OsString, OsString)| !is_own(name) && !git::is_local_variable(name) && !is_withheld(name);
    match allowed.backend {
        Backend::None => environment.iter().filter(passes).cloned().collect(),
        backend => {
            let usual = if backend.has_own_files() { &[] } else { USUAL };
            inherited(environment, usual, &allowed.env).filter(passes).cloned().collect()
        }
    }
}

fn is_own(name: &OsString) -> bool {
    name.as_encoded_bytes().starts_with(b"WFCTL_")
}

/// What a contained command inherits of `environment`, beside what means the same everywhere; `more` was allowed by name.
fn inherited<'e>(
    environment: &'e [(OsString, OsString)],
    usual: &'static [&'static str],
    more: &'e BTreeSet<String>,
) -> impl Iterator<Item = &'e (OsString, OsString)> {
    let passes = move |name: &OsString| {
        name.to_str().is_some_and(|name| {
            let is_known = EVERYWHERE.contains(&name) || usual.contains(&name) || name.starts_with(LOCALE);
            is_known || more.contains(name)
        })
    };
    environment.iter().filter(move |(name, _)| passes(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_usual_and_the_allowed_pass() {
        let given = ["PATH", "LC_ALL", "AWS_PROFILE", "DISPLAY", "SSH_AUTH_SOCK", "MY_TOKEN"];
        let environment: Vec<(OsString, OsString)> = given.map(|name| (name.into(), "x".into())).to_vec();
        let more = BTreeSet::from(["DISPLAY".to_owned()]);
        let names = |usual| -> Vec<_> {
            inherited(&environment, usual, &more).map(|(name, _)| name.to_str().unwrap()).collect()
        };
        assert_eq!(names(USUAL), ["PATH", "LC_ALL", "DISPLAY"]);
        assert_eq!(names(&[]), ["LC_ALL", "DISPLAY"]);
    }
}
