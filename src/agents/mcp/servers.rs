//! The servers that the person configured, each connected to at most once at a time: by the engine, or by a step.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Mutex;

use super::Given;
use super::connection::{Connection, Problem};
use super::enclosure::{Encloses, Enclosure, OwnServers, Variables, put};
use super::naming;
use crate::agents::walk::Offered;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::tool_server::ToolServer;
use crate::domain::workflow::did_you_mean;
use crate::workspace::leftovers::Leftovers;

/// What servers are started with.
pub struct Host {
    /// The environment that they inherit, without secrets.
    pub environment: Vec<(OsString, OsString)>,
    /// What `$NAME` in a configuration stands for, and proxies.
    pub texts: BTreeMap<String, String>,
    /// Where they run that are not contained, and where the name of a program with a slash in it begins.
    pub dir: PathBuf,
    /// The register of running processes.
    pub leftovers: Arc<Leftovers>,
}

impl Host {
    /// A value of a configuration; `$NAME` stands for a variable.
    pub(super) fn value(&self, text: &str) -> Result<String, String> {
        match text.strip_prefix('$') {
            None => Ok(text.to_owned()),
            Some(name) => {
                let found = self.texts.get(name).cloned();
                found.ok_or_else(|| format!("the variable {name} that its configuration names is not set"))
            }
        }
    }

    /// What a server that is started is given by its configuration.
    fn variables(&self, server: &ToolServer) -> Result<Variables, String> {
        server.env.iter().map(|(name, value)| Ok((name.into(), self.value(value)?.into()))).collect()
    }

    /// The same on top of what all of them inherit.
    pub(super) fn environment_of(&self, server: &ToolServer) -> Result<Variables, String> {
        let mut all = self.environment.clone();
        put(&mut all, self.variables(server)?);
        Ok(all)
    }
}

/// Who asks.
#[derive(Clone, Copy)]
pub struct Step<'s> {
    /// The servers that were started for it.
    pub own: &'s OwnServers,
    /// Knows how its commands are contained.
    pub encloses: &'s dyn Encloses,
}

struct Server {
    spec: ToolServer,
    connection: Mutex<Option<Arc<Connection>>>,
}

/// All of them.
pub struct Servers {
    servers: BTreeMap<String, Server>,
    host: Host,
}

impl Servers {
    /// Connects to nobody yet.
    pub fn new(specs: BTreeMap<String, ToolServer>, host: Host) -> Self {
        let server = |spec| Server { spec, connection: Mutex::default() };
        Self { servers: specs.into_iter().map(|(name, spec)| (name, server(spec))).collect(), host }
    }

    /// Whether the person configured one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.servers.contains_key(name)
    }

    /// The tools of these names, in the order of names.
    pub async fn offered(&self, names: &[&str], step: Step<'_>) -> Result<Vec<Offered>, Failure> {
        let mut offered: BTreeMap<String, Offered> = BTreeMap::new();
        for name in names {
            let (server, tool) = taken_apart(name)?;
            let connection = self.connection(server, step).await?;
            let all = connection.tools.iter().filter(|(known, _)| tool == "*" || *known == name);
            let before = offered.len();
            offered.extend(all.map(|(name, known)| (name.clone(), known.offered.clone())));
            if offered.len() == before && tool != "*" {
                let near = did_you_mean(name, connection.tools.keys().map(String::as_str)).unwrap_or_default();
                let message = format!("server `{server}` has no tool `{tool}`. {near}");
                return Err(Failure::new(FailureClass::NotFound, message.trim_end().to_owned()));
            }
        }
        Ok(offered.into_values().collect())
    }

    /// Calls a tool. What its server refuses is for the model to read; a server that cannot be had ends the attempt.
    pub async fn call(&self, name: &str, arguments: &Value, step: Step<'_>) -> Result<Given, Failure> {
        let (server, _) = taken_apart(name)?;
        let connection = self.connection(server, step).await?;
        let Some(known) = connection.tools.get(name) else {
            let text = format!("server `{server}` no longer has this tool");
            return Ok(Given { text, failed: true, ran_under: connection.ran_under.clone() });
        };
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        Ok(connection.call(&known.there, arguments).await)
    }

    async fn connection(&self, name: &str, step: Step<'_>) -> Result<Arc<Connection>, Failure> {
        let Some(server) = self.servers.get(name) else {
            let known: Vec<&str> = self.servers.keys().map(String::as_str).collect();
            let hint = did_you_mean(name, known.iter().copied()).unwrap_or_else(|| match known.is_empty() {
                true => "None is configured; add [mcpServers.NAME] to your config.toml.".to_owned(),
                false => format!("There are: {}.", known.join(", ")),
            });
            let message = format!("there is no MCP server `{name}`. {hint}");
            return Err(Failure::new(FailureClass::NotFound, message));
        };
        let mut own = step.own.0.lock().await;
        if let Some(connection) = own.get(name).filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        own.remove(name);
        if server.spec.command.is_some() {
            let given = self.host.variables(&server.spec).map_err(|why| unavailable(name, Problem::from(why)))?;
            if let Some(enclosure) = step.encloses.enclosure(&server.spec, given).await? {
                let connection = self.opened(name, &server.spec, Some(&enclosure)).await?;
                own.insert(name.to_owned(), connection.clone());
                return Ok(connection);
            }
        }
        drop(own);
        let mut held = server.connection.lock().await;
        if let Some(connection) = held.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        let connection = self.opened(name, &server.spec, None).await?;
        *held = Some(connection.clone());
        Ok(connection)
    }

    async fn opened(
        &self,
        name: &str,
        spec: &ToolServer,
        enclosure: Option<&Enclosure>,
    ) -> Result<Arc<Connection>, Failure> {
        let opened = Connection::open(name, spec, &self.host, enclosure).await;
        opened.map(Arc::new).map_err(|problem| unavailable(name, problem))
    }
}

fn unavailable(name: &str, problem: Problem) -> Failure {
    Failure::new(problem.class, format!("the MCP server `{name}` cannot be had: {}", problem.why))
}

fn taken_apart(name: &str) -> Result<(&str, &str), Failure> {
    naming::parts(name).ok_or_else(|| {
        let message = format!("`{name}` is not mcp__SERVER__TOOL or mcp__SERVER__*");
        Failure::new(FailureClass::NotFound, message)
    })
}
