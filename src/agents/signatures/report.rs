//! The test report: whether the work does what it should, and what shows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, pretty};

/// A test report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestReport {
    /// The verdict.
    pub verdict: TestVerdict,
    /// What was tested and how.
    pub summary: String,
    /// What failed.
    pub failures: Vec<FailedTest>,
    /// Names of the tests added.
    pub added_tests: Vec<String>,
    /// What became of single tests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<TestOutcome>,
    /// How much of the code the tests ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// Versions and settings that matter, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
}

/// What became of a test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestOutcome {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub status: TestStatus,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<f64>,
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestStatus {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// It could not be run.
    Error,
    /// It was left out.
    Skipped,
}

/// How much of the code the tests ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// Of all lines, 0 to 100.
    pub percent: f64,
}

/// Whether it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestVerdict {
    /// Everything that was tested works.
    Pass,
    /// Something does not.
    Fail,
}

/// A failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedTest {
    /// The test, or what was tried.
    pub name: String,
    /// What was expected, and what came.
    pub message: String,
}

impl Answer for TestReport {
    const NAME: &'static str = "test_report";

    fn schema() -> Value {
        let text = json!({ "type": "string", "minLength": 1 });
        json!({
            "type": "object",
            "properties": {
                "verdict": { "enum": ["pass", "fail"] },
                "summary": text,
                "failures": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": { "name": text, "message": { "type": "string", "minLength": 1, "description": "What was expected and what came." } },
                        "required": ["name", "message"],
                        "additionalProperties": false
                    }
                },
                "added_tests": { "type": "array", "items": text },
                "tests": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": { "name": text, "status": { "enum": ["passed", "failed", "error", "skipped"] }, "duration_ms": { "type": "number", "minimum": 0 } },
                        "required": ["name", "status"],
                        "additionalProperties": false
                    }
                },
                "coverage": {
                    "type": "object",
                    "properties": { "percent": { "type": "number", "minimum": 0, "maximum": 100 } },
                    "required": ["percent"],
                    "additionalProperties": false
                },
                "environment": { "type": "object", "additionalProperties": text, "description": "Versions and settings that matter, by name." }
            },
            "required": ["verdict", "summary", "failures", "added_tests"],
            "additionalProperties": false
        })
    }

    fn faults(&self) -> Vec<String> {
        let red = self.tests.iter().find(|test| matches!(test.status, TestStatus::Failed | TestStatus::Error));
        if let Some(red) = red.filter(|_| self.verdict == TestVerdict::Pass) {
            return vec![format!("the verdict is pass, but the test {:?} is not", red.name)];
        }
        let fault = match (self.verdict, self.failures.is_empty()) {
            (TestVerdict::Pass, false) => Some("the verdict is pass, but there are failures"),
            (TestVerdict::Fail, true) => Some("the verdict is fail, but no failure is named"),
            (TestVerdict::Pass, true) | (TestVerdict::Fail, false) => None,
        };
        fault.map(str::to_owned).into_iter().collect()
    }

    fn claims_success(&self) -> bool {
        self.verdict == TestVerdict::Pass
    }

    fn artifacts(&self, answer: &Value) -> Vec<(&'static str, String)> {
        vec![("test-report.json", pretty(answer))]
    }
}

#[cfg(test)]
mod tests {
    use super::super::Signature;
    use super::*;

    #[test]
    fn verdict_and_failures_agree() {
        let signature = Signature::named("test_report").unwrap();
        let report = |verdict: &str, failures: Value| json!({"verdict": verdict, "summary": "s", "failures": failures, "added_tests": []});
        let one = json!([{"name": "n", "message": "m"}]);
        signature.check(&report("pass", json!([]))).unwrap();
        signature.check(&report("fail", one.clone())).unwrap();
        assert!(signature.claims_success(&report("pass", json!([]))));
        assert!(!signature.claims_success(&report("fail", one.clone())));
        assert_eq!(signature.check(&report("pass", one)).unwrap_err(), ["the verdict is pass, but there are failures"]);
        assert!(signature.check(&report("fail", json!([]))).is_err());
        let mut whole = report("pass", json!([]));
        whole["tests"] = json!([{"name": "rsi", "status": "passed", "duration_ms": 1.5}]);
        whole["coverage"] = json!({"percent": 93.5});
        whole["environment"] = json!({"python": "3.11.7"});
        signature.check(&whole).unwrap();
        whole["tests"][0]["status"] = json!("error");
        assert_eq!(signature.check(&whole).unwrap_err(), ["the verdict is pass, but the test \"rsi\" is not"]);
    }
}
