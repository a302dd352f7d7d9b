//! The side of the process that holds the home.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::wire::{self, Answered, Asked, AskedHead};
use crate::domain::limits;
use crate::interfaces::api::{Answer, Door, Fault, FaultKind};

/// A client that does not take its answer for this long is dropped.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two tries after the system refused a connection (no file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens until it is dropped; then the socket's file is gone.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Listens at `path`, where a file that an earlier engine left is replaced: the caller holds the home.
    ///
    /// # Errors
    /// What the system says; `InvalidInput` when the path is too long for a socket.
    pub fn listen(path: &Path, door: Arc<dyn Door>) -> io::Result<Self> {
        Self::listen_for(path, door, Duration::from_millis(limits::SOCKET_IDLE_MS))
    }

    fn listen_for(path: &Path, door: Arc<dyn Door>, idle: Duration) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        // The folder is private already; this is for those who open it up.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        let accepting = tokio::spawn(accept(listener, door, idle));
        Ok(Self { path: path.to_owned(), accepting })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        // Nobody can be hurt by a file that stays: the next engine replaces it.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn accept(listener: UnixListener, door: Arc<dyn Door>, idle: Duration) {
    let places = Arc::new(Semaphore::new(limits::SOCKET_CLIENTS));
    let mut clients = tokio::task::JoinSet::new();
    loop {
        while clients.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) if is_same_user(&stream) => match places.clone().try_acquire_owned() {
                Ok(place) => drop(clients.spawn(serve(stream, door.clone(), idle, place))),
                Err(_) => refuse(&stream),
            },
            Ok(_) => tracing::warn!("a connection of another user was refused"),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_same_user(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == rustix::process::geteuid().as_raw())
}

/// Tells a client that there is no place for it, without waiting for it in any way.
fn refuse(stream: &UnixStream) {
    let message = format!("the engine serves {} clients already", limits::SOCKET_CLIENTS);
    tracing::warn!("{message}");
    let answered = Answered { v: wire::VERSION, id: 0, result: Err(Fault::new(FaultKind::Limit, message)) };
    if let Ok(mut line) = serde_json::to_vec(&answered) {
        line.push(b'\n');
        // A new connection has room for a line; a client that is gone already needs none.
        let _ = stream.try_write(&line);
    }
}

/// Serves one client. While it asks for nothing, it keeps its place for a bounded time only.
async fn serve(stream: UnixStream, door: Arc<dyn Door>, idle: Duration, _place: OwnedSemaphorePermit) {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let asking = wire::read_line(&mut read, limits::SOCKET_LINE_BYTES);
        let line = match tokio::time::timeout(idle, asking).await {
            Ok(Ok(Some(line))) => line,
            // It left, or has nothing to ask; a client that wants more connects again.
            Ok(Ok(None)) | Err(_) => return,
            Ok(Err(error)) => {
                let fault = Fault::new(FaultKind::Invalid, format!("the request cannot be read: {error}"));
                // It is told once, then dropped: where its next line begins is unknown.
                let _ = answer(&mut write, 0, Err(fault)).await;
                return;
            }
        };
        let (id, result) = match understand(&line) {
            Ok(asked) => match unless_gone(door.call(asked.request), &mut read).await {
                Some(result) => (asked.id, result),
                None => return,
            },
            Err((id, fault)) => (id, Err(fault)),
        };
        if answer(&mut write, id, result).await.is_err() {
            return;
        }
    }
}

fn understand(line: &[u8]) -> Result<Asked, (u64, Fault)> {
    let head: AskedHead = wire::parse(line)
        .map_err(|error| (0, Fault::new(FaultKind::Invalid, format!("the request cannot be read: {error}"))))?;
    if head.v != wire::VERSION {
        let message = format!("the engine speaks version {} of the protocol, the request {}", wire::VERSION, head.v);
        return Err((head.id, Fault::new(FaultKind::Connection, message)));
    }
    wire::parse(line)
        .map_err(|error| (head.id, Fault::new(FaultKind::Invalid, format!("the request is not understood: {error}"))))
}

/// The answer, or `None` when the client left before it was there.
async fn unless_gone(
    answer: impl Future<Output = Result<Answer, Fault>>,
    read: &mut BufReader<OwnedReadHalf>,
) -> Option<Result<Answer, Fault>> {
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        biased;
        result = &mut answer => Some(result),
        more = read.fill_buf() => match more {
            Ok([]) | Err(_) => None,
            // A client that sends ahead is served in order.
            Ok(_) => Some(answer.await),
        }
    }
}

async fn answer(write: &mut OwnedWriteHalf, id: u64, result: Result<Answer, Fault>) -> io::Result<()> {
    let answered = Answered { v: wire::VERSION, id, result };
    match tokio::time::timeout(WRITE_TIMEOUT, wire::write_line(write, &answered)).await {
        Ok(written) => written,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interfaces::api::{Progress, Request};
    use crate::interfaces::socket::{Client, ConnectError};

    struct Nobody;

    #[async_trait::async_trait]
    impl Door for Nobody {
        async fn call(&self, _: Request) -> Result<Answer, Fault> {
            Ok(Answer::Progress(Progress::default()))
        }
    }

    #[tokio::test]
    async fn one_client_past_the_bound_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _server = Server::listen(&path, Arc::new(Nobody)).unwrap();
        let mut silent = Vec::new();
        for _ in 0..limits::SOCKET_CLIENTS {
            silent.push(UnixStream::connect(&path).await.unwrap());
        }
        match Client::connect(&path).await.map(|_| ()) {
            Err(ConnectError::Fault(fault)) => assert_eq!(fault.kind, FaultKind::Limit),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_silent_client_loses_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _server = Server::listen_for(&path, Arc::new(Nobody), Duration::from_millis(10)).unwrap();
        let mut silent = BufReader::new(UnixStream::connect(&path).await.unwrap());
        assert!(silent.fill_buf().await.unwrap().is_empty(), "closed");
    }
}
