//! `wfctl cost`: what the models of a project cost, and what is left.

use super::super::args;
use super::super::args::CostBy;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::table::{self, plain};
use super::super::terminal::{Terminal, Tone, harmless};
use super::super::words::{grouped, money};
use crate::domain::time::human_duration;
use crate::interfaces::api::{Chosen, Cost, Route, Row, Tally};

/// Tasks shown when nothing else is asked for.
const DEAREST: usize = 10;

/// Tells it.
pub async fn run(context: &Context, arguments: &args::Cost) -> Result<Exit, Error> {
    let (session, summary) = context.read(&arguments.project, "cost").await?;
    let cost = session.home().cost(&summary.id, arguments.children).await;
    session.close().await;
    let cost = cost?;
    if context.is_json {
        context.terminal.json(&cost)?;
        return Ok(Exit::Done);
    }
    for line in lines(&context.terminal, &cost, arguments.by) {
        context.terminal.data(line)?;
    }
    Ok(Exit::Done)
}

fn lines(terminal: &Terminal, cost: &Cost, by: Option<CostBy>) -> Vec<String> {
    let id = &cost.project.id;
    if cost.total == Tally::default() {
        let mut lines = vec![format!("{id} has asked no model yet")];
        lines.extend(caps(terminal, cost));
        return lines;
    }
    let tables: [(CostBy, &str, &[Row]); 4] = [
        (CostBy::Role, "role", &cost.roles),
        (CostBy::Model, "model", &cost.models),
        (CostBy::Phase, "phase", &cost.phases),
        (CostBy::Task, "task", &cost.tasks),
    ];
    if by == Some(CostBy::Route) {
        return routes(terminal, &cost.routes);
    }
    if let Some(by) = by {
        let chosen = tables.iter().filter(|(of, ..)| *of == by);
        return chosen.flat_map(|(_, name, rows)| table(terminal, name, rows)).collect();
    }
    let children = match cost.children {
        0 => String::new(),
        1 => " and its child".to_owned(),
        more => format!(" and its {more} children"),
    };
    let mut lines = vec![format!("{}{children}: {}", terminal.paint(Tone::Bold, id.as_str()), total(&cost.total))];
    lines.extend(caps(terminal, cost));
    for (of, name, rows) in tables {
        let most = if of == CostBy::Task { DEAREST } else { rows.len() };
        lines.push(String::new());
        lines.extend(table(terminal, name, &rows[..most.min(rows.len())]));
        if rows.len() > most {
            lines.push(format!("... and {} more (wfctl cost --by task {id})", rows.len() - most));
        }
    }
    lines
}

fn total(used: &Tally) -> String {
    let mut text = format!("{} for {} calls", money(used.usd_micros), grouped(used.calls));
    if used.failed > 0 {
        text += &format!(" ({} failed)", grouped(used.failed));
    }
    let (input, output) = (grouped(used.input_tokens), grouped(used.output_tokens));
    text += &format!(", {input} tokens in ({} cached)", share(used.cached_tokens, used.input_tokens));
    text += &format!(", {output} out ({} reasoning)", share(used.reasoning_tokens, used.output_tokens));
    if used.estimated_tokens > 0 {
        text += &format!("; {} of it estimated", share(used.estimated_tokens, used.input_tokens + used.output_tokens));
    }
    if used.uncertain > 0 {
        let (calls, tokens) = (grouped(used.uncertain), grouped(used.uncertain_tokens));
        let usd = money(used.uncertain_usd_micros);
        let were = if used.uncertain == 1 { "call was" } else { "calls were" };
        text += &format!("; {calls} {were} cut off and charged at {tokens} tokens, {usd}");
    }
    text
}

fn share(part: u64, of: u64) -> String {
    match of {
        0 => "0 %".to_owned(),
        of => format!("{} %", u128::from(part) * 100 / u128::from(of)),
    }
}

/// A line for each cap: spent, held back, left.
fn caps(terminal: &Terminal, cost: &Cost) -> Vec<String> {
    let (caps, spent, reserved) = (&cost.caps, &cost.ledger.spent, &cost.ledger.reserved);
    let line = |name: &str, cap: Option<u64>, spent: u64, reserved: u64, say: fn(u64) -> String| {
        let cap = cap?;
        let left = cap.saturating_sub(spent).saturating_sub(reserved);
        let tone = if left == 0 { Tone::Warn } else { Tone::Plain };
        let left = terminal.paint(tone, format!("{} left", say(left)));
        let held = if reserved > 0 { format!(", {} held back", say(reserved)) } else { String::new() };
        Some(format!("  budget of {name}: {} of {} spent{held}, {left}", say(spent), say(cap)))
    };
    let lines = [
        line("calls", caps.calls, spent.calls, reserved.calls, grouped),
        line("tokens", caps.tokens, spent.tokens, reserved.tokens, grouped),
        line("usd", caps.usd_micros, spent.usd_micros, reserved.usd_micros, money),
    ];
    lines.into_iter().flatten().collect()
}

/// A line for each role and model, and behind it why the model was asked.
fn routes(terminal: &Terminal, routes: &[Route]) -> Vec<String> {
    let head = ["role", "calls", "failed", "in", "out", "usd", "median", "p95"];
    let head = head.into_iter().map(|text| (Tone::Dim, text.to_owned())).collect();
    let cells = |route: &Route| {
        let used = &route.used;
        let mut cells = vec![plain(format!("{} {}", harmless(&route.role), harmless(&route.model)))];
        cells.push(plain(grouped(used.calls)));
        cells.push((if used.failed > 0 { Tone::Warn } else { Tone::Plain }, grouped(used.failed)));
        cells.extend([used.input_tokens, used.output_tokens].map(|number| plain(grouped(number))));
        cells.push((Tone::Bold, money(used.usd_micros)));
        let none = || ["-", "-"].map(str::to_owned);
        let took = route.latency.map_or_else(none, |it| [it.median_ms, it.p95_ms].map(human_duration));
        cells.extend(took.map(plain));
        cells
    };
    let rows = std::iter::once(head).chain(routes.iter().map(cells)).collect();
    let mut lines = table::lines(terminal, &table::right(rows)).into_iter();
    let mut all: Vec<String> = lines.next().into_iter().collect();
    for (line, route) in lines.zip(routes) {
        all.push(line);
        let why = |chosen: &Chosen| {
            let calls = if chosen.calls == 1 { "call" } else { "calls" };
            format!("    {}: {} {calls}", harmless(&chosen.why), grouped(chosen.calls))
        };
        all.extend(route.chosen.iter().map(why));
    }
    all
}

fn table(terminal: &Terminal, name: &str, rows: &[Row]) -> Vec<String> {
    let has_latency = rows.iter().any(|row| row.latency.is_some());
    let mut head = vec![name, "calls", "in", "cached", "out", "reasoning", "estimated", "uncertain", "usd"];
    if has_latency {
        head.extend(["median", "p95"]);
    }
    let head = head.into_iter().map(|text| (Tone::Dim, text.to_owned())).collect();
    let cells = |row: &Row| {
        let used = &row.used;
        let numbers = [used.input_tokens, used.cached_tokens, used.output_tokens, used.reasoning_tokens];
        let mut cells = vec![plain(harmless(&row.name)), plain(grouped(used.calls))];
        cells.extend(numbers.map(|number| plain(grouped(number))));
        cells.push(plain(share(used.estimated_tokens, used.input_tokens + used.output_tokens)));
        cells.push((if used.uncertain > 0 { Tone::Warn } else { Tone::Plain }, grouped(used.uncertain)));
        cells.push((Tone::Bold, money(used.usd_micros)));
        if let Some(latency) = row.latency {
            cells.extend([latency.median_ms, latency.p95_ms].map(|ms| plain(human_duration(ms))));
        }
        cells
    };
    let rows = std::iter::once(head).chain(rows.iter().map(cells)).collect();
    table::lines(terminal, &table::right(rows))
}
