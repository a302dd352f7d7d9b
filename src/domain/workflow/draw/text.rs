//! Pictures as text: a tree for terminals, mermaid for Markdown, dot for Graphviz.

use std::fmt::Write;

use super::{Picture, Status};
use crate::domain::workflow::spec::Definition;

/// A tree by phase, each task with what it does and needs.
pub fn tree(definition: &Definition, status: Option<Status<'_>>) -> String {
    let picture = Picture::new(definition, status);
    let mut out = format!("{}\n", super::cut(&definition.name, 80));
    let phases = definition.phases.len();
    for (at, spec) in definition.phases.iter().enumerate() {
        let last_phase = at + 1 == phases;
        let (branch, bar) = if last_phase { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let mut notes = String::new();
        if spec.approval.is_some() {
            notes += ", then approval";
        }
        if let Some(back) = spec.loop_back {
            notes += &format!(", on failure back to {} (at most {})", back.goto, back.max);
        }
        line(&mut out, format_args!("{branch}{}{notes}", spec.phase));
        let in_phase: Vec<_> = picture.tasks.iter().filter(|drawn| drawn.phase == spec.phase).collect();
        for (position, drawn) in in_phase.iter().enumerate() {
            let leaf = if position + 1 == in_phase.len() { "└─" } else { "├─" };
            let needs = if drawn.task.needs.is_empty() {
                String::new()
            } else {
                format!(" ← {}", super::cut(&drawn.task.needs.join(", "), 60))
            };
            let state = drawn.status.map(|status| format!(" [{status}]")).unwrap_or_default();
            line(&mut out, format_args!("{bar}{leaf} {} ({}){state}{needs}", drawn.label(), drawn.task.doing()));
        }
    }
    if picture.hidden > 0 {
        line(&mut out, format_args!("... and {} more tasks", picture.hidden));
    }
    out
}

/// A mermaid flow chart, one subgraph per phase.
pub fn mermaid(definition: &Definition, status: Option<Status<'_>>) -> String {
    let picture = Picture::new(definition, status);
    let mut out = String::from("flowchart LR\n");
    for spec in &definition.phases {
        line(&mut out, format_args!("  subgraph {}", spec.phase));
        for (ix, drawn) in picture.tasks.iter().enumerate().filter(|(_, drawn)| drawn.phase == spec.phase) {
            let label =
                format!("{}: {}", drawn.label(), drawn.task.doing()).replace('"', "#quot;").replace('<', "#lt;");
            line(&mut out, format_args!("    t{ix}[\"{label}\"]:::{}", drawn.tone()));
        }
        line(&mut out, format_args!("  end"));
    }
    for (from, to) in &picture.edges {
        line(&mut out, format_args!("  t{from} --> t{to}"));
    }
    for pair in definition.phases.windows(2) {
        line(&mut out, format_args!("  {} ==> {}", pair[0].phase, pair[1].phase));
    }
    for spec in &definition.phases {
        if let Some(back) = spec.loop_back {
            line(&mut out, format_args!("  {} -. \"at most {}\" .-> {}", spec.phase, back.max, back.goto));
        }
    }
    out += "  classDef plain fill:#f6f8fa,stroke:#57606a,color:#1f2328\n  classDef active fill:#ddf4ff,stroke:#0969da,color:#1f2328\n";
    out += "  classDef done fill:#dafbe1,stroke:#1a7f37,color:#1f2328\n  classDef failed fill:#ffebe9,stroke:#cf222e,color:#1f2328\n";
    out += "  classDef off fill:#eaeef2,stroke:#8c959f,color:#656d76\n";
    out
}

/// A Graphviz digraph, one cluster per phase.
pub fn dot(definition: &Definition, status: Option<Status<'_>>) -> String {
    let picture = Picture::new(definition, status);
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut out = format!(
        "digraph {} {{\n  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\"];\n",
        quoted(&definition.name)
    );
    for spec in &definition.phases {
        line(&mut out, format_args!("  subgraph \"cluster_{0}\" {{\n    label=\"{0}\";", spec.phase));
        for (ix, drawn) in picture.tasks.iter().enumerate().filter(|(_, drawn)| drawn.phase == spec.phase) {
            let fill = match drawn.tone() {
                "done" => "#dafbe1",
                "failed" => "#ffebe9",
                "active" => "#ddf4ff",
                "off" => "#eaeef2",
                _ => "#f6f8fa",
            };
            line(&mut out, format_args!("    t{ix} [label={}, fillcolor=\"{fill}\"];", quoted(&drawn.label())));
        }
        line(&mut out, format_args!("  }}"));
    }
    for (from, to) in &picture.edges {
        line(&mut out, format_args!("  t{from} -> t{to};"));
    }
    out += "}\n";
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing to a String cannot fail");
}
