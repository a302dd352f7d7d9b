//! What went wrong, in one place: a code, a chain of causes, and a hint that names the next command. Hints come from types.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use serde_json::json;

use super::codes::Code;
use super::exit::Exit;
use super::terminal::{Tone, harmless, harmless_lines};
use super::words::shell_quoted;
use crate::app::{self, HeldHow};
use crate::domain::ids::ProjectId;
use crate::domain::sandbox::Excess;
use crate::domain::view::Summary;
use crate::domain::workflow::{Diagnostics, InputProblem};
use crate::interfaces::api::{Explained, Fault, FaultKind};
use crate::interfaces::http::ServeError;
use crate::secrets::{Missing, SecretsError};

/// Why a verb did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Arguments that make no sense together.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// Commands ask for more than a person allows.
    #[error("the commands of `{workflow}` ask for more than they may reach: {}", told(.excess))]
    BeyondAllowance {
        /// The workflow.
        workflow: String,
        /// What is not allowed.
        excess: Vec<Excess>,
    },
    /// Nothing here can keep a command in its place.
    #[error("{why}")]
    NoSandbox {
        /// What is missing, for each backend that was tried.
        why: String,
        /// What to do.
        remedies: Vec<String>,
    },
    /// A workflow file is refused.
    #[error("{0}")]
    Workflow(Diagnostics),
    /// A file that is not the document that it should be.
    #[error("{} is no valid {kind}", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// What it should be.
        kind: &'static str,
        /// What is wrong, and where.
        faults: Vec<String>,
    },
    /// Inputs are refused.
    #[error("the inputs of `{workflow}` are not complete or not valid")]
    Inputs {
        /// The workflow.
        workflow: String,
        /// Every problem.
        problems: Vec<InputProblem>,
    },
    /// No workflow of that name.
    #[error("there is no workflow `{name}`")]
    NoWorkflow {
        /// The name.
        name: String,
        /// What is there.
        hint: String,
    },
    /// A person's file.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Files of a repository that nobody has agreed to.
    #[error("{}", untrusted(.0))]
    Untrusted(Vec<PathBuf>),
    /// A file that would be overwritten.
    #[error("{} exists", .0.display())]
    Exists(PathBuf),
    /// No project begins like that.
    #[error("there is no project `{typed}`")]
    UnknownProject {
        /// What was typed.
        typed: String,
        /// The nearest one.
        nearest: Option<ProjectId>,
    },
    /// Several do.
    #[error("`{typed}` is the beginning of several projects")]
    Ambiguous {
        /// What was typed.
        typed: String,
        /// Some of them.
        ids: Vec<ProjectId>,
    },
    /// A project that has ended cannot go on.
    #[error("project {} is {}; there is nothing to resume", .0.id, .0.status)]
    Ended(Box<Summary>),
    /// Secrets that a workflow needs, or that were asked about.
    #[error("{}", listed(.0))]
    Secrets(Vec<Missing>),
    /// A file of secrets that cannot be used.
    #[error(transparent)]
    SecretsFile(#[from] SecretsError),
    /// A code without a page.
    #[error("there is no code `{0}`")]
    UnknownCode(String),
    /// A journal that is not what was written.
    #[error("the journal of {project} is not what was written: record {seq}: {problem}")]
    NotVerified {
        /// The project.
        project: ProjectId,
        /// The first bad record.
        seq: u64,
        /// What is wrong.
        problem: String,
    },
    /// The home.
    #[error(transparent)]
    App(#[from] app::Error),
    /// What was asked of it.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// There is no server.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The system refused.
    #[error("cannot {doing}")]
    System {
        /// What was being done.
        doing: String,
        /// What it said.
        source: io::Error,
    },
    /// A defect of ours.
    #[error("{0}")]
    Internal(String),
    /// Nobody reads any more.
    #[error("the pipe is closed")]
    ClosedPipe,
}

impl Error {
    /// Whether the engine was there and went away.
    pub fn is_broken_connection(&self) -> bool {
        self.code() == Code::Connection
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::ClosedPipe => Exit::Done,
            Self::Workflow(_) | Self::Inputs { .. } => Exit::Usage,
            other => other.code().exit(),
        }
    }

    /// Its code.
    pub fn code(&self) -> Code {
        match self {
            Self::Usage { .. } | Self::Workflow(_) | Self::Inputs { .. } => Code::Usage,
            Self::BeyondAllowance { .. } => Code::BeyondAllowance,
            Self::NoSandbox { .. } => Code::NoSandbox,
            Self::NoWorkflow { .. } => Code::NoWorkflow,
            Self::File { .. } => Code::File,
            Self::Untrusted(_) => Code::Untrusted,
            Self::Document { .. } => Code::Invalid,
            Self::Exists(_) => Code::Exists,
            Self::UnknownProject { .. } => Code::UnknownProject,
            Self::Ambiguous { .. } => Code::AmbiguousId,
            Self::Ended(_) => Code::Terminal,
            Self::UnknownCode(_) => Code::UnknownCode,
            Self::Secrets(_) | Self::SecretsFile(_) => Code::Secrets,
            Self::NotVerified { .. } => Code::NotVerified,
            Self::App(error) => of_app(error),
            Self::Fault(fault) => of_fault(fault.kind),
            Self::Serve(ServeError::Exposed { .. } | ServeError::Certificate(_)) => Code::Exposed,
            Self::Serve(ServeError::Listen { .. } | ServeError::Start(_)) => Code::NotListening,
            Self::System { .. } => Code::File,
            Self::Internal(_) | Self::ClosedPipe => Code::Defect,
        }
    }

    /// What lies behind it, outermost first.
    pub fn causes(&self) -> Vec<String> {
        let mut causes = match self {
            Self::Document { faults, .. } => faults.clone(),
            Self::Fault(fault) | Self::App(app::Error::Fault(fault)) => fault.causes.clone(),
            _ => Vec::new(),
        };
        let mut behind = self.source();
        while let Some(cause) = behind {
            causes.push(cause.to_string());
            behind = cause.source();
        }
        causes
    }

    /// The next thing to do, in full sentences.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. } | Self::NoWorkflow { hint, .. } => Some(hint.clone()),
            Self::BeyondAllowance { excess, .. } => {
                let flags: Vec<&str> = excess.iter().map(|excess| excess.flag.as_str()).collect();
                Some(format!("If you agree, say so: {}", flags.join(" ")))
            }
            Self::NoSandbox { remedies, .. } if remedies.is_empty() => {
                Some("See what this machine can do with `wfctl doctor --sandbox`.".to_owned())
            }
            Self::NoSandbox { remedies, .. } => {
                let ways = remedies.join("; or ");
                Some(format!("One of these helps: {ways}. `wfctl doctor --sandbox` tries it again."))
            }
            Self::UnknownProject { nearest: Some(id), .. } => Some(format!("Did you mean {id}?")),
            Self::UnknownProject { nearest: None, .. } => Some("See them all with `wfctl list --all`.".to_owned()),
            Self::Ambiguous { ids, .. } => {
                let ids: Vec<&str> = ids.iter().map(ProjectId::as_str).collect();
                Some(format!("Type more of one of: {}", ids.join(", ")))
            }
            Self::Ended(summary) => Some(format!("See how it ended with `wfctl show {}`.", summary.id)),
            Self::Secrets(missing) => {
                let names: Vec<&str> = missing.iter().map(|missing| missing.name.as_str()).collect();
                Some(format!("Ask again with `wfctl secrets check {}`.", names.join(" ")))
            }
            Self::SecretsFile(_) => None,
            Self::UnknownCode(_) => Some("List all codes with `wfctl explain`.".to_owned()),
            Self::NotVerified { .. } => Some("Look at the whole home with `wfctl doctor`.".to_owned()),
            Self::Untrusted(files) => {
                let files = files.iter().map(|file| shell_quoted(&harmless(&file.display().to_string())));
                let files: Vec<String> = files.take(NAMED).collect();
                Some(format!("Look at it and agree to it with: wfctl trust {}", files.join(" ")))
            }
            Self::Document { kind, .. } => Some(format!("See what it must be with `wfctl schema {kind}`.")),
            Self::Exists(_) => Some("Name another file.".to_owned()),
            Self::App(error) => hint_of_app(error),
            Self::Fault(fault) => hint_of_fault(fault),
            Self::Serve(error) => hint_of_serve(error),
            Self::Workflow(_) | Self::Inputs { .. } | Self::File { .. } | Self::System { .. } => None,
            Self::Internal(_) => Some("Please report this, with engine.log of the home.".to_owned()),
            Self::ClosedPipe => None,
        }
    }

    /// For another face: the same code, text and hint.
    pub fn explained(&self) -> Explained {
        let page = self.code().page();
        let is_text = matches!(self, Self::Workflow(_) | Self::Inputs { .. });
        Explained {
            code: page.code.to_owned(),
            title: page.title.to_owned(),
            message: match self {
                Self::Workflow(_) => "the workflow is refused".to_owned(),
                other => other.to_string(),
            },
            causes: if is_text { Vec::new() } else { self.causes() },
            next: self.hint(),
            diagnostics: match self {
                Self::Workflow(found) => Some(json!({"shown": found.shown, "more": found.more})),
                _ => None,
            },
            inputs: match self {
                Self::Inputs { problems, .. } => Some(json!(problems)),
                _ => None,
            },
        }
    }

    /// For people.
    pub fn to_text(&self, paint: &dyn Fn(Tone, &str) -> String) -> String {
        if let Self::Workflow(diagnostics) = self {
            return diagnostics.to_string().trim_end().to_owned();
        }
        if let Self::Inputs { problems, .. } = self {
            return inputs_text(problems, paint);
        }
        let page = self.code().page();
        let title = if self.code() == Code::Defect { "defect" } else { "error" };
        let head = paint(Tone::Bad, &format!("{title}[{}]", page.code));
        let mut text = format!("{head}: {}", harmless(&self.to_string()));
        for cause in self.causes() {
            // Writing to a string does not fail.
            let _ = write!(text, "\n  caused by: {}", harmless(&cause));
        }
        if let Some(hint) = self.hint() {
            let _ = write!(text, "\n  {}: {}", paint(Tone::Bold, "hint"), harmless_lines(&hint));
        }
        text
    }

    /// For machines.
    pub fn to_json(&self) -> serde_json::Value {
        let exit = self.exit().code();
        match self {
            Self::Workflow(found) => {
                json!({"v": 1, "type": "error", "exit": exit, "diagnostics": found.shown, "more": found.more})
            }
            Self::Inputs { problems, .. } => json!({"v": 1, "type": "error", "exit": exit, "inputs": problems}),
            other => json!({
                "v": 1, "type": "error", "exit": exit, "code": other.code().page().code, "message": other.to_string(),
                "causes": other.causes(), "hint": other.hint(),
            }),
        }
    }
}

/// Files named in one message; the rest is counted.
const NAMED: usize = 8;

fn untrusted(files: &[PathBuf]) -> String {
    let mut named: Vec<String> = files.iter().take(NAMED).map(|file| file.display().to_string()).collect();
    match files.len().saturating_sub(NAMED) {
        0 => {}
        more => named.push(format!("{more} more")),
    }
    let verb = if files.len() == 1 { "comes" } else { "come" };
    format!("not trusted, and {verb} with a repository: {}", named.join(", "))
}

/// All of them in one line each.
fn listed(missing: &[Missing]) -> String {
    missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn inputs_text(problems: &[InputProblem], paint: &dyn Fn(Tone, &str) -> String) -> String {
    let mut lines = Vec::new();
    for problem in problems {
        let head = paint(Tone::Bad, &format!("error[{}]", problem.code));
        lines.push(format!("{head}: {}", harmless(&problem.message)));
        lines.extend(problem.help.iter().map(|help| format!("  {}: {}", paint(Tone::Bold, "hint"), harmless(help))));
    }
    lines.join("\n")
}

fn of_app(error: &app::Error) -> Code {
    match error {
        app::Error::NoHome => Code::NoHome,
        app::Error::Config(_) => Code::Config,
        app::Error::Held { how: HeldHow::Silent, .. } => Code::EngineSilent,
        app::Error::Held { how: HeldHow::Unreachable, .. } => Code::EngineUnreachable,
        app::Error::Held { how: HeldHow::Busy, .. } => Code::HomeBusy,
        app::Error::Io { .. } => Code::HomeUnusable,
        app::Error::NoCommit(_) | app::Error::NoRepository(_) => Code::NoCommit,
        app::Error::Gone { .. } => Code::NoFiles,
        app::Error::Fault(fault) => of_fault(fault.kind),
    }
}

fn of_fault(kind: FaultKind) -> Code {
    match kind {
        FaultKind::UnknownProject => Code::UnknownProject,
        FaultKind::UnknownTask => Code::UnknownTask,
        FaultKind::NoLog => Code::NoLog,
        FaultKind::NoFiles => Code::NoFiles,
        FaultKind::NoConversation => Code::NoConversation,
        FaultKind::NoArtifact => Code::NoArtifact,
        FaultKind::AmbiguousArtifact => Code::AmbiguousAnswer,
        FaultKind::IdTaken => Code::IdTaken,
        FaultKind::Terminal => Code::Terminal,
        FaultKind::WrongState => Code::WrongState,
        FaultKind::Ambiguous => Code::AmbiguousAnswer,
        FaultKind::AlreadyAnswered => Code::AlreadyAnswered,
        FaultKind::StaleToken => Code::StaleToken,
        FaultKind::Limit => Code::Limit,
        FaultKind::Invalid => Code::Invalid,
        FaultKind::ReadOnly => Code::ReadOnly,
        FaultKind::Damaged => Code::Damaged,
        FaultKind::Defect => Code::Defect,
        FaultKind::DiskLow => Code::DiskLow,
        FaultKind::Store => Code::Store,
        FaultKind::Stopped => Code::EngineStopped,
        FaultKind::HomeBusy => Code::HomeBusy,
        FaultKind::NotDriving => Code::WrongState,
        FaultKind::Connection => Code::Connection,
        FaultKind::NoToken => Code::NoToken,
        FaultKind::NotAllowed => Code::NotAllowed,
        FaultKind::Foreign => Code::Foreign,
        FaultKind::TooMany => Code::TooMany,
        FaultKind::KeyReused => Code::KeyReused,
        FaultKind::NoRoute => Code::NoRoute,
    }
}

fn told(excess: &[Excess]) -> String {
    excess.iter().map(Excess::to_string).collect::<Vec<_>>().join("; ")
}

fn hint_of_app(error: &app::Error) -> Option<String> {
    match error {
        app::Error::Held { holder: Some(holder), how, .. } => {
            let pid = holder.pid;
            Some(match how {
                HeldHow::Silent => format!(
                    "If it is stopped, `kill -CONT {pid}` lets it go on. `kill -9 {pid}` ends it; nothing is lost, \
                     `wfctl resume` goes on where it was."
                ),
                HeldHow::Unreachable => {
                    format!("Wait for it, or end it on {} with `kill {pid}`; nothing is lost by that.", holder.host)
                }
                HeldHow::Busy => format!("Wait until it is done, or stop it with `kill {pid}`; then try again."),
            })
        }
        app::Error::Held { holder: None, home, .. } => {
            Some(format!("Find it with `fuser -v {}/lock {0}/store/lock`.", home.display()))
        }
        app::Error::NoHome => Some("Set WFCTL_HOME to a private folder.".to_owned()),
        app::Error::Config(crate::config::Error::UnknownKey { help: Some(help), .. }) => Some(help.clone()),
        app::Error::Config(_) => None,
        app::Error::NoRepository(_) => Some(
            "Make one with `git init`, then a first commit: `git add . && git commit -m first`; or use `workspace: dir`."
                .to_owned(),
        ),
        app::Error::NoCommit(_) => Some("Commit something first, or use `workspace: dir`.".to_owned()),
        app::Error::Gone { .. } => Some("Bring the repository back, or start anew with `wfctl run`.".to_owned()),
        app::Error::Io { .. } => Some("Name another home with `--home DIR` or WFCTL_HOME.".to_owned()),
        app::Error::Fault(fault) => hint_of_fault(fault),
    }
}

fn hint_of_serve(error: &ServeError) -> Option<String> {
    match error {
        ServeError::Exposed { .. } => Some(
            "Give --tls-cert and --tls-key, or listen at 127.0.0.1 and reach it through `ssh -L 7171:127.0.0.1:7171`."
                .to_owned(),
        ),
        ServeError::Certificate(_) => {
            Some("Both files are PEM: the chain with the server's own first, and its key.".to_owned())
        }
        ServeError::Listen { .. } => {
            Some("Another server may have it; choose another one with --listen ADDRESS:PORT.".to_owned())
        }
        ServeError::Start(_) => None,
    }
}

fn hint_of_fault(fault: &Fault) -> Option<String> {
    let of = |verb: &str| match &fault.project {
        Some(id) => format!("`wfctl {verb} {id}`"),
        None => format!("`wfctl {verb} ID`"),
    };
    match fault.kind {
        FaultKind::UnknownProject => Some("See them all with `wfctl list --all`.".to_owned()),
        FaultKind::UnknownTask => Some(format!("See its tasks with {}.", of("show"))),
        FaultKind::NoLog | FaultKind::NoConversation => Some(format!("See what it waits for with {}.", of("why"))),
        FaultKind::NoFiles => Some("Fork at an earlier record, or start anew with `wfctl run`.".to_owned()),
        FaultKind::NoArtifact => Some(format!("See what there is with {}.", of("artifacts"))),
        FaultKind::AmbiguousArtifact => Some("Name the task with `--task`.".to_owned()),
        FaultKind::IdTaken => Some("Choose another `--id`, or leave it out.".to_owned()),
        FaultKind::Terminal => Some(format!("See how it ended with {}.", of("show"))),
        FaultKind::WrongState => Some(format!("See what it does with {}.", of("why"))),
        FaultKind::Ambiguous => Some(format!("Name the task; {} lists those that wait.", of("why"))),
        FaultKind::AlreadyAnswered => Some(format!("See who answered with {}.", of("events"))),
        FaultKind::StaleToken => Some("Claim the task again; the old work must not be delivered.".to_owned()),
        FaultKind::ReadOnly => Some("Use the release that wrote it, or a later one.".to_owned()),
        FaultKind::Damaged => Some("Look with `wfctl doctor`, heal with `wfctl doctor --repair`.".to_owned()),
        FaultKind::DiskLow => Some("Free some space, for example with `wfctl gc`; then resume.".to_owned()),
        FaultKind::Stopped => Some("Type the command again: a new engine takes over.".to_owned()),
        FaultKind::Connection => Some(format!("See what happened with {}.", of("show"))),
        FaultKind::HomeBusy => {
            let hint = "Try again once the engine has nothing left to drive; one in the background ends by itself half a \
                        minute after that.";
            Some(hint.to_owned())
        }
        FaultKind::Defect => Some("Please report this, with engine.log of the home.".to_owned()),
        FaultKind::NoToken => {
            Some("Print a token with `wfctl token`; send it as `Authorization: Bearer TOKEN`.".to_owned())
        }
        FaultKind::NotAllowed => Some("Print one for another role with `wfctl token --role operate`.".to_owned()),
        FaultKind::Foreign => Some("Name the host with `wfctl serve --allow-host NAME` if it is yours.".to_owned()),
        FaultKind::TooMany => Some("Ask again in a second, and less often.".to_owned()),
        FaultKind::KeyReused => Some("Use another Idempotency-Key for another request.".to_owned()),
        FaultKind::NoRoute => Some("The routes are described in /openapi.json.".to_owned()),
        FaultKind::Limit | FaultKind::Invalid | FaultKind::Store | FaultKind::NotDriving => None,
    }
}
