//! Which engine answers, and whether it has the image. Nothing is pulled: what runs on a machine is for a person to fetch.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, Docker};

use super::super::{Engines, Missing, Place};
use super::Engine;
use crate::domain::sandbox::Backend;

/// How long an engine may take to answer. One that makes a container on a busy machine takes seconds.
const ANSWER_S: u64 = 60;

/// An engine that answered.
struct Answer {
    client: Docker,
    socket: PathBuf,
    product: &'static str,
    version: String,
}

/// A line to the engine at `socket`, in the oldest of both languages.
pub(in super::super) async fn connected(socket: &Path) -> Result<Docker, Error> {
    let path = socket.to_string_lossy();
    Docker::connect_with_unix(&path, ANSWER_S, API_DEFAULT_VERSION)?.negotiate_version().await
}

/// What an engine said, or why it could not be asked, in one line.
pub(in super::super) fn why(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        other => {
            let mut told = other.to_string();
            let mut cause = std::error::Error::source(other);
            while let Some(deeper) = cause {
                told = format!("{told}: {deeper}");
                cause = deeper.source();
            }
            told
        }
    }
}

/// The engine and the image of `place`.
pub(in super::super) async fn find(backend: Backend, place: &Place<'_>) -> Result<Engine, Missing> {
    let missing = |why: String, remedy: String| Missing { backend, why, remedy: remedy.into() };
    let Some(image) = place.image else {
        let why = "no image is named that containers are made of".to_owned();
        let remedy = "name one: --sandbox-image IMAGE, or `image = \"...\"` under [sandbox] in your configuration";
        return Err(missing(why, remedy.to_owned()));
    };
    let answer = answering(backend, place.engines).await?;
    let command = answer.product;
    let asked = |error: &Error| missing(why(error), format!("see what it says: {command} info"));
    let info = answer.client.info().await.map_err(|error| asked(&error))?;
    let found = match answer.client.inspect_image(image).await {
        Ok(found) => found,
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
            let why = format!("the engine at {} has no image {image}", answer.socket.display());
            return Err(missing(why, format!("fetch it: {command} pull {image}")));
        }
        Err(error) => return Err(asked(&error)),
    };
    let options = info.security_options.unwrap_or_default();
    let is_on = |name: &str| options.iter().any(|option| option.starts_with(&format!("name={name}")));
    let is_rootless = is_on("rootless");
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    Ok(Engine {
        keeps_ids: is_rootless && command == "podman",
        // In Docker's own user namespace root is the caller.
        user: if is_rootless && command == "docker" { "0:0".to_owned() } else { format!("{uid}:{gid}") },
        filters_calls: is_on("seccomp") && !options.iter().any(|option| option.contains("profile=unconfined")),
        image: found.id.unwrap_or_else(|| image.to_owned()),
        volumes: found
            .config
            .and_then(|config| config.volumes)
            .unwrap_or_default()
            .into_iter()
            .map(Into::into)
            .collect(),
        product: command.to_owned(),
        version: answer.version,
        socket: answer.socket,
    })
}

/// The engine that answers, its version and where.
pub(in super::super) async fn answers(backend: Backend, engines: &Engines) -> Result<String, Missing> {
    let Answer { product, version, socket, .. } = answering(backend, engines).await?;
    Ok(format!("{product} {version} at {}", socket.display()))
}

async fn answering(backend: Backend, engines: &Engines) -> Result<Answer, Missing> {
    let missing = |why: String, remedy: Cow<'static, str>| Missing { backend, why, remedy };
    let (sockets, start) = match backend {
        Backend::Podman => (&engines.podman, "start it: systemctl --user start podman.socket"),
        _ => (&engines.docker, "start it: systemctl start docker"),
    };
    if let Some(address) = engines.unusable.as_ref().filter(|_| backend == Backend::Docker) {
        let why = format!("DOCKER_HOST is {address}: only an engine of this machine sees the worktree");
        return Err(missing(why, "name a socket of this machine: DOCKER_HOST=unix:///var/run/docker.sock".into()));
    }
    let mut problems = Vec::new();
    let mut remedy = Cow::Borrowed(start);
    for socket in sockets {
        let refused = match tokio::net::UnixStream::connect(socket).await {
            Ok(_) => match asked(socket).await {
                Ok(answer) => return Ok(answer),
                Err(error) => why(&error),
            },
            Err(error) => {
                if error.kind() == io::ErrorKind::PermissionDenied {
                    remedy = format!("ask for the right to use {}", socket.display()).into();
                }
                error.to_string()
            }
        };
        problems.push(format!("{}: {refused}", socket.display()));
    }
    Err(missing(format!("no engine answers ({})", problems.join("; ")), remedy))
}

async fn asked(socket: &Path) -> Result<Answer, Error> {
    let client = connected(socket).await?;
    let told = client.version().await?;
    let components = told.components.unwrap_or_default();
    let is_podman = components.iter().any(|component| component.name.to_ascii_lowercase().contains("podman"));
    Ok(Answer {
        client,
        socket: socket.to_owned(),
        product: if is_podman { "podman" } else { "docker" },
        version: told.version.unwrap_or_default(),
    })
}
