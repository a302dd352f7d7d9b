//! Go.

use tree_sitter::Node;

use super::{Definition, Meaning, Scope, SymbolKind, text};

pub(super) fn meaning<'t>(node: Node<'t>, scope: Scope, source: &'t str) -> Meaning<'t> {
    match node.kind() {
        "function_declaration" => Definition::of(SymbolKind::Function, node).map(|it| it.opening(Scope::Body)).into(),
        "method_declaration" => method(node, source).into(),
        "type_spec" | "type_alias" if scope == Scope::Module => type_spec(node).into(),
        "const_spec" if scope == Scope::Module => constant(node).into(),
        "func_literal" => Meaning::Opens(Scope::Body, None),
        _ => Meaning::Nothing,
    }
}

fn method<'t>(node: Node<'t>, source: &str) -> Option<Definition<'t>> {
    let receiver = text(node.child_by_field_name("receiver")?, source);
    let container = receiver.trim_matches(['(', ')', ' ']).rsplit([' ', '*']).find(|it| !it.is_empty());
    // `(s *Set[K, V])`: what is before the bracket.
    let generic = receiver.split('[').next().unwrap_or(receiver).rsplit([' ', '*', '(']).find(|it| !it.is_empty());
    let container = if receiver.contains('[') { generic } else { container };
    let it = Definition::of(SymbolKind::Method, node)?.opening(Scope::Body);
    Some(Definition { container: container.map(str::to_owned), ..it })
}

fn type_spec(node: Node<'_>) -> Option<Definition<'_>> {
    let of = node.child_by_field_name("type")?;
    let kind = if of.kind() == "interface_type" { SymbolKind::Interface } else { SymbolKind::Type };
    let until = match of.kind() {
        "interface_type" => Some(of.start_byte() + "interface".len()),
        "struct_type" => Some(of.start_byte() + "struct".len()),
        _ => None,
    };
    let it = Definition::of(kind, node)?;
    Some(Definition { prefix: "type ", until, ..it }.opening(Scope::Body))
}

fn constant(node: Node<'_>) -> Option<Definition<'_>> {
    let it = Definition::of(SymbolKind::Constant, node)?.before_value(node);
    Some(Definition { prefix: "const ", ..it })
}
