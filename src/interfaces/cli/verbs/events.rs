//! `wfctl events`: the journal, record by record.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::terminal::{Tone, harmless};
use super::super::words::{self, Names};
use super::drive::interrupt;
use crate::domain::ids::{ProjectId, Seq};
use crate::domain::view::RecordView;
use crate::interfaces::api::{Home, Line};

/// Prints them.
pub async fn run(context: &Context, arguments: &args::Events) -> Result<Exit, Error> {
    let (session, summary) = context.read(&arguments.project, "events").await?;
    let home = session.home().clone();
    let printed = tokio::select! {
        printed = print(context, &home, &summary.id, arguments) => printed,
        () = interrupt()? => Ok(()),
    };
    session.close().await;
    printed.map(|()| Exit::Done)
}

async fn print(context: &Context, home: &Home, id: &ProjectId, arguments: &args::Events) -> Result<(), Error> {
    let mut names = Names::of(&home.show(id).await?);
    let mut from = Seq(arguments.from.saturating_sub(1));
    loop {
        let records = home.records(id, from, arguments.follow).await?;
        let Some(last) = records.last() else { return Ok(()) };
        from = last.seq;
        if arguments.follow && records.iter().any(|record| words::grows(&record.event)) {
            names = Names::of(&home.show(id).await?);
        }
        for record in records {
            line(context, record, &names, arguments)?;
        }
    }
}

fn line(context: &Context, record: RecordView, names: &Names, arguments: &args::Events) -> Result<(), Error> {
    let said = words::say(&record.event, names);
    let task = said.task.map(|task| names.get(task));
    let kind = words::kind(&record.event);
    let is_kind = arguments.kind.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(&kind));
    let is_task = arguments.task.as_ref().is_none_or(|wanted| task.as_ref() == Some(wanted));
    if !is_kind || !is_task {
        return Ok(());
    }
    if context.is_json {
        return context.terminal.json(&Line::record(RecordView { task, ..record }));
    }
    let terminal = &context.terminal;
    let seq = terminal.paint(Tone::Dim, format!("{:>6}", record.seq.0));
    let at = terminal.paint(Tone::Dim, record.at.to_rfc3339());
    let task = task.map(|task| format!(" {task}")).unwrap_or_default();
    let text = terminal.paint(said.tone, harmless(&said.text));
    let actor = words::actor(&record.actor);
    terminal.data(format!("{seq} {at} {actor} {kind}{task}: {text}"))
}
