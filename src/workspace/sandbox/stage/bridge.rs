//! The way out for allowed hosts: a port on the loopback interface inside, every connection to which is carried to the
//! engine's proxy over its socket. The proxy decides; nothing is decided here.

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Connections at once; more are closed at once.
const CONNECTIONS: usize = 64;
/// Stack of a thread that only copies.
const STACK_BYTES: usize = 128 * 1024;

/// A port that is listened on.
pub(super) struct Bridge {
    listener: TcpListener,
    port: u16,
    socket: PathBuf,
}

impl Bridge {
    /// Listens.
    pub fn open(socket: &Path) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port, socket: socket.to_owned() })
    }

    /// Tells programs where the proxy is, in the names that they look for.
    pub fn name_in(&self, env: &mut Vec<(OsString, OsString)>) {
        let proxy = format!("http://127.0.0.1:{}", self.port);
        let none = "localhost,127.0.0.1,::1";
        for (name, value) in
            [("http_proxy", &*proxy), ("https_proxy", &proxy), ("all_proxy", &proxy), ("no_proxy", none)]
        {
            for name in [name.to_owned(), name.to_uppercase()] {
                env.retain(|(other, _)| *other != *name);
                env.push((name.into(), value.into()));
            }
        }
    }

    /// Carries connections in threads, from now on.
    pub fn serve(self) -> io::Result<()> {
        let open = Arc::new(AtomicUsize::new(0));
        let accept = move || {
            for connection in self.listener.incoming().flatten() {
                if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
                    open.fetch_sub(1, Ordering::Relaxed);
                    continue;
                }
                let (socket, counted) = (self.socket.clone(), Arc::clone(&open));
                let carried = small_thread(move || {
                    let _ended = carry(connection, &socket);
                    counted.fetch_sub(1, Ordering::Relaxed);
                });
                if carried.is_err() {
                    open.fetch_sub(1, Ordering::Relaxed);
                }
            }
        };
        small_thread(accept)
    }
}

fn small_thread(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().stack_size(STACK_BYTES).spawn(work).map(drop)
}

/// Copies both ways until both ends are closed.
fn carry(inside: TcpStream, socket: &Path) -> io::Result<()> {
    let outside = UnixStream::connect(socket)?;
    let (mut from_inside, mut to_outside) = (inside.try_clone()?, outside.try_clone()?);
    small_thread(move || {
        let _ended = io::copy(&mut from_inside, &mut to_outside);
        let _gone = to_outside.shutdown(Shutdown::Write);
    })?;
    let (mut from_outside, mut to_inside) = (outside, inside);
    let _ended = io::copy(&mut from_outside, &mut to_inside);
    to_inside.shutdown(Shutdown::Write)
}
