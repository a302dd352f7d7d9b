//! Python: every file is compiled without being written anywhere; ruff and mypy where they are configured; pytest, or where it cannot be
//! imported the cases of unittest, told in the same words.

use super::Folder;
use crate::workspace::checks::{Check, Kind, Parser};

const MARKERS: &[&str] = &["pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "pytest.ini", "tox.ini"];

/// Compiles each file in memory. Folders of environments, caches and hidden ones are passed over.
const SYNTAX: &str = r#"import os, sys
bad = 0
for at, dirs, files in os.walk("."):
    dirs[:] = sorted(d for d in dirs if d[0] != "." and d not in ("node_modules", "venv", "env", "build", "dist", "site-packages") and not os.path.exists(os.path.join(at, d, "pyvenv.cfg")))
    for name in sorted(files):
        if name.endswith(".py"):
            path = os.path.join(at, name)
            try:
                with open(path, "rb") as file:
                    compile(file.read(), path, "exec", dont_inherit=True)
            except (SyntaxError, ValueError) as error:
                bad = 1
                print("%s:%s: %s" % (path, getattr(error, "lineno", None) or 1, error))
sys.exit(bad)"#;

/// Tests where pytest is not installed. It stands between single quotes, so it has none.
const UNITTEST: &str = include_str!("unittest.py");

/// Whether the folder says that it is a Python project.
pub(super) fn is_project(folder: &Folder) -> bool {
    folder.has_any(MARKERS)
}

/// Whether there is Python in it.
pub(super) fn is_here(folder: &Folder) -> bool {
    is_project(folder) || folder.any_file(|name| name.ends_with(".py"))
}

pub(super) fn checks(folder: &Folder) -> Vec<Check> {
    let python = interpreter(folder);
    let settings = folder.toml("pyproject.toml").unwrap_or_default();
    let tools = settings.get("tool").and_then(toml::Value::as_table);
    let configured = |tool: &str| tools.is_some_and(|tools| tools.contains_key(tool));
    let section = |file: &str, name: &str| folder.text(file).is_some_and(|text| text.lines().any(|it| it == name));
    let mut checks = vec![Check::found(Kind::Syntax, "python syntax", format!("{python} -c '{SYNTAX}'"))];
    if configured("ruff") || folder.has_any(&["ruff.toml", ".ruff.toml"]) {
        checks.push(Check::found(Kind::Lint, "ruff", "ruff check --no-cache ."));
    }
    if configured("mypy") || folder.has_any(&["mypy.ini", ".mypy.ini"]) || section("setup.cfg", "[mypy]") {
        checks.push(Check::found(Kind::Types, "mypy", "mypy ."));
    }
    let is_test = |name: &str| name.ends_with(".py") && (name.starts_with("test_") || name.ends_with("_test.py"));
    let has_tests = configured("pytest")
        || folder.has_any(&["pytest.ini", "conftest.py", "tests", "test"])
        || section("setup.cfg", "[tool:pytest]")
        || folder.any_file(is_test);
    if has_tests {
        checks.push(Check::tests("python tests", tests(python), Parser::Pytest));
    }
    checks.push(Check::skipped(Kind::Coverage, "python coverage", "Python itself measures no coverage"));
    checks
}

/// Which of the two there is only the environment can tell that the command runs in. Names of tests are added at the end. Bytecode and
/// pytest's cache would be changes of the tree.
fn tests(python: &str) -> String {
    let pytest = format!("{python} -B -m pytest -q -p no:cacheprovider -rpfEs \"$@\"");
    let unittest = format!("{python} -B -c '{UNITTEST}' \"$@\"");
    format!(
        "python_tests() {{ if {python} -c \"import pytest\" 2>/dev/null; then {pytest}; else\n{unittest}\nfi; }} && python_tests"
    )
}

/// The interpreter of the environment that lies in the folder, else the system's.
fn interpreter(folder: &Folder) -> &'static str {
    if folder.has(".venv/bin/python") {
        ".venv/bin/python"
    } else if folder.has("venv/bin/python") {
        "venv/bin/python"
    } else {
        "python3"
    }
}
