//! `wfctl replay`: a finished project, run again from its records, and the first thing that came otherwise.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::follow;
use super::super::terminal::{Tone, harmless, harmless_lines};
use super::super::words::{Names, grouped};
use super::drive::Interrupts;
use crate::app::{Counts, Difference, Replayed};
use crate::domain::ids::{ProjectId, Seq};
use crate::domain::limits;
use crate::domain::view::RecordView;
use crate::interfaces::api::Home;

/// Runs it again and tells what came of it.
pub async fn run(context: &Context, arguments: &args::Replay) -> Result<Exit, Error> {
    let mut interrupts = Interrupts::listen()?;
    let (session, summary) = context.read(&arguments.project, "replay").await?;
    let read = read(session.home(), &summary.id).await;
    // The records are all that is needed: the home is free for others meanwhile.
    session.close().await;
    let (records, names) = read?;
    let tell = |record: &RecordView| {
        if !context.is_json {
            // What cannot be shown does not keep the replay from going on.
            let _ = follow::print(context, record.clone(), &names, false);
        }
    };
    let replayed = context.app.replay(&records, arguments.keep, &tell, interrupts.next()).await?;
    let Some(replayed) = replayed else { return Ok(Exit::Interrupted) };
    tell_result(context, &replayed)?;
    Ok(if replayed.difference.is_none() { Exit::Done } else { Exit::Failed })
}

/// All records of a project, one more than may be run again at most, and what its tasks are called.
async fn read(home: &Home, id: &ProjectId) -> Result<(Vec<RecordView>, Names), Error> {
    let names = Names::of(&home.show(id).await?);
    let mut records: Vec<RecordView> = Vec::new();
    loop {
        let from = records.last().map_or(Seq(0), |record| record.seq);
        let page = home.records(id, from, false).await?;
        if page.is_empty() || records.len() > limits::REPLAY_RECORDS {
            return Ok((records, names));
        }
        records.extend(page);
    }
}

fn tell_result(context: &Context, replayed: &Replayed) -> Result<(), Error> {
    let terminal = &context.terminal;
    if context.is_json {
        return terminal.json(&serde_json::json!({
            "v": 1,
            "type": "replayed",
            "project": replayed.project,
            "same": replayed.difference.is_none(),
            "counts": replayed.counts,
            "difference": replayed.difference,
            "kept": replayed.kept,
        }));
    }
    let counts = counted(&replayed.counts);
    match &replayed.difference {
        None => terminal.data(format!("replayed: {counts}: {}", terminal.paint(Tone::Good, "no difference")))?,
        Some(difference) => {
            terminal.data(format!("replayed: {counts}: {}", terminal.paint(Tone::Bad, "a difference")))?;
            for line in lines(difference) {
                terminal.data(line)?;
            }
        }
    }
    if replayed.counts.given > 0 {
        let given = grouped(replayed.counts.given);
        terminal.note(format!(
            "taken from the records, not run: steps that act on the world outside, or were stopped: {given}"
        ));
    }
    if replayed.counts.varied > 0 {
        let varied = grouped(replayed.counts.varied);
        terminal.note(format!("outputs that differ in durations, folders or the order of lines only: {varied}"));
    }
    if let Some(kept) = &replayed.kept {
        terminal.note(format!("its folders are kept in {}", kept.display()));
    }
    Ok(())
}

fn counted(counts: &Counts) -> String {
    let of = |number: u64, one: &str| format!("{} {one}{}", grouped(number), if number == 1 { "" } else { "s" });
    let (tasks, models, tools) =
        (of(counts.tasks, "task"), of(counts.model_calls, "model call"), of(counts.tool_calls, "tool call"));
    format!("{tasks}, {}, {models}, {tools}", of(counts.steps, "step"))
}

fn lines(difference: &Difference) -> Vec<String> {
    let mut place = vec![format!("record {}", difference.seq)];
    place.extend(difference.task.as_ref().map(|task| format!("task {}", harmless(task))));
    place.extend(difference.attempt.map(|attempt| format!("attempt {attempt}")));
    place.extend(difference.step.filter(|step| *step > 0).map(|step| format!("step {step}")));
    place.extend(difference.call.map(|call| format!("call {call}")));
    let mut lines = vec![format!("{}: {}", place.join(", "), harmless(&difference.what))];
    for (name, text) in [("recorded", &difference.recorded), ("came", &difference.came)] {
        lines.push(format!("  {name}:"));
        lines.extend(harmless_lines(text).lines().map(|line| format!("    {line}").trim_end().to_owned()));
    }
    lines
}
