//! Servers of tools that an agent's step has started: each in the sandbox that the step's commands get, with what the person grants
//! that server beyond it.

use std::path::PathBuf;

use async_trait::async_trait;

use super::super::containment::{failed, passed_on};
use super::super::shell::{UNATTENDED, told};
use super::ground::Ground;
use super::process::withheld;
use crate::agents::mcp::{Encloses, Enclosure, Variables, put};
use crate::domain::failure::Failure;
use crate::domain::sandbox::Backend;
use crate::domain::tool_server::ToolServer;

/// Where a server starts that has no business in the workspace: private and empty in every sandbox.
const NOWHERE: &str = "/tmp";

#[async_trait]
impl Encloses for Ground<'_> {
    async fn enclosure(&self, server: &ToolServer, given: Variables) -> Result<Option<Enclosure>, Failure> {
        let backend = self.allowed.backend;
        if !server.sandbox || backend == Backend::None {
            return Ok(None);
        }
        if backend.has_own_files() {
            let message = format!(
                "servers of tools cannot run in a container ({}) yet, and do not run without a sandbox unless you say so: contain \
                 commands by bwrap or native (--sandbox auto), or write sandbox = false under [mcpServers.NAME] in your config.toml",
                backend.name()
            );
            return Err(failed(message));
        }
        let allowed = server.beyond(&self.allowed);
        let (settings, order) = (&self.settings, &self.order);
        // Not what the workflow sets: a variable such as NODE_OPTIONS would make somebody else's program of it.
        let inherited = passed_on(&settings.environment, &allowed, &settings.secrets.withheld()).into_iter();
        let is_granted = |name: &std::ffi::OsString| name.to_str().is_some_and(|name| server.allow_env.contains(name));
        let is_secret = withheld(settings, order);
        let mut environment: Variables = inherited.filter(|(name, _)| is_granted(name) || !is_secret(name)).collect();
        put(&mut environment, Vec::from(UNATTENDED.map(|(name, value)| (name.into(), value.into()))));
        put(&mut environment, Vec::from(told(settings, order).map(|(name, value)| (name.into(), value.into()))));
        put(&mut environment, given.clone());
        let dir = self.lease.dir();
        let contained = settings.containments.of(order, &allowed, dir, environment).await?;
        let mut environment = contained.environment;
        put(&mut environment, given);
        Ok(Some(Enclosure {
            containment: contained.containment,
            environment,
            dir: if server.in_workspace { dir.to_owned() } else { PathBuf::from(NOWHERE) },
            workspace: dir.to_owned(),
        }))
    }
}
