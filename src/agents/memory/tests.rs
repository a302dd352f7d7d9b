//! A memory as its users see it: what is stored is found, whoever dies in between.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::*;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::limits;
use crate::domain::time::Millis;

const NOW: Millis = Millis(1_795_262_400_000);

fn about(kind: Kind, source: &str) -> Metadata {
    Metadata::new(kind, source, NOW)
}

fn memory(folder: &Path) -> Embedded {
    Embedded::new(folder, None)
}

/// Searches as whoever pays for no vectors does: what is missing is made first.
pub(super) async fn searched(memory: &Embedded, query: &str, filters: &Filters, top: usize) -> Result<Found, Error> {
    let vector = match memory.status()?.embeddings {
        None => None,
        Some(_) => Some(memory.embed(&memory.wanted(query)?).await.vector()),
    };
    memory.retrieve(query, filters, top, vector)
}

async fn sources(memory: &Embedded, query: &str) -> Vec<String> {
    let found = searched(memory, query, &Filters::default(), 9).await.unwrap();
    found.hits.into_iter().map(|hit| hit.chunk.metadata.source).collect()
}

#[tokio::test]
async fn what_is_stored_is_found_updated_and_deleted_by_any_process() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (memory(folder.path()), memory(folder.path()));
    let stored = one.store("Log in with a bearer token.", about(Kind::ApiDoc, "api.md")).unwrap();
    one.store("fn parse_totals(line: &str)", about(Kind::Code, "src/totals.rs")).unwrap();
    assert_eq!(sources(&other, "bearer").await, ["api.md"], "the other process sees it");
    assert_eq!(sources(&other, "totals").await, ["src/totals.rs"]);
    let id = &stored.ids[0];
    other.update(id, "Log in with a cookie.", None).unwrap();
    assert!(sources(&one, "bearer").await.is_empty());
    assert_eq!(one.get(id).unwrap().content, "Log in with a cookie.");
    other.delete(id).unwrap();
    assert!(matches!(one.get(id), Err(Error::NoChunk(_))));
    assert!(matches!(one.delete(id), Err(Error::NoChunk(_))));
    assert_eq!(sources(&memory(folder.path()), "cookie totals").await, ["src/totals.rs"], "as a third one reads it");
}

#[test]
fn storing_the_same_again_is_the_same_chunk() {
    let folder = tempfile::tempdir().unwrap();
    let memory = memory(folder.path());
    let first = memory.store("one", about(Kind::Task, "a")).unwrap();
    let size = memory.status().unwrap().bytes;
    let later = Metadata::new(Kind::Task, "a", Millis(NOW.0 + 5));
    let again = memory.store(" one\n", later).unwrap();
    assert_eq!((again.ids.clone(), again.known), (first.ids.clone(), 1));
    assert_eq!(memory.status().unwrap().bytes, size, "nothing was written");
    assert_ne!(memory.store("one", about(Kind::Task, "b")).unwrap().ids, first.ids);
    // A chunk that was changed keeps its id; the old text, stored anew, is another chunk.
    memory.update(&first.ids[0], "two", None).unwrap();
    let anew = memory.store("one", about(Kind::Task, "a")).unwrap();
    assert_ne!(anew.ids, first.ids);
    assert_eq!(memory.get(&first.ids[0]).unwrap().content, "two");
}

#[test]
fn metadata_finds_what_every_filter_fits_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let memory = memory(folder.path());
    let put = |content: &str, at: u64, change: &dyn Fn(&mut Metadata)| {
        let mut metadata = Metadata::new(Kind::Error, "src/a.rs", Millis(NOW.0 + at));
        change(&mut metadata);
        memory.store(content, metadata).unwrap();
    };
    put("first", 0, &|it| it.tags = vec!["Auth".into(), "api".into(), "auth".into()]);
    put("second", 1_000, &|it| it.platform = Some(Platform::Ios));
    put("third", 2_000, &|it| it.task_id = Some("login".into()));
    let found = |filters: &Filters| {
        let (chunks, all) = memory.search_by_metadata(filters, 9).unwrap();
        assert_eq!(chunks.len(), all);
        chunks.into_iter().map(|chunk| chunk.content).collect::<Vec<_>>()
    };
    assert_eq!(found(&Filters::default()), ["third", "second", "first"]);
    assert_eq!(found(&Filters { tags: vec!["AUTH".into()], ..Filters::default() }), ["first"]);
    assert_eq!(found(&Filters { platform: Some(Platform::Ios), ..Filters::default() }), ["second"]);
    assert_eq!(found(&Filters { task_id: Some("login".into()), ..Filters::default() }), ["third"]);
    assert_eq!(found(&Filters { source: Some("src/".into()), ..Filters::default() }).len(), 3);
    assert_eq!(found(&Filters { source: Some("src".into()), ..Filters::default() }), [""; 0]);
    let since = Some(Millis(NOW.0 + 1_000).to_rfc3339().replace(".000Z", "Z"));
    assert_eq!(found(&Filters { since, ..Filters::default() }), ["third", "second"]);
    let wrong = Filters { since: Some("yesterday".into()), ..Filters::default() };
    assert!(matches!(memory.search_by_metadata(&wrong, 9), Err(Error::Refused(why)) if why.contains("yesterday")));
    assert_eq!(memory.search_by_metadata(&Filters::default(), 1).unwrap().1, 3);
}

/// Whatever a crash leaves of the last line, what was acknowledged before is there, and the next entry is readable.
#[test]
fn a_line_that_was_cut_anywhere_loses_nothing_else() {
    let whole = tempfile::tempdir().unwrap();
    let first = memory(whole.path());
    first.store("kept", about(Kind::Task, "a")).unwrap();
    let kept = std::fs::read(whole.path().join("chunks.log")).unwrap();
    first.store("cut", about(Kind::Task, "b")).unwrap();
    let all = std::fs::read(whole.path().join("chunks.log")).unwrap();
    for end in kept.len()..all.len() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("chunks.log"), &all[..end]).unwrap();
        let memory = memory(folder.path());
        assert_eq!(memory.status().unwrap().chunks, 1, "cut at {end}");
        memory.store("after", about(Kind::Task, "c")).unwrap();
        let (chunks, _) = super::Embedded::new(folder.path(), None).search_by_metadata(&Filters::default(), 9).unwrap();
        let mut texts: Vec<_> = chunks.into_iter().map(|chunk| chunk.content).collect();
        texts.sort();
        // A line that lacked nothing but its end is whole again.
        let wanted: &[&str] = if end == all.len() - 1 { &["after", "cut", "kept"] } else { &["after", "kept"] };
        assert_eq!(texts, wanted, "cut at {end}");
    }
}

#[test]
fn a_damaged_line_in_the_middle_is_told_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let first = memory(folder.path());
    for name in ["a", "b", "c"] {
        first.store(name, about(Kind::Task, name)).unwrap();
    }
    let log = folder.path().join("chunks.log");
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, text.replacen("\"content\":\"b\"", "\"content\":\"x\"", 1)).unwrap();
    let status = memory(folder.path()).status().unwrap();
    assert_eq!((status.chunks, status.damaged), (2, 1));
}

#[test]
fn a_log_of_many_changes_is_written_anew_and_other_processes_notice() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (memory(folder.path()), memory(folder.path()));
    let id = one.store("0", about(Kind::Task, "a")).unwrap().ids[0].clone();
    other.get(&id).unwrap();
    for number in 1..=300 {
        one.update(&id, &number.to_string(), None).unwrap();
    }
    let lines = std::fs::read_to_string(folder.path().join("chunks.log")).unwrap().lines().count();
    assert!(lines < 100, "{lines} lines");
    assert_eq!(other.get(&id).unwrap().content, "300");
    assert_eq!(other.status().unwrap().chunks, 1);
}

#[test]
fn what_cannot_be_stored_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let memory = memory(folder.path());
    let refused = |content: &str, metadata: Metadata| memory.store(content, metadata).unwrap_err().to_string();
    assert!(refused("  ", about(Kind::Task, "a")).contains("no content"));
    let long = "x".repeat(limits::MEMORY_CONTENT_BYTES + 1);
    assert!(refused(&long, about(Kind::Task, "a")).contains("store it in parts"));
    let tags = (0..=limits::MEMORY_TAGS).map(|number| number.to_string()).collect();
    assert!(refused("x", Metadata { tags, ..about(Kind::Task, "a") }).contains("tags"));
    assert!(refused("x", about(Kind::Task, &"s".repeat(limits::COMMENT_BYTES + 1))).contains("metadata"));
    let id = memory.store("x", about(Kind::Task, "a")).unwrap().ids[0].clone();
    let long = "word ".repeat(2_000);
    assert!(memory.update(&id, &long, None).unwrap_err().to_string().contains("one chunk"));
    assert!(memory.update("nobody", "x", None).unwrap_err().to_string().contains("`nobody`"));
    assert_eq!(memory.status().unwrap().chunks, 1);
    assert!(super::Embedded::new(Path::new("/proc/nowhere"), None).store("x", about(Kind::Task, "a")).is_err());
}

/// Vectors by what a text is about: two words for the same thing are near.
#[derive(Default)]
struct Meanings {
    asked: AtomicUsize,
    seen: Mutex<Vec<String>>,
    fails: bool,
}

#[async_trait]
impl Embedder for Meanings {
    fn model(&self) -> &str {
        "test/meanings"
    }

    async fn embed(&self, texts: &[String]) -> Result<Made, Failure> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.fails {
            return Err(Failure::new(FailureClass::Unreachable, "no connection"));
        }
        self.seen.lock().unwrap().extend(texts.iter().cloned());
        let has = |text: &str, words: &[&str]| f32::from(u8::from(words.iter().any(|word| text.contains(word))));
        let of = |text: &String| vec![has(text, &["car", "automobile"]), has(text, &["tree", "oak"]), 0.1];
        Ok(Made { vectors: texts.iter().map(of).collect(), usage: None })
    }
}

#[tokio::test]
async fn vectors_find_what_words_do_not_and_no_text_is_embedded_twice() {
    let folder = tempfile::tempdir().unwrap();
    let embedder = Arc::new(Meanings::default());
    let memory = Embedded::new(folder.path(), Some(embedder.clone()));
    memory.store("the automobile is fast", about(Kind::Task, "a")).unwrap();
    memory.store("an oak is old", about(Kind::Task, "b")).unwrap();
    let found = searched(&memory, "car", &Filters::default(), 1).await.unwrap();
    assert_eq!(found.hits[0].chunk.metadata.source, "a");
    assert_eq!(found.ranked, Ranked::WordsAndVectors { model: "test/meanings".into(), without: 0 });
    let again = Embedded::new(folder.path(), Some(embedder.clone()));
    searched(&again, "tree", &Filters::default(), 1).await.unwrap();
    let seen = embedder.seen.lock().unwrap().clone();
    assert_eq!(seen.iter().filter(|text| text.contains("automobile")).count(), 1, "{seen:?}");
    let status = again.status().unwrap();
    assert_eq!((status.vectors, status.embeddings.as_deref()), (2, Some("test/meanings")));
}

#[tokio::test]
async fn without_vectors_words_are_searched_and_the_answer_says_so() {
    let folder = tempfile::tempdir().unwrap();
    memory(folder.path()).store("one word", about(Kind::Task, "a")).unwrap();
    let found = searched(&memory(folder.path()), "word", &Filters::default(), 9).await.unwrap();
    assert!(found.ranked.to_string().contains("no embeddings are configured"));
    let broken = Embedded::new(folder.path(), Some(Arc::new(Meanings { fails: true, ..Meanings::default() })));
    let found = searched(&broken, "word", &Filters::default(), 9).await.unwrap();
    assert_eq!(found.hits.len(), 1);
    assert!(found.ranked.to_string().contains("could not be had: no connection"), "{}", found.ranked);
}

#[tokio::test]
async fn a_repository_and_its_folders_share_a_memory_and_others_have_their_own() {
    let home = tempfile::tempdir().unwrap();
    let repository = tempfile::tempdir().unwrap();
    std::fs::create_dir(repository.path().join("inner")).unwrap();
    std::fs::File::create(repository.path().join("f")).unwrap().write_all(b"x").unwrap();
    crate::workspace::git::commit_all(repository.path(), "first");
    let memories = Memories::new(home.path(), None);
    assert!(memories.all().unwrap().is_empty());
    let (root, inner) = (memories.of(repository.path()), memories.of(&repository.path().join("inner")));
    assert_eq!(root.folder(), inner.folder());
    assert_ne!(memories.of(home.path()).folder(), root.folder());
    memories.note(repository.path()).unwrap();
    root.store("x", about(Kind::Task, "a"), None).await.unwrap();
    let all = memories.all().unwrap();
    assert_eq!(all.len(), 1);
    assert!(all[0].place.ends_with(".git"), "{}", all[0].place);
}

/// A memory of so many chunks, written at once.
fn of_size(folder: &Path, chunks: usize) {
    let log = super::log::Log::new(folder);
    let held = log.hold().unwrap();
    let chunk = |number: usize| Chunk {
        id: format!("{number:016x}"),
        content: format!("word and number {number}"),
        metadata: about(Kind::Task, "many"),
    };
    let chunks: Vec<Chunk> = (0..chunks).map(chunk).collect();
    log.write_anew(&held, &mut super::log::Position::default(), chunks.iter()).unwrap();
}

#[tokio::test]
async fn one_chunk_past_the_bound_is_refused_and_an_answer_has_its_bound() {
    let folder = tempfile::tempdir().unwrap();
    of_size(folder.path(), limits::MEMORY_CHUNKS);
    let memory = memory(folder.path());
    let refused = memory.store("one more", about(Kind::Task, "a")).unwrap_err().to_string();
    assert!(refused.contains("wfctl memory delete"), "{refused}");
    memory.update(&format!("{:016x}", 7), "changed", None).unwrap();
    memory.delete(&format!("{:016x}", 8)).unwrap();
    memory.store("one more", about(Kind::Task, "a")).unwrap();
    let found = searched(&memory, "word", &Filters::default(), usize::MAX).await.unwrap();
    assert_eq!(found.hits.len(), limits::MEMORY_HITS);
}

#[tokio::test]
async fn a_search_has_a_bounded_number_of_chunks_embedded() {
    let folder = tempfile::tempdir().unwrap();
    of_size(folder.path(), limits::MEMORY_EMBEDDED_PER_SEARCH + 1);
    let embedder = Arc::new(Meanings::default());
    let memory = Embedded::new(folder.path(), Some(embedder.clone()));
    let found = searched(&memory, "word", &Filters::default(), 3).await.unwrap();
    assert_eq!(found.ranked, Ranked::WordsAndVectors { model: "test/meanings".into(), without: 1 });
    let requests = limits::MEMORY_EMBEDDED_PER_SEARCH / limits::MEMORY_EMBEDDED_AT_ONCE + 1;
    assert_eq!(embedder.asked.load(Ordering::SeqCst), requests);
    let found = searched(&memory, "word", &Filters::default(), 3).await.unwrap();
    assert!(!found.ranked.to_string().contains("no vector yet"), "{}", found.ranked);
}
