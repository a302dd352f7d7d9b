//! An endpoint for embeddings on the loopback interface: vectors by what a text is about, so that two words for the same thing are near.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// Tokens that it counts for each text.
pub const TOKENS: u64 = 100;
/// Words for the same thing, each line one direction.
const MEANINGS: [&[&str]; 3] = [&["car", "automobile"], &["tree", "oak"], &["sign in", "authenticate"]];

/// A server that listens until the process ends.
pub struct Embeddings {
    /// The part of the URL before `/embeddings`.
    pub base_url: String,
    requests: Arc<AtomicUsize>,
    texts: Arc<Mutex<Vec<String>>>,
}

impl Embeddings {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (requests, texts) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (counted, kept) = (requests.clone(), texts.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let made = answer(stream.unwrap());
                counted.fetch_add(1, Ordering::SeqCst);
                kept.lock().unwrap().extend(made);
            }
        });
        Self { base_url, requests, texts }
    }

    /// How often it was asked.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Every text that it made a vector of.
    pub fn texts(&self) -> Vec<String> {
        self.texts.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream) -> Vec<String> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while reader.read_line(&mut head).unwrap() > 2 {}
    let lower = head.to_lowercase();
    let length =
        lower.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |it| it.trim().parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    assert!(head.starts_with("POST /v1/embeddings "), "{head}");
    let asked: Value = serde_json::from_slice(&body).unwrap();
    let texts: Vec<String> = serde_json::from_value(asked["input"].clone()).unwrap();
    let vector = |text: &String| {
        let text = text.to_lowercase();
        let mut vector: Vec<f32> =
            MEANINGS.iter().map(|words| f32::from(u8::from(words.iter().any(|word| text.contains(word))))).collect();
        vector.push(0.1);
        vector
    };
    let data: Vec<Value> =
        texts.iter().enumerate().map(|(at, text)| json!({ "index": at, "embedding": vector(text) })).collect();
    let tokens = texts.len() as u64 * TOKENS;
    let answer = json!({ "data": data, "usage": { "prompt_tokens": tokens, "total_tokens": tokens } }).to_string();
    let length = answer.len();
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}").unwrap();
    texts
}
