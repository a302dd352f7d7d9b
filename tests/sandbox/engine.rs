//! Something that answers as an engine for containers does, on a socket of its own: it keeps what it was asked for, and runs
//! the command of a "container" as a plain process of this machine.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

/// The image that it has.
pub const IMAGE: &str = "tools:1";
/// Its id.
pub const IMAGE_ID: &str = "sha256:0123";

/// What it does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    None,
    /// Its kernel does not bound memory: it says so afterwards.
    NoMemoryBound,
    /// It cannot start what it made.
    NoStart,
}

/// One that answers until it is dropped.
pub struct Engine {
    pub socket: PathBuf,
    state: Arc<State>,
    _dir: tempfile::TempDir,
}

struct State {
    flaw: Flaw,
    asked: Mutex<Vec<String>>,
    containers: Mutex<BTreeMap<String, Container>>,
    changed: Condvar,
}

#[derive(Default)]
struct Container {
    body: Value,
    attached: Option<UnixStream>,
    group: Option<i32>,
    code: Option<i32>,
}

impl Engine {
    pub fn start(flaw: Flaw) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("engine.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let state =
            Arc::new(State { flaw, asked: Mutex::default(), containers: Mutex::default(), changed: Condvar::new() });
        let answering = Arc::clone(&state);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let state = Arc::clone(&answering);
                std::thread::spawn(move || state.answer(connection));
            }
        });
        Self { socket, state, _dir: dir }
    }

    /// Everything that it was asked, as `METHOD /path`.
    pub fn asked(&self) -> Vec<String> {
        self.state.asked.lock().unwrap().clone()
    }

    /// How often it was asked for something that begins so.
    pub fn count(&self, beginning: &str) -> usize {
        self.asked().iter().filter(|line| line.starts_with(beginning)).count()
    }

    /// The containers that there are.
    pub fn names(&self) -> Vec<String> {
        self.state.containers.lock().unwrap().keys().cloned().collect()
    }

    /// Puts one there that an earlier engine of ours made.
    pub fn leave(&self, name: &str, labels: &Value) {
        let container = Container { body: json!({ "Labels": labels, "HostConfig": {} }), ..Container::default() };
        self.state.containers.lock().unwrap().insert(name.to_owned(), container);
    }

    /// What it was asked to make last.
    pub fn last_body(&self) -> Value {
        let asked = self.asked();
        let line = asked.iter().rev().find_map(|line| line.strip_prefix("BODY ")).unwrap();
        serde_json::from_str(line).unwrap()
    }
}

impl State {
    fn answer(self: &Arc<Self>, connection: UnixStream) {
        let mut reader = BufReader::new(connection.try_clone().unwrap());
        let Some((method, target, body)) = request(&mut reader) else { return };
        self.asked.lock().unwrap().push(format!("{method} {target}"));
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && !part.starts_with("v1.")).collect();
        let reply = match (&*method, &*parts) {
            ("GET", ["version"]) => (200, json!({ "Version": "9.9", "ApiVersion": "1.41", "Components": [] })),
            ("GET", ["info"]) => (200, json!({ "SecurityOptions": ["name=seccomp,profile=builtin"] })),
            ("GET", ["images", image, "json"]) if image.replace("%3A", ":") == IMAGE => {
                (200, json!({ "Id": IMAGE_ID, "Config": { "Volumes": { "/data": {} } } }))
            }
            ("GET", ["containers", "json"]) => (200, self.listed(query)),
            ("POST", ["containers", "create"]) => self.create(query, body),
            ("GET", ["containers", name, "json"]) => self.inspect(name),
            ("POST", ["containers", name, "attach"]) => return self.attach(name, connection),
            ("POST", ["containers", name, "start"]) => self.start(name),
            ("POST", ["containers", name, "wait"]) => self.wait(name),
            ("POST", ["containers", name, "kill"]) => self.kill(name, query),
            ("DELETE", ["containers", name]) => self.remove(name),
            _ => (404, json!({ "message": format!("nothing at {target}") })),
        };
        say(connection, reply);
    }

    fn listed(&self, query: &str) -> Value {
        let all = self.containers.lock().unwrap();
        let wanted = |it: &(&String, &Container)| {
            let labels = it.1.body["Labels"].as_object().unwrap();
            labels.iter().any(|(name, value)| query.contains(&format!("{name}%3D{}", value.as_str().unwrap())))
        };
        let told = |(name, it): (&String, &Container)| json!({ "Id": name, "Labels": it.body["Labels"] });
        all.iter().filter(wanted).map(told).collect()
    }

    fn create(&self, query: &str, body: Value) -> (u16, Value) {
        self.asked.lock().unwrap().push(format!("BODY {body}"));
        let name = query.split('&').find_map(|pair| pair.strip_prefix("name=")).unwrap().to_owned();
        let container = Container { body, ..Container::default() };
        self.containers.lock().unwrap().insert(name.clone(), container);
        (201, json!({ "Id": name, "Warnings": [] }))
    }

    fn inspect(&self, name: &str) -> (u16, Value) {
        let all = self.containers.lock().unwrap();
        let Some(container) = all.get(name) else { return gone(name) };
        let mut config = container.body["HostConfig"].clone();
        if self.flaw == Flaw::NoMemoryBound {
            config["Memory"] = json!(0);
        }
        (200, json!({ "Id": name, "HostConfig": config, "State": { "OOMKilled": false } }))
    }

    fn attach(&self, name: &str, mut connection: UnixStream) {
        connection.write_all(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n").unwrap();
        self.containers.lock().unwrap().get_mut(name).unwrap().attached = Some(connection);
    }

    fn start(self: &Arc<Self>, name: &str) -> (u16, Value) {
        if self.flaw == Flaw::NoStart {
            return (500, json!({ "message": "no room on the device" }));
        }
        let mut all = self.containers.lock().unwrap();
        let Some(container) = all.get_mut(name) else { return gone(name) };
        let body = &container.body;
        let words = |key: &str| -> Vec<String> { serde_json::from_value(body[key].clone()).unwrap() };
        let (program, arguments, env) = (words("Entrypoint"), words("Cmd"), words("Env"));
        let env = env.iter().filter_map(|pair| pair.split_once('='));
        let mut command = Command::new(&program[0]);
        command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").envs(env).process_group(0);
        command.current_dir(body["WorkingDir"].as_str().unwrap()).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        container.group = Some(i32::try_from(child.id()).unwrap());
        let attached = Arc::new(Mutex::new(container.attached.take().unwrap()));
        let copy = |mut from: Box<dyn std::io::Read + Send>, number: u8| {
            let to = Arc::clone(&attached);
            std::thread::spawn(move || {
                let mut chunk = [0; 4096];
                while let Ok(bytes @ 1..) = from.read(&mut chunk) {
                    let mut frame = vec![number, 0, 0, 0];
                    frame.extend(u32::try_from(bytes).unwrap().to_be_bytes());
                    frame.extend(&chunk[..bytes]);
                    let _gone = to.lock().unwrap().write_all(&frame);
                }
            })
        };
        let out = copy(Box::new(child.stdout.take().unwrap()), 1);
        let err = copy(Box::new(child.stderr.take().unwrap()), 2);
        // Nobody outlives the first process of a container.
        let (state, name) = (Arc::clone(self), name.to_owned());
        std::thread::spawn(move || {
            let status = child.wait().unwrap();
            kill(Some(i32::try_from(child.id()).unwrap()), Signal::KILL);
            out.join().unwrap();
            err.join().unwrap();
            let _gone = attached.lock().unwrap().shutdown(std::net::Shutdown::Both);
            let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap());
            if let Some(container) = state.containers.lock().unwrap().get_mut(&name) {
                container.code = Some(code);
            }
            state.changed.notify_all();
        });
        (204, Value::Null)
    }

    fn wait(&self, name: &str) -> (u16, Value) {
        let mut all = self.containers.lock().unwrap();
        loop {
            match all.get(name) {
                None => return gone(name),
                Some(Container { code: Some(code), .. }) => return (200, json!({ "StatusCode": code })),
                Some(_) => all = self.changed.wait(all).unwrap(),
            }
        }
    }

    fn kill(&self, name: &str, query: &str) -> (u16, Value) {
        let all = self.containers.lock().unwrap();
        let Some(container) = all.get(name) else { return gone(name) };
        let signal = if query.contains("SIGTERM") { Signal::TERM } else { Signal::CONT };
        kill(container.group.filter(|_| container.code.is_none()), signal);
        (204, Value::Null)
    }

    fn remove(&self, name: &str) -> (u16, Value) {
        let removed = self.containers.lock().unwrap().remove(name);
        self.changed.notify_all();
        match removed {
            None => gone(name),
            Some(container) => {
                kill(container.group.filter(|_| container.code.is_none()), Signal::KILL);
                (204, Value::Null)
            }
        }
    }
}

fn kill(group: Option<i32>, signal: Signal) {
    if let Some(group) = group.and_then(Pid::from_raw) {
        let _gone = kill_process_group(group, signal);
    }
}

fn gone(name: &str) -> (u16, Value) {
    (404, json!({ "message": format!("No such container: {name}") }))
}

/// Method, target and body of the request; `None`: whoever connected only looked whether somebody listens.
fn request(reader: &mut BufReader<UnixStream>) -> Option<(String, String, Value)> {
    let mut line = String::new();
    let mut length = 0;
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((method, target, serde_json::from_slice(&body).unwrap_or_default()))
}

fn say(mut connection: UnixStream, (code, body): (u16, Value)) {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!("HTTP/1.1 {code} SAID\r\nContent-Type: application/json\r\nConnection: close\r\n");
    // Whoever asked may be dead by now: that is what some tests are about.
    let _gone = write!(connection, "{head}Content-Length: {}\r\n\r\n{text}", text.len());
}
