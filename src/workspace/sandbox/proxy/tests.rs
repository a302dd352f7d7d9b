//! The proxy over its socket, with hosts of the test's own on the loopback interface.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};

use super::{Allowed, Proxy};

async fn asked(proxy: &Proxy, request: String) -> String {
    let mut client = UnixStream::connect(proxy.socket()).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    answer
}

/// A host that answers each connection with what it was sent first; tells its port.
async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut bytes = vec![0; 4096];
            let count = client.read(&mut bytes).await.unwrap();
            client.write_all(&bytes[..count]).await.unwrap();
        }
    });
    port
}

fn started(dir: &tempfile::TempDir, patterns: &[&str]) -> std::sync::Arc<Proxy> {
    Proxy::start(&dir.path().join("proxy"), Allowed::parse(patterns.iter().copied()).unwrap()).unwrap()
}

#[tokio::test]
async fn what_is_listed_is_reached_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let port = echo().await;
    let proxy = started(&dir, &[&format!("127.0.0.1:{port}")]);
    let get = asked(&proxy, format!("GET http://127.0.0.1:{port}/x HTTP/1.1\r\n\r\n")).await;
    assert!(get.starts_with("GET /x HTTP/1.1\r\nHost: 127.0.0.1:"), "{get}");
    let tunnel = asked(&proxy, format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\nhello")).await;
    assert!(tunnel.starts_with("HTTP/1.1 200 ") && tunnel.ends_with("\r\n\r\nhello"), "{tunnel}");
    let other = asked(&proxy, "CONNECT example.org:443 HTTP/1.1\r\n\r\n".to_owned()).await;
    assert!(other.starts_with("HTTP/1.1 403 ") && other.contains("example.org:443"), "{other}");
    assert_eq!(proxy.refused(), ["example.org:443"]);
}

#[tokio::test]
async fn a_name_does_not_stand_for_this_machine() {
    let dir = tempfile::tempdir().unwrap();
    let port = echo().await;
    // Every resolver says that such names are the loopback address, or that there are none; both must end in no connection.
    let proxy = started(&dir, &[&format!("*.localhost:{port}"), &format!("ip6-localhost:{port}")]);
    for host in ["a.localhost", "ip6-localhost"] {
        let answer = asked(&proxy, format!("CONNECT {host}:{port} HTTP/1.1\r\n\r\nx")).await;
        assert!(answer.starts_with("HTTP/1.1 403 ") || answer.starts_with("HTTP/1.1 502 "), "{answer}");
    }
}

#[tokio::test]
async fn nonsense_is_answered_and_a_dropped_proxy_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let proxy = started(&dir, &[]);
    assert!(asked(&proxy, "nonsense\r\n\r\n".to_owned()).await.starts_with("HTTP/1.1 400 "));
    let socket = proxy.socket().to_owned();
    drop(proxy);
    assert!(UnixStream::connect(&socket).await.is_err());
}
