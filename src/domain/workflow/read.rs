//! The way in: bytes of a workflow file to a [`Definition`], its child workflows included.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::codes::Code;
use super::decode::{ChildCall, decode};
use super::diagnostic::{Diagnostic, Diagnostics, Problems};
use super::near::{did_you_mean, listed};
use super::spec::Definition;
use super::validate::validate;
use super::yaml::{Node, Span, Value, parse};
use crate::domain::limits;

/// Finds child workflows. This room reads no files: whoever calls it does.
pub trait Loader {
    /// The file called `name_or_path` in the file `from`: the name of the file found, unique per file, and its bytes; or why
    /// it cannot be read, as a lower-case fragment.
    fn load(&self, name_or_path: &str, from: &str) -> Result<(String, Vec<u8>), String>;
}

/// A loader for workflows without children.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoChildren;

impl Loader for NoChildren {
    fn load(&self, _: &str, _: &str) -> Result<(String, Vec<u8>), String> {
        Err("child workflows cannot be read here".to_owned())
    }
}

/// Reads, checks and completes a workflow file. `origin` names it in messages and is what paths of children are relative to.
///
/// The warnings come with the definition; an error holds the first problems of the file and counts the rest.
pub fn read(source: &[u8], origin: &str, loader: &dyn Loader) -> Result<(Definition, Vec<Diagnostic>), Diagnostics> {
    let session = Session { loader, outside: None, open: Vec::new(), done: HashMap::new() };
    session.whole(source, origin)
}

/// What tasks that are added to a project find there.
#[derive(Debug, Clone)]
pub struct Outside {
    /// The names of its tasks, which may be needed and read.
    pub tasks: Vec<String>,
    /// Its definition: everything but its phases and children holds for the new tasks too.
    pub definition: Definition,
}

/// Reads tasks to be added to a project. What comes back is the project's definition with the phases of the file alone.
pub fn read_beside(
    source: &[u8],
    origin: &str,
    loader: &dyn Loader,
    outside: &Outside,
) -> Result<(Definition, Vec<Diagnostic>), Diagnostics> {
    let session = Session { loader, outside: Some(outside), open: Vec::new(), done: HashMap::new() };
    session.whole(source, origin)
}

/// The keys of a file whose tasks are added; all others are the project's.
const KEYS_BESIDE: [&str; 4] = ["name", "description", "tasks", "phases"];

/// One call of [`read`]: files are read once, however often they are called.
struct Session<'l> {
    loader: &'l dyn Loader,
    /// The project that the tasks of the outermost file are added to.
    outside: Option<&'l Outside>,
    /// The files being read, outermost first.
    open: Vec<String>,
    done: HashMap<String, Family>,
}

/// A definition with its children.
#[derive(Debug, Clone)]
struct Family {
    definition: Arc<Definition>,
    /// How many workflows it holds, itself included.
    members: usize,
    /// How deep its children nest.
    depth: usize,
}

impl Session<'_> {
    fn whole(mut self, source: &[u8], origin: &str) -> Result<(Definition, Vec<Diagnostic>), Diagnostics> {
        self.file(source, origin).map(|(family, warnings)| (Arc::unwrap_or_clone(family.definition), warnings))
    }

    fn file(&mut self, source: &[u8], origin: &str) -> Result<(Family, Vec<Diagnostic>), Diagnostics> {
        let lossy = String::from_utf8_lossy(source.get(..limits::WORKFLOW_FILE_BYTES).unwrap_or(source));
        let mut problems = Problems::new(origin, &lossy);
        let Some(text) = text_of(source, &mut problems) else { return Err(refused(problems)) };
        let Some(root) = parse(text, &mut problems) else {
            if problems.errors() == 0 {
                problems
                    .error(Code::Empty, Span { line: 1, column: 1, offset: 0, len: 0 }, "the file is empty")
                    .help("A workflow needs a `name` and `tasks`, for example: `tasks: {hello: {run: echo hello}}`.");
            }
            return Err(refused(problems));
        };
        let mut decoded = decode(&root, &mut problems);
        let outside = self.outside.filter(|_| self.open.is_empty());
        if let Some(project) = outside {
            refuse_other_keys(&root, &mut problems);
            decoded.definition = beside(decoded.definition, &project.definition);
        }
        drop(root);
        validate(&decoded, outside.map_or(&[], |project| &project.tasks), &mut problems);
        self.open.push(origin.to_owned());
        let mut children = BTreeMap::new();
        let (mut members, mut depth) = (1, 0);
        for call in &decoded.calls {
            if let Some(child) = self.child(call, origin, &mut problems) {
                check_inputs(call, &child.definition, &mut problems);
                depth = depth.max(child.depth + 1);
                if children.insert(call.workflow.clone(), Arc::clone(&child.definition)).is_none() {
                    members += child.members;
                }
                if members > limits::CHILD_WORKFLOWS {
                    let message = format!("more than {} workflows in one", limits::CHILD_WORKFLOWS);
                    problems
                        .error(Code::ChildDepth, call.span, message)
                        .help("Start some of them as projects of their own.");
                    break;
                }
            }
        }
        self.open.pop();
        decoded.definition.children = children;
        let warnings = problems.finish()?;
        let family = Family { definition: Arc::new(decoded.definition), members, depth };
        Ok((family, warnings))
    }

    fn child(&mut self, call: &ChildCall, from: &str, problems: &mut Problems) -> Option<Family> {
        let name: String = call.workflow.chars().take(80).collect();
        let (origin, bytes) = match self.loader.load(&call.workflow, from) {
            Ok(found) => found,
            Err(reason) => {
                problems
                    .error(Code::ChildLoad, call.span, format!("the child workflow `{name}` cannot be read: {reason}"))
                    .help("Give a path relative to this file, or the name of a workflow that is shipped or installed.");
                return None;
            }
        };
        if let Some(position) = self.open.iter().position(|open| *open == origin) {
            let path: Vec<&str> = self.open[position..].iter().map(String::as_str).chain([origin.as_str()]).collect();
            problems
                .error(Code::ChildCycle, call.span, format!("the workflow contains itself: {}", path.join(" -> ")))
                .help("Use `phases` with a loop-back, or `foreach`, to repeat work.");
            return None;
        }
        let too_deep = |problems: &mut Problems| {
            let message = format!("child workflows nest deeper than {} levels", limits::CHILD_DEPTH);
            problems.error(Code::ChildDepth, call.span, message).help("Merge some of the levels.");
        };
        let allowed = limits::CHILD_DEPTH as usize;
        if self.open.len() > allowed {
            too_deep(problems);
            return None;
        }
        if let Some(family) = self.done.get(&origin) {
            if self.open.len() + family.depth > allowed {
                too_deep(problems);
            }
            return Some(family.clone());
        }
        match self.file(&bytes, &origin) {
            Ok((family, warnings)) => {
                problems.adopt_warnings(warnings);
                self.done.insert(origin, family.clone());
                Some(family)
            }
            Err(diagnostics) => {
                problems.adopt(diagnostics);
                None
            }
        }
    }
}

/// The tasks of `file` in the setting of a project.
fn beside(file: Definition, project: &Definition) -> Definition {
    let Definition { name, description, phases, .. } = file;
    Definition { name, description, phases, children: BTreeMap::new(), ..project.clone() }
}

/// A `budget` of a file whose tasks are added would otherwise be ignored in silence.
fn refuse_other_keys(root: &Node, problems: &mut Problems) {
    let Value::Map(entries) = &root.value else { return };
    for entry in entries.iter().filter(|entry| !KEYS_BESIDE.contains(&entry.key.as_str())) {
        let key: String = entry.key.chars().take(60).collect();
        problems
            .error(Code::UnknownKey, entry.key_span, format!("only tasks can be added, and `{key}` is none"))
            .help("Leave it out: what the project was started with holds for its new tasks, too.");
    }
}

/// Whether a call gives what the child declares.
fn check_inputs(call: &ChildCall, child: &Definition, problems: &mut Problems) {
    for (name, span) in call.given.iter().filter(|(name, _)| !child.inputs.contains_key(name)) {
        let known = || child.inputs.keys().map(String::as_str);
        let help = did_you_mean(name, known()).unwrap_or_else(|| match child.inputs.len() {
            0 => "It declares none.".to_owned(),
            _ => format!("It declares {}.", listed(known(), "and")),
        });
        let message = format!("the child workflow `{}` has no input `{name}`", child.name);
        problems.error(Code::ChildInputs, *span, message).help(help);
    }
    let given = |name: &str| call.given.iter().any(|(given, _)| given == name);
    let missing = child.inputs.iter().filter(|(name, spec)| spec.required && spec.default.is_none() && !given(name));
    let missing: Vec<&str> = missing.map(|(name, _)| name.as_str()).collect();
    if !missing.is_empty() {
        let message =
            format!("the child workflow `{}` needs the input {}", child.name, listed(missing.iter().copied(), "and"));
        problems
            .error(Code::ChildInputs, call.span, message)
            .help(format!("Write `workflow: {{file: ..., inputs: {{{}: ...}}}}`.", missing[0]));
    }
}

/// The text of a file; `None` (reported) when it is none.
fn text_of<'s>(source: &'s [u8], problems: &mut Problems) -> Option<&'s str> {
    if source.len() > limits::WORKFLOW_FILE_BYTES {
        let (found, most) = (source.len(), limits::WORKFLOW_FILE_BYTES);
        problems
            .error(Code::TooLarge, place(source, 0), format!("{found} bytes are more than the {most} allowed"))
            .help("Split the workflow into child workflows, or use `foreach`.");
        return None;
    }
    let text = match std::str::from_utf8(source) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            problems
                .error(Code::NotText, place(source, at), format!("the byte 0x{:02x} is not UTF-8", source[at]))
                .help("Save the file as UTF-8.");
            return None;
        }
    };
    let hidden = |b: u8| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r') || b == 0x7f;
    if let Some(at) = source.iter().position(|b| hidden(*b)) {
        let what = if source[at] == 0 {
            "a NUL byte".to_owned()
        } else {
            format!("the control character 0x{:02x}", source[at])
        };
        problems
            .error(Code::ControlCharacter, place(source, at), format!("the file holds {what}"))
            .help("Delete it; in double quotes it can be written as an escape.");
        return None;
    }
    Some(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn refused(problems: Problems) -> Diagnostics {
    problems.finish().expect_err("a file without a tree has had its problem reported")
}

/// The place of a byte.
fn place(source: &[u8], at: usize) -> Span {
    let before = String::from_utf8_lossy(&source[..at]);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Span { line: narrow(line), column: narrow(column), offset: narrow(before.chars().count()), len: 1 }
}
