//! What people see of the sandbox: `wfctl sandbox`, and what `wfctl doctor` says of it.

use crate::rig::Rig;

/// Tells what it reaches, into the file that it is given: the same lines whoever contains it.
const LOOK: &str = "
{
    cat ~/shown/file ~/other/file
    echo \"kept: $KEPT, other: $OTHER\"
    ulimit -n
    echo lost >/etc/wfctl-look
    echo net: $(grep -c : /proc/net/dev)
} >\"$1\" 2>&1
";
const CONFIG: &str = "[sandbox]\nreadable = [\"~/shown\"]\nenv = [\"KEPT\"]\nlimits = {open_files = 77}\n";
const STEP: &str = "name: look\nworkspace: dir\ntasks:\n  look: {run: sh look.sh by-step}\n";

/// A rig with a person's configuration; an error where no sandbox works.
fn configured() -> Result<Rig, String> {
    let rig = Rig::contained();
    let done = rig.wfctl(&["sandbox", "--", "true"]);
    if done.code == Some(6) {
        return Err(done.err);
    }
    assert_eq!(done.code, Some(0), "{}", done.err);
    for (file, text) in [("shown/file", "seen\n"), ("other/file", "unseen\n"), (".config/wfctl/config.toml", CONFIG)] {
        let path = rig.folder().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    rig.write("look.sh", LOOK);
    rig.write("look.yaml", STEP);
    Ok(rig)
}

#[test]
fn a_command_by_hand_reaches_what_a_step_reaches() {
    let rig = match configured() {
        Ok(rig) => rig,
        Err(why) => {
            eprintln!("skipped: {why}");
            return;
        }
    };
    for verb in [&["sandbox", "--", "sh", "look.sh", "by-hand"][..], &["run", "look.yaml"]] {
        let done = rig.command(verb).env("KEPT", "yes").env("OTHER", "yes").output().unwrap();
        assert!(done.status.success(), "{verb:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
    let by_hand = rig.read("by-hand");
    assert_eq!(by_hand, rig.read("by-step"));
    for told in ["seen\n", "kept: yes, other: \n", "\n77\n", "net: 1\n"] {
        assert!(by_hand.contains(told), "{told:?} is not in {by_hand}");
    }
    assert!(!by_hand.contains("unseen") && !std::path::Path::new("/etc/wfctl-look").exists(), "{by_hand}");
    let more = ["sandbox", "--allow-read", "~/other", "--", "cat"];
    let file = rig.folder().join("other/file").display().to_string();
    assert_eq!(rig.wfctl(&[&more[..], &[&file]].concat()).out, "unseen\n");
}

#[test]
fn a_sandbox_that_cannot_be_had_says_what_is_missing() {
    let rig = Rig::contained();
    // Nothing is found in such a path, bubblewrap least of all.
    let mut command = rig.wary(&["sandbox", "--backend", "bwrap", "--", "/bin/sh", "-c", "echo ran >mark"]);
    let done = command.env("PATH", "/nowhere").output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(6), "{told}");
    for part in ["error[WF0046]", "bwrap: bubblewrap (bwrap) is not installed", "apt install bubblewrap"] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    assert!(!rig.path("mark").exists(), "it ran");
    assert!(rig.wfctl(&["explain", "WF0046"]).out.contains("wfctl run --sandbox none"));
}

#[test]
fn the_doctor_tells_of_every_backend_and_leaves_nothing_behind() {
    let rig = Rig::contained();
    let done = rig.wfctl(&["doctor"]);
    assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
    for backend in ["sandbox: bwrap ", "sandbox: native "] {
        let line = done.out.lines().find(|line| line.contains(backend));
        let line = line.unwrap_or_else(|| panic!("nothing of {backend} in {}", done.out));
        let is_tried = line.contains(" 10 of 10 ways out were tried and stopped");
        assert!(is_tried || line.contains("does not work here: "), "{line}");
    }
    let used = done.out.lines().filter(|line| line.contains("and commands run in it")).count();
    assert!(used == 1 || done.out.contains("commands do not run"), "{}", done.out);
    let mut left: Vec<_> = std::fs::read_dir(rig.folder()).unwrap().map(|file| file.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["work"]);
}
