//! Many who watch one project that makes a thousand events a second: the engine must not notice, and memory is bounded. Then what it
//! costs to tell a webhook of all records.
//!
//! The project is twenty-six chains of waits of a tenth of a second, so that its pace is that of its timers. It runs in the built
//! binary with nobody who watches, with all of them, and with a webhook; what is compared is the time that its journal says it took.
//! The clients follow it from its first record, and the last of them come while it runs. They stand for other machines, and leave the
//! processor to the server where they can. The processor time is that of the server alone, its start and the wait for its end included.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]
#![expect(clippy::disallowed_methods, reason = "a bench starts processes and reads its switch")]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};

const CHAINS: usize = 26;
const WAIT_MS: usize = 100;
/// Of the scale on which the promise is made.
const CLIENTS: usize = 1_000;
const SECONDS: usize = 10;
/// How much longer the project may take when it is watched.
const MOST_SLOWER: f64 = 1.10;
/// Memory of the server at its peak that one client may account for.
const MOST_CLIENT_KIB: u64 = 256;
/// What the kernel counts processor time in.
const TICKS_A_SECOND: f64 = 100.0;

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
    /// Processor time of the server, in seconds.
    cpu_s: f64,
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

    fn cpu_s(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // Behind the name, which may hold anything: fields 14 and 15 of the whole.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        fields.iter().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_A_SECOND
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

/// A webhook that takes everything and counts; its address.
async fn hook(taken: Arc<AtomicU64>) -> String {
    let take = move || {
        taken.fetch_add(1, Ordering::Relaxed);
        async { axum::http::StatusCode::NO_CONTENT }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("its address"));
    tokio::spawn(async { axum::serve(listener, axum::Router::new().route("/hook", axum::routing::post(take))).await });
    url
}

/// Has every record told to `url`.
fn tell(home: &Path, url: &str) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let config = home.join(".config/wfctl");
    std::fs::create_dir_all(&config).expect("a folder");
    let text =
        format!("[[bus.webhook]]\nname = \"hook\"\nurl = \"{url}\"\nsecret = \"HOOK\"\nevents = [\"audit.logs\"]\n");
    std::fs::write(config.join("config.toml"), text).expect("a file");
    let mut file = std::fs::File::options().create_new(true).write(true).mode(0o600).open(config.join("secrets.toml"));
    let secret = b"HOOK = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n";
    std::io::Write::write_all(file.as_mut().expect("a file"), secret).expect("a file");
}

async fn run(seconds: usize, clients: usize, hook: Option<&str>) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    hook.into_iter().for_each(|url| tell(folder.path(), url));
    std::fs::create_dir(folder.path().join("workflows")).expect("a folder");
    std::fs::write(folder.path().join("workflows/ticks.yaml"), workflow(seconds)).expect("a file");
    let server = Server::start(folder.path());
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client");
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
    let (memory_mib, cpu_s) = (server.memory_mib(), server.cpu_s());
    Run { took_ms: time("changed") - time("created"), events, memory_mib, cpu_s, delivered, whole }
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
    let taken = Arc::<AtomicU64>::default();
    let hook = runtime.block_on(hook(taken.clone()));
    let alone = runtime.block_on(run(seconds, 0, None));
    let watched = runtime.block_on(run(seconds, clients, None));
    let told = runtime.block_on(run(seconds, 0, Some(&hook)));
    let line = |what: &str, run: &Run, more: String| {
        let per_second = run.events as f64 * 1_000.0 / run.took_ms.max(1) as f64;
        let ms_per_event = run.cpu_s * 1_000.0 / run.events.max(1) as f64;
        println!(
            "{what:<20} {:>7} ms {per_second:>7.0} events/s {:>5} MiB {:>6.1} s CPU, {ms_per_event:.2} ms an event{more}",
            run.took_ms, run.memory_mib, run.cpu_s
        );
    };
    line("alone", &alone, String::new());
    let got = format!("; {} events delivered, {} clients have all", watched.delivered, watched.whole);
    line(&format!("{clients} clients"), &watched, got);
    line("a webhook", &told, format!("; {} posted when the project had ended", taken.load(Ordering::Relaxed)));
    let slower = |run: &Run| run.took_ms as f64 / alone.took_ms.max(1) as f64;
    println!("watched / alone      {:>7.3}        promised <= {MOST_SLOWER}", slower(&watched));
    println!("told / alone         {:>7.3}        promised <= {MOST_SLOWER}", slower(&told));
    let client_kib = watched.memory_mib.saturating_sub(alone.memory_mib) * 1024 / clients as u64;
    println!("memory of a client   {client_kib:>7} KiB    promised <= {MOST_CLIENT_KIB}");
    assert_eq!(watched.whole, clients, "a client has a gap, a duplicate, or no end");
    assert!(taken.load(Ordering::Relaxed) > 0, "nobody was told of anything");
    if !is_smoke {
        assert!(slower(&watched) <= MOST_SLOWER, "whoever watches slows the engine down");
        assert!(slower(&told) <= MOST_SLOWER, "whoever is told slows the engine down");
        assert!(client_kib <= MOST_CLIENT_KIB, "clients cost more memory than was promised");
    }
}
