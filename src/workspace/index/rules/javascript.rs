//! JavaScript and TypeScript: one grammar is the other's subset.

use tree_sitter::Node;

use super::{Definition, Meaning, Scope, SymbolKind, text};

pub(super) fn meaning<'t>(node: Node<'t>, scope: Scope, source: &'t str) -> Meaning<'t> {
    let defines = |kind| Definition::of(kind, node);
    match node.kind() {
        "function_declaration" | "generator_function_declaration" | "function_signature" => {
            defines(SymbolKind::Function).map(|it| it.opening(Scope::Body)).into()
        }
        "class_declaration" | "abstract_class_declaration" => {
            defines(SymbolKind::Type).map(|it| it.opening(Scope::Type)).into()
        }
        "interface_declaration" => defines(SymbolKind::Interface).map(|it| it.opening(Scope::Type)).into(),
        "type_alias_declaration" | "enum_declaration" => {
            defines(SymbolKind::Type).map(|it| it.before_value(node).opening(Scope::Body)).into()
        }
        "method_definition" | "method_signature" | "abstract_method_signature" if scope == Scope::Type => {
            defines(SymbolKind::Method).map(|it| it.opening(Scope::Body)).into()
        }
        "public_field_definition" | "field_definition" if scope == Scope::Type && is_function(node) => {
            field(node).into()
        }
        "variable_declarator" if scope == Scope::Module => variable(node, source).into(),
        "internal_module" | "module" => {
            let name = node.child_by_field_name("name").map(|name| text(name, source).to_owned());
            if node.is_named() { Meaning::Opens(Scope::Module, name) } else { Meaning::Nothing }
        }
        // Members of an object are its own business, wherever it stands.
        "arrow_function" | "function_expression" | "generator_function" | "method_definition" | "object" | "class" => {
            if node.is_named() {
                Meaning::Opens(Scope::Body, None)
            } else {
                Meaning::Nothing
            }
        }
        // What a block declares is not the module's.
        "if_statement" | "for_statement" | "for_in_statement" | "while_statement" | "do_statement"
        | "try_statement" | "switch_statement" => Meaning::Opens(Scope::Body, None),
        _ => Meaning::Nothing,
    }
}

fn is_function(node: Node<'_>) -> bool {
    let value = node.child_by_field_name("value");
    value.is_some_and(|it| matches!(it.kind(), "arrow_function" | "function_expression" | "generator_function"))
}

fn field(node: Node<'_>) -> Option<Definition<'_>> {
    let name = node.child_by_field_name("name").or_else(|| node.child_by_field_name("property"))?;
    let it =
        Definition { kind: SymbolKind::Method, name, container: None, prefix: "", until: None, opens: None, doc: None };
    Some(up_to_body(it, node).opening(Scope::Body))
}

/// A function under a name, or a constant of the module. What is taken apart or may change is neither.
fn variable<'t>(node: Node<'t>, source: &str) -> Option<Definition<'t>> {
    let name = node.child_by_field_name("name").filter(|it| it.kind() == "identifier")?;
    // Asking for the parent would walk down from the root. Of several in one declaration only the first is seen.
    let before = source.get(..node.start_byte()).unwrap_or_default().trim_end();
    let is_const = before.ends_with("const");
    if !is_const && !before.ends_with("let") && !before.ends_with("var") {
        return None;
    }
    let prefix = if is_const { "const " } else { "let " };
    let it = |kind| Definition { kind, name, container: None, prefix, until: None, opens: None, doc: None };
    if is_function(node) {
        Some(up_to_body(it(SymbolKind::Function), node).opening(Scope::Body))
    } else {
        is_const.then(|| it(SymbolKind::Constant).before_value(node).opening(Scope::Body))
    }
}

/// Up to the body of the function that is the value.
fn up_to_body<'t>(definition: Definition<'t>, node: Node<'t>) -> Definition<'t> {
    let body = node.child_by_field_name("value").and_then(|value| value.child_by_field_name("body"));
    Definition { until: body.map(|body| body.start_byte()), ..definition }
}
