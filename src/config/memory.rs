//! `[memory]`: what agents remember with, and where.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::layers::{Error, REPOSITORY_FILE};

/// The model of vectors that is computed here.
const LOCAL: &str = "local";
/// Where a Qdrant server listens unless told otherwise.
const QDRANT_URL: &str = "http://127.0.0.1:6333";
/// The collection unless told otherwise.
const COLLECTION: &str = "wfctl";
/// Longest name of a collection; it is the name of a folder there.
const COLLECTION_BYTES: usize = 128;

/// What a person configured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemorySpec {
    /// What makes vectors; absent: memory is searched by words alone.
    pub embeddings: Option<EmbeddingsSpec>,
    /// The Qdrant server that has the chunks; absent: the home has.
    pub qdrant: Option<QdrantSpec>,
}

/// What makes vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmbeddingsSpec {
    /// A model of an endpoint, `provider/model`.
    Endpoint(String),
    /// A sentence transformer in this folder.
    Local(PathBuf),
}

/// A Qdrant server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QdrantSpec {
    /// Where it listens.
    pub url: String,
    /// The collection of all memories.
    pub collection: String,
    /// The name of the declared secret that is its key.
    pub api_key: Option<String>,
}

/// The table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    embeddings: Option<String>,
    model_dir: Option<PathBuf>,
    #[serde(default)]
    store: Store,
    url: Option<String>,
    collection: Option<String>,
    api_key: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Store {
    #[default]
    Files,
    Qdrant,
}

/// Reads the table of the file at `path`.
pub(super) fn read(value: toml::Value, path: &Path) -> Result<MemorySpec, Error> {
    let wrong = |problem: String| Error::Syntax { path: path.to_owned(), problem };
    // Whoever cloned a repository has not agreed to send what they remember anywhere.
    if path.ends_with(REPOSITORY_FILE) {
        return Err(wrong("[memory] is read from your own configuration only".to_owned()));
    }
    let written: Written =
        value.try_into().map_err(|error: toml::de::Error| wrong(format!("[memory]: {}", error.message())))?;
    written.checked(path.parent()).map_err(|problem| wrong(format!("[memory]: {problem}")))
}

impl Written {
    /// A relative folder is one below that of the configuration.
    fn checked(self, folder: Option<&Path>) -> Result<MemorySpec, String> {
        let embeddings = match (self.embeddings, self.model_dir) {
            (None, None) => None,
            (Some(model), Some(dir)) if model == LOCAL => {
                Some(EmbeddingsSpec::Local(folder.map_or_else(|| dir.clone(), |folder| folder.join(&dir))))
            }
            (Some(model), None) if model == LOCAL => {
                return Err("embeddings = \"local\" needs `model_dir`, the folder of a sentence transformer".to_owned());
            }
            (Some(model), None) if model.contains('/') => Some(EmbeddingsSpec::Endpoint(model)),
            (Some(model), None) => {
                return Err(format!("embeddings = {model:?} is neither `provider/model` nor `local`"));
            }
            (_, Some(_)) => return Err("`model_dir` is of embeddings = \"local\"".to_owned()),
        };
        let qdrant = match self.store {
            Store::Files => {
                let given = [("url", &self.url), ("collection", &self.collection), ("api_key", &self.api_key)];
                if let Some((name, _)) = given.into_iter().find(|(_, value)| value.is_some()) {
                    return Err(format!("`{name}` is of store = \"qdrant\""));
                }
                None
            }
            Store::Qdrant if embeddings.is_none() => {
                return Err("store = \"qdrant\" finds by vectors alone, so that it needs `embeddings`: a model of an endpoint, such as \
                            \"openai/text-embedding-3-small\", or \"local\" with `model_dir`"
                    .to_owned());
            }
            Store::Qdrant => {
                let url = self.url.unwrap_or_else(|| QDRANT_URL.to_owned());
                if !url.starts_with("http://") && !url.starts_with("https://") {
                    return Err("`url` must begin with http:// or https://".to_owned());
                }
                let collection = self.collection.unwrap_or_else(|| COLLECTION.to_owned());
                let is_fine = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
                if collection.is_empty() || collection.len() > COLLECTION_BYTES || !collection.chars().all(is_fine) {
                    return Err(format!("collection = {collection:?} may have letters, digits, `-` and `_`"));
                }
                Some(QdrantSpec { url, collection, api_key: self.api_key })
            }
        };
        Ok(MemorySpec { embeddings, qdrant })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, path: &str) -> Result<MemorySpec, String> {
        read(toml::Value::Table(text.parse().unwrap()), Path::new(path)).map_err(|error| error.to_string())
    }

    fn refused(text: &str) -> String {
        of(text, "config.toml").unwrap_err()
    }

    #[test]
    fn embeddings_are_chosen_by_the_person_alone() {
        let spec = of("embeddings = \"openai/text-embedding-3-small\"", "config.toml").unwrap();
        assert_eq!(spec.embeddings, Some(EmbeddingsSpec::Endpoint("openai/text-embedding-3-small".to_owned())));
        assert!(refused("embeddings = \"small\"").contains("provider/model"));
        assert!(refused("embedings = \"a/b\"").contains("embedings"));
        assert!(of("", "x/.wfctl.toml").unwrap_err().contains("your own configuration"));
        let spec = of("embeddings = \"local\"\nmodel_dir = \"minilm\"", "/etc/wfctl/config.toml").unwrap();
        assert_eq!(spec.embeddings, Some(EmbeddingsSpec::Local("/etc/wfctl/minilm".into())));
        assert!(refused("embeddings = \"local\"").contains("`model_dir`"));
        assert!(refused("embeddings = \"a/b\"\nmodel_dir = \"x\"").contains("`model_dir` is of"));
    }

    #[test]
    fn a_server_needs_vectors_and_its_keys_are_of_it_alone() {
        let spec = of("embeddings = \"a/b\"\nstore = \"qdrant\"", "config.toml").unwrap();
        let qdrant = spec.qdrant.unwrap();
        assert_eq!((&*qdrant.url, &*qdrant.collection, qdrant.api_key), (QDRANT_URL, "wfctl", None));
        assert!(refused("store = \"qdrant\"").contains("needs `embeddings`"));
        assert!(refused("store = \"pinecone\"").contains("pinecone"));
        assert!(refused("url = \"http://x\"").contains("`url` is of store"));
        let with = |more: &str| refused(&format!("embeddings = \"a/b\"\nstore = \"qdrant\"\n{more}"));
        assert!(with("url = \"localhost:6333\"").contains("http://"));
        assert!(with("collection = \"a/b\"").contains("letters"));
    }
}
