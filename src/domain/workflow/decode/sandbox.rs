//! What commands ask to reach: `sandbox`, of a workflow or of a task.

use std::collections::BTreeSet;

use super::Decoder;
use crate::domain::sandbox::{Caches, GitAccess, Hosts, SandboxLimits, SandboxSpec, parse_bytes};
use crate::domain::workflow::codes::Code;
use crate::domain::workflow::keys;
use crate::domain::workflow::yaml::{Node, Resolved, Scalar};

impl Decoder<'_> {
    pub(super) fn sandbox(&mut self, node: &Node) -> SandboxSpec {
        let Some(fields) = self.fields(node, &keys::SANDBOX) else { return SandboxSpec::default() };
        SandboxSpec {
            network: fields.node("network").map(|node| self.hosts(node)),
            git: fields.node("git").and_then(|node| self.choice(node, &["read", "write"])).map(|git| match git {
                "write" => GitAccess::Write,
                _ => GitAccess::Read,
            }),
            writable: fields.node("writable").map(|node| self.paths(node)),
            readable: fields.node("readable").map(|node| self.paths(node)),
            env: fields.node("env").map(|node| self.pass_env(node).into_iter().collect()),
            caches: fields.node("caches").and_then(|node| self.choice(node, &["none", "read", "project"])).map(
                |caches| match caches {
                    "none" => Caches::None,
                    "project" => Caches::Project,
                    _ => Caches::Read,
                },
            ),
            limits: fields.node("limits").map(|node| self.sandbox_limits(node)).unwrap_or_default(),
        }
    }

    fn hosts(&mut self, node: &Node) -> Hosts {
        if node.as_scalar().is_some() {
            return match self.choice(node, &["none", "all"]) {
                Some("all") => Hosts::of(["*".to_owned()]),
                Some(_) | None => Hosts::default(),
            };
        }
        let mut patterns = Vec::new();
        for item in self.list(node) {
            let Some(pattern) = self.text(item) else { continue };
            match Hosts::problem(&pattern) {
                None => patterns.push(pattern),
                Some(problem) => {
                    self.problems
                        .error(Code::InvalidValue, item.span, format!("{pattern:?} names no host"))
                        .help(format!("Hosts are names or addresses, perhaps with a port: {problem}."));
                }
            }
        }
        Hosts::of(patterns)
    }

    fn paths(&mut self, node: &Node) -> BTreeSet<String> {
        self.list(node).iter().filter_map(|item| self.some_text(item, "the path")).collect()
    }

    fn sandbox_limits(&mut self, node: &Node) -> SandboxLimits {
        let Some(fields) = self.fields(node, &keys::SANDBOX_LIMITS) else { return SandboxLimits::default() };
        SandboxLimits {
            memory_bytes: fields.node("memory").and_then(|node| self.size(node)),
            cpu_seconds: fields.node("cpu_seconds").and_then(|node| self.integer(node, 1, u64::from(u32::MAX))),
            processes: fields.node("processes").and_then(|node| self.integer(node, 1, 4_194_304)),
            open_files: fields.node("open_files").and_then(|node| self.integer(node, 3, 1_048_576)),
            file_bytes: fields.node("file_size").and_then(|node| self.size(node)),
            scratch_bytes: fields.node("scratch").and_then(|node| self.size(node)),
        }
    }

    /// A number of bytes, or one with a unit.
    fn size(&mut self, node: &Node) -> Option<u64> {
        if let Some(Resolved::Text(text)) = node.as_scalar().map(Scalar::resolve) {
            let bytes = parse_bytes(text);
            if bytes.is_none() {
                self.problems
                    .error(Code::InvalidValue, node.span, format!("{text:?} is not a size"))
                    .help("Write a number of bytes, or one with a unit: `512MiB`, `8GiB`.");
            }
            return bytes;
        }
        self.integer(node, 0, i64::MAX as u64)
    }
}
