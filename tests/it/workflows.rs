//! The workflows that are shipped, run as their users would.

use std::path::{Path, PathBuf};

use crate::rig::{Done, Rig, until};

fn shipped() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("workflows");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let workflows = files.filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    workflows.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path)).collect()
}

fn file(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("workflows/{name}.yaml")).display().to_string()
}

#[test]
fn each_is_valid_without_warnings_drawn_and_compiled_in() {
    let rig = Rig::new();
    let shipped = shipped();
    assert!(shipped.len() >= 3);
    for (name, path) in shipped {
        let path = path.display().to_string();
        for what in [&name, &path] {
            let valid = rig.wfctl(&["validate", what]);
            assert_eq!((valid.code, valid.err.as_str()), (Some(0), ""), "{what}");
        }
        for format in ["tree", "mermaid", "dot", "svg"] {
            let inside = rig.wfctl(&["graph", &name, "--format", format]);
            let outside = rig.wfctl(&["graph", &path, "--format", format]);
            assert_eq!(inside.code, Some(0), "{name}: {}", inside.err);
            assert_eq!(inside.out, outside.out, "{name} is not what is compiled in");
            assert!(inside.out.lines().count() > 4, "{name}: {}", inside.out);
        }
    }
}

#[test]
fn the_folder_s_readme_shows_each_as_it_is() {
    let rig = Rig::new();
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("workflows/README.md")).unwrap();
    for (name, _) in shipped() {
        let drawn = rig.wfctl(&["graph", &name, "--format", "mermaid"]).out;
        assert!(readme.contains(&format!("## {name}\n")), "{name} has no section");
        assert!(readme.contains(&format!("```mermaid\n{drawn}```")), "{name} is drawn otherwise:\n{drawn}");
    }
    for line in readme.lines().filter(|line| line.starts_with("| ")) {
        for shows in line.split('`').skip(1).step_by(2) {
            exists(shows);
        }
    }
}

/// What shows a feature, as it is named in a table: a test of the folder `tests`, or a file.
fn exists(shows: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if ["src/", "tests/", "fixtures/", "workflows/"].iter().any(|folder| shows.starts_with(folder)) {
        let (path, test) = shows.split_once("::").unwrap_or((shows, ""));
        assert!(root.join(path).exists(), "there is no {path}");
        let has = |path: &Path| std::fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("fn {test}(")));
        assert!(test.is_empty() || has(&root.join(path)), "there is no test {test} in {path}");
    }
    let Some((binary, rest)) = shows.split_once("::").filter(|(name, _)| root.join("tests").join(name).is_dir()) else {
        return;
    };
    let mut parts: Vec<&str> = rest.split("::").collect();
    let test = parts.pop().unwrap_or_default();
    let module = root.join("tests").join(binary).join(parts.join("/"));
    let files = [module.with_extension("rs"), module.join("mod.rs")];
    let text: String = files.iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    assert!(text.contains(&format!("fn {test}(")), "there is no test {shows}");
}

#[test]
fn ci_shows_its_plan_and_starts_nothing() {
    let rig = Rig::new();
    let plan = rig.wfctl(&["run", "ci", "--dry-run"]);
    assert_eq!(plan.code, Some(0), "{}", plan.err);
    insta::assert_snapshot!(plan.out.lines().skip(1).collect::<Vec<_>>().join("\n"), @r#"
    input tally = "/dev/null"
    ci
    └─ build
       ├─ fmt (run)
       ├─ clippy (run)
       ├─ doc (run)
       ├─ build (run)
       └─ test (run) ← fmt, clippy, doc, build
    "#);
    assert!(!rig.folder().join("home").exists());
}

fn released(rig: &Rig, version: &str) -> Done {
    let input = format!("version={version}");
    let child = rig.shimmed(
        "repo",
        &["run", &file("release"), "--allow-git", "--id", version, "-i", &input, "-i", "check=test -f README"],
    );
    let child = { child }.spawn().unwrap();
    until("it asks", || rig.wfctl(&["why", version]).out.contains(&format!("wfctl approve {version} ask")));
    assert_eq!(rig.wfctl(&["approve", version]).code, Some(0));
    child.wait_with_output().unwrap().into()
}

#[test]
fn release_tags_the_base_commit_once_and_refuses_the_version_a_second_time() {
    let rig = Rig::new();
    rig.repository("repo");
    let done = released(&rig, "1.2.0");
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(rig.git("repo", &["rev-parse", "v1.2.0^{commit}"]), rig.git("repo", &["rev-parse", "HEAD"]));
    assert_eq!(rig.git("repo", &["branch", "--list"]), "* main", "nothing was changed, so there is no result branch");
    for (version, why) in [("1.2.0", "the tag v1.2.0 exists already"), ("one", "one is no version like 1.2.0")] {
        let again = rig.wfctl_in(
            "repo",
            &["run", &file("release"), "--allow-git", "-i", &format!("version={version}"), "-i", "check=true"],
        );
        assert_eq!(again.code, Some(1), "{}", again.err);
        assert!(again.err.contains(why), "{}", again.err);
    }
    assert_eq!(rig.git("repo", &["tag"]), "v1.2.0");
}

/// Fault scenario 2: the engine dies between the effect and its record. The tag's own git is slow to return.
#[test]
fn fault_02_release_killed_after_the_tag_and_before_its_record_adopts_the_tag() {
    let rig = Rig::new();
    rig.repository("repo");
    let (calls, hang) = (rig.path("calls"), rig.path("hang"));
    rig.write("hang", "");
    rig.shim(
        "git",
        &format!(
            "/usr/bin/git \"$@\" || exit $?\nif [ \"$1\" = tag ]; then echo tag >> '{0}'; while test -e '{1}'; do /bin/sleep 0.05; done; fi",
            calls.display(),
            hang.display()
        ),
    );
    let mut run = rig.shimmed(
        "repo",
        &["run", &file("release"), "--allow-git", "--id", "r", "-i", "version=2.0.0", "-i", "check=true"],
    );
    let mut child = run.spawn().unwrap();
    until("it asks", || rig.wfctl(&["why", "r"]).out.contains("wfctl approve r ask"));
    assert_eq!(rig.wfctl(&["approve", "r"]).code, Some(0));
    until("the tag is made", || rig.read("calls") == "tag\n");
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_file(&hang).unwrap();
    let plan = rig.wfctl(&["resume", "--dry-run", "r"]);
    assert!(plan.out.contains("looked for; run only if it did not happen"), "{}", plan.out);
    let resumed = rig.wfctl_in("repo", &["resume", "r"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    assert_eq!(rig.read("calls"), "tag\n", "it was tagged twice");
    assert_eq!(rig.git("repo", &["rev-parse", "v2.0.0^{commit}"]), rig.git("repo", &["rev-parse", "HEAD"]));
    assert_eq!(rig.wfctl(&["audit", "verify", "r"]).code, Some(0));
}

const NAMES: [&str; 5] = ["a b.csv", "it's \"q\".csv", "naïve—日本.csv", "-n.csv", "$(x);.csv"];

fn data(rig: &Rig) -> (String, String) {
    std::fs::create_dir_all(rig.path("source")).unwrap();
    for (at, name) in NAMES.iter().enumerate() {
        rig.write(&format!("source/{name}"), &"row\n".repeat(at + 1));
    }
    (format!("source={}", rig.path("source").display()), format!("target={}", rig.path("out put").display()))
}

fn published(rig: &Rig) -> Vec<String> {
    let files = std::fs::read_dir(rig.path("out put")).into_iter().flatten();
    let mut names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn nightly_data_packs_any_name_retries_asks_and_publishes() {
    let rig = Rig::new();
    let (source, target) = data(&rig);
    let once = rig.path("failed");
    rig.shim(
        "gzip",
        &format!(
            "if mkdir '{}' 2>/dev/null; then echo flaky >&2; exit 9; fi\nexec /usr/bin/gzip \"$@\"",
            once.display()
        ),
    );
    let child =
        rig.shimmed("", &["run", &file("nightly-data"), "--id", "n", "-i", &source, "-i", &target]).spawn().unwrap();
    until("it asks", || rig.wfctl(&["why", "n"]).out.contains("Publish 5 files"));
    assert_eq!(published(&rig), Vec::<String>::new());
    assert_eq!(rig.wfctl(&["events", "n", "--kind", "TaskBackoff"]).out.lines().count(), 1, "one attempt failed");
    assert_eq!(rig.wfctl(&["approve", "n"]).code, Some(0));
    let done: Done = child.wait_with_output().unwrap().into();
    assert_eq!(done.code, Some(0), "{}", done.err);
    let mut expected: Vec<String> = NAMES.iter().map(|name| format!("{name}.gz")).collect();
    expected.sort_unstable();
    assert_eq!(published(&rig), expected);
    for (at, name) in NAMES.iter().enumerate() {
        let rows = rig.host("out put", "gzip", &["-dc", &format!("./{name}.gz")]);
        assert_eq!(rows, "row\n".repeat(at + 1), "{name}");
    }
}

#[test]
fn nightly_data_cancelled_after_publishing_takes_it_back_in_reverse_order() {
    let rig = Rig::new();
    let (source, target) = data(&rig);
    let (hang, removed) = (rig.path("hang"), rig.path("removed"));
    rig.write("hang", "");
    // The summary's shell is stopped by its length: a `wc` is not in it, so the last `mv` waits instead.
    rig.shim(
        "mv",
        &format!(
            "case \"$1\" in *it*) while test -e '{}'; do /bin/sleep 0.05; done;; esac\nexec /usr/bin/mv \"$@\"",
            hang.display()
        ),
    );
    rig.shim("rm", &format!("echo \"${{2##*/}}\" >> '{}'\nexec /usr/bin/rm \"$@\"", removed.display()));
    let child =
        rig.shimmed("", &["run", &file("nightly-data"), "--id", "n", "-i", &source, "-i", &target]).spawn().unwrap();
    until("it asks", || rig.wfctl(&["why", "n"]).out.contains("Publish 5 files"));
    assert_eq!(rig.wfctl(&["approve", "n"]).code, Some(0));
    let completed = || {
        let events = rig.wfctl(&["events", "n", "--kind", "TaskCompleted", "--json"]).out;
        let records = events.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let names = records.filter_map(|record| Some(record["record"]["task"].as_str()?.to_owned()));
        names.filter(|name| name.starts_with("publish[")).collect::<Vec<_>>()
    };
    until("all but one are published", || completed().len() == NAMES.len() - 1);
    let order = completed();
    let cancelled = rig.wfctl(&["cancel", "n"]);
    assert_eq!(cancelled.code, Some(0), "{}", cancelled.err);
    let done: Done = child.wait_with_output().unwrap().into();
    assert_eq!(done.code, Some(4), "{}", done.err);
    let mut sorted: Vec<&str> = NAMES.to_vec();
    sorted.sort_unstable();
    let of = |task: &String| {
        let at: usize = task.trim_start_matches("publish[").trim_end_matches(']').parse().unwrap();
        format!("{}.gz", sorted[at])
    };
    let expected: Vec<String> = order.iter().rev().map(of).collect();
    assert_eq!(rig.read("removed").lines().collect::<Vec<_>>(), expected);
    assert!(published(&rig).iter().all(|name| name.starts_with('.')), "{:?}", published(&rig));
}
