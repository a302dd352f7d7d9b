//! The test report: whether the work does what it should, and what shows it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, pretty};

/// A test report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
                "added_tests": { "type": "array", "items": text }
            },
            "required": ["verdict", "summary", "failures", "added_tests"],
            "additionalProperties": false
        })
    }

    fn faults(&self) -> Vec<String> {
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
    }
}
