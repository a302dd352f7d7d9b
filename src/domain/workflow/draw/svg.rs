//! SVG with a plain layered layout: one column per level, tasks below each other, edges as curves.

use std::fmt::Write;

use super::{Picture, Status};
use crate::domain::workflow::spec::Definition;

const BOX_WIDTH: usize = 180;
const BOX_HEIGHT: usize = 40;
const GAP_X: usize = 60;
const GAP_Y: usize = 16;
const MARGIN: usize = 24;

/// A self-contained SVG: no script, no font or image from elsewhere.
pub fn svg(definition: &Definition, status: Option<Status<'_>>) -> String {
    let picture = Picture::new(definition, status);
    let columns = picture.columns();
    let mut rows_used = vec![0usize; columns.iter().max().map_or(0, |most| most + 1)];
    let places: Vec<(usize, usize)> = columns
        .iter()
        .map(|column| {
            let row = rows_used[*column];
            rows_used[*column] += 1;
            (MARGIN + column * (BOX_WIDTH + GAP_X), 2 * MARGIN + row * (BOX_HEIGHT + GAP_Y))
        })
        .collect();
    let width = 2 * MARGIN + rows_used.len() * (BOX_WIDTH + GAP_X);
    let height = 3 * MARGIN + rows_used.iter().max().unwrap_or(&0) * (BOX_HEIGHT + GAP_Y);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\">\n<title>{}</title>\n{STYLE}",
        escape(&definition.name)
    );
    for (from, to) in &picture.edges {
        let (x1, y1) = (places[*from].0 + BOX_WIDTH, places[*from].1 + BOX_HEIGHT / 2);
        let (x2, y2) = (places[*to].0, places[*to].1 + BOX_HEIGHT / 2);
        let bend = GAP_X / 2;
        line(
            &mut out,
            format_args!("<path class=\"edge\" d=\"M{x1} {y1} C{} {y1} {} {y2} {x2} {y2}\"/>", x1 + bend, x2 - bend),
        );
    }
    for (drawn, (x, y)) in picture.tasks.iter().zip(&places) {
        let state = drawn.status.map_or_else(String::new, |status| format!(", {status}"));
        let detail = format!("{} in {}{state}", drawn.task.doing(), drawn.phase);
        line(
            &mut out,
            format_args!(
                "<g class=\"{}\"><title>{}: {}</title>",
                drawn.tone(),
                escape(&drawn.task.name),
                escape(&detail)
            ),
        );
        line(
            &mut out,
            format_args!("<rect x=\"{x}\" y=\"{y}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"6\"/>"),
        );
        let label = escape(&super::cut(&drawn.task.name, 24));
        line(&mut out, format_args!("<text x=\"{}\" y=\"{}\">{label}</text>", x + 10, y + 17));
        line(
            &mut out,
            format_args!("<text class=\"small\" x=\"{}\" y=\"{}\">{}</text></g>", x + 10, y + 32, escape(&detail)),
        );
    }
    if picture.hidden > 0 {
        line(
            &mut out,
            format_args!("<text x=\"{MARGIN}\" y=\"{}\">... and {} more tasks</text>", height - 8, picture.hidden),
        );
    }
    out += "</svg>\n";
    out
}

const STYLE: &str = "<style>text{font:13px system-ui,sans-serif;fill:#1f2328}.small{font-size:10px;fill:#57606a}\
.edge{fill:none;stroke:#8c959f;stroke-width:1.5}rect{stroke:#57606a;fill:#f6f8fa}.active rect{stroke:#0969da;fill:#ddf4ff}\
.done rect{stroke:#1a7f37;fill:#dafbe1}.failed rect{stroke:#cf222e;fill:#ffebe9}.off rect{stroke:#8c959f;fill:#eaeef2}\
</style>\n";

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing to a String cannot fail");
}
