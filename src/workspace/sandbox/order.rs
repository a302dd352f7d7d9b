//! What the engine tells the stage to do: the whole of one contained command. Written into a memory file by the engine, read
//! by both parts of the stage.
//!
//! The form is pairs of key and value, each ended by a null byte: paths, arguments and variables are bytes without one, and
//! the stage must start without a parser's cost.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use super::container::Container;
use super::plan::{Entry, How};
use super::policy::Limits;

/// Who makes the mounts and namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Maker {
    /// The stage itself.
    Native,
    /// bubblewrap, at this path.
    Bwrap(PathBuf),
    /// An engine that makes containers.
    Container(Box<Container>),
}

/// One contained command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub maker: Maker,
    pub program: PathBuf,
    pub name: OsString,
    pub arguments: Vec<OsString>,
    pub env: Vec<(OsString, OsString)>,
    pub dir: PathBuf,
    pub plan: Vec<Entry>,
    pub private_network: bool,
    /// Where the proxy listens, on the host and inside.
    pub proxy: Option<PathBuf>,
    pub limits: Limits,
    /// Files to write one's own pid to, to join control groups that bound memory and processes.
    pub groups: Vec<PathBuf>,
    /// Which of the two bounds control groups hold.
    pub bounded: Bounded,
}

/// What control groups hold, so that the stage need not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bounded {
    pub memory: bool,
    pub processes: bool,
}

const HOWS: [(&str, How); 5] = [
    ("scratch", How::Scratch),
    ("hidden-folder", How::HiddenFolder),
    ("hidden-file", How::HiddenFile),
    ("read-only", How::ReadOnly),
    ("writable", How::Writable),
];

impl Order {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Pairs(Vec::new());
        match &self.maker {
            Maker::Native => {}
            Maker::Bwrap(path) => out.put("bwrap", path.as_os_str().as_bytes()),
            Maker::Container(it) => it.pairs().iter().for_each(|(key, value)| out.put(key, value.as_bytes())),
        }
        out.put("program", self.program.as_os_str().as_bytes());
        out.put("name", self.name.as_bytes());
        self.arguments.iter().for_each(|argument| out.put("argument", argument.as_bytes()));
        for (name, value) in &self.env {
            out.put("variable", name.as_bytes());
            out.put("value", value.as_bytes());
        }
        out.put("dir", self.dir.as_os_str().as_bytes());
        for entry in &self.plan {
            let key = HOWS.iter().find(|(_, how)| *how == entry.how).map_or("read-only", |(key, _)| key);
            out.put(key, entry.path.as_os_str().as_bytes());
        }
        if self.private_network {
            out.put("private-network", b"");
        }
        if let Some(socket) = &self.proxy {
            out.put("proxy", socket.as_os_str().as_bytes());
        }
        for (key, value) in limits(&self.limits) {
            if let Some(value) = value {
                out.put(key, value.to_string().as_bytes());
            }
        }
        self.groups.iter().for_each(|file| out.put("group", file.as_os_str().as_bytes()));
        if self.bounded.memory {
            out.put("memory-bounded", b"");
        }
        if self.bounded.processes {
            out.put("processes-bounded", b"");
        }
        out.0
    }

    /// Reads it back; `None`: not the bytes of an order.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut order = Self {
            maker: Maker::Native,
            program: PathBuf::new(),
            name: OsString::new(),
            arguments: Vec::new(),
            env: Vec::new(),
            dir: PathBuf::new(),
            plan: Vec::new(),
            private_network: false,
            proxy: None,
            limits: Limits::default(),
            groups: Vec::new(),
            bounded: Bounded::default(),
        };
        let mut parts = bytes.strip_suffix(b"\0")?.split(|byte| *byte == 0);
        while let Some(key) = parts.next() {
            let key = std::str::from_utf8(key).ok()?;
            let value = OsString::from_vec(parts.next()?.to_vec());
            if let Some((_, how)) = HOWS.iter().find(|(name, _)| *name == key) {
                order.plan.push(Entry { path: value.into(), how: *how });
                continue;
            }
            if key.starts_with("container-") {
                order.container().take(key, &value)?;
                continue;
            }
            match key {
                "bwrap" => order.maker = Maker::Bwrap(value.into()),
                "program" => order.program = value.into(),
                "name" => order.name = value,
                "argument" => order.arguments.push(value),
                "variable" => order.env.push((value, OsString::new())),
                "value" => order.env.last_mut()?.1 = value,
                "dir" => order.dir = value.into(),
                "private-network" => order.private_network = true,
                "proxy" => order.proxy = Some(value.into()),
                "group" => order.groups.push(value.into()),
                "memory-bounded" => order.bounded.memory = true,
                "processes-bounded" => order.bounded.processes = true,
                _ => *limit(&mut order.limits, key)? = Some(value.to_str()?.parse().ok()?),
            }
        }
        Some(order)
    }

    fn container(&mut self) -> &mut Container {
        if !matches!(self.maker, Maker::Container(_)) {
            self.maker = Maker::Container(Box::default());
        }
        match &mut self.maker {
            Maker::Container(container) => container,
            Maker::Native | Maker::Bwrap(_) => unreachable!("it was made a container's above"),
        }
    }
}

fn limits(limits: &Limits) -> [(&'static str, Option<u64>); 6] {
    let Limits { memory_bytes, cpu_seconds, processes, open_files, file_bytes, disk_bytes } = *limits;
    [
        ("memory", memory_bytes),
        ("cpu", cpu_seconds),
        ("processes", processes),
        ("open-files", open_files),
        ("file-bytes", file_bytes),
        ("disk", disk_bytes),
    ]
}

fn limit<'l>(limits: &'l mut Limits, key: &str) -> Option<&'l mut Option<u64>> {
    Some(match key {
        "memory" => &mut limits.memory_bytes,
        "cpu" => &mut limits.cpu_seconds,
        "processes" => &mut limits.processes,
        "open-files" => &mut limits.open_files,
        "file-bytes" => &mut limits.file_bytes,
        "disk" => &mut limits.disk_bytes,
        _ => return None,
    })
}

struct Pairs(Vec<u8>);

impl Pairs {
    fn put(&mut self, key: &str, value: &[u8]) {
        for part in [key.as_bytes(), value] {
            self.0.extend_from_slice(part);
            self.0.push(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::container::Engine;
    use super::*;

    #[test]
    fn an_order_survives_the_way() {
        let order = Order {
            maker: Maker::Bwrap("/usr/bin/bwrap".into()),
            program: "/bin/sh".into(),
            name: "sh".into(),
            arguments: vec!["-c".into(), OsString::from_vec(b"echo \xff\n".to_vec()), "".into()],
            env: vec![("A".into(), "".into()), ("B".into(), "x=y".into())],
            dir: "/work".into(),
            plan: HOWS.map(|(key, how)| Entry { path: PathBuf::from(format!("/{key}")), how }).into(),
            private_network: true,
            proxy: Some("/s".into()),
            limits: Limits {
                memory_bytes: Some(1),
                cpu_seconds: Some(2),
                processes: Some(3),
                open_files: Some(4),
                file_bytes: Some(5),
                disk_bytes: Some(u64::MAX),
            },
            groups: vec!["/sys/fs/cgroup/x/cgroup.procs".into()],
            bounded: Bounded { memory: true, processes: true },
        };
        let engine = Engine {
            product: "docker".to_owned(),
            version: "1.2".to_owned(),
            socket: "/run/x".into(),
            image: "sha256:1".to_owned(),
            volumes: vec!["/data".into(), "/more".into()],
            user: "1:2".to_owned(),
            keeps_ids: true,
            filters_calls: true,
        };
        let container = Container { engine, name: "n".to_owned(), labels: vec![("a".to_owned(), "b".to_owned()); 2] };
        let contained = Order { maker: Maker::Container(Box::new(container)), ..order.clone() };
        for order in [order, contained] {
            assert_eq!(Order::decode(&order.encode()), Some(order));
        }
    }

    #[test]
    fn what_is_no_order_is_refused() {
        for bytes in [&b""[..], b"program", b"nonsense\0x\0", b"memory\0much\0", b"value\0x\0", b"dir\0"] {
            assert_eq!(Order::decode(bytes), None, "{bytes:?}");
        }
    }
}
