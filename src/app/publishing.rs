//! Who is told of records: made from the configuration, with secrets, pages in the home, and commands run by `workspace/`.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Url;

use super::App;
use super::error::Error;
use crate::agents::secrets::Secrets;
use crate::config::{self, BusSpec, NotifySpec, RedisSpec, TracesSpec, WebhookSpec};
use crate::domain::effect::StopCause;
use crate::domain::ids::ProjectId;
use crate::domain::limits;
use crate::domain::time::Millis;
use crate::domain::workflow::did_you_mean;
use crate::engine::archive::Archive;
use crate::engine::ports::Clock;
use crate::interfaces::api::{Check, Fault, FaultKind, SinkState};
use crate::interfaces::bus::{
    Bus, CHANNELS, Collector, Commands, Notebook, Notice, NoticeCommand, NoticeHook, NoticeKind, Outlet, Page,
    Patience, Poster, RedisChannels, SigningKey, Sink, Traces, Unsent, Waiting, Webhook, is_event_name, shown,
    test_event,
};
use crate::journal::files;
use crate::telemetry::mask::Masker;
use crate::workspace::excerpt;
use crate::workspace::process::{self, Command, End};
use crate::workspace::sandbox::Containment;

/// Beside the person's configuration: secrets by name, readable by them alone.
const SECRETS: &str = "secrets.toml";
/// How long a notice is tried before it is passed over: late, it tells nothing any more.
const NOTICE_PATIENCE: Patience = Patience { longest: Duration::from_secs(300), passes_over: true };

/// A sink of the configuration.
struct Configured {
    name: String,
    to: String,
    patience: Patience,
    made: Result<Made, String>,
}

enum Made {
    Redis(RedisChannels),
    Webhook(Webhook),
    Command(NoticeCommand),
    Hook(NoticeHook),
    Traces(Traces),
}

/// What came of trying a sink out.
pub struct SinkTried {
    /// Its name.
    pub name: String,
    /// Where it goes.
    pub to: String,
    /// What it said; else what is wrong.
    pub result: Result<String, String>,
}

/// The sinks of a home.
pub struct Publishing {
    pages: Arc<Pages>,
    sinks: Vec<Told>,
    archive: Archive,
    bus: OnceLock<Arc<Bus>>,
}

/// What is shown of a sink.
struct Told {
    name: String,
    to: String,
    problem: Option<String>,
}

impl Publishing {
    /// The sinks that `app` configures, over an open home. With `serving`, they are ready to be started.
    pub async fn open(app: &App, archive: Archive, serving: bool) -> Result<(Arc<Self>, Option<Waiting>), Error> {
        let configured = configured(app)?;
        let told = configured.iter().map(|sink| Told {
            name: sink.name.clone(),
            to: sink.to.clone(),
            problem: sink.made.as_ref().err().cloned(),
        });
        let pages = Arc::new(Pages(app.places.bus()));
        let this = Self { pages: pages.clone(), sinks: told.collect(), archive: archive.clone(), bus: OnceLock::new() };
        if !serving || configured.is_empty() {
            return Ok((Arc::new(this), None));
        }
        for sink in &configured {
            if let Err(problem) = &sink.made {
                tracing::warn!(sink = sink.name, problem, "it is not told of anything");
            }
        }
        let dir = app.places.bus();
        files::create_dir(&dir).map_err(|source| Error::io("create", &dir, source))?;
        let clock: Arc<dyn Clock> = app.clock.clone();
        let outlets = configured.into_iter().map(Configured::into_outlet).collect();
        let open = move || Waiting::open(archive, pages, clock, outlets);
        let waiting = tokio::task::spawn_blocking(open).await;
        let waiting = waiting.map_err(|error| Error::io("begin", &dir, io::Error::other(error)))?;
        let waiting = waiting.map_err(|error| Error::Fault(error.into()))?;
        Ok((Arc::new(this), Some(waiting)))
    }

    /// They are served from here on.
    pub fn serve(&self, bus: Arc<Bus>) {
        // It is set once, by whoever opens the home.
        let _ = self.bus.set(bus);
    }

    /// How far each of them is. Blocks on the disk.
    pub fn state(&self) -> Result<Vec<SinkState>, Fault> {
        let mut heads = BTreeMap::new();
        if !self.sinks.is_empty() {
            for id in self.archive.store().projects()? {
                if let Ok(Some(head)) = self.archive.head(&id) {
                    heads.insert(id, head);
                }
            }
        }
        self.sinks.iter().map(|told| self.state_of(told, &heads)).collect()
    }

    fn state_of(&self, told: &Told, heads: &BTreeMap<ProjectId, crate::domain::ids::Seq>) -> Result<SinkState, Fault> {
        let live = self.bus.get().and_then(|bus| bus.page(&told.name));
        let mut state = SinkState {
            name: told.name.clone(),
            to: told.to.clone(),
            live: live.is_some() && told.problem.is_none(),
            delivered: 0,
            behind: 0,
            trouble: told.problem.clone(),
            since: None,
            at: None,
            tries: 0,
            parked: told.problem.is_some(),
            passed_over: None,
        };
        let page = match live {
            Some(page) => Some(page),
            None => self.pages.read(&told.name).map_err(|error| unreadable(&error))?,
        };
        let Some(page) = page else { return Ok(state) };
        state.delivered = page.delivered;
        state.behind = heads.iter().map(|(id, head)| head.0.saturating_sub(page.position(id).0)).sum();
        state.passed_over.clone_from(&page.passed_over);
        if let (None, Some(trouble)) = (&told.problem, page.trouble) {
            state.at = trouble.at.map(|(id, seq)| format!("{id}/{seq}"));
            state.since = Some(trouble.since);
            state.trouble = Some(trouble.what);
            state.tries = trouble.tries;
            state.parked = trouble.parked;
        }
        Ok(state)
    }

    /// Lets a sink try again, or pass over the record that it does not take.
    pub fn resume(&self, sink: &str, skip: bool) -> Result<(), Fault> {
        let Some(told) = self.sinks.iter().find(|told| told.name == sink) else {
            let names = self.sinks.iter().map(|told| told.name.as_str());
            let near = did_you_mean(sink, names).unwrap_or_default();
            let fault = Fault::new(FaultKind::Invalid, format!("no sink `{sink}` is configured"));
            return Err(Fault { causes: (!near.is_empty()).then_some(near).into_iter().collect(), ..fault });
        };
        if let Some(problem) = &told.problem {
            return Err(Fault::new(FaultKind::WrongState, format!("{sink} cannot be served: {problem}")));
        }
        if let Some(bus) = self.bus.get() {
            return match bus.resume(sink, skip) {
                true => Ok(()),
                false => Err(Fault::new(FaultKind::Stopped, "its engine is ending")),
            };
        }
        // Nobody serves it, and the caller holds the home: the next engine finds it so.
        let Some(mut page) = self.pages.read(sink).map_err(|error| unreadable(&error))? else { return Ok(()) };
        page.trouble = None;
        page.skip = skip;
        self.pages.write(sink, &page).map_err(|error| unreadable(&error))
    }

    /// What the doctor should tell.
    pub fn check(&self) -> Vec<Check> {
        let parked = self.state().unwrap_or_default().into_iter().filter(|state| state.parked);
        let told = |state: SinkState| Check {
            severity: "warning".to_owned(),
            kind: "sink-parked".to_owned(),
            what: format!("{} is not told of records: {}", state.name, state.trouble.unwrap_or_default()),
            place: state.to,
            next: format!("wfctl bus resume {}", state.name),
        };
        parked.map(told).collect()
    }
}

fn unreadable(error: &io::Error) -> Fault {
    Fault {
        causes: vec![error.to_string()],
        ..Fault::new(FaultKind::Store, "how far a sink is cannot be read or written")
    }
}

impl Configured {
    fn into_outlet(self) -> Outlet {
        let sink = self.made.map(|made| -> Box<dyn Sink> {
            match made {
                Made::Redis(sink) => Box::new(sink),
                Made::Webhook(sink) => Box::new(sink),
                Made::Command(sink) => Box::new(sink),
                Made::Hook(sink) => Box::new(sink),
                Made::Traces(sink) => Box::new(sink),
            }
        });
        Outlet { name: self.name, sink, patience: self.patience }
    }
}

/// Sends an event to every sink, or to one; nothing of the home is used.
pub async fn try_out(app: &App, only: Option<&str>) -> Result<Vec<SinkTried>, Error> {
    let now = app.clock.now();
    let mut tried = Vec::new();
    for sink in configured(app)?.into_iter().filter(|sink| only.is_none_or(|name| name == sink.name)) {
        let result = match sink.made {
            Ok(made) => try_one(made, now).await,
            Err(problem) => Err(problem),
        };
        tried.push(SinkTried { name: sink.name, to: sink.to, result });
    }
    Ok(tried)
}

async fn try_one(made: Made, now: Millis) -> Result<String, String> {
    let id = ProjectId::new("test").map_err(|error| error.to_string())?;
    let said = |unsent: Unsent| match unsent {
        Unsent::Retry(what) | Unsent::Refused(what) | Unsent::Gone(what) => what,
    };
    match made {
        Made::Redis(mut redis) => {
            let heard = redis.try_out(&test_event(now)).await?;
            let heard: Vec<String> = heard.iter().map(|(channel, count)| format!("{channel} {count}")).collect();
            Ok(format!("published; subscribers: {}", heard.join(", ")))
        }
        Made::Webhook(hook) => hook.try_out(&test_event(now)).await.map(|()| "taken".to_owned()).map_err(said),
        Made::Command(command) => command.try_out(&Notice::test(now, id)).await.map(|()| "ran".to_owned()),
        Made::Traces(traces) => traces.try_out().await.map(|()| "taken".to_owned()).map_err(said),
        Made::Hook(hook) => hook.try_out(&Notice::test(now, id)).await.map(|()| "taken".to_owned()).map_err(said),
    }
}

/// Every sink of the configuration. A name that does not exist is a mistake; what is only missing (a secret) makes a sink that
/// says so.
fn configured(app: &App) -> Result<Vec<Configured>, Error> {
    let (bus, notify) = (app.layers.bus(), app.layers.notify());
    let traces = app.environment.traces();
    if *bus == BusSpec::default() && notify.is_empty() && traces.is_none() {
        return Ok(Vec::new());
    }
    let tools = Tools {
        clock: app.clock.clone(),
        secrets: secrets(app),
        poster: Poster::new(app.environment.texts()),
        commands: Arc::new(Shell {
            dir: app.places.home.clone(),
            env: app.environment.all().map(|(name, value)| (name.clone(), value.clone())).collect(),
        }),
    };
    let wrong = |problem: String| {
        let path = app.config_file().unwrap_or_default();
        Error::Config(config::Error::Syntax { path, problem })
    };
    let mut all = Vec::new();
    if let Some(redis) = &bus.redis {
        let url = redis.url.clone().unwrap_or_else(|| app.environment.redis_url().0);
        all.push(Configured {
            name: RedisSpec::NAME.to_owned(),
            to: Url::parse(&url).map_or_else(|_| "redis".to_owned(), |url| shown(&url)),
            patience: Patience { longest: redis.give_up(), passes_over: false },
            made: RedisChannels::new(&url).map(Made::Redis),
        });
    }
    for webhook in &bus.webhook {
        if let Some(name) = webhook.events.iter().find(|name| !is_event_name(name)) {
            return Err(wrong(no_event(name)));
        }
        all.push(tools.webhook(webhook));
    }
    for notify in notify {
        let kind = |name: &String| {
            let known = NoticeKind::ALL.into_iter().find(|kind| kind.name() == name.as_str());
            known.ok_or_else(|| wrong(no_notice(name)))
        };
        let on = notify.on.iter().map(kind).collect::<Result<Vec<NoticeKind>, Error>>()?;
        all.push(tools.notify(notify, on));
    }
    all.extend(traces.map(|spec| tools.traces(spec)));
    Ok(all)
}

fn no_event(name: &str) -> String {
    let help =
        format!("events are channels ({}) and kinds of records as `wfctl events` names them", CHANNELS.join(", "));
    format!("[[bus.webhook]]: there is no event `{name}`; {help}")
}

fn no_notice(name: &str) -> String {
    let names = NoticeKind::ALL.map(NoticeKind::name).join(", ");
    format!("[[notify]]: `on` has `{name}`; it can have {names}")
}

fn secrets(app: &App) -> Result<Secrets, String> {
    let secrets = Secrets::from_environment(&app.environment.texts());
    let file = app.config_file().and_then(|file| Some(file.parent()?.join(SECRETS)));
    match file {
        Some(file) => secrets.with_file(&file).map_err(|error| error.to_string()),
        None => Ok(secrets),
    }
}

/// What sinks are made with.
struct Tools {
    clock: Arc<dyn Clock>,
    secrets: Result<Secrets, String>,
    poster: Poster,
    commands: Arc<dyn Commands>,
}

impl Tools {
    fn key(&self, name: &str) -> Result<SigningKey, String> {
        let secrets = self.secrets.as_ref().map_err(String::clone)?;
        let secret = secrets.get(name).ok_or_else(|| match secrets.file() {
            Some(file) => format!("there is no secret {name}; put {name} = \"whsec_…\" into {}", file.display()),
            None => format!("there is no secret {name}"),
        })?;
        SigningKey::new(secret.expose()).map_err(|error| format!("the secret {name} cannot be used: {error}"))
    }

    fn target(&self, url: &str) -> (String, Result<(Url, Poster), String>) {
        match Url::parse(url) {
            Ok(url) => (shown(&url), Ok((url, self.poster.clone()))),
            Err(error) => ("webhook".to_owned(), Err(format!("its address is none: {error}"))),
        }
    }

    fn webhook(&self, spec: &WebhookSpec) -> Configured {
        let (to, target) = self.target(&spec.url);
        let made = target.and_then(|(url, poster)| {
            let key = self.key(&spec.secret)?;
            Ok(Made::Webhook(Webhook::new(url, key, spec.events.clone(), poster, self.clock.clone())))
        });
        Configured { name: spec.name(), to, patience: Patience { longest: spec.give_up(), passes_over: false }, made }
    }

    fn traces(&self, spec: TracesSpec) -> Configured {
        let (to, target) = self.target(&spec.url);
        let made = match spec.wants_grpc {
            true => Err("OTEL_EXPORTER_OTLP_PROTOCOL asks for grpc; http/json is spoken here (port 4318)".to_owned()),
            false => target.map(|(url, poster)| {
                Made::Traces(Traces::new(Collector { url, headers: spec.headers, service: spec.service }, poster))
            }),
        };
        let patience = Patience { longest: WebhookSpec::default().give_up(), passes_over: false };
        Configured { name: TracesSpec::NAME.to_owned(), to, patience, made }
    }

    fn notify(&self, spec: &NotifySpec, on: Vec<NoticeKind>) -> Configured {
        let (to, made) = match (&spec.command, &spec.webhook) {
            (Some(line), _) => {
                let command = NoticeCommand::new(line.clone(), on, self.commands.clone());
                (format!("command {line}"), Ok(Made::Command(command)))
            }
            (None, url) => {
                let (to, target) = self.target(url.as_deref().unwrap_or_default());
                let made = target.and_then(|(url, poster)| {
                    let key = spec.secret.as_deref().map(|name| self.key(name)).transpose()?;
                    Ok(Made::Hook(NoticeHook::new(url, key, on, poster, self.clock.clone())))
                });
                (to, made)
            }
        };
        Configured { name: spec.name(), to, patience: NOTICE_PATIENCE, made }
    }
}

/// Pages as files of a folder, written whole.
struct Pages(PathBuf);

impl Pages {
    fn path(&self, sink: &str) -> PathBuf {
        self.0.join(format!("{sink}.json"))
    }
}

impl Notebook for Pages {
    fn read(&self, sink: &str) -> io::Result<Option<Page>> {
        match std::fs::read(self.path(sink)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, sink: &str, page: &Page) -> io::Result<()> {
        files::replace(&self.path(sink), &serde_json::to_vec(page).map_err(io::Error::other)?)
    }
}

/// Runs the commands of notices: they are the person's own, and inherit what wfctl has.
struct Shell {
    dir: PathBuf,
    env: Vec<(std::ffi::OsString, std::ffi::OsString)>,
}

#[async_trait]
impl Commands for Shell {
    async fn run(&self, line: &str, variables: Vec<(String, String)>) -> Result<(), String> {
        let mut env = self.env.clone();
        for (name, value) in variables {
            env.retain(|(known, _)| *known != *name);
            env.push((name.into(), value.into()));
        }
        let command = Command {
            line: line.to_owned(),
            dir: self.dir.clone(),
            env,
            log: None,
            log_bytes_max: limits::BLOB_BYTES,
            value_bytes_max: 0,
            grace: Duration::from_secs(1),
            shutdown_grace: Duration::from_secs(1),
            key: "notice".to_owned(),
            // It is the person's own command, from their own configuration.
            contained: Containment::Open,
            masker: Masker::default(),
        };
        let stop = async {
            tokio::time::sleep(Duration::from_millis(limits::NOTICE_COMMAND_MS)).await;
            StopCause::Timeout
        };
        let report = process::run(&command, None, stop, || ()).await.map_err(|error| error.to_string())?;
        let told = excerpt::tail(&report.output.stderr_tail);
        match report.end {
            End::Exited(0) => Ok(()),
            End::Exited(code) => {
                Err(format!("it ended with code {code}: {told}").trim_end_matches([':', ' ']).to_owned())
            }
            End::Signalled(signal) => Err(format!("it was ended by signal {signal}")),
            End::Stopped(_) => Err(format!("it took longer than {} s", limits::NOTICE_COMMAND_MS / 1000)),
            End::Flooded => Err("it said too much".to_owned()),
            End::LogFailed(error) => Err(error.to_string()),
        }
    }
}
