//! A loopback server that takes what is posted to it, and answers as a test wants; and a real Redis server with a subscriber.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::rig::{Rig, until};

/// What was posted.
#[derive(Debug, Clone)]
pub struct Posted {
    /// The path.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Posted {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Status(u16),
    /// Nothing, ever.
    Silence,
}

/// The server; it ends with the test.
pub struct Receiver {
    pub url: String,
    posted: Arc<Mutex<Vec<Posted>>>,
}

impl Receiver {
    /// `answer` is asked with the number of the request, the first is 0.
    pub fn start(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let posted: Arc<Mutex<Vec<Posted>>> = Arc::default();
        let (taken, answer) = (posted.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (taken, answer) = (taken.clone(), answer.clone());
                std::thread::spawn(move || serve(stream, &taken, &*answer));
            }
        });
        Self { url, posted }
    }

    /// What came so far, whatever was answered.
    pub fn posted(&self) -> Vec<Posted> {
        self.posted.lock().unwrap().clone()
    }

    /// The positions of the records that came.
    pub fn seqs(&self) -> Vec<u64> {
        self.posted().iter().filter_map(|posted| posted.event()["data"]["seq"].as_u64()).collect()
    }
}

fn serve(stream: TcpStream, taken: &Mutex<Vec<Posted>>, answer: &dyn Fn(usize) -> Answer) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(posted) = read(&mut reader) {
        let number = {
            let mut taken = taken.lock().unwrap();
            taken.push(posted);
            taken.len() - 1
        };
        match answer(number) {
            Answer::Status(status) => {
                let text = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                if stream.write_all(text.as_bytes()).is_err() {
                    return;
                }
            }
            Answer::Silence => {
                // Until the other side gives up.
                let _ = reader.read_to_end(&mut Vec::new());
                return;
            }
        }
    }
}

fn read(reader: &mut impl std::io::BufRead) -> Option<Posted> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Posted { path, headers, body })
}

/// A Redis server of the test's own.
pub struct Redis {
    child: Child,
    pub port: u16,
}

impl Redis {
    /// `None`, and a line that says so, when there is no redis-server.
    #[expect(
        clippy::disallowed_methods,
        clippy::print_stderr,
        reason = "a test starts a server, or says that there is none"
    )]
    pub fn start(rig: &Rig) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = std::process::Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.arg("--dir").arg(rig.folder()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(child) = command.spawn() else {
            eprintln!("skipped: redis-server is not installed");
            return None;
        };
        until("the Redis server listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(Self { child, port })
    }

    /// Everything that is published on `channel` from here on.
    pub fn subscribe(&self, channel: &str) -> Arc<Mutex<Vec<Value>>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(format!("SUBSCRIBE {channel}\r\n").as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        // The answer to the request itself: only then is nothing missed.
        assert_eq!(message(&mut reader).unwrap()[0], b"subscribe");
        let heard: Arc<Mutex<Vec<Value>>> = Arc::default();
        let hearing = heard.clone();
        std::thread::spawn(move || {
            while let Some(parts) = message(&mut reader) {
                hearing.lock().unwrap().push(serde_json::from_slice(&parts[2]).unwrap());
            }
        });
        heard
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One message of a subscription: an array of texts, the last of which may be a number.
fn message(reader: &mut impl std::io::BufRead) -> Option<Vec<Vec<u8>>> {
    let line = |reader: &mut dyn std::io::BufRead| {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0).map(|_| line.trim_end().to_owned())
    };
    let count: usize = line(reader)?.strip_prefix('*')?.parse().ok()?;
    let mut parts = Vec::new();
    for _ in 0..count {
        let head = line(reader)?;
        match head.strip_prefix('$') {
            Some(length) => {
                let mut part = vec![0; length.parse::<usize>().ok()? + 2];
                reader.read_exact(&mut part).ok()?;
                part.truncate(part.len() - 2);
                parts.push(part);
            }
            None => parts.push(head.into_bytes()),
        }
    }
    Some(parts)
}
