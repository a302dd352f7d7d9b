//! A Qdrant server for tests, as far as the memory of agents uses one: the part of the REST API that version 1.19 documents for
//! collections, indexes of payloads, points, scrolling, queries, counts. It holds everything in memory, and is as strict as the real one
//! where that matters: sizes of vectors, ids, orders without an index, keys.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

#[derive(Default)]
struct State {
    collections: BTreeMap<String, Collection>,
}

struct Collection {
    size: usize,
    indexes: BTreeMap<String, String>,
    points: BTreeMap<String, (Vec<f64>, Value)>,
}

/// A server that listens until the process ends.
pub struct Qdrant {
    /// Where.
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Qdrant {
    /// One that wants this key, if any.
    pub fn start(key: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = shared.clone();
                std::thread::spawn(move || serve(stream.unwrap(), &shared, key));
            }
        });
        Self { url, state }
    }

    /// How many points a collection has.
    pub fn points(&self, collection: &str) -> usize {
        self.state.lock().unwrap().collections.get(collection).map_or(0, |found| found.points.len())
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>, key: Option<&str>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut first, mut length, mut given) = (String::new(), 0, None);
    if reader.read_line(&mut first).unwrap_or_default() == 0 {
        return;
    }
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "api-key" => given = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let (status, answer) = if key.is_some() && given.as_deref() != key {
        (401, "Must provide an API key or an Authorization bearer token".to_owned())
    } else {
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        let mut state = state.lock().unwrap();
        match answered(&mut state, method, path.split('?').next().unwrap(), &body) {
            Ok(result) => (200, json!({ "result": result, "status": "ok", "time": 0.001 }).to_string()),
            Err((status, why)) => (status, json!({ "status": { "error": why }, "time": 0.0 }).to_string()),
        }
    };
    let length = answer.len();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    // Whoever does not wait for the answer has gone.
    let _ = stream.write_all(format!("{head}{answer}").as_bytes());
}

type Answered = Result<Value, (u16, String)>;

fn answered(state: &mut State, method: &str, path: &str, body: &Value) -> Answered {
    let rest = path.strip_prefix("/collections/").ok_or((404, "no such path".to_owned()))?;
    let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let none = || (404, format!("Not found: Collection `{name}` doesn't exist!"));
    let done = json!({ "operation_id": 1, "status": "completed" });
    if (method, rest) == ("PUT", "") {
        if state.collections.contains_key(name) {
            return Err((409, format!("Wrong input: Collection `{name}` already exists!")));
        }
        let vectors = &body["vectors"];
        assert_eq!(vectors["distance"], "Cosine", "{body}");
        let size = vectors["size"].as_u64().filter(|size| *size > 0).ok_or((422, "no size".to_owned()))?;
        let made = Collection { size: size as usize, indexes: BTreeMap::new(), points: BTreeMap::new() };
        state.collections.insert(name.to_owned(), made);
        return Ok(json!(true));
    }
    let of = state.collections.get_mut(name).ok_or_else(none)?;
    match (method, rest) {
        ("GET", "") => {
            let schema: BTreeMap<&String, Value> =
                of.indexes.iter().map(|(field, kind)| (field, json!({ "data_type": kind, "points": 0 }))).collect();
            let params = json!({ "vectors": { "size": of.size, "distance": "Cosine" } });
            Ok(
                json!({ "status": "green", "points_count": of.points.len(), "config": { "params": params }, "payload_schema": schema }),
            )
        }
        ("PUT", "index") => {
            let text = |key: &str| body[key].as_str().unwrap().to_owned();
            of.indexes.insert(text("field_name"), text("field_schema"));
            Ok(done)
        }
        ("PUT", "points") => {
            for point in body["points"].as_array().ok_or((400, "no points".to_owned()))? {
                let vector: Vec<f64> =
                    point["vector"].as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect();
                if vector.len() != of.size {
                    let (size, got) = (of.size, vector.len());
                    return Err((400, format!("Wrong input: Vector dimension error: expected dim: {size}, got {got}")));
                }
                of.points.insert(id_of(&point["id"])?, (vector, point["payload"].clone()));
            }
            Ok(done)
        }
        ("POST", "points") => {
            let ids = body["ids"].as_array().unwrap().iter().map(id_of).collect::<Result<Vec<_>, _>>()?;
            let found = ids.iter().filter_map(|id| Some(json!({ "id": id, "payload": of.points.get(id)?.1 })));
            Ok(found.collect())
        }
        ("POST", "points/delete") => {
            for id in body["points"].as_array().unwrap() {
                of.points.remove(&id_of(id)?);
            }
            Ok(done)
        }
        ("POST", "points/count") => Ok(json!({ "count": meant(of, &body["filter"]).len() })),
        ("POST", "points/scroll") => scrolled(of, body),
        ("POST", "points/query") => queried(of, body),
        _ => Err((404, format!("no such path: {method} {path}"))),
    }
}

/// A UUID or a number, as the server takes no other ids.
fn id_of(id: &Value) -> Result<String, (u16, String)> {
    let is_uuid = |text: &str| {
        text.len() == 36 && text.chars().enumerate().all(|(at, c)| matches!(at, 8 | 13 | 18 | 23) == (c == '-'))
    };
    match id {
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) if is_uuid(text) => Ok(text.clone()),
        other => Err((400, format!("value {other} is not a valid point ID"))),
    }
}

/// The points that a filter means, by id.
fn meant<'c>(of: &'c Collection, filter: &Value) -> Vec<(&'c String, &'c (Vec<f64>, Value))> {
    let must = filter["must"].as_array().cloned().unwrap_or_default();
    let fits = |payload: &Value, condition: &Value| {
        let has = &payload[condition["key"].as_str().unwrap()];
        if let Some(from) = condition["range"]["gte"].as_str() {
            return has.as_str().is_some_and(|time| time >= from);
        }
        let wanted = &condition["match"]["value"];
        assert!(!wanted.is_null(), "{condition}");
        has.as_array().map_or(has == wanted, |all| all.contains(wanted))
    };
    of.points.iter().filter(|(_, (_, payload))| must.iter().all(|condition| fits(payload, condition))).collect()
}

fn scrolled(of: &Collection, body: &Value) -> Answered {
    let limit = body["limit"].as_u64().unwrap_or(10) as usize;
    let mut found = meant(of, &body["filter"]);
    let ordered = body["order_by"]["key"].as_str();
    if let Some(key) = ordered {
        if !of.indexes.contains_key(key) {
            return Err((400, format!("Bad request: No range index for `order_by` key: `{key}`.")));
        }
        assert_eq!(body["order_by"]["direction"], "desc");
        found.sort_by_key(|(_, (_, payload))| std::cmp::Reverse(payload[key].as_str().unwrap().to_owned()));
    } else if let Some(from) = body["offset"].as_str() {
        found.retain(|(id, _)| id.as_str() >= from);
    }
    let next = found.get(limit).filter(|_| ordered.is_none()).map(|(id, _)| (*id).clone());
    let points: Vec<Value> =
        found.into_iter().take(limit).map(|(id, (_, payload))| json!({ "id": id, "payload": payload })).collect();
    Ok(json!({ "points": points, "next_page_offset": next }))
}

fn queried(of: &Collection, body: &Value) -> Answered {
    let query: Vec<f64> = body["query"].as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect();
    if query.len() != of.size {
        return Err((
            400,
            format!("Wrong input: Vector dimension error: expected dim: {}, got {}", of.size, query.len()),
        ));
    }
    let length = |of: &[f64]| of.iter().map(|it| it * it).sum::<f64>().sqrt();
    let score =
        |vector: &[f64]| vector.iter().zip(&query).map(|(a, b)| a * b).sum::<f64>() / (length(vector) * length(&query));
    let mut found: Vec<(f64, &String, &Value)> =
        meant(of, &body["filter"]).into_iter().map(|(id, (vector, payload))| (score(vector), id, payload)).collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    let number = |key: &str, otherwise: u64| body[key].as_u64().unwrap_or(otherwise) as usize;
    let page = found.into_iter().skip(number("offset", 0)).take(number("limit", 10));
    let with_payload = body["with_payload"] == true;
    let points: Vec<Value> = page
        .map(|(score, id, payload)| {
            let payload = if with_payload { payload.clone() } else { Value::Null };
            json!({ "id": id, "version": 1, "score": score, "payload": payload })
        })
        .collect();
    Ok(json!({ "points": points }))
}
