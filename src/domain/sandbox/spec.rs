//! What somebody asks of the sandbox, in the same words for everybody: the person's configuration, a workflow, a task, a role.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};

use super::allowance::{Caches, GitAccess};

/// The pattern that stands for every host.
const ALL: &str = "*";

/// Hosts that commands may reach, through the engine's proxy. Empty: no network at all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "BTreeSet<String>")]
pub struct Hosts(BTreeSet<String>);

impl From<BTreeSet<String>> for Hosts {
    fn from(patterns: BTreeSet<String>) -> Self {
        Self::of(patterns)
    }
}

impl Hosts {
    /// These patterns: `host`, `host:port`, `*.suffix`, or `*` for a network without any limits.
    pub fn of(patterns: impl IntoIterator<Item = String>) -> Self {
        Self(patterns.into_iter().map(|pattern| pattern.to_ascii_lowercase()).collect())
    }

    /// Whether nothing can be reached.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there are no limits.
    pub fn is_all(&self) -> bool {
        self.0.contains(ALL)
    }

    /// The patterns, in order.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Adds those of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }

    /// The patterns of `self` that `other` does not cover.
    pub fn beyond(&self, other: &Self) -> Vec<&str> {
        self.patterns().filter(|pattern| !other.patterns().any(|allowed| covers(allowed, pattern))).collect()
    }

    /// What both allow.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let within = |some: &Self, of: &Self| {
            let inside = |pattern: &&str| of.patterns().any(|wider| covers(wider, pattern));
            some.patterns().filter(inside).map(str::to_owned).collect::<BTreeSet<String>>()
        };
        Self(within(self, other).into_iter().chain(within(other, self)).collect())
    }

    /// Why `pattern` names no hosts.
    pub fn problem(pattern: &str) -> Option<&'static str> {
        if pattern == ALL {
            return None;
        }
        let (host, port) = split_port(pattern);
        if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
            return Some("the port is not a number from 1 to 65535");
        }
        let name = host.strip_prefix("*.").unwrap_or(host);
        let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
        let is_address = bare.parse::<core::net::IpAddr>().is_ok();
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        let is_name = !name.is_empty() && name.bytes().all(allowed) && !name.starts_with('.') && !name.ends_with('.');
        (!is_address && !is_name).then_some("write a host such as `example.org`, `*.example.org` or `127.0.0.1:8080`")
    }
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_none() {
            true => f.write_str("none"),
            false => f.write_str(&self.patterns().collect::<Vec<_>>().join(", ")),
        }
    }
}

/// Host and port of a pattern; the colons of an IPv6 address without brackets are no port.
fn split_port(pattern: &str) -> (&str, Option<&str>) {
    match pattern.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        Some(_) | None => (pattern, None),
    }
}

/// Whether everything that `pattern` names is named by `wider`, too.
fn covers(wider: &str, pattern: &str) -> bool {
    if wider == ALL {
        return true;
    }
    let ((wide_host, wide_port), (host, port)) = (split_port(wider), split_port(pattern));
    let fits = match wide_host.strip_prefix('*') {
        Some(suffix) => host.strip_prefix('*').unwrap_or(host).ends_with(suffix),
        None => wide_host == host,
    };
    // Without a port a pattern means those of the web.
    let is_web = matches!(port, None | Some("80" | "443"));
    fits && (wide_port == port || (wide_port.is_none() && is_web))
}

/// Bounds on what commands use. `None`: as above it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxLimits {
    /// Memory of a command, in bytes; `8GiB` in files.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "bytes", rename = "memory")]
    pub memory_bytes: Option<u64>,
    /// Processor time of each process, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<u64>,
    /// Processes and threads at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
    /// Open files of each process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
    /// The largest file that can be written, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "bytes", rename = "file_size")]
    pub file_bytes: Option<u64>,
    /// Room in its private temporary folders, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "bytes", rename = "scratch")]
    pub scratch_bytes: Option<u64>,
}

impl SandboxLimits {
    /// Each bound with its name in files.
    pub fn named(&self) -> [(&'static str, Option<u64>); 6] {
        [
            ("memory", self.memory_bytes),
            ("cpu_seconds", self.cpu_seconds),
            ("processes", self.processes),
            ("open_files", self.open_files),
            ("file_size", self.file_bytes),
            ("scratch", self.scratch_bytes),
        ]
    }

    /// These, and of `under` what these do not say.
    #[must_use]
    pub fn over(&self, under: &Self) -> Self {
        self.each(under, Option::or)
    }

    /// The lower of each.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.each(other, |one, other| match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        })
    }

    fn each(&self, other: &Self, pick: impl Fn(Option<u64>, Option<u64>) -> Option<u64>) -> Self {
        Self {
            memory_bytes: pick(self.memory_bytes, other.memory_bytes),
            cpu_seconds: pick(self.cpu_seconds, other.cpu_seconds),
            processes: pick(self.processes, other.processes),
            open_files: pick(self.open_files, other.open_files),
            file_bytes: pick(self.file_bytes, other.file_bytes),
            scratch_bytes: pick(self.scratch_bytes, other.scratch_bytes),
        }
    }
}

/// What is asked of the sandbox. What is not said is as it stands above.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxSpec {
    /// Hosts that may be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Hosts>,
    /// Whether commands may write to the repository itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitAccess>,
    /// Folders that may be written beside the workspace: absolute, `~/...`, or relative to the project's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writable: Option<BTreeSet<String>>,
    /// Paths that may be read although they are hidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readable: Option<BTreeSet<String>>,
    /// Variables that are inherited beside the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeSet<String>>,
    /// Caches of package managers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caches: Option<Caches>,
    /// Bounds on what is used.
    #[serde(default, skip_serializing_if = "is_unbounded")]
    pub limits: SandboxLimits,
}

fn is_unbounded(limits: &SandboxLimits) -> bool {
    *limits == SandboxLimits::default()
}

impl SandboxSpec {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// This, and of `under` what this does not say.
    #[must_use]
    pub fn over(&self, under: &Self) -> Self {
        Self {
            network: self.network.clone().or_else(|| under.network.clone()),
            git: self.git.or(under.git),
            writable: self.writable.clone().or_else(|| under.writable.clone()),
            readable: self.readable.clone().or_else(|| under.readable.clone()),
            env: self.env.clone().or_else(|| under.env.clone()),
            caches: self.caches.or(under.caches),
            limits: self.limits.over(&under.limits),
        }
    }
}

/// A size: a number of bytes, or one with a unit (`512KiB`, `8GiB`, `1.5GB`).
pub fn parse_bytes(text: &str) -> Option<u64> {
    const MOST: f64 = (1_u64 << 53) as f64;
    let text = text.trim();
    let (digits, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let factor: f64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0 * 1024.0,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "t" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let digits = digits.trim();
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let bytes = if plain { (digits.parse::<f64>().ok()? * factor).round() } else { return None };
    (bytes <= MOST).then_some(bytes as u64)
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    struct Bytes;
    impl serde::de::Visitor<'_> for Bytes {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a size such as \"8GiB\"")
        }

        fn visit_u64<E: serde::de::Error>(self, bytes: u64) -> Result<u64, E> {
            Ok(bytes)
        }

        fn visit_i64<E: serde::de::Error>(self, bytes: i64) -> Result<u64, E> {
            u64::try_from(bytes).map_err(|_| E::invalid_value(Unexpected::Signed(bytes), &self))
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u64, E> {
            parse_bytes(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
        }
    }
    deserializer.deserialize_any(Bytes).map(Some).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(patterns: &[&str]) -> Hosts {
        Hosts::of(patterns.iter().map(|pattern| (*pattern).to_owned()))
    }

    #[test]
    fn a_wider_pattern_covers_a_narrower_one() {
        let pairs = [("*", "a.b"), ("*.b", "a.b"), ("*.b", "*.a.b"), ("a.b", "a.b:443"), ("*.b:443", "x.b:443")];
        for (wider, narrower) in pairs {
            assert!(covers(wider, narrower), "{wider} {narrower}");
        }
        for (wider, other) in
            [("*.b", "b"), ("a.b:443", "a.b"), ("a.b", "*"), ("a.b", "a.b:8080"), ("*.b", "a.xb"), ("a.b:1", "a.b:2")]
        {
            assert!(!covers(wider, other), "{wider} {other}");
        }
    }

    #[test]
    fn what_two_sets_of_hosts_share_is_the_narrower_of_each() {
        let both = hosts(&["*.example.org", "a.net"]).and(&hosts(&["www.example.org", "*.net", "other.com"]));
        assert_eq!(both, hosts(&["www.example.org", "a.net"]));
        assert_eq!(hosts(&["a.b"]).beyond(&hosts(&["*.c"])), ["a.b"]);
        assert!(hosts(&["a.b"]).and(&Hosts::default()).is_none());
        assert_eq!(hosts(&["*"]).and(&hosts(&["a.b"])), hosts(&["a.b"]));
    }

    #[test]
    fn nonsense_names_no_host() {
        for good in ["*", "a.b", "*.a.b", "localhost", "127.0.0.1:80", "[::1]:80", "::1", "a_b"] {
            assert_eq!(Hosts::problem(good), None, "{good}");
        }
        for bad in ["", "a b", "http://a", "a:0", "a:x", ".a", "a.", "*a", "a/b", "a:70000"] {
            assert!(Hosts::problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_bytes("8GiB"), Some(8 << 30));
        assert_eq!((parse_bytes("1.5MB"), parse_bytes("17")), (Some(1_500_000), Some(17)));
        for bad in ["", "x", "-1", "1 XB", "GiB", "99999999TiB"] {
            assert_eq!(parse_bytes(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_spec_is_read_from_toml_and_json_alike() {
        let spec: SandboxSpec = serde_json::from_str(
            r#"{"network": ["a.b"], "git": "write", "limits": {"memory": "1GiB", "processes": 7, "scratch": 5}}"#,
        )
        .unwrap();
        assert_eq!(spec.limits.named().map(|(_, value)| value), [Some(1 << 30), None, Some(7), None, None, Some(5)]);
        let again: SandboxSpec = serde_json::from_slice(&serde_json::to_vec(&spec).unwrap()).unwrap();
        assert_eq!(again, spec);
        assert!(serde_json::from_str::<SandboxSpec>(r#"{"nework": []}"#).is_err());
        assert!(serde_json::from_str::<SandboxSpec>(r#"{"limits": {"memory": "much"}}"#).is_err());
    }
}
