//! The server `database`: SQLite databases that are files of the worktree. A file is read whole, worked on in memory, and written whole
//! when all went well: nothing is half done, and nothing beside the file is touched (`ATTACH` and `VACUUM INTO` are refused).

use std::time::Duration;

use rusqlite::limits::Limit;
use rusqlite::types::{Value as Cell, ValueRef};
use rusqlite::{Connection, params_from_iter};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::{Site, ToolFault, ToolOutput, arguments, boundary, object};
use super::Served;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::limits;
use crate::domain::workflow::EffectClass;

/// The tools.
pub(super) const TOOLS: [Served; 4] = [
    Served {
        server: "database",
        name: "execute_query",
        about: "Run one SQL statement in an SQLite database of the worktree and see its rows as JSON, or how many it changed.",
        effect: EffectClass::Restorable,
        parameters: || {
            let params = json!({ "type": "array", "description": "Values for the placeholders `?` of the query, in their order." });
            let most = json!({ "type": "integer", "minimum": 1, "maximum": limits::DATABASE_ROWS, "description": "Most rows; 100 when left out." });
            object(
                json!({ "database": file_schema(), "query": sql_schema(), "params": params, "max_rows": most }),
                &["database", "query"],
            )
        },
        work: |arguments, site| Box::pin(execute_query(arguments, site)),
    },
    Served {
        server: "database",
        name: "create_schema",
        about: "Run statements that create tables, indexes and views; all of them or none. A database that is not there is created.",
        effect: EffectClass::Restorable,
        parameters: || object(json!({ "database": file_schema(), "sql": sql_schema() }), &["database", "sql"]),
        work: |arguments, site| Box::pin(create_schema(arguments, site)),
    },
    Served {
        server: "database",
        name: "migrate_database",
        about: "Bring a database to its newest version: each migration whose version is above the database's (`PRAGMA user_version`) is run, \
                in the order of versions; all of them or none.",
        effect: EffectClass::Restorable,
        parameters: || {
            let migration = object(
                json!({ "version": { "type": "integer", "minimum": 1, "maximum": i32::MAX }, "sql": sql_schema() }),
                &["version", "sql"],
            );
            let migrations = json!({ "type": "array", "items": migration, "minItems": 1, "maxItems": 1000 });
            object(json!({ "database": file_schema(), "migrations": migrations }), &["database", "migrations"])
        },
        work: |arguments, site| Box::pin(migrate_database(arguments, site)),
    },
    Served {
        server: "database",
        name: "seed_data",
        about: "Put rows into a table; all of them or none. With `if_empty` nothing is done when the table has rows already.",
        effect: EffectClass::Restorable,
        parameters: || {
            let rows = json!({ "type": "array", "items": { "type": "object" }, "minItems": 1, "maxItems": limits::DATABASE_SEEDS, "description": "Each an object of columns." });
            let table = json!({ "type": "string", "minLength": 1, "maxLength": 128 });
            object(
                json!({ "database": file_schema(), "table": table, "rows": rows, "if_empty": { "type": "boolean" } }),
                &["database", "table", "rows"],
            )
        },
        work: |arguments, site| Box::pin(seed_data(arguments, site)),
    },
];

/// Rows that are shown when no number is given.
const ROWS: usize = 100;

fn file_schema() -> Value {
    json!({ "type": "string", "minLength": 1, "description": "The file of the database, relative to the root of the worktree." })
}

fn sql_schema() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 1_000_000 })
}

#[derive(Deserialize)]
struct Query {
    database: String,
    query: String,
    #[serde(default)]
    params: Vec<Value>,
    max_rows: Option<usize>,
}

#[derive(Deserialize)]
struct Schema {
    database: String,
    sql: String,
}

#[derive(Deserialize)]
struct Migrate {
    database: String,
    migrations: Vec<Migration>,
}

#[derive(Deserialize)]
struct Migration {
    version: i32,
    sql: String,
}

#[derive(Deserialize)]
struct Seed {
    database: String,
    table: String,
    rows: Vec<Map<String, Value>>,
    #[serde(default)]
    if_empty: bool,
}

async fn execute_query(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Query { database, query, params, max_rows } = arguments::typed(arguments)?;
    let cells = params.iter().map(cell).collect::<Vec<_>>();
    work(site, &database, move |connection| {
        let mut statement = connection.prepare(&query)?;
        if statement.column_count() == 0 {
            let changed = statement.execute(params_from_iter(cells))?;
            return Ok(format!("{changed} rows changed"));
        }
        let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
        let mut rows = statement.query(params_from_iter(cells))?;
        let (mut shown, mut more) = (Vec::new(), false);
        while let Some(row) = rows.next()? {
            if shown.len() == max_rows.unwrap_or(ROWS) {
                more = true;
                break;
            }
            let mut object = Map::new();
            for (at, name) in names.iter().enumerate() {
                object.insert(name.clone(), told(row.get_ref(at)?));
            }
            shown.push(Value::Object(object).to_string());
        }
        let note = if more { " (there are more)" } else { "" };
        Ok(format!("{} rows{note}\n{}", shown.len(), shown.join("\n")))
    })
    .await
}

async fn create_schema(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Schema { database, sql } = arguments::typed(arguments)?;
    work(site, &database, move |connection| {
        in_one(connection, |connection| connection.execute_batch(&sql))?;
        let mut statement =
            connection.prepare("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name")?;
        let names =
            statement.query_map([], |row| Ok(format!("{} {}", row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        Ok(format!("the database has: {}", names.collect::<Result<Vec<_>, _>>()?.join(", ")))
    })
    .await
}

async fn migrate_database(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Migrate { database, mut migrations } = arguments::typed(arguments)?;
    migrations.sort_by_key(|migration| migration.version);
    if let Some(twice) = migrations.windows(2).find(|pair| pair[0].version == pair[1].version) {
        return Err(ToolFault::Told(format!("there are two migrations to version {}", twice[0].version)));
    }
    work(site, &database, move |connection| {
        let version =
            |connection: &Connection| connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i32>(0));
        let before = version(connection)?;
        in_one(connection, |connection| {
            for migration in migrations.iter().filter(|migration| migration.version > before) {
                connection.execute_batch(&migration.sql)?;
                connection.pragma_update(None, "user_version", migration.version)?;
            }
            Ok(())
        })?;
        let now = version(connection)?;
        Ok(if now == before {
            format!("it is at version {now} already")
        } else {
            format!("from version {before} to {now}")
        })
    })
    .await
}

async fn seed_data(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Seed { database, table, rows, if_empty } = arguments::typed(arguments)?;
    work(site, &database, move |connection| {
        let name = quoted(&table);
        let has: i64 = connection.query_row(&format!("SELECT EXISTS (SELECT 1 FROM {name})"), [], |row| row.get(0))?;
        if if_empty && has != 0 {
            return Ok(format!("{table} has rows already; nothing was done"));
        }
        in_one(connection, |connection| {
            for row in &rows {
                let columns: Vec<String> = row.keys().map(|column| quoted(column)).collect();
                let places = vec!["?"; row.len()].join(", ");
                let sql = match row.is_empty() {
                    true => format!("INSERT INTO {name} DEFAULT VALUES"),
                    false => format!("INSERT INTO {name} ({}) VALUES ({places})", columns.join(", ")),
                };
                connection.execute(&sql, params_from_iter(row.values().map(cell)))?;
            }
            Ok(())
        })?;
        Ok(format!("{} rows put into {table}", rows.len()))
    })
    .await
}

/// Does `work` in the database at `path`, and keeps what it changed when it went well.
async fn work(
    site: &Site<'_>,
    path: &str,
    work: impl FnOnce(&Connection) -> rusqlite::Result<String> + Send + 'static,
) -> Result<ToolOutput, ToolFault> {
    let boundary = boundary(site.root)?;
    let path = boundary.path(path)?;
    let before = if boundary.exists(&path)? { boundary.read(&path, limits::TOOL_FILE_BYTES)? } else { Vec::new() };
    let wal = boundary.path(&format!("{path}-wal"))?;
    if boundary.exists(&wal)? && boundary.facts(&wal)?.bytes > 0 {
        return Err(ToolFault::Told(format!(
            "`{path}` is in use by another program: `{wal}` holds what is not in it yet"
        )));
    }
    let mut connection = opened(&before).map_err(|error| ToolFault::Told(format!("`{path}`: {error}")))?;
    let stop = connection.get_interrupt_handle();
    let mut working = tokio::task::spawn_blocking(move || {
        let said = work(&connection)?;
        let after = connection.serialize("main")?.to_vec();
        Ok::<_, rusqlite::Error>((said, after))
    });
    let limit = Duration::from_millis(limits::DATABASE_MS);
    let done = match tokio::time::timeout(limit, &mut working).await {
        Ok(done) => done,
        Err(_) => {
            stop.interrupt();
            working.await
        }
    };
    let done = done.map_err(|error| {
        ToolFault::Ends(Failure::new(FailureClass::Internal, format!("a database could not be worked on: {error}")))
    })?;
    let (said, after) = done.map_err(|error| ToolFault::Told(format!("`{path}`: {error}; nothing was changed")))?;
    if !after.is_empty() && after != before {
        boundary.write(&path, &after)?;
    }
    Ok(ToolOutput::new(said))
}

/// A database in memory with the content of a file.
fn opened(content: &[u8]) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    if !content.is_empty() {
        let mut content = content.to_vec();
        // Read and write version: 2 stands for a log beside the file, which a database in memory cannot have (see
        // <https://www.sqlite.org/fileformat.html>, 1.3.3).
        for version in content.iter_mut().skip(18).take(2).filter(|version| **version == 2) {
            *version = 1;
        }
        let bytes = content.len();
        connection.deserialize_read_exact("main", &content[..], bytes, false)?;
    }
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON;")?;
    // Says at once whether it is a database.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// All of it or none.
fn in_one(connection: &Connection, work: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    work(&transaction)?;
    transaction.commit()
}

/// A name in SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A value of JSON as one of SQLite; lists and objects are kept as their text.
fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(is) => Cell::Integer(i64::from(*is)),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Cell::Integer(whole),
            None => number.as_f64().map_or(Cell::Null, Cell::Real),
        },
        Value::String(text) => Cell::Text(text.clone()),
        Value::Array(_) | Value::Object(_) => Cell::Text(value.to_string()),
    }
}

fn told(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned().into(),
        ValueRef::Blob(bytes) => format!("({} bytes)", bytes.len()).into(),
    }
}
