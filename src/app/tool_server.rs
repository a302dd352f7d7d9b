//! A built-in server of tools for any client of the Model Context Protocol, rooted in the current folder: what it reaches there is what
//! a `run` step in that folder would reach.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::Value;

use super::{App, servers};
use crate::agents::memory::Memories;
use crate::agents::tools::{self, Beyond, Ran, Served, Site, ToolFault, Toolbox, World};
use crate::domain::chat::ToolCall;
use crate::domain::effect::StopCause;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::limits;
use crate::domain::sandbox::{Allowance, Backend, GitAccess};
use crate::domain::workflow::EffectClass;
use crate::engine::clock::SystemClock;
use crate::engine::ports::Clock as _;
use crate::interfaces::mcp::serve_handler;
use crate::steps::{ByHand, Containments};
use crate::telemetry::mask::Masks;
use crate::workspace::process::{self, Command, End};
use crate::workspace::sandbox::Containment;
use crate::workspace::{checks, files, git};

/// Between SIGTERM and SIGKILL of a command that takes too long.
const GRACE: Duration = Duration::from_secs(2);

impl App {
    /// The names of the built-in servers.
    pub fn tool_servers() -> Vec<&'static str> {
        tools::server_names()
    }

    /// Serves the tools of `server` over standard input and output until the client closes its end, or `interrupted` comes first.
    /// An error says in words what broke.
    pub async fn serve_tools(
        &self,
        server: &str,
        allowed: Allowance,
        interrupted: impl Future<Output = ()>,
    ) -> Result<(), String> {
        let root =
            std::env::current_dir().map_err(|error| format!("the current folder cannot be found out: {error}"))?;
        self.places.create().map_err(|error| error.to_string())?;
        self.secrets.learn_here();
        let memories = self.memories();
        let notes = memories.of(&root).folder().join("steps.json");
        let hands = Hands {
            containments: self.containments(&self.places.home),
            environment: servers::inherited(self),
            logs: self.places.logs(),
            clock: self.clock.clone(),
            masks: self.log.masks().clone(),
            withheld: self.secrets.withheld(),
            made: AtomicU32::new(0),
            memories,
            allowed,
            notes,
            root,
        };
        serve_handler(Server { name: server.to_owned(), hands }, interrupted).await
    }
}

/// The server of one connection.
struct Server {
    name: String,
    hands: Hands,
}

/// What the tools work with.
struct Hands {
    clock: Arc<SystemClock>,
    masks: Masks,
    withheld: BTreeSet<String>,
    root: PathBuf,
    allowed: Allowance,
    containments: Containments,
    environment: Vec<(OsString, OsString)>,
    logs: PathBuf,
    made: AtomicU32,
    memories: Memories,
    notes: PathBuf,
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let name = format!("wfctl-{}", self.name);
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new(name, env!("CARGO_PKG_VERSION")))
            .with_instructions("Everything happens in the folder that the server was started in, and nowhere else.")
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::tools_of_server(&self.name).map(described).collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = tools::tools_of_server(&self.name).find(|tool| tool.told().name == request.name) else {
            return Err(ErrorData::invalid_params(format!("there is no tool `{}`", request.name), None));
        };
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let (text, failed) = self.hands.call(tool, &arguments).await;
        let content = vec![ContentBlock::text(text)];
        Ok(if failed { CallToolResult::error(content) } else { CallToolResult::success(content) }.into())
    }
}

/// How clients are told of a tool; what may be repeated says so.
fn described(served: &Served) -> Tool {
    let told = served.told();
    let schema = told.parameters.as_object().cloned().unwrap_or_default();
    let effect = served.effect_class();
    let changes_nothing = effect == EffectClass::Pure;
    let may_repeat = matches!(effect, EffectClass::Pure | EffectClass::Idempotent);
    let annotations = ToolAnnotations::new()
        .read_only(changes_nothing)
        .idempotent(may_repeat)
        .open_world(matches!(served.server, "fetch" | "git"));
    Tool::new(told.name, told.description, Arc::new(schema)).with_annotations(annotations)
}

impl Hands {
    /// Makes a call: what it gave, and whether that says why it was not done.
    async fn call(&self, tool: &Served, arguments: &Value) -> (String, bool) {
        let now = || self.clock.now();
        let mask = |text: String| self.masks.now().text(text);
        let world = World {
            memories: &self.memories,
            dir: &self.root,
            task: None,
            version: None,
            now: &now,
            mask: &mask,
            given: None,
        };
        let beyond = Beyond { allowed: &self.allowed, world: Some(world), repository: self, notes: &self.notes };
        let site = Site { root: &self.root, commands: self, checks: self, outputs: &NoOutputs, beyond };
        let call = ToolCall { id: String::new(), name: tool.full_name(), arguments: arguments.to_string() };
        let done = match Toolbox::of_servers() {
            Ok(toolbox) => match toolbox.plan(&call) {
                Ok(planned) => toolbox.call(&planned, &site).await.map(|output| output.text),
                Err(fault) => Err(fault),
            },
            Err(problem) => Err(ToolFault::Told(problem.to_string())),
        };
        match done {
            Ok(text) => (mask(text), false),
            Err(ToolFault::Told(text)) => (mask(text), true),
            Err(ToolFault::Ends(failure)) => (mask(failure.message), true),
        }
    }

    async fn contained(&self) -> Result<(Containment, Vec<(OsString, OsString)>), Failure> {
        if self.allowed.backend == Backend::None {
            return Ok((Containment::Open, self.environment.clone()));
        }
        let made = self.containments.by_hand(&self.allowed, &self.root, &self.environment, &self.withheld).await;
        let ByHand { sandbox, policy, environment } =
            made.map_err(|error| Failure::new(FailureClass::Sandbox, error.to_string()))?;
        Ok((Containment::Sandbox { sandbox, policy: Arc::new(policy) }, environment))
    }

    async fn run_line(&self, line: &str, timeout_ms: u64) -> Result<Ran, Failure> {
        let internal =
            |what: &str, error: &std::io::Error| Failure::new(FailureClass::Internal, format!("{what}: {error}"));
        let (contained, env) = self.contained().await?;
        files::private_dir(&self.logs).map_err(|error| internal("the folder of outputs cannot be made", &error))?;
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let log = self.logs.join(format!("tools-{}-{number}.out", std::process::id()));
        let command = Command {
            line: line.to_owned(),
            dir: self.root.clone(),
            env,
            log: Some(log.clone()),
            log_bytes_max: limits::BLOB_BYTES,
            value_bytes_max: 0,
            grace: GRACE,
            shutdown_grace: GRACE,
            key: format!("tools/{number}"),
            masker: self.masks.now(),
            contained,
        };
        let stop = async {
            tokio::time::sleep(Duration::from_millis(timeout_ms)).await;
            StopCause::Timeout
        };
        let report = process::run(&command, None, stop, || {}).await;
        let output = match files::read_bounded(&log, limits::BLOB_BYTES) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            output => output,
        };
        files::remove_if_there(&log).map_err(|error| internal("an output cannot be removed", &error))?;
        let report = report.map_err(|error| Failure::new(FailureClass::Sandbox, error.to_string()))?;
        let output = output.map_err(|error| internal("an output cannot be read", &error))?;
        let (code, timed_out) = match report.end {
            End::Exited(code) => (Some(code), false),
            End::Stopped(_) => (None, true),
            End::Signalled(_) | End::Flooded => (None, false),
            End::LogFailed(error) => return Err(internal("an output cannot be written", &error)),
        };
        Ok(Ran { code, timed_out, output_bytes: report.output.log_bytes, output })
    }

    /// The person's own branch is moved only when they said that it may be.
    async fn with_leave(
        &self,
        work: impl FnOnce(&Path) -> Result<String, git::Error> + Send + 'static,
    ) -> Result<String, ToolFault> {
        if self.allowed.git != GitAccess::Write {
            return Err(ToolFault::Told(
                "the repository may only be read; start the server with --allow-git".to_owned(),
            ));
        }
        let root = self.root.clone();
        match tokio::task::spawn_blocking(move || work(&root)).await {
            Ok(done) => done.map_err(|error| ToolFault::Told(error.to_string())),
            Err(error) => Err(ToolFault::Told(format!("the repository could not be worked on: {error}"))),
        }
    }
}

#[async_trait]
impl tools::Commands for Hands {
    async fn run(&self, line: &str, timeout_ms: u64) -> Result<Ran, Failure> {
        self.run_line(line, timeout_ms).await
    }
}

#[async_trait]
impl checks::Runner for Hands {
    async fn run(&self, line: &str) -> Result<checks::Ran, Failure> {
        let began_ms = self.clock.monotonic_ms();
        let Ran { code, timed_out, output, .. } = self.run_line(line, limits::CHECK_TIMEOUT_MS).await?;
        let duration_ms = self.clock.monotonic_ms().saturating_sub(began_ms);
        Ok(checks::Ran { code, timed_out, output, duration_ms })
    }
}

#[async_trait]
impl tools::Checks for Hands {
    async fn run(&self, _: &[String]) -> Result<String, Failure> {
        Ok(checks::run(&checks::detect(&self.root), self).await?.to_text(limits::CHECK_REPORT_BYTES))
    }
}

#[async_trait]
impl tools::Repository for Hands {
    async fn commit(&self, message: &str) -> Result<String, ToolFault> {
        let (message, now) = (message.to_owned(), self.clock.now());
        self.with_leave(move |root| git::commit_here(root, &message, now)).await
    }

    async fn merge(&self, revision: &str) -> Result<String, ToolFault> {
        let (revision, now) = (revision.to_owned(), self.clock.now());
        self.with_leave(move |root| git::merge_here(root, &revision, now)).await
    }
}

/// A client keeps outputs itself.
struct NoOutputs;

impl tools::Outputs for NoOutputs {
    fn whole(&self, _: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(None)
    }
}
