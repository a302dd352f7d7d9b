//! Signatures: what an agent answers with. Each has a JSON Schema that the model sees, a type of ours, a check of what a schema cannot
//! say, and artifacts for people. One file each.

mod analysis;
mod assessment;
mod blueprint;
mod commit;
mod contract;
mod decomposition;
mod delegation;
mod design;
mod diagnosis;
mod execution;
mod findings;
mod handoff;
mod judgement;
mod links;
mod package;
mod plan;
mod report;
mod review;
mod scratchpad;
mod text;
mod todo_list;
mod verdict;

use jsonschema::Validator;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use analysis::Analysis;
pub use assessment::Assessment;
pub use blueprint::Blueprint;
pub use contract::InterfaceContract;
pub use decomposition::{AtomicTask, Decomposition, Specialist};
pub use delegation::{Delegation, ScopeToPlan};
pub use design::{Adr, Contract, Design};
pub use diagnosis::{Cause, Diagnosis, Route};
pub use execution::Execution;
pub use findings::{Findings, Issue, Severity};
pub use handoff::{Change, Handoff};
pub use judgement::{Judgement, Score};
pub use package::{Package, PullRequest};
pub use plan::{Plan, PlannedTask};
pub use report::{Coverage, FailedTest, TestOutcome, TestReport, TestStatus, TestVerdict};
pub use review::{ChangeRequest, Review, ReviewVerdict};
pub use scratchpad::{Scratchpad, Summary};
pub use todo_list::{Criterion, Todo, TodoList};
pub use verdict::{Course, Shown, Verdict};

use crate::domain::limits;

/// File names and contents.
pub type Artifacts = Vec<(&'static str, String)>;

/// A kind of answer.
#[derive(Debug)]
pub struct Signature {
    /// Its name, as role files say it.
    pub name: &'static str,
    schema: fn() -> Value,
    meaning: fn(&Value) -> Result<(), Vec<String>>,
    claims: fn(&Value) -> bool,
    artifacts: fn(&Value) -> Option<Artifacts>,
}

/// What every kind of answer knows of itself.
trait Answer: DeserializeOwned {
    /// Its name.
    const NAME: &'static str;

    /// Its JSON Schema: an object without further properties.
    fn schema() -> Value;

    /// What the schema cannot say; one sentence for each fault.
    fn faults(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether it says that the work is good, which has to be shown. An answer that reports a failure needs no green checks.
    fn claims_success(&self) -> bool {
        true
    }

    /// What is kept of it for people: file name and content.
    fn artifacts(&self, answer: &Value) -> Artifacts;
}

const fn of<A: Answer>() -> Signature {
    Signature {
        name: A::NAME,
        schema: A::schema,
        meaning: |answer| match A::deserialize(answer) {
            Ok(typed) => match typed.faults() {
                faults if faults.is_empty() => Ok(()),
                faults => Err(faults),
            },
            Err(problem) => Err(vec![problem.to_string()]),
        },
        claims: |answer| A::deserialize(answer).map_or(true, |typed| typed.claims_success()),
        artifacts: |answer| A::deserialize(answer).ok().map(|typed| typed.artifacts(answer)),
    }
}

/// All signatures, in the order of a project's life.
static ALL: &[Signature] = &[
    of::<Plan>(),
    of::<Design>(),
    of::<Handoff>(),
    of::<TestReport>(),
    of::<Review>(),
    of::<Judgement>(),
    of::<Package>(),
    of::<Findings>(),
    of::<TodoList>(),
    of::<InterfaceContract>(),
    of::<Diagnosis>(),
    of::<Blueprint>(),
    of::<Decomposition>(),
    of::<Analysis>(),
    of::<Delegation>(),
    of::<Assessment>(),
    of::<Execution>(),
    of::<Scratchpad>(),
    of::<Summary>(),
    of::<Verdict>(),
];

impl Signature {
    /// The signature of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|signature| signature.name == name)
    }

    /// All names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|signature| signature.name)
    }

    /// The JSON Schema.
    pub fn schema(&self) -> Value {
        (self.schema)()
    }

    /// Whether `answer` fits; else one sentence for each fault, for the model to repair. A fault of meaning is looked for only in
    /// what fits the schema.
    pub fn check(&self, answer: &Value) -> Result<(), Vec<String>> {
        schema_faults(&self.schema(), answer)?;
        (self.meaning)(answer)
    }

    /// Brings a document that somebody else wrote into the words of the schema.
    pub fn in_our_words(&self, document: &mut Value) {
        if self.name == TodoList::NAME {
            todo_list::in_our_words(document);
        }
    }

    /// Whether an answer says that the work is good, which evidence has to show.
    pub fn claims_success(&self, answer: &Value) -> bool {
        (self.claims)(answer)
    }

    /// The artifacts of an answer that fits: file name and content.
    pub fn artifacts(&self, answer: &Value) -> Artifacts {
        (self.artifacts)(answer).unwrap_or_default()
    }
}

/// Where `value` does not fit `schema`, with at most [`limits::SCHEMA_ERRORS`] faults named.
fn schema_faults(schema: &Value, value: &Value) -> Result<(), Vec<String>> {
    faults_by(&compiled(schema)?, value)
}

/// A schema made ready. That takes far longer than a check with it, so whoever checks often keeps it.
pub fn compiled(schema: &Value) -> Result<Validator, Vec<String>> {
    jsonschema::validator_for(schema).map_err(|problem| vec![format!("the schema itself: {problem}")])
}

/// The faults that a schema, made ready before, finds.
pub fn faults_by(schema: &Validator, value: &Value) -> Result<(), Vec<String>> {
    let faults: Vec<String> = schema
        .iter_errors(value)
        .take(limits::SCHEMA_ERRORS)
        .map(|fault| {
            let at = fault.instance_path().as_str();
            let message: String = fault.to_string().chars().take(limits::MESSAGE_CHARS).collect();
            if at.is_empty() { message } else { format!("{at}: {message}") }
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// `answer` as an artifact for programs.
fn pretty(answer: &Value) -> String {
    format!("{answer:#}\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_schema_compiles_is_closed_and_refuses_nothing_at_all() {
        for signature in ALL {
            let schema = signature.schema();
            jsonschema::validator_for(&schema).unwrap();
            assert_eq!(schema["additionalProperties"], json!(false), "{}", signature.name);
            assert!(signature.check(&json!({})).is_err(), "{}", signature.name);
            assert_eq!(Signature::named(signature.name).map(|found| found.name), Some(signature.name));
        }
        assert!(Signature::named("poem").is_none());
    }

    #[test]
    fn faults_name_their_place_and_are_bounded() {
        let schema = json!({"type": "array", "items": {"type": "string"}});
        let faults = schema_faults(&schema, &json!([1, "x"])).unwrap_err();
        assert_eq!(faults, ["/0: 1 is not of type \"string\""]);
        let many = schema_faults(&schema, &json!(vec![1; limits::SCHEMA_ERRORS + 1])).unwrap_err();
        assert_eq!(many.len(), limits::SCHEMA_ERRORS);
    }
}
