//! A memory in a Qdrant server, for those who have one: over its REST API, as version 1.19 documents it; what is used of it is there
//! since 1.10. All repositories share a collection, and each sees its own points. A chunk has its vector when it is stored, so that
//! without a model for vectors there is no such memory; words are not searched.
//!
//! Reading order: `wire` (one request), `points` (a chunk as a point, filters), this file (the verbs).

mod points;
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::answer::{Changed, Error, Found, Hit, Ranked, Status};
use super::chunk::{Chunk, Filters, Kind, Metadata};
use super::store::Given;
use super::vectors::{Came, Embedder, in_batches};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::limits;
use points::{Point, point_id};
use wire::Trouble;

pub use wire::{Key, Server};

/// The memory of one repository in a server.
pub struct Qdrant {
    server: Arc<Server>,
    /// Tells its points from those of other repositories.
    repository: String,
    embedder: Arc<dyn Embedder>,
    /// The size of the collection's vectors, once it is known to be there and to be one of ours.
    ready: OnceCell<usize>,
}

impl Qdrant {
    /// Of `repository`, of which the server is told no more than this name.
    pub(super) fn new(server: Arc<Server>, repository: String, embedder: Arc<dyn Embedder>) -> Self {
        Self { server, repository, embedder, ready: OnceCell::new() }
    }

    /// What makes its vectors.
    pub(super) fn embedder(&self) -> &Arc<dyn Embedder> {
        &self.embedder
    }

    /// Stores a text in chunks: those that are there just so are left alone.
    pub async fn store(&self, content: &str, mut metadata: Metadata, given: Option<Given>) -> Result<Changed, Error> {
        metadata.settle().map_err(Error::Refused)?;
        let parts = super::embedded::chunks_of(content)?;
        let model = self.embedder.model();
        let (mut changed, mut new) = (Changed { ids: Vec::new(), known: 0 }, Vec::new());
        for (at, (chunk, known)) in self.placed(&parts, &metadata).await?.into_iter().enumerate() {
            changed.ids.push(chunk.id.clone());
            match known.is_some_and(|known| known.model == model && known.chunk.says_the_same(&chunk)) {
                true => changed.known += 1,
                false => new.push((at, chunk)),
            }
        }
        if new.is_empty() {
            return Ok(changed);
        }
        let vectors = match given {
            Some(given) => {
                let all = given.map_err(|failure| self.no_vector(failure))?;
                let of = |(at, _): &(usize, Chunk)| all.get(*at).cloned();
                new.iter().map(of).collect::<Option<Vec<_>>>().ok_or_else(|| self.no_vector(too_few()))?
            }
            None => {
                let texts: Vec<String> = new.iter().map(|(_, chunk)| chunk.content.clone()).collect();
                self.embed(&texts).await.vectors.map_err(|failure| self.no_vector(failure))?
            }
        };
        self.put(new.into_iter().map(|(_, chunk)| chunk).zip(vectors).collect()).await?;
        Ok(changed)
    }

    /// Each part as a chunk under its id: that of the chunk that has it, or one that no chunk with another text has. With what is
    /// there under that id.
    async fn placed(&self, parts: &[&str], metadata: &Metadata) -> Result<Vec<(Chunk, Option<Point>)>, Error> {
        let chunk = |part: &str, other: u32| Chunk {
            id: Chunk::id_of(part, metadata, other),
            content: part.to_owned(),
            metadata: metadata.clone(),
        };
        let mut placed: Vec<(Chunk, Option<Point>)> = Vec::new();
        let first: Vec<Chunk> = parts.iter().map(|part| chunk(part, 0)).collect();
        let mut there = self.points(first.iter().map(|chunk| chunk.id.as_str())).await?;
        for mut one in first {
            let mut other = 0;
            let mut known = there.remove(&one.id);
            while known.as_ref().is_some_and(|known| known.chunk.content != one.content) {
                other += 1;
                one = chunk(&one.content, other);
                known = self.points([one.id.as_str()]).await?.remove(&one.id);
            }
            placed.push((one, known));
        }
        Ok(placed)
    }

    /// Gives a chunk another content, of one chunk's length.
    pub async fn update(
        &self,
        id: &str,
        content: &str,
        metadata: Option<Metadata>,
        given: Option<Given>,
    ) -> Result<Changed, Error> {
        let content = super::embedded::one_chunk(id, content)?;
        let known = self.point(id).await?;
        let mut metadata = metadata.unwrap_or_else(|| known.chunk.metadata.clone());
        metadata.settle().map_err(Error::Refused)?;
        let chunk = Chunk { id: id.to_owned(), content: content.to_owned(), metadata };
        if known.model == self.embedder.model() && known.chunk.says_the_same(&chunk) {
            return Ok(Changed { ids: vec![id.to_owned()], known: 1 });
        }
        let vectors = match given {
            Some(given) => given,
            None => self.embed(std::slice::from_ref(&chunk.content)).await.vectors,
        };
        let vector = vectors.and_then(|vectors| vectors.into_iter().next().ok_or_else(too_few));
        let vector = vector.map_err(|failure| self.no_vector(failure))?;
        self.put(vec![(chunk, vector)]).await?;
        Ok(Changed { ids: vec![id.to_owned()], known: 0 })
    }

    /// Takes a chunk away.
    pub async fn delete(&self, id: &str) -> Result<(), Error> {
        self.point(id).await?;
        let body = json!({ "points": [point_id(&self.repository, id)] });
        self.asked(Method::POST, "/points/delete?wait=true", Some(body)).await.map(drop)
    }

    /// One chunk.
    pub async fn get(&self, id: &str) -> Result<Chunk, Error> {
        Ok(self.point(id).await?.chunk)
    }

    /// The chunks that `filters` mean, newest first, at most `most`, and how many there are in all.
    pub async fn search_by_metadata(&self, filters: &Filters, most: usize) -> Result<(Vec<Chunk>, usize), Error> {
        let filters = filters.settled().map_err(Error::Refused)?;
        let filter = points::filter(&self.repository, &filters, None);
        if points::is_whole(&filters) && most <= limits::QDRANT_LISTED {
            let all = self.count(&filter).await?;
            let order = json!({ "key": "timestamp", "direction": "desc" });
            let body = json!({ "filter": filter, "limit": most.max(1), "with_payload": true, "order_by": order });
            let (found, _) = self.page(body).await?;
            let mut chunks: Vec<Chunk> = found.into_iter().map(|point| point.chunk).collect();
            chunks.truncate(most);
            return Ok((chunks, all));
        }
        // What the server cannot tell is told here: page after page, as many as a memory may have.
        let (mut found, mut offset, mut seen) = (Vec::new(), Value::Null, 0);
        while seen < limits::MEMORY_CHUNKS {
            let mut body = json!({ "filter": filter, "limit": limits::QDRANT_PAGE, "with_payload": true });
            if !offset.is_null() {
                body["offset"] = offset;
            }
            let (page, next) = self.page(body).await?;
            seen += page.len();
            found.extend(page.into_iter().map(|point| point.chunk).filter(|chunk| filters.fits(&chunk.metadata)));
            offset = next;
            if offset.is_null() {
                break;
            }
        }
        found.sort_by(|a, b| b.metadata.timestamp.cmp(&a.metadata.timestamp).then_with(|| a.id.cmp(&b.id)));
        let all = found.len();
        found.truncate(most);
        Ok((found, all))
    }

    /// The `top` chunks that `filters` mean and that are nearest to the query's vector.
    pub async fn retrieve(
        &self,
        filters: &Filters,
        top: usize,
        vector: Option<Result<Vec<f32>, Failure>>,
    ) -> Result<Found, Error> {
        let filters = filters.settled().map_err(Error::Refused)?;
        let vector = vector.unwrap_or_else(|| Err(too_few())).map_err(|failure| self.no_vector(failure))?;
        let (top, model) = (top.min(limits::MEMORY_HITS), self.embedder.model());
        let filter = points::filter(&self.repository, &filters, Some(model));
        let (mut hits, mut offset) = (Vec::new(), 0);
        while hits.len() < top && offset < limits::MEMORY_CHUNKS {
            let limit = limits::QDRANT_PAGE;
            let body =
                json!({ "query": vector, "filter": filter, "limit": limit, "offset": offset, "with_payload": true });
            let answer = self.there(Method::POST, "/points/query", Some(body)).await?;
            let page = answer.map_or_else(|| Ok(Vec::new()), |answer| points::read_all(&answer["points"]));
            let page = page.map_err(|what| self.wrong(what))?;
            let is_last = page.len() < limit;
            let meant = page.into_iter().filter(|(point, _)| filters.fits(&point.chunk.metadata));
            hits.extend(meant.map(|(point, score)| Hit { chunk: point.chunk, score: score.unwrap_or_default() }));
            if is_last || points::is_whole(&filters) {
                break;
            }
            offset += limit;
        }
        hits.truncate(top);
        let (all, with) =
            (points::filter(&self.repository, &Filters::default(), None), points::of_model(&self.repository, model));
        let without = self.count(&all).await?.saturating_sub(self.count(&with).await?);
        let ranked = Ranked::Vectors { model: model.to_owned(), store: "Qdrant".to_owned(), without };
        Ok(Found { hits, ranked })
    }

    /// How it is.
    pub async fn status(&self, folder: &Path) -> Result<Status, Error> {
        let mut kinds = BTreeMap::new();
        for kind in Kind::ALL {
            let only = Filters { kind: Some(kind), ..Filters::default() };
            match self.count(&points::filter(&self.repository, &only, None)).await? {
                0 => {}
                count => drop(kinds.insert(kind.name(), count)),
            }
        }
        let model = self.embedder.model();
        Ok(Status {
            folder: folder.to_owned(),
            chunks: kinds.values().sum(),
            kinds,
            store: Some(self.server.place()),
            bytes: 0,
            damaged: 0,
            embeddings: Some(model.to_owned()),
            vectors: self.count(&points::of_model(&self.repository, model)).await?,
        })
    }

    /// Has texts embedded, each of which has its vector in the answer.
    pub async fn embed(&self, texts: &[String]) -> Came {
        let mut all = Vec::with_capacity(texts.len());
        let (done, usage) = in_batches(&*self.embedder, texts, |_, vectors| {
            all.extend(vectors);
            Ok(())
        })
        .await;
        Came { vectors: done.map(|()| all), usage }
    }

    /// Puts chunks with their vectors there; they are durable when this returns.
    async fn put(&self, chunks: Vec<(Chunk, Vec<f32>)>) -> Result<(), Error> {
        let size = chunks.first().map_or(0, |(_, vector)| vector.len());
        self.collection(size).await?;
        for some in chunks.chunks(limits::QDRANT_PAGE) {
            let point = |(chunk, vector): &(Chunk, Vec<f32>)| {
                points::written(&self.repository, self.embedder.model(), chunk, vector)
            };
            let body = json!({ "points": some.iter().map(point).collect::<Vec<_>>() });
            self.asked(Method::PUT, "/points?wait=true", Some(body)).await?;
        }
        Ok(())
    }

    /// Makes the collection for vectors of `size` numbers unless it is there, with the indexes that filters and the order need.
    async fn collection(&self, size: usize) -> Result<(), Error> {
        let there = self.ready.get_or_try_init(async || {
            let known = match self.there(Method::GET, "", None).await? {
                Some(known) => known,
                None => {
                    let vectors = json!({ "vectors": { "size": size, "distance": "Cosine" } });
                    // Another process may be first: then it is there now.
                    match self.server.ask(Method::PUT, "", Some(vectors)).await {
                        Ok(_) | Err(Trouble::Refused { status: 409, .. }) => {}
                        Err(trouble) => return Err(self.trouble(trouble)),
                    }
                    self.asked(Method::GET, "", None).await?
                }
            };
            for (field, schema) in points::INDEXED {
                if known["payload_schema"].get(field).is_none() {
                    let body = json!({ "field_name": field, "field_schema": schema });
                    self.asked(Method::PUT, "/index?wait=true", Some(body)).await?;
                }
            }
            known["config"]["params"]["vectors"]["size"].as_u64().map(|size| size as usize).ok_or_else(|| {
                self.wrong(
                    "the collection has named vectors: give [memory] `collection` another name, and it is made"
                        .to_owned(),
                )
            })
        });
        let there = *there.await?;
        if there == size {
            return Ok(());
        }
        Err(self.wrong(format!(
            "the collection has vectors of {there} numbers, and {} makes {size}: give [memory] `collection` another name, and it is made",
            self.embedder.model()
        )))
    }

    async fn count(&self, filter: &Value) -> Result<usize, Error> {
        let body = json!({ "filter": filter, "exact": true });
        let answer = self.there(Method::POST, "/points/count", Some(body)).await?;
        Ok(answer.and_then(|answer| answer["count"].as_u64()).unwrap_or_default() as usize)
    }

    /// One page of points, and where the next one begins.
    async fn page(&self, body: Value) -> Result<(Vec<Point>, Value), Error> {
        let Some(answer) = self.there(Method::POST, "/points/scroll", Some(body)).await? else {
            return Ok((Vec::new(), Value::Null));
        };
        let page = points::read_all(&answer["points"]).map_err(|what| self.wrong(what))?;
        Ok((page.into_iter().map(|(point, _)| point).collect(), answer["next_page_offset"].clone()))
    }

    async fn point(&self, id: &str) -> Result<Point, Error> {
        self.points([id]).await?.remove(id).ok_or_else(|| Error::NoChunk(id.to_owned()))
    }

    /// What is there under these ids.
    async fn points<'i>(&self, ids: impl IntoIterator<Item = &'i str>) -> Result<HashMap<String, Point>, Error> {
        let ids: Vec<String> = ids.into_iter().map(|id| point_id(&self.repository, id)).collect();
        let mut all = HashMap::new();
        for some in ids.chunks(limits::QDRANT_PAGE) {
            let body = json!({ "ids": some, "with_payload": true });
            let answer = self.there(Method::POST, "/points", Some(body)).await?;
            let found = answer.map_or_else(|| Ok(Vec::new()), |answer| points::read_all(&answer));
            let found = found.map_err(|what| self.wrong(what))?;
            all.extend(found.into_iter().map(|(point, _)| (point.chunk.id.clone(), point)));
        }
        Ok(all)
    }

    async fn asked(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Error> {
        self.server.ask(method, path, body).await.map_err(|trouble| self.trouble(trouble))
    }

    /// The same; `None`: there is no collection yet, so that nothing was stored.
    async fn there(&self, method: Method, path: &str, body: Option<Value>) -> Result<Option<Value>, Error> {
        match self.server.ask(method, path, body).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Trouble::Refused { status: 404, .. }) => Ok(None),
            Err(trouble) => Err(self.trouble(trouble)),
        }
    }

    fn trouble(&self, trouble: Trouble) -> Error {
        self.wrong(trouble.to_string())
    }

    fn wrong(&self, why: String) -> Error {
        Error::Away { place: self.server.place(), why }
    }

    fn no_vector(&self, failure: Failure) -> Error {
        Error::NoVector { place: self.server.place(), failure }
    }
}

fn too_few() -> Failure {
    Failure::new(FailureClass::Malformed, "there is not a vector for each text")
}

#[cfg(test)]
mod tests;
