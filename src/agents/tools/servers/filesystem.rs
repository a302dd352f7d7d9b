//! The server `filesystem`: the files of the worktree under the names that other systems have for them, and code that runs in its
//! sandbox.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{
    Site, Tool, ToolFault, ToolOutput, arguments, boundary, delete_file, list_files, object, read_file, run_command,
    write_file,
};
use super::Served;
use crate::domain::ids::Digest;
use crate::domain::limits;
use crate::domain::workflow::EffectClass;

static READ: read_file::ReadFile = read_file::ReadFile;
static WRITE: write_file::WriteFile = write_file::WriteFile;
static LIST: list_files::ListFiles = list_files::ListFiles;
static DELETE: delete_file::DeleteFile = delete_file::DeleteFile;
static RUN: run_command::RunCommand = run_command::RunCommand;

/// The tools.
pub(super) const TOOLS: [Served; 6] = [
    Served {
        server: "filesystem",
        name: "read_file",
        about: "Read a text file of the worktree with line numbers; `offset` and `limit` choose a part.",
        effect: EffectClass::Pure,
        parameters: || READ.spec().parameters,
        work: |arguments, site| READ.call(arguments, site),
    },
    Served {
        server: "filesystem",
        name: "write_file",
        about: "Create a file of the worktree, or replace the whole content of one. Folders that are missing are made.",
        effect: EffectClass::Restorable,
        parameters: || WRITE.spec().parameters,
        work: |arguments, site| WRITE.call(arguments, site),
    },
    Served {
        server: "filesystem",
        name: "create_directory",
        about: "Make a folder of the worktree and those above it. git keeps no empty folders.",
        effect: EffectClass::Restorable,
        parameters: || {
            let path = json!({ "type": "string", "description": "The folder, relative to the root of the worktree." });
            object(json!({ "path": path }), &["path"])
        },
        work: |arguments, site| Box::pin(create_directory(arguments, site)),
    },
    Served {
        server: "filesystem",
        name: "list_files",
        about: "List what is directly in one folder of the worktree: folders first, then files with their sizes.",
        effect: EffectClass::Pure,
        parameters: || LIST.spec().parameters,
        work: |arguments, site| LIST.call(arguments, site),
    },
    Served {
        server: "filesystem",
        name: "delete_file",
        about: "Delete one file of the worktree. Folders are not deleted.",
        effect: EffectClass::Restorable,
        parameters: || DELETE.spec().parameters,
        work: |arguments, site| DELETE.call(arguments, site),
    },
    Served {
        server: "filesystem",
        name: "execute_code",
        about: "Run a piece of code in the root of the worktree, in the sandbox of all commands, and see its exit code and output. \
                The interpreter must be installed.",
        effect: EffectClass::Restorable,
        parameters: || {
            let names: Vec<&str> = LANGUAGES.iter().map(|(name, _)| *name).collect();
            let timeout = json!({
                "type": "integer", "minimum": 1, "maximum": limits::TOOL_COMMAND_MOST_MS / 1000,
                "description": "It is killed after so many seconds."
            });
            object(
                json!({ "language": { "enum": names }, "code": { "type": "string", "minLength": 1 }, "timeout_s": timeout }),
                &["language", "code"],
            )
        },
        work: |arguments, site| Box::pin(execute_code(arguments, site)),
    },
];

/// What runs code that comes over its standard input.
const LANGUAGES: [(&str, &str); 6] = [
    ("python", "python3 -"),
    ("javascript", "node -"),
    ("bash", "bash -s"),
    ("sh", "sh -s"),
    ("ruby", "ruby -"),
    ("perl", "perl -"),
];

#[derive(Deserialize)]
struct Folder {
    path: String,
}

#[derive(Deserialize)]
struct Code {
    language: String,
    code: String,
    timeout_s: Option<u64>,
}

async fn create_directory(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Folder { path } = arguments::typed(arguments)?;
    let boundary = boundary(site.root)?;
    let path = boundary.path(&path)?;
    boundary.create_folders(&path)?;
    Ok(ToolOutput::new(format!("`{path}` is there")))
}

async fn execute_code(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Code { language, code, timeout_s } = arguments::typed(arguments)?;
    let known = LANGUAGES.iter().find(|(name, _)| *name == language);
    let (_, program) = known.ok_or_else(|| ToolFault::Told(format!("code in {language} cannot be run")))?;
    // No line of the code is its end: that is made from the code itself.
    let end = format!("END_{}", &Digest::of(code.as_bytes()).to_hex()[..24]);
    let command = format!("{program} <<'{end}'\n{}\n{end}", code.trim_end_matches('\n'));
    let mut line = json!({ "command": command });
    if let Some(timeout_s) = timeout_s {
        line["timeout_s"] = timeout_s.into();
    }
    RUN.call(&line, site).await
}
