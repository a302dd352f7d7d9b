//! Brings the loopback interface of a new network namespace up: tests of programs serve and connect there.

use std::io;

use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

/// Numbers of the kernel's interface. Source: `linux/rtnetlink.h`, `linux/netlink.h`, `linux/if.h`.
const RTM_NEWLINK: u16 = 16;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST_ACK: u16 = 1 | 4;
const IFF_UP: u32 = 1;
/// The loopback interface is always the first.
const LOOPBACK: i32 = 1;
const HEADER_BYTES: usize = 16;
const MESSAGE_BYTES: u32 = 32;

/// Does it; needs the right to administer the namespace.
pub(super) fn up() -> io::Result<()> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    // struct nlmsghdr { len, type, flags, seq, pid }, struct ifinfomsg { family, pad, type, index, flags, change }
    let mut message = Vec::new();
    message.extend(MESSAGE_BYTES.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST_ACK.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([0; 4]);
    message.extend(LOOPBACK.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    send(&socket, &message, SendFlags::empty())?;
    let mut answer = [0; 256];
    let (bytes, _) = recv(&socket, &mut answer, rustix::net::RecvFlags::empty())?;
    match answer[..bytes].get(4..6) == Some(&NLMSG_ERROR.to_ne_bytes()[..]) {
        true => {
            match answer.get(HEADER_BYTES..HEADER_BYTES + 4).and_then(|it| it.try_into().ok()).map(i32::from_ne_bytes) {
                Some(0) => Ok(()),
                Some(errno) => Err(io::Error::from_raw_os_error(errno.saturating_neg())),
                None => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            }
        }
        false => Err(io::Error::other("the kernel gave no answer")),
    }
}
