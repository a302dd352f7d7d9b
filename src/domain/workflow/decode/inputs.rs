//! `inputs:`: what a workflow is given at its start.

use std::collections::BTreeMap;

use super::Decoder;
use crate::domain::workflow::codes::Code;
use crate::domain::workflow::inputs::type_fits;
use crate::domain::workflow::keys;
use crate::domain::workflow::spec::{InputSpec, InputType};
use crate::domain::workflow::yaml::{Entry, Node, Value};

impl Decoder<'_> {
    pub(super) fn inputs(&mut self, node: &Node) -> BTreeMap<String, InputSpec> {
        let mut inputs = BTreeMap::new();
        for entry in self.entries(node, "the inputs by name").unwrap_or_default() {
            self.check_name(&entry.key, entry.key_span, "an input");
            if let Some(spec) = self.input(entry) {
                inputs.insert(entry.key.clone(), spec);
            }
        }
        inputs
    }

    fn input(&mut self, entry: &Entry) -> Option<InputSpec> {
        let plain =
            |kind| InputSpec { kind, description: String::new(), required: false, default: None, choices: Vec::new() };
        if let Value::Scalar(_) = entry.node.value {
            return self.input_type(&entry.node).map(plain);
        }
        let fields = self.fields(&entry.node, &keys::INPUT)?;
        let kind = fields.node("type").and_then(|node| self.input_type(node)).unwrap_or(InputType::String);
        let mut spec = plain(kind);
        if let Some(node) = fields.node("description") {
            spec.description = self.text(node).unwrap_or_default();
        }
        if let Some(node) = fields.node("required") {
            spec.required = self.boolean(node).unwrap_or_default();
        }
        if let Some(node) = fields.node("choices") {
            for choice in self.list(node) {
                self.fits(choice, kind, "a choice");
                spec.choices.push(choice.to_json());
            }
        }
        if let Some(node) = fields.node("default") {
            let default = node.to_json();
            if self.fits(node, kind, "the default") && !spec.choices.is_empty() && !spec.choices.contains(&default) {
                self.problems
                    .error(
                        Code::BadDefault,
                        node.span,
                        format!("the default of `{}` is not one of its choices", entry.key),
                    )
                    .help("Add it to `choices`, or choose another default.");
            }
            spec.default = Some(default);
        }
        Some(spec)
    }

    fn input_type(&mut self, node: &Node) -> Option<InputType> {
        Some(match self.choice(node, keys::INPUT_TYPES)? {
            "integer" => InputType::Integer,
            "number" => InputType::Number,
            "boolean" => InputType::Boolean,
            "list" => InputType::List,
            "object" => InputType::Object,
            _ => InputType::String,
        })
    }

    fn fits(&mut self, node: &Node, kind: InputType, what: &str) -> bool {
        let fits = type_fits(&node.to_json(), kind);
        if !fits {
            let found = node.describe();
            let wanted = kind.name();
            let report = self.problems.error(
                Code::BadDefault,
                node.span,
                format!("{what} is {found}, but the input is of type {wanted}"),
            );
            if kind == InputType::String {
                report.help("Put it in quotes to make it text.");
            } else {
                report.help(format!("Give a value of type {wanted}, or change `type`."));
            }
        }
        fits
    }
}
