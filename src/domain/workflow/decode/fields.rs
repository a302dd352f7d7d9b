//! Objects with known keys: unknown, missing and excluding keys are found here, from the table in `keys.rs`.

use super::Decoder;
use crate::domain::workflow::codes::Code;
use crate::domain::workflow::keys::Object;
use crate::domain::workflow::near::{did_you_mean, listed};
use crate::domain::workflow::yaml::{Entry, Node, Value};

/// The entries of an object whose keys have been checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'n> {
    object: &'static Object,
    entries: &'n [Entry],
}

impl<'n> Fields<'n> {
    /// The entry of a key of the table.
    pub(super) fn entry(&self, key: &str) -> Option<&'n Entry> {
        assert!(self.object.key(key).is_some(), "`{key}` is missing in the table of {}", self.object.title);
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of a key of the table.
    pub(super) fn node(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The one of `keys` that is there, when it is.
    pub(super) fn first_of(&self, keys: &[&str]) -> Option<&'n Entry> {
        keys.iter().find_map(|key| self.entry(key))
    }
}

impl Decoder<'_> {
    /// The entries of an object of any keys; `None` (reported) when it is not an object.
    pub(super) fn entries<'n>(&mut self, node: &'n Node, title: &str) -> Option<&'n [Entry]> {
        match &node.value {
            Value::Map(entries) => Some(entries),
            Value::Scalar(_) | Value::List(_) => {
                self.wrong_type(node, &format!("an object ({title})"));
                None
            }
        }
    }

    /// The entries of an object of the table.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, object: &'static Object) -> Option<Fields<'n>> {
        let entries = self.entries(node, object.title)?;
        for entry in entries.iter().filter(|entry| object.key(&entry.key).is_none()) {
            self.unknown_key(entry, object);
        }
        let fields = Fields { object, entries };
        for key in object.keys.iter().filter(|key| key.required && fields.node(key.name).is_none()) {
            self.problems
                .error(Code::MissingKey, node.span, format!("{} needs the key `{}`", object.title, key.name))
                .help(key.doc);
        }
        self.exactly_one(node, fields);
        Some(fields)
    }

    fn unknown_key(&mut self, entry: &Entry, object: &'static Object) {
        let known = || object.keys.iter().map(|key| key.name);
        let help = if entry.key == "<<" {
            "Merge keys are not part of YAML 1.2; repeat the keys, or an alias as a whole value.".to_owned()
        } else {
            did_you_mean(&entry.key, known())
                .unwrap_or_else(|| format!("Possible keys are {}.", listed(known(), "and")))
        };
        let key: String = entry.key.chars().take(60).collect();
        self.problems
            .error(Code::UnknownKey, entry.key_span, format!("{} has no key `{}`", object.title, key.escape_debug()))
            .help(help);
    }

    fn exactly_one(&mut self, node: &Node, fields: Fields<'_>) {
        let object = fields.object;
        if object.one_of.is_empty() {
            return;
        }
        let mut given = object.one_of.iter().filter_map(|key| fields.entry(key));
        match (given.next(), given.next()) {
            (Some(_), None) => {}
            (None, _) => {
                let choices = listed(object.one_of.iter().copied(), "or");
                self.problems
                    .error(Code::Exclusive, node.span, format!("{} needs one of {choices}", object.title))
                    .help("Give exactly one of them.");
            }
            (Some(first), Some(second)) => {
                self.problems
                    .error(
                        Code::Exclusive,
                        second.key_span,
                        format!("`{}` and `{}` exclude each other", first.key, second.key),
                    )
                    .note(first.key_span, "given here")
                    .help(format!("Keep one of the two: {} does one thing.", object.title));
            }
        }
    }
}
