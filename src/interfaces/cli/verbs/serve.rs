//! `wfctl serve`: the engine of the home, with a server beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio_util::sync::CancellationToken;

use super::super::args;
use super::super::codes::explanations;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::terminal::{Tone, harmless};
use super::launcher::Launcher;
use super::{drive, mcp, resume, token};
use crate::app::{self, HeldHow, Need, Session, git_root};
use crate::domain::machine::ProjectStatus;
use crate::interfaces::api::{Explained, Fault, Home};
use crate::interfaces::http::{Asset, Mounts, Page, Parts, Running, Security, check_exposure};
use crate::interfaces::web;

/// The folder of remembered requests in the home.
const REQUESTS: &str = "http/requests";

/// Serves until a signal.
pub async fn run(context: &Arc<Context>, arguments: args::Serve) -> Result<Exit, Error> {
    if arguments.print_unit {
        return print_unit(context, &arguments);
    }
    let security = security(&arguments)?;
    check_exposure(arguments.listen, &security)?;
    let dirs = folders(&arguments.dir, here()?)?;
    let workflows = workflow_folders(&arguments.workflows, &dirs)?;
    let mut interrupts = drive::Interrupts::listen()?;
    let Some(session) = interrupts.unless(context.app.open(Need::Drive, "serve")).await else {
        return Ok(Exit::Interrupted);
    };
    let session = session?;
    let launcher = Arc::new(Launcher::new(context.clone(), dirs, workflows));
    let ending = CancellationToken::new();
    let running = match start(context, &arguments, &security, &session, launcher, &ending).await {
        Ok(running) => running,
        Err(error) => {
            drive::close(session).await?;
            return Err(error);
        }
    };
    let told = tell(context, &security, &running);
    if told.is_ok() {
        let ended = async {
            match session.engine() {
                Some(engine) => drop(engine.ended().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = interrupts.next() => {}
            () = ended => {}
        }
        context.terminal.note("stopping; a second Ctrl-C ends at once");
    }
    tokio::select! {
        () = async {
            // Streams of the other face end with it.
            ending.cancel();
            running.stop().await;
        } => {}
        () = interrupts.next() => std::process::exit(i32::from(Exit::Interrupted.code())),
    }
    drive::close(session).await?;
    told.map(|()| Exit::Done)
}

async fn start(
    context: &Arc<Context>,
    arguments: &args::Serve,
    security: &Security,
    session: &Session,
    launcher: Arc<Launcher>,
    ending: &CancellationToken,
) -> Result<Running, Error> {
    let Some(engine) = session.engine().cloned() else {
        let holder = session.holder().cloned();
        return Err(app::Error::Held { home: context.app.home().to_owned(), holder, how: HeldHow::Busy }.into());
    };
    resume_all(context, session).await?;
    allow_connections();
    let parts = Parts {
        home: session.home().clone(),
        engine,
        home_dir: context.app.home().to_owned(),
        tokens: token::open(context)?,
        requests: context.app.private_files(REQUESTS),
        mounts: mounts(session.home(), launcher.clone(), ending),
        launcher,
        explain,
        pages,
        hosts: arguments.allow_host.clone(),
        rate: arguments.rate,
        is_secure: *security != Security::Plain,
    };
    Ok(Running::start(arguments.listen, security, parts)?)
}

/// What other faces bring along.
fn mounts(home: &Home, launcher: Arc<Launcher>, ending: &CancellationToken) -> Mounts {
    let parts = mcp::under_server(home, launcher);
    Mounts { assets: Some(asset), mcp: Some(crate::interfaces::mcp::router(parts, ending.clone())) }
}

fn asset(path: &str) -> Option<Asset> {
    web::asset(path).map(|web::Asset { content_type, etag, bytes }| Asset { content_type, etag, bytes })
}

/// Takes every project up that has not ended. One that cannot go on without a person is told and does not stop the others.
async fn resume_all(context: &Context, session: &Session) -> Result<(), Error> {
    let (all, damaged) = session.home().find("").await?;
    let terminal = &context.terminal;
    for problem in damaged {
        terminal.note(terminal.paint_note(Tone::Bad, format!("not readable: {}", harmless(&problem))));
    }
    let is_open = |status: ProjectStatus| !status.is_terminal() && status != ProjectStatus::Paused;
    for summary in all.iter().filter(|summary| summary.parent.is_none() && is_open(summary.status)) {
        match session.home().resume(&summary.id, resume::plain()).await {
            Ok(()) => terminal.note(terminal.paint_note(Tone::Dim, format!("goes on: {}", summary.id))),
            Err(fault) if fault.is_of_the_engine() => return Err(fault.into()),
            Err(fault) => {
                let text = format!("not resumed: {}: {}", summary.id, harmless(&fault.message));
                terminal.note(terminal.paint_note(Tone::Warn, text));
            }
        }
    }
    Ok(())
}

/// Every client is an open file.
fn allow_connections() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // With fewer there are fewer clients, and the server says so when they come.
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the number of open files cannot be raised");
    }
}

fn tell(context: &Context, security: &Security, running: &Running) -> Result<(), Error> {
    let scheme = if *security == Security::Plain { "http" } else { "https" };
    let url = format!("{scheme}://{}", running.addr());
    if context.is_json {
        return context.terminal.json(&serde_json::json!({"v": 1, "type": "serving", "url": url}));
    }
    context.terminal.data(&url)?;
    context.terminal.note(format!("log in with the token that `wfctl token` prints: {url}/login"));
    Ok(())
}

fn explain(fault: &Fault) -> Explained {
    Error::Fault(fault.clone()).explained()
}

fn pages() -> Vec<Page> {
    explanations().into_iter().map(|page| Page { code: page.code, title: page.title, text: page.text }).collect()
}

fn security(arguments: &args::Serve) -> Result<Security, Error> {
    match (&arguments.tls_cert, &arguments.tls_key) {
        (Some(certificate), Some(key)) => Ok(Security::Tls { certificate: certificate.clone(), key: key.clone() }),
        (None, None) => Ok(Security::Plain),
        // The command line is refused before.
        (Some(_), None) | (None, Some(_)) => Err(Error::Usage {
            message: "a certificate needs its key, and a key its certificate".to_owned(),
            hint: "Give both --tls-cert and --tls-key.".to_owned(),
        }),
    }
}

fn here() -> Result<PathBuf, Error> {
    let here =
        std::env::current_dir().map_err(|source| Error::System { doing: "find this folder".to_owned(), source })?;
    Ok(git_root(&here).unwrap_or(here))
}

/// The folders under their real names.
fn folders(given: &[PathBuf], default: PathBuf) -> Result<Vec<PathBuf>, Error> {
    let given = if given.is_empty() { vec![default] } else { given.to_vec() };
    let real = |path: PathBuf| {
        let real = path.canonicalize().and_then(|real| match real.is_dir() {
            true => Ok(real),
            false => Err(std::io::ErrorKind::NotADirectory.into()),
        });
        real.map_err(|source| Error::File { doing: "use the folder", path, source })
    };
    given.into_iter().map(real).collect()
}

fn workflow_folders(given: &[PathBuf], dirs: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    if !given.is_empty() {
        return folders(given, PathBuf::new());
    }
    let all = dirs.iter().flat_map(|dir| [dir.join("workflows"), dir.join(".wfctl/workflows")]);
    // One that is a link leads to where its files are.
    Ok(all.filter_map(|folder| folder.canonicalize().ok()).filter(|folder| folder.is_dir()).collect())
}

/// A unit for the systemd of this user.
fn print_unit(context: &Context, arguments: &args::Serve) -> Result<Exit, Error> {
    let program = std::env::current_exe();
    let program = program.map_err(|source| Error::System { doing: "find this program".to_owned(), source })?;
    let folder = here()?;
    let mut words = vec![program.display().to_string(), "--home".to_owned(), context.app.home().display().to_string()];
    words.extend(["serve".to_owned(), "--listen".to_owned(), arguments.listen.to_string()]);
    let mut paths = |flag: &str, given: &[PathBuf]| {
        for path in given {
            let whole = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            words.extend([flag.to_owned(), whole.display().to_string()]);
        }
    };
    paths("--dir", &arguments.dir);
    paths("--workflows", &arguments.workflows);
    paths("--tls-cert", arguments.tls_cert.as_slice());
    paths("--tls-key", arguments.tls_key.as_slice());
    words.extend(arguments.allow_host.iter().flat_map(|host| ["--allow-host".to_owned(), host.clone()]));
    let command: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    context.terminal.data(unit(&folder, &command.join(" ")))?;
    context.terminal.note("put it into ~/.config/systemd/user/wfctl.service, then:");
    context.terminal.note("systemctl --user enable --now wfctl && loginctl enable-linger");
    Ok(Exit::Done)
}

/// As systemd reads it: in quotes, its specifiers and variables without their meaning.
fn quoted(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@".contains(c);
    if word.chars().all(is_plain) { escaped } else { format!("\"{escaped}\"") }
}

fn unit(folder: &Path, command: &str) -> String {
    let folder = folder.display().to_string().replace('%', "%%");
    format!(
        "[Unit]\n\
         Description=wfctl: durable workflows\n\
         After=network-online.target\n\
         \n\
         [Service]\n\
         ExecStart={command}\n\
         WorkingDirectory={folder}\n\
         Restart=on-failure\n\
         RestartSec=5\n\
         # It stops what runs and records that; killed, it goes on all the same after the next start.\n\
         TimeoutStopSec=90\n\
         KillMode=mixed\n\
         LimitNOFILE=16384\n\
         \n\
         [Install]\n\
         WantedBy=default.target"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_unit_mean_themselves() {
        assert_eq!(quoted("/usr/bin/wfctl"), "/usr/bin/wfctl");
        assert_eq!(quoted("/a b/50%$x"), "\"/a b/50%%$$x\"");
    }
}
