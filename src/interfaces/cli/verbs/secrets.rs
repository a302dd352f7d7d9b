//! `wfctl secrets`: names of secrets, where each is, whether it can be had. A value is read and kept, never shown.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Read as _};

use super::super::args::{self, SecretsWhat};
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::table::{self, plain};
use super::super::terminal::{Terminal, Tone};
use super::super::workflows;
use crate::domain::secret::{SecretOrigin, refused_name};
use crate::secrets::{Missing, Secret, Why, file, keyring};
use crate::telemetry::mask::{LONGEST_BYTES, SHORTEST_BYTES, is_maskable};

/// The service of keyring entries that are set before they are declared.
const SERVICE: &str = "wfctl";

/// Does one of them.
pub async fn run(context: &Context, arguments: &args::Secrets) -> Result<Exit, Error> {
    match &arguments.what {
        SecretsWhat::List => list(context).await,
        SecretsWhat::Set { name, keyring } => set(context, name, *keyring).await,
        SecretsWhat::Check { names, workflow } => check(context, names, workflow.as_deref()).await,
        SecretsWhat::Remove { name, keyring } => remove(context, name, *keyring).await,
    }
}

/// Refuses a start whose secrets cannot be had, before anything begins.
pub async fn have(context: &Context, names: &BTreeSet<String>) -> Result<(), Error> {
    let mut missing = Vec::new();
    for name in names {
        missing.extend(state(context, name).await.err());
    }
    if missing.is_empty() { Ok(()) } else { Err(Error::Secrets(missing)) }
}

async fn state(context: &Context, name: &str) -> Result<(), Missing> {
    context.app.secrets().get(&[name.to_owned()]).await.map(drop)
}

async fn list(context: &Context) -> Result<Exit, Error> {
    let declared = context.app.secrets().declared();
    if declared.is_empty() && !context.is_json {
        let config =
            context.app.config_file().map_or("your configuration".to_owned(), |file| file.display().to_string());
        context
            .terminal
            .note(format!("no secrets are declared; add a table [secrets] to {config}, see: wfctl help secrets set"));
        return Ok(Exit::Done);
    }
    told(context, declared.keys()).await.map(|_| Exit::Done)
}

async fn check(context: &Context, names: &[String], workflow: Option<&str>) -> Result<Exit, Error> {
    let mut wanted: BTreeSet<String> = names.iter().cloned().collect();
    if let Some(workflow) = workflow {
        let needed = workflows::load(&context.terminal, workflow)?.definition.all_secrets();
        if needed.is_empty() && names.is_empty() {
            context.terminal.note("the workflow names no secrets");
        }
        wanted.extend(needed);
    } else if names.is_empty() {
        wanted.extend(context.app.secrets().declared().keys().cloned());
    }
    let missing = told(context, wanted.iter()).await?;
    if missing.is_empty() { Ok(Exit::Done) } else { Err(Error::Secrets(missing)) }
}

/// Prints a line for each name, and gives those that cannot be had.
async fn told(context: &Context, names: impl Iterator<Item = &String>) -> Result<Vec<Missing>, Error> {
    let (mut rows, mut all) = (Vec::new(), Vec::new());
    for name in names {
        let origin = context.app.secrets().declared().get(name).map(ToString::to_string);
        let missing = state(context, name).await.err();
        let (tone, word) = match missing.as_ref().map(|missing| &missing.why) {
            None => (Tone::Good, "present"),
            Some(Why::Absent { .. }) => (Tone::Warn, "absent"),
            Some(Why::Undeclared { .. }) => (Tone::Bad, "not declared"),
            Some(Why::NotMaskable(_)) => (Tone::Bad, "too short or too long"),
            Some(Why::Unreachable { .. }) => (Tone::Bad, "cannot be read"),
        };
        if context.is_json {
            let why = missing.as_ref().map(ToString::to_string);
            context.terminal.json(&serde_json::json!({
                "v": 1, "type": "secret", "name": name, "origin": origin, "present": missing.is_none(), "why": why,
            }))?;
        }
        rows.push(vec![plain(name.clone()), plain(origin.unwrap_or_else(|| "-".to_owned())), (tone, word.to_owned())]);
        all.extend(missing);
    }
    if !context.is_json {
        table::lines(&context.terminal, &rows).into_iter().try_for_each(|line| context.terminal.data(line))?;
    }
    Ok(all)
}

async fn set(context: &Context, name: &str, in_keyring: bool) -> Result<Exit, Error> {
    valid(name)?;
    let Some(value) = read(&context.terminal, name).await? else { return Ok(Exit::Interrupted) };
    let secret = Secret::new(&value).filter(|secret| is_maskable(secret.expose())).ok_or_else(|| Error::Usage {
        message: format!(
            "the value of {name} is too short or too long to be a secret: it would not be struck out of texts"
        ),
        hint: format!("A secret has {SHORTEST_BYTES} to {LONGEST_BYTES} bytes, white space around it not counted."),
    })?;
    let place = if in_keyring {
        let (service, user) = entry(context, name);
        let kept = (service.clone(), user.clone(), secret);
        let kept = tokio::task::spawn_blocking(move || keyring::set(&kept.0, &kept.1, kept.2.expose())).await;
        of_keyring(kept)?;
        format!("keyring:{service}/{user}")
    } else {
        let path = secrets_file(context)?;
        file::change(&path, name, Some(&secret))?;
        path.display().to_string()
    };
    context.terminal.note(format!("{name} is kept in {place}"));
    let origin = if in_keyring { place } else { SecretOrigin::File.to_string() };
    match context.app.secrets().declared().get(name).map(ToString::to_string) {
        Some(declared) if declared == origin => {}
        Some(declared) => context.terminal.note(format!(
            "it is declared to be at {declared}, so that workflows are handed that; to use this one, declare {name} = \"{origin}\""
        )),
        None => context.terminal.note(format!(
            "no workflow can name it yet; add to [secrets] in {}: {name} = \"{origin}\"",
            context.app.config_file().map_or("your configuration".to_owned(), |file| file.display().to_string())
        )),
    }
    Ok(Exit::Done)
}

async fn remove(context: &Context, name: &str, in_keyring: bool) -> Result<Exit, Error> {
    valid(name)?;
    let was_there = if in_keyring {
        let (service, user) = entry(context, name);
        of_keyring(tokio::task::spawn_blocking(move || keyring::remove(&service, &user)).await)?
    } else {
        file::change(&secrets_file(context)?, name, None)?
    };
    context.terminal.note(if was_there { format!("{name} is removed") } else { format!("{name} was not there") });
    Ok(if was_there { Exit::Done } else { Exit::NotFound })
}

fn valid(name: &str) -> Result<(), Error> {
    refused_name(name).map_or(Ok(()), |why| {
        Err(Error::Usage {
            message: format!("{name:?} is not a name for a secret: {why}"),
            hint: "Name it as the variable that commands find it in, for example DB_PASSWORD.".to_owned(),
        })
    })
}

fn secrets_file(context: &Context) -> Result<std::path::PathBuf, Error> {
    context.app.secrets().file().map(ToOwned::to_owned).ok_or_else(|| Error::Usage {
        message: "there is no place for the secrets file".to_owned(),
        hint: "Set HOME, or WFCTL_CONFIG to the path of your configuration.".to_owned(),
    })
}

/// The keyring entry of a name.
fn entry(context: &Context, name: &str) -> (String, String) {
    match context.app.secrets().declared().get(name) {
        Some(SecretOrigin::Keyring { service, user }) => (service.clone(), user.clone()),
        Some(SecretOrigin::Environment(_) | SecretOrigin::File | SecretOrigin::Vault { .. }) | None => {
            (SERVICE.to_owned(), name.to_owned())
        }
    }
}

fn of_keyring<T>(done: Result<Result<T, String>, tokio::task::JoinError>) -> Result<T, Error> {
    let done = done.map_err(|error| Error::Internal(error.to_string()))?;
    done.map_err(|problem| Error::System {
        doing: "use the keyring".to_owned(),
        source: std::io::Error::other(problem),
    })
}

/// A line that is typed without being shown, or all of stdin; `None` when the person has thought better of it.
async fn read(terminal: &Terminal, name: &str) -> Result<Option<String>, Error> {
    let failed = |source| Error::System { doing: "read the value from stdin".to_owned(), source };
    if std::io::stdin().is_terminal() {
        terminal.note(format!("value of {name} (it is not shown):"));
        let hidden = Hidden::begin().map_err(failed)?;
        let typing = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map(|_| line)
        });
        let typed = tokio::select! {
            typed = typing => Some(typed.map_err(|error| Error::Internal(error.to_string()))?),
            _ = tokio::signal::ctrl_c() => None,
        };
        drop(hidden);
        return typed.transpose().map_err(failed);
    }
    let mut bytes = Vec::new();
    std::io::stdin().take(LONGEST_BYTES as u64 * 2).read_to_end(&mut bytes).map_err(failed)?;
    String::from_utf8(bytes).map(Some).map_err(|_| Error::Usage {
        message: format!("the value of {name} is not UTF-8 text"),
        hint: "Encode it, for example with base64, and decode it where it is used.".to_owned(),
    })
}

/// The terminal does not show what is typed as long as this lives.
struct Hidden(rustix::termios::Termios);

impl Hidden {
    fn begin() -> std::io::Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&stdin, OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that went away.
        let _ = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Flush, &self.0);
    }
}
