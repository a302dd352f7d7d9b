//! The stage's end of the socket to the engine.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv,
    recvmsg, sendmsg,
};

use super::super::report::Told;

/// Descriptors that come with one message, at most.
const DESCRIPTORS: usize = 2;

/// The line to the engine, which is standard input when the stage starts.
pub(super) struct Socket(OwnedFd);

impl Socket {
    /// Takes it over from standard input; it is not inherited by what is started later.
    pub fn take() -> io::Result<Self> {
        let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
        Ok(Self(socket))
    }

    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Says something. That the engine is gone is found out elsewhere.
    pub fn tell(&self, told: &Told) {
        let _gone =
            rustix::io::retry_on_intr(|| rustix::net::send(&self.0, told.line().as_bytes(), SendFlags::NOSIGNAL));
    }

    /// Says something and hands over a descriptor with it.
    pub fn hand_over(&self, told: &Told, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        let line = told.line();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [descriptor];
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        sendmsg(&self.0, &[IoSlice::new(line.as_bytes())], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Waits for the order, which is a memory file, and for what the command reads as its standard input, if it reads any.
    pub fn order(&self) -> io::Result<(OwnedFd, Option<OwnedFd>)> {
        let mut byte = [0];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        recvmsg(&self.0, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let found = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => Some((descriptors.next()?, descriptors.next())),
            _ => None,
        });
        found.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "there is no order"))
    }

    /// Takes in what the engine asks for; `None`: the engine is gone.
    pub fn asked(&self) -> Option<usize> {
        let mut bytes = [0; 16];
        match recv(&self.0, &mut bytes, RecvFlags::DONTWAIT) {
            Ok((0, _)) => None,
            Ok((count, _)) => Some(count),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Some(0),
            Err(_) => None,
        }
    }
}

/// Waits for one of two descriptors, at most `timeout_ms`; tells what happened at each.
pub(super) fn wait(
    one: BorrowedFd<'_>,
    other: (BorrowedFd<'_>, PollFlags),
    timeout_ms: Option<u64>,
) -> io::Result<(PollFlags, PollFlags)> {
    let timeout = timeout_ms.map(|ms| Timespec {
        tv_sec: i64::try_from(ms / 1000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(ms % 1000).unwrap_or(0) * 1_000_000,
    });
    let mut watched = [PollFd::from_borrowed_fd(one, PollFlags::IN), PollFd::from_borrowed_fd(other.0, other.1)];
    match poll(&mut watched, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok((watched[0].revents(), watched[1].revents())),
        Err(error) => Err(error.into()),
    }
}
