//! Who may be reached: patterns of hosts and ports, and what an address that a name stands for may be.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The ports that a pattern without one means.
const WEB_PORTS: [u16; 2] = [80, 443];
/// The only name whose addresses are this machine's.
const LOCALHOST: &str = "localhost";

/// Patterns: `host`, `*.suffix`, an address, each with or without a port.
#[derive(Debug, Clone, Default)]
pub struct Allowed(Vec<Pattern>);

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no host: write `example.org`, `*.example.org`, `127.0.0.1` or `[::1]`, each with or without `:port`"
)]
pub struct Malformed(String);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    host: Host,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Name(String),
    /// With the dot in front.
    Suffix(String),
    Address(IpAddr),
}

/// Which addresses a host may turn out to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// Those of the public internet.
    Public,
    /// Those of private networks, too: somebody named the host in full.
    Network,
    /// Any: somebody named the address itself.
    Machine,
}

impl Allowed {
    /// Reads patterns.
    pub fn parse<'p>(patterns: impl IntoIterator<Item = &'p str>) -> Result<Self, Malformed> {
        let parsed = patterns.into_iter().map(|text| pattern(text).ok_or_else(|| Malformed(text.to_owned())));
        Ok(Self(parsed.collect::<Result<_, _>>()?))
    }

    /// Whether `host` may be reached at `port`, and at which addresses.
    pub(super) fn reach(&self, host: &str, port: u16) -> Option<Reach> {
        let host = host.to_ascii_lowercase();
        let host = host.trim_end_matches('.');
        let reach = |pattern: &Pattern| {
            let port_fits = pattern.port.map_or_else(|| WEB_PORTS.contains(&port), |it| it == port);
            match (&pattern.host, address(host)) {
                (Host::Address(one), Some(other)) if *one == other => Some(Reach::Machine),
                (Host::Name(name), None) if name == host && name == LOCALHOST => Some(Reach::Machine),
                (Host::Name(name), None) if name == host => Some(Reach::Network),
                (Host::Suffix(suffix), None) if host.ends_with(suffix.as_str()) => Some(Reach::Public),
                _ => None,
            }
            .filter(|_| port_fits)
        };
        self.0.iter().filter_map(reach).max()
    }
}

impl Reach {
    /// Whether an address of this kind is within reach.
    pub fn includes(self, address: IpAddr) -> bool {
        let needed = match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => match embedded(address) {
                Some(inside) => of_v4(inside),
                None => of_v6(address),
            },
        };
        self >= needed
    }
}

fn pattern(text: &str) -> Option<Pattern> {
    let text = text.trim().to_ascii_lowercase();
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port.parse().ok()?)),
        _ => (&*text, None),
    };
    let is_name = |name: &str| {
        !name.is_empty()
            && name.split('.').all(|label| !label.is_empty())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    let host = match (address(host), host.strip_prefix('*')) {
        (Some(address), _) => Host::Address(address),
        (None, Some(suffix)) if suffix.strip_prefix('.').is_some_and(is_name) => Host::Suffix(suffix.to_owned()),
        (None, None) if is_name(host) => Host::Name(host.to_owned()),
        (None, _) => return None,
    };
    Some(Pattern { host, port }).filter(|pattern| pattern.port != Some(0))
}

fn address(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host).parse().ok()
}

/// What reach an address needs. Source: the IANA registries of special-purpose addresses.
fn of_v4(address: Ipv4Addr) -> Reach {
    let [a, b, c, _] = address.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_benchmark = a == 198 && (b == 18 || b == 19);
    let is_protocol = (a, b, c) == (192, 0, 0);
    // Link-local is where clouds answer with keys.
    if a == 0 || address.is_loopback() || address.is_link_local() || address.is_multicast() || a >= 240 {
        return Reach::Machine;
    }
    if address.is_private() || is_shared || is_benchmark || is_protocol || address.is_documentation() {
        return Reach::Network;
    }
    Reach::Public
}

fn of_v6(address: Ipv6Addr) -> Reach {
    let [first, second, ..] = address.segments();
    let is_link_local = first & 0xffc0 == 0xfe80;
    if address.is_loopback() || address.is_unspecified() || address.is_multicast() || is_link_local {
        return Reach::Machine;
    }
    let is_unique_local = first & 0xfe00 == 0xfc00;
    let is_documentation = (first, second) == (0x2001, 0xdb8);
    let is_site_local = first & 0xffc0 == 0xfec0;
    if is_unique_local || is_documentation || is_site_local { Reach::Network } else { Reach::Public }
}

/// The IPv4 address that an IPv6 one stands for: mapped, compatible, NAT64 and 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0] if address != Ipv6Addr::LOCALHOST && address != Ipv6Addr::UNSPECIFIED => Some(v4(g, h)),
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => Some(v4(g, h)),
        [0x2002, ..] => Some(v4(b, c)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(patterns: &[&str], host: &str, port: u16) -> Option<Reach> {
        Allowed::parse(patterns.iter().copied()).unwrap().reach(host, port)
    }

    #[test]
    fn names_match_whole_and_suffixes_below() {
        assert_eq!(reach(&["example.org"], "EXAMPLE.org.", 443), Some(Reach::Network));
        assert_eq!(reach(&["example.org"], "a.example.org", 443), None);
        assert_eq!(reach(&["example.org"], "badexample.org", 443), None);
        assert_eq!(reach(&["*.example.org"], "a.b.example.org", 80), Some(Reach::Public));
        assert_eq!(reach(&["*.example.org"], "example.org", 80), None);
        assert_eq!(reach(&["*.example.org"], "badexample.org", 80), None);
        assert_eq!(reach(&[], "example.org", 80), None);
    }

    #[test]
    fn ports_are_the_webs_unless_given() {
        assert_eq!(reach(&["example.org"], "example.org", 22), None);
        assert_eq!(reach(&["example.org:22"], "example.org", 22), Some(Reach::Network));
        assert_eq!(reach(&["example.org:22"], "example.org", 443), None);
        assert_eq!(reach(&["[::1]:8080"], "[::1]", 8080), Some(Reach::Machine));
        assert_eq!(reach(&["127.0.0.1:8080"], "127.0.0.1", 8080), Some(Reach::Machine));
        assert_eq!(reach(&["127.0.0.1:8080"], "127.0.0.2", 8080), None);
    }

    #[test]
    fn addresses_of_this_machine_need_to_be_named() {
        let machine =
            ["127.0.0.1", "0.0.0.0", "169.254.169.254", "::1", "::", "fe80::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"];
        for address in machine.map(|text| text.parse::<IpAddr>().unwrap()) {
            assert!(!Reach::Network.includes(address), "{address}");
            assert!(Reach::Machine.includes(address), "{address}");
        }
        for address in ["10.1.2.3", "192.168.0.1", "172.16.0.1", "100.64.0.1", "fd00::1", "2002:a00:1::"] {
            let address = address.parse::<IpAddr>().unwrap();
            assert!(!Reach::Public.includes(address), "{address}");
            assert!(Reach::Network.includes(address), "{address}");
        }
        for address in ["1.1.1.1", "2606:4700::1111"] {
            assert!(Reach::Public.includes(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "*", "*.", "a b", "http://x", "x:99999", "x:0", ".x", "x..y", "*x.org", "x/y"] {
            assert_eq!(Allowed::parse([text]).err(), Some(Malformed(text.to_owned())), "{text}");
        }
    }
}
