//! Columns that line up. Cells are measured by characters, tones do not count.

use super::terminal::{Terminal, Tone};

/// A cell.
pub type Cell = (Tone, String);

/// The rows with their columns as wide as their widest cell; the last column is not padded.
pub fn lines(terminal: &Terminal, rows: &[Vec<Cell>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|(_, text)| text.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<Cell>| {
        let mut line = String::new();
        for (at, (tone, text)) in row.iter().enumerate() {
            line += &terminal.paint(*tone, text);
            if row[at + 1..].iter().any(|(_, text)| !text.is_empty()) {
                line += &" ".repeat(widths[at] - text.chars().count() + 2);
            }
        }
        line
    };
    rows.iter().map(line).collect()
}

/// Aligns every column but the first to the right: for numbers under a head.
pub fn right(mut rows: Vec<Vec<Cell>>) -> Vec<Vec<Cell>> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    for column in 1..columns {
        let chars = |row: &Vec<Cell>| row.get(column).map_or(0, |(_, text)| text.chars().count());
        let width = rows.iter().map(chars).max().unwrap_or(0);
        for (_, text) in rows.iter_mut().filter_map(|row| row.get_mut(column)) {
            *text = format!("{text:>width$}");
        }
    }
    rows
}

/// A cell in no tone.
pub fn plain(text: impl Into<String>) -> Cell {
    (Tone::Plain, text.into())
}
