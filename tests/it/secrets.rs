//! Secrets from outside: declared by the person, named by a workflow, and nowhere in what is kept or shown.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;

use crate::rig::{Done, Rig};

/// Long enough that no part of it is in anything by chance.
const VALUE: &str = "s3cr3t/Tok+en=with?odd&chars%7";

/// Prints the secret in every form that a shell can make.
const PRINTS: &str = r#"
name: prints
tasks:
  plain:
    SECRETS
    run: echo "it is $TOKEN"; echo "also $TOKEN" >&2; printf '%.9s' "$TOKEN"; printf '%s\n' "${TOKEN#?????????}"
  coded:
    SECRETS
    run: |
      printf %s "$TOKEN" | base64
      printf 'x%s' "$TOKEN" | base64
      printf 'xy%sz' "$TOKEN" | base64 | tr '+/' '-_' | tr -d '='
      printf '%060d%s%060d' 0 "$TOKEN" 0 | base64 -w76
      printf %s "$TOKEN" | od -An -v -tx1
      printf %s "$TOKEN" | od -An -v -tx1 | tr -d ' \n' | tr a-f A-F; echo
      printf %s "$TOKEN" | od -An -v -tx1 | tr -d '\n' | tr ' ' '%'; echo
      printf %s "$TOKEN" | fold -w7; echo
  value:
    SECRETS
    run: printf '{"token":"%s","n":1}' "$TOKEN"
  read:
    needs: [value]
    run: echo {{ tasks.value.output.token | sh }}
  long:
    SECRETS
    run: i=0; while [ $i -lt 3000 ]; do echo "$i $TOKEN"; i=$((i + 1)); done
  fails:
    SECRETS
    run: echo "no luck with $TOKEN" >&2; exit 3
    retry: {max_attempts: 1, on_exhausted: continue}
"#;

fn workflow(handed: bool) -> String {
    let line = if handed { "secrets: [TOKEN]" } else { "description: it inherits what it prints" };
    PRINTS.replace("SECRETS", line)
}

/// Every form in which the value must not be found, and every part of it that could not be there by chance.
fn needles() -> Vec<Vec<u8>> {
    let hex: String = VALUE.bytes().map(|byte| format!("{byte:02x}")).collect();
    let url: String = VALUE.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let mut all: Vec<String> =
        vec![hex[..20].to_owned(), hex.to_ascii_uppercase()[..20].to_owned(), url[..30].to_owned()];
    for shift in 0..3 {
        let engine = base64::engine::general_purpose::STANDARD_NO_PAD;
        let encoded = engine.encode([&b"xyz"[..shift], VALUE.as_bytes()].concat());
        all.push(encoded[4..24].to_owned());
        all.push(encoded[4..24].replace('+', "-").replace('/', "_"));
    }
    all.extend(VALUE.as_bytes().windows(9).map(|part| String::from_utf8(part.to_vec()).unwrap()));
    all.into_iter().map(String::into_bytes).collect()
}

/// What of it is in these bytes, white space between them not counted.
fn found(bytes: &[u8]) -> Option<String> {
    let squeezed: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let search = aho_corasick::AhoCorasick::new(needles()).unwrap();
    search.find(&squeezed).map(|hit| String::from_utf8_lossy(&squeezed[hit.range()]).into_owned())
}

fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.symlink_metadata().unwrap() {
            meta if meta.is_dir() => files(&path, all),
            meta if meta.is_file() => all.push(path),
            _ => {}
        }
    }
}

/// Where in the home something of the value is: in a file as it is, or in something that is packed in it.
fn in_home(rig: &Rig) -> Vec<String> {
    const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let mut all = Vec::new();
    files(&rig.folder().join("home"), &mut all);
    assert!(all.len() > 5, "{all:?}");
    let mut places = Vec::new();
    for path in all {
        let bytes = std::fs::read(&path).unwrap();
        let packed = bytes.windows(4).enumerate().filter(|(_, four)| *four == ZSTD).map(|(at, _)| {
            let mut content = Vec::new();
            // What is no frame after all, or ends in its middle, has been read as far as it goes.
            if let Ok(decoder) = zstd::stream::Decoder::new(&bytes[at..]) {
                let _ = decoder.single_frame().read_to_end(&mut content);
            }
            content
        });
        for content in std::iter::once(bytes.clone()).chain(packed) {
            places.extend(found(&content).map(|part| format!("{}: {part}", path.display())));
        }
    }
    places
}

/// A verb with the secret in its environment.
fn with_token(rig: &Rig, arguments: &[&str]) -> Done {
    rig.command(arguments).env("DEPLOY_TOKEN", VALUE).env("WFCTL_LOG_FORMAT", "json").output().unwrap().into()
}

fn configure(rig: &Rig, text: &str) {
    std::fs::create_dir_all(rig.folder().join(".config/wfctl")).unwrap();
    std::fs::write(rig.folder().join(".config/wfctl/config.toml"), text).unwrap();
}

/// Runs a verb with something on stdin.
fn typed(rig: &Rig, arguments: &[&str], text: &str) -> Done {
    let mut command = rig.command(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

/// What every verb says of the project.
fn all_that_is_shown(rig: &Rig) -> String {
    let mut said = String::new();
    for arguments in [
        vec!["events", "p"],
        vec!["events", "p", "--json"],
        vec!["show", "p"],
        vec!["show", "p", "--json"],
        vec!["why", "p"],
        vec!["list", "--all", "--json"],
        vec!["audit", "export", "p"],
        vec!["logs", "p"],
        vec!["logs", "p", "coded"],
        vec!["logs", "p", "long"],
        vec!["logs", "p", "--json"],
        vec!["graph", "p"],
        vec!["cost", "p", "--json"],
    ] {
        let done = with_token(rig, &arguments);
        said += &format!("{}{}", done.out, done.err);
    }
    said
}

#[test]
fn a_secret_that_is_printed_in_every_form_is_nowhere() {
    let rig = Rig::new();
    configure(&rig, "[secrets]\nTOKEN = \"env:DEPLOY_TOKEN\"\n");
    rig.write("w.yaml", &workflow(true));
    let run = with_token(&rig, &["run", "w.yaml", "--id", "p", "--json"]);
    assert_eq!(run.code, Some(0), "{} {}", run.out, run.err);
    let said = all_that_is_shown(&rig);
    assert!(said.contains("it is [secret]") && said.contains("no luck with [secret]"), "{said}");
    assert!(said.contains("2999 [secret]"));
    for text in [&run.out, &run.err, &said] {
        assert_eq!(found(text.as_bytes()), None);
    }
    assert_eq!(in_home(&rig), [""; 0]);
    assert_eq!(with_token(&rig, &["audit", "verify"]).code, Some(0));
}

#[test]
fn the_same_search_finds_what_is_not_declared() {
    let rig = Rig::new();
    rig.write("w.yaml", &workflow(false).replace("TOKEN", "DEPLOY_TOKEN"));
    let run = with_token(&rig, &["run", "w.yaml", "--id", "p", "--json", "--allow-env", "DEPLOY_TOKEN"]);
    assert_eq!(run.code, Some(0), "{} {}", run.out, run.err);
    let said = all_that_is_shown(&rig);
    assert!(found(said.as_bytes()).is_some());
    let places = in_home(&rig);
    assert!(places.iter().any(|place| place.contains("/store/")), "in the store: {places:?}");
    assert!(places.iter().any(|place| place.contains("/blobs/")), "in a blob: {places:?}");
    for task in ["plain", "coded", "value", "long"] {
        let log = with_token(&rig, &["logs", "p", task]);
        assert!(found(log.out.as_bytes()).is_some(), "{task}: {}", log.out);
    }
}

#[test]
fn nothing_begins_without_the_secrets_that_it_needs() {
    let rig = Rig::new();
    rig.write(
        "w.yaml",
        "name: w\nsecrets: [TOKEN]\ntasks: {a: {run: touch ran}, b: {run: 'true', secrets: [OTHER]}}\n",
    );
    let undeclared = rig.wfctl(&["run", "w.yaml"]);
    assert_eq!(undeclared.code, Some(2), "{}", undeclared.err);
    for told in
        ["error[WF0045]", "secret TOKEN: it is not declared", "OTHER", "config.toml", "wfctl secrets check OTHER TOKEN"]
    {
        assert!(undeclared.err.contains(told), "{told}: {}", undeclared.err);
    }
    configure(&rig, "[secrets]\nTOKEN = \"env:DEPLOY_TOKEN\"\nOTHER = \"file\"\n");
    let absent = rig.wfctl(&["run", "w.yaml"]);
    assert!(absent.err.contains("set DEPLOY_TOKEN where wfctl is started"), "{}", absent.err);
    assert!(absent.err.contains("wfctl secrets set OTHER"), "{}", absent.err);
    let checked = with_token(&rig, &["secrets", "check", "--workflow", "w.yaml"]);
    assert_eq!(checked.code, Some(2));
    insta::assert_snapshot!(checked.out, @r"
    OTHER  file              absent
    TOKEN  env:DEPLOY_TOKEN  present
    ");
    assert!(!rig.folder().join("home").exists(), "nothing has begun");
    assert_eq!(rig.read("ran"), "");
    assert_eq!(typed(&rig, &["secrets", "set", "OTHER"], "another-value\n").code, Some(0));
    assert_eq!(with_token(&rig, &["run", "w.yaml"]).code, Some(0));
}

#[test]
fn a_secret_that_goes_away_fails_the_step_and_is_not_tried_again_blindly() {
    let rig = Rig::new();
    configure(&rig, "[secrets]\nTOKEN = \"file\"\n");
    typed(&rig, &["secrets", "set", "TOKEN"], "hunter2hunter2");
    let gone = "name: w\ntasks:\n  a: {run: wfctl secrets remove TOKEN}\n  b: {needs: [a], secrets: [TOKEN], run: touch ran}\n";
    let binary = env!("CARGO_BIN_EXE_wfctl");
    rig.write("w.yaml", &gone.replace("run: wfctl", &format!("run: {binary}")));
    let run = rig.wfctl(&["run", "w.yaml", "--id", "p", "--sandbox", "none"]);
    assert_eq!(run.code, Some(3), "{}", run.err);
    let why = rig.wfctl(&["why", "p"]).out;
    assert!(
        why.contains("secret TOKEN: there is no value at file")
            || rig.wfctl(&["events", "p"]).out.contains("secret TOKEN"),
        "{why}"
    );
    assert_eq!(rig.wfctl(&["events", "p"]).out.matches("b: started").count(), 1, "{}", rig.wfctl(&["events", "p"]).out);
    typed(&rig, &["secrets", "set", "TOKEN"], "hunter2hunter2");
    assert_eq!(rig.wfctl(&["retry", "p", "b"]).code, Some(0));
    assert_eq!(rig.wfctl(&["resume", "p"]).code, Some(0));
    assert!(rig.path("ran").exists());
}

#[test]
fn values_are_set_listed_and_removed_and_never_shown() {
    let rig = Rig::new();
    assert!(rig.wfctl(&["secrets", "list"]).err.contains("no secrets are declared"));
    configure(&rig, "[secrets]\nDB = \"file\"\nTOKEN = \"env:DEPLOY_TOKEN\"\n");
    let set = typed(&rig, &["secrets", "set", "DB"], "hunter2 hunter2\n");
    assert_eq!((set.code, set.out.as_str()), (Some(0), ""));
    let file = rig.folder().join(".config/wfctl/secrets.toml");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "DB = \"hunter2 hunter2\"\n");
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let list = rig.wfctl(&["secrets", "list"]);
        insta::assert_snapshot!(list.out, @r"
        DB     file              present
        TOKEN  env:DEPLOY_TOKEN  absent
        ");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let open = rig.wfctl(&["secrets", "check", "DB"]);
        assert_eq!(open.code, Some(2));
        assert!(open.err.contains("chmod 600") && !open.err.contains("hunter2"), "{}", open.err);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let json = rig.wfctl(&["secrets", "list", "--json"]).out;
    let line: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((&line["name"], &line["present"]), (&"DB".into(), &true.into()));
    let undeclared = typed(&rig, &["secrets", "set", "NEW"], "another-value");
    assert!(undeclared.err.contains("no workflow can name it yet") && undeclared.err.contains("NEW = \"file\""));
    let short = typed(&rig, &["secrets", "set", "DB"], "1234567\n");
    assert_eq!(short.code, Some(2));
    assert!(short.err.contains("8 to 16384 bytes") && !short.err.contains("1234567"), "{}", short.err);
    assert_eq!(typed(&rig, &["secrets", "set", "PATH"], "hunter2hunter2").code, Some(2));
    assert_eq!(rig.wfctl(&["secrets", "remove", "DB"]).code, Some(0));
    assert_eq!(rig.wfctl(&["secrets", "remove", "DB"]).code, Some(5));
}

#[test]
fn what_comes_in_from_outside_is_recorded_without_the_value() {
    let rig = Rig::new();
    configure(&rig, "[secrets]\nTOKEN = \"env:DEPLOY_TOKEN\"\n");
    rig.write("w.yaml", "name: w\ninputs: {n: {type: string, default: x}}\ntasks: {a: {approval: go on?}}\n");
    let given = format!("n={VALUE}");
    let refused = with_token(&rig, &["run", "w.yaml", "-i", &given, "--id", "p"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("(TOKEN)") && found(refused.err.as_bytes()).is_none(), "{}", refused.err);
    assert_eq!(with_token(&rig, &["run", "w.yaml", "--id", "q", "--detach"]).code, Some(0));
    let comment = format!("use {VALUE}");
    crate::rig::until("it asks", || with_token(&rig, &["approve", "q", "--comment", &comment]).code == Some(0));
    let resumed = with_token(&rig, &["resume", "q"]);
    assert!(matches!(resumed.code, Some(0 | 6)), "{}", resumed.err);
    assert!(with_token(&rig, &["audit", "export", "q"]).out.contains("use [secret]"));
    assert_eq!(in_home(&rig), [""; 0]);
}

#[test]
fn a_repository_declares_no_secrets() {
    let rig = Rig::new();
    rig.write(".wfctl.toml", "[secrets]\nHOUSE = \"env:HOUSE\"\n");
    let refused = rig.wfctl(&["list"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("your own configuration only"), "{}", refused.err);
}

/// An agent that repeats the secret, reads it from a file, and writes it down.
const SCRIPT: &str = r#"conversations:
  - role: implementer
    turns:
      - say: "The key is VALUE."
        calls:
          - read_file: {path: notes.txt}
          - run_command: {command: "cat notes.txt | base64; cat notes.txt"}
        usage: {input: 100, output: 10}
      - say: "I write VALUE down."
        calls:
          - write_file: {path: key.txt, content: "key of notes\n"}
          - run_command: {command: "cp notes.txt key.txt"}
        usage: {input: 200, output: 10}
      - calls:
          - finish: {summary: "Done with VALUE.", changes: [{file: key.txt, what: VALUE}], tests: [], risks: [], commit_message: Keep VALUE}
        usage: {input: 300, output: 10}
      - calls:
          - write_file: {path: key.txt, content: "nothing\n"}
        usage: {input: 300, output: 10}
      - calls:
          - finish: {summary: "Done with VALUE.", changes: [{file: key.txt, what: VALUE}], tests: [], risks: [], commit_message: Keep VALUE}
        usage: {input: 300, output: 10}
"#;

#[test]
fn an_agent_neither_reads_nor_repeats_nor_commits_a_secret() {
    let rig = Rig::new();
    configure(&rig, "[secrets]\nTOKEN = \"env:DEPLOY_TOKEN\"\n");
    rig.repository("repo");
    rig.write("repo/notes.txt", &format!("the key: {VALUE}\n"));
    rig.write("repo/AGENTS.md", &format!("Log in with {VALUE}.\n"));
    rig.git("repo", &["add", "."]);
    rig.git("repo", &["commit", "-q", "-m", "notes"]);
    rig.write("script.yaml", &SCRIPT.replace("VALUE", VALUE));
    let workflow = format!(
        "name: w\nworkspace: worktree\nmodels: {{default: [s/x], providers: {{s: {{script: {}, free: true}}}}}}\n\
         tasks:\n  one: {{agent: implementer, merge: true}}\n",
        rig.path("script.yaml").display(),
    );
    rig.write("w.yaml", &workflow);
    let mut command = rig.shimmed("repo", &["run", "../w.yaml", "--id", "p"]);
    let run: Done = command.env("DEPLOY_TOKEN", VALUE).output().unwrap().into();
    let transcript = with_token(&rig, &["transcript", "p", "one"]);
    assert_eq!(run.code, Some(0), "{} {}", run.err, transcript.out);
    let said = format!("{}{}{}{}", run.out, run.err, transcript.out, all_that_is_shown(&rig));
    assert!(said.contains("The key is [secret]."), "{said}");
    let log = std::fs::read_to_string(rig.folder().join("home/engine.log")).unwrap();
    assert!(log.contains("struck out of what an agent reads") && log.contains("TOKEN"), "{log}");
    assert!(said.contains("known-secret"), "the check found it: {said}");
    assert_eq!(found(said.as_bytes()), None);
    assert_eq!(rig.git("repo", &["show", "ai/generated/p/integration:key.txt"]), "nothing");
    let message = rig.git("repo", &["log", "-1", "--format=%B", "ai/generated/p/integration"]);
    assert_eq!(found(message.as_bytes()), None, "{message}");
    // The work trees hold the repository's own files; everything else of the home is free of it.
    let kept: Vec<String> = in_home(&rig)
        .into_iter()
        .filter(|place| !place.contains("notes.txt") && !place.contains("AGENTS.md"))
        .collect();
    assert_eq!(kept, [""; 0]);
}

#[test]
fn a_command_does_not_commit_the_secret_that_it_was_handed() {
    let rig = Rig::new();
    configure(&rig, "[secrets]\nTOKEN = \"env:DEPLOY_TOKEN\"\n");
    rig.repository("repo");
    rig.write(
        "repo/w.yaml",
        "name: w\nworkspace: worktree\ntasks: {a: {run: 'printf %s \"$TOKEN\" | base64 > kept.txt', secrets: [TOKEN], merge: true, retry: {max_attempts: 1}}}\n",
    );
    let mut command = rig.shimmed("repo", &["run", "w.yaml", "--id", "p"]);
    let run: Done = command.env("DEPLOY_TOKEN", VALUE).output().unwrap().into();
    assert_eq!(run.code, Some(3), "{}{}", run.out, run.err);
    let events = rig.wfctl(&["events", "p"]).out;
    assert!(events.contains("not committed: kept.txt:1: known-secret: the value of TOKEN"), "{events}");
}
