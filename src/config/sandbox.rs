//! The table `[sandbox]`: what the person's commands may reach, and what keeps them in their place.

use std::path::Path;

use super::layers::{Error, REPOSITORY_FILE};
use crate::domain::sandbox::{Allowance, Backend, Hosts, SandboxSpec};
use crate::domain::time::parse_duration;

/// `allowed` as the table of a file says. A repository has no say in it.
pub(super) fn allowance(allowed: &Allowance, value: toml::Value, path: &Path) -> Result<Allowance, Error> {
    let wrong = |problem: String| Error::Syntax { path: path.to_owned(), problem: format!("[sandbox]: {problem}") };
    if path.ends_with(REPOSITORY_FILE) {
        let problem = "it is read from your own configuration only: a repository may not say what its commands reach";
        return Err(wrong(problem.to_owned()));
    }
    let toml::Value::Table(mut table) = value else { return Err(wrong("it must be a table".to_owned())) };
    let mut allowed = allowed.clone();
    if let Some(backend) = table.remove("backend") {
        let names = Backend::ALL.map(Backend::name).join(", ");
        let named = backend.as_str().and_then(Backend::named);
        allowed.backend = named.ok_or_else(|| wrong(format!("backend = {backend} is not one of {names}")))?;
    }
    if let Some(image) = table.remove("image") {
        let image = image.as_str().ok_or_else(|| wrong(format!("image = {image} is no text")))?;
        allowed.image = Some(image.to_owned());
    }
    if let Some(timeout) = table.remove("task_timeout") {
        allowed.task_timeout_ms = match timeout.as_str() {
            Some("none") => None,
            Some(text) => Some(
                parse_duration(text)
                    .filter(|ms| *ms > 0)
                    .ok_or_else(|| wrong(format!("task_timeout = {text:?} is not a duration such as \"10m\"")))?,
            ),
            None => return Err(wrong(format!("task_timeout = {timeout} is not a duration such as \"10m\""))),
        };
    }
    let spec: SandboxSpec =
        toml::Value::Table(table).try_into().map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
    for host in spec.network.iter().flat_map(Hosts::patterns) {
        if let Some(problem) = Hosts::problem(host) {
            return Err(wrong(format!("network: {host:?}: {problem}")));
        }
    }
    Ok(allowed.with(&spec))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, path: &str) -> Result<Allowance, Error> {
        allowance(&Allowance::default(), toml::Value::Table(text.parse().unwrap()), Path::new(path))
    }

    #[test]
    fn a_person_says_what_commands_reach() {
        let text = "backend = \"native\"\nnetwork = [\"*.Example.org\"]\ntask_timeout = \"1h\"\ncaches = \"project\"\n\
                    limits = { memory = \"1GiB\", processes = 100 }";
        let allowed = read(text, "config.toml").unwrap();
        assert_eq!((allowed.backend, allowed.task_timeout_ms), (Backend::Native, Some(3_600_000)));
        assert_eq!(allowed.network, Hosts::of(["*.example.org".to_owned()]));
        assert_eq!((allowed.limits.memory_bytes, allowed.limits.processes), (Some(1 << 30), Some(100)));
        assert_eq!(allowed.limits.open_files, Allowance::default().limits.open_files);
        assert_eq!(read("task_timeout = \"none\"", "config.toml").unwrap().task_timeout_ms, None);
    }

    #[test]
    fn nonsense_and_repositories_are_refused() {
        for bad in [
            "backend = \"chroot\"",
            "netwrk = []",
            "network = [\"http://a\"]",
            "task_timeout = 5",
            "limits = {memory = 'x'}",
        ] {
            assert!(matches!(read(bad, "config.toml"), Err(Error::Syntax { .. })), "{bad}");
        }
        let refused = read("network = [\"*\"]", REPOSITORY_FILE).unwrap_err().to_string();
        assert!(refused.contains("your own configuration only"), "{refused}");
    }
}
