//! The same face over streamable HTTP: its router on a port of the loopback, in front of an engine in another process.

use std::sync::Arc;

use async_trait::async_trait;
use rmcp::ClientLifecycleMode;
use rmcp::model::{ServerNotification, SubscriptionFilter};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use wfctl::app::Need;
use wfctl::domain::view::Summary;
use wfctl::interfaces::api::{Fault, FaultKind, Home, StartRequest};
use wfctl::interfaces::mcp::{Access, Grant, Launcher, Narrated, Parts, Refusal, Visit, Wanted, router};
use wfctl::interfaces::socket;

use crate::mcp_client::{Client, newest};
use crate::rig::{Rig, until};

const ASKS: &str = "name: w
tasks:
  ask: {approval: {ask: 'Go?'}}
  done: {needs: [ask], run: echo x >> done}
";

/// The header by which this server is told who may act.
const MAY_ACT: &str = "x-may-act";

struct Line(Home);

#[async_trait]
impl Access for Line {
    async fn open(&self, _: Need) -> Result<Visit, Refusal> {
        Ok(Visit::lasting(self.0.clone()))
    }

    async fn line(&self) -> Option<Visit> {
        Some(Visit::lasting(self.0.clone()))
    }

    async fn find(&self, home: &Home, typed: &str) -> Result<Summary, Refusal> {
        let (found, _) = home.find(typed).await.map_err(|fault| explain(&fault))?;
        let unknown = || explain(&Fault::new(FaultKind::UnknownProject, format!("there is no project `{typed}`")));
        found.into_iter().next().ok_or_else(unknown)
    }
}

struct NoWorkflows;

impl Launcher for NoWorkflows {
    fn prepare(&self, wanted: Wanted) -> Result<StartRequest, Refusal> {
        Err(explain(&Fault::new(FaultKind::Invalid, format!("there is no workflow `{}`", wanted.workflow))))
    }
}

fn explain(fault: &Fault) -> Refusal {
    let code = if fault.kind == FaultKind::UnknownProject { "WF0004" } else { "WF0015" };
    Refusal { code: code.to_owned(), message: fault.message.clone(), ..Refusal::default() }
}

/// An engine in a process of its own, and a server in front of it.
pub struct Server {
    runtime: tokio::runtime::Runtime,
    address: std::net::SocketAddr,
    ending: CancellationToken,
    engine: std::process::Child,
}

impl Server {
    pub fn start(rig: &Rig) -> Self {
        let engine = rig.spawn(&["engine"]);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let lock = rig.folder().join("home/lock");
        let socket = || {
            let holder: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&lock).ok()?).ok()?;
            holder["socket"].as_str().map(str::to_owned)
        };
        let connect = || runtime.block_on(socket::Client::connect(socket()?.as_ref())).ok();
        until("the engine listens", || connect().is_some());
        let (client, _) = connect().unwrap();
        let home = Home::new(Arc::new(client), "api:mcp".to_owned());
        let parts = Parts {
            access: Arc::new(Line(home)),
            launcher: Arc::new(NoWorkflows),
            explain,
            narrate: |_| {
                Box::new(|record| Narrated {
                    kind: String::new(),
                    task: record.task.clone(),
                    actor: String::new(),
                    text: String::new(),
                })
            },
            grant: Grant::ByRequest(|parts| parts.headers.contains_key(MAY_ACT)),
        };
        let ending = CancellationToken::new();
        let app = router(parts, ending.clone());
        let (address, stop) = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            (listener.local_addr().unwrap(), listener)
        });
        let until_then = ending.clone().cancelled_owned();
        runtime.spawn(async move { axum::serve(stop, app).with_graceful_shutdown(until_then).await });
        Self { runtime, address, ending, engine }
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    fn client(&self, lifecycle: ClientLifecycleMode, may_act: bool) -> Client {
        // Its client asks for a provider of TLS even for what is not encrypted; another test may have brought it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut config = StreamableHttpClientTransportConfig::with_uri(self.url());
        if may_act {
            config.custom_headers = std::iter::once((
                axum::http::HeaderName::from_static(MAY_ACT),
                axum::http::HeaderValue::from_static("yes"),
            ))
            .collect();
        }
        Client::over(lifecycle, async { StreamableHttpClientTransport::from_config(config) })
    }

    pub fn close(mut self) {
        self.ending.cancel();
        self.engine.kill().unwrap();
        self.engine.wait().unwrap();
        self.runtime.shutdown_background();
    }
}

fn asking(rig: &Rig) {
    rig.write("w.yaml", ASKS);
    assert_eq!(rig.wfctl(&["run", "--detach", "w.yaml", "--id", "p"]).out, "p\n");
    until("it asks", || rig.wfctl(&["why", "p"]).out.contains("wfctl approve p ask"));
}

#[test]
fn each_request_says_for_itself_whether_it_may_act() {
    let rig = Rig::new();
    let server = Server::start(&rig);
    asking(&rig);
    for lifecycle in [ClientLifecycleMode::Initialize, newest()] {
        let client = server.client(lifecycle, false);
        assert_eq!(client.tools.len(), 7);
        assert_eq!(client.call("show", json!({"project": "p"}))["project"]["status"], "BUILD");
        let error = client.ask("approve", json!({"project": "p"})).unwrap_err().to_string();
        assert!(error.contains("role operate"), "{error}");
        assert!(client.refused("show", json!({"project": "x"})).starts_with("error[WF0004]"));
        client.close();
    }
    for lifecycle in [ClientLifecycleMode::Initialize, newest()] {
        let client = server.client(lifecycle, true);
        assert_eq!(client.tools.len(), 14);
        client.close();
    }
    let client = server.client(newest(), true);
    client.call("approve", json!({"project": "p"}));
    until("it is done", || client.call("show", json!({"project": "p"}))["project"]["status"] == "DONE");
    client.close();
    server.close();
}

#[test]
fn subscriptions_work_with_sessions_and_without() {
    let rig = Rig::new();
    let server = Server::start(&rig);
    asking(&rig);
    let uri = "wfctl://project/p/journal";
    let older = server.client(ClientLifecycleMode::Initialize, false);
    #[expect(deprecated, reason = "clients of today subscribe like this")]
    let subscribed = older.service.subscribe(rmcp::model::SubscribeRequestParams::new(uri));
    older.runtime.block_on(subscribed).unwrap();
    let newer = server.client(newest(), false);
    let filter = SubscriptionFilter::builder().resource_subscription(uri).build();
    let mut subscription = newer.runtime.block_on(newer.service.listen(filter)).unwrap();
    assert_eq!(rig.wfctl(&["approve", "p"]).code, Some(0));
    assert_eq!(older.told(), uri);
    let news = newer.runtime.block_on(subscription.next()).unwrap();
    assert!(matches!(news, Some(ServerNotification::ResourceUpdatedNotification(it)) if it.params.uri == uri));
    drop(subscription);
    newer.close();
    older.close();
    server.close();
}

/// The official tool: those of its scenarios that need no tools or resources of its own.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test starts the tool, and is told where it is")]
fn the_official_conformance_tool_agrees() {
    let Some(tool) = std::env::var_os("WFCTL_MCP_CONFORMANCE") else {
        eprintln!("skipped: WFCTL_MCP_CONFORMANCE does not name the official conformance tool; `.ci/mcp` installs it");
        return;
    };
    let rig = Rig::new();
    let server = Server::start(&rig);
    asking(&rig);
    for scenario in SCENARIOS {
        let mut command = std::process::Command::new("node");
        command.arg(&tool).args(["server", "--url", &server.url(), "--scenario", scenario]);
        let output = command.current_dir(rig.path("")).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{scenario}: {told}{}", String::from_utf8_lossy(&output.stderr));
        assert!(told.contains("1/1 passed") || told.contains("0 failed"), "{scenario}: {told}");
    }
    server.close();
}

const SCENARIOS: [&str; 5] =
    ["server-initialize", "ping", "tools-list", "resources-list", "server-sse-multiple-streams"];
