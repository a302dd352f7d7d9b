//! Filters that make elements of a growing `foreach` out of what an agent answered.

use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{Error, ErrorKind};
use serde_json::{Map, Value as Json, json};

/// Fields that say what an element is: they come from the workflow, never from what a model wrote.
const RESERVED: &[&str] = &["kind", "depth", "prefix", "parent"];

/// `output.tasks | of_kind("worker", depth=2)`: each object becomes an element of that kind, with further fields of the workflow's own.
pub(super) fn of_kind(items: &Value, kind: &str, given: Kwargs) -> Result<Value, Error> {
    let mut own = Map::new();
    for name in given.args() {
        let value: Value = given.get(name)?;
        own.insert(name.to_owned(), serde_json::to_value(&value).map_err(not_json)?);
    }
    own.insert("kind".to_owned(), kind.into());
    let mut all = Vec::new();
    for item in items.try_iter()? {
        let mut item = object(&item)?;
        item.retain(|field, _| !RESERVED.contains(&field.as_str()));
        item.extend(own.clone());
        all.push(Json::Object(item));
    }
    Ok(Value::from(Serde(&Json::Array(all))))
}

/// `output.tasks | kind_by("type")`: each object becomes an element of the kind that this field of it names.
pub(super) fn kind_by(items: &Value, field: &str) -> Result<Value, Error> {
    let mut all = Vec::new();
    for item in items.try_iter()? {
        let mut item = object(&item)?;
        let Some(kind) = item.get(field).and_then(Json::as_str).map(ToOwned::to_owned) else {
            return Err(Error::new(ErrorKind::InvalidOperation, format!("an element has no text `{field}`")));
        };
        item.retain(|field, _| !RESERVED.contains(&field.as_str()));
        item.insert("kind".to_owned(), kind.into());
        all.push(Json::Object(item));
    }
    Ok(Value::from(Serde(&Json::Array(all))))
}

/// `output.todos | stages(["contract", "code", "test"])`: each object with `id` and `needs` becomes a chain of elements, one per
/// kind, named `ID.KIND` and holding the object as `task`. The first of a chain needs the last of the chains that the object needs.
pub(super) fn stages(items: &Value, kinds: Vec<String>) -> Result<Value, Error> {
    let Some(last) = kinds.last() else {
        return Err(Error::new(ErrorKind::InvalidOperation, "`stages` needs at least one kind"));
    };
    let mut all = Vec::new();
    for item in items.try_iter()? {
        let item = object(&item)?;
        let Some(id) = item.get("id").and_then(Json::as_str).map(ToOwned::to_owned) else {
            return Err(Error::new(ErrorKind::InvalidOperation, "an element for `stages` has no text `id`"));
        };
        let needed: Vec<String> = match item.get("needs") {
            None | Some(Json::Null) => Vec::new(),
            Some(needs) => needs
                .as_array()
                .and_then(|needs| needs.iter().map(|need| Some(format!("{}.{last}", need.as_str()?))).collect())
                .ok_or_else(|| {
                    Error::new(ErrorKind::InvalidOperation, format!("`needs` of {id:?} is not a list of texts"))
                })?,
        };
        let mut before = needed;
        for kind in &kinds {
            let own = format!("{id}.{kind}");
            let mut stage = json!({"id": own, "kind": kind, "needs": before, "task": item});
            if let Some(priority) = item.get("priority") {
                stage["priority"] = priority.clone();
            }
            all.push(stage);
            before = vec![own];
        }
    }
    Ok(Value::from(Serde(&Json::Array(all))))
}

/// `output.tasks | within(item.files)`: the same list, unless an element names a file outside of the patterns. A file is inside when
/// it begins with what stands before the first `*` of one of them; without patterns everything is.
pub(super) fn within(items: Value, patterns: &Value) -> Result<Value, Error> {
    let mut roots = Vec::new();
    for pattern in patterns.try_iter()? {
        let pattern = pattern.to_string();
        roots.push(pattern.split(['*', '?', '[']).next().unwrap_or_default().to_owned());
    }
    for item in items.try_iter()? {
        let item = object(&item)?;
        let files = item.get("files").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        for file in files {
            if !roots.is_empty() && !roots.iter().any(|root| file.starts_with(root.as_str())) {
                let id = item.get("id").and_then(Json::as_str).unwrap_or("an element");
                let message =
                    format!("{id:?} is about {file:?}, which is not in its planner's scope ({})", roots.join(", "));
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
        }
    }
    Ok(items)
}

fn object(item: &Value) -> Result<Map<String, Json>, Error> {
    match serde_json::to_value(item).map_err(not_json)? {
        Json::Object(fields) => Ok(fields),
        other => {
            let excerpt: String = other.to_string().chars().take(80).collect();
            Err(Error::new(ErrorKind::InvalidOperation, format!("an element is an object, not {excerpt}")))
        }
    }
}

fn not_json(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::BadSerialization, error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::domain::workflow::{Context, Expressions};

    fn eval(expression: &str, inputs: serde_json::Value) -> Result<serde_json::Value, String> {
        let context = Context::new(&inputs, &json!({}), &json!({}));
        Expressions::new().eval(expression, &context).map_err(|error| error.to_string())
    }

    #[test]
    fn what_an_element_is_comes_from_the_workflow_alone() {
        let inputs = json!({"tasks": [{"id": "a", "kind": "land", "depth": -1, "prefix": "x", "parent": "y"}]});
        let made = eval(r#"inputs.tasks | of_kind("worker", depth=1 + 1)"#, inputs).unwrap();
        assert_eq!(made, json!([{"id": "a", "depth": 2, "kind": "worker"}]));
        assert_eq!(eval(r#"[] | of_kind("worker", depth=1)"#, json!({})).unwrap(), json!([]));
        assert!(
            eval(r#"inputs.tasks | of_kind("worker")"#, json!({"tasks": ["a"]})).unwrap_err().contains("an object")
        );
    }

    #[test]
    fn a_field_says_what_kind_an_element_is() {
        let inputs = json!({"tasks": [{"id": "a", "type": "docs", "kind": "land"}]});
        let made = eval(r#"inputs.tasks | kind_by("type")"#, inputs).unwrap();
        assert_eq!(made, json!([{"id": "a", "type": "docs", "kind": "docs"}]));
        let without = eval(r#"inputs.tasks | kind_by("type")"#, json!({"tasks": [{"id": "a"}]}));
        assert!(without.unwrap_err().contains("no text `type`"));
    }

    #[test]
    fn a_planner_stays_in_its_scope() {
        let list = |file: &str| json!({"tasks": [{"id": "a", "files": ["notes/a.txt", file]}], "files": ["notes/**", "x.txt"]});
        let within = r#"inputs.tasks | within(inputs.files) | length"#;
        assert_eq!(eval(within, list("x.txt")).unwrap(), json!(1));
        let refused = eval(within, list("src/a.rs")).unwrap_err();
        assert!(
            refused.contains(r#""a" is about "src/a.rs", which is not in its planner's scope (notes/, x.txt)"#),
            "{refused}"
        );
        assert_eq!(eval("inputs.tasks | within([]) | length", list("src/a.rs")).unwrap(), json!(1));
    }

    #[test]
    fn each_object_becomes_a_chain() {
        let todos = json!({"todos": [{"id": "a"}, {"id": "b", "needs": ["a"], "priority": 8}]});
        let made = eval(r#"inputs.todos | stages(["code", "test"])"#, todos).unwrap();
        let brief: Vec<String> = made
            .as_array()
            .unwrap()
            .iter()
            .map(|item| format!("{} {} {}", item["id"], item["kind"], item["needs"]))
            .collect();
        assert_eq!(
            brief,
            [
                r#""a.code" "code" []"#,
                r#""a.test" "test" ["a.code"]"#,
                r#""b.code" "code" ["a.test"]"#,
                r#""b.test" "test" ["b.code"]"#
            ]
        );
        assert_eq!(made[2]["priority"], 8);
        assert!(eval(r#"inputs.todos | stages([])"#, json!({"todos": []})).unwrap_err().contains("at least one kind"));
    }
}
