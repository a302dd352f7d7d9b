//! Roles as data: a file each, settings between `+++` lines (TOML) and the prompt behind them. Shipped in the binary; a repository may
//! bring its own of the same name (`.wfctl/roles/<name>.md`), whose text the caller reads.

use serde::{Deserialize, Serialize};

use super::signatures::Signature;
use crate::domain::limits;
use crate::domain::sandbox::SandboxSpec;
use crate::domain::workflow::nearest;

/// A role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Its name; that of its file.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// `provider/model` each, in order of preference; empty: whatever is configured.
    #[serde(default)]
    pub models: Vec<String>,
    /// The tools it has, beside `finish`.
    pub tools: Vec<String>,
    /// The signature of its answer.
    pub output: String,
    /// What an answer must be backed by.
    pub evidence: Evidence,
    /// Most replies of one attempt.
    pub turns: u32,
    /// Most tokens of one reply.
    pub max_output_tokens: u32,
    /// What its commands need of what the task's may reach; absent: all of it.
    #[serde(default)]
    pub sandbox: Option<SandboxSpec>,
    /// It is given what fits its task from the repository's memory.
    #[serde(default)]
    pub memory: bool,
    /// Sampling temperature; absent: the provider's default.
    #[serde(default)]
    pub temperature: Option<f32>,
    /// The system prompt: the file's body.
    #[serde(skip)]
    pub prompt: String,
}

/// What an answer must be backed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Checks of the repository that were green after the last change.
    Checks,
    /// Nothing: it changes no files.
    None,
}

/// Why a text is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    /// Nothing of this name is shipped, and the repository has none.
    #[error("there is no role {name:?}{}; shipped are: {}", .hint.as_deref().unwrap_or_default(), shipped_names().join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
        /// A name that may have been meant.
        hint: Option<String>,
    },
    /// The settings are not there or cannot be read.
    #[error("the role file {name}.md: {problem}")]
    Malformed {
        /// The role.
        name: String,
        /// What is wrong, and where.
        problem: String,
    },
}

/// Name and text of each shipped role.
const SHIPPED: &[(&str, &str)] = &[
    ("planner", include_str!("planner.md")),
    ("designer", include_str!("designer.md")),
    ("implementer", include_str!("implementer.md")),
    ("tester", include_str!("tester.md")),
    ("reviewer", include_str!("reviewer.md")),
    ("critic", include_str!("critic.md")),
    ("deployer", include_str!("deployer.md")),
    ("monitor", include_str!("monitor.md")),
    ("merger", include_str!("merger.md")),
    ("debugger", include_str!("debugger.md")),
    ("milestones", include_str!("milestones.md")),
    ("architect", include_str!("architect.md")),
    ("coder", include_str!("coder.md")),
    ("analyser", include_str!("analyser.md")),
    ("decomposer", include_str!("decomposer.md")),
    ("backend", include_str!("backend.md")),
    ("frontend", include_str!("frontend.md")),
    ("testing", include_str!("testing.md")),
    ("devops", include_str!("devops.md")),
    ("docs", include_str!("docs.md")),
    ("main-planner", include_str!("main-planner.md")),
    ("sub-planner", include_str!("sub-planner.md")),
    ("worker", include_str!("worker.md")),
    ("judge", include_str!("judge.md")),
    ("codebase-analyst", include_str!("codebase-analyst.md")),
    ("scope-planner", include_str!("scope-planner.md")),
    ("handoff-reviewer", include_str!("handoff-reviewer.md")),
    ("scratchpad-writer", include_str!("scratchpad-writer.md")),
    ("context-summarizer", include_str!("context-summarizer.md")),
];

/// The names of the shipped roles.
pub fn shipped_names() -> Vec<&'static str> {
    SHIPPED.iter().map(|(name, _)| *name).collect()
}

impl Role {
    /// The role `name`: from the repository's `own` file when there is one, else the shipped one.
    pub fn load(name: &str, own: Option<&str>) -> Result<Self, RoleError> {
        let shipped = || SHIPPED.iter().find(|(shipped, _)| *shipped == name).map(|(_, text)| *text);
        let Some(text) = own.or_else(shipped) else {
            let hint = nearest(name, shipped_names()).map(|near| format!(" (did you mean {near:?}?)"));
            return Err(RoleError::Unknown { name: name.to_owned(), hint });
        };
        Self::parse(name, text)
    }

    /// Reads a role file.
    pub fn parse(name: &str, text: &str) -> Result<Self, RoleError> {
        let malformed = |problem: String| RoleError::Malformed { name: name.to_owned(), problem };
        if text.len() > limits::ROLE_FILE_BYTES {
            return Err(malformed(format!("{} bytes, more than {}", text.len(), limits::ROLE_FILE_BYTES)));
        }
        let text = text.replace("\r\n", "\n");
        let inside = text.strip_prefix("+++\n").and_then(|rest| rest.split_once("\n+++\n"));
        let Some((settings, prompt)) = inside else {
            return Err(malformed("it must begin with its settings between two lines of `+++`".to_owned()));
        };
        let mut role: Self = toml::from_str(settings).map_err(|problem| malformed(problem.to_string()))?;
        prompt.trim().clone_into(&mut role.prompt);
        match role.fault(name) {
            Some(problem) => Err(malformed(problem)),
            None => Ok(role),
        }
    }

    fn fault(&self, name: &str) -> Option<String> {
        if self.name != name {
            return Some(format!("its name is {:?}, which must be that of its file", self.name));
        }
        if self.prompt.is_empty() {
            return Some("there is no prompt behind the settings".to_owned());
        }
        if Signature::named(&self.output).is_none() {
            let known: Vec<&str> = Signature::names().collect();
            return Some(format!("output: there is no signature {:?}; known are: {}", self.output, known.join(", ")));
        }
        if self.turns == 0 || self.turns > limits::AGENT_TURNS {
            return Some(format!("turns: {} is not between 1 and {}", self.turns, limits::AGENT_TURNS));
        }
        if self.max_output_tokens == 0 {
            return Some("max_output_tokens: 0 leaves no room for a reply".to_owned());
        }
        if let Some(given) = self.temperature.filter(|given| !(0.0..=2.0).contains(given)) {
            return Some(format!("temperature: {given} is not between 0 and 2"));
        }
        let unnamed = self.models.iter().find(|model| !model.contains('/'));
        unnamed.map(|model| format!("models: {model:?} is not `provider/model`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every name that a role may have a tool by.
    const TOOLS: &[&str] = &[
        "read_file",
        "list_files",
        "tree",
        "search",
        "write_file",
        "edit_file",
        "apply_patch",
        "delete_file",
        "move_file",
        "run_command",
        "run_checks",
        "git_status",
        "git_diff",
        "git_log",
        "git_commit",
        "git_commit_and_push",
        "note",
        "ask_human",
        "read_output",
        "memory_search",
        "memory_store",
    ];

    #[test]
    fn every_shipped_role_loads_and_names_tools_that_exist() {
        for name in shipped_names() {
            let role = Role::load(name, None).unwrap();
            assert!(role.prompt.len() > 300, "{name} says how it works");
            for tool in &role.tools {
                assert!(TOOLS.contains(&tool.as_str()), "{name} has {tool}");
            }
            let writes = role.tools.iter().any(|tool| tool == "write_file" || tool == "edit_file");
            let owes = role.evidence == Evidence::Checks;
            let searches = role.tools.iter().any(|tool| tool == "memory_search");
            assert_eq!(searches, role.memory, "{name}: who is given something of memory can look for more");
            assert!(
                !(role.memory
                    && ["review", "findings", "test_report", "judgement", "verdict"].contains(&&*role.output)),
                "{name} judges what is there"
            );
            assert_eq!(writes || name == "judge", owes, "{name}: who changes files, or calls it done, owes evidence");
        }
    }

    fn role(changes: &str, prompt: &str) -> Result<Role, RoleError> {
        let mut text = String::from("+++\n");
        for line in [
            "name = 'x'",
            "description = 'd'",
            "tools = []",
            "output = 'plan'",
            "evidence = 'none'",
            "turns = 3",
            "max_output_tokens = 9",
        ] {
            let key = line.split(' ').next().unwrap();
            let replaced = changes.lines().any(|change| change.starts_with(key));
            if !replaced {
                text.push_str(&format!("{line}\n"));
            }
        }
        Role::parse("x", &format!("{text}{changes}\n+++\n{prompt}"))
    }

    #[test]
    fn what_is_wrong_with_a_role_file_is_said() {
        assert_eq!(role("", "Do it.").unwrap().prompt, "Do it.");
        let fault = |changes: &str| role(changes, "p").unwrap_err().to_string();
        assert!(fault("output = 'poem'").starts_with("the role file x.md: output: there is no signature \"poem\""));
        assert!(fault("turns = 0").contains("turns: 0 is not between"));
        assert!(fault("turns = 1001").contains("turns: 1001 is not between"));
        assert!(fault("temperature = 3.0").contains("temperature: 3 is not"));
        assert!(fault("models = ['gpt']").contains("is not `provider/model`"));
        assert!(fault("colour = 'red'").contains("unknown field `colour`"));
        assert!(fault("name = 'y'").contains("must be that of its file"));
        assert!(role("", "").unwrap_err().to_string().contains("no prompt"));
        assert!(Role::parse("x", "no settings").unwrap_err().to_string().contains("between two lines of `+++`"));
        let large = " ".repeat(limits::ROLE_FILE_BYTES + 1);
        assert!(Role::parse("x", &large).unwrap_err().to_string().contains("more than"));
    }

    #[test]
    fn an_unknown_role_names_the_shipped_ones_and_the_nearest() {
        let message = Role::load("planer", None).unwrap_err().to_string();
        assert!(message.starts_with("there is no role \"planer\""), "{message}");
        assert!(message.contains("(did you mean \"planner\"?)"), "{message}");
        let own = Role::load("planner", Some("nothing")).unwrap_err().to_string();
        assert!(own.starts_with("the role file planner.md"), "a repository's own file comes first: {own}");
    }
}
