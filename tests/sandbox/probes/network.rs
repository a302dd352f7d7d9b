//! Networks and sockets.

use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

use nix::libc;

use super::kernel::call;
use super::{Bare, Probe, Stopped, at, considered, number};

pub const ALL: &[(&str, Bare, Probe)] = &[
    ("tcp_to_host", Bare::Through, || Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port("TCP"))).map(drop)?)),
    ("tcp_to_host_mapped", Bare::Through, || Ok(TcpStream::connect(("::ffff:127.0.0.1", port("TCP"))).map(drop)?)),
    ("tcp_out", Bare::Unknown, tcp_out),
    ("udp_out", Bare::Unknown, udp_out),
    ("udp_to_host", Bare::Through, udp_to_host),
    ("dns", Bare::Unknown, dns),
    ("engines_socket", Bare::Through, || Ok(UnixStream::connect(at("home/wfctl/socket")).map(drop)?)),
    ("unix_socket", Bare::Through, || Ok(UnixStream::connect(at("outside/socket")).map(drop)?)),
    ("abstract_socket", Bare::Through, abstract_socket),
    ("raw_socket", Bare::AsRoot, || socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)),
    ("packet_socket", Bare::AsRoot, || socket(libc::AF_PACKET, libc::SOCK_RAW, 0)),
    ("kernel_events", Bare::Through, || socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_KOBJECT_UEVENT)),
    ("audit_socket", Bare::Unknown, || socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_AUDIT)),
    ("virtual_machine_socket", Bare::Unknown, || socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0)),
    ("crypto_socket", Bare::Unknown, || socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0)),
    ("interfaces", Bare::Unknown, interfaces),
];

fn port(name: &str) -> u16 {
    u16::try_from(number(name)).expect("a port")
}

/// An address that is reserved for documents: whoever can send there has a way out.
fn tcp_out() -> Result<(), Stopped> {
    match TcpStream::connect_timeout(&"192.0.2.1:80".parse()?, Duration::from_secs(5)) {
        Err(error) if error.raw_os_error() == Some(libc::ENETUNREACH) => Err(error.into()),
        _ => Ok(()),
    }
}

fn udp_out() -> Result<(), Stopped> {
    UdpSocket::bind("0.0.0.0:0")?.send_to(b"x", "192.0.2.1:9")?;
    Ok(())
}

fn udp_to_host() -> Result<(), Stopped> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect((Ipv4Addr::LOCALHOST, port("UDP")))?;
    socket.send(b"escaped")?;
    // A port without a listener is told by the next call.
    socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    match socket.recv(&mut [0; 8]) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Err(error.into()),
        _ => Ok(()),
    }
}

fn dns() -> Result<(), Stopped> {
    use std::net::ToSocketAddrs as _;
    let found = ("example.org", 443).to_socket_addrs()?.count();
    if found == 0 { Err("no address".into()) } else { Ok(()) }
}

fn abstract_socket() -> Result<(), Stopped> {
    let name = SocketAddr::from_abstract_name(at("").components().as_path().as_os_str().as_encoded_bytes())?;
    UnixStream::connect_addr(&name)?;
    Ok(())
}

fn socket(family: i32, kind: i32, protocol: i32) -> Result<(), Stopped> {
    let made = call(libc::SYS_socket, [family.into(), kind.into(), protocol.into(), 0, 0]);
    if made < 0 { Err(std::io::Error::last_os_error().into()) } else { considered(made, &[]) }
}

/// Any interface but loopback.
fn interfaces() -> Result<(), Stopped> {
    let table = std::fs::read_to_string("/proc/self/net/dev")?;
    let others = table.lines().skip(2).filter(|line| !line.trim_start().starts_with("lo:")).count();
    if others == 0 { Err("only loopback".into()) } else { Ok(()) }
}
