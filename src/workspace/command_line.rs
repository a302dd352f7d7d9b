//! From the text of a command to the program that is spawned. Pure but for looking programs up in `PATH`.
//!
//! The rule is GNU make's: a command without anything that only a shell understands is split at blanks and executed directly,
//! which halves the cost of a short command; everything else goes to `/bin/sh -c`. "Anything" is: a quote or metacharacter, a
//! line break, an assignment in front (`A=1 cmd`), or a first word that is a builtin without a program of the same meaning
//! (`cd`, `exit`, `test`, ...). `true`, `false`, `echo`, `printf`, `pwd` and `kill` are programs too and go direct.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::domain::limits;

/// The shell that commands with shell syntax are given to.
const SHELL: &str = "/bin/sh";

/// Where programs are looked for when the environment has no `PATH`: what POSIX `confstr(_CS_PATH)` gives.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Characters that only a shell understands. Source: GNU make 4.4, `job.c`, `sh_chars_sh`, plus quotes and line breaks.
const SHELL_CHARACTERS: &[char] = &[
    '#', ';', '"', '*', '?', '[', ']', '&', '|', '<', '>', '(', ')', '{', '}', '$', '`', '^', '~', '!', '\'', '\\',
    '\n', '\r',
];

/// First words that mean something to the shell only. Source: GNU make 4.4, `sh_cmds_sh`, plus POSIX reserved words.
const SHELL_WORDS: &[&str] = &[
    ".", ":", "alias", "bg", "break", "case", "cd", "command", "continue", "do", "done", "elif", "else", "esac",
    "eval", "exec", "exit", "export", "fc", "fg", "fi", "for", "function", "getopts", "hash", "if", "in", "jobs",
    "local", "login", "logout", "read", "readonly", "return", "select", "set", "shift", "source", "test", "then",
    "time", "times", "trap", "type", "ulimit", "umask", "unalias", "unset", "until", "wait", "while",
];

/// A program with its arguments, found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Absolute, so that it can be spawned without forking a copy of the engine; a bare name where other programs are than here.
    pub path: PathBuf,
    /// The word it was called by (`argv[0]`).
    pub name: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// Why a text cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing but blanks.
    #[error("the command is empty")]
    Empty,
    /// The kernel cannot pass such a text on.
    #[error("the command contains a null byte")]
    NullByte,
    /// Longer than [`limits::COMMAND_BYTES`].
    #[error("the command is {0} bytes long, more than the {max} that one argument may have", max = limits::COMMAND_BYTES)]
    TooLong(usize),
    /// No such program.
    #[error("command not found: {0}")]
    NotFound(String),
    /// There is such a file, but it cannot be executed.
    #[error("command is not executable: {0}")]
    NotExecutable(String),
}

/// The words of `line` when it needs no shell.
pub fn plain_words(line: &str) -> Option<Vec<&str>> {
    if line.contains(SHELL_CHARACTERS) {
        return None;
    }
    let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
    let first = words.first()?;
    (!first.contains('=') && !SHELL_WORDS.contains(first)).then_some(words)
}

/// Finds what `line` runs, in the directory `dir` and with `path` as the value of `PATH`.
pub fn resolve(line: &str, dir: &Path, path: Option<&OsStr>) -> Result<Program, Error> {
    program(line, |name| find(name, dir, path))
}

/// What `line` runs where other programs are than here: a bare name is looked up there.
pub fn resolve_elsewhere(line: &str, dir: &Path) -> Result<Program, Error> {
    program(line, |name| Ok(elsewhere(name, dir)))
}

/// The path that `name` stands for where other programs are than here.
pub fn elsewhere(name: &str, dir: &Path) -> PathBuf {
    if name.contains('/') { dir.join(name) } else { PathBuf::from(name) }
}

fn program(line: &str, find: impl Fn(&str) -> Result<PathBuf, Error>) -> Result<Program, Error> {
    if line.contains('\0') {
        return Err(Error::NullByte);
    }
    if line.len() > limits::COMMAND_BYTES {
        return Err(Error::TooLong(line.len()));
    }
    if line.trim().is_empty() {
        return Err(Error::Empty);
    }
    let Some(words) = plain_words(line) else {
        let arguments = vec![OsString::from("-c"), OsString::from(line)];
        return Ok(Program { path: PathBuf::from(SHELL), name: OsString::from("sh"), arguments });
    };
    let (name, arguments) = words.split_first().ok_or(Error::Empty)?;
    Ok(Program {
        path: find(name)?,
        name: OsString::from(name),
        arguments: arguments.iter().map(OsString::from).collect(),
    })
}

/// Looks `name` up as `execvp` does: in `path` unless it contains a slash.
pub fn find(name: &str, dir: &Path, path: Option<&OsStr>) -> Result<PathBuf, Error> {
    if name.contains('/') {
        let program = dir.join(name);
        return match executable(&program) {
            Some(true) => Ok(program),
            Some(false) => Err(Error::NotExecutable(name.to_owned())),
            None => Err(Error::NotFound(name.to_owned())),
        };
    }
    let mut seen = false;
    for folder in path.unwrap_or(OsStr::new(DEFAULT_PATH)).as_bytes().split(|byte| *byte == b':') {
        let program = dir.join(OsStr::from_bytes(folder)).join(name);
        match executable(&program) {
            Some(true) => return Ok(program),
            Some(false) => seen = true,
            None => {}
        }
    }
    Err(if seen { Error::NotExecutable(name.to_owned()) } else { Error::NotFound(name.to_owned()) })
}

/// Whether the file can be executed by this process; `None` without such a file. A folder is none.
fn executable(path: &Path) -> Option<bool> {
    let metadata = std::fs::metadata(path).ok()?;
    metadata.is_file().then(|| rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shell_syntax_needs_a_shell() {
        for plain in ["true", "  cargo test  --all", "echo a-b /x:y %1 @z +q,w", "echo a=b", "./run.sh x"] {
            assert!(plain_words(plain).is_some(), "{plain}");
        }
        for shell in
            ["A=1 env", "cd x", "a && b", "echo $X", "ls *.c", "echo 'a'", "a\nb", "test -f x", "~/x", "exit 3"]
        {
            assert!(plain_words(shell).is_none(), "{shell}");
        }
        assert_eq!(plain_words("  a \t b  "), Some(vec!["a", "b"]));
    }

    #[test]
    fn programs_are_found_or_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("data"), "x").unwrap();
        let path = OsString::from(format!("/nonexistent:{}:/bin:/usr/bin", dir.path().display()));
        let resolve = |line: &str| resolve(line, dir.path(), Some(&path));
        assert!(resolve("true").unwrap().path.is_absolute());
        assert_eq!(resolve("echo $X").unwrap().path, Path::new(SHELL));
        assert_eq!(resolve("no-such-thing a"), Err(Error::NotFound("no-such-thing".to_owned())));
        assert_eq!(resolve("data"), Err(Error::NotExecutable("data".to_owned())));
        assert_eq!(resolve("./data"), Err(Error::NotExecutable("./data".to_owned())));
        assert_eq!(resolve("./none"), Err(Error::NotFound("./none".to_owned())));
        assert_eq!(resolve(" \t"), Err(Error::Empty));
        let elsewhere = |line: &str| resolve_elsewhere(line, dir.path()).map(|program| program.path);
        assert_eq!(elsewhere("no-such-thing a"), Ok("no-such-thing".into()));
        assert_eq!(elsewhere("./none"), Ok(dir.path().join("./none")));
        assert_eq!(elsewhere(""), Err(Error::Empty));
        assert_eq!(resolve("a\0b"), Err(Error::NullByte));
        let long = "x".repeat(limits::COMMAND_BYTES + 1);
        assert_eq!(resolve(&long), Err(Error::TooLong(long.len())));
    }
}
