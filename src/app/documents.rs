//! The documents that agents answer with, in words that the faces may know: their schemas, and whether somebody's file is one.

use serde_json::Value;

use crate::agents::signatures::Signature;

/// A kind of document that people write or read by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentKind {
    /// As it is typed.
    pub name: &'static str,
    signature: &'static str,
}

/// All of them.
pub const DOCUMENTS: [DocumentKind; 3] = [
    DocumentKind { name: "todo", signature: "todo_list" },
    DocumentKind { name: "contract", signature: "contract" },
    DocumentKind { name: "test_report", signature: "test_report" },
];

impl DocumentKind {
    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        DOCUMENTS.into_iter().find(|kind| kind.name == name)
    }

    fn signature(self) -> &'static Signature {
        Signature::named(self.signature).expect("a test looks for the signature of every kind")
    }

    /// Its JSON Schema.
    pub fn schema(self) -> Value {
        let mut schema = self.signature().schema();
        if let Value::Object(fields) = &mut schema {
            fields.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
            fields.insert("title".to_owned(), self.name.into());
        }
        schema
    }

    /// Whether `document` is one, by our names or by others that are understood; else one sentence for each fault, each with its path.
    pub fn check(self, mut document: Value) -> Result<(), Vec<String>> {
        let signature = self.signature();
        signature.in_our_words(&mut document);
        signature.check(&document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_signature_and_a_schema() {
        for kind in DOCUMENTS {
            assert_eq!(kind.schema()["title"], kind.name);
            assert!(kind.check(Value::Null).is_err());
            assert_eq!(DocumentKind::named(kind.name), Some(kind));
        }
        assert_eq!(DocumentKind::named("poem"), None);
    }
}
