//! The toolbox of a role: which tools there are, in an order that never changes (a model's prompt cache needs the same bytes),
//! how a call that a model wrote is checked, and how it is made without ever bringing the walk down.

use std::panic::AssertUnwindSafe;
use std::sync::LazyLock;

use futures_util::FutureExt as _;
use jsonschema::Validator;
use serde_json::Value;

use super::control::Control;
use super::{Site, Tool, ToolFault, ToolOutput, arguments};
use super::{
    apply_patch, delete_file, edit_file, git_history, list_files, memory, move_file, read_file, read_output, renamed,
    run_checks, run_command, search, servers, tree, write_file,
};
use crate::domain::chat::{ToolCall, ToolSpec};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::workflow::{EffectClass, did_you_mean};

/// Why a toolbox cannot be made: the role or the workflow is at fault.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Problem {
    /// There is no such tool.
    #[error("there is no tool `{name}`{hint}; there are: {known}", hint = .near.as_ref().map(|near| format!(" ({near})")).unwrap_or_default())]
    Unknown {
        /// The name.
        name: String,
        /// A near miss, as a question.
        near: Option<String>,
        /// All names.
        known: String,
    },
    /// The schema of the answer, which is that of `finish`, is none.
    #[error("the schema of tool `{name}` is not a JSON Schema of an object: {why}")]
    Schema {
        /// The tool.
        name: String,
        /// Why not.
        why: String,
    },
}

/// What carries a tool out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// [`Toolbox::call`]; with the class of its effect.
    Works(EffectClass),
    /// The loop of the conversation.
    Control(Control),
}

/// A call that was checked: the tool exists, the arguments fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The model's id for it.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its arguments.
    pub arguments: Value,
    /// What carries it out.
    pub kind: Kind,
}

struct Entry {
    spec: ToolSpec,
    schema: Validator,
    work: Work,
}

enum Work {
    Tool(Box<dyn Tool>),
    Control(Control),
}

/// The tools of a role.
pub struct Toolbox {
    entries: Vec<Entry>,
}

/// All tools with work of their own, in the order that models are told of them.
fn all() -> Vec<Box<dyn Tool>> {
    vec![
        Box::new(read_file::ReadFile),
        Box::new(list_files::ListFiles),
        Box::new(tree::Tree),
        Box::new(search::Search),
        Box::new(edit_file::EditFile),
        Box::new(write_file::WriteFile),
        Box::new(apply_patch::ApplyPatch),
        Box::new(delete_file::DeleteFile),
        Box::new(move_file::MoveFile),
        Box::new(run_command::RunCommand),
        Box::new(run_checks::RunChecks),
        Box::new(git_history::GitStatus),
        Box::new(git_history::GitDiff),
        Box::new(git_history::GitLog),
        Box::new(read_output::ReadOutput),
        Box::new(memory::MemorySearch),
        Box::new(memory::MemoryStore),
        named("list_files_recursive", list_files::ListFiles),
        named("read_file_content", read_file::ReadFile),
        named("write_file_content", write_file::WriteFile),
        named("search_code_pattern", search::Search),
        named("get_directory_structure", tree::Tree),
    ]
}

fn named(name: &'static str, tool: impl Tool + 'static) -> Box<dyn Tool> {
    Box::new(renamed::Renamed { name, tool: Box::new(tool) })
}

impl Toolbox {
    /// The tools called `names`, each once, in the order of the product and not of the names. `answer` is the schema of
    /// the role's answer.
    pub fn new<N: AsRef<str>>(names: &[N], answer: Option<&Value>) -> Result<Self, Problem> {
        let known = Self::names();
        if let Some(name) = names.iter().map(AsRef::as_ref).find(|name| !known.iter().any(|known| known == name)) {
            return Err(Problem::Unknown {
                name: name.to_owned(),
                near: did_you_mean(name, known.iter().map(String::as_str)),
                known: known.join(", "),
            });
        }
        let wanted = |name: &str| names.iter().any(|wanted| wanted.as_ref() == name);
        let mut entries = Vec::new();
        for tool in all() {
            let spec = tool.spec();
            if wanted(&spec.name) {
                entries.push(Entry { schema: compiled(&spec)?, spec, work: Work::Tool(tool) });
            }
        }
        for control in Control::ALL.iter().copied().filter(|control| wanted(control.name())) {
            let spec = control.spec(answer);
            entries.push(Entry { schema: compiled(&spec)?, spec, work: Work::Control(control) });
        }
        Ok(Self { entries })
    }

    /// All tools, made once: a toolbox takes much longer to make than a call of most tools.
    pub fn whole() -> Result<&'static Self, &'static Problem> {
        static WHOLE: LazyLock<Result<Toolbox, Problem>> = LazyLock::new(|| Toolbox::new(&Toolbox::names(), None));
        WHOLE.as_ref()
    }

    /// The tools of the built-in servers, made once, under the names that models know (`mcp__SERVER__TOOL`).
    pub fn of_servers() -> Result<&'static Self, &'static Problem> {
        static SERVED: LazyLock<Result<Toolbox, Problem>> = LazyLock::new(|| {
            let entry = |served: &'static servers::Served| {
                let spec = served.spec();
                Ok(Entry { schema: compiled(&spec)?, spec, work: Work::Tool(Box::new(served)) })
            };
            Ok(Toolbox { entries: servers::all().iter().map(entry).collect::<Result<_, _>>()? })
        });
        SERVED.as_ref()
    }

    /// The names of all tools that there are.
    pub fn names() -> Vec<String> {
        let controls = Control::ALL.iter().map(|control| control.name().to_owned());
        all().iter().map(|tool| tool.spec().name).chain(controls).collect()
    }

    /// How a model is told of the tools: for the same names always the same.
    pub fn specs(&self) -> Vec<ToolSpec> {
        self.entries.iter().map(|entry| entry.spec.clone()).collect()
    }

    /// What carries the tool out; `None` when this role has no such tool.
    pub fn kind(&self, name: &str) -> Option<Kind> {
        self.entries.iter().find(|entry| entry.spec.name == name).map(Entry::kind)
    }

    /// Checks a call as the model wrote it. What is wrong with it is for the model to read.
    pub fn plan(&self, call: &ToolCall) -> Result<Planned, ToolFault> {
        let entry = self.entry(&call.name)?;
        let arguments = arguments::parse(&call.name, &call.arguments, &entry.schema)?;
        Ok(Planned { id: call.id.clone(), name: call.name.clone(), arguments, kind: entry.kind() })
    }

    /// Makes a call. A defect of a tool ends the attempt as `internal`, never the engine.
    pub async fn call(&self, planned: &Planned, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
        let entry = self.entry(&planned.name)?;
        let Work::Tool(tool) = &entry.work else {
            let problem = format!("`{}` is carried out by the conversation, not by the toolbox", planned.name);
            return Err(ToolFault::Ends(Failure::new(FailureClass::Internal, problem)));
        };
        made(tool.as_ref(), &planned.arguments, site).await
    }

    fn entry(&self, name: &str) -> Result<&Entry, ToolFault> {
        self.entries.iter().find(|entry| entry.spec.name == name).ok_or_else(|| ToolFault::Told(self.no_such(name)))
    }

    fn no_such(&self, name: &str) -> String {
        const SHOWN_CHARS: usize = 64;
        let shown: String = name.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS).collect();
        let names = || self.entries.iter().map(|entry| entry.spec.name.as_str());
        let near = did_you_mean(&shown, names()).or_else(|| {
            // `read` for `read_file`: too far apart by letters, yet plain to see.
            let short = shown.to_lowercase();
            let part = names().find(|name| name.split('_').any(|word| word == short) || short.contains(name));
            part.map(|name| format!("Did you mean `{name}`?"))
        });
        let hint = near.unwrap_or_else(|| format!("There are: {}.", names().collect::<Vec<_>>().join(", ")));
        format!("there is no tool `{shown}`. {hint}")
    }
}

impl Entry {
    fn kind(&self) -> Kind {
        match &self.work {
            Work::Tool(tool) => Kind::Works(tool.effect()),
            Work::Control(control) => Kind::Control(*control),
        }
    }
}

/// Makes a call and turns a panic into a failure.
async fn made(tool: &dyn Tool, arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    match AssertUnwindSafe(tool.call(arguments, site)).catch_unwind().await {
        Ok(done) => done,
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            let problem = format!("tool `{}` has a defect: {said}", tool.spec().name);
            Err(ToolFault::Ends(Failure::new(FailureClass::Internal, problem)))
        }
    }
}

fn compiled(spec: &ToolSpec) -> Result<Validator, Problem> {
    let problem = |why: String| Problem::Schema { name: spec.name.clone(), why };
    if spec.parameters.get("type").and_then(Value::as_str) != Some("object") {
        return Err(problem("its `type` is not `object`".to_owned()));
    }
    jsonschema::validator_for(&spec.parameters).map_err(|error| problem(error.to_string()))
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use serde_json::json;

    use super::super::testing::Bench;
    use super::*;

    fn call(name: &str, arguments: &str) -> ToolCall {
        ToolCall { id: "1".into(), name: name.into(), arguments: arguments.into() }
    }

    fn told(fault: ToolFault) -> String {
        match fault {
            ToolFault::Told(text) => text,
            ToolFault::Ends(failure) => panic!("{failure}"),
        }
    }

    #[test]
    fn the_order_is_the_products_not_the_callers() {
        let one = Toolbox::new(&["finish", "write_file", "read_file"], None).unwrap();
        let two = Toolbox::new(&["read_file", "read_file", "finish", "write_file"], None).unwrap();
        let names: Vec<_> = one.specs().into_iter().map(|spec| spec.name).collect();
        assert_eq!(names, ["read_file", "write_file", "finish"]);
        assert_eq!(serde_json::to_string(&one.specs()).unwrap(), serde_json::to_string(&two.specs()).unwrap());
    }

    #[test]
    fn every_tool_has_a_schema_that_refuses_what_it_does_not_name() {
        let toolbox = Toolbox::new(&Toolbox::names(), None).unwrap();
        assert_eq!(toolbox.entries.len(), Toolbox::names().len());
        for entry in &toolbox.entries {
            let name = &entry.spec.name;
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
            assert!(entry.spec.description.len() > 30, "{name}");
            assert_eq!(entry.spec.parameters["additionalProperties"], json!(false), "{name}");
            assert!(!entry.schema.is_valid(&json!({ "no_such_argument": 1 })), "{name}");
        }
    }

    #[test]
    fn what_only_reads_says_so() {
        let toolbox = Toolbox::new(&Toolbox::names(), None).unwrap();
        let pure: Vec<String> = Toolbox::names()
            .into_iter()
            .filter(|name| toolbox.kind(name) == Some(Kind::Works(EffectClass::Pure)))
            .collect();
        insta::assert_snapshot!(pure.join(" "), @"read_file list_files tree search git_status git_diff git_log read_output list_files_recursive read_file_content search_code_pattern get_directory_structure");
        assert_eq!(toolbox.kind("run_command"), Some(Kind::Works(EffectClass::Restorable)));
        assert_eq!(toolbox.kind("finish"), Some(Kind::Control(Control::Finish)));
    }

    #[test]
    fn an_unknown_name_is_told_with_a_near_miss() {
        let toolbox = Toolbox::new(&Toolbox::names(), None).unwrap();
        let message = |name: &str| told(toolbox.plan(&call(name, "{}")).unwrap_err());
        assert_eq!(message("read"), "there is no tool `read`. Did you mean `read_file`?");
        assert_eq!(message("serach"), "there is no tool `serach`. Did you mean `search`?");
        assert!(message("launch_rocket").contains("There are: read_file, "));
        assert!(message(&"x".repeat(100_000)).len() < 1_000);
        let few = Toolbox::new(&["search"], None).unwrap();
        assert!(few.plan(&call("write_file", "{}")).is_err(), "a tool that the role does not have");
    }

    #[test]
    fn a_role_that_names_no_such_tool_is_refused() {
        let problem = Toolbox::new(&["read_fil"], None).err().unwrap();
        assert!(problem.to_string().contains("Did you mean `read_file`?"), "{problem}");
        let problem = Toolbox::new(&["finish"], Some(&json!({ "type": "objct" }))).err().unwrap();
        assert!(matches!(problem, Problem::Schema { .. }));
        let problem =
            Toolbox::new(&["finish"], Some(&json!({ "type": "object", "minProperties": "x" }))).err().unwrap();
        assert!(matches!(problem, Problem::Schema { .. }));
    }

    #[test]
    fn finish_takes_the_roles_answer() {
        let schema = json!({ "type": "object", "properties": { "verdict": { "enum": ["yes", "no"] } }, "required": ["verdict"] });
        let toolbox = Toolbox::new(&["finish"], Some(&schema)).unwrap();
        let planned = toolbox.plan(&call("finish", "{\"verdict\": \"yes\"}")).unwrap();
        assert_eq!(planned.kind, Kind::Control(Control::Finish));
        assert!(told(toolbox.plan(&call("finish", "{\"verdict\": \"maybe\"}")).unwrap_err()).contains("/verdict"));
    }

    #[tokio::test]
    async fn a_defect_of_a_tool_is_a_failure_not_a_panic() {
        struct Broken;
        #[async_trait]
        impl Tool for Broken {
            fn spec(&self) -> ToolSpec {
                super::super::spec("broken", "panics", super::super::object(json!({}), &[]))
            }
            async fn call(&self, _: &Value, _: &Site<'_>) -> Result<ToolOutput, ToolFault> {
                panic!("index {} out of range", 3)
            }
        }
        let bench = Bench::new();
        let fault = made(&Broken, &json!({}), &bench.site()).await.unwrap_err();
        let ToolFault::Ends(failure) = fault else { panic!("{fault:?}") };
        assert_eq!(failure.class, FailureClass::Internal);
        assert_eq!(failure.message, "tool `broken` has a defect: index 3 out of range");
    }
}
