//! What a client asks the proxy for: `CONNECT host:port`, or a request for a whole URI that is passed on. Pure.

/// Longest head of a request.
pub(super) const HEAD_BYTES: usize = 32 * 1024;

const HTTP_PORT: u16 = 80;

/// One request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub host: String,
    pub port: u16,
    /// The head as the host gets it; `None`: a tunnel.
    pub forwarded: Option<Vec<u8>>,
    /// What came behind the head already.
    pub rest: Vec<u8>,
}

/// Where the head ends, with its empty line.
pub(super) fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

impl Request {
    /// Reads a head, and what came behind it.
    pub fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let (head, rest) = bytes.split_at(head_end(bytes).ok_or("the request has no end")?);
        let head = std::str::from_utf8(head).map_err(|_| "the request is no text")?;
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err("the request line needs a method, a target and a version");
        };
        if !version.starts_with("HTTP/1.") {
            return Err("only HTTP/1 is spoken here");
        }
        let rest = rest.to_vec();
        if method == "CONNECT" {
            let (host, port) = authority(target, None).ok_or("the target needs a host and a port")?;
            return Ok(Self { host, port, forwarded: None, rest });
        }
        let uri = target.strip_prefix("http://").ok_or("the target must begin with http://; https goes by CONNECT")?;
        let at = uri.find(['/', '?']).unwrap_or(uri.len());
        let (place, path) = uri.split_at(at);
        let (host, port) = authority(place, Some(HTTP_PORT)).ok_or("the target needs a host")?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        let mut forwarded = format!("{method} {slash}{path} {version}\r\nHost: {place}\r\nConnection: close\r\n");
        for line in lines.filter(|line| !line.is_empty()) {
            let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
            // One request a connection, for the host that was looked at.
            let is_ours = name == "host" || name == "connection" || name == "keep-alive" || name.starts_with("proxy-");
            if !is_ours {
                forwarded.push_str(line);
                forwarded.push_str("\r\n");
            }
        }
        forwarded.push_str("\r\n");
        Ok(Self { host, port, forwarded: Some(forwarded.into_bytes()), rest })
    }
}

fn authority(text: &str, default_port: Option<u16>) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().ok()?),
        _ => (text, default_port?),
    };
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'[' | b']');
    (!host.is_empty() && host.bytes().all(fine)).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_and_a_uri_are_understood() {
        let tunnel = Request::parse(b"CONNECT [::1]:443 HTTP/1.1\r\nHost: x\r\n\r\nTLS").unwrap();
        assert_eq!((tunnel.host.as_str(), tunnel.port, tunnel.forwarded.is_none()), ("[::1]", 443, true));
        assert_eq!(tunnel.rest, b"TLS");
        let get = b"GET http://a.b:81?q HTTP/1.1\r\nHost: other\r\nProxy-Connection: x\r\nAccept: */*\r\n\r\n";
        let get = Request::parse(get).unwrap();
        assert_eq!((get.host.as_str(), get.port), ("a.b", 81));
        let head = String::from_utf8(get.forwarded.unwrap()).unwrap();
        assert_eq!(head, "GET /?q HTTP/1.1\r\nHost: a.b:81\r\nConnection: close\r\nAccept: */*\r\n\r\n");
    }

    #[test]
    fn everything_else_is_refused() {
        for head in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET https://a/ HTTP/1.1\r\n\r\n",
            "GET http://u@a/ HTTP/1.1\r\n\r\n",
            "CONNECT a HTTP/1.1\r\n\r\n",
            "CONNECT a:x HTTP/1.1\r\n\r\n",
            "CONNECT :1 HTTP/1.1\r\n\r\n",
            "CONNECT a:1 HTTP/2\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\n",
            "x\r\n\r\n",
        ] {
            assert!(Request::parse(head.as_bytes()).is_err(), "{head}");
        }
    }
}
