//! `wfctl demo`: the SDLC workflow on a small real repository, with scripted models. Worktrees, cargo, merges, approvals and the
//! journal are all real; only what models would say comes from a file.

use std::path::{Path, PathBuf};

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::terminal::Tone;
use super::super::words::shell_quoted;
use super::super::workflows;
use super::{drive, run};
use crate::app::Need;
use crate::domain::event::{Await, Decision, Event};
use crate::domain::ids::{ProjectId, Seq};
use crate::domain::project::Command;
use crate::domain::workflow::{Given, ModelsSpec, ProviderSpec, bind};
use crate::interfaces::api::{Home, StartRequest};

/// The repository's files.
const FILES: [(&str, &str); 9] = [
    (".gitignore", include_str!("../../../../fixtures/repos/tally/.gitignore")),
    ("AGENTS.md", include_str!("../../../../fixtures/repos/tally/AGENTS.md")),
    ("Cargo.lock", include_str!("../../../../fixtures/repos/tally/Cargo.lock")),
    ("Cargo.toml", include_str!("../../../../fixtures/repos/tally/Cargo.toml")),
    ("README.md", include_str!("../../../../fixtures/repos/tally/README.md")),
    ("rustfmt.toml", include_str!("../../../../fixtures/repos/tally/rustfmt.toml")),
    ("src/count.rs", include_str!("../../../../fixtures/repos/tally/src/count.rs")),
    ("src/lib.rs", include_str!("../../../../fixtures/repos/tally/src/lib.rs")),
    ("src/main.rs", include_str!("../../../../fixtures/repos/tally/src/main.rs")),
];
const TESTS: (&str, &str) = ("tests/cli.rs", include_str!("../../../../fixtures/repos/tally/tests/cli.rs"));
/// What the models say.
const SCRIPT: &str = include_str!("../../../../fixtures/transcripts/demo.yaml");
/// Where that is put in the repository's git folder: with the repository, and out of the agents' sight.
const SCRIPT_FILE: &str = "wfctl-demo.yaml";
/// The branch that the work lands on; nobody has it checked out.
const BRANCH: &str = "release";
const GOAL: &str = "Add `--top N` to tally: print the N most frequent words, the most frequent first.";

/// Shows it.
pub async fn run(context: &Context, arguments: args::Demo) -> Result<Exit, Error> {
    let dir = std::path::absolute(&arguments.dir).map_err(|source| Error::File {
        doing: "use",
        path: arguments.dir.clone(),
        source,
    })?;
    if std::fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some()) {
        let name = arguments.dir.display();
        return Err(Error::Usage {
            message: format!("{name} is not empty"),
            hint: format!("Name another folder: wfctl demo {}", shell_quoted(&format!("{name}-2"))),
        });
    }
    let mut files = FILES.to_vec();
    files.push(TESTS);
    context.app.make_repository(&dir, &files, BRANCH)?;
    let script = dir.join(".git").join(SCRIPT_FILE);
    std::fs::write(&script, SCRIPT).map_err(|source| Error::File { doing: "write", path: script.clone(), source })?;
    let start = request(context, &arguments, &dir, &script)?;
    let terminal = &context.terminal;
    terminal.note(format!("a small Rust repository is in {}", arguments.dir.display()));
    terminal.note(format!("the goal: {GOAL}"));
    terminal.note(terminal.paint_note(Tone::Dim, "what the models say is scripted; all the rest is real"));
    let mut interrupts = drive::Interrupts::listen()?;
    let Some(session) = interrupts.unless(context.app.open(Need::Drive, "demo")).await else {
        return Ok(Exit::Interrupted);
    };
    let session = session?;
    let started = match session.home().start(start).await {
        Ok((id, existed)) => run::begin(context, &session, id, existed).await,
        Err(fault) => Err(fault.into()),
    };
    let (id, from) = match started {
        Ok(started) => started,
        Err(error) => {
            drive::close(session).await?;
            return Err(error);
        }
    };
    let home = session.home().clone();
    let person = tokio::spawn(answers(home, id.clone(), !arguments.ask));
    let exit = drive::drive(context, session, &[(id.clone(), from)], &mut interrupts).await;
    person.abort();
    let exit = exit?;
    if exit == Exit::Done {
        tell_next(context, &id, &arguments.dir);
    }
    Ok(exit)
}

fn request(context: &Context, arguments: &args::Demo, dir: &Path, script: &Path) -> Result<StartRequest, Error> {
    let text = |path: &Path| {
        path.to_str().map(str::to_owned).ok_or_else(|| Error::Usage {
            message: format!("the folder {} is not UTF-8 text", path.to_string_lossy()),
            hint: "Name another one: wfctl demo DIR".to_owned(),
        })
    };
    let id = arguments.id.as_deref().map(ProjectId::new).transpose().map_err(|error| Error::Usage {
        message: error.to_string(),
        hint: "Ids have lower-case letters, digits, `.`, `_` and `-`, and begin with a letter or digit.".to_owned(),
    })?;
    let mut definition = workflows::load_shipped(&context.terminal, "sdlc")?.definition;
    let provider = ProviderSpec { script: Some(text(script)?), free: true, ..ProviderSpec::default() };
    definition.models = ModelsSpec {
        default: vec!["demo/scripted".to_owned()],
        providers: [("demo".to_owned(), provider)].into(),
        ..ModelsSpec::default()
    };
    let given = [("goal", GOAL), ("into", BRANCH)];
    let given = given.map(|(name, value)| (name.to_owned(), Given::Text(value.to_owned()))).into();
    let inputs = bind(&definition.inputs, &given)
        .map_err(|problems| Error::Inputs { workflow: definition.name.clone(), problems })?;
    let base_commit = Some(context.app.base_commit(dir)?);
    Ok(StartRequest {
        id: Some(id.unwrap_or_else(|| context.app.fresh_id("demo"))),
        definition,
        inputs,
        env: Default::default(),
        base_dir: text(dir)?,
        source: None,
        base_commit,
    })
}

/// Plays the person who is asked, until there is nobody to ask for any more.
async fn answers(home: Home, id: ProjectId, yes: bool) {
    let mut from = Seq(0);
    while let Ok(records) = home.records(&id, from, true).await
        && let Some(last) = records.last()
    {
        from = last.seq;
        let asked = records.iter().any(|record| {
            matches!(&record.event, Event::TaskAwaits { what: Await::Approval { .. }, .. } | Event::GateAsked { .. })
        });
        if asked && yes {
            let comment = "the demo says yes for you; with --ask it waits".to_owned();
            let answer = Command::Answer { task: None, decision: Decision::Approved, comment };
            // Somebody else may have been quicker.
            let _ = home.command(&id, answer).await;
        }
    }
}

fn tell_next(context: &Context, id: &ProjectId, dir: &Path) {
    let (terminal, dir) = (&context.terminal, PathBuf::from(dir));
    let another = shell_quoted(&format!("{}-2", dir.display()));
    let dir = shell_quoted(&dir.display().to_string());
    terminal.note(format!("it is merged on branch {BRANCH} of {dir}; look at it:"));
    for command in [
        format!("git -C {dir} log --oneline --graph {BRANCH}"),
        format!("wfctl artifacts {id}"),
        format!("wfctl cost {id}"),
        format!("wfctl transcript {id} 'implement[0]'"),
        format!("wfctl audit verify {id}"),
    ] {
        terminal.note(format!("  {command}"));
    }
    terminal.note(format!(
        "then kill it in the middle and go on (wfctl demo {another}; wfctl resume ...), or give it a goal and a model:"
    ));
    terminal.note("  wfctl run sdlc --repo . -i goal=\"...\" --model openai/gpt-5-mini");
}
