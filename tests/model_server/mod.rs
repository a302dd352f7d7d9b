//! A server that speaks OpenAI's chat protocol over real connections and does to each request what a test says. It runs on a
//! thread of its own, so that blocking tests, asynchronous tests and child processes can use it alike.
//!
//! It checks every request (`checks`): a conversation that a real provider would refuse fails the test when the server is
//! dropped. It counts requests and replies that were written to their end.
//!
//! `tests/models.rs` uses all of it; a test that uses less of it expects `dead_code` where it says `mod model_server;`.

pub mod checks;
pub mod reply;
mod serve;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

pub use reply::Reply;

/// Longest wait for something that must happen; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its number in order of arrival, from 0.
    pub number: usize,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Value,
}

impl Asked {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The model that was asked.
    pub fn model(&self) -> &str {
        self.body["model"].as_str().unwrap_or_default()
    }

    /// The messages.
    pub fn messages(&self) -> &[Value] {
        self.body["messages"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The text of the last message.
    pub fn last_text(&self) -> &str {
        self.messages().last().and_then(|message| message["content"].as_str()).unwrap_or_default()
    }

    /// The text of the first message of this role.
    pub fn first_text(&self, role: &str) -> &str {
        let first = self.messages().iter().find(|message| message["role"] == role);
        first.and_then(|message| message["content"].as_str()).unwrap_or_default()
    }

    /// How often the model has spoken so far.
    pub fn turns(&self) -> usize {
        self.messages().iter().filter(|message| message["role"] == "assistant").count()
    }
}

/// What has happened so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Requests that arrived whole.
    pub requests: usize,
    /// Answers that were written to their end, refusals included.
    pub answered: usize,
    /// Complete replies of a model among them: what a provider would bill.
    pub completed: usize,
    /// Connections open now.
    pub connections: usize,
    /// Most connections open at once.
    pub most_connections: usize,
}

pub(crate) type Script = dyn Fn(&Asked) -> Reply + Send + Sync;

/// What connections share.
pub(crate) struct Shared {
    script: Box<Script>,
    counts: watch::Sender<Counts>,
    released: watch::Sender<bool>,
    asked: Mutex<Vec<Asked>>,
    broken: Mutex<Vec<String>>,
}

/// The server; it ends when it is dropped.
pub struct ModelServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl ModelServer {
    /// Serves what `script` says of each request.
    pub fn start(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            script: Box::new(script),
            counts: watch::Sender::new(Counts::default()),
            released: watch::Sender::new(false),
            asked: Mutex::default(),
            broken: Mutex::default(),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port of the loopback interface");
        let address = listener.local_addr().expect("its address");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let of_thread = shared.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    () = serve::accept(listener, of_thread) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Serves the replies in order; one request more than there are is broken.
    pub fn replies(replies: Vec<Reply>) -> Self {
        Self::start(move |asked| match replies.get(asked.number) {
            Some(reply) => reply.clone(),
            None => panic!("request {} is one more than there are replies", asked.number),
        })
    }

    /// The base URL to configure.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().expect("no panic while it is held").clone()
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        *self.shared.counts.borrow()
    }

    /// What was wrong with requests so far.
    pub fn broken(&self) -> Vec<String> {
        self.shared.broken.lock().expect("no panic while it is held").clone()
    }

    /// Forgets what was wrong, for tests that break rules on purpose.
    pub fn take_broken(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.broken.lock().expect("no panic while it is held"))
    }

    /// Lets every hanging request go on, and those that follow.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }

    /// Waits until the counts are as wanted.
    pub async fn until(&self, wanted: impl Fn(&Counts) -> bool) -> Counts {
        let mut counts = self.shared.counts.subscribe();
        let seen = tokio::time::timeout(PATIENCE, counts.wait_for(wanted)).await;
        *seen
            .unwrap_or_else(|_| panic!("what was waited for did not happen: {:?}", self.counts()))
            .expect("the server runs")
    }

    /// The same for tests that are not asynchronous.
    pub fn block_until(&self, wanted: impl Fn(&Counts) -> bool) -> Counts {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(self.until(wanted))
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(std::thread::JoinHandle::join);
        if std::thread::panicking() {
            return;
        }
        assert!(ended.is_none_or(|ended| ended.is_ok()), "the model server panicked");
        let broken = self.broken();
        assert!(broken.is_empty(), "requests that a provider would refuse:\n  {}", broken.join("\n  "));
    }
}
