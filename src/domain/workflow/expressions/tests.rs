//! Evaluation, quoting, bounds, and what texts mention.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn context() -> Context {
    let mut context = Context::new(
        &json!({"name": "it's", "n": 3, "list": ["a b", "c"], "none": null, "map": {"k": 1}}),
        &json!({"HOME": "/h"}),
        &json!({"id": "p-1"}),
    );
    let done = TaskValue { output: json!({"tasks": [1, 2]}), status: "completed".to_owned(), failure: json!(null) };
    context.set_task("plan", &done);
    context.set_task("build-all", &TaskValue { output: json!("x"), ..done });
    context
}

fn render(template: &str) -> Result<String, String> {
    Expressions::new().render(template, &context()).map_err(|error| error.to_string())
}

#[test]
fn values_become_text() {
    assert_eq!(render("no template\n"), Ok("no template\n".to_owned()));
    assert_eq!(render("{{ inputs.n }} {{ inputs.none }}|{{ inputs.map }}\n"), Ok("3 |{\"k\":1}\n".to_owned()));
    assert_eq!(render("a.html {{ '<' }}.html"), Ok("a.html <.html".to_owned()));
    assert_eq!(render("{{ tasks.plan.output.tasks | tojson }}"), Ok("[1,2]".to_owned()));
    assert_eq!(render("{{ '[1]' | fromjson | first }}"), Ok("1".to_owned()));
}

#[test]
fn sh_quotes() {
    assert_eq!(render("echo {{ inputs.name | sh }}"), Ok(r"echo 'it'\''s'".to_owned()));
    assert_eq!(render("{{ inputs.list | sh }} {{ inputs.none | sh }}"), Ok("'a b' c ''".to_owned()));
}

#[test]
fn undefined_is_an_error_that_names_it() {
    assert_eq!(render("{{ inputs.nope }}"), Err("`inputs.nope` is undefined".to_owned()));
    let expressions = Expressions::new();
    assert!(expressions.eval("inputs.nope", &context()).is_err());
    assert!(expressions.truthy("inputs.nope == 1", &context()).is_err());
}

#[test]
fn both_forms_of_conditions() {
    let expressions = Expressions::new();
    for text in ["tasks.plan.status == 'completed'", "{{ tasks.plan.status == 'completed' }}", "{{- inputs.n > 2 -}}"] {
        assert_eq!(expressions.truthy(text, &context()), Ok(true), "{text}");
    }
}

#[test]
fn foreach_takes_lists_objects_and_counts() {
    let expressions = Expressions::new();
    let items = |text: &str| expressions.items(text, &context()).map(serde_json::Value::from);
    assert_eq!(items("tasks.plan.output.tasks"), Ok(json!([1, 2])));
    assert_eq!(items("inputs.map"), Ok(json!([{"key": "k", "value": 1}])));
    assert_eq!(items("3"), Ok(json!([0, 1, 2])));
    assert!(items("'text'").is_err());
    assert!(items("-1").is_err());
    assert!(items(&(crate::domain::limits::FOREACH_ITEMS + 1).to_string()).is_err());
}

#[test]
fn single_expressions_in_json_keep_their_type() {
    let value = json!({"a": "{{ inputs.n }}", "b": ["n={{ inputs.n }}", "{{ inputs.n }}{{ inputs.n }}"]});
    assert_eq!(Expressions::new().render_json(&value, &context()), Ok(json!({"a": 3, "b": ["n=3", "33"]})));
}

#[test]
fn work_and_size_are_bounded() {
    assert!(render("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}").is_err());
    assert!(render("{% for a in range(9999) %}{{ 'abcdefghij' * 1000 }}{% endfor %}").is_err());
    assert!(render("{{ 'x' * 100000000000 }}").is_err());
    assert!(render("{% include 'x' %}").is_err());
}

#[test]
fn mentions_follow_dots_and_brackets() {
    let names = |text: &str| mentions(text).tasks.into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(names("{{ tasks.a.output }} {{ tasks['b-c'].output }} {% if tasks.d %}{% endif %}"), "a b-c d");
    assert_eq!(names("tasks.a.output.tasks.b == inputs.tasks"), "a");
    assert_eq!(names("echo tasks.a {# {{ tasks.b }} #}{% raw %}{{ tasks.c }}{% endraw %}"), "");
    assert!(mentions("tasks[item].output").every_task);
    assert!(!mentions("{{ tasks.a }}").every_task);
}

proptest! {
    #[test]
    fn no_text_panics(text in "[{}%#a-c.|'\"\\[\\]() \n\u{e9}-]{0,40}") {
        let _ = render(&text);
        let _ = Expressions::new().eval(&text, &context());
        let _ = mentions(&text);
        let _ = bare(&text);
    }

    #[test]
    fn quoting_is_undone_by_a_shell_reader(text in "[ -~\u{e9}\n]{0,40}") {
        let quoted = Expressions::new()
            .render("{{ inputs.x | sh }}", &Context::new(&json!({"x": text}), &json!({}), &json!({})))
            .unwrap();
        let read = if quoted.starts_with('\'') {
            quoted[1..quoted.len() - 1].replace(r"'\''", "'")
        } else {
            quoted
        };
        prop_assert_eq!(read, text);
    }
}

#[test]
fn marks_that_trim_blanks_are_no_part_of_what_is_read() {
    use super::scan::{Kind, template};
    let blocks = template("{%- if x -%}a{%+ endif %}{{- x }}");
    let first: Vec<Kind<'_>> = blocks.iter().map(|block| block.tokens[0].kind).collect();
    assert_eq!(first, [Kind::Ident("if"), Kind::Ident("endif"), Kind::Ident("x")]);
}
