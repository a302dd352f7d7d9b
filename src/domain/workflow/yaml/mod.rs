//! Text to a tree with places: YAML 1.2, core schema, bounded in size, depth and expansion.
//!
//! Knows nothing of workflows. Scalars keep their text, so that whoever reads them can say what the person wrote.
//! Turning a tree into a definition is `decode/`.

mod parse;
mod scalar;

use std::rc::Rc;

pub use parse::parse;
pub use scalar::{Resolved, Scalar, Style};

/// Where a node stands in the file. Lines and columns count from 1, offset and length are in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// Characters from the start of the file.
    pub offset: u32,
    /// Length in characters; 0 for a node without text of its own.
    pub len: u32,
}

/// One value of the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it begins. An alias keeps the place of what it stands for.
    pub span: Span,
}

/// The three kinds of YAML values. Lists and maps are shared, so that an alias costs nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text, number, boolean or null.
    Scalar(Scalar),
    /// A sequence.
    List(Rc<Vec<Node>>),
    /// A mapping in file order, its keys unique.
    Map(Rc<Vec<Entry>>),
}

/// One key of a map with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key as text.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub node: Node,
}

impl Node {
    /// What it is, with its article, for messages: `a list`, `the number 3`, `the text "x"`.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "an object".to_owned(),
            Value::Scalar(scalar) => scalar.describe(),
        }
    }

    /// Whether it is an empty or `null` scalar.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if matches!(scalar.resolve(), Resolved::Null))
    }

    /// The scalar, when it is one.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The same value as JSON. Depth is bounded by the parser, so the recursion is too.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Scalar(scalar) => scalar.to_json(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.node.to_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}

#[cfg(test)]
mod tests;
