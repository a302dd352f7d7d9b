//! The same as an ordinary user: when this suite is run by root, it runs its probes once more as somebody without rights.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::rig;

/// The user that every Linux has and that owns nothing.
const NOBODY: &str = "65534";

#[test]
fn everything_holds_for_an_ordinary_user() {
    if !rig::is_root() {
        return;
    }
    let Ok(dir) = tempfile::Builder::new().prefix("wfctl-sandbox-").tempdir_in("/srv") else {
        eprintln!("skipped: no folder for an ordinary user can be made in /srv");
        return;
    };
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    // A folder of their own: worlds do not see each other.
    let worlds = dir.path().join("worlds");
    fs::create_dir(&worlds).unwrap();
    fs::set_permissions(&worlds, fs::Permissions::from_mode(0o777)).unwrap();
    // The build folder may lie where the user cannot go.
    let own = dir.path().join("suite");
    let stage = dir.path().join("wfctl");
    fs::copy(std::env::current_exe().unwrap(), &own).unwrap();
    fs::copy(rig::stage(), &stage).unwrap();
    let ids = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".to_owned()];
    let output = Command::new("setpriv")
        .args(ids)
        .arg(&own)
        .args(["companion::", "contained::", "lives::", "network::", "resources::", "--test-threads=2"])
        .env(rig::BASE, &worlds)
        .env(rig::STAGE, &stage)
        .env("HOME", dir.path())
        .env("TMPDIR", dir.path())
        .current_dir(Path::new("/"))
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            eprintln!("skipped: setpriv (util-linux) cannot be started: {error}");
            return;
        }
    };
    let told = rig::text(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", rig::text(&output.stderr));
    assert!(told.contains(" passed"), "{told}");
}
