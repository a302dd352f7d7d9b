//! Given inputs against declared ones: read, checked, completed with defaults.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::codes::Code;
use super::near::{did_you_mean, listed};
use super::spec::{InputSpec, InputType};

/// One given value.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// Text from a command line, read as the declared type.
    Text(String),
    /// A JSON value, which must have the declared type already.
    Json(Value),
}

/// Why a given value is refused.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("{message}")]
pub struct InputProblem {
    /// The stable code.
    pub code: Code,
    /// The input.
    pub name: String,
    /// A lower-case fragment.
    pub message: String,
    /// What to do: a full sentence.
    pub help: Option<String>,
}

impl InputType {
    /// The stable name, as in workflow files.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::List => "list",
            Self::Object => "object",
        }
    }
}

/// Whether a JSON value has the type.
pub fn type_fits(value: &Value, kind: InputType) -> bool {
    match kind {
        InputType::String => value.is_string(),
        InputType::Integer => value.is_i64() || value.is_u64(),
        InputType::Number => value.is_number(),
        InputType::Boolean => value.is_boolean(),
        InputType::List => value.is_array(),
        InputType::Object => value.is_object(),
    }
}

/// Binds `given` to the declared inputs: every declared input that has a value is in the result, or every problem in the error.
/// An optional input without default is null, so that expressions can ask for it.
pub fn bind(
    specs: &BTreeMap<String, InputSpec>,
    given: &BTreeMap<String, Given>,
) -> Result<Map<String, Value>, Vec<InputProblem>> {
    let mut bound = Map::new();
    let mut problems: Vec<InputProblem> =
        given.keys().filter(|name| !specs.contains_key(*name)).map(|name| unknown(name, specs)).collect();
    for (name, spec) in specs {
        match value(name, spec, given.get(name)) {
            Ok(value) => {
                bound.insert(name.clone(), value);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(bound) } else { Err(problems) }
}

fn unknown(name: &str, specs: &BTreeMap<String, InputSpec>) -> InputProblem {
    let known = || specs.keys().map(String::as_str);
    let help = did_you_mean(name, known()).unwrap_or_else(|| match specs.len() {
        0 => "The workflow takes no inputs.".to_owned(),
        _ => format!("The inputs are {}.", listed(known(), "and")),
    });
    problem(Code::GivenUnknown, name, format!("the workflow has no input `{name}`"), Some(help))
}

fn problem(code: Code, name: &str, message: String, help: Option<String>) -> InputProblem {
    InputProblem { code, name: name.to_owned(), message, help }
}

fn value(name: &str, spec: &InputSpec, given: Option<&Given>) -> Result<Value, InputProblem> {
    let value = match (given, &spec.default) {
        (Some(Given::Text(text)), _) => read(text, spec.kind),
        (Some(Given::Json(value)), _) => type_fits(value, spec.kind).then(|| value.clone()),
        (None, Some(default)) => return Ok(default.clone()),
        (None, None) if spec.required => {
            let help = if spec.description.is_empty() { String::new() } else { format!(" ({})", spec.description) };
            let help = format!("Give it as `{name}=<{}>`{help}.", spec.kind.name());
            return Err(problem(Code::GivenMissing, name, format!("the input `{name}` is required"), Some(help)));
        }
        (None, None) => return Ok(Value::Null),
    };
    let Some(value) = value else {
        let found: String = match given {
            Some(Given::Text(text)) => format!("{:?}", text.chars().take(60).collect::<String>()),
            Some(Given::Json(value)) => value.to_string().chars().take(60).collect(),
            None => String::new(),
        };
        let kind = spec.kind.name();
        let help = match spec.kind {
            InputType::List => Some("Give it as JSON: `[\"a\", \"b\"]`.".to_owned()),
            InputType::Object => Some("Give it as JSON: `{\"key\": \"value\"}`.".to_owned()),
            InputType::Boolean => Some("Give `true` or `false`.".to_owned()),
            InputType::String | InputType::Integer | InputType::Number => None,
        };
        return Err(problem(Code::GivenType, name, format!("the input `{name}` is of type {kind}, not {found}"), help));
    };
    if !spec.choices.is_empty() && !spec.choices.contains(&value) {
        let choices: Vec<String> = spec.choices.iter().map(text_of).collect();
        let help = did_you_mean(&text_of(&value), choices.iter().map(String::as_str))
            .unwrap_or_else(|| format!("Possible values are {}.", listed(choices.iter().map(String::as_str), "and")));
        let message = format!("{value} is not a choice of the input `{name}`");
        return Err(problem(Code::GivenChoice, name, message, Some(help)));
    }
    Ok(value)
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A text from a command line as the declared type.
fn read(text: &str, kind: InputType) -> Option<Value> {
    match kind {
        InputType::String => Some(text.into()),
        InputType::Integer => text.trim().parse::<i64>().ok().map(Value::from),
        InputType::Number => {
            let text = text.trim();
            let whole = text.parse::<i64>().ok().map(Value::from);
            whole.or_else(|| text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from))
        }
        InputType::Boolean => match text.trim() {
            "true" | "yes" | "1" => Some(true.into()),
            "false" | "no" | "0" => Some(false.into()),
            _ => None,
        },
        InputType::List | InputType::Object => serde_json::from_str(text).ok().filter(|value| type_fits(value, kind)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn specs() -> BTreeMap<String, InputSpec> {
        serde_json::from_value(json!({
            "version": {"type": "string", "required": true, "choices": ["alpha", "beta"]},
            "count": {"type": "integer", "default": 2},
            "tags": {"type": "list"},
        }))
        .unwrap()
    }

    fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, Given> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), Given::Text((*text).to_owned()))).collect()
    }

    #[test]
    fn values_are_read_and_defaults_filled() {
        let bound = bind(&specs(), &given(&[("version", "beta"), ("tags", "[1]")])).unwrap();
        assert_eq!(Value::from(bound), json!({"count": 2, "tags": [1], "version": "beta"}));
    }

    #[test]
    fn every_problem_is_reported_with_what_to_do() {
        let problems =
            bind(&specs(), &given(&[("version", "alpah"), ("cuont", "1"), ("count", "x"), ("tags", "a")])).unwrap_err();
        let codes: Vec<&str> = problems.iter().map(|problem| problem.code.as_str()).collect();
        assert_eq!(codes, ["WF0160", "WF0162", "WF0162", "WF0163"]);
        assert_eq!(problems[0].help.as_deref(), Some("Did you mean `count`?"));
        assert_eq!(problems[3].help.as_deref(), Some("Did you mean `alpha`?"));
        assert_eq!(bind(&specs(), &BTreeMap::new()).unwrap_err()[0].code.as_str(), "WF0161");
    }
}
