//! What a command sees of a person's home, of keys and of the repository.

use super::super::super::runner::testing::Rig;
use super::*;
use crate::domain::effect::{StepRequest, WorkspaceOrder};
use crate::domain::sandbox::SandboxSpec;
use crate::domain::workflow::OutputFormat;

struct House {
    folder: tempfile::TempDir,
    places: Places,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let places = Places {
            home: at("state"),
            user_home: Some(at("me")),
            config: vec![at("me/.config/wfctl")],
            sockets: at("state/run"),
            caches: at("state/caches"),
            stage: at("wfctl"),
            path: None,
            engines: Engines::default(),
        };
        std::fs::create_dir_all(at("me/project")).unwrap();
        Self { folder, places }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn view(&self, kind: WorkspaceKind, allowed: &Allowance, environment: &[(OsString, OsString)]) -> View {
        let run = StepRequest::Run { command: String::new(), probe: None, output: OutputFormat::Auto };
        let mut order = Rig::new().order(run);
        let base_dir = self.at("me/project");
        order.workspace =
            WorkspaceOrder { kind, base_dir: base_dir.to_str().unwrap().into(), base_commit: None, trees: Vec::new() };
        let dir = if kind == WorkspaceKind::Dir { base_dir } else { self.at("state/worktrees/p/0") };
        self.places.view(Ground::of(&order), allowed, &dir, environment).unwrap()
    }
}

fn repository(dir: &Path) {
    crate::workspace::git::create(dir, &[("a", "x")], "other", crate::domain::time::Millis(0)).unwrap();
}

#[test]
fn homes_and_keys_are_covered_and_tools_are_shown() {
    let house = House::new();
    let path = format!("/bin:{}:{}", house.at("me/bin").display(), house.at("me").display());
    let view = house.view(WorkspaceKind::Dir, &Allowance::default(), &[("PATH".into(), path.into())]);
    assert!(view.scratch.contains(&house.at("me")) && view.scratch.contains(&"/root".into()));
    assert!(view.hidden.contains(&house.at("state")) && view.hidden.contains(&house.at("me/.ssh")));
    assert!(view.readable.contains(&house.at("me/.cargo")) && view.readable.contains(&house.at("me/bin")));
    assert!(!view.readable.contains(&house.at("me")), "a home in PATH shows nothing of it");
    assert_eq!(view.writable, [house.at("me/project")]);
}

#[test]
fn a_repository_is_read_and_its_settings_are_never_written() {
    let house = House::new();
    repository(&house.at("me/project"));
    let git = house.at("me/project/.git").canonicalize().unwrap();
    let shows = |paths: &[PathBuf], path: &Path| paths.iter().any(|it| it.canonicalize().is_ok_and(|it| it == path));
    let here = house.view(WorkspaceKind::Dir, &Allowance::default(), &[]);
    assert!(shows(&here.read_only, &git) && !shows(&here.writable, &git));
    let away = house.view(WorkspaceKind::Worktree, &Allowance::default(), &[]);
    assert!(shows(&away.readable, &git) && away.hidden.contains(&house.at("me/project")));
    assert_eq!(away.writable, [house.at("state/worktrees/p/0")]);
    let write = SandboxSpec { git: Some(GitAccess::Write), ..SandboxSpec::default() };
    let may_write = house.view(WorkspaceKind::Worktree, &Allowance::default().with(&write), &[]);
    assert!(shows(&may_write.writable, &git) && shows(&may_write.read_only, &git.join("config")));
}

#[test]
fn caches_are_read_hidden_or_of_the_projects_own() {
    let house = House::new();
    let with = |caches| house.view(WorkspaceKind::Dir, &Allowance { caches, ..Allowance::default() }, &[]);
    let cache = house.at("me/.npm");
    assert!(with(Caches::Read).readable.contains(&cache));
    assert!(with(Caches::None).hidden.contains(&cache));
    let own = with(Caches::Project);
    let (variable, folder) = own.variables.iter().find(|(name, _)| name == "CARGO_HOME").unwrap();
    assert!(variable == "CARGO_HOME" && Path::new(folder).is_dir() && Path::new(folder).starts_with(&own.writable[1]));
}

#[test]
fn what_may_be_written_must_be_there() {
    let house = House::new();
    let allow = |path: &str| SandboxSpec { writable: Some([path.to_owned()].into()), ..SandboxSpec::default() };
    let view = house.view(WorkspaceKind::Dir, &Allowance::default().with(&allow("~/project")), &[]);
    assert_eq!(view.writable[1], house.at("me/project"));
    let run = StepRequest::Run { command: String::new(), probe: None, output: OutputFormat::Auto };
    let order = Rig::new().order(run);
    let missing = Allowance::default().with(&allow("/nonexistent"));
    let failure = house.places.view(Ground::of(&order), &missing, house.folder.path(), &[]).unwrap_err();
    assert!(failure.message.contains("/nonexistent"), "{failure}");
}

#[test]
fn a_container_brings_its_own_tools_and_home() {
    let house = House::new();
    let allowed = Allowance {
        backend: crate::domain::sandbox::Backend::Docker,
        readable: ["~/notes".to_owned()].into(),
        ..Allowance::default()
    };
    let path = house.at("me/bin").into_os_string();
    let view = house.view(WorkspaceKind::Dir, &allowed, &[("PATH".into(), path)]);
    assert_eq!((view.readable, view.scratch), (vec![house.at("me/notes")], Vec::new()));
    assert_eq!(view.writable, [house.at("me/project")]);
    assert!(view.hidden.contains(&house.at("me/.ssh")), "should the project be a whole home");
    assert!(view.variables.contains(&("HOME".into(), "/tmp".into())));
}
