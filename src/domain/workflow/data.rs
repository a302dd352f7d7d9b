//! YAML that is not a workflow, as JSON: the same parser, bounds and error messages for every file that people write.

use super::diagnostic::{Diagnostics, Problems};
use super::yaml;

/// Reads one YAML document. `origin` names it in messages.
pub fn read_data(origin: &str, text: &str) -> Result<serde_json::Value, Diagnostics> {
    let mut problems = Problems::new(origin, text);
    let tree = yaml::parse(text, &mut problems);
    problems.finish()?;
    Ok(tree.map_or(serde_json::Value::Null, |node| node.to_json()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_json_and_a_problem_names_its_place() {
        let value = read_data("x.yaml", "a: [1, two]\nb: |\n  text\n").unwrap();
        assert_eq!(value, serde_json::json!({"a": [1, "two"], "b": "text\n"}));
        assert_eq!(read_data("x.yaml", "").unwrap(), serde_json::Value::Null);
        let problem = read_data("x.yaml", "a: 1\na: 2\n").unwrap_err().to_string();
        assert!(problem.contains("x.yaml"), "{problem}");
    }
}
