//! `wfctl mcp`: projects for other agents. What the face of that name cannot know, it is given here.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::super::args;
use super::super::context::{Context, find};
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::trusting;
use super::super::words::{self, Names};
use super::super::workflows;
use super::{allow, drive, launcher, run};
use crate::app::{App, Need, Session};
use crate::domain::view::{ProjectView, RecordView, Summary};
use crate::domain::workflow::{Given, bind, did_you_mean};
use crate::interfaces::api::{Answer, Door, Fault, FaultKind, Home, Request, StartRequest};
use crate::interfaces::http;
use crate::interfaces::mcp::{Access, Grant, Launcher, Narrated, Narrator, Parts, Refusal, Visit, Wanted, serve};

/// Serves over stdin and stdout.
pub async fn run(context: &Arc<Context>, arguments: &args::Mcp) -> Result<Exit, Error> {
    let mut interrupts = drive::Interrupts::listen()?;
    if let Some(server) = &arguments.server {
        return tools(context, server, &arguments.allow, interrupts).await;
    }
    if allow::more(&arguments.allow)?.is_some() {
        return Err(Error::Usage {
            message: "--allow-* flags say what the tools of a built-in server reach".to_owned(),
            hint: "Name one: wfctl mcp --server fetch --allow-net example.org.".to_owned(),
        });
    }
    let grant = if arguments.allow_actions { Grant::Everybody } else { Grant::Nobody };
    let parts = parts(context, Arc::new(EachTime(context.clone())), grant);
    let served = serve(parts, interrupts.next()).await;
    served.map(|()| Exit::Done).map_err(|message| Error::Usage {
        message,
        hint: "A client of the Model Context Protocol starts `wfctl mcp`; there is nothing to type into it.".to_owned(),
    })
}

/// Serves the tools of a built-in server.
async fn tools(
    context: &Arc<Context>,
    server: &str,
    flags: &args::Allow,
    mut interrupts: drive::Interrupts,
) -> Result<Exit, Error> {
    let known = App::tool_servers();
    if !known.contains(&server) {
        let near = did_you_mean(server, known.iter().copied()).unwrap_or_default();
        return Err(Error::Usage {
            message: format!("there is no built-in server `{server}`"),
            hint: format!("There are: {}. {near}", known.join(", ")).trim_end().to_owned(),
        });
    }
    let allowed = allow::by_hand(context, None, flags)?;
    let served = context.app.serve_tools(server, allowed, interrupts.next()).await;
    served.map(|()| Exit::Done).map_err(|message| Error::Usage {
        message,
        hint:
            "A client of the Model Context Protocol starts `wfctl mcp --server NAME`; there is nothing to type into it."
                .to_owned(),
    })
}

/// What the face is made of, here as everywhere.
pub fn parts(context: &Arc<Context>, access: Arc<dyn Access>, grant: Grant) -> Parts {
    Parts { access, launcher: Arc::new(Launch(context.clone())), explain, narrate, grant }
}

/// What the command line says about a fault.
fn explain(fault: &Fault) -> Refusal {
    refusal(&Error::Fault(fault.clone()))
}

fn refusal(error: &Error) -> Refusal {
    let page = error.code().page();
    let mut causes = error.causes();
    let mut next = error.hint();
    match error {
        Error::Workflow(found) => causes.push(found.to_string().trim_end().to_owned()),
        Error::Inputs { problems, .. } => {
            causes.extend(problems.iter().map(|problem| format!("[{}] {}", problem.code, problem.message)));
            next = problems.iter().find_map(|problem| problem.help.clone());
        }
        _ => {}
    }
    let message = match error {
        Error::Workflow(_) => "the workflow file is refused".to_owned(),
        other => other.to_string(),
    };
    Refusal { code: page.code.to_owned(), title: page.title.to_owned(), message, causes, next }
}

fn narrate(view: &ProjectView) -> Narrator {
    let names = Names::of(view);
    Box::new(move |record: &RecordView| {
        let said = words::say(&record.event, &names);
        Narrated {
            kind: words::kind(&record.event),
            task: said.task.map(|task| names.get(task)),
            actor: words::actor(&record.actor),
            text: said.text,
        }
    })
}

/// Opens the home for each request, and starts an engine in the background for what has to be driven.
struct EachTime(Arc<Context>);

impl EachTime {
    /// Who is on record as the one who asked: an agent of this person's, not the person.
    fn asker(&self) -> String {
        format!("api:mcp:{}", self.0.app.environment().user())
    }
}

fn visit(session: Session, asker: String) -> Visit {
    let home = session.home().asked_by(asker);
    Visit::brief(home, async move || {
        if let Some(why) = session.close().await {
            tracing::error!(why, "the engine ended by itself");
        }
    })
}

#[async_trait]
impl Access for EachTime {
    async fn open(&self, need: Need) -> Result<Visit, Refusal> {
        let app = &self.0.app;
        if need != Need::Drive && app.is_untouched() {
            return Ok(Visit::lasting(Home::new(Arc::new(Untouched), self.asker())));
        }
        let session = match need {
            Need::Read | Need::Command => app.open(need, "mcp").await,
            Need::Drive => match app.spawn_engine() {
                Ok(_) => app.attach("mcp").await,
                Err(error) => Err(error),
            },
        };
        session.map(|session| visit(session, self.asker())).map_err(|error| refusal(&Error::App(error)))
    }

    async fn line(&self) -> Option<Visit> {
        self.0.app.engine_line().await.map(|session| visit(session, self.asker()))
    }

    async fn find(&self, home: &Home, typed: &str) -> Result<Summary, Refusal> {
        find(home, typed).await.map_err(|error| refusal(&error))
    }
}

/// A home that nobody has used yet: nothing is in it, and looking into it does not make it.
struct Untouched;

#[async_trait]
impl Door for Untouched {
    async fn call(&self, request: Request) -> Result<Answer, Fault> {
        match request {
            Request::Find { .. } => Ok(Answer::Found { projects: Vec::new(), damaged: Vec::new() }),
            _ => Err(Fault::new(FaultKind::UnknownProject, "no project was started in this home yet")),
        }
    }
}

/// A home that stays open: the server's own.
struct Lasting(Home);

#[async_trait]
impl Access for Lasting {
    async fn open(&self, _: Need) -> Result<Visit, Refusal> {
        Ok(Visit::lasting(self.0.clone()))
    }

    async fn line(&self) -> Option<Visit> {
        Some(Visit::lasting(self.0.clone()))
    }

    async fn find(&self, home: &Home, typed: &str) -> Result<Summary, Refusal> {
        find(home, typed).await.map_err(|error| refusal(&error))
    }
}

/// Makes starts as the HTTP face does, from the workflows and for the folders that its person named.
struct Served(Arc<launcher::Launcher>);

impl Launcher for Served {
    fn prepare(&self, wanted: Wanted) -> Result<StartRequest, Refusal> {
        let id = wanted.id.unwrap_or_else(|| http::Launcher::fresh_id(&*self.0, &wanted.workflow));
        let wanted = http::Wanted {
            source: http::Source::Named(wanted.workflow),
            inputs: wanted.inputs,
            dir: wanted.dir,
            models: wanted.models,
            budget: None,
            id: Some(id),
            // Whoever may not start anything is not shown the tool.
            role: http::Role::Operate,
        };
        self.0.request(wanted).map_err(|error| refusal(&error))
    }
}

/// The face as a server has it beside its HTTP face: each request acts as far as the role of its token goes.
pub fn under_server(home: &Home, launcher: Arc<launcher::Launcher>) -> Parts {
    let may_act = |parts: &axum::http::request::Parts| {
        parts.extensions.get::<http::Caller>().is_some_and(|caller| caller.role >= http::Role::Operate)
    };
    Parts {
        access: Arc::new(Lasting(home.asked_by("api:mcp".to_owned()))),
        launcher: Arc::new(Served(launcher)),
        explain,
        narrate,
        grant: Grant::ByRequest(may_act),
    }
}

/// Makes starts as `wfctl run` does.
struct Launch(Arc<Context>);

impl Launcher for Launch {
    fn prepare(&self, wanted: Wanted) -> Result<StartRequest, Refusal> {
        prepare(&self.0, wanted).map_err(|error| refusal(&error))
    }
}

fn prepare(context: &Context, wanted: Wanted) -> Result<StartRequest, Error> {
    let mut found = workflows::load(&context.terminal, &wanted.workflow)?;
    let files = std::mem::take(&mut found.files);
    let given: BTreeMap<String, Given> =
        wanted.inputs.into_iter().map(|(name, value)| (name, Given::Json(value))).collect();
    let inputs = bind(&found.definition.inputs, &given)
        .map_err(|problems| Error::Inputs { workflow: found.definition.name.clone(), problems })?;
    let models =
        args::Models { model: wanted.models, base_url: None, key_env: None, free: false, trust_providers: false };
    let arguments = args::Run {
        workflow: wanted.workflow,
        inputs: args::Inputs { input: Vec::new(), inputs: None },
        models,
        allow: args::Allow::default(),
        sandbox: None,
        id: Some(wanted.id.unwrap_or_else(|| context.app.fresh_id(&found.definition.name)).to_string()),
        dir: wanted.dir.map(Into::into),
        detach: true,
        dry_run: false,
        trust: false,
    };
    let start = run::request_with(context, &arguments, found, inputs)?;
    // An agent does not agree for its person: nobody is asked here.
    if let Some((path, _)) = context.app.untrusted_settings() {
        return Err(Error::Untrusted(vec![path.to_owned()]));
    }
    let open = trusting::open(context, trusting::of_start(context, files, &start)?)?;
    if !open.is_empty() {
        return Err(Error::Untrusted(trusting::names(&open)));
    }
    Ok(start)
}
