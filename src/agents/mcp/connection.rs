//! One connection to one server: made, asked for its tools, and called within bounds.

use std::collections::BTreeMap;
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
use super::offer::{Known, known};
use super::servers::Host;
use crate::agents::provider::openai::http_client;
use crate::domain::tool_server::ToolServer;
use crate::workspace::companion::{Companion, Start};

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
    companion: Option<Companion>,
}

impl Connection {
    /// Connects; an error says in words what went wrong.
    pub async fn open(name: &str, server: &ToolServer, host: &Host) -> Result<Self, String> {
        match tokio::time::timeout(BEGINNING, Self::begin(name, server, host)).await {
            Ok(opened) => opened,
            Err(_) => Err(format!("it did not begin within {} seconds", BEGINNING.as_secs())),
        }
    }

    async fn begin(name: &str, server: &ToolServer, host: &Host) -> Result<Self, String> {
        let (service, companion) = match (&server.command, &server.url) {
            (Some(program), _) => started(name, program, server, host).await?,
            (None, Some(url)) => (reached(url, server, host).await?, None),
            (None, None) => return Err("it has neither a command nor a url".to_owned()),
        };
        let tools = match list(&service).await {
            Ok(tools) => tools,
            Err(error) => return Err(with_last_words(error.to_string(), companion.as_ref())),
        };
        Ok(Self { service, tools: known(name, tools), companion })
    }

    /// Whether the other side is gone.
    pub fn is_closed(&self) -> bool {
        self.service.is_closed() || self.service.is_transport_closed()
    }

    /// Calls a tool by its server's name for it. What went wrong is for the model to read.
    pub async fn call(&self, tool: &str, arguments: Map<String, Value>) -> Given {
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let failed = |text: String| Given { text, failed: true };
        match tokio::time::timeout(CALL, self.service.call_tool(params)).await {
            Ok(Ok(result)) => given(&result),
            Ok(Err(ServiceError::McpError(error))) => failed(error.message.into_owned()),
            Ok(Err(error)) => failed(with_last_words(
                format!("the connection to the server broke; whether it was done is not known: {error}"),
                self.companion.as_ref(),
            )),
            Err(_) => failed(format!("no answer within {} seconds; whether it was done is not known", CALL.as_secs())),
        }
    }
}

async fn started(
    name: &str,
    program: &str,
    server: &ToolServer,
    host: &Host,
) -> Result<(RunningService<RoleClient, Agent>, Option<Companion>), String> {
    let mut env = host.environment.clone();
    for (variable, value) in &server.env {
        env.retain(|(known, _)| known != variable.as_str());
        env.push((variable.into(), host.value(value)?.into()));
    }
    let key = format!("mcp/{name}");
    let start = Start { program, args: &server.args, dir: &host.dir, env: &env, key: &key };
    let (companion, pipes) = Companion::start(start, host.leftovers.clone()).map_err(|error| error.to_string())?;
    let transport = AsyncRwTransport::new_client(pipes.output, pipes.input).with_max_line_length(MESSAGE_BYTES);
    match Agent.serve(transport).await {
        Ok(service) => Ok((service, Some(companion))),
        Err(error) => Err(with_last_words(error.to_string(), Some(&companion))),
    }
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
fn given(result: &CallToolResult) -> Given {
    let parts: Vec<String> = result.content.iter().map(block).collect();
    let text = match (&result.structured_content, parts.is_empty()) {
        (Some(value), true) => value.to_string(),
        (_, _) => parts.join("\n"),
    };
    Given { text, failed: result.is_error == Some(true) }
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
