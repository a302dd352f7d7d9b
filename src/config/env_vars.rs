//! Every environment variable that the product reads, and the only place that reads them.
//!
//! | variable | meaning |
//! |---|---|
//! | `WFCTL_HOME` | where everything is kept; else `$XDG_STATE_HOME/wfctl`, else `~/.local/state/wfctl` |
//! | `WFCTL_CONFIG` | the user's configuration file; else `$XDG_CONFIG_HOME/wfctl/config.toml`, else `~/.config/wfctl/config.toml` |
//! | `WFCTL_WORKERS`, `WFCTL_COLOR`, `WFCTL_LOG`, `WFCTL_LOG_FORMAT` | settings of the same names |
//! | `NO_COLOR` | no colour, whatever its value, unless empty |
//! | `TERM` | `dumb`: no colour and no redrawing |
//! | `USER`, `LOGNAME` | who is recorded as the actor of commands |
//! | `VAULT_ADDR`, `VAULT_TOKEN`, `VAULT_TOKEN_FILE`, `VAULT_NAMESPACE`, `VAULT_CACERT` | where HashiCorp Vault is, for secrets that are declared to be there |
//! | `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_PROTOCOL`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`, `OTEL_SDK_DISABLED`, `OTEL_TRACES_EXPORTER` | where traces are sent, as OpenTelemetry defines them |
//! | `REDIS_HOST`, `REDIS_PORT` | the server of a `[bus.redis]` that names none |
//! | `MODEL_NAME` | the model of agents where no file names one; without a `/` it is one of Google's |
//! | `GOOGLE_API_KEY` | the key for the provider `google`, where `GEMINI_API_KEY` is not set |
//! | `SANDBOX_TIMEOUT`, else `TASK_TIMEOUT` | `task_timeout` of `[sandbox]` in seconds, where no file says it |
//! | `XDG_RUNTIME_DIR` | where the socket goes when the home's path is too long for one; where engines of an ordinary user listen |
//! | `DOCKER_HOST`, `CONTAINER_HOST` | the socket (`unix://...`) of Docker and of Podman, for commands in containers |

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::layers::Key;
use crate::domain::limits;

/// Where traces are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracesSpec {
    /// The address for traces.
    pub url: String,
    /// Headers that the collector wants.
    pub headers: Vec<(String, String)>,
    /// What this program is called there.
    pub service: String,
    /// gRPC was asked for, which is not spoken here.
    pub wants_grpc: bool,
}

impl TracesSpec {
    /// What the sink is called.
    pub const NAME: &str = "otlp";
}

/// Where engines that make containers may answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnginesSpec {
    /// Sockets of Docker.
    pub docker: Vec<PathBuf>,
    /// Sockets of Podman.
    pub podman: Vec<PathBuf>,
    /// A `DOCKER_HOST` that is no socket of this machine.
    pub unusable: Option<String>,
}

/// Text in which `%41` stands for `A`, and no white space around it.
fn unescaped(text: &str) -> String {
    let bytes = text.trim().as_bytes();
    let (mut plain, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match hex.filter(|_| bytes[at] == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// The environment as it was when the process started.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// Reads it, once.
    pub fn capture() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
        Self(std::env::vars_os().collect())
    }

    /// One that is made up, for tests.
    pub fn of<'p>(pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// All of it, for commands.
    pub fn all(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.0.iter()
    }

    /// All variables that are text.
    pub fn texts(&self) -> BTreeMap<String, String> {
        let text =
            |(name, value): (&OsString, &OsString)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned()));
        let mut texts: BTreeMap<String, String> = self.0.iter().filter_map(text).collect();
        if let Some(key) = self.text("GOOGLE_API_KEY") {
            texts.entry("GEMINI_API_KEY".to_owned()).or_insert_with(|| key.to_owned());
        }
        texts
    }

    /// The model that agents use where no file names one.
    pub fn model(&self) -> Option<String> {
        let name = self.text("MODEL_NAME")?.trim();
        (!name.is_empty()).then(|| if name.contains('/') { name.to_owned() } else { format!("google/{name}") })
    }

    /// The time limit of commands that have none, in milliseconds, where no file says it; the name of the variable that is no number.
    pub fn task_timeout_ms(&self) -> Result<Option<u64>, &'static str> {
        let named = ["SANDBOX_TIMEOUT", "TASK_TIMEOUT"].into_iter().find_map(|name| Some((name, self.text(name)?)));
        let Some((name, text)) = named else { return Ok(None) };
        let ms = text.trim().parse::<u64>().ok().and_then(|seconds| seconds.checked_mul(1000));
        ms.filter(|ms| (1..=limits::DURATION_MS).contains(ms)).map(Some).ok_or(name)
    }

    /// A variable that is set, not empty and text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(std::ffi::OsStr::new(name)).and_then(|value| value.to_str()).filter(|value| !value.is_empty())
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        let value = self.0.get(std::ffi::OsStr::new(name)).filter(|value| !value.is_empty())?;
        Some(PathBuf::from(value))
    }

    /// An absolute path; the XDG specification says that others are to be ignored.
    fn absolute(&self, name: &str) -> Option<PathBuf> {
        self.path(name).filter(|path| path.is_absolute())
    }

    /// The home; `None` when neither of its variables nor `HOME` is set. May be relative to the current folder.
    pub fn home(&self) -> Option<PathBuf> {
        self.path("WFCTL_HOME")
            .or_else(|| self.absolute("XDG_STATE_HOME").map(|state| state.join("wfctl")))
            .or_else(|| self.absolute("HOME").map(|home| home.join(".local/state/wfctl")))
    }

    /// The user's configuration file, whether or not it is there.
    pub fn config_file(&self) -> Option<PathBuf> {
        self.path("WFCTL_CONFIG")
            .or_else(|| self.absolute("XDG_CONFIG_HOME").map(|config| config.join("wfctl/config.toml")))
            .or_else(|| self.absolute("HOME").map(|home| home.join(".config/wfctl/config.toml")))
    }

    /// The person's own folder: `HOME`, else what the system knows.
    pub fn user_home(&self) -> Option<PathBuf> {
        self.absolute("HOME").or_else(|| std::env::home_dir().filter(|home| home.is_absolute()))
    }

    /// A private folder with a short path.
    pub fn runtime_dir(&self) -> Option<PathBuf> {
        self.absolute("XDG_RUNTIME_DIR")
    }

    /// Where traces are sent, by the variables of OpenTelemetry; `None` without an endpoint, or where they say not to.
    pub fn traces(&self) -> Option<TracesSpec> {
        let is = |name: &str, value: &str| self.text(name).is_some_and(|text| text.eq_ignore_ascii_case(value));
        if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
            return None;
        }
        let own = self.text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").map(str::to_owned);
        let of_all = self.text("OTEL_EXPORTER_OTLP_ENDPOINT");
        let url = own.or_else(|| of_all.map(|url| format!("{}/v1/traces", url.trim_end_matches('/'))))?;
        let headers = self.text("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default().split(',');
        let pair = |text: &str| text.split_once('=').map(|(name, value)| (unescaped(name), unescaped(value)));
        Some(TracesSpec {
            url,
            headers: headers.filter_map(pair).collect(),
            service: self.text("OTEL_SERVICE_NAME").unwrap_or("wfctl").to_owned(),
            wants_grpc: is("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        })
    }

    /// The Redis server that the environment names, and whether it names one.
    pub fn redis_url(&self) -> (String, bool) {
        let (host, port) = (self.text("REDIS_HOST"), self.text("REDIS_PORT"));
        let url = format!("redis://{}:{}", host.unwrap_or("127.0.0.1"), port.unwrap_or("6379"));
        (url, host.is_some())
    }

    /// Where engines that make containers may answer, the first one first.
    pub fn engines(&self) -> EnginesSpec {
        const UNIX: &str = "unix://";
        let socket = |name: &str| self.text(name).and_then(|address| Some(PathBuf::from(address.strip_prefix(UNIX)?)));
        let own = |path: &str| self.runtime_dir().map(|dir| dir.join(path));
        let docker = match self.text("DOCKER_HOST") {
            Some(_) => socket("DOCKER_HOST").into_iter().collect(),
            None => [Some(PathBuf::from("/var/run/docker.sock")), own("docker.sock")].into_iter().flatten().collect(),
        };
        let podman = match socket("CONTAINER_HOST") {
            Some(socket) => vec![socket],
            None => [own("podman/podman.sock"), Some("/run/podman/podman.sock".into())].into_iter().flatten().collect(),
        };
        let unusable = self.text("DOCKER_HOST").filter(|address| !address.starts_with(UNIX)).map(str::to_owned);
        EnginesSpec { docker, podman, unusable }
    }

    /// The settings that are given as variables.
    pub fn settings(&self) -> Vec<(Key, &'static str, String)> {
        let variables = [
            (Key::Workers, "WFCTL_WORKERS"),
            (Key::Color, "WFCTL_COLOR"),
            (Key::Log, "WFCTL_LOG"),
            (Key::LogFormat, "WFCTL_LOG_FORMAT"),
        ];
        let given = |(key, name): (Key, &'static str)| self.text(name).map(|value| (key, name, value.to_owned()));
        variables.into_iter().filter_map(given).collect()
    }

    /// Whether colour is unwanted whatever the configuration says about `auto`.
    pub fn is_plain(&self) -> bool {
        self.text("NO_COLOR").is_some() || self.text("TERM") == Some("dumb")
    }

    /// Who is at the keyboard.
    pub fn user(&self) -> String {
        let name = self.text("USER").or_else(|| self.text("LOGNAME")).map(str::to_owned);
        name.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
    }

    /// The values of the variables that a workflow captures (`pass_env`).
    pub fn captured(&self, names: &[String]) -> BTreeMap<String, String> {
        let value = |name: &String| Some((name.clone(), self.0.get(std::ffi::OsStr::new(name))?.to_str()?.to_owned()));
        names.iter().filter_map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_found_by_variables_or_where_they_usually_are() {
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        let usual = Environment::of([("XDG_RUNTIME_DIR", "/run/user/7")]).engines();
        assert_eq!(usual.docker, paths(&["/var/run/docker.sock", "/run/user/7/docker.sock"]));
        assert_eq!(usual.podman, paths(&["/run/user/7/podman/podman.sock", "/run/podman/podman.sock"]));
        let said = Environment::of([("DOCKER_HOST", "unix:///x"), ("CONTAINER_HOST", "unix:///y")]).engines();
        assert_eq!((said.docker, said.podman), (paths(&["/x"]), paths(&["/y"])));
        let far = Environment::of([("DOCKER_HOST", "tcp://far:2375")]).engines();
        assert_eq!((far.docker, far.unusable.as_deref()), (Vec::new(), Some("tcp://far:2375")));
    }

    #[test]
    fn variables_of_others_are_understood_where_they_mean_something() {
        let of = |pairs: &[(&'static str, &'static str)]| Environment::of(pairs.iter().copied());
        assert_eq!(of(&[("MODEL_NAME", "gemini-2.0-flash")]).model().as_deref(), Some("google/gemini-2.0-flash"));
        assert_eq!(of(&[("MODEL_NAME", "openai/gpt-5")]).model().as_deref(), Some("openai/gpt-5"));
        assert_eq!(of(&[("MODEL_NAME", " ")]).model(), None);
        assert_eq!(of(&[("TASK_TIMEOUT", "600")]).task_timeout_ms(), Ok(Some(600_000)));
        let both = of(&[("TASK_TIMEOUT", "600"), ("SANDBOX_TIMEOUT", "300")]);
        assert_eq!(both.task_timeout_ms(), Ok(Some(300_000)));
        assert_eq!(of(&[]).task_timeout_ms(), Ok(None));
        for bad in ["0", "-1", "5m", "99999999999999999999"] {
            assert_eq!(of(&[("TASK_TIMEOUT", bad)]).task_timeout_ms(), Err("TASK_TIMEOUT"), "{bad}");
        }
        let keys = of(&[("GOOGLE_API_KEY", "g")]).texts();
        assert_eq!(keys["GEMINI_API_KEY"], "g");
        let keys = of(&[("GOOGLE_API_KEY", "g"), ("GEMINI_API_KEY", "own")]).texts();
        assert_eq!(keys["GEMINI_API_KEY"], "own");
    }

    #[test]
    fn traces_are_sent_where_the_variables_of_opentelemetry_say() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318/");
        let traces =
            Environment::of([endpoint, ("OTEL_EXPORTER_OTLP_HEADERS", "a=b, authorization=Basic%20eA==,%")]).traces();
        let traces = traces.unwrap();
        assert_eq!((traces.url.as_str(), traces.service.as_str()), ("http://127.0.0.1:4318/v1/traces", "wfctl"));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(traces.headers, [pair("a", "b"), pair("authorization", "Basic eA==")]);
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://x/traces");
        assert_eq!(Environment::of([endpoint, own]).traces().unwrap().url, "http://x/traces");
        assert_eq!(Environment::of([endpoint, ("OTEL_SDK_DISABLED", "true")]).traces(), None);
        assert_eq!(Environment::of([]).traces(), None);
    }
}
