//! `wfctl export`: a project as an SQLite database, to ask in SQL.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::path::Path;

    use rusqlite::{Connection, params};

    use crate::interfaces::api::Tables;

    const SCHEMA: &str = "
        CREATE TABLE tasks (
            id TEXT PRIMARY KEY, title TEXT NOT NULL, description TEXT NOT NULL, priority TEXT NOT NULL, status TEXT NOT NULL,
            file_paths TEXT NOT NULL, created_by TEXT NOT NULL, assigned_to TEXT, result TEXT, error TEXT,
            created_at TEXT NOT NULL, completed_at TEXT);
        CREATE TABLE planners (
            planner_id TEXT PRIMARY KEY, domain TEXT NOT NULL, file_patterns TEXT NOT NULL, parent_planner TEXT,
            sub_planners TEXT, tasks_created TEXT, created_at TEXT NOT NULL);
        CREATE TABLE cycles (
            cycle_number INTEGER PRIMARY KEY, tasks_completed INTEGER, tasks_failed INTEGER, sub_planners_spawned INTEGER,
            workers_active INTEGER, continue_next_cycle BOOLEAN, judge_reasoning TEXT, created_at TEXT NOT NULL);";

    /// Writes the tables into a new database.
    pub fn write(path: &Path, tables: &Tables) -> rusqlite::Result<()> {
        let mut database = Connection::open(path)?;
        let all = database.transaction()?;
        all.execute_batch(SCHEMA)?;
        let list = |texts: &[String]| serde_json::Value::from(texts).to_string();
        {
            let mut insert = all.prepare("INSERT INTO tasks VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)")?;
            for row in &tables.tasks {
                insert.execute(params![
                    row.id,
                    row.title,
                    row.description,
                    row.priority,
                    row.status,
                    list(&row.file_paths),
                    row.created_by,
                    row.assigned_to,
                    row.result,
                    row.error,
                    row.created_at,
                    row.completed_at
                ])?;
            }
            let mut insert = all.prepare("INSERT INTO planners VALUES (?1,?2,?3,?4,?5,?6,?7)")?;
            for row in &tables.planners {
                insert.execute(params![
                    row.planner_id,
                    row.domain,
                    list(&row.file_patterns),
                    row.parent_planner,
                    list(&row.sub_planners),
                    list(&row.tasks_created),
                    row.created_at
                ])?;
            }
            let mut insert = all.prepare("INSERT INTO cycles VALUES (?1,?2,?3,?4,?5,?6,?7,?8)")?;
            for row in &tables.cycles {
                insert.execute(params![
                    row.cycle_number,
                    row.tasks_completed,
                    row.tasks_failed,
                    row.sub_planners_spawned,
                    row.workers_active,
                    row.continue_next_cycle,
                    row.judge_reasoning,
                    row.created_at
                ])?;
            }
        }
        all.commit()
    }
}

/// Writes it.
#[cfg(feature = "sqlite")]
pub async fn run(context: &Context, arguments: &args::Export) -> Result<Exit, Error> {
    let path = &arguments.sqlite;
    let failed =
        |problem: String| Error::File { doing: "write", path: path.clone(), source: std::io::Error::other(problem) };
    if path.exists() {
        return Err(Error::Usage {
            message: format!("{} is there already", path.display()),
            hint: "Name another file, or remove that one.".to_owned(),
        });
    }
    let (session, summary) = context.read(&arguments.project, "export").await?;
    let tables = session.home().tables(&summary.id).await;
    session.close().await;
    let tables = tables?;
    // Under another name first: a file that is there is whole.
    let part = path.with_extension("part");
    let _ = std::fs::remove_file(&part);
    sqlite::write(&part, &tables).map_err(|error| failed(error.to_string()))?;
    std::fs::rename(&part, path).map_err(|source| Error::File { doing: "write", path: path.clone(), source })?;
    let (tasks, planners, cycles) = (tables.tasks.len(), tables.planners.len(), tables.cycles.len());
    context.terminal.note(format!("{}: {tasks} tasks, {planners} planners, {cycles} cycles", path.display()));
    Ok(Exit::Done)
}

/// Says that this build cannot.
#[cfg(not(feature = "sqlite"))]
pub async fn run(_: &Context, _: &args::Export) -> Result<Exit, Error> {
    Err(Error::Usage {
        message: "this build of wfctl has no SQLite in it".to_owned(),
        hint: "Build it with `--features sqlite`, or take the records: `wfctl audit export ID`.".to_owned(),
    })
}
