//! Vectors of chunks, as a model for embeddings gave them, by the digest of their text: the same text is never paid for twice.
//! The file is a cache; what is damaged in it is asked for again. The search is exact.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::log::Held;
use crate::domain::budget::Amounts;
use crate::domain::chat::Usage;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::Digest;
use crate::domain::limits;
use crate::workspace::files;

/// Makes vectors of texts.
#[async_trait]
pub trait Embedder: Send + Sync {
    /// `provider/model`.
    fn model(&self) -> &str;

    /// Most new chunks that one search has embedded before it looks.
    fn at_most(&self) -> usize {
        limits::MEMORY_EMBEDDED_PER_SEARCH
    }

    /// What `texts` may use of a budget at most; `None`: nobody is paid, and nothing is counted. `priced`: there is a cap on money,
    /// so that a model whose price is not known is an error.
    fn reserve(&self, texts: &[String], priced: bool) -> Option<Result<Amounts, Failure>> {
        let _ = (texts, priced);
        None
    }

    /// What `texts` used, guessed: they were sent, and no answer came.
    fn guess(&self, texts: &[String]) -> Option<Usage> {
        let _ = texts;
        None
    }

    /// A vector for each text, in their order.
    async fn embed(&self, texts: &[String]) -> Result<Made, Failure>;
}

/// Vectors, and what they used.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// One for each text.
    pub vectors: Vec<Vec<f32>>,
    /// What an endpoint counted, or what was guessed; `None`: nobody is paid.
    pub usage: Option<Usage>,
}

/// What came of texts that a memory had embedded.
#[derive(Debug, Clone, PartialEq)]
pub struct Came {
    /// The vectors that what follows needs, or why there are none.
    pub vectors: Result<Vec<Vec<f32>>, Failure>,
    /// What all requests used, those that failed too.
    pub usage: Option<Usage>,
}

impl Came {
    /// The last of the vectors: that of a query.
    pub fn vector(self) -> Result<Vec<f32>, Failure> {
        last_of(self.vectors)
    }
}

/// The last of vectors, which is that of a query.
pub(super) fn last_of(vectors: Result<Vec<Vec<f32>>, Failure>) -> Result<Vec<f32>, Failure> {
    let none = || Failure::new(FailureClass::Malformed, "no vector came for the query");
    vectors.and_then(|mut vectors| vectors.pop().ok_or_else(none))
}

/// Has `texts` embedded, some at a time; `take` is given the vectors of those as soon as they are there. What all requests used, those
/// that failed too.
pub(super) async fn in_batches(
    embedder: &dyn Embedder,
    texts: &[String],
    mut take: impl FnMut(&[String], Vec<Vec<f32>>) -> Result<(), Failure>,
) -> (Result<(), Failure>, Option<Usage>) {
    let mut used = None;
    for batch in texts.chunks(limits::MEMORY_EMBEDDED_AT_ONCE) {
        let vectors = match embedder.embed(batch).await {
            Ok(made) => {
                used = add(used, made.usage);
                made.vectors
            }
            Err(failure) => {
                if may_be_billed(failure.class) {
                    used = add(used, embedder.guess(batch));
                }
                return (Err(failure), used);
            }
        };
        if vectors.len() != batch.len() {
            let what = format!("{} vectors came for {} texts", vectors.len(), batch.len());
            return (Err(Failure::new(FailureClass::Malformed, what)), used);
        }
        if let Err(failure) = take(batch, vectors) {
            return (Err(failure), used);
        }
    }
    (Ok(()), used)
}

/// Whether a request that failed so may be on the bill.
fn may_be_billed(class: FailureClass) -> bool {
    use FailureClass as C;
    matches!(class, C::Transport | C::Idle | C::Malformed | C::Oversized | C::HttpServer)
}

/// Both together.
fn add(one: Option<Usage>, other: Option<Usage>) -> Option<Usage> {
    let (Some(one), Some(other)) = (one, other) else { return one.or(other) };
    Some(Usage {
        input_tokens: one.input_tokens.saturating_add(other.input_tokens),
        usd_micros: one.usd_micros.saturating_add(other.usd_micros),
        estimated: one.estimated || other.estimated,
        ..one
    })
}

/// Longest vector that is taken: more than any model gives.
const DIMENSIONS: usize = 16 * 1024;
/// Bytes before the numbers of a vector: the digest of its text, and how many they are.
const HEAD: usize = 32 + 4;
/// Bytes of the checksum behind them.
const SUM: usize = 4;

/// The vectors of one model.
#[derive(Debug, Default)]
pub struct Vectors {
    path: PathBuf,
    /// Each of length 1.
    known: HashMap<Digest, Arc<[f32]>>,
    /// Bytes of the file that are whole vectors.
    read: u64,
}

impl Vectors {
    /// Those of `model` that are kept in `folder`.
    pub fn open(folder: &Path, model: &str) -> Self {
        let path = folder.join(format!("vectors-{}.bin", &Digest::of(model.as_bytes()).to_hex()[..16]));
        let mut vectors = Self { path, ..Self::default() };
        vectors.load();
        vectors
    }

    fn load(&mut self) {
        let Ok(bytes) = files::read_bounded(&self.path, limits::MEMORY_VECTOR_BYTES) else { return };
        let mut rest = &bytes[..];
        while let Some((digest, vector, behind)) = first(rest) {
            self.known.insert(digest, vector);
            rest = behind;
        }
        self.read = (bytes.len() - rest.len()) as u64;
    }

    /// Whether the text's vector is known.
    pub fn has(&self, text: &Digest) -> bool {
        self.known.contains_key(text)
    }

    /// How many are known.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.known.len()
    }

    /// Keeps vectors. One that is no direction is not kept.
    pub fn keep(&mut self, _held: &Held, made: Vec<(Digest, Vec<f32>)>) -> io::Result<()> {
        let mut bytes = Vec::new();
        for (digest, vector) in made {
            let Some(vector) = unit(&vector) else { continue };
            let from = bytes.len();
            bytes.extend(digest.0);
            bytes.extend(u32::try_from(vector.len()).unwrap_or_default().to_le_bytes());
            bytes.extend(vector.iter().flat_map(|number| number.to_le_bytes()));
            bytes.extend(crc32c::crc32c(&bytes[from..]).to_le_bytes());
            self.known.insert(digest, vector.into());
        }
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&self.path)?;
        // Another process may have added some: they stay, and are read the next time that the memory is opened.
        let whole = files::read_bounded(&self.path, limits::MEMORY_VECTOR_BYTES).map_or(0, |all| whole_bytes(&all));
        file.set_len(whole)?;
        if whole + bytes.len() as u64 > limits::MEMORY_VECTOR_BYTES {
            // It is only a cache: it starts over.
            file.set_len(0)?;
        }
        file.write_all(&bytes)
    }

    /// The ids of the best `top` of `candidates` (id and digest of the text), best first.
    pub fn nearest<'c>(
        &self,
        query: &[f32],
        candidates: impl Iterator<Item = (&'c str, Digest)>,
        top: usize,
    ) -> Vec<String> {
        let Some(query) = unit(query) else { return Vec::new() };
        let near = |(id, digest): (&'c str, Digest)| {
            let vector = self.known.get(&digest).filter(|vector| vector.len() == query.len())?;
            Some((id, vector.iter().zip(&query).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()))
        };
        let mut found: Vec<(&str, f64)> = candidates.filter_map(near).collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        found.truncate(top);
        found.into_iter().map(|(id, _)| id.to_owned()).collect()
    }
}

/// A vector with the digest of its text, and the bytes behind it.
type First<'b> = (Digest, Arc<[f32]>, &'b [u8]);

/// The vector at the beginning of `bytes`.
fn first(bytes: &[u8]) -> Option<First<'_>> {
    let (head, _) = bytes.split_at_checked(HEAD)?;
    let (digest, count) = head.split_at(32);
    let count = u32::from_le_bytes(count.try_into().ok()?) as usize;
    if count > DIMENSIONS {
        return None;
    }
    let (body, rest) = bytes.split_at_checked(HEAD + count * 4)?;
    let (sum, rest) = rest.split_at_checked(SUM)?;
    if crc32c::crc32c(body).to_le_bytes() != sum {
        return None;
    }
    let number = |four: &[u8]| f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
    let vector: Vec<f32> = body[HEAD..].chunks_exact(4).map(number).collect();
    Some((Digest(digest.try_into().ok()?), vector.into(), rest))
}

fn whole_bytes(all: &[u8]) -> u64 {
    let mut rest = all;
    while let Some((_, _, behind)) = first(rest) {
        rest = behind;
    }
    (all.len() - rest.len()) as u64
}

/// The vector at length 1; `None` when it has no direction, or too many.
fn unit(vector: &[f32]) -> Option<Vec<f32>> {
    let length = vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
    let is_fine = length.is_finite() && length > 0.0 && vector.len() <= DIMENSIONS;
    #[expect(clippy::cast_possible_truncation, reason = "a quotient of two numbers of which one was an f32")]
    is_fine.then(|| vector.iter().map(|number| (f64::from(*number) / length) as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::super::log::Log;
    use super::*;

    #[test]
    fn vectors_are_kept_and_what_is_damaged_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let held = Log::new(folder.path()).hold().unwrap();
        let (a, b, c) = (Digest::of(b"a"), Digest::of(b"b"), Digest::of(b"c"));
        let mut vectors = Vectors::open(folder.path(), "p/m");
        vectors.keep(&held, vec![(a, vec![2.0, 0.0]), (b, vec![3.0, 3.0]), (c, vec![0.0, 0.0])]).unwrap();
        assert!(!vectors.has(&c), "no direction");
        let again = Vectors::open(folder.path(), "p/m");
        assert_eq!(again.len(), 2);
        let near = again.nearest(&[0.0, 9.0], [("a", a), ("b", b), ("c", c)].into_iter(), 9);
        assert_eq!(near, ["b", "a"]);
        assert!(
            again.nearest(&[1.0], [("a", a)].into_iter(), 9).is_empty(),
            "vectors of another length are of another model"
        );
        assert_eq!(Vectors::open(folder.path(), "p/other").len(), 0);
        let mut bytes = std::fs::read(&again.path).unwrap();
        let last = bytes.len() - 6;
        bytes[last] ^= 1;
        std::fs::write(&again.path, bytes).unwrap();
        let mut damaged = Vectors::open(folder.path(), "p/m");
        assert_eq!(damaged.len(), 1);
        damaged.keep(&held, vec![(c, vec![0.0, 1.0])]).unwrap();
        assert_eq!(Vectors::open(folder.path(), "p/m").len(), 2, "the damaged one was taken away");
    }
}
