//! What a memory answers, wherever it is kept.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

use serde::Serialize;

use super::chunk::Chunk;
use crate::domain::failure::Failure;

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked makes no sense; whoever asked can ask better.
    #[error("{0}")]
    Refused(String),
    /// There is no such chunk.
    #[error("there is no chunk `{0}`; ids are told by a search")]
    NoChunk(String),
    /// The store elsewhere did not do it.
    #[error("the memory in {place} cannot be used: {why}")]
    Away {
        /// Where it is.
        place: String,
        /// Why not, and what to do.
        why: String,
    },
    /// The store cannot do without vectors, and none could be had.
    #[error("the memory in {place} needs a vector for it: {failure}")]
    NoVector {
        /// Where it is.
        place: String,
        /// Why not.
        failure: Failure,
    },
    /// The system refused.
    #[error("the memory in {} cannot be used: {source}", folder.display())]
    Io {
        /// Where it is.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What a store or an update left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The chunks, in the order of the text.
    pub ids: Vec<String>,
    /// How many of them were there already, just so.
    pub known: usize,
}

/// A chunk that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hit {
    /// The chunk.
    pub chunk: Chunk,
    /// How well it fits; comparable within one answer only.
    pub score: f64,
}

/// How an answer was ranked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Ranked {
    /// By words alone: no embeddings are configured.
    Words,
    /// By vectors alone: the store has no index of words.
    Vectors {
        /// The model of the vectors.
        model: String,
        /// The store.
        store: String,
        /// Chunks whose vectors are of another model.
        without: usize,
    },
    /// By words and by vectors.
    WordsAndVectors {
        /// The model of the vectors.
        model: String,
        /// Chunks that have no vector yet.
        without: usize,
    },
    /// By words alone, for the vectors could not be had.
    WordsInstead {
        /// The model of the vectors.
        model: String,
        /// Why not.
        why: String,
    },
}

impl fmt::Display for Ranked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words => f.write_str("ranked by words alone (BM25): no embeddings are configured"),
            Self::Vectors { model, store, without: 0 } => {
                write!(f, "ranked by vectors of {model} in {store}, not by words")
            }
            Self::Vectors { model, store, without } => write!(
                f,
                "ranked by vectors of {model} in {store}, not by words; {without} chunks have vectors of another model and are left out"
            ),
            Self::WordsAndVectors { model, without: 0 } => {
                write!(f, "ranked by words (BM25) and by vectors of {model}")
            }
            Self::WordsAndVectors { model, without } => {
                write!(f, "ranked by words (BM25) and by vectors of {model}; {without} chunks have no vector yet")
            }
            Self::WordsInstead { model, why } => {
                write!(f, "ranked by words alone (BM25): vectors of {model} could not be had: {why}")
            }
        }
    }
}

/// What was retrieved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// Best first.
    pub hits: Vec<Hit>,
    /// How they were ranked.
    pub ranked: Ranked,
}

/// How a memory is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Where it is kept.
    pub folder: PathBuf,
    /// Chunks.
    pub chunks: usize,
    /// Of these, how many of each kind.
    pub kinds: BTreeMap<&'static str, usize>,
    /// The store elsewhere that has the chunks; `None`: the folder has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// The size of its log.
    pub bytes: u64,
    /// Lines of the log that cannot be read.
    pub damaged: usize,
    /// The model of its vectors; `None`: words alone.
    pub embeddings: Option<String>,
    /// Chunks that have a vector of that model.
    pub vectors: usize,
}
