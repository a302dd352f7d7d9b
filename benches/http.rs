//! Many who watch one project that makes a thousand events a second: the engine must not notice, and memory is bounded.
//!
//! The project is twenty chains of waits of a tenth of a second, so that its pace is that of its timers. It runs in the built
//! binary once with nobody who watches and once with all of them; what is compared is the time that its journal says it took.
//! The clients stand for other machines, and leave the processor to the server where they can.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]
#![expect(clippy::disallowed_methods, reason = "a bench starts processes and reads its switch")]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};

const CHAINS: usize = 20;
const WAIT_MS: usize = 100;
/// Of the scale on which the promise is made.
const CLIENTS: usize = 1_000;
const SECONDS: usize = 10;
/// How much longer the project may take when it is watched.
const MOST_SLOWER: f64 = 1.10;

struct Server {
    child: Child,
    url: String,
    token: String,
}

/// What a run came to.
struct Run {
    took_ms: u64,
    events: u64,
    memory_mib: u64,
    /// Events that the clients got, all together, and how many of them got all.
    delivered: u64,
    whole: usize,
}

fn wfctl(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wfctl"));
    command.args(arguments).current_dir(home).env_clear().env("HOME", home).env("WFCTL_HOME", home.join("home"));
    command.env("PATH", "/usr/bin:/bin").env("USER", "bench").stdin(Stdio::null());
    command
}

impl Server {
    fn start(home: &Path) -> Self {
        let mut command = wfctl(home, &["serve", "--listen", "127.0.0.1:0", "--rate", "1000000"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a server");
        let mut url = String::new();
        BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut url).expect("its address");
        let token = wfctl(home, &["token", "--role", "admin"]).output().expect("a token").stdout;
        let token = String::from_utf8(token).expect("text").trim().to_owned();
        Self { child, url: url.trim().to_owned(), token }
    }

    async fn ask(&self, client: &reqwest::Client, path: &str) -> Value {
        let answer = client.get(format!("{}{path}", self.url)).bearer_auth(&self.token).send().await;
        answer.expect("an answer").json().await.expect("JSON")
    }

    fn memory_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak.and_then(|peak| peak.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() / 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn workflow(seconds: usize) -> String {
    let mut text = "name: ticks\ntasks:\n".to_owned();
    for chain in 0..CHAINS {
        for at in 0..seconds * 1_000 / WAIT_MS {
            let needs = if at > 0 { format!("needs: [c{chain}-{}], ", at - 1) } else { String::new() };
            // Writing to a string does not fail.
            let _ = writeln!(text, "  c{chain}-{at}: {{{needs}wait: {WAIT_MS}ms}}");
        }
    }
    text
}

/// One client: how many events it got, and whether it heard the end.
async fn watch(client: reqwest::Client, url: String, token: String) -> (u64, bool) {
    let Ok(answer) = client.get(url).bearer_auth(token).send().await else { return (0, false) };
    const EVENT: &[u8] = b"event: record";
    let (mut stream, mut events, mut tail, mut ended) = (answer.bytes_stream(), 0, Vec::new(), false);
    while let Some(Ok(bytes)) = stream.next().await {
        // What is cut between two pieces is counted with the second.
        tail.extend_from_slice(&bytes);
        events += tail.windows(EVENT.len()).filter(|window| *window == EVENT).count() as u64;
        ended |= tail.windows(12).any(|window| window == b"event: ended");
        tail.drain(..tail.len().saturating_sub(EVENT.len() - 1));
    }
    (events, ended)
}

async fn run(seconds: usize, clients: usize) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("workflows")).expect("a folder");
    std::fs::write(folder.path().join("workflows/ticks.yaml"), workflow(seconds)).expect("a file");
    let server = Server::start(folder.path());
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client");
    // They are there before the first event: the project begins when all of them listen.
    let start = client.post(format!("{}/api/v1/projects", server.url)).bearer_auth(&server.token);
    let url = format!("{}/api/v1/projects/p/events", server.url);
    let body = json!({"workflow": "ticks", "id": "p"});
    start.json(&body).send().await.expect("a start").error_for_status().expect("a start that is accepted");
    let watching: Vec<_> =
        (0..clients).map(|_| tokio::spawn(watch(client.clone(), url.clone(), server.token.clone()))).collect();
    let view = loop {
        let view = server.ask(&client, "/api/v1/projects?status=ended").await;
        if view["projects"].get(0).is_some() {
            break server.ask(&client, "/api/v1/projects/p").await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let time = |name: &str| view["project"][name].as_u64().unwrap_or_default();
    let events = view["seq"].as_u64().unwrap_or_default();
    let (mut delivered, mut whole) = (0, 0);
    for client in watching {
        let (got, ended) = client.await.expect("a client that ends");
        delivered += got;
        whole += usize::from(ended && got == events);
    }
    Run { took_ms: time("changed") - time("created"), events, memory_mib: server.memory_mib(), delivered, whole }
}

fn main() {
    let is_smoke = std::env::var_os("WFCTL_BENCH_SMOKE").is_some();
    let (clients, seconds) = if is_smoke { (20, 1) } else { (CLIENTS, SECONDS) };
    // Refused or not: what is measured is the server.
    let _ = rustix::process::nice(10);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let alone = runtime.block_on(run(seconds, 0));
    let watched = runtime.block_on(run(seconds, clients));
    let per_second = |run: &Run| run.events as f64 * 1_000.0 / run.took_ms.max(1) as f64;
    println!(
        "alone                {:>7} ms {:>7.0} events/s {:>5} MiB",
        alone.took_ms,
        per_second(&alone),
        alone.memory_mib
    );
    println!(
        "{:>5} clients        {:>7} ms {:>7.0} events/s {:>5} MiB, {} events delivered, {} clients have all",
        clients,
        watched.took_ms,
        per_second(&watched),
        watched.memory_mib,
        watched.delivered,
        watched.whole
    );
    let slower = watched.took_ms as f64 / alone.took_ms.max(1) as f64;
    println!("watched / alone      {slower:>7.3}        promised <= {MOST_SLOWER}");
    assert_eq!(watched.whole, clients, "a client has a gap, a duplicate, or no end");
    if !is_smoke {
        assert!(slower <= MOST_SLOWER, "whoever watches slows the engine down");
    }
}
