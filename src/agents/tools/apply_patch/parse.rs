//! Patches as text: the envelope form (`*** Begin Patch`) and unified diffs, as models write them. Pure. Line numbers and counts
//! of a unified diff are taken as hints only: models count badly.

/// What happens to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileChange {
    pub(super) path: String,
    pub(super) change: Change,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Add(String),
    Delete,
    Update { to: Option<String>, hunks: Vec<Hunk> },
}

/// A piece of a file that changes, with lines around it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Hunk {
    /// A line that stands somewhere before it.
    pub(super) anchor: Option<String>,
    /// Its first line in the old file, from 1: about.
    pub(super) line: Option<usize>,
    pub(super) pieces: Vec<Piece>,
    /// It reaches the end of the file.
    pub(super) at_end: bool,
    /// The text said of a line that the file ends with it and without a line end.
    pub(super) says_no_end: bool,
}

/// One line of a hunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Keep(String),
    Remove(String),
    /// `bare`: without a line end, at the end of the file.
    Insert {
        text: String,
        bare: bool,
    },
}

/// Reads a patch in either form. The error says which line is wrong and what was expected.
pub(super) fn parse(patch: &str) -> Result<Vec<FileChange>, String> {
    let patch = unfenced(patch);
    let lines: Vec<&str> = patch.lines().collect();
    let changes = match lines.iter().position(|line| line.trim_end() == "*** Begin Patch") {
        Some(begin) => envelope(&lines, begin + 1)?,
        None if lines.iter().any(|line| line.starts_with("--- ") || line.starts_with("diff --git ")) => {
            unified(&lines)?
        }
        None => return Err("it is neither a unified diff nor does it start with `*** Begin Patch`".to_owned()),
    };
    if changes.is_empty() { Err("it changes no file".to_owned()) } else { Ok(changes) }
}

/// The patch without a code fence around it.
fn unfenced(patch: &str) -> &str {
    let trimmed = patch.trim();
    let inner = trimmed.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    inner.and_then(|inner| inner.split_once('\n')).map_or(patch, |(_, body)| body)
}

fn envelope(lines: &[&str], begin: usize) -> Result<Vec<FileChange>, String> {
    let mut changes: Vec<FileChange> = Vec::new();
    let mut blanks = 0;
    for (at, line) in lines.iter().enumerate().skip(begin) {
        let number = at + 1;
        let headed = |name: &str| line.strip_prefix(name).map(|path| path.trim().to_owned());
        if line.trim_end() == "*** End Patch" {
            for change in &mut changes {
                if let Change::Update { hunks, .. } = &mut change.change {
                    without_blank_ends(hunks);
                }
            }
            return Ok(changes);
        } else if let Some(path) = headed("*** Add File:") {
            changes.push(FileChange { path, change: Change::Add(String::new()) });
            blanks = 0;
        } else if let Some(path) = headed("*** Delete File:") {
            changes.push(FileChange { path, change: Change::Delete });
        } else if let Some(path) = headed("*** Update File:") {
            changes.push(FileChange { path, change: Change::Update { to: None, hunks: Vec::new() } });
        } else if let Some(path) = headed("*** Move to:") {
            match changes.last_mut().map(|last| &mut last.change) {
                Some(Change::Update { to, hunks }) if hunks.is_empty() => *to = Some(path),
                _ => return Err(format!("line {number}: `*** Move to:` belongs right after `*** Update File:`")),
            }
        } else {
            match changes.last_mut().map(|last| &mut last.change) {
                Some(Change::Add(text)) => add_line(text, line, number, &mut blanks)?,
                Some(Change::Update { hunks, .. }) => hunk_line(hunks, line, number)?,
                Some(Change::Delete) | None if line.trim().is_empty() => {}
                Some(Change::Delete) | None => {
                    return Err(format!(
                        "line {number}: expected `*** Add File:`, `*** Update File:` or `*** Delete File:`, not `{line}`"
                    ));
                }
            }
        }
    }
    Err("it does not end with `*** End Patch`; it may have been cut off".to_owned())
}

/// A line of a new file. Blank ones often lose their `+`; at the end they only set sections apart.
fn add_line(text: &mut String, line: &str, number: usize, blanks: &mut usize) -> Result<(), String> {
    if let Some(added) = line.strip_prefix('+') {
        text.push_str(&"\n".repeat(std::mem::take(blanks)));
        text.push_str(added);
        text.push('\n');
    } else if line.trim().is_empty() {
        *blanks += 1;
    } else {
        return Err(format!("line {number}: each line of a new file begins with `+`"));
    }
    Ok(())
}

fn hunk_line(hunks: &mut Vec<Hunk>, line: &str, number: usize) -> Result<(), String> {
    if let Some(rest) = line.strip_prefix("@@") {
        let rest = rest.trim();
        let mut hunk = Hunk { line: old_start(rest), ..Hunk::default() };
        if hunk.line.is_none() && !rest.is_empty() && rest != "@@" {
            hunk.anchor = Some(rest.strip_suffix("@@").unwrap_or(rest).trim().to_owned());
        }
        hunks.push(hunk);
        return Ok(());
    }
    if hunks.is_empty() {
        if line.trim().is_empty() {
            return Ok(());
        }
        hunks.push(Hunk::default());
    }
    let hunk = hunks.last_mut().expect("one was just made if there was none");
    if line.trim_end() == "*** End of File" {
        hunk.at_end = true;
        return Ok(());
    }
    if line.starts_with('\\') {
        hunk.says_no_end = true;
        if let Some(Piece::Insert { bare, .. }) = hunk.pieces.last_mut() {
            *bare = true;
        }
        return Ok(());
    }
    let mut letters = line.chars();
    let piece = match letters.next() {
        None => Piece::Keep(String::new()),
        Some(' ') => Piece::Keep(letters.as_str().to_owned()),
        Some('-') => Piece::Remove(letters.as_str().to_owned()),
        Some('+') => Piece::Insert { text: letters.as_str().to_owned(), bare: false },
        Some(_) => {
            return Err(format!("line {number}: a line of a hunk begins with a blank, `-` or `+`, not `{line}`"));
        }
    };
    hunk.pieces.push(piece);
    Ok(())
}

/// The line of the old file in `-12,3 +12,4 @@ ...`.
fn old_start(header: &str) -> Option<usize> {
    let (old, rest) = header.strip_prefix('-')?.split_once(' ')?;
    rest.starts_with('+').then_some(())?;
    old.split(',').next()?.parse().ok()
}

/// The head of one file in a unified diff.
#[derive(Default)]
struct Head {
    old: Option<String>,
    new: Option<String>,
    from: Option<String>,
    to: Option<String>,
    hunks: Vec<Hunk>,
    began: bool,
}

fn unified(lines: &[&str]) -> Result<Vec<FileChange>, String> {
    let mut changes = Vec::new();
    let mut head = Head::default();
    for (at, line) in lines.iter().enumerate() {
        let number = at + 1;
        let next = |by: usize| lines.get(at + by).copied().unwrap_or_default();
        let in_hunk = !head.hunks.is_empty();
        if line.starts_with("diff --git ") {
            head.finish(&mut changes)?;
            head.began = true;
        } else if line.starts_with("--- ") && next(1).starts_with("+++ ") && (!in_hunk || next(2).starts_with("@@")) {
            if in_hunk || head.old.is_some() {
                head.finish(&mut changes)?;
            }
            (head.began, head.old) = (true, name(&line[4..]));
        } else if line.starts_with("+++ ") && !in_hunk {
            head.new = name(&line[4..]);
        } else if in_hunk || line.starts_with("@@") {
            if head.old.is_none() && head.new.is_none() {
                return Err(format!("line {number}: a hunk before any `--- ` and `+++ ` lines"));
            }
            hunk_line(&mut head.hunks, line, number)?;
        } else if let Some(path) = line.strip_prefix("rename from ") {
            head.from = Some(path.trim().to_owned());
        } else if let Some(path) = line.strip_prefix("rename to ") {
            head.to = Some(path.trim().to_owned());
        } else if line.starts_with("Binary files ") || line.starts_with("GIT binary patch") {
            return Err(format!("line {number}: a binary file cannot be patched"));
        } else if line.starts_with("new file mode 120000") || line.starts_with("copy from ") {
            return Err(format!("line {number}: symbolic links and copies cannot be made by a patch"));
        }
    }
    head.finish(&mut changes)?;
    Ok(changes)
}

impl Head {
    /// Ends a file and starts with the next one.
    fn finish(&mut self, changes: &mut Vec<FileChange>) -> Result<(), String> {
        let Self { old, new, from, to, mut hunks, began } = std::mem::take(self);
        if !began {
            return Ok(());
        }
        for hunk in &mut hunks {
            hunk.line = hunk.line.filter(|line| *line > 0);
        }
        without_blank_ends(&mut hunks);
        let change = match (from, to, old.as_deref(), new.as_deref()) {
            (Some(from), Some(to), ..) => FileChange { path: from, change: Change::Update { to: Some(to), hunks } },
            (.., Some(NOTHING), Some(NOTHING)) | (.., None, _) | (.., None) => {
                return Err("a file of the unified diff has no `--- ` and `+++ ` lines with its name".to_owned());
            }
            (.., Some(NOTHING), Some(path)) => {
                FileChange { path: bare(path, "b/"), change: Change::Add(added(&hunks)?) }
            }
            (.., Some(path), Some(NOTHING)) => FileChange { path: bare(path, "a/"), change: Change::Delete },
            (.., Some(old), Some(new)) => {
                let (old, new) = match (old.strip_prefix("a/"), new.strip_prefix("b/")) {
                    (Some(old), Some(new)) => (old, new),
                    _ => (old, new),
                };
                let to = (old != new).then(|| new.to_owned());
                FileChange { path: old.to_owned(), change: Change::Update { to, hunks } }
            }
        };
        changes.push(change);
        Ok(())
    }
}

/// Blank lines that set hunks and files apart look like unchanged lines; at the end of a hunk none is needed.
fn without_blank_ends(hunks: &mut [Hunk]) {
    for hunk in hunks {
        while matches!(hunk.pieces.last(), Some(Piece::Keep(text)) if text.is_empty()) {
            hunk.pieces.pop();
        }
    }
}

const NOTHING: &str = "/dev/null";

/// The name in a `--- ` or `+++ ` line, without the time that may follow a tab.
fn name(text: &str) -> Option<String> {
    let name = text.split('\t').next().unwrap_or_default().trim_end();
    (!name.is_empty()).then(|| name.to_owned())
}

fn bare(path: &str, prefix: &str) -> String {
    path.strip_prefix(prefix).unwrap_or(path).to_owned()
}

/// The content of a file that was not there.
fn added(hunks: &[Hunk]) -> Result<String, String> {
    let mut text = String::new();
    for piece in hunks.iter().flat_map(|hunk| &hunk.pieces) {
        match piece {
            Piece::Insert { text: line, bare } => {
                text.push_str(line);
                text.push_str(if *bare { "" } else { "\n" });
            }
            Piece::Keep(_) | Piece::Remove(_) => return Err("a new file has only lines that begin with `+`".to_owned()),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(text: &str) -> Piece {
        Piece::Insert { text: text.into(), bare: false }
    }

    #[test]
    fn the_envelope_form() {
        let patch = "Here it is:\n*** Begin Patch\n*** Add File: a b.txt\n+one\n\n+two\n\n*** Update File: c\n*** Move to: d\n@@ fn x()\n keep\n\
                     -old\n+new\n\n@@\n+last\n*** End of File\n*** Delete File: e\n*** End Patch\n";
        let hunks = vec![
            Hunk {
                anchor: Some("fn x()".into()),
                pieces: vec![Piece::Keep("keep".into()), Piece::Remove("old".into()), insert("new")],
                ..Hunk::default()
            },
            Hunk { pieces: vec![insert("last")], at_end: true, ..Hunk::default() },
        ];
        let expected = [
            FileChange { path: "a b.txt".into(), change: Change::Add("one\n\ntwo\n".into()) },
            FileChange { path: "c".into(), change: Change::Update { to: Some("d".into()), hunks } },
            FileChange { path: "e".into(), change: Change::Delete },
        ];
        assert_eq!(parse(patch).unwrap(), expected);
    }

    #[test]
    fn unified_diffs() {
        let patch = "diff --git a/x b/x\nindex 1..2 100644\n--- a/x\t2026-01-01\n+++ b/x\n@@ -3,2 +3,2 @@ fn f\n keep\n--- removed\n+++ added\n\
                     \\ No newline at end of file\n\n--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+hi\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n\
                     diff --git a/p b/q\nrename from p\nrename to q\n";
        let hunk = Hunk {
            line: Some(3),
            pieces: vec![
                Piece::Keep("keep".into()),
                Piece::Remove("-- removed".into()),
                Piece::Insert { text: "++ added".into(), bare: true },
            ],
            says_no_end: true,
            ..Hunk::default()
        };
        let expected = [
            FileChange { path: "x".into(), change: Change::Update { to: None, hunks: vec![hunk] } },
            FileChange { path: "new".into(), change: Change::Add("hi\n".into()) },
            FileChange { path: "gone".into(), change: Change::Delete },
            FileChange { path: "p".into(), change: Change::Update { to: Some("q".into()), hunks: vec![] } },
        ];
        assert_eq!(parse(patch).unwrap(), expected);
        assert_eq!(parse(&format!("```diff\n{patch}```")).unwrap(), expected);
    }

    #[test]
    fn what_is_no_patch_is_told_with_its_line() {
        let told = |patch: &str| parse(patch).unwrap_err();
        assert!(told("sed -i s/a/b/ x").contains("neither a unified diff"));
        assert!(told("*** Begin Patch\n*** Add File: x\n+a\n").contains("cut off"));
        assert!(told("*** Begin Patch\n*** End Patch").contains("no file"));
        assert!(told("*** Begin Patch\n*** Add File: x\na\n*** End Patch").starts_with("line 3: "));
        assert!(told("*** Begin Patch\n*** Update File: x\n@@\n*bad\n*** End Patch").starts_with("line 4: "));
        assert!(told("*** Begin Patch\nhello\n*** End Patch").starts_with("line 2: "));
        assert!(told("--- a/x\n@@ -1 +1 @@\n-a\n+b\n").contains("line 2"));
        assert!(told("diff --git a/x b/x\nBinary files a/x and b/x differ\n").contains("binary"));
        assert!(told("diff --git a/x b/x\nnew file mode 120000\n").contains("symbolic links"));
    }
}
