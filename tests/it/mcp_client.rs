//! A client of the Model Context Protocol: the official library over the pipes of the built binary, or over HTTP. Each answer is
//! held to the schema that the server told.

use std::collections::HashMap;
use std::sync::mpsc;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResult, ProtocolVersion, ReadResourceRequestParams, ResourceContents,
    ResourceUpdatedNotificationParam, Tool,
};
use rmcp::service::{ClientServiceExt as _, NotificationContext, RunningService, ServiceError};
use rmcp::transport::{IntoTransport, TokioChildProcess};
use rmcp::{ClientHandler, ClientLifecycleMode, RoleClient};
use serde_json::Value;

use crate::rig::Rig;

/// Longer than anything takes, on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Hears which resources changed.
pub struct Listener(mpsc::Sender<String>);

impl ClientHandler for Listener {
    async fn on_resource_updated(&self, params: ResourceUpdatedNotificationParam, _: NotificationContext<RoleClient>) {
        // A test that has ended listens no more.
        let _ = self.0.send(params.uri);
    }
}

/// A connected client.
pub struct Client {
    pub runtime: tokio::runtime::Runtime,
    pub service: RunningService<RoleClient, Listener>,
    pub tools: HashMap<String, Tool>,
    updates: mpsc::Receiver<String>,
}

/// The protocol without sessions: each request brings along what the server must know.
pub fn newest() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
}

impl Client {
    /// Starts `wfctl mcp` in the rig.
    pub fn start(rig: &Rig, arguments: &[&str]) -> Self {
        Self::start_as(rig, arguments, ClientLifecycleMode::Initialize)
    }

    /// The same in another form of the protocol.
    pub fn start_as(rig: &Rig, arguments: &[&str], lifecycle: ClientLifecycleMode) -> Self {
        let command = tokio::process::Command::from(rig.command(&[&["mcp"], arguments].concat()));
        Self::over(lifecycle, async { TokioChildProcess::new(command).unwrap() })
    }

    /// Connects over a transport that is made within the client's runtime.
    pub fn over<T, E, A>(lifecycle: ClientLifecycleMode, transport: impl Future<Output = T>) -> Self
    where
        T: IntoTransport<RoleClient, E, A>,
        E: std::error::Error + Send + Sync + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (sender, updates) = mpsc::channel();
        let (service, tools) = runtime.block_on(async {
            let transport = transport.await;
            let service = Listener(sender).serve_with_lifecycle(transport, lifecycle).await.unwrap();
            let tools = service.list_all_tools().await.unwrap();
            (service, tools)
        });
        let tools = tools.into_iter().map(|tool| (tool.name.to_string(), tool)).collect();
        Self { runtime, service, tools, updates }
    }

    /// Calls a tool, whatever comes of it.
    pub fn ask(&self, tool: &str, arguments: Value) -> Result<CallToolResult, ServiceError> {
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        self.runtime.block_on(async {
            let asked = tokio::time::timeout(PATIENCE, self.service.call_tool(params)).await;
            asked.expect("an answer in time")
        })
    }

    /// Calls a tool that must answer, and holds the answer to the tool's schema.
    pub fn call(&self, tool: &str, arguments: Value) -> Value {
        let result = self.ask(tool, arguments).unwrap();
        assert_ne!(result.is_error, Some(true), "{tool}: {:?}", result.content);
        let answer = result.structured_content.expect("structured content");
        let text = result.content[0].as_text().expect("text for clients that read nothing else");
        assert_eq!(serde_json::from_str::<Value>(&text.text).unwrap(), answer);
        let schema = self.tools[tool].output_schema.clone().expect("a schema of answers");
        let schema = Value::Object(schema.as_ref().clone());
        if let Err(error) = jsonschema::validate(&schema, &answer) {
            panic!("{tool} answered against its schema: {error} at {}: {answer}", error.instance_path());
        }
        answer
    }

    /// Calls a tool that must refuse: its text, which names a code.
    pub fn refused(&self, tool: &str, arguments: Value) -> String {
        let result = self.ask(tool, arguments).unwrap();
        assert_eq!(result.is_error, Some(true), "{tool}: {:?}", result.structured_content);
        let text = result.content[0].as_text().expect("a text").text.clone();
        assert!(result.structured_content.is_none(), "it would be held to the schema of answers");
        let error = &result.meta.expect("the same as data")["wfctl/error"];
        assert!(text.starts_with(&format!("error[{}]: ", error["code"].as_str().unwrap())), "{text}");
        text
    }

    /// The text of a resource, and the address of what follows it.
    pub fn read(&self, uri: &str) -> Result<(String, Option<String>), ServiceError> {
        let params = ReadResourceRequestParams::new(uri);
        let result = self.runtime.block_on(self.service.read_resource(params))?;
        let [ResourceContents::TextResourceContents { text, meta, .. }] = result.contents.as_slice() else {
            panic!("{uri} is no single text");
        };
        let next = meta.as_ref().and_then(|meta| meta.get("wfctl/next")).and_then(Value::as_str);
        Ok((text.clone(), next.map(str::to_owned)))
    }

    /// Waits for the news of a resource.
    pub fn told(&self) -> String {
        self.updates.recv_timeout(PATIENCE).expect("news in time")
    }

    /// Says good-bye.
    pub fn close(self) {
        self.runtime.block_on(self.service.cancel()).unwrap();
    }
}
