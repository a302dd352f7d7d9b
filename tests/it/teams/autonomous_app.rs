//! A small web application from a prompt, with its package.

use super::crew::{Crew, fixture, has_python};

/// The script of a run with a worker that fails, a conflict, a rule that is broken, and a pipeline that is red once.
pub fn team() -> Crew {
    let script = std::fs::read_to_string(fixture("transcripts/autonomous-app.yaml")).unwrap();
    let inputs = [
        "prompt=A page with things to do.",
        "lint=sh -n build.sh",
        "test=python3 -B integration/run.py",
        "build=sh build.sh",
        "package=cp README dist/",
    ];
    Crew::new(&script, None, "autonomous-app", &inputs)
}

#[test]
fn a_prompt_becomes_an_application_that_works_with_its_package() {
    if !has_python() {
        return;
    }
    let team = team();
    let done = team.run();
    assert_eq!(done.code, Some(0), "{}\n{}", done.err, team.why());
    // Integration conflict: one of the two was merged by a task of its own, and nothing of either is lost.
    let merged = ["work[page].fix1", "work[guide].fix1"].map(|task| team.status(task));
    assert!(merged.contains(&"COMPLETED".to_owned()), "{merged:?}");
    assert_eq!(team.file("README"), "Start it with python3 app.py.\nThe page is in web/.");
    // Validation failure: a fix task that was told of the rule.
    assert_eq!(team.status("work[pipeline].fix1"), "COMPLETED");
    let told = team.rig.wfctl(&["transcript", "p", "work[pipeline].fix1", "--full"]).out;
    assert!(told.contains("index.htm"), "{told}");
    // Worker failure: another attempt, which was told of the first.
    let told = team.rig.wfctl(&["transcript", "p", "work[api]", "--full"]).out;
    assert!(told.contains("attempt 2") && told.contains("What was tried before"), "{told}");
    // The pipeline sent it back, and the master was told what it found.
    let told = team.rig.wfctl(&["transcript", "p", "fix", "--full"]).out;
    assert!(told.contains("the page asks for /api/items, and the server answers 404"), "{told}");
    // The package is what its manifest says, and the application in it works.
    team.rig.git("", &["clone", "-q", "-b", "release", "repo", "copy"]);
    let manifest = team.rig.read("copy/package/MANIFEST");
    let digest = team.rig.host("copy/package", "sha256sum", &["app.tar.gz"]);
    let digest = digest.split_whitespace().next().unwrap();
    assert!(manifest.contains(&format!("archive: app.tar.gz {digest}\n")), "{manifest}");
    std::fs::create_dir(team.rig.path("out")).unwrap();
    team.rig.host("out", "tar", &["-xzf", "../copy/package/app.tar.gz"]);
    for line in manifest.lines().skip_while(|line| *line != "files:").skip(1) {
        let (digest, file) = line.trim().split_once("  ").unwrap();
        assert!(team.rig.host("out", "sha256sum", &[file]).starts_with(digest), "{file}");
    }
    for file in ["dist/web/index.html", "dist/app.py", "dist/README", "integration/run.py"] {
        assert!(manifest.contains(&format!("  {file}\n")), "{file} is in the package: {manifest}");
    }
    team.rig.host("out", "python3", &["-B", "integration/run.py"]);
    // History: each task's commit is on the branch.
    let log = team.rig.git("repo", &["log", "--format=%s", "release"]);
    for subject in
        ["Serve the items", "Show the items", "Copy the page by its name", "Ask for the items where they are"]
    {
        assert!(log.contains(subject), "{subject}: {log}");
    }
    team.is_tidy();
}

#[test]
fn without_commands_the_stages_say_that_they_do_nothing() {
    let rig = crate::rig::Rig::new();
    let shown = rig.wfctl(&["graph", "autonomous-app", "--format", "tree"]).out;
    for stage in ["dependencies", "validation", "testing", "building", "package", "land"] {
        assert!(shown.contains(stage), "{stage}: {shown}");
    }
}
