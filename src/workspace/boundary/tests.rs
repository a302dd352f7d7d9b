//! What the boundary lets through and what it must not, on a real file system.

use std::ffi::OsStr;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// A folder `root` with a secret beside it.
fn place() -> (tempfile::TempDir, Boundary) {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("root")).unwrap();
    fs::create_dir(dir.path().join("other")).unwrap();
    fs::write(dir.path().join("secret"), "secret").unwrap();
    fs::write(dir.path().join("other/secret"), "secret").unwrap();
    let boundary = Boundary::open(&dir.path().join("root")).unwrap();
    (dir, boundary)
}

fn read(boundary: &Boundary, path: &str) -> Result<Vec<u8>, Error> {
    boundary.read(&boundary.path(path)?, 100)
}

fn write(boundary: &Boundary, path: &str) -> Result<Written, Error> {
    boundary.write(&boundary.path(path)?, b"new")
}

/// Everything that can be done with a path, none of which may work.
fn refused(boundary: &Boundary, path: &str) -> Vec<String> {
    let with = |act: &dyn Fn(&RelPath) -> Result<(), Error>| {
        boundary.path(path).and_then(|path| act(&path)).expect_err(path).to_string()
    };
    let free = boundary.path("free/place").unwrap();
    let said = vec![
        with(&|path| boundary.read(path, 100).map(drop)),
        with(&|path| boundary.read_range(path, 1, 10).map(drop)),
        with(&|path| boundary.write(path, b"x").map(drop)),
        with(&|path| boundary.delete_file(path)),
        with(&|path| boundary.rename(path, &free)),
    ];
    assert!(!boundary.exists(&free).unwrap(), "{path}");
    said
}

#[test]
fn what_is_written_can_be_read_moved_and_deleted() {
    let (_dir, boundary) = place();
    let [one, two] = ["a/ünï/c.txt", "b/d"].map(|path| boundary.path(path).unwrap());
    assert_eq!(boundary.write(&one, b"one").unwrap(), Written::Created);
    assert_eq!(boundary.write(&one, b"one two").unwrap(), Written::Replaced);
    assert_eq!(boundary.read(&one, 7).unwrap(), b"one two");
    assert_eq!(boundary.read_range(&one, 4, 2).unwrap(), b"tw");
    assert_eq!(boundary.read_range(&one, 40, 2).unwrap(), b"");
    boundary.rename(&one, &two).unwrap();
    assert_eq!(boundary.facts(&two).unwrap().bytes, 7);
    assert!(matches!(boundary.facts(&one), Err(Error::NotFound(_))));
    boundary.delete_file(&two).unwrap();
    assert!(!boundary.exists(&two).unwrap());
    boundary.create_folders(&boundary.path("x/y").unwrap()).unwrap();
    assert_eq!(boundary.facts(&boundary.path("x/y").unwrap()).unwrap().kind, Kind::Folder);
}

#[test]
fn a_write_keeps_the_mode_and_leaves_nothing_beside() {
    let (dir, boundary) = place();
    let path = dir.path().join("root/run.sh");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
    fs::write(dir.path().join("root").join(TEMPORARY), "left by a crash").unwrap();
    assert_eq!(write(&boundary, "run.sh").unwrap(), Written::Replaced);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o750);
    assert_eq!(fs::read_dir(dir.path().join("root")).unwrap().count(), 1);
}

#[test]
fn no_text_leads_out() {
    let (dir, boundary) = place();
    let absolute = dir.path().join("root/a").display().to_string();
    for path in ["../secret", "a/../../secret", "a/..", "..", "/etc/passwd", &absolute, "a\0b"] {
        for said in refused(&boundary, path) {
            assert!(said.contains("is not a path inside the worktree"), "{said}");
        }
    }
    let said = boundary.path(&absolute).unwrap_err().to_string();
    assert!(said.ends_with("; give `a`"), "{said}");
    let long = "x/".repeat(limits::TOOL_PATH_BYTES / 2);
    assert!(boundary.path(&long).is_ok());
    assert!(boundary.path(&format!("{long}x")).is_err(), "one byte past the bound");
    assert!(read(&boundary, &"n".repeat(300)).is_err(), "a name that no file system takes");
}

#[test]
fn links_are_refused_wherever_they_stand() {
    let (dir, boundary) = place();
    let root = dir.path().join("root");
    fs::write(root.join("real"), "real").unwrap();
    symlink("../secret", root.join("out")).unwrap();
    symlink("../other", root.join("outdir")).unwrap();
    symlink("/etc/passwd", root.join("absolute")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    symlink("../new", root.join("dangling-out")).unwrap();
    symlink("real", root.join("inside")).unwrap();
    symlink(".", root.join("here")).unwrap();
    for path in ["out", "absolute", "dangling", "dangling-out", "inside", "outdir/secret", "here/real", "outdir/new"] {
        for said in refused(&boundary, path) {
            assert!(said.contains("is a symbolic link"), "{path}: {said}");
        }
    }
    assert!(matches!(boundary.list(&boundary.path("outdir").unwrap()), Err(Error::Link { .. })));
    assert!(matches!(boundary.create_folders(&boundary.path("outdir/x").unwrap()), Err(Error::Link { .. })));
    assert!(!dir.path().join("new").exists() && !dir.path().join("other/new").exists());
    assert_eq!(fs::read(dir.path().join("secret")).unwrap(), b"secret");
}

#[test]
fn a_link_that_is_swapped_in_during_the_calls_leads_nowhere() {
    let (dir, boundary) = place();
    let root = dir.path().join("root");
    fs::create_dir(root.join("real")).unwrap();
    fs::write(root.join("real/secret"), "inside").unwrap();
    symlink("../other", root.join("link")).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let exchange = |a: &str, b: &str| {
                let here = rustix::fs::CWD;
                rustix::fs::renameat_with(here, root.join(a), here, root.join(b), RenameFlags::EXCHANGE).unwrap();
            };
            while !done.load(Ordering::Relaxed) {
                exchange("real", "link");
            }
        });
        for _ in 0..2_000 {
            if let Ok(content) = read(&boundary, "real/secret") {
                assert_eq!(content, if content == b"new" { b"new".as_slice() } else { b"inside" });
            }
            let _either = write(&boundary, "real/secret");
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(fs::read(dir.path().join("other/secret")).unwrap(), b"secret");
    assert_eq!(fs::read_dir(dir.path().join("other")).unwrap().count(), 1);
}

#[test]
fn what_is_gits_own_does_not_exist() {
    let (dir, boundary) = place();
    let root = dir.path().join("root");
    fs::create_dir_all(root.join("sub/.git")).unwrap();
    fs::write(root.join(".git"), "gitdir: elsewhere").unwrap();
    for path in [".git", ".git/config", ".GIT", "sub/.git", "./sub//.git/hooks/pre-commit"] {
        for said in refused(&boundary, path) {
            assert!(said.contains("belongs to git itself"), "{said}");
        }
    }
    assert_eq!(write(&boundary, ".gitignore").unwrap(), Written::Created);
    let names: Vec<_> = boundary.list(&RelPath::root()).unwrap().entries.into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["sub", ".gitignore"]);
    let [from, to] = ["sub", "sub2"].map(|path| boundary.path(path).unwrap());
    assert!(matches!(boundary.rename(&from, &to), Err(Error::Protected(_))));
}

#[test]
fn what_is_no_file_never_blocks() {
    let (dir, boundary) = place();
    let root = dir.path().join("root");
    rustix::fs::mkfifoat(rustix::fs::CWD, root.join("pipe"), Mode::from_raw_mode(0o600)).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    for path in ["pipe", "socket"] {
        for said in refused(&boundary, path) {
            assert!(said.contains("a pipe, a socket or a device"), "{said}");
        }
    }
    fs::create_dir(root.join("folder")).unwrap();
    assert!(matches!(read(&boundary, "folder"), Err(Error::IsFolder(_))));
    assert!(matches!(write(&boundary, "folder"), Err(Error::IsFolder(_))));
    assert!(matches!(read(&boundary, "."), Err(Error::IsFolder(_))));
    fs::write(root.join("file"), "").unwrap();
    assert!(matches!(read(&boundary, "file/x"), Err(Error::NotFolder(_))));
    assert!(matches!(write(&boundary, "file/x/y"), Err(Error::NotFolder(_))));
    assert_eq!(read(&boundary, "file").unwrap(), b"");
}

#[test]
fn nothing_is_moved_over_something() {
    let (dir, boundary) = place();
    fs::write(dir.path().join("root/a"), "a").unwrap();
    fs::write(dir.path().join("root/b"), "b").unwrap();
    let [a, b] = ["a", "b"].map(|path| boundary.path(path).unwrap());
    assert!(matches!(boundary.rename(&a, &b), Err(Error::Exists(_))));
    assert!(matches!(boundary.rename(&RelPath::root(), &b), Err(Error::Root)));
    assert_eq!(fs::read(dir.path().join("root/b")).unwrap(), b"b");
}

#[test]
fn one_byte_past_the_bounds_is_refused() {
    let (dir, boundary) = place();
    let path = boundary.path("big").unwrap();
    fs::write(dir.path().join("root/big"), [7; 11]).unwrap();
    assert_eq!(boundary.read(&path, 11).unwrap().len(), 11);
    assert!(matches!(boundary.read(&path, 10), Err(Error::TooLarge { bytes: 11, most: 10, .. })));
    let most = vec![b'x'; usize::try_from(limits::TOOL_FILE_BYTES).unwrap() + 1];
    assert!(boundary.write(&path, &most[1..]).is_ok());
    assert!(matches!(boundary.write(&path, &most), Err(Error::TooLarge { .. })));
    fs::File::create(dir.path().join("root/sparse")).unwrap().set_len(1 << 30).unwrap();
    let sparse = boundary.path("sparse").unwrap();
    assert!(matches!(boundary.read(&sparse, limits::TOOL_FILE_BYTES), Err(Error::TooLarge { .. })));
    assert_eq!(boundary.read_range(&sparse, (1 << 30) - 3, 100).unwrap(), [0; 3]);
}

#[test]
fn a_folder_with_too_many_names_is_cut_and_counted() {
    let (dir, boundary) = place();
    for n in 0..=limits::TOOL_FOLDER_ENTRIES {
        fs::write(dir.path().join(format!("root/{n}")), "").unwrap();
    }
    let listing = boundary.list(&RelPath::root()).unwrap();
    assert_eq!((listing.entries.len(), listing.left_out), (limits::TOOL_FOLDER_ENTRIES, 1));
}

#[test]
fn names_that_are_not_utf8_are_listed_escaped() {
    let (dir, boundary) = place();
    fs::write(dir.path().join("root").join(OsStr::from_bytes(b"caf\xe9\n\x1b[31m")), "x").unwrap();
    assert_eq!(boundary.list(&RelPath::root()).unwrap().entries[0].name, "caf\\xe9\\n\\u{1b}[31m");
}

fn walked(boundary: &Boundary, start: &str, ignored: Ignored) -> (Vec<String>, Walked) {
    let mut seen = Vec::new();
    let start = boundary.path(start).unwrap();
    let walked = boundary.walk(&start, ignored, &mut |visited| {
        seen.push(visited.shown());
        ControlFlow::Continue(Enter::Yes)
    });
    (seen, walked.unwrap())
}

#[test]
fn a_walk_obeys_ignore_files_and_no_links() {
    let (dir, boundary) = place();
    let root = dir.path().join("root");
    for path in ["src/a.rs", "src/deep/b.log", "src/deep/keep.log", "target/x", ".git/config", ".hidden", "z.log"] {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), "x").unwrap();
    }
    fs::write(root.join(".gitignore"), "/target/\n*.log\n[\n").unwrap();
    fs::write(root.join("src/deep/.gitignore"), "!keep.log\n").unwrap();
    symlink("../other", root.join("outdir")).unwrap();
    symlink("..", root.join("src/loop")).unwrap();
    let (seen, done) = walked(&boundary, ".", Ignored::Skip);
    let expected = [
        ".gitignore",
        ".hidden",
        "outdir",
        "src",
        "src/a.rs",
        "src/deep",
        "src/deep/.gitignore",
        "src/deep/keep.log",
        "src/loop",
    ];
    assert_eq!(seen, expected);
    assert_eq!((done.ignored, done.cut, done.closed), (3, false, 0));
    assert_eq!(walked(&boundary, "src/deep", Ignored::Skip).0, ["src/deep/.gitignore", "src/deep/keep.log"]);
    assert_eq!(walked(&boundary, "target", Ignored::Skip).0, ["target/x"], "asked for by name");
    assert_eq!(walked(&boundary, ".", Ignored::Visit).0.len(), expected.len() + 4);
    assert!(boundary.walk(&boundary.path("outdir").unwrap(), Ignored::Skip, &mut |_| ControlFlow::Break(())).is_err());
}

#[test]
fn a_walk_ends_at_its_depth() {
    let (dir, boundary) = place();
    let names = vec!["d"; limits::TOOL_WALK_DEPTH + 1].join("/");
    fs::create_dir_all(dir.path().join("root").join(names)).unwrap();
    let (seen, done) = walked(&boundary, ".", Ignored::Skip);
    assert_eq!((seen.len(), done.closed), (limits::TOOL_WALK_DEPTH, 1));
}

#[test]
fn a_walk_ends_one_entry_past_its_bound() {
    let (dir, boundary) = place();
    for name in ["a", "b", "c"] {
        fs::write(dir.path().join("root").join(name), "").unwrap();
    }
    let walked = |most| {
        let visit: &mut dyn FnMut(&Visited<'_>) -> Step = &mut |_| ControlFlow::Continue(Enter::Yes);
        boundary.walk_at_most(&RelPath::root(), Ignored::Skip, most, visit).unwrap()
    };
    assert_eq!(walked(3), Walked { entries: 3, ..Walked::default() });
    assert_eq!(walked(2), Walked { entries: 2, cut: true, ..Walked::default() });
}

#[test]
fn an_ignore_file_one_byte_past_its_bound_is_not_obeyed() {
    let (dir, boundary) = place();
    fs::write(dir.path().join("root/x"), "").unwrap();
    let most = usize::try_from(limits::TOOL_IGNORE_BYTES).unwrap();
    for (bytes, ignored) in [(most, 1), (most + 1, 0)] {
        fs::write(dir.path().join("root/.gitignore"), format!("x\n{}", "#".repeat(bytes - 2))).unwrap();
        assert_eq!(walked(&boundary, ".", Ignored::Skip).1.ignored, ignored);
    }
}

#[test]
fn what_wfctl_obeys_is_read_and_not_changed() {
    let (dir, boundary) = place();
    let root = dir.path().join("root");
    fs::create_dir_all(root.join(".wfctl/roles")).unwrap();
    fs::create_dir(root.join("other")).unwrap();
    for name in [".wfctl.toml", ".wfctl/roles/reviewer.md", ".wfctl/AGENTS.md", "free"] {
        fs::write(root.join(name), "mine").unwrap();
    }
    let free = boundary.path("free").unwrap();
    let places = [
        ".wfctl.toml",
        ".WFCTL.toml",
        ".wfctl/roles/reviewer.md",
        "./.wfctl//AGENTS.md",
        ".wfctl/workflows/new.yaml",
        ".wfctl",
    ];
    for text in places {
        let path = boundary.path(text).unwrap();
        for said in [
            boundary.write(&path, b"theirs").map(drop),
            boundary.delete_file(&path),
            boundary.rename(&path, &boundary.path("gone").unwrap()),
            boundary.rename(&free, &path),
        ] {
            let said = said.unwrap_err().to_string();
            assert!(said.contains("only a person changes it"), "{text}: {said}");
        }
    }
    let folder = boundary.path("other").unwrap();
    assert!(boundary.rename(&folder, &boundary.path(".wfctl").unwrap()).is_err(), "nor as a whole");
    assert_eq!(read(&boundary, ".wfctl/roles/reviewer.md").unwrap(), b"mine");
    assert_eq!(write(&boundary, ".wfctl/artifacts/p/plan.md").unwrap(), Written::Created);
    assert_eq!(write(&boundary, "sub/.wfctl.toml").unwrap(), Written::Created, "one that nobody reads");
}

#[test]
fn a_write_does_not_go_through_a_hard_link() {
    let (dir, boundary) = place();
    fs::hard_link(dir.path().join("secret"), dir.path().join("root/linked")).unwrap();
    assert_eq!(write(&boundary, "linked").unwrap(), Written::Replaced);
    assert_eq!(fs::read(dir.path().join("secret")).unwrap(), b"secret");
    assert_eq!(read(&boundary, "linked").unwrap(), b"new");
}

#[test]
fn no_spelling_of_git_gets_through() {
    let (_dir, boundary) = place();
    for name in [".git ", ".git.", "git~1", "GIT~1", ".git::$INDEX_ALLOCATION", ".g\u{200c}it"] {
        for path in [format!("{name}/hooks/post-checkout"), format!("a/{name}"), name.to_owned()] {
            assert!(matches!(boundary.path(&path), Err(Error::Protected(_))), "{path:?}");
        }
    }
}
