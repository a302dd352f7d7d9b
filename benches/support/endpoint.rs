//! The tests' model server in a process of its own, so that neither its CPU time nor its memory is taken for ours. It answers
//! each request after the same delay and notes when requests arrive; the bench asks it for that over its standard input.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model_server::{Asked, ModelServer, Reply};

/// The argument that makes the bench's binary the server: then delay in milliseconds, and turns before the answer.
const SERVE: &str = "--serve";
/// Begins the name of each agent, which stands in its task; as many digits follow.
const WHO: &str = "agent-";
const DIGITS: usize = 5;

/// The name of an agent.
pub fn who(number: usize) -> String {
    format!("{WHO}{number:0DIGITS$}")
}

/// When requests arrived, in microseconds since [`Endpoint::begin`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Arrivals(BTreeMap<String, Vec<u64>>);

impl Arrivals {
    /// When the first request of each agent arrived, in the order of the agents.
    pub fn first(&self) -> Vec<Duration> {
        self.0.values().filter_map(|all| all.first()).copied().map(Duration::from_micros).collect()
    }

    /// From each request of an agent to its next one, sorted: the server's delay, the answer's way, what the client does with it,
    /// the next request's way.
    pub fn gaps(&self) -> Vec<Duration> {
        let gaps = self.0.values().flat_map(|all| all.windows(2).map(|pair| pair[1].saturating_sub(pair[0])));
        let mut gaps: Vec<Duration> = gaps.map(Duration::from_micros).collect();
        gaps.sort_unstable();
        gaps
    }
}

/// The bench's end of the server.
pub struct Endpoint {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// What providers are configured with.
    pub base_url: String,
}

impl Endpoint {
    /// Starts it: each answer comes after `delay`, `turns` times a call of a tool and then `finish`.
    pub fn start(delay: Duration, turns: usize) -> Self {
        let program = std::env::current_exe().expect("the bench's own binary");
        let mut command = Command::new(program);
        command.args([SERVE, &delay.as_millis().to_string(), &turns.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a server that starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let mut endpoint = Self { child, input, output, base_url: String::new() };
        endpoint.base_url = endpoint.line();
        endpoint
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the server answers");
        line.trim_end().to_owned()
    }

    fn ask(&mut self, what: &str) -> String {
        let input = self.input.as_mut().expect("it is open until the end");
        writeln!(input, "{what}").expect("the server listens");
        self.line()
    }

    /// Forgets what arrived; time begins.
    pub fn begin(&mut self) {
        self.ask("begin");
    }

    /// What arrived since.
    pub fn arrivals(&mut self) -> Arrivals {
        serde_json::from_str(&self.ask("arrivals")).expect("what the server noted")
    }

    /// The requests of the first agent, as texts.
    pub fn bodies(&mut self) -> Vec<String> {
        serde_json::from_str(&self.ask("bodies")).expect("what the server was sent")
    }

    /// Ends it, and says whether every request was one that a provider takes.
    pub fn close(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().is_ok_and(|status| status.success()), "the server refused a request");
    }
}

/// The body of one agent as another one would send it.
pub fn of_agent(body: &str, number: usize) -> String {
    body.replace(&who(0), &who(number))
}

#[derive(Default)]
struct Noted {
    arrivals: Arrivals,
    bodies: Vec<String>,
}

/// Is the server when the arguments say so, and then never returns `false`.
pub fn served() -> bool {
    let mut arguments = std::env::args().skip_while(|argument| argument != SERVE).skip(1);
    let (Some(delay_ms), Some(turns)) = (arguments.next(), arguments.next()) else { return false };
    let delay = Duration::from_millis(delay_ms.parse().expect("a number of milliseconds"));
    let turns: usize = turns.parse().expect("a number of turns");
    let noted = Arc::new(Mutex::new((Instant::now(), Noted::default())));
    let noting = noted.clone();
    let server = ModelServer::start(move |asked| {
        note(&mut noting.lock().expect("no panic while it is held"), asked);
        Reply::After(delay, Box::new(answer(asked.turns(), turns)))
    });
    let mut out = std::io::stdout();
    writeln!(out, "{}", server.base_url()).expect("the bench reads");
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let (zero, noted) = &mut *noted.lock().expect("no panic while it is held");
        let said = match line.as_str() {
            "begin" => {
                (*zero, *noted) = (Instant::now(), Noted::default());
                "begun".to_owned()
            }
            "arrivals" => serde_json::to_string(&noted.arrivals).expect("it is plain data"),
            "bodies" => serde_json::to_string(&noted.bodies).expect("it is plain data"),
            other => panic!("the bench does not say {other:?}"),
        };
        writeln!(out, "{said}").expect("the bench reads");
    }
    true
}

fn note((zero, noted): &mut (Instant, Noted), asked: &Asked) {
    let at = u64::try_from(zero.elapsed().as_micros()).expect("a bench takes less than an age");
    let task = asked.first_text("user");
    let named = task.find(WHO).and_then(|from| task.get(from..from + WHO.len() + DIGITS));
    let named = named.expect("each task names its agent");
    if named == who(0) {
        noted.bodies.push(asked.body.to_string());
    }
    noted.arrivals.0.entry(named.to_owned()).or_default().push(at);
}

/// The files that agents read one after the other.
pub fn file(number: usize) -> String {
    format!("src/part{number}.rs")
}

/// The arguments of `finish` for a critic.
pub fn judgement() -> Value {
    json!({
        "accept": true,
        "summary": "It does what it was meant to do.",
        "scores": [{"criterion": "complete", "score": 9, "evidence": "src/part0.rs:1"}],
        "improvements": [],
    })
}

fn answer(turn: usize, turns: usize) -> Reply {
    if turn < turns {
        let arguments = json!({ "path": file(turn) }).to_string();
        Reply::calls("I read the next file before I judge.", &[("read_file", &arguments)])
    } else {
        Reply::calls("That is all of it.", &[("finish", &judgement().to_string())])
    }
}
