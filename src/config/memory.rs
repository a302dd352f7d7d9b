//! `[memory]`: what agents remember with.

use std::path::Path;

use serde::Deserialize;

use super::layers::{Error, REPOSITORY_FILE};

/// What a person configured.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemorySpec {
    /// The model of vectors, `provider/model`; absent: memory is searched by words alone.
    #[serde(default)]
    pub embeddings: Option<String>,
}

/// Reads the table of the file at `path`.
pub(super) fn read(value: toml::Value, path: &Path) -> Result<MemorySpec, Error> {
    let wrong = |problem: String| Error::Syntax { path: path.to_owned(), problem };
    // Whoever cloned a repository has not agreed to send what they remember anywhere.
    if path.ends_with(REPOSITORY_FILE) {
        return Err(wrong("[memory] is read from your own configuration only".to_owned()));
    }
    let spec: MemorySpec =
        value.try_into().map_err(|error: toml::de::Error| wrong(format!("[memory]: {}", error.message())))?;
    match spec.embeddings.as_ref().filter(|model| !model.contains('/')) {
        Some(model) => Err(wrong(format!("[memory]: embeddings = {model:?} is not `provider/model`"))),
        None => Ok(spec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embeddings_are_chosen_by_the_person_alone() {
        let value = |text: &str| toml::Value::Table(text.parse().unwrap());
        let user = Path::new("config.toml");
        let spec = read(value("embeddings = \"openai/text-embedding-3-small\""), user).unwrap();
        assert_eq!(spec.embeddings.as_deref(), Some("openai/text-embedding-3-small"));
        let refused = |text: &str, path: &Path| read(value(text), path).unwrap_err().to_string();
        assert!(refused("embeddings = \"small\"", user).contains("provider/model"));
        assert!(refused("embedings = \"a/b\"", user).contains("embedings"));
        assert!(refused("", Path::new("x/.wfctl.toml")).contains("your own configuration"));
    }
}
