//! Rust.

use tree_sitter::Node;

use super::{Definition, Meaning, Scope, SymbolKind, function_kind, text};

pub(super) fn meaning<'t>(node: Node<'t>, scope: Scope, source: &'t str) -> Meaning<'t> {
    let defines = |kind| Definition::of(kind, node);
    match node.kind() {
        "function_item" | "function_signature_item" => {
            defines(function_kind(scope)).map(|it| it.opening(Scope::Body)).into()
        }
        "struct_item" | "enum_item" | "union_item" => defines(SymbolKind::Type).into(),
        // An associated type says nothing without its trait.
        "type_item" if scope == Scope::Module => defines(SymbolKind::Type).into(),
        "trait_item" => defines(SymbolKind::Interface).map(|it| it.opening(Scope::Type)).into(),
        "const_item" | "static_item" => defines(SymbolKind::Constant).map(|it| it.before_value(node)).into(),
        "macro_definition" => match Definition::of(SymbolKind::Macro, node) {
            Some(it) => Meaning::Defines(Definition { until: Some(it.name.end_byte()), ..it }.opening(Scope::Body)),
            None => Meaning::Nothing,
        },
        "impl_item" => Meaning::Opens(Scope::Type, node.child_by_field_name("type").map(|it| type_name(it, source))),
        "mod_item" => match (node.child_by_field_name("body"), node.child_by_field_name("name")) {
            (Some(_), Some(name)) => Meaning::Opens(Scope::Module, Some(text(name, source).to_owned())),
            (Some(_) | None, _) => Meaning::Nothing,
        },
        "closure_expression" => Meaning::Opens(Scope::Body, None),
        _ => Meaning::Nothing,
    }
}

/// A type without its parameters and its path.
fn type_name(node: Node<'_>, source: &str) -> String {
    let name = text(node, source).trim_start_matches(['&', ' ']).trim_start_matches("mut ").trim_start_matches("dyn ");
    let name = name.split(['<', ' ']).next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name).to_owned()
}
