//! Each tool on a real folder: what it says when it works, and what it makes of hostile input.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::testing::Bench;
use super::{Ran, ToolFault};
use crate::domain::failure::FailureClass;
use crate::domain::limits;

/// Paths that must never be reached, whatever the tool. `link` and `linkdir` lead outside.
const HOSTILE: &[&str] = &[
    "../x",
    "../secret",
    "/etc/passwd",
    "a/../../secret",
    "link",
    "linkdir/secret",
    "dangling",
    ".git/config",
    ".git",
    "pipe",
    "a\u{0}b",
    "..",
];

fn hostile() -> Bench {
    let bench = Bench::new();
    fs::write(bench.outside().join("secret"), "secret words").unwrap();
    fs::create_dir(bench.outside().join("other")).unwrap();
    fs::write(bench.outside().join("other/secret"), "secret words").unwrap();
    symlink("../secret", bench.root().join("link")).unwrap();
    symlink("../other", bench.root().join("linkdir")).unwrap();
    symlink("../made", bench.root().join("dangling")).unwrap();
    bench.put(".git/config", "secret words");
    bench.put("free", "free");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, bench.root().join("pipe"), mode).unwrap();
    bench
}

#[tokio::test]
async fn no_tool_reaches_what_is_not_its_own() {
    let bench = hostile();
    for path in HOSTILE {
        let calls = [
            ("read_file", json!({ "path": path })),
            ("list_files", json!({ "path": path })),
            ("tree", json!({ "path": path })),
            ("search", json!({ "pattern": "secret", "path": path })),
            ("write_file", json!({ "path": path, "content": "x" })),
            ("edit_file", json!({ "path": path, "old": "secret", "new": "x" })),
            ("delete_file", json!({ "path": path })),
            ("move_file", json!({ "from": path, "to": "stolen" })),
            ("move_file", json!({ "from": "free", "to": path })),
            ("apply_patch", json!({ "patch": format!("*** Begin Patch\n*** Delete File: {path}\n*** End Patch") })),
            ("apply_patch", json!({ "patch": format!("*** Begin Patch\n*** Add File: {path}\n+x\n*** End Patch") })),
            (
                "apply_patch",
                json!({ "patch": format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-secret words\n+x\n") }),
            ),
        ];
        for (tool, arguments) in calls {
            let told = bench.told(tool, arguments).await;
            assert!(!told.contains("secret words"), "{tool} {path}: {told}");
        }
    }
    assert!(!bench.outside().join("made").exists() && !bench.root().join("stolen").exists());
    assert_eq!(fs::read(bench.outside().join("secret")).unwrap(), b"secret words");
    assert_eq!(fs::read(bench.outside().join("other/secret")).unwrap(), b"secret words");
    assert_eq!(bench.text(".git/config"), "secret words");
    let found = bench.does("search", json!({ "pattern": "secret words" })).await;
    assert_eq!(found, "(no match in 1 files)\n");
}

#[tokio::test]
async fn reading_shows_lines_as_they_are_and_says_what_it_cannot_show() {
    let bench = Bench::new();
    bench.put("a.txt", "one\ntwo\nthree\nfour");
    insta::assert_snapshot!(bench.does("read_file", json!({ "path": "a.txt" })).await, @r"
         1	one
         2	two
         3	three
         4	four
    (no line end at the end of the file)
    ");
    insta::assert_snapshot!(bench.does("read_file", json!({ "path": "a.txt", "offset": 2, "limit": 2 })).await, @r"
         2	two
         3	three
    (lines 2 to 3 of 4; read on with offset 4)
    ");
    let told = bench.told("read_file", json!({ "path": "a.txt", "offset": 5 })).await;
    assert_eq!(told, "`a.txt` has 4 lines, so none from 5 on");
    bench.put("crlf", "a\r\nb\r\n");
    insta::assert_snapshot!(bench.does("read_file", json!({ "path": "crlf" })).await, @r"
         1	a
         2	b
    (lines end with CRLF; it is not shown, and edits keep it)
    ");
    bench.put("mixed", "a\r\nb\n\n");
    insta::assert_snapshot!(bench.does("read_file", json!({ "path": "mixed" })).await, @r"
         1	a␍
         2	b
         3	
    (some lines end with CRLF, shown as ␍, others with LF)
    ");
    bench.put("latin", b"caf\xe9\n");
    insta::assert_snapshot!(bench.does("read_file", json!({ "path": "latin" })).await, @r"
         1	caf�
    (not all of it is UTF-8; what is not is shown as �)
    ");
    bench.put("empty", "");
    assert_eq!(bench.does("read_file", json!({ "path": "empty" })).await, "(`empty` is empty)\n");
    bench.put("größe/日本.txt", "x\n");
    assert!(bench.does("read_file", json!({ "path": "größe/日本.txt" })).await.contains("1\tx"));
}

#[tokio::test]
async fn reading_refuses_what_is_no_text_and_bounds_what_is_long() {
    let bench = Bench::new();
    bench.put("image", b"\x89PNG\r\n\x1a\n\0\0");
    assert_eq!(
        bench.told("read_file", json!({ "path": "image" })).await,
        "`image` is a PNG image of 10 bytes, not text"
    );
    let sparse = fs::File::create(bench.root().join("sparse")).unwrap();
    sparse.set_len(1 << 30).unwrap();
    let told = bench.told("read_file", json!({ "path": "sparse" })).await;
    assert!(told.starts_with("`sparse` has 1073741824 bytes (binary data), more than the 16777216"), "{told}");
    assert!(bench.told("read_file", json!({ "path": "." })).await.contains("is a folder"));
    bench.put("long", "ü".repeat(limits::TOOL_LINE_CHARS + 1));
    let shown = bench.does("read_file", json!({ "path": "long" })).await;
    assert!(shown.contains("ü… (2 more bytes of this line)"), "one character past the bound is cut");
    bench.put("many", "x\n".repeat(limits::TOOL_READ_LINES + 1));
    let shown = bench.does("read_file", json!({ "path": "many" })).await;
    assert!(
        shown.ends_with("(lines 1 to 2000 of 2001; read on with offset 2001)\n"),
        "one line past the bound is left"
    );
    let told = bench.told("read_file", json!({ "path": "many", "limit": limits::TOOL_READ_LINES + 1 })).await;
    assert!(told.contains("at `/limit`"), "{told}");
    bench.does("read_file", json!({ "path": "many", "offset": 1, "limit": limits::TOOL_READ_LINES })).await;
}

#[tokio::test]
async fn folders_are_listed_and_drawn() {
    let bench = Bench::new();
    for path in ["src/a.rs", "src/deep/er/b.rs", "src/deep/c.rs", "README.md", "target/out", ".gitignore"] {
        bench.put(path, "/target\n");
    }
    symlink("README.md", bench.root().join("link")).unwrap();
    fs::write(bench.root().join(OsStr::from_bytes(b"caf\xe9")), "").unwrap();
    insta::assert_snapshot!(bench.does("list_files", json!({})).await, @r"
    src/
    target/
    .gitignore (8 bytes)
    README.md (8 bytes)
    caf\xe9 (0 bytes)
    link (symbolic link, not followed)
    ");
    insta::assert_snapshot!(bench.does("tree", json!({ "depth": 2 })).await, @r"
    ./
      src/
        deep/ (2 files)
        a.rs
      .gitignore
      README.md
      caf\xe9
      link (symbolic link)
    (1 ignored entries are left out)
    ");
    insta::assert_snapshot!(bench.does("tree", json!({ "path": "src/deep" })).await, @r"
    src/deep/
      er/
        b.rs
      c.rs
    ");
    assert!(bench.told("list_files", json!({ "path": "README.md" })).await.contains("is not a folder"));
    assert!(bench.told("list_files", json!({ "path": "nowhere" })).await.contains("does not exist"));
    fs::create_dir(bench.root().join("hollow")).unwrap();
    assert_eq!(bench.does("list_files", json!({ "path": "hollow" })).await, "(`hollow` is empty)\n");
    for n in 0..=limits::TOOL_TREE_LINES {
        bench.put(&format!("many/{n}"), "");
    }
    assert!(
        bench.does("tree", json!({ "path": "many" })).await.contains("(1 more lines are left out"),
        "one past the bound"
    );
}

#[tokio::test]
async fn search_finds_lines_and_bounds_them() {
    let bench = Bench::new();
    bench.put("src/a.rs", "fn one() {}\r\nfn Two() {}\n");
    bench.put("docs/b.md", "fn in words (1.0)\n");
    bench.put("binary", b"fn \0 one");
    bench.put(".gitignore", "out\n");
    bench.put("out/c", "fn ignored\n");
    let found = |arguments| bench.does("search", arguments);
    insta::assert_snapshot!(found(json!({ "pattern": r"^fn \w+" })).await, @r"
    docs/b.md:1: fn in words (1.0)
    src/a.rs:1: fn one() {}
    src/a.rs:2: fn Two() {}
    ");
    assert_eq!(
        found(json!({ "pattern": "two", "ignore_case": true, "glob": "*.rs" })).await,
        "src/a.rs:2: fn Two() {}\n"
    );
    assert_eq!(found(json!({ "pattern": "fn", "glob": "!*.rs" })).await, "docs/b.md:1: fn in words (1.0)\n");
    assert_eq!(found(json!({ "pattern": "(1.0)", "literal": true })).await, "docs/b.md:1: fn in words (1.0)\n");
    assert_eq!(found(json!({ "pattern": "fn", "path": "src/a.rs", "max": 1 })).await.lines().count(), 2);
    assert_eq!(found(json!({ "pattern": "fn", "path": "out" })).await, "out/c:1: fn ignored\n", "asked for by name");
    assert_eq!(
        found(json!({ "pattern": "\\) \\{\\}$", "path": "src" })).await.lines().count(),
        2,
        "CRLF is a line end"
    );
    insta::assert_snapshot!(bench.told("search", json!({ "pattern": "fn (one" })).await, @r"
    the pattern is not valid: regex parse error:
        (?:fn (one)
        ^
    error: unclosed group
    (set `literal` to search for plain text)
    ");
    assert!(bench.told("search", json!({ "pattern": "a\nb" })).await.contains("not valid"));
    assert!(bench.told("search", json!({ "pattern": "(((x{1000}){1000}){1000})" })).await.contains("not valid"));
    assert!(bench.told("search", json!({ "pattern": "x", "glob": "{" })).await.contains("the glob is not valid"));
    bench.put("many", "needle\n".repeat(10_000));
    let shown = found(json!({ "pattern": "needle", "max": limits::TOOL_MATCHES })).await;
    assert_eq!(shown.lines().count(), limits::TOOL_MATCHES + 1);
    assert!(shown.ends_with("(at least 1000 more matches are left out; narrow the pattern, the path or the glob)\n"));
    bench.put("wide", format!("hay{}", "y".repeat(1 << 20)));
    assert!(found(json!({ "pattern": "hay" })).await.len() < 400);
}

#[tokio::test]
async fn files_are_written_moved_and_deleted() {
    let bench = Bench::new();
    let write = json!({ "path": "new/deep/f.txt", "content": "a\nb\n" });
    assert_eq!(bench.does("write_file", write.clone()).await, "`new/deep/f.txt` created: 2 lines, 4 bytes");
    assert_eq!(bench.does("write_file", write).await, "`new/deep/f.txt` overwritten: 2 lines, 4 bytes");
    let moved = bench.does("move_file", json!({ "from": "new/deep/f.txt", "to": "other/g.txt" })).await;
    assert_eq!(moved, "`new/deep/f.txt` moved to `other/g.txt`");
    assert!(bench.told("move_file", json!({ "from": "new/deep/f.txt", "to": "x" })).await.contains("does not exist"));
    bench.put("x", "x");
    assert!(bench.told("move_file", json!({ "from": "other/g.txt", "to": "x" })).await.contains("exists already"));
    assert!(bench.told("delete_file", json!({ "path": "other" })).await.contains("is a folder"));
    assert_eq!(bench.does("delete_file", json!({ "path": "other/g.txt" })).await, "`other/g.txt` deleted");
    assert!(!bench.root().join("other/g.txt").exists());
    assert!(bench.told("write_file", json!({ "path": "x/y", "content": "" })).await.contains("is not a folder"));
}

#[tokio::test]
async fn an_edit_shows_what_changed_or_where_it_might_have() {
    let bench = Bench::new();
    bench.put("a.rs", "fn one() {\r\n    first();\r\n}\r\n\r\nfn two() {\r\n    second();\r\n}\r\n");
    let done = bench.does(
        "edit_file",
        json!({ "path": "a.rs", "old": "{\n    second();", "new": "{\n    zero();\n    second();" }),
    );
    insta::assert_snapshot!(done.await.replace('\r', "␍"), @r"
    `a.rs` edited
    @@ -3,5 +3,6 @@
     }␍
     ␍
     fn two() {␍
    +    zero();␍
         second();␍
     }␍
    ");
    assert_eq!(
        bench.text("a.rs"),
        "fn one() {\r\n    first();\r\n}\r\n\r\nfn two() {\r\n    zero();\r\n    second();\r\n}\r\n"
    );
    insta::assert_snapshot!(bench.told("edit_file", json!({ "path": "a.rs", "old": "fn too() {\n    zero();", "new": "x" })).await, @r"
    `old` was not found in `a.rs`. Nothing was changed. The nearest place, lines 5 to 6 (94 % alike):
         5	fn two() {
         6	    zero();
    Take `old` from the file exactly as it is.
    ");
    let told = bench.told("edit_file", json!({ "path": "a.rs", "old": "();", "new": "()" })).await;
    assert_eq!(
        told,
        "`old` occurs 3 times in `a.rs`, at lines 2, 6, 7. Nothing was changed: take in more lines around the place you mean, \
         or set `all`."
    );
    assert!(
        bench
            .does("edit_file", json!({ "path": "a.rs", "old": "();", "new": "();;", "all": true }))
            .await
            .contains("3 places")
    );
    let told = bench.told("edit_file", json!({ "path": "a.rs", "old": "fn gone()", "new": "fn one()" })).await;
    assert!(told.contains("was this edit made before?"), "{told}");
    assert!(bench.told("edit_file", json!({ "path": "a.rs", "old": "x", "new": "x" })).await.contains("the same"));
    assert!(bench.told("edit_file", json!({ "path": "a.rs", "old": "", "new": "x" })).await.contains("at `/old`"));
    bench.put("latin", b"caf\xe9\n");
    assert!(
        bench
            .told("edit_file", json!({ "path": "latin", "old": "caf", "new": "x" }))
            .await
            .contains("is not UTF-8 (byte 3)")
    );
    bench.put("empty", "");
    assert!(
        bench
            .told("edit_file", json!({ "path": "empty", "old": "x", "new": "y" }))
            .await
            .contains("nor anything like it")
    );
    bench.put("all", "a\n".repeat(limits::TOOL_DIFF_LINES));
    let done = bench.does("edit_file", json!({ "path": "all", "old": "a", "new": "b", "all": true })).await;
    assert!(done.contains("more lines of the diff are left out") && done.lines().count() < limits::TOOL_DIFF_LINES + 5);
}

#[tokio::test]
async fn commands_and_checks_go_to_their_runners() {
    let bench = Bench::new();
    assert_eq!(bench.does("run_command", json!({ "command": "true" })).await, "exit code 0\n(no output)");
    bench.next_command(Ran { code: Some(2), timed_out: false, output: b"bad\xff".to_vec(), output_bytes: 10 });
    let text = bench.does("run_command", json!({ "command": "false", "timeout_s": 7 })).await;
    assert_eq!(text, "exit code 2\nbad\u{fffd}\n(6 bytes of output were not kept)");
    bench.next_command(Ran { code: None, timed_out: true, output: b"x".to_vec(), output_bytes: 1 });
    let text = bench.does("run_command", json!({ "command": "sleep 9", "timeout_s": 3 })).await;
    assert_eq!(text, "killed: it did not end within 3 s\nx");
    let sent = [("true", limits::TOOL_COMMAND_MS), ("false", 7_000), ("sleep 9", 3_000)];
    assert_eq!(bench.commands(), sent.map(|(line, ms)| (line.to_owned(), ms)));
    let most_s = limits::TOOL_COMMAND_MOST_MS / 1000;
    bench.does("run_command", json!({ "command": "true", "timeout_s": most_s })).await;
    assert!(
        bench.told("run_command", json!({ "command": "true", "timeout_s": most_s + 1 })).await.contains("/timeout_s")
    );
    bench.does("run_command", json!({ "command": "x".repeat(limits::COMMAND_BYTES) })).await;
    assert!(
        bench
            .told("run_command", json!({ "command": "x".repeat(limits::COMMAND_BYTES + 1) }))
            .await
            .contains("a script")
    );
    assert!(bench.told("run_command", json!({ "command": "a\u{0}" })).await.contains("NUL"));
    assert_eq!(bench.does("run_checks", json!({ "names": ["lint"] })).await, "all green");
    bench.does("run_checks", json!({})).await;
    assert_eq!(bench.checks(), [vec!["lint".to_owned()], Vec::new()]);
}

#[tokio::test]
async fn an_output_is_paged_by_its_handle() {
    let mut bench = Bench::new();
    let output: String = (1..=500).map(|n| format!("\u{1b}[32mline {n}\u{1b}[m\r\n")).collect();
    let handle = super::show(output.as_bytes(), 1_000).handle.unwrap();
    bench.keep(&handle, output.as_bytes());
    insta::assert_snapshot!(bench.does("read_output", json!({ "handle": handle, "offset": 250, "limit": 2 })).await, @r"
       250	line 250
       251	line 251
    (lines 250 to 251 of 500; read on with offset 252)
    ");
    assert!(bench.does("read_output", json!({ "handle": handle })).await.contains("(lines 1 to 200 of 500"));
    assert!(bench.told("read_output", json!({ "handle": handle, "offset": 501 })).await.contains("has 500 lines"));
    for unknown in ["x", "../../secret", &"0".repeat(64)] {
        assert!(bench.told("read_output", json!({ "handle": unknown })).await.contains("no output with this handle"));
    }
}

#[tokio::test]
async fn a_host_that_fails_ends_the_attempt() {
    let bench = Bench::new();
    fs::remove_dir(bench.root()).unwrap();
    match bench.call("list_files", json!({})).await {
        Err(ToolFault::Ends(failure)) => assert_eq!(failure.class, FailureClass::Workspace),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_patch_changes_everything_or_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::new();
    bench.put("a", "one\ntwo\n");
    bench.put("gone", "gone\n");
    let script = bench.put("run.sh", "echo 1\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let good = "*** Update File: a\n@@\n one\n-two\n+TWO\n*** Add File: new/b\n+hello\n*** Delete File: gone\n\
                *** Update File: run.sh\n*** Move to: bin/run.sh\n@@\n-echo 1\n+echo 2\n";
    let bad = "*** Update File: a\n@@\n-three\n+3\n";
    let patch = |body: &str| json!({ "patch": format!("*** Begin Patch\n{body}*** End Patch\n") });
    let before = bench.does("tree", json!({})).await;
    for failing in [
        bad,
        "*** Delete File: nowhere\n",
        "*** Add File: a\n+x\n",
        "*** Add File: a/b\n+x\n",
        "*** Add File: new/b/c\n+x\n",
    ] {
        let told = bench.told("apply_patch", patch(&format!("{good}{failing}"))).await;
        assert!(told.starts_with("the patch cannot be applied, nothing was changed: "), "{told}");
        assert_eq!(bench.text("a"), "one\ntwo\n");
        assert_eq!(bench.text("gone"), "gone\n");
        assert!(!bench.root().join("new/b").exists(), "{failing}");
    }
    let _left = fs::remove_dir(bench.root().join("new"));
    let _left = fs::remove_dir(bench.root().join("bin"));
    assert_eq!(bench.does("tree", json!({})).await, before);
    insta::assert_snapshot!(bench.does("apply_patch", patch(good)).await, @r"
    patch applied:
    M a
    A new/b (1 line)
    D gone
    R run.sh -> bin/run.sh
    ");
    assert_eq!(
        (bench.text("a"), bench.text("new/b"), bench.text("bin/run.sh")),
        ("one\nTWO\n".into(), "hello\n".into(), "echo 2\n".into())
    );
    assert!(!bench.root().join("gone").exists() && !script.exists());
    let mode = fs::metadata(bench.root().join("bin/run.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    let diff = "--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n one\n-TWO\n+two\n--- /dev/null\n+++ b/c\n@@ -0,0 +1 @@\n+c\n";
    bench.does("apply_patch", json!({ "patch": diff })).await;
    assert_eq!((bench.text("a"), bench.text("c")), ("one\ntwo\n".into(), "c\n".into()));
    let many: String = (0..=limits::TOOL_PATCH_FILES).map(|n| format!("*** Add File: many/{n}\n+x\n")).collect();
    assert!(bench.told("apply_patch", patch(&many)).await.contains("changes 201 files, more than 200"));
}

#[tokio::test]
async fn the_worktree_is_compared_with_its_history() {
    let bench = Bench::new();
    for (path, text) in
        [("a", "one\ntwo\n"), ("gone", "x\n"), ("same", "x\n"), (".gitignore", "out\n"), ("out/kept", "x\n")]
    {
        bench.put(path, text);
    }
    bench.commit("base\n\nwhy");
    assert_eq!(bench.does("git_status", json!({})).await, "no differences\n");
    assert_eq!(bench.does("git_diff", json!({})).await, "no differences\n");
    bench.put("a", "one\n2\n");
    bench.put("new/b", "b");
    bench.put("new/binary", b"\0\x01");
    bench.put("out/ignored", "x");
    fs::remove_file(bench.root().join("gone")).unwrap();
    symlink("/etc/passwd", bench.root().join("link")).unwrap();
    fs::write(bench.root().join(OsStr::from_bytes(b"caf\xe9")), "x").unwrap();
    insta::assert_snapshot!(bench.does("git_status", json!({})).await, @r"
    M a
    A caf\xe9
    D gone
    A link
    A new/b
    A new/binary
    ");
    insta::assert_snapshot!(bench.does("git_diff", json!({})).await, @r"
    --- a/a
    +++ b/a
    @@ -1,2 +1,2 @@
     one
    -two
    +2
    A caf\xe9 (it cannot be read as text)
    --- a/gone
    +++ /dev/null
    @@ -1 +0,0 @@
    -x
    A link (a symbolic link or a repository of its own)
    --- /dev/null
    +++ b/new/b
    @@ -0,0 +1 @@
    +b
    \ No newline at end of file
    A new/binary (binary)
    ");
    assert_eq!(bench.does("git_status", json!({ "path": "new" })).await.lines().count(), 2);
    assert_eq!(bench.does("git_status", json!({ "path": "ne" })).await, "no differences\n");
    bench.commit("second");
    let log = bench.does("git_log", json!({ "max": 1 })).await;
    assert!(log.contains(" 1970-01-01T00:00:01") && log.ends_with("a: second\n(there are older ones)\n"), "{log}");
    assert!(bench.does("git_status", json!({ "against": "HEAD~1" })).await.contains("D gone"));
    for unknown in ["nowhere", "HEAD~9", "@{", ":(", "-x", ":/base\u{1}"] {
        let text = bench.told("git_diff", json!({ "against": unknown })).await;
        assert!(text.contains("not a commit of this repository"), "{unknown}: {text}");
    }
    assert!(bench.told("git_status", json!({ "path": "../x" })).await.contains("is not a path inside"));
}

#[tokio::test]
async fn a_large_diff_is_cut_and_counted() {
    let bench = Bench::new();
    bench.put("a", "x\n");
    bench.commit("base");
    for name in ["b", "c", "d"] {
        bench.put(name, "y".repeat(limits::TOOL_GIT_DIFF_BYTES / 2));
    }
    let shown = bench.does("git_diff", json!({})).await;
    assert!(shown.ends_with("(1 more files are left out; give a path)\n"), "{}", &shown[shown.len() - 100..]);
    for n in 0..limits::TOOL_LOG_COMMITS {
        bench.commit(&n.to_string());
    }
    let most = limits::TOOL_LOG_COMMITS;
    assert_eq!(bench.does("git_log", json!({ "max": most })).await.lines().count(), most + 1);
    assert!(bench.told("git_log", json!({ "max": most + 1 })).await.contains("at `/max`"));
}
