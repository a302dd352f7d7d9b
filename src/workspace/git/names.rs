//! Names that mean git's own folder, on this file system or on another one that the files may get to. Pure.

/// Whether a file system may take `name` for `.git`: one that ignores case; NTFS, which ignores blanks and dots at the end, has
/// streams behind a colon and knows `git~1` as the short form; HFS+, which ignores some characters. Source: `is_ntfs_dotgit` and
/// `is_hfs_dotgit` of git, which refuses such names for the same reason.
pub(in crate::workspace) fn means_git(name: &[u8]) -> bool {
    let visible;
    let name = match std::str::from_utf8(name) {
        Ok(text) if !text.is_ascii() => {
            visible = text.chars().filter(|c| !is_ignored_by_hfs(*c)).collect::<String>();
            visible.as_bytes()
        }
        Ok(_) | Err(_) => name,
    };
    let starts = |with: &[u8]| name.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
    let rest = if starts(b".git") {
        &name[4..]
    } else if starts(b"git~1") {
        &name[5..]
    } else {
        return false;
    };
    // What stands behind a colon is a stream of the folder, whatever it is called.
    let rest = rest.split(|byte| *byte == b':').next().unwrap_or_default();
    rest.iter().all(|byte| matches!(byte, b' ' | b'.'))
}

/// Source: `next_hfs_char` of git's `utf8.c`.
fn is_ignored_by_hfs(c: char) -> bool {
    matches!(u32::from(c), 0x200c..=0x200f | 0x202a..=0x202e | 0x206a..=0x206f | 0xfeff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_git_is_known_and_nothing_else() {
        let spelt = [
            ".git",
            ".GIT",
            ".gIt",
            ".git ",
            ".git.",
            ".git . ",
            "git~1",
            "GIT~1",
            "git~1.",
            ".git:x",
            ".git::$INDEX_ALLOCATION",
            ".g\u{200c}it",
            "\u{feff}.git",
            ".git\u{202e}",
        ];
        for name in spelt {
            assert!(means_git(name.as_bytes()), "{name:?}");
        }
        for name in
            [".gitignore", ".gitmodules", ".github", "git", "git~2", "git~10", "x.git", ".gi", "", ".gitt ", "größe"]
        {
            assert!(!means_git(name.as_bytes()), "{name:?}");
        }
        assert!(!means_git(b".git\xff"));
    }
}
