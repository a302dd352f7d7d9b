//! Python.

use tree_sitter::Node;

use super::{Definition, Meaning, Scope, SymbolKind, function_kind, text};

pub(super) fn meaning<'t>(node: Node<'t>, scope: Scope, source: &'t str) -> Meaning<'t> {
    match node.kind() {
        "class_definition" => documented(SymbolKind::Type, node).map(|it| it.opening(Scope::Type)).into(),
        "function_definition" => documented(function_kind(scope), node).map(|it| it.opening(Scope::Body)).into(),
        "assignment" if scope != Scope::Body => constant(node, source).into(),
        "type_alias_statement" => alias(node).into(),
        "lambda" => Meaning::Opens(Scope::Body, None),
        _ => Meaning::Nothing,
    }
}

fn documented(kind: SymbolKind, node: Node<'_>) -> Option<Definition<'_>> {
    let statement = node.child_by_field_name("body").and_then(|body| body.named_child(0));
    let doc = statement.filter(|it| it.kind() == "expression_statement").and_then(|it| it.named_child(0));
    let doc = doc.filter(|it| it.kind() == "string");
    Some(Definition { doc, ..Definition::of(kind, node)? })
}

/// By the convention of PEP 8: a name in capitals.
fn constant<'t>(node: Node<'t>, source: &str) -> Option<Definition<'t>> {
    let name = node.child_by_field_name("left").filter(|it| it.kind() == "identifier")?;
    let is_capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let word = text(name, source);
    if word.starts_with('_') || !word.chars().all(is_capital) {
        return None;
    }
    let until = node.child_by_field_name("right").map(|it| it.start_byte());
    Some(Definition { kind: SymbolKind::Constant, name, container: None, prefix: "", until, opens: None, doc: None })
}

fn alias(node: Node<'_>) -> Option<Definition<'_>> {
    let name = node.child_by_field_name("left")?;
    Some(Definition { kind: SymbolKind::Type, name, container: None, prefix: "", until: None, opens: None, doc: None })
}
