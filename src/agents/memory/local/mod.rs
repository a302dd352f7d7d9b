//! Vectors without an endpoint: a sentence transformer from a folder of this machine, computed here. In the form in which they are
//! published: `config.json`, `tokenizer.json` or `vocab.txt`, `model.safetensors` or `pytorch_model.bin`. Nothing is fetched.
//!
//! Reading order: `pieces` (text to numbers), `bert` (numbers to a direction), this file (one model, loaded when first needed, on
//! threads that may block, one text after the other).

mod bert;
mod pieces;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::Embedder;
use super::vectors::Made;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::Digest;
use crate::domain::limits;
use crate::workspace::files;
use bert::Bert;
use pieces::Pieces;

/// What a model of this machine is called, before the name of its folder.
const PROVIDER: &str = "local";
const CONFIG: &str = "config.json";
const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

/// A model of this machine.
pub struct Local {
    folder: PathBuf,
    name: String,
    loaded: Arc<Mutex<Option<Arc<Loaded>>>>,
}

/// What one text is made into a vector with.
struct Loaded {
    pieces: Pieces,
    bert: Bert,
}

impl Local {
    /// The model in `folder`, of which nothing but its configuration is looked at yet.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), name: named(folder), loaded: Arc::default() }
    }
}

/// The folder's name, and a mark of what is in it: another model in the same place has other vectors.
fn named(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut of = files::read_bounded(&folder.join(CONFIG), limits::SMALL_FILE_BYTES).unwrap_or_default();
    let weights = WEIGHTS.iter().find_map(|name| std::fs::metadata(folder.join(name)).ok());
    of.extend(weights.map_or(0, |found| found.len()).to_le_bytes());
    format!("{PROVIDER}/{name}-{}", &Digest::of(&of).to_hex()[..8])
}

/// What is wrong with a folder, in words that name it.
fn wrong(folder: &Path, what: &str) -> Failure {
    let message = format!(
        "the sentence transformer in {} cannot be used: {what}; `model_dir` of [memory] names a folder with {CONFIG}, tokenizer.json or \
         vocab.txt, and {}",
        folder.display(),
        WEIGHTS.join(" or ")
    );
    Failure::new(FailureClass::NotFound, message)
}

impl Loaded {
    /// Reads it all; a model of 90 MB takes a moment. Blocks.
    fn read(folder: &Path) -> Result<Self, Failure> {
        let problem = |what: String| wrong(folder, &what);
        let read = |name: &str, most: u64| {
            files::read_bounded(&folder.join(name), most).map_err(|error| format!("{name}: {error}"))
        };
        let config = read(CONFIG, limits::SMALL_FILE_BYTES).map_err(problem)?;
        let config = bert::Config::read(&config).map_err(problem)?;
        let pieces = Pieces::read(folder, config.positions()).map_err(problem)?;
        let [safe, torch] = WEIGHTS.map(|name| folder.join(name));
        let bert = match safe.exists() {
            true => {
                let bytes = read(WEIGHTS[0], limits::EMBEDDING_MODEL_BYTES).map_err(problem)?;
                Bert::of_safetensors(&config, bytes)
            }
            false => Bert::of_torch(&config, &torch),
        };
        Ok(Self { pieces, bert: bert.map_err(|error| problem(format!("its weights: {error}")))? })
    }

    /// The direction of `text`, of length 1. One that is longer than the model reads at once is read in parts, each token of which
    /// counts the same.
    fn vector(&self, text: &str) -> Result<Vec<f32>, String> {
        let windows = self.pieces.windows(text)?;
        let (mut sum, mut count) = (vec![0_f32; self.bert.dimensions()], 0_usize);
        for window in &windows {
            let of_window = self.bert.summed(window).map_err(|error| error.to_string())?;
            sum.iter_mut().zip(&of_window).for_each(|(all, one)| *all += one);
            count += window.len();
        }
        let length = sum.iter().map(|number| number * number).sum::<f32>().sqrt();
        if count == 0 || !length.is_finite() || length == 0.0 {
            return Err("a text has no direction".to_owned());
        }
        Ok(sum.into_iter().map(|number| number / length).collect())
    }
}

#[async_trait]
impl Embedder for Local {
    fn model(&self) -> &str {
        &self.name
    }

    fn at_most(&self) -> usize {
        limits::MEMORY_EMBEDDED_LOCALLY
    }

    async fn embed(&self, texts: &[String]) -> Result<Made, Failure> {
        let (texts, folder, loaded) = (texts.to_vec(), self.folder.clone(), self.loaded.clone());
        let work = move || {
            // One caller at a time: the model uses every core by itself.
            let mut kept = loaded.lock().unwrap_or_else(PoisonError::into_inner);
            let model = match &*kept {
                Some(model) => model.clone(),
                None => kept.insert(Arc::new(Loaded::read(&folder)?)).clone(),
            };
            let vectors = texts.iter().map(|text| model.vector(text)).collect::<Result<Vec<_>, String>>();
            vectors.map_err(|what| wrong(&folder, &what))
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(vectors) => Ok(Made { vectors: vectors?, usage: None }),
            Err(error) => Err(Failure::new(FailureClass::Internal, format!("{}: a vector failed: {error}", self.name))),
        }
    }
}

#[cfg(test)]
mod tests;
