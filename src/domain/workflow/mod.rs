//! Workflow definitions: from a person's YAML to a validated, pinned [`Definition`], and the expressions inside it.
//!
//! Pipeline: `yaml` (text to a tree with positions) -> `decode` (tree to spec, every problem reported with its place) ->
//! `validate` (rules across tasks, cycles, what texts read) -> [`Definition`]; [`read`] runs it, children included.
//! `keys` is the table of the format, `schema` publishes it. `expressions` evaluates, `draw` and `diff` show.

mod codes;
mod data;
mod decode;
mod diagnostic;
mod diff;
mod draw;
mod expressions;
mod graph;
mod inputs;
mod keys;
mod near;
mod read;
mod schema;
mod snippet;
mod spec;
mod validate;
mod yaml;

pub use codes::{Code, Explanation, explain, explanations};
pub use data::read_data;
pub use diagnostic::{Diagnostic, Diagnostics, Note, Severity, Snippet};
pub use diff::{Change, Diff, diff};
pub use draw::{Status, dot, mermaid, svg, tree};
pub use expressions::{Context, ExpressionError, Expressions, Mentions, TaskValue, is_template, mentions};
pub use graph::Graph;
pub use inputs::{Given, InputProblem, bind};
pub use near::{did_you_mean, nearest};
pub use read::{Loader, NoChildren, Outside, read, read_beside};
pub use schema::workflow_schema;
pub use spec::{
    Action, AgentSpec, ApprovalSpec, BranchSpec, ChildSpec, Definition, EffectClass, ExternalSpec, HttpSpec,
    InputNumber, InputSpec, InputType, ItemGraph, Join, LandSpec, Limits, LoopBack, MergeSpec, ModelsSpec, OnTimeout,
    OutputFormat, PhaseSpec, ProviderSpec, RetryRules, TaskSpec, Timeouts, WaitSpec, WorkspaceKind,
};
pub use validate::graph_of;

#[cfg(test)]
mod tests;
