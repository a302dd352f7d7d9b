//! What counts as a definition, a file per language. A rule sees one node at a time and what it lies in; it never walks
//! down a tree of unknown depth.

mod go;
mod javascript;
mod python;
mod rust;

use tree_sitter::Node;

use super::{Language, SymbolKind};

/// What a node lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// The file, a module or a namespace.
    Module,
    /// A type or an implementation: functions in it are methods.
    Type,
    /// A function's body: what it defines is its own business.
    Body,
}

/// What a node is to the index.
pub(super) enum Meaning<'t> {
    /// Nothing by itself.
    Nothing,
    /// It opens a scope, and names it.
    Opens(Scope, Option<String>),
    /// It defines something.
    Defines(Definition<'t>),
}

/// A definition, as a rule finds it.
pub(super) struct Definition<'t> {
    pub kind: SymbolKind,
    pub name: Node<'t>,
    /// In place of the scope it lies in.
    pub container: Option<String>,
    /// Stands before the text of the node in the signature.
    pub prefix: &'static str,
    /// Where the signature ends; the node's end without one.
    pub until: Option<usize>,
    /// The scope that it opens under its name.
    pub opens: Option<Scope>,
    /// The documentation, where it is part of the node.
    pub doc: Option<Node<'t>>,
}

impl<'t> Definition<'t> {
    /// What `node` defines under its field `name`, up to its field `body`.
    fn of(kind: SymbolKind, node: Node<'t>) -> Option<Self> {
        let until = node.child_by_field_name("body").map(|body| body.start_byte());
        let name = node.child_by_field_name("name")?;
        Some(Self { kind, name, container: None, prefix: "", until, opens: None, doc: None })
    }

    fn opening(self, scope: Scope) -> Self {
        Self { opens: Some(scope), ..self }
    }

    /// Up to the field `value`.
    fn before_value(self, node: Node<'t>) -> Self {
        let until = node.child_by_field_name("value").map(|value| value.start_byte());
        Self { until: until.or(self.until), ..self }
    }
}

impl<'t> From<Option<Definition<'t>>> for Meaning<'t> {
    fn from(definition: Option<Definition<'t>>) -> Self {
        definition.map_or(Self::Nothing, Self::Defines)
    }
}

/// What `node` in `scope` is to the index.
pub(super) fn meaning<'t>(language: Language, node: Node<'t>, scope: Scope, source: &'t str) -> Meaning<'t> {
    match language {
        Language::Rust => rust::meaning(node, scope, source),
        Language::Python => python::meaning(node, scope, source),
        Language::TypeScript | Language::Tsx | Language::JavaScript => javascript::meaning(node, scope, source),
        Language::Go => go::meaning(node, scope, source),
    }
}

fn text<'t>(node: Node<'_>, source: &'t str) -> &'t str {
    source.get(node.byte_range()).unwrap_or_default()
}

/// `kind` of a function by where it stands.
fn function_kind(scope: Scope) -> SymbolKind {
    if scope == Scope::Type { SymbolKind::Method } else { SymbolKind::Function }
}
