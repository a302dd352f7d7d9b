//! The tree: core schema, places, bounds, and that nothing makes the parser panic.

use proptest::prelude::*;

use super::*;
use crate::domain::limits;
use crate::domain::workflow::diagnostic::Problems;

fn read(text: &str) -> Result<Node, String> {
    let mut problems = Problems::new("f.yaml", text);
    let node = parse(text, &mut problems);
    match problems.finish() {
        Ok(_) => node.ok_or_else(|| "empty".to_owned()),
        Err(diagnostics) => Err(diagnostics.to_string()),
    }
}

#[test]
fn plain_scalars_follow_the_core_schema() {
    let json =
        read("[1, -2, 0x1f, 0o17, 1.5, 1e3, .5, true, no, ~, '1', 1.2.3, 12m, .inf, 99999999999999999999]").unwrap();
    let expected = r#"[1,-2,31,15,1.5,1000.0,0.5,true,"no",null,"1","1.2.3","12m",".inf",1e+20]"#;
    assert_eq!(json.to_json().to_string(), expected);
}

#[test]
fn places_count_characters_from_one() {
    let node = read("a: ü\nb:\n  - 'x'\n").unwrap();
    let Value::Map(entries) = &node.value else { panic!("a map") };
    assert_eq!((entries[0].node.span.line, entries[0].node.span.column, entries[0].node.span.len), (1, 4, 1));
    let Value::List(items) = &entries[1].node.value else { panic!("a list") };
    assert_eq!((items[0].span.line, items[0].span.column, items[0].span.len), (3, 5, 3));
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(&nested(limits::YAML_DEPTH)).is_ok());
    assert!(read(&nested(limits::YAML_DEPTH + 1)).unwrap_err().contains("WF0105"));
    assert!(read(&"- ".repeat(100_000)).unwrap_err().contains("WF0105"));
}

#[test]
fn an_alias_bomb_is_stopped_before_it_expands() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let previous = format!("*a{}, ", level - 1).repeat(10);
        text += &format!("a{level}: &a{level} [{}]\n", previous.trim_end_matches(", "));
    }
    assert!(read(&text).unwrap_err().contains("WF0106"));
}

#[test]
fn aliases_repeat_values() {
    assert_eq!(read("a: &x [1, 2]\nb: *x\n").unwrap().to_json().to_string(), r#"{"a":[1,2],"b":[1,2]}"#);
    assert!(read("a: &x [*x]").unwrap_err().contains("WF0110"));
    assert!(read("a: *x").unwrap_err().contains("WF0110"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn yaml_like_noise_never_panics(text in "[-\\[\\]{}:,&*!|>'\"%@`#? \n\ta-c0-9~.\u{e9}\u{feff}\r]{0,80}") {
        let _ = read(&text);
    }

    #[test]
    fn any_text_never_panics(text in any::<String>()) {
        let _ = read(&text);
    }
}
