//! One connection to one server: made, asked for its tools, and called within bounds.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientConfig, ContentBlock, Implementation, PaginatedRequestParams,
    ResourceContents, Tool,
};
use rmcp::service::{RunningService, ServiceError, ServiceExt as _};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, RoleClient};
use serde_json::{Map, Value};

use super::Given;
use super::enclosure::Enclosure;
use super::offer::{Known, known};
use super::servers::Host;
use crate::agents::provider::openai::http_client;
use crate::domain::failure::FailureClass;
use crate::domain::sandbox::Attestation;
use crate::domain::tool_server::ToolServer;
use crate::workspace::companion::{self, Companion, Ending, Start};
use crate::workspace::sandbox::{self, Containment};

/// How long a server may take to start and to tell its tools.
const BEGINNING: Duration = Duration::from_secs(60);
/// How long a call may take.
const CALL: Duration = Duration::from_secs(600);
/// Longest message of a server.
const MESSAGE_BYTES: usize = 16 * 1024 * 1024;
/// Most pages of tools that are asked for.
const PAGES: usize = 16;

/// Who asks.
struct Agent;

impl ClientHandler for Agent {
    fn get_info(&self) -> ClientConfig {
        let mut config = ClientConfig::default();
        config.client_info = Implementation::new("wfctl", env!("CARGO_PKG_VERSION"));
        config
    }
}

/// A connection; letting go of it ends a server that was started for it.
pub struct Connection {
    service: RunningService<RoleClient, Agent>,
    /// Its tools, by the names that models know.
    pub tools: BTreeMap<String, Known>,
    /// What it runs under; `None`: it was not started here.
    pub ran_under: Option<Arc<Attestation>>,
    companion: Option<Companion>,
}

/// Why there is no connection.
pub struct Problem {
    /// The class of the failure.
    pub class: FailureClass,
    /// In words.
    pub why: String,
}

impl From<String> for Problem {
    fn from(why: String) -> Self {
        Self { class: FailureClass::Unreachable, why }
    }
}

impl Connection {
    /// Connects; one that is started is kept in its place by `enclosure`, if there is one.
    pub async fn open(
        name: &str,
        server: &ToolServer,
        host: &Host,
        enclosure: Option<&Enclosure>,
    ) -> Result<Self, Problem> {
        match tokio::time::timeout(BEGINNING, Self::begin(name, server, host, enclosure)).await {
            Ok(opened) => opened,
            Err(_) => {
                let why = format!("it did not begin within {} seconds", BEGINNING.as_secs());
                Err(match enclosure {
                    Some(enclosure) => keys(&why, name, &enclosure.containment).into(),
                    None => why.into(),
                })
            }
        }
    }

    async fn begin(
        name: &str,
        server: &ToolServer,
        host: &Host,
        enclosure: Option<&Enclosure>,
    ) -> Result<Self, Problem> {
        let (service, mut companion) = match (&server.command, &server.url) {
            (Some(program), _) => {
                let beginning = Beginning { name, program, server, host, enclosure };
                let (service, companion) = beginning.started().await?;
                (service, Some(companion))
            }
            (None, Some(url)) => (reached(url, server, host).await?, None),
            (None, None) => return Err("it has neither a command nor a url".to_owned().into()),
        };
        let tools = match list(&service).await {
            Ok(tools) => tools,
            Err(error) => return Err(with_last_words(error.to_string(), companion.as_ref()).into()),
        };
        let ran_under = companion.as_mut().and_then(Companion::runs_under).map(Arc::new);
        Ok(Self { service, tools: known(name, tools), ran_under, companion })
    }

    /// Whether the other side is gone.
    pub fn is_closed(&self) -> bool {
        self.service.is_closed() || self.service.is_transport_closed()
    }

    /// Calls a tool by its server's name for it. What went wrong is for the model to read.
    pub async fn call(&self, tool: &str, arguments: Map<String, Value>) -> Given {
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let ran_under = self.ran_under.clone();
        let failed = |text: String| Given { text, failed: true, ran_under: ran_under.clone() };
        match tokio::time::timeout(CALL, self.service.call_tool(params)).await {
            Ok(Ok(result)) => Given { text: told(&result), failed: result.is_error == Some(true), ran_under },
            Ok(Err(ServiceError::McpError(error))) => failed(error.message.into_owned()),
            Ok(Err(error)) => failed(with_last_words(
                format!("the connection to the server broke; whether it was done is not known: {error}"),
                self.companion.as_ref(),
            )),
            Err(_) => failed(format!("no answer within {} seconds; whether it was done is not known", CALL.as_secs())),
        }
    }
}

/// One that is being started.
struct Beginning<'b> {
    name: &'b str,
    program: &'b str,
    server: &'b ToolServer,
    host: &'b Host,
    enclosure: Option<&'b Enclosure>,
}

impl Beginning<'_> {
    async fn started(&self) -> Result<(RunningService<RoleClient, Agent>, Companion), Problem> {
        let key = format!("mcp/{}", self.name);
        let open = (Containment::Open, self.host.environment_of(self.server)?);
        let ((contained, env), dir) = match self.enclosure {
            Some(it) => ((&it.containment, &it.environment), it.dir.as_path()),
            None => ((&open.0, &open.1), self.host.dir.as_path()),
        };
        let start = Start {
            program: self.program,
            from: &self.host.dir,
            args: &self.server.args,
            dir,
            repository: self.enclosure.map(|it| it.workspace.as_path()),
            env,
            key: &key,
            contained,
        };
        let mut tries = 1;
        loop {
            let started = Companion::start(start, self.host.leftovers.clone()).await;
            let (companion, pipes) = started.map_err(|error| self.refused(error))?;
            let transport = AsyncRwTransport::new_client(pipes.output, pipes.input).with_max_line_length(MESSAGE_BYTES);
            let error = match Agent.serve(transport).await {
                Ok(service) => return Ok((service, companion)),
                Err(error) => error.to_string(),
            };
            match companion.end().await {
                Ending { unstarted: Some(sandbox::Error::Silent { .. }), .. } if tries < sandbox::TRIES => tries += 1,
                Ending { unstarted: Some(sandbox::Error::NotStarted(source)), .. } => {
                    let why = format!("its program cannot be started: {source}");
                    return Err(Problem { class: FailureClass::NotFound, why: self.with_keys(why, start) });
                }
                Ending { unstarted: Some(error), .. } => return Err(self.refused(error.into())),
                Ending { unstarted: None, said } => {
                    let why = if said.is_empty() { error } else { format!("{error}; it said: {said}") };
                    return Err(self.with_keys(why, start).into());
                }
            }
        }
    }

    fn refused(&self, error: companion::Error) -> Problem {
        let class = match &error {
            companion::Error::Sandbox(_) => FailureClass::Sandbox,
            companion::Error::CommandLine(_) => FailureClass::NotFound,
            companion::Error::Repository(_) | companion::Error::Spawn { .. } => FailureClass::Unreachable,
        };
        Problem { class, why: error.to_string() }
    }

    /// What to write where it may need more than it can reach.
    fn with_keys(&self, why: String, start: Start<'_>) -> String {
        let Containment::Sandbox { sandbox, policy } = start.contained else { return why };
        let named = self.server.args.iter().map(Path::new).filter(|path| path.is_absolute()).map(Path::to_owned);
        let hidden = start.found().into_iter().chain(named).filter(|path| policy.hides(path));
        let hidden: Vec<String> = hidden.map(|path| format!("{:?}", path.display().to_string())).collect();
        match hidden.is_empty() {
            true => keys(&why, self.name, start.contained),
            false => format!(
                "{why}. It runs in the sandbox ({}), where {} is hidden: allow_read = [{}] under {} shows it, or a folder around it",
                sandbox.backend().name(),
                hidden.join(" and "),
                hidden.join(", "),
                table(self.name)
            ),
        }
    }
}

/// The same without a hint at what it is.
fn keys(why: &str, name: &str, contained: &Containment) -> String {
    let Containment::Sandbox { sandbox, .. } = contained else { return why.to_owned() };
    format!(
        "{why}. It runs in the sandbox ({}) like a command of its step; what it needs beyond that you allow under {}: allow_read, \
         allow_write, allow_net, allow_env, in_workspace, or sandbox = false",
        sandbox.backend().name(),
        table(name)
    )
}

fn table(name: &str) -> String {
    format!("[mcpServers.{name}] in your config.toml")
}

async fn reached(url: &str, server: &ToolServer, host: &Host) -> Result<RunningService<RoleClient, Agent>, String> {
    let mut config = StreamableHttpClientTransportConfig::with_uri(url);
    for (header, value) in &server.headers {
        let name: HeaderName = header.parse().map_err(|_| format!("`{header}` is no name of a header"))?;
        let mut value: HeaderValue =
            host.value(value)?.parse().map_err(|_| format!("the value of header `{header}` cannot be sent"))?;
        value.set_sensitive(true);
        config.custom_headers.insert(name, value);
    }
    let client = http_client(&host.texts).map_err(|failure| failure.message)?;
    let transport = StreamableHttpClientTransport::with_client(client, config);
    Agent.serve(transport).await.map_err(|error| error.to_string())
}

async fn list(service: &RunningService<RoleClient, Agent>) -> Result<Vec<Tool>, ServiceError> {
    let (mut tools, mut cursor) = (Vec::new(), None);
    for _ in 0..PAGES {
        let page = service.list_tools(Some(PaginatedRequestParams::default().with_cursor(cursor))).await?;
        tools.extend(page.tools);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(tools)
}

fn with_last_words(text: String, companion: Option<&Companion>) -> String {
    match companion.map(Companion::last_words).filter(|words| !words.is_empty()) {
        Some(words) => format!("{text}; it said: {words}"),
        None => text,
    }
}

/// The text of a result. Structured content counts where there is no text; pictures and sounds are named, not shown.
fn told(result: &CallToolResult) -> String {
    let parts: Vec<String> = result.content.iter().map(block).collect();
    match (&result.structured_content, parts.is_empty()) {
        (Some(value), true) => value.to_string(),
        (_, _) => parts.join("\n"),
    }
}

fn block(block: &ContentBlock) -> String {
    match block {
        ContentBlock::Text(text) => text.text.clone(),
        ContentBlock::Image(image) => format!("[{}: {} characters of base64]", image.mime_type, image.data.len()),
        ContentBlock::Audio(audio) => format!("[{}: {} characters of base64]", audio.mime_type, audio.data.len()),
        ContentBlock::Resource(embedded) => match &embedded.resource {
            ResourceContents::TextResourceContents { text, .. } => text.clone(),
            _ => "[a resource that is no text]".to_owned(),
        },
        ContentBlock::ResourceLink(resource) => format!("[resource {}: {}]", resource.name, resource.uri),
        _ => "[content of a kind that is not known here]".to_owned(),
    }
}
