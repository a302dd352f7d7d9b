//! Reading the layers and settling on one value per key.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::bus::{self, BusSpec, NotifySpec};
use super::env_vars::Environment;
use super::memory::{self, MemorySpec};
use super::sandbox;
use crate::domain::limits;
use crate::domain::sandbox::Allowance;
use crate::domain::secret::{self, SecretOrigin};
use crate::domain::time::parse_duration;
use crate::domain::tool_server::ToolServer;
use crate::domain::workflow::{ModelsSpec, did_you_mean};

const DEFAULTS: &str = include_str!("defaults.toml");
/// The file of a repository.
pub const REPOSITORY_FILE: &str = ".wfctl.toml";

/// One setting's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Most steps at once.
    Workers,
    /// Between SIGTERM and SIGKILL.
    Grace,
    /// The same while the engine stops.
    ShutdownGrace,
    /// How long an idle engine stays.
    IdleExit,
    /// When to colour.
    Color,
    /// What is logged.
    Log,
    /// How.
    LogFormat,
}

impl Key {
    /// All keys, in the order of `defaults.toml`.
    pub const ALL: [Self; 7] =
        [Self::Workers, Self::Grace, Self::ShutdownGrace, Self::IdleExit, Self::Color, Self::Log, Self::LogFormat];

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Workers => "workers",
            Self::Grace => "grace",
            Self::ShutdownGrace => "shutdown_grace",
            Self::IdleExit => "idle_exit",
            Self::Color => "color",
            Self::Log => "log",
            Self::LogFormat => "log_format",
        }
    }

    /// What a value must be, when `value` is not.
    fn refuses(self, value: &str) -> Option<&'static str> {
        let (fits, wanted) = match self {
            Self::Workers => (value.parse::<u16>().is_ok(), "a number from 0 to 65535"),
            Self::Grace | Self::ShutdownGrace | Self::IdleExit => {
                (parse_duration(value).is_some(), "a duration such as \"10s\"")
            }
            Self::Color => (["auto", "always", "never"].contains(&value), "auto, always or never"),
            Self::Log => (
                value.parse::<tracing_subscriber::filter::EnvFilter>().is_ok(),
                "a level (error, warn, info, debug, trace) or a filter of levels",
            ),
            Self::LogFormat => (["text", "json"].contains(&value), "text or json"),
        };
        (!fits).then_some(wanted)
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Compiled in.
    Default,
    /// A file.
    File(PathBuf),
    /// A variable.
    Variable(&'static str),
    /// A flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "${name}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A value with its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The value as text.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not valid TOML: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What and where.
        problem: String,
    },
    /// No such key.
    #[error("{} has an unknown key `{key}`", path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// What to do.
        help: Option<String>,
    },
    /// A variable that is no number of seconds.
    #[error("${name} is no number of seconds, as 600 is")]
    Seconds {
        /// The variable.
        name: &'static str,
    },
    /// Not a value of this key.
    #[error("`{}` cannot be {value:?} ({origin}): it must be {wanted}", key.name())]
    Value {
        /// The key.
        key: Key,
        /// The value.
        value: String,
        /// Where it stands.
        origin: Origin,
        /// What it must be.
        wanted: &'static str,
    },
}

/// All values that are in force, with their origins.
#[derive(Debug, Clone)]
pub struct Layers {
    settings: BTreeMap<Key, Setting>,
    models: ModelsSpec,
    servers: BTreeMap<String, ToolServer>,
    allowance: Allowance,
    untrusted: Option<(PathBuf, String)>,
    secrets: BTreeMap<String, SecretOrigin>,
    bus: BusSpec,
    notify: Vec<NotifySpec>,
    memory: MemorySpec,
}

/// The table of models in a file.
const MODELS: &str = "models";
/// The table of servers of tools, called what all clients of the protocol call it.
const SERVERS: &str = "mcpServers";
/// The table of what commands may reach.
const SANDBOX: &str = "sandbox";
/// The table of secrets in a file.
const SECRETS: &str = "secrets";
/// The table of what agents remember with.
const MEMORY: &str = "memory";
/// The tables of who else is told of records.
const TELLING: [&str; 2] = ["bus", "notify"];

impl Layers {
    /// Reads every layer. `repository` is the folder whose file counts if `counts` says so of its content; `flags` are those
    /// given.
    pub fn read(
        environment: &Environment,
        repository: Option<&Path>,
        counts: &dyn Fn(&Path, &str) -> bool,
        flags: &[(Key, &'static str, String)],
    ) -> Result<Self, Error> {
        let mut layers = Self {
            settings: BTreeMap::new(),
            models: ModelsSpec::default(),
            servers: BTreeMap::new(),
            allowance: Allowance::default(),
            secrets: BTreeMap::new(),
            untrusted: None,
            bus: BusSpec::default(),
            notify: Vec::new(),
            memory: MemorySpec::default(),
        };
        layers.models.default.extend(environment.model());
        let of_variable = environment.task_timeout_ms().map_err(|name| Error::Seconds { name })?;
        layers.allowance.task_timeout_ms = of_variable.or(layers.allowance.task_timeout_ms);
        layers.add_text(DEFAULTS, Path::new("defaults.toml"), &|_| Origin::Default)?;
        let file = |path: &Path| Origin::File(path.to_owned());
        if let Some((path, text)) = environment.config_file().map_or(Ok(None), text_of)? {
            layers.add_text(&text, &path, &file)?;
        }
        if let Some((path, text)) = repository.map_or(Ok(None), |folder| text_of(folder.join(REPOSITORY_FILE)))? {
            if counts(&path, &text) {
                layers.add_text(&text, &path, &file)?;
            } else {
                layers.untrusted = Some((path, text));
            }
        }
        for (key, variable, value) in environment.settings() {
            layers.set(key, value, Origin::Variable(variable))?;
        }
        for (key, flag, value) in flags {
            layers.set(*key, value.clone(), Origin::Flag(flag))?;
        }
        Ok(layers)
    }

    /// The value in force.
    ///
    /// # Panics
    /// Never: the first layer has every key, which a test checks.
    pub fn get(&self, key: Key) -> &Setting {
        self.settings.get(&key).expect("defaults.toml has a value for every key")
    }

    /// Models and providers: those of later files take the place of the same ones of earlier files.
    pub fn models(&self) -> &ModelsSpec {
        &self.models
    }

    /// The servers of tools for agents, by name.
    pub fn servers(&self) -> &BTreeMap<String, ToolServer> {
        &self.servers
    }

    /// Adds the servers of a file.
    fn add_servers(&mut self, value: toml::Value, path: &Path) -> Result<(), Error> {
        let wrong = |problem: String| Error::Syntax { path: path.to_owned(), problem };
        // Whoever cloned a repository has not agreed to start what it names.
        if path.ends_with(REPOSITORY_FILE) {
            return Err(wrong(format!(
                "[{SERVERS}] is read from your own configuration only: a repository may not start programs of its choice"
            )));
        }
        let servers: BTreeMap<String, ToolServer> =
            value.try_into().map_err(|error: toml::de::Error| wrong(format!("[{SERVERS}]: {}", error.message())))?;
        if let Some(problem) = servers.iter().find_map(|(name, server)| server.fault(name)) {
            return Err(wrong(format!("[{SERVERS}]: {problem}")));
        }
        self.servers.extend(servers);
        Ok(())
    }

    /// What commands may reach unless a flag says more.
    pub fn allowance(&self) -> Allowance {
        self.allowance.clone()
    }

    /// The file of the repository and its text, when it does not count.
    pub fn untrusted(&self) -> Option<(&Path, &str)> {
        self.untrusted.as_ref().map(|(path, text)| (path.as_path(), text.as_str()))
    }

    /// Where the secrets are that the user has declared, by name.
    pub fn secrets(&self) -> &BTreeMap<String, SecretOrigin> {
        &self.secrets
    }

    /// Where records are published, by the person's own configuration.
    pub fn bus(&self) -> &BusSpec {
        &self.bus
    }

    /// Who is notified, by the person's own configuration.
    pub fn notify(&self) -> &[NotifySpec] {
        &self.notify
    }

    /// What agents remember with, by the person's own configuration.
    pub fn memory(&self) -> &MemorySpec {
        &self.memory
    }

    /// `[bus]` or `[[notify]]`.
    fn add_telling(&mut self, name: &str, value: toml::Value, path: &Path) -> Result<(), Error> {
        let wrong = |problem: String| Error::Syntax { path: path.to_owned(), problem };
        // Whoever cloned a repository has not agreed to tell anyone of their work.
        if path.ends_with(REPOSITORY_FILE) {
            return Err(wrong(format!("[{name}] is read from your own configuration only")));
        }
        let read = |error: toml::de::Error| wrong(format!("[{name}]: {}", error.message()));
        match name {
            "bus" => self.bus = value.try_into().map_err(read)?,
            _ => self.notify = value.try_into().map_err(read)?,
        }
        bus::check(&self.bus, &self.notify).map_err(wrong)
    }

    fn set(&mut self, key: Key, value: String, origin: Origin) -> Result<(), Error> {
        if let Some(wanted) = key.refuses(&value) {
            return Err(Error::Value { key, value, origin, wanted });
        }
        self.settings.insert(key, Setting { value, origin });
        Ok(())
    }

    fn add_text(&mut self, text: &str, path: &Path, origin: &dyn Fn(&Path) -> Origin) -> Result<(), Error> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            Error::Syntax { path: path.to_owned(), problem: format!("line {line}: {}", error.message()) }
        })?;
        for (name, value) in table {
            if name == MODELS {
                let models = value.try_into::<ModelsSpec>();
                let models = models.map_err(|error| Error::Syntax {
                    path: path.to_owned(),
                    problem: format!("[{MODELS}]: {}", error.message()),
                })?;
                // Whoever cloned a repository has not agreed to send their keys where it says.
                if path.ends_with(REPOSITORY_FILE) && !models.providers.is_empty() {
                    let problem = format!(
                        "[{MODELS}.providers] is read from your own configuration only: a repository may choose models, not \
                         where your keys are sent"
                    );
                    return Err(Error::Syntax { path: path.to_owned(), problem });
                }
                self.models = models.over(&self.models);
                continue;
            }
            if name == SERVERS {
                self.add_servers(value, path)?;
                continue;
            }
            if name == SANDBOX {
                self.allowance = sandbox::allowance(&self.allowance, value, path)?;
                continue;
            }
            if name == SECRETS {
                self.declare(value, path)?;
                continue;
            }
            if name == MEMORY {
                self.memory = memory::read(value, path)?;
                continue;
            }
            if TELLING.contains(&name.as_str()) {
                self.add_telling(&name, value, path)?;
                continue;
            }
            let Some(key) = Key::ALL.into_iter().find(|key| key.name() == name) else {
                let names = Key::ALL
                    .iter()
                    .map(|key| key.name())
                    .chain([MODELS, SERVERS, SANDBOX, SECRETS, MEMORY])
                    .chain(TELLING);
                let help = did_you_mean(&name, names);
                return Err(Error::UnknownKey { path: path.to_owned(), key: name, help });
            };
            let value = match value {
                toml::Value::String(text) => text,
                other => other.to_string(),
            };
            self.set(key, value, origin(path))?;
        }
        Ok(())
    }

    /// Takes in a table of secrets. No message repeats a value: whoever wrote a secret there by mistake must not see it in a log.
    fn declare(&mut self, table: toml::Value, path: &Path) -> Result<(), Error> {
        let wrong = |problem: String| Error::Syntax { path: path.to_owned(), problem };
        if path.ends_with(REPOSITORY_FILE) {
            return Err(wrong(format!(
                "[{SECRETS}] is read from your own configuration only: a repository may not say which of your secrets there are"
            )));
        }
        let toml::Value::Table(table) = table else {
            return Err(wrong(format!("[{SECRETS}] is a table of names, each with where its value is")));
        };
        for (name, value) in table {
            if let Some(why) = secret::refused_name(&name) {
                return Err(wrong(format!("[{SECRETS}]: {name:?}: {why}")));
            }
            let origin = value.as_str().ok_or_else(|| format!("it is {}", secret::FORMS)).and_then(str::parse);
            let origin =
                origin.map_err(|why| wrong(format!("[{SECRETS}] {name} does not say where the value is: {why}")))?;
            self.secrets.insert(name, origin);
        }
        Ok(())
    }
}

/// A file and its text; `None` when it is not there. It must be a regular one: a repository may hold a pipe of this name.
fn text_of(path: PathBuf) -> Result<Option<(PathBuf, String)>, Error> {
    let read = || {
        if !std::fs::metadata(&path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        let mut text = String::new();
        std::fs::File::open(&path)?.take(limits::CONFIG_FILE_BYTES + 1).read_to_string(&mut text)?;
        if text.len() as u64 > limits::CONFIG_FILE_BYTES {
            let problem = format!("it has more than {} bytes", limits::CONFIG_FILE_BYTES);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
        }
        Ok(text)
    };
    match read() {
        Ok(text) => Ok(Some((path, text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Trusts everything.
    fn all(_: &Path, _: &str) -> bool {
        true
    }

    #[test]
    fn a_repository_whose_file_is_not_trusted_sets_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join(REPOSITORY_FILE);
        std::fs::write(&own, "workers = 3\nnonsense = {").unwrap();
        let layers = Layers::read(&Environment::of([]), Some(folder.path()), &|_, _| false, &[]).unwrap();
        assert_eq!(layers.get(Key::Workers).origin, Origin::Default, "it is not even parsed");
        assert_eq!(layers.untrusted().map(|(path, _)| path), Some(own.as_path()));
    }

    #[test]
    fn a_file_that_is_none_or_too_large_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join(REPOSITORY_FILE);
        let read = || Layers::read(&Environment::of([]), Some(folder.path()), &all, &[]);
        std::fs::create_dir(&own).unwrap();
        assert!(matches!(read(), Err(Error::Read { .. })));
        std::fs::remove_dir(&own).unwrap();
        std::fs::write(&own, " ".repeat(limits::CONFIG_FILE_BYTES as usize)).unwrap();
        assert!(read().is_ok());
        std::fs::write(&own, " ".repeat(limits::CONFIG_FILE_BYTES as usize + 1)).unwrap();
        assert!(matches!(read(), Err(Error::Read { .. })), "one byte past the bound");
    }

    #[test]
    fn later_layers_win_and_remember_where_they_came_from() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(REPOSITORY_FILE), "workers = 3\ngrace = \"1s\"").unwrap();
        let flags = [(Key::Workers, "--workers", "5".to_owned())];
        let layers = Layers::read(&Environment::of([]), Some(folder.path()), &all, &flags).unwrap();
        assert_eq!(layers.get(Key::Workers).origin, Origin::Flag("--workers"));
        assert_eq!(layers.get(Key::Grace).value, "1s");
        assert!(Key::ALL.into_iter().all(|key| !layers.get(key).value.is_empty()));
    }

    #[test]
    fn models_of_a_repository_win_over_those_of_the_user() {
        let folder = tempfile::tempdir().unwrap();
        let user = folder.path().join("user.toml");
        let theirs = "[models]\ndefault = [\"openai/a\"]\nroles.planner = [\"openai/b\"]";
        let provider = "\n[models.providers.local]\nbase_url = \"http://127.0.0.1:1/v1\"";
        std::fs::write(&user, format!("{theirs}{provider}")).unwrap();
        let own = folder.path().join(REPOSITORY_FILE);
        std::fs::write(&own, "[models]\ndefault = [\"local/c\"]").unwrap();
        let environment = Environment::of([("WFCTL_CONFIG", user.to_str().unwrap())]);
        let layers = Layers::read(&environment, Some(folder.path()), &all, &[]).unwrap();
        assert_eq!(layers.models().default, ["local/c"]);
        assert_eq!(layers.models().roles["planner"], ["openai/b"]);
        assert!(layers.models().providers.contains_key("local"));
        std::fs::write(&own, format!("[models]\ndefault = [\"local/c\"]{provider}")).unwrap();
        let refused = Layers::read(&environment, Some(folder.path()), &all, &[]).unwrap_err();
        assert!(matches!(refused, Error::Syntax { problem, .. } if problem.contains("your keys")));
    }

    #[test]
    fn servers_of_tools_are_those_of_the_person_alone() {
        let folder = tempfile::tempdir().unwrap();
        let user = folder.path().join("user.toml");
        let text = "[mcpServers.time]\ncommand = \"mcp-server-time\"\nargs = [\"--local-timezone\", \"UTC\"]";
        std::fs::write(&user, text).unwrap();
        let environment = Environment::of([("WFCTL_CONFIG", user.to_str().unwrap())]);
        let layers = Layers::read(&environment, Some(folder.path()), &all, &[]).unwrap();
        assert_eq!(layers.servers()["time"].args, ["--local-timezone", "UTC"]);
        std::fs::write(folder.path().join(REPOSITORY_FILE), text).unwrap();
        let refused = Layers::read(&environment, Some(folder.path()), &all, &[]).unwrap_err();
        assert!(matches!(refused, Error::Syntax { problem, .. } if problem.contains("your own configuration")));
        std::fs::remove_file(folder.path().join(REPOSITORY_FILE)).unwrap();
        for (text, wanted) in [
            ("[mcpServers.Time]\ncommand = \"x\"", "no name of a server"),
            ("[mcpServers.time]\ncomand = \"x\"", "comand"),
            ("[mcpServers.time]", "neither a command nor a url"),
        ] {
            std::fs::write(&user, text).unwrap();
            let refused = Layers::read(&environment, None, &all, &[]).unwrap_err().to_string();
            assert!(refused.contains(wanted), "{refused}");
        }
    }

    #[test]
    fn secrets_are_declared_by_the_user_and_never_by_a_repository() {
        let folder = tempfile::tempdir().unwrap();
        let user = folder.path().join("user.toml");
        std::fs::write(&user, "[secrets]\nDB = \"env:DATABASE_PASSWORD\"\nKEY = \"vault:kv/a#b\"").unwrap();
        let environment = Environment::of([("WFCTL_CONFIG", user.to_str().unwrap())]);
        let read = || Layers::read(&environment, Some(folder.path()), &|_, _| true, &[]);
        let layers = read().unwrap();
        assert_eq!(layers.secrets()["DB"], SecretOrigin::Environment("DATABASE_PASSWORD".to_owned()));
        std::fs::write(folder.path().join(REPOSITORY_FILE), "[secrets]\nHOUSE = \"env:HOUSE\"").unwrap();
        let refused = read().unwrap_err();
        assert!(matches!(&refused, Error::Syntax { problem, .. } if problem.contains("your own")), "{refused}");
        std::fs::remove_file(folder.path().join(REPOSITORY_FILE)).unwrap();
        for wrong in ["DB = \"hunter2hunter2\"", "DB = 7", "\"A-B\" = \"file\"", "WFCTL_HOME = \"file\""] {
            std::fs::write(&user, format!("[secrets]\n{wrong}")).unwrap();
            let refused = read().unwrap_err();
            assert!(matches!(&refused, Error::Syntax { problem, .. } if problem.contains("[secrets]")), "{refused}");
            assert!(!refused.to_string().contains("hunter2"), "{refused}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            std::fs::write(folder.path().join(REPOSITORY_FILE), text).unwrap();
            Layers::read(&Environment::of([]), Some(folder.path()), &all, &[]).unwrap_err()
        };
        assert!(matches!(read("[bus.redis]"), Error::Syntax { problem, .. } if problem.contains("your own")));
        assert!(
            matches!(read("[[notify]]\ncommand = \"x\""), Error::Syntax { problem, .. } if problem.contains("own"))
        );
        assert!(matches!(read("wokers = 3"), Error::UnknownKey { help: Some(help), .. } if help.contains("workers")));
        assert!(matches!(read("[models]\ndefalt = []"), Error::Syntax { problem, .. } if problem.contains("defalt")));
        assert!(matches!(read("grace = 3"), Error::Value { key: Key::Grace, .. }));
        assert!(matches!(read("a = 1\nb ="), Error::Syntax { problem, .. } if problem.starts_with("line 2")));
    }
}
