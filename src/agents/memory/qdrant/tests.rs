//! The verbs against a server that answers as the documentation of the API says.

#[path = "../../../../tests/support/qdrant.rs"]
mod fake;

use std::io::BufRead as _;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::super::{Made, Memories, Memory, Platform};
use super::*;
use crate::domain::time::Millis;

const NOW: Millis = Millis(1_795_262_400_000);

/// Vectors by what a text is about.
struct Meanings {
    model: &'static str,
    size: usize,
    asked: AtomicUsize,
}

#[async_trait]
impl Embedder for Meanings {
    fn model(&self) -> &str {
        self.model
    }

    async fn embed(&self, texts: &[String]) -> Result<Made, Failure> {
        self.asked.fetch_add(texts.len(), Ordering::SeqCst);
        let has = |text: &str, words: &[&str]| f32::from(u8::from(words.iter().any(|word| text.contains(word))));
        let of = |text: &String| {
            let mut vector = vec![has(text, &["car", "automobile"]), has(text, &["tree", "oak"]), 0.1];
            vector.resize(self.size, 0.0);
            vector
        };
        Ok(Made { vectors: texts.iter().map(of).collect(), usage: None })
    }
}

fn meanings(model: &'static str, size: usize) -> Arc<Meanings> {
    Arc::new(Meanings { model, size, asked: AtomicUsize::new(0) })
}

fn memories(url: &str, embedder: &Arc<Meanings>) -> Memories {
    Memories::in_server(Path::new("/nowhere"), Server::new(url, "wfctl", None, |_| None), embedder.clone())
}

fn memory(url: &str, repository: &str, embedder: &Arc<Meanings>) -> Memory {
    memories(url, embedder).at(&Path::new("/nowhere").join(repository))
}

fn about(kind: Kind, source: &str, at: u64) -> Metadata {
    Metadata::new(kind, source, Millis(NOW.0 + at))
}

async fn sources(memory: &Memory, query: &str, filters: &Filters) -> Vec<String> {
    let found = memory.retrieve(query, filters, 9, None).await.unwrap();
    found.hits.into_iter().map(|hit| hit.chunk.metadata.source).collect()
}

#[tokio::test]
async fn what_is_stored_is_found_by_meaning_updated_and_deleted_and_repositories_are_apart() {
    let server = fake::Qdrant::start(None);
    let embedder = meanings("test/meanings", 3);
    let memory = memory(&server.url, "one", &embedder);
    assert!(
        memory.retrieve("car", &Filters::default(), 9, None).await.unwrap().hits.is_empty(),
        "there is no collection"
    );
    let stored = memory.store("the automobile is fast", about(Kind::Task, "a", 0), None).await.unwrap();
    memory.store("an oak is old", about(Kind::Task, "b", 1), None).await.unwrap();
    let found = memory.retrieve("car", &Filters::default(), 1, None).await.unwrap();
    assert_eq!(found.hits[0].chunk.metadata.source, "a");
    assert_eq!(found.ranked.to_string(), "ranked by vectors of test/meanings in Qdrant, not by words");
    let other = self::memory(&server.url, "other", &embedder);
    assert!(sources(&other, "car", &Filters::default()).await.is_empty(), "another repository's");
    let id = &stored.ids[0];
    assert!(matches!(other.get(id).await, Err(Error::NoChunk(_))));
    memory.update(id, "a tree", None, None).await.unwrap();
    assert_eq!(memory.get(id).await.unwrap().content, "a tree");
    assert_eq!(memory.get(id).await.unwrap().metadata.source, "a");
    memory.delete(id).await.unwrap();
    assert!(matches!(memory.delete(id).await, Err(Error::NoChunk(_))));
    assert_eq!(sources(&memory, "tree", &Filters::default()).await, ["b"]);
    let status = memory.status().await.unwrap();
    assert_eq!((status.chunks, status.vectors, status.kinds["task"]), (1, 1, 1));
    assert!(status.store.unwrap().contains("collection wfctl"));
}

/// A step that is taken up again stores again: once is enough, and nothing is embedded anew.
#[tokio::test]
async fn storing_the_same_again_is_the_same_point() {
    let server = fake::Qdrant::start(None);
    let embedder = meanings("test/meanings", 3);
    let memory = memory(&server.url, "one", &embedder);
    let first = memory.store("one", about(Kind::Task, "a", 0), None).await.unwrap();
    let again = memory.store(" one\n", about(Kind::Task, "a", 5), None).await.unwrap();
    assert_eq!((again.ids.clone(), again.known), (first.ids.clone(), 1));
    assert_eq!((server.points("wfctl"), embedder.asked.load(Ordering::SeqCst)), (1, 1));
    // Vectors that were made beforehand are taken, and none is made.
    let given = Some(Ok(vec![vec![0.0, 1.0, 0.0]]));
    memory.store("two", about(Kind::Task, "a", 0), given).await.unwrap();
    assert_eq!(embedder.asked.load(Ordering::SeqCst), 1);
    let refused = memory.store("three", about(Kind::Task, "a", 0), Some(Ok(Vec::new()))).await.unwrap_err();
    assert!(matches!(refused, Error::NoVector { .. }), "{refused}");
    // A chunk that was changed keeps its id; the old text, stored anew, is another chunk.
    memory.update(&first.ids[0], "four", None, None).await.unwrap();
    let anew = memory.store("one", about(Kind::Task, "a", 0), None).await.unwrap();
    assert_ne!(anew.ids, first.ids);
    assert_eq!(memory.get(&first.ids[0]).await.unwrap().content, "four");
}

#[tokio::test]
async fn metadata_finds_what_every_filter_fits_newest_first() {
    let server = fake::Qdrant::start(None);
    let memory = memory(&server.url, "one", &meanings("test/meanings", 3));
    let put = async |content: &str, at: u64, change: &dyn Fn(&mut Metadata)| {
        let mut metadata = about(Kind::Error, "src/a.rs", at);
        change(&mut metadata);
        memory.store(content, metadata, None).await.unwrap();
    };
    put("first", 0, &|it| it.tags = vec!["Auth".into(), "api".into()]).await;
    put("second", 1_000, &|it| it.platform = Some(Platform::Ios)).await;
    put("third", 2_000, &|it| it.task_id = Some("login".into())).await;
    put("a car", 3_000, &|it| it.source = "doc/b.md".into()).await;
    let found = async |filters: Filters| {
        let (chunks, all) = memory.search_by_metadata(&filters, 9).await.unwrap();
        assert_eq!(chunks.len(), all);
        chunks.into_iter().map(|chunk| chunk.content).collect::<Vec<_>>()
    };
    assert_eq!(found(Filters::default()).await, ["a car", "third", "second", "first"]);
    assert_eq!(found(Filters { tags: vec!["AUTH".into()], ..Filters::default() }).await, ["first"]);
    assert_eq!(found(Filters { platform: Some(Platform::Ios), ..Filters::default() }).await, ["second"]);
    assert_eq!(found(Filters { task_id: Some("login".into()), ..Filters::default() }).await, ["third"]);
    let below = Filters { source: Some("src/".into()), ..Filters::default() };
    assert_eq!(found(below.clone()).await, ["third", "second", "first"]);
    assert_eq!(sources(&memory, "car", &below).await, ["src/a.rs"; 3]);
    let since = Some(Millis(NOW.0 + 1_000).to_rfc3339().replace(".000Z", "Z"));
    assert_eq!(found(Filters { since, kind: Some(Kind::Error), ..Filters::default() }).await.len(), 3);
    assert_eq!(memory.search_by_metadata(&Filters::default(), 1).await.unwrap().1, 4);
    let wrong = Filters { since: Some("yesterday".into()), ..Filters::default() };
    assert!(
        matches!(memory.search_by_metadata(&wrong, 9).await, Err(Error::Refused(why)) if why.contains("yesterday"))
    );
}

#[tokio::test]
async fn a_source_that_only_begins_so_is_found_behind_many_pages() {
    let server = fake::Qdrant::start(None);
    let memory = memory(&server.url, "one", &meanings("test/meanings", 3));
    for number in 0..limits::QDRANT_PAGE * 2 {
        let source = if number.is_multiple_of(50) { format!("src/{number}") } else { format!("doc/{number}") };
        memory.store(&format!("car {number}"), about(Kind::Code, &source, number as u64), None).await.unwrap();
    }
    let below = Filters { source: Some("src/*".into()), ..Filters::default() };
    assert_eq!(memory.search_by_metadata(&below, 2).await.unwrap().1, 4);
    assert_eq!(memory.retrieve("car", &below, 9, None).await.unwrap().hits.len(), 4);
}

#[tokio::test]
async fn another_model_is_told_and_does_not_mix() {
    let server = fake::Qdrant::start(None);
    let first = memory(&server.url, "one", &meanings("test/meanings", 3));
    first.store("a car", about(Kind::Task, "a", 0), None).await.unwrap();
    let other = memory(&server.url, "one", &meanings("test/other", 3));
    let found = other.retrieve("car", &Filters::default(), 9, None).await.unwrap();
    assert!(found.hits.is_empty() && found.ranked.to_string().contains("1 chunks have vectors of another model"));
    other.store("a car", about(Kind::Task, "a", 0), None).await.unwrap();
    assert_eq!(sources(&other, "car", &Filters::default()).await, ["a"], "it was embedded anew under its id");
    let larger = memory(&server.url, "one", &meanings("test/larger", 4));
    let refused = larger.store("a tree", about(Kind::Task, "b", 0), None).await.unwrap_err().to_string();
    assert!(refused.contains("vectors of 3 numbers") && refused.contains("`collection`"), "{refused}");
}

#[tokio::test]
async fn what_is_wrong_with_a_server_is_told_with_what_to_do() {
    let embedder = meanings("test/meanings", 3);
    let told = async |url: &str| memory(url, "one", &embedder).get("x").await.unwrap_err().to_string();
    let nobody = told("http://user:word@127.0.0.1:1").await;
    assert!(nobody.contains("curl http://127.0.0.1:1/collections") && !nobody.contains("word"), "{nobody}");
    let locked = fake::Qdrant::start(Some("a-long-key"));
    assert!(told(&locked.url).await.contains("`api_key`"));
    assert!(told("http://[").await.contains("`url` of [memory]"));
    // A server that speaks, but not so.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // An answer that comes before its question is none to a client.
        let head = std::io::BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
        head.take_while(|line| !line.is_empty()).for_each(drop);
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").unwrap();
    });
    assert!(told(&url).await.contains("not that of a Qdrant server"));
}
