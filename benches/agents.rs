//! Many agents at once, wired as the product wires them: what a call of a model costs beside the model, memory and CPU time per
//! agent, and a thousand scripted agents in one process.
//!
//! The overhead of a call is measured at the server: the time between two requests of one agent, less what the same time is for a
//! client that only sends the same bodies, in the same run, as many at once and begun at the same moments.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]
#![expect(clippy::disallowed_methods, reason = "a bench measures wall time and starts its server")]

#[path = "support/endpoint.rs"]
mod endpoint;
#[expect(dead_code, reason = "a bench needs less of it than the tests")]
#[path = "../tests/model_server/mod.rs"]
mod model_server;
mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use endpoint::{Arrivals, Endpoint, file, judgement, of_agent, who};
use support::{head, memory_mib, ms, ratio, report, scaled};
use wfctl::app::{App, Need};
use wfctl::config::{Environment, Key};
use wfctl::domain::ids::ProjectId;
use wfctl::domain::workflow::{Definition, ModelsSpec, NoChildren, ProviderSpec, read};
use wfctl::engine::Handle;
use wfctl::interfaces::api::StartRequest;

/// What the server takes for an answer.
const DELAY: Duration = Duration::from_millis(500);
/// What a scripted answer takes.
const SCRIPTED_DELAY: Duration = Duration::from_millis(200);

/// A home, a small repository, and the product over them.
struct Rig {
    folder: tempfile::TempDir,
    app: App,
    models: ModelsSpec,
}

/// What a run took.
struct Ran {
    wall: Duration,
    cpu: Duration,
    /// More than before, at most.
    memory_mib: u64,
}

impl Rig {
    fn new(agents: usize, files: usize, provider: impl FnOnce(&Path) -> ProviderSpec) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let home = folder.path().join("home");
        let environment = Environment::of([("PATH", "/usr/local/bin:/usr/bin:/bin"), ("USER", "bench")]);
        let flags = [(Key::Workers, "--workers", agents.to_string())];
        let app = App::new(environment, Some(home), &flags).expect("settings that are valid");
        let contents: Vec<(String, String)> = (0..files).map(|number| (file(number), text(number))).collect();
        let contents: Vec<(&str, &str)> = contents.iter().map(|(path, text)| (&**path, &**text)).collect();
        let repository = folder.path().join("repository");
        app.make_repository(&repository, &contents, "into").expect("a repository");
        let models = ModelsSpec {
            default: vec!["bench/model".to_owned()],
            providers: [("bench".to_owned(), provider(folder.path()))].into(),
            ..ModelsSpec::default()
        };
        Self { folder, app, models }
    }

    fn request(&self, number: usize) -> StartRequest {
        let repository = self.folder.path().join("repository");
        StartRequest {
            id: Some(id(number)),
            definition: Definition { models: self.models.clone(), ..definition(number) },
            inputs: Default::default(),
            env: Default::default(),
            base_dir: repository.to_str().expect("a path that is text").to_owned(),
            source: None,
            base_commit: Some(self.app.base_commit(&repository).expect("a commit")),
        }
    }

    /// Starts all agents at once and waits for the last one's end.
    async fn run(&self, agents: usize) -> Ran {
        let session = self.app.open(Need::Drive, "bench").await.expect("a home of our own");
        let mut handle: Handle = session.engine().expect("we are the engine").clone();
        let (_, before_mib) = memory_mib();
        let (began, cpu) = (Instant::now(), cpu_time());
        let starts: Vec<_> = (0..agents).map(|number| self.request(number)).collect();
        let starts = starts.into_iter().map(|start| session.home().start(start));
        for started in futures_util::future::join_all(starts).await {
            started.expect("a start that is accepted");
        }
        let (mut peak_mib, mut looks) = (before_mib, tokio::time::interval(Duration::from_millis(50)));
        while handle.progress().driven > 0 {
            tokio::select! {
                alive = handle.changed() => assert!(alive, "the engine ended"),
                _ = looks.tick() => peak_mib = peak_mib.max(memory_mib().1),
            }
        }
        let ran = Ran { wall: began.elapsed(), cpu: cpu_time() - cpu, memory_mib: peak_mib.saturating_sub(before_mib) };
        for number in 0..agents {
            let status = handle.archive().summary(&id(number)).expect("a summary").status;
            assert_eq!(status.name(), "DONE", "{}: {:?}", id(number), session.home().why(&id(number)).await);
        }
        drop(handle);
        assert_eq!(session.close().await, None, "the engine ends in order");
        ran
    }
}

fn id(number: usize) -> ProjectId {
    ProjectId::new(&format!("p{number}")).expect("a valid id")
}

fn definition(number: usize) -> Definition {
    let who = who(number);
    let text = format!("name: bench\nworkspace: worktree\ntasks: {{judge: {{agent: critic, with: {{who: {who}}}}}}}\n");
    read(text.as_bytes(), "bench.yaml", &NoChildren).expect("a valid workflow").0
}

/// A source file; every fourth one is too long to stay inline in the journal.
fn text(number: usize) -> String {
    let lines = if number % 4 == 3 { 200 } else { 40 };
    (0..lines).map(|line| format!("pub fn f_{number}_{line}() -> usize {{ {line} }}\n")).collect()
}

/// User and system time of this process, in the kernel's hundredths of a second.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program may have spaces; what follows its bracket has none. Fields 14 and 15 are the 12th and 13th of it.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// The same requests from a client that does nothing else, each agent's first one `after` as long as the product's.
async fn floor(base_url: &str, bodies: &[String], after: &[Duration]) -> Duration {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url: Arc<str> = format!("{base_url}/chat/completions").into();
    let bodies: Arc<[String]> = bodies.into();
    let cpu = cpu_time();
    let agents = after.iter().enumerate().map(|(number, after)| {
        let (client, url, bodies, after) = (client.clone(), url.clone(), bodies.clone(), *after);
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            for body in bodies.iter() {
                let request = client.post(&*url).header("content-type", "application/json");
                let mut answer = request.body(of_agent(body, number)).send().await.expect("an answer");
                while answer.chunk().await.expect("an answer to its end").is_some() {}
            }
        })
    });
    for agent in agents.collect::<Vec<_>>() {
        agent.await.expect("a task that ends");
    }
    cpu_time() - cpu
}

fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

/// One run of many agents against the server, and its floor.
struct Round {
    ran: Ran,
    ours: Arrivals,
    floor: Arrivals,
    floor_cpu: Duration,
    /// Kept to the end: for five seconds ext4 avoids the inodes of removed files, and whoever creates files then looks for others
    /// one by one.
    _rig: Rig,
}

impl Round {
    fn new(runtime: &tokio::runtime::Runtime, agents: usize, turns: usize) -> Self {
        let mut endpoint = Endpoint::start(DELAY, turns);
        let base_url = endpoint.base_url.clone();
        let provider = ProviderSpec { base_url: Some(base_url.clone()), free: true, ..ProviderSpec::default() };
        let rig = Rig::new(agents, turns, |_| provider);
        endpoint.begin();
        let ran = runtime.block_on(rig.run(agents));
        let (ours, bodies) = (endpoint.arrivals(), endpoint.bodies());
        endpoint.begin();
        let floor_cpu = runtime.block_on(floor(&base_url, &bodies, &ours.first()));
        let floor = endpoint.arrivals();
        endpoint.close();
        Self { ran, ours, floor, floor_cpu, _rig: rig }
    }

    fn overhead(&self, percent: usize) -> Duration {
        quantile(&self.ours.gaps(), percent).saturating_sub(quantile(&self.floor.gaps(), 50))
    }

    fn tell(&self, agents: usize, memory_mib: u64) {
        let (gaps, floor) = (self.ours.gaps(), self.floor.gaps());
        let calls = gaps.len() + agents;
        let speaking = self.ours.first().into_iter().max().unwrap_or_default();
        let per_call = self.ran.cpu / u32::try_from(calls).expect("a small number");
        let each = quantile(&gaps, 50);
        report(
            &format!("{agents} agents: overhead of a call"),
            &format!("median {}, p95 {}", ms(self.overhead(50)), ms(self.overhead(95))),
            &format!(
                "{} of {} (p95 {})",
                ratio(each, quantile(&floor, 50)),
                ms(quantile(&floor, 50)),
                ms(quantile(&floor, 95))
            ),
            "<= 5 ms",
            "2 ms",
        );
        let line = |what: &str, measured: &str| report(&format!("{agents} agents: {what}"), measured, "-", "-", "-");
        line("all of them speak", &format!("after {}", ms(speaking)));
        line("calls", &format!("{:.0}/s", calls as f64 / self.ran.wall.as_secs_f64()));
        let cpu = |time: Duration| format!("{:.2} s", time.as_secs_f64() * 1e3 / calls as f64);
        report(
            &format!("{agents} agents: CPU time of 1,000 calls"),
            &cpu(self.ran.cpu),
            &format!("{} of {}", ratio(self.ran.cpu, self.floor_cpu), cpu(self.floor_cpu)),
            "-",
            "-",
        );
        line("agents per core", &format!("{:.0}", each.as_secs_f64() / per_call.as_secs_f64()));
        line("memory of an agent", &format!("{:.2} MiB", memory_mib as f64 / agents as f64));
    }
}

fn against_a_server(runtime: &tokio::runtime::Runtime) {
    let (agents, turns) = (scaled(200, 8), scaled(16, 2));
    let mut rounds: Vec<Round> = (0..scaled(3, 1)).map(|_| Round::new(runtime, agents, turns)).collect();
    // Whatever else the machine does only adds to it: the quietest round tells most.
    rounds.sort_by_key(|round| round.overhead(50));
    // Later rounds use again what the allocator kept of the first.
    let memory_mib = rounds.iter().map(|round| round.ran.memory_mib).max().unwrap_or_default();
    rounds[0].tell(agents, memory_mib);
    let medians: Vec<String> = rounds.iter().map(|round| ms(round.overhead(50))).collect();
    println!("(median overhead of each round: {})", medians.join(", "));
}

/// A script for all agents.
fn script(folder: &Path, turns: usize) -> ProviderSpec {
    let delay_ms = SCRIPTED_DELAY.as_millis();
    let mut text = "conversations:\n  - role: critic\n    turns:\n".to_owned();
    for turn in 0..turns {
        let path = file(turn);
        text.push_str(&format!("      - delay_ms: {delay_ms}\n        calls: [{{read_file: {{path: {path}}}}}]\n"));
    }
    text.push_str(&format!("      - delay_ms: {delay_ms}\n        calls: [{{finish: {}}}]\n", judgement()));
    let path = folder.join("script.yaml");
    std::fs::write(&path, text).expect("a writable folder");
    let path = path.to_str().expect("a path that is text").to_owned();
    ProviderSpec { script: Some(path), free: true, ..ProviderSpec::default() }
}

fn scripted(runtime: &tokio::runtime::Runtime) {
    let (agents, turns) = (scaled(1_000, 20), scaled(15, 2));
    let rig = Rig::new(agents, turns, |folder| script(folder, turns));
    let ran = runtime.block_on(rig.run(agents));
    let ideal = SCRIPTED_DELAY * u32::try_from(turns + 1).expect("a small number");
    let what = format!("{agents} scripted agents x {} answers", turns + 1);
    let measured = format!("{:.1} s, all DONE", ran.wall.as_secs_f64());
    let against = format!("{} of {:.1} s", ratio(ran.wall, ideal), ideal.as_secs_f64());
    report(&what, &measured, &against, ">= 1,000 agents", "-");
    let cpu = ran.cpu.as_secs_f64() * 1e3 / (agents * (turns + 1)) as f64;
    report(&format!("{what}: CPU time of 1,000 calls"), &format!("{cpu:.2} s"), "-", "-", "-");
    let memory = format!("{:.2} MiB", ran.memory_mib as f64 / agents as f64);
    report(&format!("{what}: memory of an agent"), &memory, "-", "-", "-");
}

/// `cargo bench --bench agents -- scripted` runs only that one.
fn wanted(name: &str) -> bool {
    let mut named = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).peekable();
    named.peek().is_none() || named.any(|arg| arg == name)
}

fn main() {
    if endpoint::served() {
        return;
    }
    let runtime = support::runtime();
    head();
    if wanted("server") {
        against_a_server(&runtime);
    }
    if wanted("scripted") {
        scripted(&runtime);
    }
}
