//! A walk over the files below a folder, in name order, without what `.gitignore` files leave out. Links are never followed;
//! the folders are entered by their handles, so a folder that becomes a link on the way is not entered.

use std::ffi::OsString;
use std::io::Read as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::{Boundary, Error, Facts, Kind, RelPath, enter, facts_of, open_regular, path};
use crate::domain::limits;

/// Whether ignored files are visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// They are left out.
    Skip,
    /// They are visited as well.
    Visit,
}

/// What a walk shows at each entry.
pub struct Visited<'v> {
    /// Relative to the root; may hold names that are not UTF-8.
    pub path: &'v Path,
    /// What it is.
    pub facts: Facts,
    /// 1 for what is directly in the folder that the walk began at.
    pub depth: usize,
    folder: &'v Dir,
    name: &'v OsString,
}

impl Visited<'_> {
    /// The path for people.
    pub fn shown(&self) -> String {
        path::escaped(self.path.as_os_str())
    }

    /// The content of a regular file, at most `most_bytes`; `None` when it is larger, not regular or gone by now.
    pub fn read(&self, most_bytes: u64) -> Option<Vec<u8>> {
        let (file, bytes) = open_regular(self.folder, self.name, &RelPath::root()).ok()?;
        if bytes > most_bytes {
            return None;
        }
        let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        file.take(most_bytes + 1).read_to_end(&mut content).ok()?;
        (content.len() as u64 <= most_bytes).then_some(content)
    }
}

/// How a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Walked {
    /// Entries seen.
    pub entries: usize,
    /// Entries left out because a `.gitignore` says so.
    pub ignored: usize,
    /// Stopped at [`limits::TOOL_WALK_ENTRIES`].
    pub cut: bool,
    /// Folders not entered: too deep or not readable.
    pub closed: usize,
}

/// What a visitor says after a folder or a file.
pub type Step = ControlFlow<(), Enter>;

/// Whether a folder that was just visited is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enter {
    /// Yes; of no meaning for a file.
    Yes,
    /// No.
    No,
}

impl Boundary {
    /// Visits everything below the folder `start`, folders before what is in them, each folder in name order.
    pub fn walk(
        &self,
        start: &RelPath,
        ignored: Ignored,
        visit: &mut dyn FnMut(&Visited<'_>) -> Step,
    ) -> Result<Walked, Error> {
        self.walk_at_most(start, ignored, limits::TOOL_WALK_ENTRIES, visit)
    }

    pub(super) fn walk_at_most(
        &self,
        start: &RelPath,
        ignored: Ignored,
        most: usize,
        visit: &mut dyn FnMut(&Visited<'_>) -> Step,
    ) -> Result<Walked, Error> {
        let mut walk = Walk { rules: Vec::new(), ignored, most, visit, done: Walked::default() };
        let mut folder = self.root.try_clone().map_err(|error| start.error(error))?;
        let mut place = PathBuf::new();
        walk.push_rules(&folder, &place);
        for (depth, name) in start.names().iter().enumerate() {
            folder = enter(&folder, name.as_ref()).map_err(|error| start.error_at(depth, error))?;
            place.push(name);
            walk.push_rules(&folder, &place);
        }
        // A folder that is ignored itself and was asked for by name is walked as if nothing were.
        if (1..=start.names().len())
            .any(|upto| walk.is_ignored(&start.names()[..upto].iter().collect::<PathBuf>(), Kind::Folder))
        {
            walk.ignored = Ignored::Visit;
        }
        let _stopped = walk.folder(&folder, &place, 1);
        Ok(walk.done)
    }
}

struct Walk<'w> {
    /// The rules of the folders from the root to the present one.
    rules: Vec<Gitignore>,
    ignored: Ignored,
    most: usize,
    visit: &'w mut dyn FnMut(&Visited<'_>) -> Step,
    done: Walked,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Dir, place: &Path, depth: usize) -> ControlFlow<()> {
        let Ok(entries) = folder.entries() else {
            self.done.closed += 1;
            return ControlFlow::Continue(());
        };
        let room = self.most - self.done.entries;
        let mut names: Vec<OsString> =
            entries.filter_map(|entry| entry.ok().map(|entry| entry.file_name())).take(room + 1).collect();
        names.sort();
        for name in &names {
            if path::is_repository(name) {
                continue;
            }
            let Ok(meta) = folder.symlink_metadata(name) else { continue };
            let facts = facts_of(&meta);
            let path = place.join(name);
            if self.ignored == Ignored::Skip && self.is_ignored(&path, facts.kind) {
                self.done.ignored += 1;
                continue;
            }
            if self.done.entries == self.most {
                self.done.cut = true;
                return ControlFlow::Break(());
            }
            self.done.entries += 1;
            let enters = (self.visit)(&Visited { path: &path, facts, depth, folder, name })?;
            if facts.kind == Kind::Folder && enters == Enter::Yes {
                self.below(folder, name, &path, depth)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn below(&mut self, folder: &Dir, name: &OsString, path: &Path, depth: usize) -> ControlFlow<()> {
        let inner = (depth < limits::TOOL_WALK_DEPTH).then(|| enter(folder, name));
        let Some(Ok(inner)) = inner else {
            self.done.closed += 1;
            return ControlFlow::Continue(());
        };
        self.push_rules(&inner, path);
        let end = self.folder(&inner, path, depth + 1);
        self.rules.pop();
        end
    }

    /// Reads the `.gitignore` of a folder; one that is too large, a link or malformed in a line counts without it.
    fn push_rules(&mut self, folder: &Dir, place: &Path) {
        let mut builder = GitignoreBuilder::new(place);
        let file = open_regular(folder, ".gitignore".as_ref(), &RelPath::root());
        if let Ok((file, bytes)) = file
            && bytes <= limits::TOOL_IGNORE_BYTES
        {
            let mut text = Vec::new();
            if file.take(limits::TOOL_IGNORE_BYTES).read_to_end(&mut text).is_ok() {
                for line in String::from_utf8_lossy(&text).lines() {
                    // git leaves out a line that it does not understand, too.
                    let _malformed = builder.add_line(None, line);
                }
            }
        }
        self.rules.push(builder.build().unwrap_or_else(|_| Gitignore::empty()));
    }

    /// The nearest folder's rules decide first, within one the last line.
    fn is_ignored(&self, path: &Path, kind: Kind) -> bool {
        for rules in self.rules.iter().rev() {
            match rules.matched(path, kind == Kind::Folder) {
                Match::None => {}
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
            }
        }
        false
    }
}
