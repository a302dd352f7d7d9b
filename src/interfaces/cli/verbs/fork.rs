//! `wfctl fork`: another project with the same beginning.

use super::super::args;
use super::super::context::{Context, find};
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::given;
use super::{drive, run};
use crate::app::Need;
use crate::domain::budget::Caps;
use crate::domain::ids::{ProjectId, Seq};
use crate::interfaces::api::{FaultKind, ForkRequest, Home};

/// Forks a project and follows the fork.
pub async fn run(context: &Context, arguments: args::Fork) -> Result<Exit, Error> {
    let budget = arguments.budget.as_deref().map(given::caps).transpose()?;
    arguments.models.iter().try_for_each(|model| check_model(model))?;
    context.must_have(&arguments.project)?;
    let mut interrupts = drive::Interrupts::listen()?;
    if arguments.detach {
        let forked = run::in_engine(context, &mut interrupts, async |home| begin(home, &arguments, budget).await);
        let Some((id, existed, _)) = forked.await? else { return Ok(Exit::Interrupted) };
        run::tell_started(context, &id, existed)?;
        return Ok(Exit::Done);
    }
    let Some(session) = interrupts.unless(context.app.open(Need::Drive, "fork")).await else {
        return Ok(Exit::Interrupted);
    };
    let session = session?;
    let begun = match begin(session.home(), &arguments, budget).await {
        Ok((id, existed, from)) => run::tell_started(context, &id, existed).map(|()| (id, from)),
        Err(error) => Err(error),
    };
    match begun {
        Ok(begun) => drive::drive(context, session, &[begun], &mut interrupts).await,
        Err(error) => {
            drive::close(session).await?;
            Err(error)
        }
    }
}

/// The fork, whether it existed, and the position from which on it is followed: what both have in common is old news.
async fn begin(home: &Home, arguments: &args::Fork, budget: Option<Caps>) -> Result<(ProjectId, bool, Seq), Error> {
    let source = find(home, &arguments.project).await?.id;
    let text = arguments.id.clone().unwrap_or_else(|| format!("{source}.f{}", arguments.at));
    let id = ProjectId::new(&text).map_err(|error| Error::Usage {
        message: error.to_string(),
        hint: "Choose an id with `--id`: lower-case letters, digits, `.`, `_` and `-`, at most 64 of them.".to_owned(),
    })?;
    let (at, models) = (Seq(arguments.at), arguments.models.clone());
    let (id, existed) = home.fork(ForkRequest { source, at, id, models, budget }).await?;
    if !existed {
        return Ok((id, existed, at));
    }
    let from = home.show(&id).await?.seq;
    match home.resume(&id, super::resume::plain()).await {
        Err(fault) if fault.kind != FaultKind::Terminal => Err(fault.into()),
        // One that has ended only tells how.
        Ok(()) | Err(_) => Ok((id, existed, from)),
    }
}

fn check_model(model: &str) -> Result<(), Error> {
    match model.split_once('/') {
        Some((provider, name)) if !provider.is_empty() && !name.is_empty() => Ok(()),
        Some(_) | None => Err(Error::Usage {
            message: format!("{model:?} does not name a provider and a model"),
            hint: "Write PROVIDER/MODEL, for example openai/gpt-5-mini or ollama/qwen3.".to_owned(),
        }),
    }
}
