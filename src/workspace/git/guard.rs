//! What a command's own git must not obey: programs that the configuration of a repository names. Hooks, file system monitors,
//! filters, drivers of diffs and merges, helpers for credentials, programs for ssh, signing, paging and editing are set back to
//! what the user configured, else to what git does by itself, by variables that win over every file
//! (`GIT_CONFIG_COUNT`; git 2.31 or newer). What the command line or the workflow's own `env` says wins over these.
//!
//! libgit2 lists what a repository configures; where git might read more than libgit2 does, git lists it. A command does not run when
//! neither gets to an end.
//!
//! A value that git takes from the first place that has it cannot be set back that way: `remote.*.uploadpack`, `remote.*.receivepack`
//! and `url.*.insteadOf` of a repository stay in force, and they matter to a command that fetches or pushes. The repositories
//! that this room itself opens are read by libgit2, which runs none of all that.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use git2::{ConfigLevel, Repository, RepositoryOpenFlags};

/// How long reading a repository's configuration may take; a pipe in its place would be waited for without an end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Shows a difference as git does without a driver; called with git's seven arguments.
const PLAIN_DIFF: &str = r#"f() { git diff --no-ext-diff --no-textconv --no-index -- "$2" "$5" || :; }; f"#;
/// Merges as git does without a driver.
const PLAIN_MERGE: &str = "git merge-file --marker-size=%L %A %O %B";

/// Set whatever a repository says: key, and value unless the user has one.
const ALWAYS: [(&str, &str); 3] =
    [("core.hookspath", "/dev/null"), ("core.fsmonitor", "false"), ("protocol.ext.allow", "never")];

/// Keys under which a configuration names a program, and what stands for it. `*` is any name.
const PROGRAMS: &[(&str, &str)] = &[
    ("core.sshcommand", "ssh"),
    ("core.askpass", ""),
    ("core.pager", "cat"),
    ("core.editor", "true"),
    ("core.alternaterefscommand", "true"),
    ("sequence.editor", "true"),
    ("interactive.difffilter", "cat"),
    ("pager.*", "false"),
    ("diff.external", PLAIN_DIFF),
    ("diff.*.command", PLAIN_DIFF),
    ("diff.*.textconv", "cat"),
    ("filter.*.clean", ""),
    ("filter.*.smudge", ""),
    ("filter.*.process", ""),
    ("filter.*.required", "false"),
    ("merge.*.driver", PLAIN_MERGE),
    ("mergetool.*.cmd", "false"),
    ("difftool.*.cmd", "false"),
    ("gpg.program", "gpg"),
    ("gpg.openpgp.program", "gpg"),
    ("gpg.x509.program", "gpgsm"),
    ("gpg.ssh.program", "ssh-keygen"),
    ("gpg.ssh.defaultkeycommand", ""),
    ("submodule.*.update", "checkout"),
    ("trailer.*.command", "true"),
    ("trailer.*.cmd", "true"),
    ("tar.*.command", "cat"),
];

/// Lists of programs: an empty value begins the list anew, then come the user's own.
const LISTS: &[&str] = &["credential.helper", "credential.*.helper"];

/// Variables that bind a git to one repository or configure it from the outside, as `git rev-parse --local-env-vars` lists them: a
/// step's git is about the step's folder, whatever engine it runs in was started from.
const LOCAL: [&str; 14] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// Whether a variable binds a git to a repository.
pub fn is_local_variable(name: &OsStr) -> bool {
    LOCAL.iter().any(|local| name == *local)
}

/// Names and values, as the system has them.
type Pairs = Vec<(OsString, OsString)>;

/// Why a command must not run: what its git would obey is not known.
#[derive(Debug, thiserror::Error)]
#[error("the configuration of the git repository around {} cannot be read; look at its .git/config", .0.display())]
pub struct Unreadable(PathBuf);

/// The environment of a command that runs in `dir`, with what its git must not obey set back.
pub(in crate::workspace) async fn guarded(env: &[(OsString, OsString)], dir: &Path) -> Result<Pairs, Unreadable> {
    guarded_within(env, dir, PATIENCE).await
}

async fn guarded_within(env: &[(OsString, OsString)], dir: &Path, patience: Duration) -> Result<Pairs, Unreadable> {
    let pair = |(key, value): &(&str, &str)| (OsString::from(key), OsString::from(value));
    if !dir.ancestors().any(|folder| folder.join(".git").symlink_metadata().is_ok()) {
        return Ok(with_settings(env, &ALWAYS.iter().map(pair).collect::<Pairs>()));
    }
    let unreadable = || Unreadable(dir.to_owned());
    let place = dir.to_owned();
    let read = tokio::task::spawn_blocking(move || listed(&place));
    let read = tokio::time::timeout(patience, read).await.map_err(|_| unreadable())?.map_err(|_| unreadable())?;
    let entries = match read {
        Some(entries) => entries,
        None => tokio::time::timeout(patience, listed_by_git(env, dir)).await.map_err(|_| unreadable())?,
    };
    let mut settings = settings_against(&entries);
    let has_proxy = settings.iter().any(|(key, _)| key == GIT_PROXY);
    settings.retain(|(key, _)| key != GIT_PROXY);
    let mut env = with_settings(env, &settings);
    if has_proxy && env.iter().all(|(name, _)| name != "GIT_PROXY_COMMAND") {
        env.push(("GIT_PROXY_COMMAND".into(), OsString::new()));
    }
    Ok(env)
}

/// The one key whose first value wins and that has a variable of its own.
const GIT_PROXY: &str = "core.gitproxy";

/// One entry of a configuration.
struct Entry {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    /// Whether it stands in a file of the repository, or in one that such a file includes.
    is_theirs: bool,
}

/// The configuration around `dir` as libgit2 reads it; `None` when git might read more than that: it opens repositories that
/// libgit2 does not, and knows more conditions of an include.
fn listed(dir: &Path) -> Option<Vec<Entry>> {
    let none: [&Path; 0] = [];
    let repository = Repository::open_ext(dir, RepositoryOpenFlags::empty(), none).ok()?;
    let config = repository.config().ok()?;
    let mut all = Vec::new();
    let entries = config.entries(None).ok()?;
    let gone_through = entries.for_each(|entry| {
        all.push(Entry {
            key: entry.name_bytes().to_vec(),
            value: entry.has_value().then(|| entry.value_bytes().to_vec()),
            is_theirs: matches!(entry.level(), ConfigLevel::Local | ConfigLevel::Worktree),
        });
    });
    gone_through.ok()?;
    let is_conditional = |entry: &Entry| entry.is_theirs && entry.key.starts_with(b"includeif.");
    (!all.iter().any(is_conditional)).then_some(all)
}

/// The same as git lists it, which runs nothing. Empty where there is no git, or it refuses the repository: then it obeys nothing.
async fn listed_by_git(env: &[(OsString, OsString)], dir: &Path) -> Vec<Entry> {
    #[expect(clippy::disallowed_methods, reason = "this room starts processes")]
    let mut command = tokio::process::Command::new("git");
    command.args(["config", "--list", "--show-scope", "-z"]).current_dir(dir).env_clear();
    command.envs(env.iter().map(|(name, value)| (name, value))).stdin(Stdio::null()).kill_on_drop(true);
    let Ok(output) = command.output().await else { return Vec::new() };
    if !output.status.success() {
        return Vec::new();
    }
    let mut parts = output.stdout.split(|byte| *byte == 0);
    let mut all = Vec::new();
    while let (Some(scope), Some(entry)) = (parts.next(), parts.next()) {
        let (key, value) = match entry.iter().position(|byte| *byte == b'\n') {
            Some(at) => (&entry[..at], Some(entry[at + 1..].to_vec())),
            None => (entry, None),
        };
        // What the environment says of itself comes last anyway.
        if scope != b"command" {
            all.push(Entry { key: key.to_vec(), value, is_theirs: scope == b"local" || scope == b"worktree" });
        }
    }
    all
}

/// The settings that set back what the repository configures.
fn settings_against(entries: &[Entry]) -> Pairs {
    let mut own: BTreeMap<&[u8], Vec<&[u8]>> = BTreeMap::new();
    let mut theirs: BTreeSet<&[u8]> = BTreeSet::new();
    for entry in entries {
        match (&entry.value, entry.is_theirs) {
            (_, true) => drop(theirs.insert(&entry.key)),
            (Some(value), false) => own.entry(&entry.key).or_default().push(value),
            (None, false) => {}
        }
    }
    let text = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
    let or_own = |key: &[u8], value: &str| {
        let last = own.get(key).and_then(|values| values.last());
        (text(key), text(last.copied().unwrap_or(value.as_bytes())))
    };
    let mut settings: Pairs = ALWAYS.iter().map(|(key, value)| or_own(key.as_bytes(), value)).collect();
    for key in theirs {
        if let Some((_, value)) = PROGRAMS.iter().find(|(pattern, _)| fits(pattern, key)) {
            settings.push(or_own(key, value));
        } else if LISTS.iter().any(|pattern| fits(pattern, key)) {
            settings.push((text(key), OsString::new()));
            settings.extend(own.get(key).into_iter().flatten().map(|value| (text(key), text(value))));
        } else if key == GIT_PROXY.as_bytes() {
            settings.push((text(key), OsString::new()));
        }
    }
    settings
}

/// Whether a key is one of a pattern's. A name between the dots may hold dots.
fn fits(pattern: &str, key: &[u8]) -> bool {
    match pattern.split_once('*') {
        None => pattern.as_bytes() == key,
        Some((head, tail)) => {
            let rest = key.strip_prefix(head.as_bytes());
            let inner = rest.and_then(|rest| rest.strip_suffix(tail.as_bytes()));
            inner.is_some_and(|name| !name.is_empty())
        }
    }
}

/// `env` with settings in front of those that it has, which therefore win.
fn with_settings(env: &[(OsString, OsString)], settings: &[(OsString, OsString)]) -> Pairs {
    const COUNT: &str = "GIT_CONFIG_COUNT";
    let value = |name: &str| env.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let count: usize = value(COUNT).and_then(|text| text.to_str()?.parse().ok()).unwrap_or(0);
    // More than an environment can hold is a mistake that git tells better.
    let given = (0..count.min(env.len()))
        .filter_map(|at| Some((value(&format!("GIT_CONFIG_KEY_{at}"))?, value(&format!("GIT_CONFIG_VALUE_{at}"))?)));
    let all: Pairs = settings.iter().cloned().chain(given).collect();
    let is_ours = |name: &OsString| {
        let name = name.to_string_lossy();
        name == COUNT || name.starts_with("GIT_CONFIG_KEY_") || name.starts_with("GIT_CONFIG_VALUE_")
    };
    let mut out: Pairs = env.iter().filter(|(name, _)| !is_ours(name)).cloned().collect();
    out.push((COUNT.into(), all.len().to_string().into()));
    for (at, (key, value)) in all.into_iter().enumerate() {
        out.push((format!("GIT_CONFIG_KEY_{at}").into(), key));
        out.push((format!("GIT_CONFIG_VALUE_{at}").into(), value));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it costs a command: a few hundred microseconds in a repository, next to nothing elsewhere.
    #[tokio::test]
    #[ignore = "a measurement"]
    #[expect(clippy::disallowed_methods, reason = "a measurement")]
    async fn cost_of_a_guard() {
        const TIMES: u32 = 1_000;
        let folder = tempfile::tempdir().unwrap();
        Repository::init(folder.path().join("in")).unwrap();
        std::fs::create_dir(folder.path().join("out")).unwrap();
        for name in ["in", "out"] {
            let start = std::time::Instant::now();
            for _ in 0..TIMES {
                guarded(&[], &folder.path().join(name)).await.unwrap();
            }
            println!("{name}: {:?}", start.elapsed() / TIMES);
        }
    }

    #[tokio::test]
    async fn a_configuration_that_never_ends_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        Repository::init(folder.path()).unwrap();
        let config = folder.path().join(".git/config");
        std::fs::remove_file(&config).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mkfifoat(rustix::fs::CWD, &config, mode).unwrap();
        let refused = guarded_within(&[], folder.path(), Duration::from_millis(100)).await;
        assert!(refused.unwrap_err().to_string().contains("cannot be read"), "what git would obey is not known");
        // Whoever reads the pipe still waits for someone who writes.
        drop(std::fs::OpenOptions::new().read(true).write(true).open(&config).unwrap());
    }

    #[test]
    fn patterns_fit_whole_keys() {
        assert!(fits("filter.*.clean", b"filter.a.b\xff.clean") && fits("pager.*", b"pager.log"));
        assert!(!fits("filter.*.clean", b"filter..clean") && !fits("filter.*.clean", b"filter.clean"));
        assert!(!fits("core.pager", b"core.pagers") && !fits("pager.*", b"pager."));
    }

    #[test]
    fn what_the_environment_configures_comes_last_and_wins() {
        let pair = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        let env = [
            pair("PATH", "/bin"),
            pair("GIT_CONFIG_COUNT", "1"),
            pair("GIT_CONFIG_KEY_0", "core.hooksPath"),
            pair("GIT_CONFIG_VALUE_0", "mine"),
        ];
        let out = with_settings(&env, &[pair("core.hookspath", "/dev/null")]);
        let expected = [
            pair("PATH", "/bin"),
            pair("GIT_CONFIG_COUNT", "2"),
            pair("GIT_CONFIG_KEY_0", "core.hookspath"),
            pair("GIT_CONFIG_VALUE_0", "/dev/null"),
            pair("GIT_CONFIG_KEY_1", "core.hooksPath"),
            pair("GIT_CONFIG_VALUE_1", "mine"),
        ];
        assert_eq!(out, expected);
        let nonsense = with_settings(&[pair("GIT_CONFIG_COUNT", "99999999999")], &[]);
        assert_eq!(nonsense, [pair("GIT_CONFIG_COUNT", "0")]);
    }
}
