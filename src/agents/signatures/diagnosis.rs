//! The diagnosis: why something failed, whose it is, and whether it is repaired. What is not repaired goes to a person.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::text::Markdown;
use super::{Answer, commit, pretty};

/// A diagnosis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diagnosis {
    /// What the cause was, and how it is known.
    pub summary: String,
    /// The class of the failure.
    pub cause: Cause,
    /// Whose work the repair is.
    pub route: Route,
    /// What has to be done; where it is repaired, what was done.
    pub instructions: String,
    /// Whether it is repaired.
    pub fixed: bool,
    /// What may go wrong, what is open.
    pub risks: Vec<String>,
    /// The message of the commit.
    pub commit_message: String,
}

/// A class of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The code does not do what the contract says.
    ImplementationBug,
    /// The contract, or what was built on it, is not what was asked for.
    SpecMismatch,
    /// It does not end, or too late.
    Timeout,
    /// It passes at times.
    FlakyTest,
}

/// Whose work a repair is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// Code.
    Coder,
    /// Contracts.
    Architect,
    /// Tests and their fixtures.
    Tester,
}

impl Cause {
    /// Whose work the repair of such a failure is.
    pub fn route(self) -> Route {
        match self {
            Self::ImplementationBug => Route::Coder,
            Self::SpecMismatch => Route::Architect,
            Self::Timeout | Self::FlakyTest => Route::Tester,
        }
    }
}

/// The text of a value that is one word in JSON.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
}

impl Answer for Diagnosis {
    const NAME: &'static str = "diagnosis";

    fn schema() -> Value {
        let text = json!({ "type": "string", "minLength": 1 });
        json!({
            "type": "object",
            "properties": {
                "summary": { "type": "string", "minLength": 1, "description": "The cause, and how you know." },
                "cause": { "enum": ["implementation_bug", "spec_mismatch", "timeout", "flaky_test"] },
                "route": { "enum": ["coder", "architect", "tester"], "description": "implementation_bug: coder; spec_mismatch: architect; timeout and flaky_test: tester." },
                "instructions": { "type": "string", "minLength": 1, "description": "What has to be done; where it is repaired, what was done." },
                "fixed": { "type": "boolean", "description": "Whether it is repaired. `false` stops the work and asks a person." },
                "risks": { "type": "array", "items": text },
                "commit_message": commit::schema()
            },
            "required": ["summary", "cause", "route", "instructions", "fixed", "risks", "commit_message"],
            "additionalProperties": false
        })
    }

    fn faults(&self) -> Vec<String> {
        let due = self.cause.route();
        if due == self.route {
            return Vec::new();
        }
        vec![format!(
            "the cause {} is routed to the {}, not to the {}",
            word(&self.cause),
            word(&due),
            word(&self.route)
        )]
    }

    fn claims_success(&self) -> bool {
        self.fixed
    }

    fn artifacts(&self, answer: &Value) -> Vec<(&'static str, String)> {
        let mut text = Markdown::titled(if self.fixed { "Diagnosis" } else { "Diagnosis: a person is needed" });
        text.paragraph(&self.summary);
        text.paragraph(&format!("Cause: {}. Whose it is: {}.", word(&self.cause), word(&self.route)));
        text.heading("Instructions").paragraph(&self.instructions).list("Risks", &self.risks);
        vec![("diagnosis.md", text.done()), ("diagnosis.json", pretty(answer))]
    }
}

#[cfg(test)]
mod tests {
    use super::super::Signature;
    use super::*;

    #[test]
    fn a_cause_has_its_route_and_what_is_not_fixed_is_no_success() {
        let signature = Signature::named("diagnosis").unwrap();
        let of = |cause: &str, route: &str, fixed: bool| json!({"summary": "s", "cause": cause, "route": route, "instructions": "i", "fixed": fixed, "risks": [], "commit_message": "c"});
        for (cause, route) in [
            ("implementation_bug", "coder"),
            ("spec_mismatch", "architect"),
            ("timeout", "tester"),
            ("flaky_test", "tester"),
        ] {
            signature.check(&of(cause, route, true)).unwrap();
        }
        let wrong = signature.check(&of("flaky_test", "coder", true)).unwrap_err();
        assert_eq!(wrong, ["the cause flaky_test is routed to the tester, not to the coder"]);
        assert!(signature.claims_success(&of("timeout", "tester", true)));
        assert!(!signature.claims_success(&of("timeout", "tester", false)));
        assert!(
            signature.artifacts(&of("timeout", "tester", false))[0].1.starts_with("# Diagnosis: a person is needed\n")
        );
    }
}
