//! A server of a test's own, and a client for it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::rig::{Rig, signal};

/// Longer than anything takes, on any machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// A workflow that ends at once.
pub const QUICK: &str = "name: quick\ninputs: {word: {type: string, default: hello}}\ntasks:\n  say: {run: 'echo {{ inputs.word }}'}\n  last: {needs: [say], run: 'true'}\n";
/// A workflow that asks a person.
pub const ASKS: &str =
    "name: asks\ntasks:\n  ask: {approval: {ask: 'Go on?'}}\n  go: {needs: [ask], run: 'echo went'}\n";
/// A workflow that goes on until it is stopped.
pub const LONG: &str = "name: long\ntasks:\n  sleep: {run: 'sleep 600'}\n";

/// A server over the home of a rig.
pub struct Server {
    pub rig: Rig,
    pub url: String,
    child: Option<Child>,
    pub client: reqwest::Client,
}

pub fn client() -> reqwest::Client {
    // A second test in this process finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

impl Server {
    /// Over a folder with the workflows of this file.
    pub fn start() -> Self {
        let rig = Rig::new();
        std::fs::create_dir(rig.path("workflows")).unwrap();
        for (name, text) in [("quick", QUICK), ("asks", ASKS), ("long", LONG)] {
            rig.write(&format!("workflows/{name}.yaml"), text);
        }
        Self::over(rig, &[])
    }

    /// Over a rig that is there.
    pub fn over(rig: Rig, arguments: &[&str]) -> Self {
        let mut server = Self { rig, url: String::new(), child: None, client: client() };
        server.run(arguments);
        server
    }

    /// Starts it, or starts it again at the same port.
    pub fn run(&mut self, arguments: &[&str]) {
        let listen = match self.url.strip_prefix("http://") {
            Some(addr) => addr.to_owned(),
            None => "127.0.0.1:0".to_owned(),
        };
        let rate = if arguments.contains(&"--rate") { &[][..] } else { &["--rate", "100000"][..] };
        let mut command = self.rig.command(&[&["serve", "--listen", &listen], rate, arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            panic!("no server: {}", String::from_utf8_lossy(&child.wait_with_output().unwrap().stderr));
        }
        // Connections to the one before are of no use.
        self.client = client();
        self.url = line.trim().to_owned();
        self.child = Some(child);
    }

    pub fn child(&self) -> &Child {
        self.child.as_ref().unwrap()
    }

    /// Kills it as it is.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to stop, and waits until it has; its exit code and what it wrote.
    pub fn stop(&mut self) -> (Option<i32>, String) {
        let child = self.child.take().unwrap();
        signal(&child, Signal::TERM);
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    pub fn token(&self, role: &str) -> String {
        let done = self.rig.wfctl(&["token", "--role", role]);
        assert_eq!(done.code, Some(0), "{}", done.err);
        done.out.trim().to_owned()
    }

    /// A request with the token of a role.
    pub fn request(&self, method: Method, path: &str, role: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(self.token(role))
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        told(self.request(Method::GET, path, "read").send().await.unwrap()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        told(self.request(Method::POST, path, "operate").json(body).send().await.unwrap()).await
    }

    /// Starts a project; its id.
    pub async fn begin(&self, workflow: &str) -> String {
        let (status, body) = self.post("/api/v1/projects", &json!({"workflow": workflow})).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    /// Waits until a project is in a state.
    pub async fn until(&self, id: &str, wanted: &str) -> Value {
        let mut last = Value::Null;
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let (_, view) = self.get(&format!("/api/v1/projects/{id}")).await;
                last = view.clone();
                if view["project"]["status"] == wanted {
                    return view;
                }
                tokio::time::sleep(POLL).await;
            }
        });
        let Ok(view) = waited.await else { panic!("{id} is not {wanted}: {last}") };
        view
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Status and JSON of an answer.
pub async fn told(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Asserts what a refusal is.
#[track_caller]
pub fn refused((status, body): (StatusCode, Value), expected: u16, code: &str) {
    assert_eq!((status.as_u16(), body["code"].as_str()), (expected, Some(code)), "{body}");
    assert_eq!(body["status"], expected);
    assert_eq!(body["type"], format!("/api/v1/codes/{code}"));
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
}
