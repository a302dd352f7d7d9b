//! Workflow definitions: from a person's YAML to a validated, pinned [`Definition`], and the expressions inside it.
//!
//! Pipeline: `yaml` (text to a tree with positions) -> `decode` (tree to spec, every problem reported with its place) ->
//! `validate` (rules across fields, cycles) -> [`Definition`]. `schema` publishes the shape, `expressions` evaluates.

mod spec;

pub use spec::{
    Action, ApprovalSpec, BranchSpec, ChildSpec, Definition, EffectClass, ExternalSpec, HttpSpec, InputSpec, InputType,
    Limits, LoopBack, OnTimeout, OutputFormat, PhaseSpec, RetryRules, TaskSpec, Timeouts, WaitSpec, WorkspaceKind,
};
