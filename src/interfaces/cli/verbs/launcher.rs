//! Starts for a server: workflows are looked for where the person who started it said, and nowhere else, and checked like those of
//! `wfctl run`.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::trusting;
use super::super::workflows::{self, SHIPPED};
use super::{add, allow, landing, models};
use crate::app::shipped_roles;
use crate::domain::ids::ProjectId;
use crate::domain::time::Millis;
use crate::domain::workflow::{self, Definition, Given, Outside, TaskSpec, WorkspaceKind, bind, diff};
use crate::interfaces::api::{Fault, FaultKind, StartRequest};
use crate::interfaces::http::{self, InputView, Listed, Problem, Role, RoleView, ShownWorkflow, Source, Wanted};

/// Where a workflow is when it is no file.
const IN_BINARY: &str = "shipped";

/// Finds and prepares.
pub struct Launcher {
    context: Arc<Context>,
    /// Projects may be started in these folders and below; the first one is where they are started otherwise.
    dirs: Vec<PathBuf>,
    /// Workflows are in these folders.
    folders: Vec<PathBuf>,
}

/// A workflow that was found.
struct Found {
    name: String,
    path: Option<PathBuf>,
    text: Vec<u8>,
}

impl Launcher {
    /// Over folders that are there, under their real names.
    pub fn new(context: Arc<Context>, dirs: Vec<PathBuf>, folders: Vec<PathBuf>) -> Self {
        Self { context, dirs, folders }
    }

    fn find(&self, name: &str) -> Result<Found, Error> {
        if is_below(Path::new(name)) {
            for folder in &self.folders {
                let files = [format!("{name}.yaml"), format!("{name}.yml"), name.to_owned()];
                let is_named = |file: &&String| file.ends_with(".yaml") || file.ends_with(".yml");
                for file in files.iter().filter(is_named) {
                    // A link must not lead out of what was allowed.
                    let Ok(path) = folder.join(file).canonicalize() else { continue };
                    if path.is_file() && path.starts_with(folder) {
                        let text = workflows::read(&path);
                        let text = text.map_err(|source| Error::File { doing: "read", path: path.clone(), source })?;
                        return Ok(Found { name: name.to_owned(), path: Some(path), text });
                    }
                }
            }
            if let Some(text) = workflows::shipped(name) {
                return Ok(Found { name: name.to_owned(), path: None, text: text.as_bytes().to_vec() });
            }
        }
        let shown: String = name.chars().take(80).collect();
        Err(Error::NoWorkflow {
            name: shown,
            hint: "GET /api/v1/workflows lists those that can be started.".to_owned(),
        })
    }

    /// What it says, and the files that were read for it.
    fn read(&self, found: &Found) -> Result<(Definition, Vec<workflows::Source>), Error> {
        let origin = match &found.path {
            Some(path) => path.display().to_string(),
            None => format!("<shipped>/{}.yaml", found.name),
        };
        workflows::check(&self.context.terminal, &origin, &found.text, found.path.as_deref())
    }

    /// The definition, its file, and all files that were read for it.
    fn definition(&self, source: &Source) -> Result<(Definition, Option<PathBuf>, Vec<workflows::Source>), Error> {
        match source {
            Source::Named(name) => {
                let found = self.find(name)?;
                let (definition, files) = self.read(&found)?;
                Ok((definition, found.path, files))
            }
            // Its text is ours.
            Source::Composed(name, text) => {
                let origin = format!("<composed>/{name}.yaml");
                let (definition, files) = workflows::check(&self.context.terminal, &origin, text.as_bytes(), None)?;
                Ok((definition, None, files))
            }
        }
    }

    /// Whether a caller of this role may start it: what a repository brings counts once a person has agreed to it, and nobody is asked
    /// over HTTP, whatever their role is.
    fn may_start(&self, start: &StartRequest, files: Vec<workflows::Source>, role: Role) -> Result<(), Error> {
        if role < Role::Operate {
            let message = format!("workflow {} may not be started by role {}", start.definition.name, role.name());
            return Err(Fault::new(FaultKind::NotAllowed, message).into());
        }
        let open = trusting::open(&self.context, trusting::of_start(&self.context, files, start)?)?;
        match open.is_empty() {
            true => Ok(()),
            false => Err(Error::Untrusted(trusting::names(&open))),
        }
    }

    fn dir(&self, given: Option<&str>) -> Result<PathBuf, Error> {
        let Some(given) = given else {
            let first = self.dirs.first().cloned();
            return first.ok_or_else(|| Error::Internal("a server without a folder".to_owned()));
        };
        let path = Path::new(given);
        // Relative to the first one, like the default.
        let whole = self.dirs.first().map_or_else(|| path.to_owned(), |first| first.join(path));
        let real = whole.canonicalize().ok().filter(|real| real.is_dir());
        real.filter(|real| self.dirs.iter().any(|dir| real.starts_with(dir))).ok_or_else(|| {
            let shown: String = given.chars().take(200).collect();
            let message = format!("`{shown}` is no folder that this server starts projects in");
            let causes = vec!["it was started with other folders (--dir)".to_owned()];
            Fault { causes, ..Fault::new(FaultKind::NotAllowed, message) }.into()
        })
    }

    /// What a start needs, checked like that of `wfctl run`.
    pub(super) fn request(&self, wanted: Wanted) -> Result<StartRequest, Error> {
        let context = &*self.context;
        let (mut definition, path, files) = self.definition(&wanted.source)?;
        let role = wanted.role;
        let chosen =
            args::Models { model: wanted.models, base_url: None, key_env: None, free: false, trust_providers: false };
        definition.models = models::chosen(context, &chosen, &definition)?;
        if let Some(caps) = &wanted.budget {
            definition.budget = definition.budget.raised_by(caps);
        }
        models::check(context, &definition)?;
        // What the configuration of whoever started the server allows, and no more.
        let definition = allow::pinned(context, definition, &args::Allow::default(), &args::Contained::default())?;
        let given: BTreeMap<String, Given> =
            wanted.inputs.into_iter().map(|(name, value)| (name, Given::Json(value))).collect();
        let inputs = bind(&definition.inputs, &given)
            .map_err(|problems| Error::Inputs { workflow: definition.name.clone(), problems })?;
        let base_dir = self.dir(wanted.dir.as_deref())?;
        let base_commit = match definition.workspace {
            WorkspaceKind::Worktree => Some(context.app.base_commit(&base_dir)?),
            WorkspaceKind::Dir | WorkspaceKind::None => None,
        };
        landing::check(context, &definition, &inputs, &base_dir)?;
        let env = context.app.environment().captured(&definition.pass_env);
        let base_dir = base_dir.into_os_string().into_string().map_err(|path| {
            Fault::new(FaultKind::Invalid, format!("the folder {} is not UTF-8 text", path.to_string_lossy()))
        })?;
        let source = path.map(|path| path.display().to_string());
        let start = StartRequest { id: wanted.id, definition, inputs, env, base_dir, source, base_commit };
        self.may_start(&start, files, role)?;
        Ok(start)
    }

    fn listed(&self, found: &Found) -> Listed {
        let source = found.path.as_ref().map_or_else(|| IN_BINARY.to_owned(), |path| path.display().to_string());
        let (name, checked) = (found.name.clone(), self.read(found));
        match checked {
            Ok((definition, _)) => Listed {
                name,
                source,
                inputs: InputView::of(&definition),
                description: definition.description,
                problem: None,
            },
            Err(error) => Listed {
                name,
                source,
                inputs: Vec::new(),
                description: String::new(),
                problem: Some(error.explained().message),
            },
        }
    }

    /// The names of all workflows; a file takes the place of a shipped one.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = SHIPPED.iter().map(|(name, _)| (*name).to_owned()).collect();
        for folder in &self.folders {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.extension().is_some_and(|it| it == "yaml" || it == "yml") {
                    names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
                }
            }
        }
        names.sort();
        names.dedup();
        names
    }
}

/// Whether a path stays below the folder that it is joined to.
fn is_below(path: &Path) -> bool {
    path.components().next().is_some() && path.components().all(|part| matches!(part, Component::Normal(_)))
}

impl http::Launcher for Launcher {
    fn prepare(&self, wanted: Wanted) -> Result<StartRequest, Problem> {
        self.request(wanted).map_err(told)
    }

    fn workflows(&self) -> Vec<Listed> {
        // One that went away meanwhile is not listed.
        self.names().iter().filter_map(|name| self.find(name).ok()).map(|found| self.listed(&found)).collect()
    }

    fn workflow(&self, name: &str) -> Result<ShownWorkflow, Problem> {
        let found = self.find(name).map_err(told)?;
        let (definition, _) = self.read(&found).map_err(told)?;
        let source = found.path.map_or_else(|| IN_BINARY.to_owned(), |path| path.display().to_string());
        let text = String::from_utf8_lossy(&found.text).into_owned();
        Ok(ShownWorkflow { name: found.name, source, text, definition })
    }

    fn difference(&self, pinned: &Definition, source: Option<&str>, name: &str) -> Result<(Value, String), Problem> {
        let below = source.and_then(|source| {
            let path = Path::new(source);
            self.folders.iter().find_map(|folder| path.strip_prefix(folder).ok()).map(Path::to_path_buf)
        });
        let name = match (below, source) {
            (Some(below), _) => below.to_string_lossy().into_owned(),
            (None, None) => name.to_owned(),
            (None, Some(source)) => {
                let message = format!("{source} is not in a folder of workflows of this server");
                return Err(Fault::new(FaultKind::NotAllowed, message).into());
            }
        };
        let (mut present, _) = self.find(&name).and_then(|found| self.read(&found)).map_err(told)?;
        // What a person allowed at the start is no part of the file.
        present.allowed.clone_from(&pinned.allowed);
        let changes = diff(pinned, &present);
        let text = if changes.is_empty() { String::new() } else { changes.to_string() };
        let changes = serde_json::to_value(&changes);
        changes.map(|changes| (changes, text)).map_err(|error| told(Error::Internal(error.to_string())))
    }

    fn tasks(&self, text: &str, outside: &Outside) -> Result<Vec<TaskSpec>, Problem> {
        let read = workflow::read_beside(text.as_bytes(), "tasks", &workflow::NoChildren, outside);
        let (definition, _) = read.map_err(|problems| told(Error::Workflow(problems)))?;
        // Whoever calls this may block.
        tokio::runtime::Handle::current().block_on(add::checked(&self.context, &definition)).map_err(told)
    }

    fn roles(&self) -> Vec<RoleView> {
        let view = |role: crate::app::RoleText| RoleView {
            name: role.name,
            description: role.description,
            tools: role.tools,
            output: role.output,
            prompt: role.prompt,
        };
        shipped_roles().into_iter().map(view).collect()
    }

    fn fresh_id(&self, workflow: &str) -> ProjectId {
        // A name may be a path; ids are made of what they may have.
        let plain: String = workflow
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "_-".contains(c) { c.to_ascii_lowercase() } else { '-' })
            .collect();
        let plain = plain.trim_start_matches(['-', '_']);
        self.context.app.fresh_id(if plain.is_empty() { "project" } else { plain })
    }

    fn now(&self) -> Millis {
        self.context.app.now()
    }
}

/// An error of this face as a problem of the other.
fn told(error: Error) -> Problem {
    if let Error::Fault(fault) | Error::App(crate::app::Error::Fault(fault)) = error {
        return fault.into();
    }
    let status = match error.exit() {
        _ if matches!(error, Error::Untrusted(_)) => 403,
        Exit::NotFound => 404,
        Exit::Refused | Exit::Held | Exit::Cancelled | Exit::Failed => 409,
        Exit::HomeInUse | Exit::Interrupted => 503,
        Exit::Damaged | Exit::Defect | Exit::OfCommand(_) => 500,
        Exit::Usage | Exit::Done => 400,
    };
    Problem::explained(status, error.explained())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leads_out_of_its_folder() {
        for fine in ["ci", "team/release.yaml", "a.b"] {
            assert!(is_below(Path::new(fine)), "{fine}");
        }
        for bad in ["", "/etc/passwd", "../x", "a/../../x", "./x", ".."] {
            assert!(!is_below(Path::new(bad)), "{bad}");
        }
    }
}
