//! `retry:`: policies, each saying only what differs from the one around it.

use std::collections::BTreeSet;

use super::{Decoder, Fields};
use crate::domain::failure::FailureClass;
use crate::domain::limits;
use crate::domain::retry::{OnExhausted, RetryPolicy};
use crate::domain::workflow::codes::Code;
use crate::domain::workflow::keys;
use crate::domain::workflow::near::{did_you_mean, listed};
use crate::domain::workflow::spec::RetryRules;
use crate::domain::workflow::yaml::{Node, Resolved, Scalar};

impl Decoder<'_> {
    /// The rules of `node` over those around it.
    pub(super) fn retry(&mut self, node: &Node, around: &RetryRules) -> RetryRules {
        let mut rules = around.clone();
        let Some(fields) = self.fields(node, &keys::RETRY) else { return rules };
        self.policy(&fields, &mut rules.all);
        for inherited in [&mut rules.running, &mut rules.validating].into_iter().flatten() {
            // The task's general wish is newer than the workflow's special one. Problems are reported once, above.
            let before = self.problems.errors();
            if before == 0 {
                self.policy(&fields, inherited);
            }
        }
        let Some(transitions) = fields.node("transitions").and_then(|node| self.fields(node, &keys::TRANSITION)) else {
            return rules;
        };
        for (key, own) in
            [("running -> completed", &mut rules.running), ("validating -> completed", &mut rules.validating)]
        {
            let Some(fields) = transitions.node(key).and_then(|node| self.fields(node, &keys::POLICY)) else {
                continue;
            };
            let mut policy = own.take().unwrap_or_else(|| rules.all.clone());
            self.policy(&fields, &mut policy);
            *own = Some(policy);
        }
        rules
    }

    /// Replaces what the fields say. `POLICY`'s keys are a part of `RETRY`'s.
    fn policy(&mut self, fields: &Fields<'_>, policy: &mut RetryPolicy) {
        if let Some(attempts) = fields.node("max_attempts").and_then(|node| self.small(node, 1, limits::RETRY_ATTEMPTS))
        {
            policy.max_attempts = attempts;
        }
        if let Some(ms) = fields.node("initial").and_then(|node| self.duration(node)) {
            policy.initial_ms = ms;
        }
        if let Some(factor) = fields.node("factor").and_then(|node| self.number(node, 1.0, 100.0)) {
            policy.factor_percent = (factor * 100.0).round() as u32;
        }
        if let Some(ms) = fields.node("max_interval").and_then(|node| self.duration(node)) {
            policy.max_interval_ms = ms;
        }
        if let Some(percent) = fields.node("jitter").and_then(|node| self.jitter(node)) {
            policy.jitter_percent = percent;
        }
        if let Some(ms) = fields.node("max_elapsed").and_then(|node| self.duration(node)) {
            policy.max_elapsed_ms = Some(ms);
        }
        if let Some(node) = fields.node("never") {
            policy.never = self.classes(node);
        }
        if let Some(node) = fields.node("also") {
            policy.also = self.classes(node);
        }
        let exhausted = fields.node("on_exhausted").and_then(|node| self.choice(node, &["pause", "fail", "continue"]));
        match exhausted {
            Some("fail") => policy.on_exhausted = OnExhausted::Fail,
            Some("continue") => policy.on_exhausted = OnExhausted::Continue,
            Some(_) => policy.on_exhausted = OnExhausted::Pause,
            None => {}
        }
    }

    /// A share of 1 when it has a point, else percent.
    fn jitter(&mut self, node: &Node) -> Option<u32> {
        match node.as_scalar().map(Scalar::resolve) {
            Some(Resolved::Int(_)) => self.small(node, 0, 100),
            Some(Resolved::Text(text)) if text.ends_with('%') => {
                let percent = text.trim_end_matches('%').trim().parse().ok().filter(|percent| *percent <= 100);
                if percent.is_none() {
                    self.out_of_range(node.span, &format!("`{text}`"), "0%", "100%");
                }
                percent
            }
            _ => self.number(node, 0.0, 1.0).map(|share| (share * 100.0).round() as u32),
        }
    }

    fn classes(&mut self, node: &Node) -> BTreeSet<FailureClass> {
        let mut classes = BTreeSet::new();
        for item in self.one_or_many(node) {
            let Some(name) = self.scalar_text(item) else { continue };
            match name.parse() {
                Ok(class) => {
                    classes.insert(class);
                }
                Err(()) => {
                    let names = || FailureClass::ALL.iter().map(|class| class.name());
                    let help = did_you_mean(&name, names())
                        .unwrap_or_else(|| format!("The classes are {}.", listed(names(), "and")));
                    self.problems
                        .error(Code::UnknownClass, item.span, format!("{name:?} is not a class of failures"))
                        .help(help);
                }
            }
        }
        classes
    }
}
