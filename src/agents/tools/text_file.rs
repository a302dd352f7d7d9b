//! A file as tools see it: text, or the reason why it is none. Pure but for the reading.

use super::ToolFault;
use crate::domain::limits;
use crate::workspace::boundary::{Boundary, Error, RelPath};

/// How much of a file is looked at to tell text from binary; git looks at as much.
const SNIFFED_BYTES: usize = 8_000;

/// How the lines of a text end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endings {
    /// `\n`, or there is no line end.
    Lf,
    /// `\r\n` throughout.
    Crlf,
    /// Both.
    Mixed,
}

impl Endings {
    pub(super) fn of(text: &str) -> Self {
        let all = text.bytes().filter(|byte| *byte == b'\n').count();
        let with_return = text.matches("\r\n").count();
        match with_return {
            0 => Self::Lf,
            n if n == all => Self::Crlf,
            _ => Self::Mixed,
        }
    }
}

/// What a binary file probably is, by its first bytes.
pub(super) fn guess(content: &[u8]) -> Option<&'static str> {
    const MAGIC: &[(&[u8], &str)] = &[
        (b"\x7fELF", "an ELF program or library"),
        (b"\x89PNG", "a PNG image"),
        (b"\xff\xd8\xff", "a JPEG image"),
        (b"GIF8", "a GIF image"),
        (b"%PDF", "a PDF document"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x1f\x8b", "gzip data"),
        (b"\x28\xb5\x2f\xfd", "zstd data"),
        (b"\xfd7zXZ", "xz data"),
        (b"SQLite format 3", "an SQLite database"),
        (b"\0asm", "a WebAssembly module"),
        (b"\xff\xfe", "UTF-16 text"),
        (b"\xfe\xff", "UTF-16 text"),
    ];
    if let Some((_, what)) = MAGIC.iter().find(|(magic, _)| content.starts_with(magic)) {
        return Some(what);
    }
    content[..content.len().min(SNIFFED_BYTES)].contains(&0).then_some("binary data")
}

/// Reads a file whole; a binary one is refused with its size and what it probably is.
pub(super) fn read(boundary: &Boundary, path: &RelPath) -> Result<Vec<u8>, ToolFault> {
    let content = match boundary.read(path, limits::TOOL_FILE_BYTES) {
        Ok(content) => content,
        Err(Error::TooLarge { bytes, most, .. }) => {
            let head = boundary.read_range(path, 0, SNIFFED_BYTES as u64)?;
            let what = guess(&head).unwrap_or("text");
            return Err(ToolFault::Told(format!(
                "`{path}` has {bytes} bytes ({what}), more than the {most} that tools take; use run_command to look at a part of it"
            )));
        }
        Err(error) => return Err(error.into()),
    };
    match guess(&content) {
        Some(what) => Err(ToolFault::Told(format!("`{path}` is {what} of {} bytes, not text", content.len()))),
        None => Ok(content),
    }
}

/// Reads a file that is to be changed: it must be UTF-8, or what is not would be lost.
pub(super) fn read_utf8(boundary: &Boundary, path: &RelPath) -> Result<String, ToolFault> {
    String::from_utf8(read(boundary, path)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        ToolFault::Told(format!(
            "`{path}` is not UTF-8 (byte {at}), so it cannot be edited as text without damage; use run_command"
        ))
    })
}

/// A small unified diff of a change, at most [`limits::TOOL_DIFF_LINES`] lines.
pub(super) fn diff(old: &str, new: &str) -> String {
    const CONTEXT_LINES: usize = 3;
    let diff = similar::TextDiff::configure().algorithm(similar::Algorithm::Patience).diff_lines(old, new);
    let text = diff.unified_diff().context_radius(CONTEXT_LINES).to_string();
    let lines = text.lines().count();
    if lines <= limits::TOOL_DIFF_LINES {
        return text;
    }
    let shown: Vec<&str> = text.lines().take(limits::TOOL_DIFF_LINES).collect();
    format!("{}\n({} more lines of the diff are left out)\n", shown.join("\n"), lines - limits::TOOL_DIFF_LINES)
}

/// The last place at or before `at` where `text` can be cut.
pub(super) fn cut_before(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The first place at or behind `at` where `text` can be cut.
pub(super) fn cut_behind(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

/// Lines of a text as people count them: a last one without a line end counts.
pub(super) fn line_count(text: &str) -> usize {
    text.lines().count()
}

/// `1 line`, `2 lines`.
pub(super) fn lines_of(count: usize) -> String {
    if count == 1 { "1 line".to_owned() } else { format!("{count} lines") }
}
