//! What templates and expressions read: it parses, exists, and is known by the time it is read.

use std::collections::{HashMap, HashSet};

use super::Checker;
use crate::domain::limits;
use crate::domain::workflow::codes::Code;
use crate::domain::workflow::decode::{Scope, Site, SiteKind};
use crate::domain::workflow::diagnostic::Report;
use crate::domain::workflow::expressions::{Expressions, FILTERS, FUNCTIONS, ROOTS, TASK_FIELDS, scan};
use crate::domain::workflow::graph::Graph;
use crate::domain::workflow::near::{did_you_mean, listed};
use crate::domain::workflow::spec::{InputType, TaskSpec};

/// Filters whose result a shell takes as one word.
const SAFE_IN_A_SHELL: &[&str] = &["sh", "length", "count", "int", "float", "abs", "round"];

/// Names that the template language itself sets or knows.
const LANGUAGE: &[&str] =
    &["true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if", "else", "loop", "self"];

/// Remembers what has been worked out for other texts.
#[derive(Default)]
struct Reach {
    steps: usize,
    upstream: HashMap<(u32, u32), bool>,
}

impl Checker<'_> {
    pub(super) fn templates(&mut self, graph: &Graph) {
        let expressions = Expressions::new();
        let mut reach = Reach::default();
        for site in &self.decoded.sites {
            let checked = match site.kind {
                SiteKind::Expression => expressions.check_expression(&site.scalar.text),
                SiteKind::Template | SiteKind::Shell => expressions.check_template(&site.scalar.text),
            };
            if let Err(error) = checked {
                let range = error.range.clone().unwrap_or(0..0);
                self.at(
                    site,
                    range,
                    Code::Template,
                    format!("the {} cannot be read: {}", site.kind.noun(), error.message),
                )
                .help("Templates are minijinja: `{{ value }}`, `{{ value | filter }}`, `{% if test %}...{% endif %}`.");
                continue;
            }
            let blocks = match site.kind {
                SiteKind::Expression => vec![scan::expression(&site.scalar.text)],
                SiteKind::Template | SiteKind::Shell => scan::template(&site.scalar.text),
            };
            self.reads(site, &blocks, graph, &mut reach);
        }
    }

    fn at(&mut self, site: &Site, range: std::ops::Range<usize>, code: Code, message: String) -> &mut Report {
        let full = self.problems.is_full();
        let span = if full { site.span } else { self.problems.source().inside(site.span, &site.scalar, range) };
        if code == Code::Unquoted {
            self.problems.warning(code, span, message)
        } else {
            self.problems.error(code, span, message)
        }
    }

    fn reads(&mut self, site: &Site, blocks: &[scan::Block<'_>], graph: &Graph, reach: &mut Reach) {
        let locals = locals(blocks);
        for block in blocks {
            for (filter, range) in block.filters().filter(|(filter, _)| !FILTERS.contains(filter)) {
                let help = did_you_mean(filter, FILTERS.iter().copied()).unwrap_or_else(|| {
                    "Useful ones are `sh`, `tojson`, `fromjson`, `default`, `join` and `length`.".to_owned()
                });
                self.at(site, range, Code::UnknownFilter, format!("there is no filter `{filter}`")).help(help);
            }
            let mut risky = None;
            for read in block.reads() {
                let is_keyword = !block.prints && block.tokens.first().is_some_and(|token| token.range == read.range);
                if is_keyword || LANGUAGE.contains(&read.root) || locals.contains(read.root) || follows_is(block, &read)
                {
                    continue;
                }
                self.read(site, &read, graph, reach);
                if self.is_risky(&read) {
                    risky.get_or_insert(read);
                }
            }
            // The last filter decides what comes out: quoted text, or a number that needs no quotes.
            let quoted = block.filters().last().is_some_and(|(filter, _)| SAFE_IN_A_SHELL.contains(&filter));
            if let Some(read) = risky.filter(|_| site.kind == SiteKind::Shell && block.prints && !quoted) {
                let path: Vec<&str> = read.path.iter().map(|(part, _)| *part).collect();
                let name = [&[read.root], path.as_slice()].concat().join(".");
                self.at(
                    site,
                    read.range,
                    Code::Unquoted,
                    format!("`{name}` goes into a shell command without quoting"),
                )
                .help("Add the filter `sh` and leave out quotes around it: `{{ ... | sh }}`.");
            }
        }
    }

    /// Whether the value could hold text that a shell would take apart.
    fn is_risky(&self, read: &scan::Read<'_>) -> bool {
        match read.root {
            "tasks" | "item" | "with" | "env" | "handoffs" | "open" | "output" => true,
            "inputs" => {
                read.path.first().and_then(|(name, _)| self.decoded.definition.inputs.get(*name)).is_none_or(|spec| {
                    !matches!(spec.kind, InputType::Integer | InputType::Number | InputType::Boolean)
                })
            }
            _ => false,
        }
    }

    fn read(&mut self, site: &Site, read: &scan::Read<'_>, graph: &Graph, reach: &mut Reach) {
        let first = read.path.first();
        match read.root {
            "inputs" => {
                let inputs = &self.decoded.definition.inputs;
                if let Some((name, range)) = first.filter(|(name, _)| !inputs.contains_key(*name)) {
                    let known = || inputs.keys().map(String::as_str);
                    let help = did_you_mean(name, known()).unwrap_or_else(|| match inputs.len() {
                        0 => format!("Declare it: `inputs: {{{name}: string}}`."),
                        _ => format!("The declared inputs are {}.", listed(known(), "and")),
                    });
                    self.at(site, range.clone(), Code::UndeclaredInput, format!("the input `{name}` is not declared"))
                        .help(help);
                }
            }
            "env" => self.read_env(site, first),
            "tasks" => self.read_task(site, read, graph, reach),
            "item" | "index" if !self.has_item(site.scope) => {
                let message = format!("`{}` is set only for a task with `foreach`", read.root);
                self.at(site, read.range.clone(), Code::ItemOutside, message)
                    .help("Give the task a `foreach`, or read an input instead.");
            }
            "with" => {
                let Some(task) = self.task_of(site.scope) else { return };
                let sets = |name: &str| {
                    task.with.contains_key(name) || task.kinds.values().any(|kind| kind.with.contains_key(name))
                };
                if let Some((name, range)) = first.filter(|(name, _)| !sets(name)) {
                    let help = did_you_mean(name, task.with.keys().map(String::as_str))
                        .unwrap_or_else(|| format!("Set it: `with: {{{name}: ...}}`."));
                    self.at(
                        site,
                        range.clone(),
                        Code::UnknownVariable,
                        format!("`with` of this task does not set `{name}`"),
                    )
                    .help(help);
                }
            }
            "output" | "serial" if !matches!(site.scope, Scope::More(_)) => {
                let message = format!("`{}` is about an element that is done, and is read by `more` alone", read.root);
                self.at(site, read.range.clone(), Code::UnknownVariable, message)
                    .help("The output of a task that is done is `tasks.NAME.output`.");
            }
            root if ROOTS.contains(&root) || FUNCTIONS.contains(&root) => {}
            root => {
                let dashed = dashed_task(&site.scalar.text, read.range.start);
                let help = dashed
                    .map(|name| format!("A name with a dash is read with brackets: `tasks[\"{name}\"]`."))
                    .or_else(|| did_you_mean(root, ROOTS.iter().copied()))
                    .unwrap_or_else(|| format!("Expressions can read {}.", listed(ROOTS.iter().copied(), "and")));
                self.at(site, read.range.clone(), Code::UnknownVariable, format!("there is no variable `{root}`"))
                    .help(help);
            }
        }
    }

    fn read_env(&mut self, site: &Site, first: Option<&(&str, std::ops::Range<usize>)>) {
        let Some((name, range)) = first else { return };
        let definition = &self.decoded.definition;
        let known = || definition.pass_env.iter().chain(definition.env.keys()).map(String::as_str);
        let own = self.task_of(site.scope).is_some_and(|task| task.env.contains_key(*name));
        if !own && !known().any(|known| known == *name) {
            let help = did_you_mean(name, known()).unwrap_or_else(|| format!("Capture it: `pass_env: [{name}]`."));
            self.at(
                site,
                range.clone(),
                Code::UndeclaredEnv,
                format!("the environment variable `{name}` is not captured"),
            )
            .help(help);
        }
    }

    fn read_task(&mut self, site: &Site, read: &scan::Read<'_>, graph: &Graph, reach: &mut Reach) {
        let Some((name, range)) = read.path.first() else { return };
        let Some(target) = self.by_name.get(name).copied() else {
            if self.outside.iter().any(|known| known == name) {
                return;
            }
            let rest = &site.scalar.text[range.end..];
            let dashed = rest
                .starts_with('-')
                .then(|| dashed_name(name, rest))
                .filter(|full| self.by_name.contains_key(full.as_str()));
            let help = dashed
                .map(|full| format!("A name with a dash is read with brackets: `tasks[\"{full}\"]`."))
                .or_else(|| did_you_mean(name, self.by_name.keys().copied()))
                .unwrap_or_else(|| "Read a task of this workflow.".to_owned());
            self.at(site, range.clone(), Code::UnknownTaskRead, format!("there is no task `{name}`")).help(help);
            return;
        };
        if let Some((field, range)) = read.path.get(1).filter(|(field, _)| !TASK_FIELDS.contains(field)) {
            let help = did_you_mean(field, TASK_FIELDS.iter().copied()).unwrap_or_else(|| {
                format!("Its output is `tasks.{name}.output`; there are also `status` and `failure`.")
            });
            self.at(site, range.clone(), Code::UnknownTaskField, format!("a task has no field `{field}`")).help(help);
        }
        let known = match site.scope {
            Scope::Workflow => true,
            Scope::Gate(phase) => self.tasks[target as usize].0 <= phase,
            Scope::After(ix) if ix == target => true,
            Scope::Task(ix) | Scope::Items(ix) | Scope::After(ix) | Scope::More(ix) => {
                self.tasks[target as usize].0 < self.tasks[ix as usize].0 || reach.is_upstream(graph, target, ix)
            }
        };
        if !known {
            let reader =
                self.task_of(site.scope).map_or_else(|| "the gate".to_owned(), |task| format!("task `{}`", task.name));
            let message = format!("{reader} reads `{name}`, which may not be done by then");
            self.at(site, range.clone(), Code::NotUpstream, message).help(format!("Add `{name}` to its `needs`."));
        }
    }

    fn task_of(&self, scope: Scope) -> Option<&TaskSpec> {
        match scope {
            Scope::Workflow | Scope::Gate(_) => None,
            Scope::Task(ix) | Scope::Items(ix) | Scope::After(ix) | Scope::More(ix) => Some(self.tasks[ix as usize].1),
        }
    }

    fn has_item(&self, scope: Scope) -> bool {
        match scope {
            Scope::Workflow | Scope::Gate(_) | Scope::Items(_) => false,
            Scope::Task(ix) | Scope::After(ix) | Scope::More(ix) => self.tasks[ix as usize].1.foreach.is_some(),
        }
    }
}

impl Reach {
    /// Whether `target` comes before `ix`, directly or not. Gives up (yes) when the bound is used up.
    fn is_upstream(&mut self, graph: &Graph, target: u32, ix: u32) -> bool {
        if graph.edges() > 0 && graph.predecessors(ix).contains(&target) {
            return true;
        }
        if let Some(known) = self.upstream.get(&(target, ix)) {
            return *known;
        }
        let mut seen = HashSet::from([ix]);
        let mut open = vec![ix];
        while let Some(node) = open.pop() {
            for before in graph.predecessors(node) {
                self.steps += 1;
                if *before == target || self.steps > limits::REFERENCE_CHECK_STEPS {
                    self.upstream.insert((target, ix), true);
                    return true;
                }
                if seen.insert(*before) {
                    open.push(*before);
                }
            }
        }
        self.upstream.insert((target, ix), false);
        false
    }
}

impl SiteKind {
    fn noun(self) -> &'static str {
        match self {
            Self::Template | Self::Shell => "template",
            Self::Expression => "expression",
        }
    }
}

/// Names that statements set: `{% set x = ... %}`, `{% for x in ... %}`, `{% with x = ... %}`.
fn locals<'t>(blocks: &[scan::Block<'t>]) -> HashSet<&'t str> {
    let mut names = HashSet::new();
    for block in blocks.iter().filter(|block| !block.prints) {
        let idents = block.tokens.iter().take_while(|token| token.kind != scan::Kind::Ident("in"));
        match block.tokens.first().map(|token| token.kind) {
            Some(scan::Kind::Ident("for")) => names.extend(idents.skip(1).filter_map(ident)),
            Some(scan::Kind::Ident("set" | "with")) => {
                let assigned = block.tokens.windows(2).filter(|pair| pair[1].kind == scan::Kind::Mark('='));
                names.extend(assigned.filter_map(|pair| ident(&pair[0])));
                names.extend(block.tokens.get(1).and_then(ident));
            }
            _ => {}
        }
    }
    names
}

fn ident<'t>(token: &scan::Token<'t>) -> Option<&'t str> {
    match token.kind {
        scan::Kind::Ident(name) => Some(name),
        scan::Kind::Text(_) | scan::Kind::Number | scan::Kind::Mark(_) => None,
    }
}

/// Whether the name is a test, as in `x is defined`.
fn follows_is(block: &scan::Block<'_>, read: &scan::Read<'_>) -> bool {
    let at = block.tokens.iter().position(|token| token.range == read.range).unwrap_or(0);
    let before = |back: usize| at.checked_sub(back).map(|at| block.tokens[at].kind);
    before(1) == Some(scan::Kind::Ident("is"))
        || before(1) == Some(scan::Kind::Ident("not")) && before(2) == Some(scan::Kind::Ident("is"))
}

/// `build` and `-all.output` make `build-all`.
fn dashed_name(name: &str, rest: &str) -> String {
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').unwrap_or(rest.len());
    format!("{name}{}", &rest[..end])
}

/// The task name that a variable at `at` is the tail of, as in `tasks.build-all.output`.
fn dashed_task(text: &str, at: usize) -> Option<String> {
    let head = text.get(..at)?;
    let start = head.rfind("tasks.")? + "tasks.".len();
    let name = head.get(start..)?;
    let dashed = name.ends_with('-') && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    dashed.then(|| dashed_name(name, text.get(at..).unwrap_or("")))
}
