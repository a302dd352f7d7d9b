//! Where a client is that follows all projects: the position in each one that is not told to its end, and a moment. A project
//! that is not named and was created at that moment or before has been told to its end.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use crate::domain::ids::{ProjectId, Seq};
use crate::domain::limits;
use crate::domain::time::Millis;

/// The version that a cursor begins with.
const VERSION: &str = "1";

/// The position over all projects. As text, `1:MOMENT:ID=SEQ,...`; clients need not understand it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cursor {
    /// The moment.
    pub since: Millis,
    /// What was told last of each project that is not named otherwise.
    pub at: BTreeMap<ProjectId, Seq>,
}

impl Cursor {
    /// Reads a cursor; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (version, rest) = text.split_once(':')?;
        let (since, projects) = rest.split_once(':')?;
        if version != VERSION {
            return None;
        }
        let mut cursor = Self { since: Millis(since.parse().ok()?), at: BTreeMap::new() };
        for pair in projects.split(',').filter(|pair| !pair.is_empty()) {
            let (id, seq) = pair.split_once('=')?;
            cursor.at.insert(ProjectId::new(id).ok()?, Seq(seq.parse().ok()?));
            if cursor.at.len() > limits::STREAM_CURSOR_PROJECTS {
                return None;
            }
        }
        Some(cursor)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION}:{}:", self.since.0)?;
        for (at, (id, seq)) in self.at.iter().enumerate() {
            if at > 0 {
                f.write_char(',')?;
            }
            write!(f, "{id}={seq}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_as_text_and_nonsense_is_refused() {
        let at = [("a-1", 7), ("b", 1)].map(|(id, seq)| (ProjectId::new(id).unwrap(), Seq(seq)));
        let cursor = Cursor { since: Millis(42), at: at.into() };
        assert_eq!(cursor.to_string(), "1:42:a-1=7,b=1");
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        assert_eq!(Cursor::parse("1:0:"), Some(Cursor::default()));
        for bad in ["", "x", "2:0:", "1:x:", "1:0:A=1", "1:0:a=-1", "1:0:a"] {
            assert_eq!(Cursor::parse(bad), None, "{bad:?}");
        }
        let many = |count: usize| -> String { (0..count).map(|n| format!("p{n}=1,")).collect() };
        assert!(Cursor::parse(&format!("1:0:{}", many(limits::STREAM_CURSOR_PROJECTS))).is_some());
        assert!(Cursor::parse(&format!("1:0:{}", many(limits::STREAM_CURSOR_PROJECTS + 1))).is_none());
    }
}
