//! The side of everybody else.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::BufReader;
use tokio::net::UnixStream;

use super::wire::{self, Answered, Asked};
use crate::domain::limits;
use crate::interfaces::api::{Answer, Door, Fault, FaultKind, Progress, Request};

/// An engine that runs answers within this; one that is stopped or hangs does not.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// Why an engine cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens (any more, or yet).
    #[error("nobody listens at the socket")]
    Absent(#[source] io::Error),
    /// Somebody listens and does not answer.
    #[error("no answer within {} seconds", HELLO_TIMEOUT.as_secs())]
    Silent,
    /// It answered with a fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Asks the engine that listens at a socket. Calls may overlap: each has a connection of its own while it lasts.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    idle: Mutex<Vec<(BufReader<UnixStream>, tokio::time::Instant)>>,
    next_id: AtomicU64,
}

impl Client {
    /// Connects, and waits a bounded time for a first answer.
    pub async fn connect(path: &Path) -> Result<(Self, Progress), ConnectError> {
        let client = Self { path: path.to_owned(), idle: Mutex::default(), next_id: AtomicU64::new(1) };
        let greeting = async {
            let stream = UnixStream::connect(path).await.map_err(ConnectError::Absent)?;
            client.keep(BufReader::new(stream));
            let Answer::Progress(progress) = client.call(Request::Progress).await? else {
                return Err(ConnectError::Fault(unasked()));
            };
            Ok(progress)
        };
        let progress = tokio::time::timeout(HELLO_TIMEOUT, greeting).await.map_err(|_| ConnectError::Silent)??;
        Ok((client, progress))
    }

    fn keep(&self, connection: BufReader<UnixStream>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((connection, tokio::time::Instant::now()));
    }

    /// A connection that the other side has surely not given up.
    fn idle(&self) -> Option<BufReader<UnixStream>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since)| since.elapsed() < Duration::from_millis(limits::SOCKET_IDLE_MS / 2));
        idle.pop().map(|(connection, _)| connection)
    }

    async fn exchange(&self, request: Request) -> io::Result<Result<Answer, Fault>> {
        let mut connection = match self.idle() {
            Some(connection) => connection,
            None => BufReader::new(UnixStream::connect(&self.path).await?),
        };
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let written = wire::write_line(&mut connection, &Asked { v: wire::VERSION, id, request }).await;
        // An engine that has no place for us says so without hearing us.
        let line = wire::read_line(&mut connection, limits::SOCKET_ANSWER_BYTES).await;
        let line = match written {
            Ok(()) => line?.ok_or(io::ErrorKind::UnexpectedEof)?,
            Err(error) => line.ok().flatten().ok_or(error)?,
        };
        let answered: Answered = wire::parse(&line)?;
        if answered.id == id {
            self.keep(connection);
        }
        Ok(answered.result)
    }
}

#[async_trait]
impl Door for Client {
    async fn call(&self, request: Request) -> Result<Answer, Fault> {
        self.exchange(request).await.unwrap_or_else(|error| {
            let message = "the connection to the engine broke off".to_owned();
            let causes = vec![error.to_string()];
            Err(Fault { kind: FaultKind::Connection, message, causes, project: None })
        })
    }
}

fn unasked() -> Fault {
    Fault::new(FaultKind::Connection, "the engine answered something else than it was asked")
}
