//! The one way out of a sandbox without a network: an HTTP proxy on a unix socket, which lets through the hosts that a
//! person allowed and nothing else. It resolves names itself and looks at the address before it connects, so that an allowed
//! name cannot stand for a service of this machine or of its network.
//!
//! `allowed` says who may be reached, `request` reads what is asked, this file connects the two.

mod allowed;
mod request;

pub use allowed::{Allowed, Malformed};

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpStream, UnixListener, UnixStream, lookup_host};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::files;
use request::Request;

/// Connections at once; further ones wait.
const CONNECTIONS: usize = 64;
/// How long a client may take to say what it wants.
const HEAD: Duration = Duration::from_secs(30);
/// How long a host may take to answer the first packet.
const CONNECT: Duration = Duration::from_secs(30);
/// Refused hosts that are remembered.
const REMEMBERED: usize = 64;

/// Numbers the sockets of this process.
static MADE: AtomicU64 = AtomicU64::new(0);

/// A proxy that listens. Dropping it closes its socket and every connection.
#[derive(Debug)]
pub struct Proxy {
    socket: PathBuf,
    refused: Arc<Mutex<BTreeSet<String>>>,
    serving: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a socket in `dir`, a private folder that is made when missing. To be called within a runtime.
    pub fn start(dir: &Path, allowed: Allowed) -> io::Result<Arc<Self>> {
        files::private_dir(dir)?;
        let name = format!("proxy-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let socket = dir.join(name);
        files::remove_if_there(&socket)?;
        let listener = UnixListener::bind(&socket)?;
        let refused = Arc::new(Mutex::new(BTreeSet::new()));
        let serving = tokio::spawn(serve(listener, Arc::new(allowed), Arc::clone(&refused)));
        Ok(Arc::new(Self { socket, refused, serving }))
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The hosts that were asked for in vain so far, each once.
    pub fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
        // Its folder is the engine's and is cleaned with the home.
        let _left = files::remove_if_there(&self.socket);
    }
}

async fn serve(listener: UnixListener, allowed: Arc<Allowed>, refused: Arc<Mutex<BTreeSet<String>>>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut open = tokio::task::JoinSet::new();
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((client, _)) = listener.accept().await else { return };
        while open.try_join_next().is_some() {}
        let (allowed, refused) = (Arc::clone(&allowed), Arc::clone(&refused));
        open.spawn(async move {
            if let Err(error) = one(client, &allowed, &refused).await {
                tracing::debug!(%error, "a connection through the proxy ended early");
            }
            drop(place);
        });
    }
}

/// Serves one connection: one request, then bytes both ways.
async fn one(mut client: UnixStream, allowed: &Allowed, refused: &Mutex<BTreeSet<String>>) -> io::Result<()> {
    let head = timeout(HEAD, head(&mut client)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let request = match Request::parse(&head) {
        Ok(request) => request,
        Err(problem) => return answer(&mut client, "400 Bad Request", problem).await,
    };
    let place = format!("{}:{}", request.host, request.port);
    let address = match reachable(&request, allowed).await {
        Ok(address) => address,
        Err(Refusal::NotAllowed(why)) => {
            tracing::warn!(host = place, why, "the proxy refused a host");
            remember(refused, &place);
            let text = format!("wfctl's sandbox does not let this command reach {place}: {why}");
            return answer(&mut client, "403 Forbidden", &text).await;
        }
        Err(Refusal::Unknown(error)) => {
            return answer(&mut client, "502 Bad Gateway", &format!("cannot resolve {place}: {error}")).await;
        }
    };
    let mut host = match timeout(CONNECT, TcpStream::connect(address)).await {
        Ok(Ok(host)) => host,
        Ok(Err(error)) => {
            return answer(&mut client, "502 Bad Gateway", &format!("cannot connect to {place}: {error}")).await;
        }
        Err(_) => return answer(&mut client, "504 Gateway Timeout", &format!("{place} does not answer")).await,
    };
    match &request.forwarded {
        None => client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?,
        Some(head) => host.write_all(head).await?,
    }
    host.write_all(&request.rest).await?;
    copy_bidirectional(&mut client, &mut host).await.map(drop)
}

fn remember(refused: &Mutex<BTreeSet<String>>, place: &str) {
    let mut refused = refused.lock().unwrap_or_else(PoisonError::into_inner);
    if refused.len() < REMEMBERED {
        refused.insert(place.to_owned());
    }
}

/// Reads until the head of the request is complete.
async fn head(client: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while request::head_end(&head).is_none() {
        if head.len() > request::HEAD_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the head of a request is too long"));
        }
        if client.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

/// Why a host cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The person has not allowed it.
    #[error("{0}")]
    NotAllowed(&'static str),
    /// Its name stands for nothing.
    #[error("its name cannot be resolved: {0}")]
    Unknown(io::Error),
}

impl Allowed {
    /// The addresses of `host` that may be connected to, if the host is allowed: whoever connects connects to one of these.
    pub async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Refusal> {
        let reach = self.reach(host, port).ok_or(Refusal::NotAllowed("no allowed host matches it"))?;
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let all: Vec<SocketAddr> = lookup_host((bare, port)).await.map_err(Refusal::Unknown)?.collect();
        if all.is_empty() {
            return Err(Refusal::Unknown(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
        }
        let within: Vec<SocketAddr> = all.into_iter().filter(|address| reach.includes(address.ip())).collect();
        match within.is_empty() {
            true => Err(Refusal::NotAllowed("its address belongs to this machine or its network")),
            false => Ok(within),
        }
    }
}

/// The address to connect to, if the host is allowed and the address is, too.
async fn reachable(request: &Request, allowed: &Allowed) -> Result<SocketAddr, Refusal> {
    let addresses = allowed.addresses(&request.host, request.port).await?;
    addresses.into_iter().next().ok_or(Refusal::NotAllowed("no allowed host matches it"))
}

async fn answer(client: &mut UnixStream, status: &str, text: &str) -> io::Result<()> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: text/plain\r\nconnection: close\r\n");
    let body = format!("{text}\n");
    client.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await?;
    client.shutdown().await
}

#[cfg(test)]
mod tests;
